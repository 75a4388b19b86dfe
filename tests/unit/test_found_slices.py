"""Slices that are found in the whole service: counted exactly, chosen by the past, judged by what follows."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from dashboards.page import found as found_section
from dashboards.page.ask import Ask
from dashboards.page.links import PageLinks
from dashboards.page.past import NoPast
from dashboards.page.scene import Scene
from detectors.counts import CorruptCountsError
from monitor.events import DAY, HOUR, FloatArray, IntArray
from monitor.evidence.learnt import Learnt
from monitor.evidence.orders import Orders
from monitor.evidence.searched import Searched
from monitor.model import Model
from monitor.outcomes.cells import Cells
from monitor.outcomes.marked import Marked
from monitor.outcomes.searching import Searching
from monitor.outcomes.values import TYPE
from monitor.sealed import seal
from monitor.snapshot import Snapshots
from monitor.store.memory import MemoryStore
from tests.evidence_labels import run
from tests.found_slices import BEGIN, alarms, cases, configured, count_what_chose, forget, judged, logs, source_of, told

LEARNT = BEGIN + 8 * DAY


def worse(time: int, features: tuple[str, str, str]) -> float:
    """Return an error rate that is higher in one segment from the tenth day on."""
    return 0.6 if time >= LEARNT + DAY and features[:2] == ("fr", "shop") else 0.1


def test_a_segment_that_goes_wrong_is_found_and_named(tmp_path: Path) -> None:
    found = cases(BEGIN, LEARNT + 2 * DAY, 60, 3, worse)
    config = configured(tmp_path, learn="8d", window="6h")
    pipeline = run(config, tmp_path, logs(found, pause_every=3000))
    start, piece, finding = alarms(pipeline)[0]
    assert piece == "kind=shop,place=fr"
    assert LEARNT + DAY <= start <= LEARNT + 2 * DAY
    assert {one[1] for one in alarms(pipeline)} == {piece}
    assert finding.explanation.startswith("drift: up (wrong: 1")
    source = source_of(pipeline)
    assert source.cells is not None
    assert source.picks is not None
    assert source._learnt is not None
    assert all(hour.base is None for hour in source._learnt.hours), "an hour must not keep the counts of all cells"
    (member,) = [one for one in source.picks.members if source.cells.label(one.cell) == piece]
    assert member.since > (LEARNT + DAY) // (6 * HOUR)
    assert member.errors / member.rows == pytest.approx(0.6, abs=0.15)
    lift = member.recent.lift()
    assert lift.low < 0.6 / (0.1 + 0.5 / 12) < lift.high
    assert lift.support == pytest.approx(1 / 12, abs=0.03)
    assert {finding.detector for finding in told(pipeline)[-1].findings} == {"evidence", "lift"}
    ask = Ask(model="m")
    shown = found_section.read(Scene(Snapshots("0", "x").take(pipeline), NoPast(), ask, PageLinks("/slices", ask)))
    assert shown is not None
    assert shown[0].slice == piece, "what drifts comes first"
    assert shown[0].lift.value == pytest.approx(lift.value, rel=0.1), "it was told before the last window was counted"
    assert shown[0].status in {"warn", "drift"}


def test_batches_pauses_and_restarts_change_nothing(tmp_path: Path) -> None:
    found = cases(BEGIN, BEGIN + 3 * DAY, 50, 4, lambda time, what: worse(time + 7 * DAY, what))
    whole = told(run(configured(tmp_path / "a", learn="1d"), tmp_path / "a", logs(found, pause_every=900)))
    rarely, restart = random.Random(1), random.Random(11)
    config = configured(tmp_path / "b", learn="1d")
    pieces = run(config, tmp_path / "b", logs(found, pause_every=331), seed=1, rarely=rarely, restart=restart)
    assert len({result.slice for result in whole}) > 5
    assert [repr(result) for result in told(pieces)] == list(map(repr, whole))


def test_hours_hold_what_was_known_at_that_age(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against brute force: labels too late, predictions that reach the log late, several versions."""
    rng = random.Random(5)
    found = [
        replace(case, version=rng.choice("12"), logged=rng.choice([0, 0, HOUR, 3 * HOUR]), age=rng.randrange(7 * HOUR))
        for case in cases(BEGIN, BEGIN + 2 * DAY, 60, 5, worse)
    ]
    seen: dict[int, IntArray] = {}
    counts, cells = Searching.counts, list[Cells]()

    def watched(self: Searching, first: int, last: int) -> dict[str, IntArray]:
        read = counts(self, first, last)
        assert last - first == HOUR
        assert self.cells is not None
        cells.append(self.cells)
        seen[first] = np.sum([*read.values(), np.zeros(self.cells.size, np.int64)], axis=0)
        return read

    monkeypatch.setattr(Searching, "counts", watched)
    monkeypatch.setattr("monitor.outcomes.searching.ENOUGH", 70)
    pipeline = run(configured(tmp_path, learn="1d"), tmp_path, logs(found, pause_every=170))
    assert len(told(pipeline))
    lattice, name = cells[0].lattice, cells[0]
    assert set(seen) >= set(range(BEGIN, BEGIN + 2 * DAY, HOUR))
    for start in range(BEGIN, BEGIN + 2 * DAY, HOUR):
        rows, errors = judged(found, start, start + HOUR)
        counted = name.counted(seen[start])
        assert (counted.total, counted.wrong) == (rows[""], errors[""])
        for cell in range(lattice.size):
            assert (counted.rows[cell], counted.errors[cell]) == (rows[name.label(cell)], errors[name.label(cell)])


def known(self: Searched, model: Model, cells: Cells, learnt: Learnt, _learn: object = Searched._learn) -> None:
    """Learn as ever, then take the law of the reference for known: a tenth of all rows are wrong."""
    before = learnt.end
    _learn(self, model, cells, learnt)  # type: ignore[operator]
    if before is None and learnt.end is not None:
        self._reference = np.tile([9 * 10**9, 10**9], len(self._reference) // 2)
        self._fresh_picks(cells)


def limit(time: int, features: tuple[str, str, str]) -> float:
    """Return the greatest error rate that is of no interest beside a tenth: odds 1.25 times as high."""
    odds = 1.25 / 9
    return odds / (1 + odds)


def first_bets(folder: Path, seed: int) -> FloatArray:
    """Return what slices win with the first window that counts for them, as a multiple of their stake.

    The choice is forgetful here, so that slices come and go in every window.
    """
    found = [*cases(BEGIN, BEGIN + DAY, 25, seed, limit), *cases(BEGIN + DAY, BEGIN + 4 * DAY, 300, seed + 1, limit)]
    tight = "{warn: {false_incidents: 1 per 3650d, ignore_below: 0}}"
    config = configured(folder, find="min_samples: 20, most: 1", learn="1d", alarms=tight)
    pipeline = run(config, folder, logs(found, pause_every=3000))
    windows: dict[int, dict[str, float]] = {}
    for result in told(pipeline):
        held = [finding.statistic for finding in result.findings if finding.detector == "evidence"]
        windows.setdefault(result.start, {}).update((result.slice, one) for one in held if result.slice)
    return np.array(
        [
            math.exp(held) * len(window)
            for start, window in windows.items()
            for piece, held in window.items()
            if piece not in windows.get(start - HOUR, {}) and not math.isinf(held)
        ]
    )


@pytest.fixture
def _forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    forget(monkeypatch, known)


@pytest.mark.usefixtures("_forgetful")
def test_a_found_slice_wins_nothing_on_average_however_it_was_chosen(tmp_path: Path) -> None:
    won = first_bets(tmp_path, 1)
    assert len(won) >= 30
    assert won.mean() + 3 * won.std() / np.sqrt(len(won)) < 1


@pytest.mark.usefixtures("_forgetful")
def test_counting_the_window_that_chose_a_slice_breaks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    count_what_chose(monkeypatch)
    won = first_bets(tmp_path, 1)
    assert won.mean() > 1


def test_what_is_damaged_is_noticed(tmp_path: Path) -> None:
    pipeline = run(configured(tmp_path, learn="1d"), tmp_path, logs(cases(BEGIN, BEGIN + 30 * HOUR, 60, 3)))
    source = source_of(pipeline)
    source._changed = True
    data = source.changes()
    assert data is not None
    before = (source.picks, source.basis(pipeline.assembly.models["m"]))
    source.restore(data)
    assert (repr(source.picks), source.basis(pipeline.assembly.models["m"])) == (repr(before[0]), before[1])
    with pytest.raises(CorruptCountsError, match="damaged"):
        source.restore(data[:-1])
    texts = np.array([[b"a", b""], [b"", b"bc"]], TYPE)
    marked = Marked(np.array([1, 2]), np.zeros((2, 24), np.uint8), np.array([0, 1]), texts)
    identity, again = Marked.from_bytes(marked.to_bytes("x"))
    assert (identity, again.keys.tolist(), again.errors.tolist()) == ("x", [1, 2], [0, 1])
    assert again.texts.tolist() == texts.tolist()
    older = seal(msgspec.msgpack.encode(["x", b"", b"", b""]))
    assert (Marked.from_bytes(older)[0], len(Marked.from_bytes(older)[1].keys)) == ("", 0)
    source.restore(seal(msgspec.msgpack.encode({"format": 1})))
    assert repr(source.picks) == repr(before[0]), "what an older form learnt is learnt anew"
    with pytest.raises(CorruptCountsError, match="damaged"):
        Marked.from_bytes(marked.to_bytes("x")[:-1])


def test_no_slices_are_looked_for_where_nobody_asks(tmp_path: Path) -> None:
    pipeline = run(configured(tmp_path, find="enabled: false"), tmp_path, logs(cases(BEGIN, BEGIN + 3 * HOUR, 60, 3)))
    assert {watch.source.fleet for watch in pipeline.evidence.watches["m"]} == {"inputs", "outcomes"}
    assert "cells" not in pipeline.evaluations["m"].outcomes.payload.fields


def test_marks_are_counted_once_and_by_the_latest(tmp_path: Path) -> None:
    config, store = configured(tmp_path, find="enabled: false"), MemoryStore()
    orders = Orders(Path(config.state.path))
    for number, (kind, until) in enumerate((("noise", 1), ("useful", 2), ("noise", 2), ("useful", 1))):
        orders.add(at=number, who="a", model="m", column="b", until=until, because="", kind=kind)  # type: ignore[arg-type]
    orders.add(at=9, who="a", model="x", column="b", until=5, because="", kind="noise")
    pipeline = run(config, tmp_path, logs(cases(BEGIN, BEGIN + 3 * HOUR, 60, 3)), store=store)
    assert pipeline.evidence.marks("m") == {"useful": 1, "expected": 0, "noise": 1}
    again = run(config, tmp_path, logs(cases(BEGIN, BEGIN + 3 * HOUR, 60, 3)), store=store)
    assert again.evidence.marks("m") == pipeline.evidence.marks("m")
    assert again.evidence.watches["m"][0].heard == 5
