"""The same log gives the same alarms, River's fed pair by pair, whatever the interleaving, batches and crashes."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.concept import streams as module
from monitor.concept.hours import Heard, Hour
from monitor.concept.streams import ConceptStreams, Stream
from monitor.concept.thinning import Thinning
from monitor.config.model import DetectorConfig, LabelsConfig, ModelConfig, StreamConfig
from monitor.events import HOUR, MINUTE, FloatArray, IntArray
from monitor.findings import WindowResult
from monitor.join.output import Joined
from monitor.join.payload import Rows
from monitor.join.rules import Rules
from monitor.store.memory import MemoryStore
from tests.property.join_driver import Driver
from tests.property.join_oracle import RETRACT, UPSERT, Record, Scenario
from tests.river import guarded

NERVOUS: Final[dict[str, dict[str, Any]]] = {
    "adwin": {"delta": 0.3, "clock": 3, "min_window_length": 2, "grace_period": 3},
    "page_hinkley": {"threshold": 2.0, "min_instances": 5},
    "ddm": {"warm_start": 5, "warning_threshold": 1.0, "drift_threshold": 1.5},
    "hddm_w": {"drift_confidence": 0.1, "warning_confidence": 0.3},
}
CONFIG: Final = ModelConfig(
    name="m",
    positive_class=1,
    predictions=StreamConfig(topic="p"),
    labels=LabelsConfig(topic="l"),
    detectors=[DetectorConfig(kind=kind, **parameters) for kind, parameters in NERVOUS.items()],
)
BOUND: Final = 40


class Numbers:
    """Predictions whose number says all: version by the hundreds, class by the last digit."""

    version_names = ("a", "b", "c")

    def versions(self, rows: Rows) -> IntArray:
        """Return the version of a number."""
        return rows["number"].astype(np.int64) // 100 % 3

    def predicted(self, rows: Rows) -> FloatArray:
        """Return the class of a number."""
        return (rows["number"] % 10 > 4).astype(np.float64)

    def scores_of(self, rows: Rows, classes: FloatArray) -> FloatArray:
        return np.full((len(rows), *classes.shape[1:]), np.nan)

    def scores(self, rows: Rows) -> FloatArray:
        """Return nothing."""
        return np.full(len(rows), np.nan)


def scenario(rng: random.Random) -> Scenario:
    """Return predictions and labels of some hours, with corrections and withdrawals, and errors that come in waves."""
    logs: dict[tuple[str, int], list[Record]] = {
        (side, number): [] for side in ("prediction", "label") for number in (0, 1)
    }
    pace = rng.choice([20, MINUTE // 2, MINUTE * 3])
    for number in range(rng.choice([20, 150, 300])):
        at = number * pace + rng.randint(0, pace)
        wrong = rng.random() < (0.1 if number // 60 % 2 else 0.7)
        text, side = f"id{number}", rng.randint(0, 1)
        logs["prediction", side].append(Record(at, ((text, float(number), UPSERT),)))
        truth = float((number % 10 > 4) != wrong)
        courses: list[list[float | None]] = [[], [truth], [truth], [truth], [truth, 1 - truth], [truth, None, truth]]
        for said in rng.choice(courses):
            at += rng.choice([-pace, 0, 1, pace * 5, pace * 40])
            row = (text, 0.0, RETRACT) if said is None else (text, said, UPSERT)
            logs["label", rng.randint(0, 1)].append(Record(at, (row,)))
    rules = Rules(wait=6 * HOUR, matures_after=6 * HOUR, inputs=2, completed=True)
    return Scenario(rules, {name: sorted(log, key=lambda record: record.log_time) for name, log in logs.items()})


class ConceptDriver(Driver):
    """A join with detectors behind it, written together, and a history that takes windows after the write."""

    history: dict[tuple[str, int], WindowResult]

    def start(self) -> None:
        """Begin from what was last written; history stays."""
        super().start()
        self.streams, _ = ConceptStreams.load(self.store, 0, CONFIG, Numbers(), bound=BOUND)
        if not hasattr(self, "history"):
            self.history = {}

    def give(self, joined: Joined) -> None:
        """Feed the detectors too."""
        super().give(joined)
        self.streams.take(joined)
        self.streams.advance(self.join.watermark)

    def gather(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Write the detectors too."""
        puts, deletes = super().gather()
        more, gone = self.streams.changes()
        return {**puts, **more}, deletes + gone

    def settle(self) -> None:
        """Tell history, but for when it cannot be reached."""
        super().settle()
        self.streams.written()
        if self.rng.random() < 0.7:
            self.tell()

    def tell(self) -> None:
        """Tell history what it has yet to hear."""
        results = self.streams.results()
        self.history.update({(result.version, result.start): result for result in results})
        self.streams.delivered(results)


def run(logs: int, course: int) -> tuple[ConceptDriver, list[tuple[int, str, float]]]:
    """Run a scenario to its end and past it; return the driver and (moment, version, error) in the defined order."""
    driver = ConceptDriver(scenario(random.Random(logs)), MemoryStore(), random.Random(course), budget=50)
    driver.run()
    driver.join.advance(1 << 45)
    driver.give(driver.join.drain())
    driver.tell()
    expected = driver.expected()
    assert driver.totals.completed == expected.completed
    pairs = [
        (moment, "abc"[int(number) // 100 % 3], float((number % 10 > 4) != label))
        for moment, _, number, label, _ in expected.completed
    ]
    return driver, pairs


def admitted(pairs: Sequence[tuple[int, str, float]], hashes: Sequence[int]) -> list[bool]:
    """Say of the pairs of one version which are watched: row by row, as the docstring has it."""
    found, hour, level, room = [], -1, 0, 0
    for (moment, _, _), hashed in zip(pairs, hashes, strict=True):
        if moment // HOUR != hour:
            hour, level, room = moment // HOUR, 0, BOUND // 2
        found.append(level <= 16 and hashed % 2**level == 0)
        room -= found[-1]
        if room == 0:
            level, room = level + 1, BOUND // 32
    return found


def compare(driver: ConceptDriver, pairs: list[tuple[int, str, float]]) -> int:
    """Fail when any alarm or window differs from River's; return how many alarms there were."""
    hashes = {version: [row[1] for row, pair in zip(driver.totals.completed, pairs, strict=True) if pair[1] == version]
              for version in "abc"}  # fmt: skip
    heard: defaultdict[tuple[str, int, str], list[tuple[int, str]]] = defaultdict(list)
    total = 0
    for version in "abc":
        own = [pair for pair in pairs if pair[1] == version]
        watched = [pair for pair, fine in zip(own, admitted(own, hashes[version]), strict=True) if fine]
        for kind, parameters in NERVOUS.items():
            alarms = guarded(kind, parameters, [error for _, _, error in watched])
            total += len(alarms)
            for index, level in alarms:
                heard[version, watched[index][0] // HOUR * HOUR, kind].append((index + 1, level))
            if own:
                states = driver.streams.streams[version].states["error", kind]
                assert (int(states.rows[0]), int(states.refused[0])) == (len(watched), 0)
                assert int(states.drifts[0]) == sum(level == "drift" for _, level in alarms)
    hours = {key: list(rows) for key, rows in groupby(sorted(pairs, key=_hour), key=_hour)}
    assert set(driver.history) == set(hours)
    for (version, start), rows in hours.items():
        result = driver.history[version, start]
        assert (result.n, result.start, result.end) == (len(rows), start, start + HOUR)
        for finding in result.findings:
            told = heard[version, start, finding.detector]
            assert finding.statistic == pytest.approx(np.mean([error for _, _, error in rows]), abs=1e-12)
            levels = {level for _, level in told}
            assert finding.status == ("drift" if "drift" in levels else "warn" if levels else "ok")
            if told:
                said = [position for position, level in told if level == "drift" or "drift" not in levels]
                assert f"value {said[min(len(said), 32) - 1]}:" in finding.explanation
    return total


def _hour(pair: tuple[int, str, float]) -> tuple[str, int]:
    return pair[1], pair[0] // HOUR * HOUR


@settings(max_examples=12, deadline=None)
@example(13016, 0)
@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_any_course_of_events_gives_rivers_alarms(logs: int, course: int) -> None:
    compare(*run(logs, course))


def test_there_are_alarms_and_thinned_hours_to_compare() -> None:
    alarms, left_out = 0, 0
    for seed in range(4):
        driver, pairs = run(seed, seed)
        alarms += compare(driver, pairs)
        left_out += sum(stream.thinning.left_out for stream in driver.streams.streams.values())
    assert alarms > 20
    assert left_out > 20


def as_they_came(moments: IntArray, hashes: Any, values: Any) -> IntArray:
    """Leave pairs in the order in which the join gave them out."""
    return np.arange(len(moments))


def forgotten(self: ConceptStreams, state: Any, afresh: Any) -> None:
    """Bring a version back without what its detectors knew."""
    self._new(state["version"])


def all_of_them(self: Thinning, times: IntArray, hashes: Any) -> Any:
    """Let every row through."""
    return np.ones(len(times), bool)


def anew_each_time(self: Thinning, hour: int) -> None:
    """Begin the hour again with every batch."""
    self.hour, self.level, self.room = hour, 0, self.bound // 2


def told_when_over(self: Hour, watch: Any, heard: Sequence[Heard]) -> None:
    """Forget the alarms of an hour that go beyond the first batch."""
    self.heard.setdefault(watch, list(heard))


MUTANTS: Final[dict[str, tuple[object, str, object]]] = {
    "pairs are taken as they came": (module, "order", as_they_came),
    "detectors forget in a crash": (ConceptStreams, "_restore", forgotten),
    "no bound": (Thinning, "admit", all_of_them),
    "the bound goes by batches": (Thinning, "_begin", anew_each_time),
    "an hour keeps its first alarms only": (Hour, "note", told_when_over),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_the_comparison_finds(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, attribute, broken = MUTANTS[name]
    monkeypatch.setattr(owner, attribute, broken)
    for seed in range(12):
        driver, pairs = run(seed, seed)
        try:
            compare(driver, pairs)
        except AssertionError:
            return
    pytest.fail(f"{name}: not found in 12 courses")


def test_versions_are_bounded_by_the_log_alone() -> None:
    stream = Stream(Thinning(), {}, hour=0)
    found = ConceptStreams(0, CONFIG, Numbers(), BOUND)
    found.streams = {f"v{number:03}": Stream(Thinning(), {}, hour=number // 2) for number in range(100)} | {"x": stream}
    found._begin(HOUR)
    assert len(found.streams) == module.MOST_VERSIONS
    assert "x" not in found.streams
    assert min(kept.hour for kept in found.streams.values()) == 18
    assert len(found._gone) == 37
