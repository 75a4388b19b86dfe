"""Fields that records begin to carry, and columns that they no longer do, through the whole pipeline."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.assembly import build_model
from monitor.decoding.looking import UNNAMED, is_looked_at
from monitor.events import DAY, HOUR, Batch, Records
from monitor.findings import Finding, WindowResult
from monitor.held import HeldRow, decode_held, encode_held
from monitor.keys import compose
from monitor.layout import Layout
from monitor.panes import LAYOUTS, Pane, PaneKey, Shelf, decode_pane, encode_pane
from monitor.pipeline import Pipeline
from monitor.sightings import MOST_NAMES, Sightings, Strangers
from monitor.snapshot import Snapshots
from monitor.sources.memory import Item
from monitor.store.memory import MemoryStore
from monitor.vanished import vanished_findings
from tests.references import batch_of
from tests.traffic import MONDAY, configured, items, run, times

Change = Callable[[int, dict[str, Any]], None]
"""Given the event time, changes the features of a record in place."""


def changed(moments: Iterable[int], change: Change, version: str = "1", tag: str = "") -> list[Item]:
    """Return a record a moment with its features changed."""
    kept = list(moments)
    found = []
    for time, item in zip(kept, items(kept, version, tag), strict=True):
        record = json.loads(item.value or b"")
        change(time, record["features"])
        found.append(Item(json.dumps(record).encode()))
    return found


def adds(name: str, begin: int) -> Change:
    """Return a change that adds a field from some time on."""

    def change(time: int, features: dict[str, Any]) -> None:
        if time >= begin:
            features[name] = 7

    return change


def drops(name: str, begin: int, end: int = 1 << 62) -> Change:
    """Return a change that leaves a field out."""

    def change(time: int, features: dict[str, Any]) -> None:
        if begin <= time < end:
            del features[name]

    return change


def found(pipeline: Pipeline, detector: str, window: str = "daily") -> list[tuple[WindowResult, Finding]]:
    """Return one detector's findings in the order of the windows."""
    return [
        (result, finding)
        for result in pipeline.assembly.history.results(None, None)
        if result.window == window
        for finding in result.findings
        if finding.detector == detector
    ]


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a few hundred records at a time, as a live topic hands them out."""
    monkeypatch.setattr("monitor.pipeline._BATCH", 250)


BEGIN = MONDAY + DAY + 3 * HOUR
MOMENTS = times(MONDAY, MONDAY + 4 * DAY, 21, 2.0)


def shares(logs: Mapping[int, list[Item]], name: str, start: int, end: int) -> tuple[int, int]:
    """Count by brute force how many of the records looked at have a field, and how many were looked at."""
    have = looked = 0
    for log in logs.values():
        for offset in np.flatnonzero(is_looked_at(np.arange(len(log)))).tolist():
            record = json.loads(log[offset].value or b"")
            time = np.datetime64(record["ts"].rstrip("Z"), "us").astype(np.int64)
            if start <= time < end:
                looked += 1
                have += name in record["features"]
    return have, looked


def test_a_new_field_warns_where_it_begins_and_is_told_of_from_then_on(tmp_path: Path) -> None:
    """The share is exact for the records that are looked at, in every window."""
    logs = {0: changed(MOMENTS, adds("added", BEGIN), tag="a"), 1: changed(MOMENTS, adds("added", BEGIN), tag="b")}
    pipeline = run(configured(tmp_path), tmp_path, logs)
    new = found(pipeline, "new_column")
    assert {finding.column for _, finding in new} == {"added"}
    first = new[0][0].start
    assert first <= BEGIN < first + DAY
    for result, finding in new:
        have, looked = shares(logs, "added", result.start, result.end)
        assert finding.explanation.startswith(f"in {have:,} of {looked:,} records looked at, 1 in 64; first at ")
        assert finding.statistic == have / looked
        assert finding.low <= finding.statistic <= finding.high
        assert finding.status == ("warn" if result.start < first + DAY else "ok")
    assert [result.start for result, _ in new] == list(range(first, new[-1][0].start + 1, 6 * HOUR))
    assert sum(finding.status == "ok" for _, finding in new) > 3
    offsets = [n for n, time in enumerate(MOMENTS) if time >= BEGIN and is_looked_at(np.array([n]))[0]]
    assert f"offset {offsets[0]}" in new[0][1].explanation
    (view,) = Snapshots("test", "x").take(pipeline).models
    (stranger,) = view.strangers
    assert (stranger.name, stranger.first_seen, stranger.offset) == ("added", MOMENTS[offsets[0]], offsets[0])
    assert stranger.rows == 2 * len(offsets)


def test_restarts_and_the_order_of_reading_change_nothing(tmp_path: Path) -> None:
    def change(time: int, features: dict[str, Any]) -> None:
        adds("added", BEGIN)(time, features)
        drops("age", MONDAY + 2 * DAY)(time, features)

    logs = {number: changed(MOMENTS, change, str(number + 1), tag=f"{number}-") for number in range(2)}
    runs = []
    for place, (seed, restart_every) in enumerate(((1, None), (1, 2), (2, None))):
        folder = tmp_path / str(place)
        folder.mkdir()
        pipeline = run(configured(folder), folder, logs, seed=seed, restart_every=restart_every)
        results = [
            (result.version, result.window, result.start, result.n, repr(result.findings))
            for result in pipeline.assembly.history.results(None, None)
        ]
        (view,) = Snapshots("test", "x").take(pipeline).models
        runs.append((results, view.strangers, pipeline.assembly.models["m"].appeared))
        assert found(pipeline, "new_column")
        assert found(pipeline, "vanished_column")
    assert runs[0] == runs[1]
    assert runs[0] == runs[2]


def test_a_rare_field_is_told_of_once_it_is_surely_above_the_bound(tmp_path: Path) -> None:
    """One record in two hundred has it for three days, then every fourth."""

    def change(time: int, features: dict[str, Any]) -> None:
        if time % (200 if time < MONDAY + 3 * DAY else 4) == 0:
            features["rare"] = True

    pipeline = run(configured(tmp_path), tmp_path, {0: changed(times(MONDAY, MONDAY + 4 * DAY, 22, 6.0), change)})
    new = found(pipeline, "new_column")
    assert new
    assert min(result.end for result, _ in new) > MONDAY + 3 * DAY
    assert all(finding.low >= 0.01 for _, finding in new)


def test_without_a_detector_on_quality_nothing_is_told(tmp_path: Path) -> None:
    def change(time: int, features: dict[str, Any]) -> None:
        adds("added", BEGIN)(time, features)
        drops("age", BEGIN)(time, features)

    pipeline = run(configured(tmp_path), tmp_path, {0: changed(MOMENTS, change)})
    for detector in ("new_column", "vanished_column"):
        assert found(pipeline, detector, "daily")
        assert not found(pipeline, detector, "hourly")


def test_names_without_end_are_bounded(tmp_path: Path) -> None:
    """Every record has a field of its own, and all have one that no column could be called."""

    def change(time: int, features: dict[str, Any]) -> None:
        features[f"field-{time}"] = 1
        features["a\nb" + "x" * 300] = 2

    pipeline = run(configured(tmp_path), tmp_path, {0: changed(times(MONDAY, MONDAY + 2 * DAY, 23, 16.0), change)})
    names = pipeline.partitions[0].strangers.names["m"]
    assert len(names) == MOST_NAMES + 1
    assert UNNAMED in names
    new = found(pipeline, "new_column")
    assert {finding.column for _, finding in new} == {UNNAMED}


@pytest.mark.parametrize("name", ["age", "country", "amount"])
def test_a_column_that_is_dropped_has_vanished_and_comes_back(tmp_path: Path, name: str) -> None:
    end = MONDAY + 3 * DAY
    pipeline = run(configured(tmp_path), tmp_path, {0: changed(MOMENTS, drops(name, MONDAY + DAY, end))})
    gone = found(pipeline, "vanished_column")
    assert {(result.version, finding.column, finding.status) for result, finding in gone} == {("1", name, "drift")}
    starts = [result.start for result, _ in gone]
    assert starts == list(range(MONDAY + DAY, end - DAY + 1, 6 * HOUR))
    for result, finding in gone:
        assert finding.statistic >= finding.threshold > 0.9
        assert finding.p_value < 1e-6
        assert finding.explanation.endswith(f"now in 0 of {result.n:,}")
    beside = {
        (result.start, finding.status)
        for result, finding in found(pipeline, "missing_rate")
        if finding.column == name and result.start in starts
    }
    assert beside == {(start, "drift") for start in starts}


def test_a_column_that_was_seldom_there_vanishes_when_chance_cannot_explain_it(tmp_path: Path) -> None:
    """Of 20,000 rows in the reference 2 % have the column: none of 500 rows says nothing, none of 3,000 does."""
    config = configured(tmp_path).models[0]
    model = build_model(config, tmp_path)
    assert model.reference is not None
    column = model.reference.columns["age"]
    rare = np.zeros_like(column.counts)
    rare[0], rare[column.bins.quality["missing"]] = 400, 19_600
    columns = {**model.reference.columns, "age": replace(column, counts=rare, apart=None, by_day={})}
    model.watch(replace(model.reference, columns=columns, versions={}))
    window = model.windows.named("daily")
    first = model.layout.spans["age"][0]
    for rows, expected in ((500, []), (3_000, ["age"])):
        counts = np.zeros(model.layout.size, np.int64)
        counts[0] = rows
        counts[first + column.bins.quality["missing"]] = rows
        vanished = [f.column for f in vanished_findings(model, "1", window, counts) if f.column == "age"]
        assert vanished == expected
    counts = np.zeros(model.layout.size, np.int64)
    assert list(vanished_findings(model, "1", window, counts)) == []


NAMES = st.sampled_from(["a", "b", "c", UNNAMED])
SEEN = st.builds(Sightings, st.integers(0, 50), st.dictionaries(NAMES, st.integers(1, 9), max_size=4).map(Counter))


@given(st.lists(SEEN, max_size=5), st.randoms())
def test_sightings_add_up_in_any_order(parts: list[Sightings], random: Any) -> None:
    shuffled = list(parts)
    random.shuffle(shuffled)
    sums = []
    for order in (parts, shuffled):
        total = Sightings()
        for part in order:
            total.add(part)
        sums.append(total)
    assert sums[0] == sums[1]
    assert sums[0].looked == sum(part.looked for part in parts)


@given(SEEN)
def test_sightings_go_through_the_bytes_of_a_pane(seen: Sightings) -> None:
    layout = Layout({})
    for late in (None, np.array([3], np.int64)):
        pane = Pane(np.array([5], np.int64), late, seen)
        back = decode_pane(encode_pane(pane, layout), layout, lambda _: b"")
        assert back.seen.looked == seen.looked
        assert back.seen.rows == (seen.rows if seen.looked else Counter())


def test_panes_that_roll_up_keep_what_was_seen() -> None:
    """Through the store and back, and added to what the coarser pane has already."""
    store, layouts = MemoryStore(), {"m": Layout({})}
    shelf = Shelf(0, store, layouts, {"m": (HOUR, 24 * HOUR)})
    for start in (0, HOUR):
        shelf.add(PaneKey("m", "1", 0, start), np.array([9]), late=False, seen=Sightings(4, Counter(added=3)))
    shelf.move(PaneKey("m", "1", 0, 0), 1, 0)
    store.write(*shelf.changes(), sync=True)
    store.write({compose(LAYOUTS, 0, layouts["m"].identity): layouts["m"].describe()}, [], sync=True)
    again = Shelf(0, store, layouts, {"m": (HOUR, 24 * HOUR)})
    again.move(PaneKey("m", "1", 0, HOUR), 1, 0)
    pane = again.find(PaneKey("m", "1", 1, 0))
    assert pane is not None
    assert pane.on_time.tolist() == [18]
    assert pane.seen == Sightings(8, Counter(added=6))


def test_panes_of_before_have_no_sightings() -> None:
    layout = Layout({})
    old = encode_pane(Pane(np.array([5], np.int64)), layout)
    assert decode_pane(old, layout, lambda _: b"").seen == Sightings()


def looked(rows: list[tuple[str, ...]]) -> Batch:
    """Return rows of which each has these unknown fields."""
    batch = batch_of({"amount": np.zeros(len(rows))})
    return replace(batch, looked=dict(enumerate(rows)))


@settings(max_examples=50)
@given(
    rows=st.lists(st.lists(st.integers(0, 150), max_size=30).map(lambda n: tuple({f"f{i}" for i in n})), max_size=30),
    cut=st.integers(0, 30),
)
def test_what_a_partition_knows_does_not_depend_on_how_its_log_is_cut(rows: list[tuple[str, ...]], cut: int) -> None:
    whole, parts = Strangers(), Strangers()
    batch = looked([tuple(sorted(names)) for names in rows])
    one = whole.admit(batch)
    pieces = [batch.take(np.arange(0, min(cut, len(rows)))), batch.take(np.arange(min(cut, len(rows)), len(rows)))]
    admitted = [parts.admit(piece) for piece in pieces]
    parts = Strangers.restore(parts.state())
    assert whole == parts
    assert list((one.looked or {}).values()) == [names for piece in admitted for names in (piece.looked or {}).values()]
    known = whole.names.get("fraud", {})
    assert len(set(known) - {UNNAMED}) <= MOST_NAMES
    for names in (one.looked or {}).values():
        assert set(names) <= set(known)


def records(rows: int) -> Records:
    """Return what a batch of so many rows may have been decoded from."""
    return Records("p", 0, rows, list(range(rows)), [0] * rows, True, [None] * rows, [b"{}"] * rows)


def test_a_row_that_waits_for_others_keeps_what_was_seen_of_it() -> None:
    batch = looked([("a", "b"), ()])
    for row in range(2):
        held = HeldRow.of(batch, row, records(len(batch)))
        assert decode_held(encode_held(held)).batch.looked == {0: (batch.looked or {})[row]}
    plain = HeldRow.of(batch_of({"amount": np.zeros(1)}), 0, records(1))
    assert not decode_held(encode_held(plain)).batch.looked
