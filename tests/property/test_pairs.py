"""Requests and responses become the same predictions whatever the batches, checkpoints and crashes."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config.model import ModelConfig
from monitor.config.root import LimitsConfig
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import Schema
from monitor.events import MINUTE, SECOND, Batch, Headers, Records
from monitor.pairs import OUTCOMES, Pairs
from monitor.store.memory import MemoryStore

CONFIG = ModelConfig(
    name="m",
    predictions={
        "topic": "t",
        "time_format": "epoch_us",
        "pair": {"request": {"where": {"value.k": "q"}}, "response": {"where": {"value.k": "a"}}, "max_pending": 5},
        "map": {
            "id": "value.id",
            "time": "response.value.t",
            "features": "request.value.x",
            "score": "response.value.s",
        },
    },
)
TIMEOUT = MINUTE
Half = tuple[str, str, int]
HALVES = st.lists(
    st.tuples(st.sampled_from("qa"), st.sampled_from("abcdefgh"), st.integers(0, 400)), max_size=60
)  # kind, id, seconds


def records_of(log: list[Half], first: int, last: int) -> Records:
    values: list[bytes | None] = []
    for place, (kind, name, second) in enumerate(log[first:last], first):
        plain: dict[str, Any] = {"k": kind, "id": name}
        plain |= (
            {"x": {"f": place, "g": "v" if place % 3 else None}} if kind == "q" else {"t": second * SECOND, "s": place}
        )
        values.append(json.dumps(plain).encode())
    times = [second * SECOND for _, _, second in log[first:last]]
    return Records("t", 0, last, list(range(first, last)), times, True, [None] * (last - first), values)


def said(batch: Batch | None) -> list[tuple[Any, ...]]:
    """Return id, offset, time and cells of each prediction."""
    if batch is None:
        return []
    assert batch.kind == "prediction"
    f, g, s = (batch.columns[name] for name in ("f", "g", "score"))
    rows = zip(batch.ids, batch.offsets.tolist(), batch.times.tolist(), f, g, s, strict=True)
    return [(name, offset, time, float(a), b, float(c)) for name, offset, time, a, b, c in rows]


def _expire(waiting: dict[str, tuple[str, int, int]], newest: int, counts: Counter[str]) -> None:
    for other, (side, moment, _) in list(waiting.items()):
        if (newest - moment) * SECOND > TIMEOUT:
            counts["unpaired_request" if side == "q" else "unpaired_response"] += 1
            del waiting[other]


def expected(log: list[Half]) -> tuple[list[tuple[Any, ...]], Counter[str]]:
    """Return the predictions and what became of every half, one record at a time."""
    waiting: dict[str, tuple[str, int, int]] = {}
    found: list[tuple[Any, ...]] = []
    counts: Counter[str] = Counter(seen=len(log))
    newest = -1
    for place, (kind, name, second) in enumerate(log):
        newest = max(newest, second)
        _expire(waiting, newest, counts)
        if name not in waiting:
            if len(waiting) >= 5:
                counts["overflow"] += 1
            else:
                waiting[name] = (kind, second, place)
            continue
        side, moment, where = waiting[name]
        if side == kind:
            counts["duplicate"] += 1
        elif (moment - second) * SECOND > TIMEOUT:
            counts["unpaired_request" if kind == "q" else "unpaired_response"] += 1
        else:
            del waiting[name]
            counts["paired"] += 2
            request, response = (where, place) if side == "q" else (place, where)
            when = (moment if side == "a" else second) * SECOND
            found.append((name, place, when, float(request), "v" if request % 3 else None, float(response)))
    _expire(waiting, newest, counts)
    counts["waiting"] = len(waiting)
    return found, +counts


@settings(max_examples=60, deadline=None)
@given(HALVES, st.data())
def test_the_same_pairs_whatever_the_batches_checkpoints_and_crashes(log: list[Half], data: st.DataObject) -> None:
    decoder = Decoder(Schema.all_of(CONFIG, {"f": "numeric", "g": "categorical"}), LimitsConfig())
    store = MemoryStore()
    pairs, _ = Pairs.load(CONFIG, 0, store)
    done, saved = 0, 0
    found: list[tuple[Any, ...]] = []
    kept: list[tuple[Any, ...]] = []
    counts: Counter[str] = Counter()
    while done < len(log):
        last = min(len(log), done + data.draw(st.integers(1, 20)))
        found += said(pairs.take(decoder.decode(records_of(log, done, last)).batches))
        done = last
        fate = data.draw(st.sampled_from(["on", "write", "crash"]))
        if fate == "write":
            store.write(*pairs.changes(), sync=False)
            pairs.written()
            counts.update(pairs.counters)
            pairs.counters.clear()
            kept, saved = list(found), done
        elif fate == "crash":
            pairs, _ = Pairs.load(CONFIG, 0, store)
            found, done = list(kept), saved
            if data.draw(st.booleans()):
                break
    if done < len(log):
        found += said(pairs.take(decoder.decode(records_of(log, done, len(log))).batches))
    rows, numbers = expected(log)
    assert found == rows
    counts.update(pairs.counters)
    assert +counts + Counter(waiting=pairs.waiting) == numbers
    assert counts["seen"] == sum(counts[name] for name in OUTCOMES) + pairs.waiting


def test_a_run_without_halves_changes_nothing() -> None:
    pairs, _ = Pairs.load(CONFIG, 0, MemoryStore())
    assert pairs.take([]) is None
    assert pairs.changes() == ({}, [])


def test_halves_of_another_mapping_are_left_behind() -> None:
    store = MemoryStore()
    pairs, lost = Pairs.load(CONFIG, 0, store)
    decoder = Decoder(Schema.all_of(CONFIG, {"f": "numeric"}), LimitsConfig())
    pairs.take(decoder.decode(records_of([("q", "a", 0), ("a", "b", 1)], 0, 2)).batches)
    store.write(*pairs.changes(), sync=False)
    assert (lost, Pairs.load(CONFIG, 0, store)[1]) == (0, 0)
    changed = CONFIG.predictions.model_copy(update={"where": {"value.v": "2"}})
    pairs, lost = Pairs.load(CONFIG.model_copy(update={"predictions": changed}), 0, store)
    assert (lost, pairs.waiting) == (2, 0)
    store.write(*pairs.changes(), sync=False)
    assert Pairs.load(CONFIG, 0, store)[1] == 0


def test_rows_of_a_request_meet_the_rows_of_its_response() -> None:
    config = ModelConfig(
        name="iris",
        task="multiclass",
        classes=[0, 1],
        predictions={
            "topic": "broker",
            "time_format": "rfc3339",
            "feature_names": ["a", "b"],
            "pair": {
                "request": {"where": {"headers.ce_type": "request"}, "explode": "value.instances[*]"},
                "response": {"where": {"headers.ce_type": "response"}, "explode": "value.predictions[*]"},
            },
            "map": {
                "id": "{headers.ce_id}:{row}",
                "time": "response.headers.ce_time",
                "features": "request.row",
                "prediction": "response.row",
            },
        },
    )
    decoder = Decoder(Schema.all_of(config, {"a": "numeric", "b": "numeric"}), LimitsConfig())
    values: list[bytes | None] = [
        b'{"instances": [[6.8, 2.8], [6.0, 3.4]]}', b'{"instances": [[1, 2]]}', b'{"predictions": [1, 0]}',
    ]  # fmt: skip
    headers: list[Headers] = [
        [("ce_type", kind), ("ce_id", name), ("ce_time", b"2026-11-01T00:00:0%d.5Z" % second)]
        for kind, name, second in ((b"request", b"x", 1), (b"request", b"y", 2), (b"response", b"x", 3))
    ]
    records = Records("broker", 0, 3, [0, 1, 2], [0, 1, 2], True, [None] * 3, values, headers)
    pairs = Pairs("iris", config.predictions)
    batch = pairs.take(decoder.decode(records).batches)
    assert batch is not None
    assert batch.ids == ["x:0", "x:1"]
    assert np.asarray(batch.columns["a"]).tolist() == [6.8, 6.0]
    assert batch.columns["prediction"] == ["1", "0"]
    assert batch.sources is not None
    assert (batch.sources.tolist(), batch.offsets.tolist()) == ([2, 2], [2, 2])
    assert batch.times[0] % MINUTE == 3_500_000
    assert pairs.waiting == 1
