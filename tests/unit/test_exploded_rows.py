"""Rows of one message: each is refused under a key of its own, whatever became of the rows beside it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config.load import load
from monitor.config.model import StreamConfig
from monitor.config.root import LimitsConfig
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import Schema
from monitor.events import DAY, HOUR, SECOND, Records
from monitor.opening import open_pipeline
from monitor.store.memory import MemoryStore
from tests.crash.ground import CONFIG, prepare
from tests.crash.runs import Outcome, drain, memory, outcome_of
from tests.crash.stream import BEGIN

EXPLODED = """\
      explode: "value.rows[*]"
      map: {id: row.id, time: row.ts, features: row.features, score: row.score}
"""
MAPPING = """\
      map: {{id: value.prediction_id, time: value.ts, version: value.model_version, features: value.features,
            score: value.score}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a configuration whose records are lists of rows, with a reference."""
    path = prepare(tmp_path, "p", "unused:9092")
    text = path.read_text()
    assert MAPPING in CONFIG
    path.write_text(text.replace(MAPPING.replace("{{", "{").replace("}}", "}"), EXPLODED))
    return path


def row(number: int, time: int | None) -> dict[str, object]:
    ts = None if time is None else datetime.fromtimestamp(time // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"id": f"r{number}", "ts": ts, "features": {"amount": 0.5, "country": "DE", "age": 40}, "score": 0.5}


def message(*times: int | None) -> bytes:
    return json.dumps({"rows": [row(number, time) for number, time in enumerate(times)]}).encode()


def read(config: Path, messages: list[bytes], *, restart_after: int | None = None) -> Outcome:
    """Run over the messages; with ``restart_after``, by two processes, the first of which is killed."""
    store = MemoryStore()
    first = memory({"p": {0: messages[:restart_after]}})
    pipeline = open_pipeline(load(config, {}), first, base=config.parent, store=store)
    drain(pipeline)
    if restart_after is not None:
        pipeline.assembly.history.close()
        pipeline = open_pipeline(load(config, {}), memory({"p": {0: messages}}), base=config.parent, store=store)
        drain(pipeline)
    outcome = outcome_of(pipeline)
    pipeline.close()
    return outcome


SPOILT: dict[str, dict[str, object]] = {"no-id": {"id": None}, "no-time": {"ts": None}}
STEADY = [message(*(BEGIN + 60 * SECOND * (10 * n + m) for m in range(10))) for n in range(20)]
"""Two hundred rows, a minute apart."""
NOW = BEGIN + 200 * 60 * SECOND
LONG_AGO, NEXT_YEAR = NOW - 30 * DAY, NOW + 365 * DAY


@pytest.mark.parametrize("restart_after", [None, 21])
def test_the_key_of_a_refused_row_is_its_place_in_the_message(config: Path, restart_after: int | None) -> None:
    mixed = message(None, NOW, LONG_AGO, NOW, None, NEXT_YEAR, NOW, LONG_AGO, NEXT_YEAR)
    later = [message(*([NOW] * 10)) for _ in range(2)]
    outcome = read(config, [*STEADY, mixed, *later], restart_after=restart_after)
    assert sorted(outcome.letters) == [
        ("p:0:20:0", "missing_time"), ("p:0:20:2", "too_late"), ("p:0:20:4", "missing_time"),
        ("p:0:20:5", "future_time"), ("p:0:20:7", "too_late"), ("p:0:20:8", "future_time"),
    ]  # fmt: skip
    assert outcome.rejected() == {"missing_time": 2, "too_late": 2, "future_time": 2}
    assert outcome.counters["m", "on_time"] == 200 + 3 + 20


def test_the_only_row_left_of_a_message_keeps_its_place(config: Path) -> None:
    outcome = read(config, [*STEADY, message(None, None, LONG_AGO)])
    assert sorted(outcome.letters) == [
        ("p:0:20:0", "missing_time"), ("p:0:20:1", "missing_time"), ("p:0:20:2", "too_late"),
    ]  # fmt: skip


def test_a_held_row_that_comes_too_late_once_it_is_believed_is_named_in_full(config: Path) -> None:
    """Held rows are believed from the oldest on; by then, the clock may stand far beyond some of them."""
    jump = NOW + 8 * DAY
    held = message(jump, NOW + 2 * HOUR, *([jump] * 7))
    outcome = read(config, [*STEADY, held, message(*([jump] * 20))], restart_after=21)
    assert outcome.letters == [("p:0:20:1", "too_late")]


@given(st.lists(st.lists(st.sampled_from(["good", *SPOILT]), max_size=6), min_size=1, max_size=8), st.data())
@settings(deadline=None, max_examples=60)
def test_rows_know_their_place_however_the_log_is_cut(messages: list[list[str]], data: st.DataObject) -> None:
    stream = StreamConfig.model_validate(
        {
            "topic": "p",
            "explode": "value.rows[*]",
            "map": {"id": "row.id", "time": "row.ts", "features": "row.features"},
        }
    )
    values: list[bytes | None] = []
    for kinds in messages:
        rows = [row(place, BEGIN) | SPOILT.get(kind, {}) for place, kind in enumerate(kinds)]
        values.append(json.dumps({"rows": rows}).encode())
    borders = sorted(data.draw(st.lists(st.integers(0, len(values)), max_size=3)))
    decoder = Decoder([Schema("m", stream, {"amount": "numeric"})], LimitsConfig())
    found = set()
    for first, last in zip([0, *borders], [*borders, len(values)], strict=True):
        numbers = list(range(first, last))
        chunk = decoder.decode(
            Records("p", 0, last, numbers, [0] * len(numbers), False, [None] * len(numbers), values[first:last])
        )
        for batch in chunk.batches:
            assert batch.numbers is not None
            found |= set(zip(batch.offsets.tolist(), batch.numbers.tolist(), strict=True))
        found |= {(reject.offset, reject.row) for reject in chunk.rejects}
    assert found == {(offset, place) for offset, kinds in enumerate(messages) for place in range(len(kinds))}
