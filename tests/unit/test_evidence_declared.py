"""Evidence of outcomes within declared slices: exact cells, a budget kept, nothing that restarts what was there."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from detectors.counts import CorruptCountsError
from monitor.events import DAY, HOUR
from monitor.evidence import declared as declared_module
from monitor.evidence.matured import Matured
from monitor.findings import WindowResult
from monitor.opening import open_pipeline
from monitor.outcomes.parts import RUNNING
from monitor.pipeline import Pipeline
from monitor.sources.memory import Item, MemorySource
from monitor.sources.port import TopicPartition
from monitor.store.memory import MemoryStore
from tests.evidence_labels import BEGIN, run, told, watch_of
from tests.evidence_numbers import HALF
from tests.evidence_numbers import cases as numbers
from tests.evidence_numbers import configured as of_numbers
from tests.evidence_numbers import logs as logs_of_numbers
from tests.found_slices import MATURES, Case, cases, configured, logs

LEARNT = BEGIN + 6 * DAY
OFF = "enabled: false"
PLACE = "[{by: [place], min_samples: 50}]"
BOTH = "[{by: [place], min_samples: 50}, {by: [kind, tier], min_samples: 50}]"
WARN = "{warn: {false_incidents: 1 per 7d, kinds: [performance, slices]}}"


def source_of(pipeline: Pipeline) -> Matured:
    source = watch_of(pipeline).source
    assert isinstance(source, Matured)
    return source


def worse(time: int, features: tuple[str, str, str]) -> float:
    return 0.45 if time >= LEARNT + DAY and features[0] == "fr" else 0.1


def slices_alarmed(results: list[WindowResult]) -> dict[str, int]:
    """Return slice → start of its first alarm."""
    found: dict[str, int] = {}
    for result in results:
        if any(finding.status == "drift" and finding.detector == "evidence" for finding in result.findings):
            found.setdefault(result.slice, result.start)
    return found


@pytest.fixture(scope="module")
def drifting(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Case], list[str]]:
    folder = tmp_path_factory.mktemp("drifting")
    found = cases(BEGIN, LEARNT + 2 * DAY, 40, 3, worse)
    config = configured(folder, find=OFF, alarms=WARN, learn="6d", slices=PLACE)
    pipeline = run(config, folder, logs(found, pause_every=900))
    alarmed = slices_alarmed(told(pipeline))
    assert set(alarmed) - {""} == {"place=fr"}
    assert LEARNT + DAY <= alarmed["place=fr"] <= LEARNT + 2 * DAY
    return found, [repr(result) for result in told(pipeline)]


def test_batches_pauses_and_restarts_change_nothing(drifting: tuple[list[Case], list[str]], tmp_path: Path) -> None:
    found, words = drifting
    config = configured(tmp_path, find=OFF, alarms=WARN, learn="6d", slices=PLACE)
    content = logs(found, pause_every=531)
    pipeline = run(config, tmp_path, content, seed=1, rarely=random.Random(1), restart=random.Random(11))
    assert [repr(result) for result in told(pipeline)] == words


def confusion(found: list[Case], place: str, first: int, last: int) -> list[int]:
    """Return passed, flagged, missed and found of a slice, one by one."""
    cells = [0, 0, 0, 0]
    for case in found:
        if first <= case.time < last and case.features[0] == place and case.logged <= MATURES // 4:
            flag = case.score >= 0.5
            cells[2 * (flag != case.wrong) + flag] += 1
    return cells


def test_cells_are_what_brute_force_counts(tmp_path: Path) -> None:
    rng = random.Random(2)
    found = [
        Case(c.id, c.time, c.features, c.score, c.wrong, c.age, logged=rng.choice([0, 0, 3 * HOUR]))
        for c in cases(BEGIN, BEGIN + 3 * DAY, 40, 5)
    ]
    pipeline = run(configured(tmp_path, find=OFF, learn="2d", slices=BOTH), tmp_path, logs(found, pause_every=700))
    model, source = pipeline.assembly.models["m"], source_of(pipeline)
    streams = [one for one in source.streams(model, "1") if one.slice]
    assert {one.slice for one in streams} >= {"place=de", "kind=web,tier=gold"}
    assert {one.kind for one in streams} == {"slices"}
    window = BEGIN + 2 * DAY, BEGIN + 2 * DAY + 6 * HOUR
    vector = source.counts(model, *window)["1"]
    for place in ("de", "fr", "it", "es"):
        for first, last, cells_of in ((*window, None), (BEGIN, BEGIN + 2 * DAY, "reference")):
            passed, flagged, missed, hit = confusion(found, place, first, last)
            rates = {"recall": [missed, hit], "false_positive_rate": [passed, flagged], "precision": [flagged, hit]}
            own = [one for one in streams if one.slice == f"place={place}"]
            assert {
                one.name: (one.reference if cells_of else np.bincount(one.groups, vector[one.places], 2)).tolist()
                for one in own
            } == rates


def test_slicings_that_come_and_go_restart_nothing(tmp_path: Path) -> None:
    """A slicing that comes later learns from its own first rows, and is judged behind these; the others go on."""
    found = cases(BEGIN, BEGIN + 5 * DAY, 40, 6)
    store, half = MemoryStore(), BEGIN + 3 * DAY
    first = configured(tmp_path, find=OFF, alarms=WARN, learn="1d", slices=PLACE)
    content = logs(found)
    early = {
        topic: [one for one in log if isinstance(one, Item) and one.log_time < half] for topic, log in content.items()
    }
    early_log = MemorySource({TopicPartition(topic, 0): log for topic, log in early.items()}, seed=0)
    before = open_pipeline(first, early_log, base=tmp_path, store=store)
    while any(before.positions()[name] < end for name, end in early_log.end_offsets(list(before.positions())).items()):
        before.step(0)
        before.checkpoint()
    second = configured(tmp_path, find=OFF, alarms=WARN, learn="1d", slices=BOTH)
    pipeline = run(second, tmp_path, content, store=store)
    assert not [change for change in pipeline.assembly.models["m"].changes if "afresh" in change]
    own = {one.slice for one in watch_of(pipeline).copies["warn"].streams}
    assert {"", "place=de", "kind=web,tier=gold"} <= own
    source = source_of(pipeline)
    late = [one for one in source.slicings.learnt.values() if one.begin is not None and one.begin > BEGIN + DAY]
    assert len(late) == 1
    assert late[0].end is not None
    spoken = {result.start for result in told(pipeline) if result.slice == "kind=web,tier=gold"}
    assert min(spoken) >= late[0].end


def false_alarms(folder: Path) -> int:
    """Return the alarms of slices while errors of one place are labelled late, and later taken back."""

    def law(rng: random.Random, time: int, place: str, kind: str) -> tuple[tuple[int, float], ...]:
        error = rng.gauss(0, 1)
        if time < LEARNT + DAY or abs(error) <= HALF or place != "fr":
            return ((rng.randrange(HOUR), error),)
        again = ((6 * HOUR + rng.randrange(1, HOUR), 0.0),) if rng.random() < 0.95 else ()
        return ((rng.randrange(4 * HOUR, 6 * HOUR), error), *again)

    found = numbers(BEGIN, LEARNT + 4 * DAY, 40, 7, law)
    alarms = "{warn: {false_incidents: 1 per 100d, ignore_below: 0, kinds: [slices]}}"
    config = of_numbers(folder, alarms=alarms, more="    slices: [{by: [place], min_samples: 50}]")
    pipeline = run(config, folder, logs_of_numbers(found, pause_every=900))
    assert {one.name for one in watch_of(pipeline).copies["warn"].streams} >= {"error", "interval_coverage"}
    return len(slices_alarmed(told(pipeline)))


def test_labels_that_come_otherwise_keep_the_budget(tmp_path: Path) -> None:
    assert false_alarms(tmp_path) == 0


def test_labels_as_they_stand_later_break_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(declared_module, "MATURED", RUNNING)
    assert false_alarms(tmp_path) > 0


def test_what_is_damaged_is_noticed_and_what_is_whole_comes_back(tmp_path: Path) -> None:
    config = configured(tmp_path, find=OFF, learn="1d", slices=PLACE)
    pipeline = run(config, tmp_path, logs(cases(BEGIN, BEGIN + 30 * HOUR, 40, 3)))
    source, model = source_of(pipeline), pipeline.assembly.models["m"]
    source._changed = True
    data = source.changes()
    assert data is not None
    before = source.basis(model), [one.state() for one in source.slicings.learnt.values()]
    source.restore(data)
    assert (source.basis(model), [one.state() for one in source.slicings.learnt.values()]) == before
    with pytest.raises(CorruptCountsError, match="damaged"):
        source.restore(data[:-1])
    assert source.relearn(BEGIN + DAY)
    assert source.read is not None
    assert not any(one.is_judged for one in source.slicings.learnt.values())
