from __future__ import annotations

import json
import random

import pytest

from monitor.config.model import StreamConfig
from monitor.decoding.cells import Values
from monitor.decoding.looking import knows_all_fields, unknown_fields
from monitor.decoding.paths import follow
from monitor.decoding.plan import Plan, compile_plan
from monitor.decoding.schema import ColumnType, Schema
from monitor.decoding.words import MOST, Words


def fresh(text: str) -> str:
    """Return an equal text that is another object."""
    return "".join([text[:1], text[1:]])


def test_equal_texts_become_one_object() -> None:
    words = Words()
    first = words.unite([fresh("red"), None, fresh("blue"), fresh("red"), None, fresh("red")])
    second = words.unite([fresh("blue"), fresh("red")])
    assert first == ["red", None, "blue", "red", None, "red"]
    assert second == ["blue", "red"]
    assert first is not None
    assert second is not None
    assert first[0] is first[3] is second[1]
    assert first[2] is second[0]


@pytest.mark.parametrize("other", [1, 1.0, True, float("nan"), b"a", (), [], {}])
def test_what_is_no_text_is_left_to_others(other: object) -> None:
    words = Words()
    assert words.unite(["a", other]) is None
    assert words.unite([other]) is None
    assert words.unite(["a", "1", "True", None]) == ["a", "1", "True", None]


@pytest.mark.parametrize("kinds", [1, 2, 50, MOST + 1, 10 * MOST])
def test_texts_stay_as_they_are_however_many(kinds: int) -> None:
    draw = random.Random(kinds)
    words = Words()
    for _ in range(150):
        values: Values = [None if draw.random() < 0.1 else f"w{draw.randrange(kinds)}" for _ in range(200)]
        assert words.unite(values) == values
        if draw.random() < 0.1:
            assert words.unite([*values, 3]) is None
    assert len(words._known) <= MOST + 1


def plan_of(path: str, columns: dict[str, ColumnType]) -> Plan:
    """Return the plan of a stream whose features stand at a path, the id among them."""
    mapped = {"features": path, "score": "value.score", "id": f"{path}.own"}
    stream = StreamConfig.model_validate({"topic": "p", "map": mapped})
    return compile_plan(Schema("m", stream, columns), 100)


@pytest.mark.parametrize("path", ["value.x", "value.in.x"])
def test_a_text_said_to_hold_known_fields_only_holds_no_other(path: str) -> None:
    draw = random.Random(1)
    plan = plan_of(path, {"a": "numeric", "b c": "categorical", "é": "ignore"})
    knows = knows_all_fields(plan)
    said = 0
    for _ in range(2000):
        names = draw.sample(["a", "b c", "é", "own", "A", "new", ""], k=draw.randrange(5))
        features: object = draw.choice([None, [], "a", *[{name: [{"z": 1}] for name in names}] * 9])
        document: object = {"x": features, "y": 1} if path == "value.x" else {"in": draw.choice([{"x": features}, 5])}
        text = json.dumps(document, ensure_ascii=draw.random() < 0.5).encode()
        unknown = unknown_fields(plan, follow(json.loads(text), plan.features.steps if plan.features else ()))
        said += knows(text)
        assert not (knows(text) and unknown), text
        assert knows(text) or unknown or not isinstance(features, dict) or document == {"in": 5}, text
    assert said > 200
    assert not knows(b"no JSON")
