from __future__ import annotations

import random

import pytest

from monitor.decoding.cells import Values
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
