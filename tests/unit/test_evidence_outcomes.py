"""Evidence of outcomes in the whole service: each prediction once, at its age, with the label known then."""

from __future__ import annotations

import json
import random
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import poisson

from monitor.commands.explain import explain
from monitor.events import DAY, HOUR, IntArray
from monitor.evidence import matured
from monitor.evidence.learnt import Learnt
from monitor.evidence.outcome_streams import groups_of, outcome_streams
from monitor.evidence.readout import Readout
from monitor.model import Model
from monitor.outcomes.parts import RUNNING
from monitor.sources.memory import Item
from monitor.store.rocks import RocksStore
from tests.evidence_labels import (
    BEGIN,
    Case,
    alarms,
    cases,
    configured,
    judged,
    logs,
    plain,
    run,
    told,
    watch_of,
)

LEARNT = BEGIN + 8 * DAY
TIGHT = "{warn: {false_incidents: 1 per 100d, ignore_below: 0}}"


def slow_desk(rng: random.Random, time: int, score: float) -> tuple[tuple[int, int], ...]:
    """Return a label by the same law as ever, though from the tenth day on positives are labelled hours later.

    From then on, too, much is taken back after it was judged.
    """
    label = int(rng.random() < score)
    late = time >= LEARNT + 2 * DAY
    age = rng.randrange(4 * HOUR, 6 * HOUR) if late and label else rng.randrange(HOUR)
    again = ((6 * HOUR + rng.randrange(1, HOUR), 0),) if late and label and rng.random() < 0.9 else ()
    return ((age, label), *again)


def incidents(folder: Path) -> tuple[int, float]:
    """Return the incidents of four days in which only labels came otherwise, and how many the budget allows."""
    found = cases(BEGIN, BEGIN + 12 * DAY, 30, 7, slow_desk)
    pipeline = run(configured(folder, alarms=TIGHT), folder, logs(found, pause_every=300))
    meter = watch_of(pipeline).copies["warn"].meter
    assert meter.windows == 4 * 24
    return meter.incidents, meter.promised


def test_labels_that_come_otherwise_keep_the_budget(tmp_path: Path) -> None:
    found, promised = incidents(tmp_path)
    assert promised == pytest.approx(4 / 300)
    assert poisson.sf(found - 1, promised) > 1e-3


def test_labels_as_they_stand_later_break_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matured, "MATURED", RUNNING)
    found, promised = incidents(tmp_path)
    assert poisson.sf(found - 1, promised) < 1e-3


def test_rows_before_they_are_of_age_break_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matured, "MATURED", RUNNING)
    monkeypatch.setattr(matured, "final_before", lambda _, watermark: watermark - 3 * HOUR)
    found, promised = incidents(tmp_path)
    assert poisson.sf(found - 1, promised) < 1e-3


def ugly(rng: random.Random, time: int, score: float) -> tuple[tuple[int, int], ...]:
    """Return no label, or some, at any age, that contradict each other."""
    ages = sorted(rng.randrange(11 * HOUR) for _ in range(rng.choice([0, 1, 1, 2, 3])))
    return tuple((age, int(rng.random() < score)) for age in ages)


def test_windows_hold_what_was_known_at_that_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against brute force: corrections, contradictions, predictions that reach the log late."""
    rng = random.Random(1)
    found = [
        replace(case, logged=rng.choice([0, 0, 0, HOUR, 80 * 60_000_000, 3 * HOUR]))
        for case in cases(BEGIN, BEGIN + 3 * DAY, 50, 5, ugly)
    ]
    found = [replace(case, labels=tuple((age + case.logged, label) for age, label in case.labels)) for case in found]
    seen: dict[int, IntArray] = {}
    counts = matured.Matured._whole

    def watched(self: matured.Matured, model: Model, first: int, last: int) -> dict[str, IntArray]:
        read = counts(self, model, first, last)
        seen.update((first, vector) for vector in read.values() if last - first == HOUR)
        return read

    monkeypatch.setattr(matured.Matured, "_whole", watched)
    pipeline = run(configured(tmp_path, learn="1d"), tmp_path, logs(found, pause_every=170))
    whole = pipeline.evaluations["m"].outcomes.whole
    assert whole is not None
    readout = Readout(whole.judge)
    assert {result.start for result in told(pipeline)} == set(range(BEGIN + DAY, BEGIN + 3 * DAY, HOUR))
    for start in range(BEGIN, BEGIN + 3 * DAY, HOUR):
        vector = seen[start]
        confusion = vector[readout.block("confusion", 2, 2)]
        assert {(a, b): int(confusion[a, b]) for a in (0, 1) for b in (0, 1)} == judged(found, start, start + HOUR)
        first, last = readout.spans["bins"]
        assert vector[first:last].sum() == confusion.sum() == vector[0]


def worse(rng: random.Random, time: int, score: float) -> tuple[tuple[int, int], ...]:
    """Return a label that means the opposite from the tenth day on."""
    chance = 0.4 * (1 - score) if time >= LEARNT + DAY else score
    return ((rng.randrange(2 * HOUR), int(rng.random() < chance)),)


@pytest.fixture(scope="module")
def drifting(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Case], Path, list[str]]:
    """Return a stream that drifts, the folder of a service that saw it, and what this said."""
    folder = tmp_path_factory.mktemp("drifting")
    found = cases(BEGIN, LEARNT + 3 * DAY, 60, 3, worse)
    pipeline = run(configured(folder), folder, logs(found, pause_every=500))
    pages, warned = alarms(pipeline, "evidence_page"), alarms(pipeline)
    assert "precision" in {finding.column for _, finding in pages}
    assert {finding.column.split(".")[0] for _, finding in warned} >= {"recall", "calibration", "false_positive_rate"}
    first = {finding.column: (start, finding) for start, finding in reversed(warned)}
    assert min(start for start, _ in first.values()) >= LEARNT + DAY
    assert first["precision"][0] <= LEARNT + DAY + 8 * HOUR
    assert first["precision"][1].direction == -1
    assert "right: " in first["precision"][1].explanation
    assert "since 2026-11-11T" in first["precision"][1].explanation
    (view,) = [one for one in pipeline.evidence.views("m") if (one.fleet, one.severity) == ("outcomes", "page")]
    assert view.incidents >= 1
    return found, folder, [repr(result) for result in told(pipeline)]


def test_a_model_that_fails_pages(drifting: tuple[list[Case], Path, list[str]]) -> None:
    assert len(drifting[2]) == 3 * 24


def test_batches_pauses_and_restarts_change_nothing(
    drifting: tuple[list[Case], Path, list[str]], tmp_path: Path
) -> None:
    found, _, words = drifting
    seed = 1
    rarely, restart = random.Random(seed), random.Random(seed + 10)
    content = logs(found, pause_every=200 + 331 * seed)
    pipeline = run(configured(tmp_path), tmp_path, content, seed=seed, rarely=rarely, restart=restart)
    assert [repr(result) for result in told(pipeline)] == words


def test_a_model_that_gets_better_is_told_but_is_no_drift(tmp_path: Path) -> None:
    def better(rng: random.Random, time: int, score: float) -> tuple[tuple[int, int], ...]:
        chance = float(score >= 0.7) if time >= LEARNT + DAY else score
        return ((rng.randrange(2 * HOUR), int(rng.random() < chance)),)

    config = configured(tmp_path, alarms="{warn: {false_incidents: 1 per 112h}}")
    pipeline = run(config, tmp_path, logs(cases(BEGIN, LEARNT + 2 * DAY, 60, 3, better), pause_every=500))
    found = {finding.column for _, finding in alarms(pipeline)}
    assert not found & {"recall", "precision", "false_positive_rate"}
    said = [f for result in told(pipeline) for f in result.findings if f.column == "precision" and f.status == "warn"]
    assert any(finding.explanation.startswith("better, drift: ") for finding in said)


def test_classes_have_rates_of_their_own(tmp_path: Path) -> None:
    more = "    classes: [a, b, c]\n"
    config = configured(tmp_path, task="multiclass", mapped=", prediction: value.c", more=more, learn="2d")
    rng = random.Random(4)
    found = cases(BEGIN, BEGIN + 4 * DAY, 60, 3)
    content = logs(found, pause_every=600)
    for topic, key in (("p", "c"), ("l", "y")):
        for place, item in enumerate(content[topic]):
            if isinstance(item, Item) and item.value is not None:
                value = json.loads(item.value)
                value[key] = rng.choices("abc", [0.5, 0.495, 0.005])[0] if topic == "p" else rng.choice("ab")
                content[topic][place] = replace(item, value=json.dumps(value).encode())
    pipeline = run(config, tmp_path, content)
    streams = {one.name: one for one in watch_of(pipeline).source.streams(pipeline.assembly.models["m"], "1")}
    rates = {name for name in streams if not name.startswith("calibration")}
    assert rates == {"accuracy", "recall[a]", "precision[a]", "recall[b]", "precision[b]"}
    accuracy = streams["accuracy"].reference
    assert accuracy.sum() == sum(case.time < BEGIN + 2 * DAY for case in found)
    assert accuracy[1] / accuracy.sum() == pytest.approx(0.5, abs=0.03)
    assert streams["recall[a]"].reference.sum() + streams["recall[b]"].reference.sum() == accuracy.sum()
    assert sum(s.reference.sum() for name, s in streams.items() if name.startswith("calibration")) == accuracy.sum()


def test_every_stream_comes_of_its_own_cells(tmp_path: Path) -> None:
    """The vector of a window, taken apart by the streams, is what brute force counts."""
    found = cases(BEGIN, BEGIN + 2 * DAY, 40, 8)
    pipeline = run(configured(tmp_path, learn="1d"), tmp_path, logs(found))
    model, source = pipeline.assembly.models["m"], watch_of(pipeline).source
    vector = source.counts(model, BEGIN + DAY, BEGIN + DAY + HOUR)["1"]
    truth = judged(found, BEGIN + DAY, BEGIN + DAY + HOUR)
    cells = {s.name: np.bincount(s.groups, vector[s.places], 2).tolist() for s in source.streams(model, "1")}
    assert cells["recall"] == [truth[1, 0], truth[1, 1]]
    assert cells["false_positive_rate"] == [truth[0, 0], truth[0, 1]]
    assert cells["precision"] == [truth[0, 1], truth[1, 1]]
    bins = np.array([counts for name, counts in cells.items() if name.startswith("calibration")])
    assert bins.sum(axis=0).tolist() == [truth[0, 0] + truth[0, 1], truth[1, 0] + truth[1, 1]]
    reference = {s.name: s.reference.tolist() for s in source.streams(model, "1")}
    before = judged(found, BEGIN, BEGIN + DAY)
    assert reference["recall"] == [before[1, 0], before[1, 1]]
    assert all(s.past.days.sum(axis=0).tolist() == s.reference.tolist() for s in source.streams(model, "1"))


def test_learning_goes_on_until_there_is_enough_and_survives_its_bytes() -> None:
    learnt = Learnt("x", 3, BEGIN)
    ends = []
    for _ in range(5 * 24):
        learnt.take(np.array([6, 2, 4]), DAY)
        ends.append(learnt.end)
    assert set(ends[:95]) == {None}, "432 rows after three days are not enough"
    assert ends[95] == BEGIN + 4 * DAY
    learnt = Learnt("x", 3, BEGIN, ends[95], learnt.hours[:96])
    again = Learnt.from_bytes(learnt.to_bytes())
    assert (again.begin, again.end, again.identity) == (learnt.begin, learnt.end, "x")
    assert (again.table == learnt.table).all()
    with pytest.raises(ValueError, match="damaged"):
        Learnt.from_bytes(learnt.to_bytes()[:-1])


def test_the_past_is_cut_at_midnight() -> None:
    learnt = Learnt("x", 1, BEGIN + 22 * HOUR, hours=[np.array([n]) for n in range(1, 29)])
    total, past = learnt.past(learnt.table)
    assert total.tolist() == [sum(range(1, 29))]
    assert past.days[:, 0].tolist() == [1 + 2, sum(range(3, 27)), 27 + 28]
    assert past.hours is not None
    assert past.hours[1, :, 0].tolist() == list(range(3, 27))


def test_groups_of_bins_are_neighbours_and_hold_their_share() -> None:
    counts = np.random.default_rng(1).integers(0, 50, 400)
    groups = groups_of(counts)
    assert (np.diff(groups) >= 0).all()
    share = np.bincount(groups, counts) / counts.sum()
    assert share[3:-3] == pytest.approx(0.1, abs=0.01)
    assert groups_of(np.zeros(4, int)).tolist() == [0, 0, 0, 0]
    assert groups_of(np.array([0, 9, 0])).max() <= 2


def test_a_score_of_one_value_has_one_bin(tmp_path: Path) -> None:
    found = [replace(case, score=0.9) for case in cases(BEGIN, BEGIN + 2 * DAY, 40, 8, plain)]
    pipeline = run(configured(tmp_path, learn="1d"), tmp_path, logs(found))
    names = [stream.name for stream in watch_of(pipeline).source.streams(pipeline.assembly.models["m"], "1")]
    assert len([name for name in names if name.startswith("calibration")]) <= 3
    assert len(set(names)) == len(names)


def test_explain_tells_of_outcomes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = configured(tmp_path, learn="2d")
    with closing(RocksStore.open(tmp_path / "state" / "store", create=True)) as store:
        run(config, tmp_path, logs(cases(BEGIN, BEGIN + 50 * HOUR, 60, 3), pause_every=1500), store=store)
    assert explain(tmp_path / "driftline.yaml", {}, "m.recall") == 0
    said = capsys.readouterr().out
    assert "recall (version 1), warn" in said
    assert "recall (version 1), page: shown, not judged: its reference has 2 whole days; pages need 7" in said
    assert "blind      from " in said
    assert "  finds      odds ×1.5 " in said
    assert explain(tmp_path / "driftline.yaml", {}, "m.recall", "country=fr") == 1
    assert capsys.readouterr().err == "m.recall is not judged in slice country=fr\n"


def test_streams_are_none_while_learning() -> None:
    from monitor.outcomes import outcomes_of  # noqa: PLC0415
    from monitor.store.memory import MemoryStore  # noqa: PLC0415
    from tests.outcomes_ground import config_of, model_of  # noqa: PLC0415

    model = model_of(config_of())
    outcomes = outcomes_of(model, MemoryStore())
    source = matured.Matured(outcomes, lambda: BEGIN)
    assert source.reach(model, 0) is not None
    assert not source.basis(model)
    assert source.streams(model, "1") == []
    assert outcomes.whole is not None
    assert list(outcome_streams(Readout(outcomes.whole.judge), Learnt("x", 600), "1")) == []
