"""Labels in, alarms out: the join of one model with its detectors of concept drift behind it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from monitor.concept.hours import Hour
from monitor.concept.keys import CONCEPT, STREAMS
from monitor.concept.streams import ConceptStreams
from monitor.concept.thinning import Thinning
from monitor.concept.watched import watched
from monitor.config.model import DetectorConfig, LabelsConfig, ModelConfig, StreamConfig
from monitor.events import HOUR, MINUTE, SECOND, Batch, Column, FloatArray, IntArray, Kind, Records
from monitor.findings import Finding
from monitor.history import History
from monitor.join.output import COMPLETED, Joined
from monitor.join.payload import Payload, Rows
from monitor.joining import Joining
from monitor.store.memory import MemoryStore

PAYLOAD = Payload({"version": "<i2", "score": "<f8"})
START = 1_790_000_000_000_000 // HOUR * HOUR


class Scores:
    """Outcomes that keep what they are given, and read what they packed."""

    version_names = ("7", "8")
    payload = PAYLOAD
    flaws: Mapping[str, int] = MappingProxyType({})

    def __init__(self) -> None:
        self.taken: list[Joined] = []

    def pack(self, batch: Batch) -> Rows:
        """Pack version and score."""
        codes = np.array([self.version_names.index(version) for version in batch.versions])
        return PAYLOAD.pack({"version": codes, "score": np.asarray(batch.columns["score"])})

    def take(self, joined: Joined) -> None:
        """Keep it."""
        self.taken.append(joined)

    def advance(self, watermark: int) -> None:
        """Do nothing."""

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Write nothing."""
        return {}, []

    def written(self) -> None:
        """Do nothing."""

    def versions(self, rows: Rows) -> IntArray:
        """Return codes."""
        return rows["version"].astype(np.int64)

    def predicted(self, rows: Rows) -> FloatArray:
        """Return the class at 0.5."""
        return np.where(np.isnan(rows["score"]), np.nan, rows["score"] >= 0.5)

    def scores_of(self, rows: Rows, classes: FloatArray) -> FloatArray:
        return np.full((len(rows), *classes.shape[1:]), np.nan)

    def scores(self, rows: Rows) -> FloatArray:
        """Return scores."""
        found: FloatArray = rows["score"]
        return found


def config(*detectors: DetectorConfig) -> ModelConfig:
    return ModelConfig(
        name="m", positive_class=1, predictions=StreamConfig(topic="p"), labels=LabelsConfig(topic="l"),
        detectors=list(detectors) or None,
    )  # fmt: skip


ADWIN = DetectorConfig(kind="adwin", on=["error", "loss"], delta=0.01)
INPUTS = {"p": 1, "l": 1}


def opened(store: MemoryStore, model: ModelConfig) -> tuple[Joining, Scores, list[str]]:
    outcomes = Scores()
    joining, changes = Joining.load(store, 0, model, outcomes, INPUTS, outcomes)
    return joining, outcomes, changes


def streams_of(joining: Joining) -> ConceptStreams:
    assert joining.concept is not None
    return joining.concept


def feed(joining: Joining, topic: str, numbers: range, columns: dict[str, FloatArray], delay: int = 0) -> None:
    times = START + np.array(numbers, np.int64) * SECOND + delay
    count = len(numbers)
    records = Records(topic, 0, numbers.stop, list(numbers), times.tolist(), True, [None] * count, [b"x"] * count)
    read: dict[str, Column] = {**columns}
    if "label" in columns:
        read["label"] = ["1" if value else "0" for value in columns["label"]]
    ids, offsets = [f"id{number}" for number in numbers], np.array(numbers, np.int64)
    kind: Kind = "prediction" if topic == "p" else "label"
    batch = Batch("m", kind, ids, ["7"] * count, times, times, offsets, read)
    joining.begin(records)
    at = joining.times(batch, records)
    (joining.predictions if topic == "p" else joining.labels)(0, batch, at)
    joining.advance()


def flip(joining: Joining) -> None:
    """Bring 6,000 predictions and their labels, a second apart; from the half on most are wrong."""
    rng = np.random.default_rng(1)
    for first in range(0, 6000, 500):
        numbers = range(first, first + 500)
        truth = rng.random(500) < 0.3
        right = rng.random(500) < (0.9 if first < 3000 else 0.4)
        feed(joining, "p", numbers, {"score": np.where(truth == right, 0.8, 0.2)})
        feed(joining, "l", numbers, {"label": truth.astype(np.float64)}, delay=2 * MINUTE)


def save(joining: Joining, store: MemoryStore) -> None:
    store.write(*joining.changes(), sync=False)
    joining.written()


def test_what_detectors_knew_leaves_the_state_with_them() -> None:
    store = MemoryStore()
    joining, _, _ = opened(store, config(ADWIN, DetectorConfig(kind="ddm", on=["error"])))
    flip(joining)
    save(joining, store)
    stored = {key: store.get(key) for space in (CONCEPT, STREAMS) for key, _ in store.scan(space)}
    assert len(stored) == 2
    fewer, _, _ = opened(store, config(ADWIN))
    save(fewer, store)
    (key,) = [key for key, _ in store.scan(STREAMS)]
    assert b"ddm" in (stored[key] or b"")
    assert b"ddm" not in (store.get(key) or b"")
    none, _, _ = opened(store, config())
    save(none, store)
    assert not [key for space in (CONCEPT, STREAMS) for key, _ in store.scan(space)]


def test_a_change_is_found_minutes_after_its_labels_and_history_hears_of_it(tmp_path: Path) -> None:
    joining, outcomes, changes = opened(MemoryStore(), config(ADWIN))
    flip(joining)
    assert changes == []
    assert all((joined.kinds != COMPLETED).all() for joined in outcomes.taken)
    views = streams_of(joining).views()
    assert [(view.version, view.column, view.detector) for view in views] == [
        ("7", "error", "adwin"),
        ("7", "loss", "adwin"),
    ]
    for view in views:
        assert (view.drifts, view.direction, view.level) == (1, 1, "drift")
        assert view.last_alarm is not None
        assert 0 < view.last_alarm - (START + 3000 * SECOND + 2 * MINUTE) < 5 * MINUTE
        # predictions lag labels by two minutes; slack and buckets are a minute each
        assert 6000 - 4 * 60 <= view.rows < 6000
    history = History(tmp_path / "history.sqlite")
    streams = streams_of(joining)
    results = streams.results()
    history.upsert(results)
    streams.delivered(results)
    assert streams.results() == []
    assert [(found.window, found.version, found.n > 0) for found in history.results()] == [("concept", "7", True)] * 1
    told: dict[str, Finding] = {found.column: found for found in results[0].findings}
    assert told["error"].status == told["loss"].status == "drift"
    assert told["error"].explanation.startswith("adwin alarm at 2026-09-21T")
    streams.advance(START + 10 * HOUR)
    history.upsert(streams.results())
    assert [found.n for found in history.results()] == [3480, sum(found.n for found in history.results()) - 3480]
    history.close()


def test_another_setting_starts_one_detector_afresh_and_says_so() -> None:
    store = MemoryStore()
    joining, _, _ = opened(store, config(ADWIN, DetectorConfig(kind="ddm")))
    flip(joining)
    save(joining, store)
    before = {(view.column, view.detector): view for view in streams_of(joining).views()}
    again, _, changes = opened(store, config(ADWIN, DetectorConfig(kind="ddm")))
    assert changes == []
    assert streams_of(again).views() == tuple(before.values())
    again, _, changes = opened(store, config(ADWIN, DetectorConfig(kind="ddm", warm_start=50)))
    assert changes == ["ddm on error starts afresh: it is new or has other settings"]
    after = {(view.column, view.detector): view for view in streams_of(again).views()}
    assert after["error", "ddm"].rows == 0
    assert after["error", "adwin"] == before["error", "adwin"]
    without, _, changes = opened(store, config(DetectorConfig(kind="psi")))
    assert (without.concept, changes) == (None, [])


def test_what_is_watched() -> None:
    rows = PAYLOAD.pack({"version": np.zeros(6, int), "score": np.array([0.9, 0.2, np.nan, 1.5, 0.0, 1.0])})
    labels = np.array([1.0, 1.0, 1.0, 0.0, 1.0, 0.0])
    np.testing.assert_array_equal(
        watched("error", "binary_classification", Scores(), rows, labels), [0, 1, np.nan, 1, 1, 1]
    )
    losses = watched("loss", "binary_classification", Scores(), rows, labels)
    expected = [-math.log(0.9), -math.log(0.2), math.nan, math.nan, 52 * math.log(2), 52 * math.log(2)]
    np.testing.assert_allclose(losses, expected, rtol=1e-12)
    off = watched("loss", "regression", Scores(), rows, np.array([0.25, 1.0, 1.0, np.nan, 7.0, np.inf]))
    np.testing.assert_array_equal(off, [0.75, 1.0, np.nan, np.nan, 7.0, np.inf])


def test_what_does_not_exist_is_refused_and_counted() -> None:
    joining, _, _ = opened(MemoryStore(), config(ADWIN))
    scores = np.where(np.arange(3000) % 3 == 0, np.nan, 0.9)
    feed(joining, "p", range(3000), {"score": scores})
    feed(joining, "l", range(3000), {"label": np.ones(3000)}, delay=MINUTE)
    for view in streams_of(joining).views():
        assert view.refused == pytest.approx((view.rows + view.refused) / 3, abs=1)
        assert (view.drifts, view.before != view.before) == (0, True)


def test_an_hour_far_beyond_the_bound_is_covered_to_its_end() -> None:
    rng = np.random.default_rng(2)
    thinning = Thinning(bound=320)
    admitted = thinning.admit(np.sort(rng.integers(0, HOUR, 200_000)), rng.integers(0, 1 << 64, 200_000, np.uint64))
    assert 200 < admitted.sum() <= 320
    assert np.flatnonzero(admitted)[-1] > 150_000
    assert thinning.left_out == 200_000 - admitted.sum()
    later = thinning.admit(np.full(160, HOUR), np.ones(160, np.uint64))
    assert later.all()
    assert not thinning.admit(np.full(9, HOUR), np.ones(9, np.uint64)).any()
    with pytest.raises(ValueError, match="below 32"):
        Thinning(bound=31)


def test_sums_of_an_hour_do_not_depend_on_how_rows_were_handed_over() -> None:
    values = np.random.default_rng(3).lognormal(0, 3, 1000)
    whole, parts = Hour(), Hour()
    whole.add({"loss": values}, 1000)
    for part in np.split(values, [3, 4, 700]):
        parts.add({"loss": part}, len(part))
    assert whole == parts
    assert Hour.restore(parts.state()) == parts
