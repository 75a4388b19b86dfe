"""Evidence of outcomes within declared slices: exact cells, a budget kept, nothing that restarts what was there."""

from __future__ import annotations

import random
import tracemalloc
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from detectors.counts import CorruptCountsError
from detectors.fleet.state import Mode
from monitor.config.root import Config
from monitor.events import DAY, HOUR, MINUTE, IntArray
from monitor.evidence import declared as declared_module
from monitor.evidence.copy import Copy
from monitor.evidence.declared import Cells
from monitor.evidence.explain import explained
from monitor.evidence.findings import Told
from monitor.evidence.matured import Matured
from monitor.evidence.orders import Order
from monitor.findings import WindowResult
from monitor.opening import open_pipeline
from monitor.outcomes.outcomes import LENGTHS
from monitor.outcomes.parts import BLOCK, MATURED, RUNNING
from monitor.panes import PaneKey, PaneLayout, Shelf
from monitor.pipeline import Pipeline
from monitor.slices import Cut, Slicing
from monitor.sources.memory import Item, MemorySource
from monitor.sources.port import TopicPartition
from monitor.store.memory import MemoryStore
from tests.evidence_labels import BEGIN, run, told, watch_of
from tests.evidence_numbers import HALF
from tests.evidence_numbers import cases as numbers
from tests.evidence_numbers import configured as of_numbers
from tests.evidence_numbers import logs as logs_of_numbers
from tests.found_slices import MATURES, Case, cases, configured, logs

LEARNT = BEGIN + 7 * DAY
OFF = "enabled: false"
PLACE = "[{by: [place], min_samples: 50}]"
BOTH = "[{by: [place], min_samples: 50}, {by: [kind, tier], min_samples: 50}]"
WARN = "{warn: {false_incidents: 1 per 7d, kinds: [performance, slices]}}"


def source_of(pipeline: Pipeline) -> Matured:
    source = watch_of(pipeline).source
    assert isinstance(source, Matured)
    return source


def worse(time: int, features: tuple[str, str, str]) -> float:
    return 0.8 if time >= LEARNT + 12 * HOUR and features[0] == "fr" else 0.1


def slices_alarmed(results: list[WindowResult]) -> dict[str, int]:
    """Return slice → start of its first alarm."""
    found: dict[str, int] = {}
    for result in results:
        if any(finding.status == "drift" and finding.detector == "evidence" for finding in result.findings):
            found.setdefault(result.slice, result.start)
    return found


def worsening() -> list[Case]:
    """Return predictions of which one in five reaches the log too late to be evidence; one place becomes worse."""
    rng = random.Random(2)
    known = cases(BEGIN, LEARNT + 36 * HOUR, 28, 3, worse)
    return [replace(case, logged=rng.choice([0, 0, 0, 0, 90 * MINUTE])) for case in known]


def settings(folder: Path) -> Config:
    return configured(folder, find=OFF, alarms=WARN, learn="7d", window="6h", slices=BOTH)


@dataclass(frozen=True)
class Drifting:
    """A stream of which one slice becomes worse, and what came of it."""

    found: list[Case]
    pipeline: Pipeline


@pytest.fixture(scope="module")
def drifting(tmp_path_factory: pytest.TempPathFactory) -> Drifting:
    folder, found = tmp_path_factory.mktemp("drifting"), worsening()
    return Drifting(found, run(settings(folder), folder, logs(found, pause_every=900)))


def test_a_slice_that_becomes_worse_is_told_by_name(drifting: Drifting) -> None:
    results = told(drifting.pipeline)
    alarmed = slices_alarmed(results)
    assert set(alarmed) - {""} == {"place=fr"}
    assert LEARNT + 12 * HOUR <= alarmed["place=fr"] <= LEARNT + 24 * HOUR
    columns = {f.column for one in results if one.slice == "place=fr" for f in one.findings if f.status == "drift"}
    assert "recall" in columns


def test_explain_tells_of_slices_that_drift_and_names_the_others(drifting: Drifting) -> None:
    watch, results = watch_of(drifting.pipeline), told(drifting.pipeline)
    latest = [result for result in results if result.end == results[-1].end]
    said = list(explained(watch, "recall", latest))
    heads = [line for line in said if line.startswith("recall (")]
    assert heads == ["recall (version 1), warn", "recall (version 1, place=fr), warn", "recall (version 1), page"]
    (others,) = [line for line in said if "--slice" in line]
    assert others.startswith("recall is judged in ")
    assert "place=de" in others
    alone = list(explained(watch, "recall", latest, "place=de"))
    assert [line for line in alone if not line.startswith(" ")] == ["recall (version 1, place=de), warn"]
    assert any(line.startswith("  reference  ") for line in alone)
    assert not list(explained(watch, "recall", latest, "place=nowhere"))


@pytest.mark.parametrize(
    ("named", "held"), [("recall in place=fr", "ok"), ("recall", "ok"), ("recall in place=de", "warn")]
)
def test_a_drift_is_accepted_in_one_slice_or_in_all(drifting: Drifting, named: str, held: str) -> None:
    watch = watch_of(drifting.pipeline)
    copy = watch.copies["warn"]
    order = Order(1, 0, "kim", "accept", "m", named, LEARNT + 90 * DAY, "a campaign")
    place = next(n for n, one in enumerate(copy.streams) if (one.slice, one.name) == ("place=fr", "recall"))
    rows = np.full(int(copy.fleet.offsets[-1]), 5)
    _, report = copy.fleet.step(copy.state, rows, copy.weights, 1e9, LEARNT // HOUR, 0)
    story = Told.nothing()
    story.add(copy, report, rows, watch.length, "1", {named: order})
    (recall,) = [one for one in story.findings["1", "place=fr"] if one.column == "recall"]
    assert report.mode[place] != Mode.WATCHING
    assert recall.status == held
    assert ("accepted until" in recall.explanation) == (held == "ok")


def test_batches_pauses_and_restarts_change_nothing(drifting: Drifting, tmp_path: Path) -> None:
    content = logs(drifting.found, pause_every=531)
    pipeline = run(settings(tmp_path), tmp_path, content, seed=1, rarely=random.Random(1), restart=random.Random(11))
    assert list(map(repr, told(pipeline))) == list(map(repr, told(drifting.pipeline)))


def confusion(found: list[Case], place: str, first: int, last: int) -> list[int]:
    """Return passed, flagged, missed and found of a slice, one by one; late rows are left out."""
    cells = [0, 0, 0, 0]
    for case in found:
        if first <= case.time < last and case.features[0] == place and case.logged <= MATURES // 4:
            flag = case.score >= 0.5
            cells[2 * (flag != case.wrong) + flag] += 1
    return cells


def rates_of(found: list[Case], place: str, first: int, last: int) -> dict[str, list[int]]:
    passed, flagged, missed, hit = confusion(found, place, first, last)
    return {"recall": [missed, hit], "false_positive_rate": [passed, flagged], "precision": [flagged, hit]}


@pytest.mark.parametrize("place", ["de", "fr", "it", "es"])
def test_cells_are_what_brute_force_counts(drifting: Drifting, place: str) -> None:
    """Rows that reached the log too late are in no cell, neither of the reference nor of a window."""
    found, pipeline = drifting.found, drifting.pipeline
    model, source = pipeline.assembly.models["m"], source_of(pipeline)
    every = [one for one in source.streams(model, "1") if one.slice]
    assert {one.slice for one in every} >= {"place=de", "kind=web,tier=gold"}
    streams = [one for one in every if one.slice == f"place={place}"]
    assert {one.kind for one in streams} == {"slices"}
    assert {one.name: one.reference.tolist() for one in streams} == rates_of(found, place, BEGIN, LEARNT)
    for stream in streams:
        assert stream.own is not None
        days = [rates_of(found, place, BEGIN + n * DAY, BEGIN + (n + 1) * DAY)[stream.name] for n in range(7)]
        assert stream.own.days.tolist() == days
    window = LEARNT + DAY, LEARNT + DAY + 6 * HOUR
    vector = source.counts(model, *window)["1"]
    cells = {one.name: np.bincount(one.groups, vector[one.places], 2).tolist() for one in streams}
    assert cells == rates_of(found, place, *window)


def test_slicings_that_come_and_go_restart_nothing(tmp_path: Path) -> None:
    """A slicing that comes later learns from its own first rows, and is judged behind these; the others go on."""
    found = cases(BEGIN, BEGIN + 84 * HOUR, 24, 6)
    store, half = MemoryStore(), BEGIN + 42 * HOUR
    first, second = (
        configured(tmp_path, find=OFF, alarms=WARN, learn="1d", window="6h", slices=slices) for slices in (PLACE, BOTH)
    )
    content = logs(found)
    early = {
        topic: [one for one in log if isinstance(one, Item) and one.log_time < half] for topic, log in content.items()
    }
    begun = MemorySource({TopicPartition(topic, 0): log for topic, log in early.items()}, seed=0)
    before = open_pipeline(first, begun, base=tmp_path, store=store)
    while any(before.positions()[name] < end for name, end in begun.end_offsets(list(before.positions())).items()):
        before.step(0)
        before.checkpoint()
    before.checkpoint()
    held = watch_of(before).copies["warn"]
    assert {stream.slice for stream in held.streams} >= {"", "place=de"}

    def opened(pipeline: Pipeline) -> None:
        assert watch_of(pipeline).copies["warn"].dump() == held.dump()

    pipeline = run(second, tmp_path, content, store=store, opened=opened)
    assert not [change for change in pipeline.assembly.models["m"].changes if "afresh" in change]
    own = {one.slice for one in watch_of(pipeline).copies["warn"].streams}
    assert {"", "place=de", "kind=web,tier=gold"} <= own
    learnt = source_of(pipeline).slicings.learnt.values()
    (late,) = [one for one in learnt if one.begin is not None and one.begin > BEGIN + DAY]
    assert late.end is not None
    spoken = [result.start for result in told(pipeline) if result.slice == "kind=web,tier=gold"]
    assert min(spoken) >= late.end


def slow_desk(rng: random.Random, time: int, place: str, kind: str) -> tuple[tuple[int, float], ...]:
    """Return errors of one law; of one place those that are large are known late from some day on, and taken back."""
    error = rng.gauss(0, 1)
    if time < LEARNT + 12 * HOUR or abs(error) <= HALF or place != "fr":
        return ((rng.randrange(HOUR), error),)
    again = ((6 * HOUR + rng.randrange(1, HOUR), 0.0),) if rng.random() < 0.95 else ()
    return ((rng.randrange(4 * HOUR, 6 * HOUR), error), *again)


def test_labels_that_come_otherwise_keep_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels count as they were known at one age; counted as they stand when they are read, they break the budget."""
    later: dict[int, IntArray] = {}
    read = Cells.read

    def twice(cells: Cells, shelf: Shelf, version: str, first: int, last: int) -> IntArray:
        with monkeypatch.context() as patched:
            patched.setattr(declared_module, "MATURED", RUNNING)
            later[first] = read(cells, shelf, version, first, last)
        return read(cells, shelf, version, first, last)

    monkeypatch.setattr(Cells, "read", twice)
    alarms = "{warn: {false_incidents: 1 per 100d, ignore_below: 0, kinds: [slices]}}"
    more = "    slices: [{by: [place], min_samples: 50}]"
    config = of_numbers(tmp_path, alarms=alarms, learn="7d", window="6h", more=more)
    content = logs_of_numbers(numbers(BEGIN, LEARNT + 4 * DAY, 20, 7, slow_desk), pause_every=900)
    pipeline = run(config, tmp_path, content)
    copy, source = watch_of(pipeline).copies["warn"], source_of(pipeline)
    assert {one.name for one in copy.streams} >= {"error", "interval_coverage"}
    assert not slices_alarmed(told(pipeline))
    broken, first = Copy(copy.severity, copy.asked), source.counts(pipeline.assembly.models["m"], LEARNT, LEARNT)
    assert not first
    broken.fit({"1": [*copy.streams, *copy.unstable]}, 400.0)
    size = max(int(stream.places.max()) for stream in copy.streams) + 1
    for start, cells in sorted(later.items()):
        if start >= LEARNT:
            vector = np.concatenate([np.zeros(size - len(cells), np.int64), cells])
            broken.step({"1": vector}, 400.0, start // (6 * HOUR), 0)
    assert broken.meter.incidents > 0


def test_what_is_damaged_is_noticed_and_what_is_whole_comes_back(drifting: Drifting) -> None:
    source, model = source_of(drifting.pipeline), drifting.pipeline.assembly.models["m"]
    source._changed = True
    data = source.changes()
    assert data is not None
    before = source.basis(model), [one.state() for one in source.slicings.learnt.values()]
    source.restore(data)
    assert (source.basis(model), [one.state() for one in source.slicings.learnt.values()]) == before
    with pytest.raises(CorruptCountsError, match="damaged"):
        source.restore(data[:-1])
    assert source._learnt is not None
    whole = source._learnt.to_bytes()
    source.restore(whole)  # as it was written before slices were judged
    assert source._learnt.to_bytes() == whole
    assert {one.begin for one in source.slicings.learnt.values()} == {None}
    source.restore(data)
    assert source.relearn(LEARNT + 36 * HOUR)
    assert source.read is not None
    assert not any(one.is_judged for one in source.slicings.learnt.values())


def test_a_hundred_thousand_slices_are_read_in_little_memory(drifting: Drifting) -> None:
    known = source_of(drifting.pipeline).slicings.cells[0].part
    cuts = tuple(Cut(name, np.arange(320), tuple(map(str, range(320)))) for name in ("a", "b"))
    cells = Cells(replace(known, slicing=Slicing(cuts, 50)))
    layouts: dict[str, PaneLayout] = dict.fromkeys(cells.part.names(), cells.part)
    shelf = Shelf(0, MemoryStore(), layouts, dict.fromkeys(layouts, LENGTHS))
    pane = np.zeros(cells.part.size, np.int64)
    for place in (5, 77_777):
        vector = cells.part.slices(pane.copy())
        cells.part.table(vector, MATURED)[place % BLOCK] = 1
        shelf.add(PaneKey(cells.part.name(place // BLOCK), "1", 0, BEGIN), vector.ravel(), late=False)
    tracemalloc.start()
    try:
        counts = cells.read(shelf, "1", BEGIN, BEGIN + HOUR)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.flatnonzero(cells.rows(counts)).tolist() == [5, 77_777]
    assert peak < 5 * counts.nbytes
