"""What ``/metrics`` serves: the View, read when Prometheus asks, and the pipeline's own timings.

Nothing is kept between scrapes but the series of closed windows, which stay good while no window changes. The registry
is passed in; there is no global one.
"""

from __future__ import annotations

import math
import platform
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Histogram, ProcessCollector, disable_created_metrics
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from monitor import catalogue
from monitor.alert_series import add_alerts
from monitor.decoding.reasons import REJECTS
from monitor.events import DAY, HOUR
from monitor.join.tally import LABEL_OUTCOMES, MATURITY_OUTCOMES, PREDICTION_OUTCOMES
from monitor.labels import label
from monitor.metric import Metric
from monitor.outcome_series import outcome_series
from monitor.pairs import COUNTER
from monitor.retraining_series import add_retraining
from monitor.series import SeriesSet, window_series
from monitor.views import (
    ChallengerView,
    ConceptView,
    EvidenceView,
    JoinView,
    ModelView,
    PerformanceView,
    View,
    ViewHolder,
    WindowView,
)

SILENT_WINDOWS: Final = 3
"""Windows of a model that had no rows for so many of their lengths (wall clock) are no longer exported."""
_REJECTED: Final = "rejected:"
_ROW_REJECTS: Final = {"too_late": "too_late", "future_time": "future"}
"""Reason → outcome of a row."""
_SKIPPED: Final = frozenset({"unmatched", "unsampled", "tombstone", "no_rows"})
_SERVICE: Final = {
    "records": catalogue.RECORDS,
    "lost_records": catalogue.LOST,
    "gaps": catalogue.GAPS,
    "dead_letter_overflow": catalogue.DEAD_LETTERS_OVERFLOW,
}
_KNOWN: Final = frozenset({"on_time", "late", "labels", *_SERVICE})
_AGES: Final = {"0s": 0, "1h": HOUR, "6h": 6 * HOUR, "1d": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
"""Least age of the predictions whose coverage is told → microseconds."""


class Costs(Protocol):
    """What the last checkpoint took."""

    @property
    def checkpoint(self) -> float:
        """Seconds to write and publish."""
        ...

    @property
    def evaluation(self) -> float:
        """Seconds to evaluate the windows that were due."""
        ...

    @property
    def written_bytes(self) -> int:
        """Bytes of keys and values."""
        ...


class PipelineMetrics:
    """The pipeline's own timings. ``observe`` is called by its thread after each checkpoint."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._checkpoint = _histogram(catalogue.CHECKPOINT_DURATION, registry)
        self._evaluation = _histogram(catalogue.EVALUATION_DURATION, registry)
        self._bytes = _histogram(catalogue.CHECKPOINT_BYTES, registry)

    def observe(self, costs: Costs) -> None:
        """Count one checkpoint."""
        self._checkpoint.observe(costs.checkpoint)
        self._evaluation.observe(costs.evaluation)
        self._bytes.observe(costs.written_bytes)


class ViewCollector(Collector):
    """Turns the newest View into series.

    Parameters
    ----------
    holder
        Where the View comes from. Without one there are no series yet.
    max_series
        Bound on the series of inputs, models, windows and features together.
    export
        Words of ``metrics.export``.
    now
        Wall clock in seconds; only tells how long a model has been silent.
    """

    def __init__(
        self,
        holder: ViewHolder,
        max_series: int,
        export: Collection[str] = (),
        now: Callable[[], float] = time.time,
    ) -> None:
        self._holder = holder
        self._max_series = max_series
        self._export = frozenset(export)
        self._now = now
        self._dropped_total = 0
        self._windows: tuple[WindowView, ...] = ()
        self._windows_limit = -1
        self._windows_series = SeriesSet(0)

    def describe(self) -> Iterable[Family]:
        """Return nothing: names come with the View, and the catalogue keeps them apart."""
        return ()

    def collect(self) -> Iterator[Family]:
        """Yield the families of the newest View."""
        view = self._holder.current
        if view is None:
            return
        every = _state_series(view, 1 << 62)
        outcomes = outcome_series(_judged(view, int(self._now() * 1e6)), self._max_series // 4)
        rest = self._max_series - outcomes.size
        windows = self._series_of_windows(view, max(self._max_series // 2, rest - every.size))
        room = rest - windows.size
        state = every if every.size <= room else _state_series(view, room)
        dropped = state.dropped + windows.dropped + outcomes.dropped
        self._dropped_total += dropped
        own = _service_series(view)
        own.add(catalogue.SERIES, state.size + windows.size + outcomes.size, "exported")
        own.add(catalogue.SERIES, dropped, "dropped")
        own.add(catalogue.SERIES_LIMIT, self._max_series)
        own.add(catalogue.SERIES_DROPPED, self._dropped_total)
        yield from own.families()
        yield from state.families()
        yield from windows.families()
        yield from outcomes.families()

    def _series_of_windows(self, view: View, limit: int) -> SeriesSet:
        now = int(self._now() * 1e6)
        windows = tuple(window for model in view.models for window in _audible(model, view, now))
        same = len(windows) == len(self._windows) and all(map(_is, windows, self._windows))
        if not same or limit != self._windows_limit:
            self._windows_series = window_series(windows, self._export, limit)
            self._windows, self._windows_limit = windows, limit
        return self._windows_series


def make_registry(
    holder: ViewHolder,
    max_series: int,
    export: Collection[str] = (),
    now: Callable[[], float] = time.time,
) -> tuple[CollectorRegistry, PipelineMetrics]:
    """Return a registry with the View, the process and the pipeline's timings, and where to report these."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # the library does not annotate it
    registry = CollectorRegistry()
    registry.register(ViewCollector(holder, max_series, export, now))
    ProcessCollector(registry=registry)
    return registry, PipelineMetrics(registry)


def _is(one: object, other: object) -> bool:
    return one is other


def _histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    return Histogram(metric.name, metric.help, buckets=metric.buckets, registry=registry)


def _audible(model: ModelView, view: View, now: int) -> Iterator[WindowView]:
    """Yield the windows of a model that had rows not too long ago."""
    silence = now - (view.started_at if model.seen_at is None else model.seen_at)
    for window in model.windows:
        if silence <= SILENT_WINDOWS * (window.result.end - window.result.start):
            yield window


def _judged(view: View, now: int) -> Iterator[PerformanceView]:
    """Yield the judged windows of models that had rows not too long ago."""
    for model in view.models:
        silence = now - (view.started_at if model.seen_at is None else model.seen_at)
        for judged in model.performance:
            if silence <= SILENT_WINDOWS * (judged.result.end - judged.result.start):
                yield judged


def _service_series(view: View) -> SeriesSet:
    series = SeriesSet(1 << 62)
    series.add(catalogue.BUILD, 1, label(view.build), platform.python_version())
    series.add(catalogue.CONFIG, 1, label(view.config_hash))
    series.add(catalogue.LAST_CHECKPOINT, view.taken_at / 1e6)
    series.add(catalogue.DEAD_LETTERS, view.dead_letters_pending)
    for name, metric in _SERVICE.items():
        series.add(metric, view.counters.get(("", name), 0))
    if view.alerts is not None:
        add_alerts(series, view.alerts)
    if view.retraining is not None:
        add_retraining(series, view.retraining)
    return series


def _state_series(view: View, limit: int) -> SeriesSet:
    """Return the series of models, counters and partitions, in this order while they fit."""
    series = SeriesSet(limit)
    for model in view.models:
        _add_model(series, model, view)
    _add_counters(series, view)
    for model in view.models:
        name = label(model.name)
        for clock in model.clocks:
            partition = str(clock.partition)
            series.add(catalogue.WATERMARK, _seconds(clock.watermark), name, partition)
            series.add(catalogue.IDLE, float(clock.idle), name, partition)
            series.add(catalogue.ROWS_HELD, clock.held, name, partition)
    for position in view.inputs:
        place = (label(position.topic), str(position.partition))
        series.add(catalogue.LAG, position.lag, *place)
        series.add(catalogue.OFFSET, position.next_offset, *place)
    return series


def _add_model(series: SeriesSet, model: ModelView, view: View) -> None:
    name, owner = label(model.name), label(model.owner or "")
    for version in model.versions or ("",):
        reference = label(model.references.get(version, ""))
        series.add(catalogue.MODEL, 1, name, label(version), reference, owner)
    rows = {outcome: view.counters.get((model.name, outcome), 0) for outcome in ("on_time", "late")}
    series.add(catalogue.PREDICTIONS, sum(rows.values()), name)
    for reason, outcome in _ROW_REJECTS.items():
        rows[outcome] = view.counters.get((model.name, _REJECTED + reason), 0)
    for outcome, number in rows.items():
        series.add(catalogue.ROWS, number, name, outcome)
    series.add(catalogue.CHANGES, len(model.changes), name)
    series.add(catalogue.LAST_PREDICTION, _seconds(model.last_prediction), name)
    for stranger in model.strangers:
        series.add(catalogue.UNKNOWN_FIELD, _seconds(stranger.first_seen), name, label(stranger.name))
    if model.join is not None:
        _add_join(series, name, model.join)
    if model.learning is not None:
        series.add(catalogue.LEARNING, model.learning.progress, name)
    for watching in model.concept:
        _add_concept(series, watching, name)
    for duel in model.challenger:
        _add_challenger(series, duel, name)
    for champion, unmatched in {duel.champion: duel.unmatched for duel in model.challenger}.items():
        series.add(catalogue.CHALLENGER_UNMATCHED, unmatched, name, label(champion))
    for fleet in model.evidence:
        _add_evidence(series, fleet, name)
    for mark, number in model.marks.items():
        series.add(catalogue.MARKED, number, name, mark)


def _add_challenger(series: SeriesSet, duel: ChallengerView, model: str) -> None:
    champion, own = duel.versions
    place = (model, label(own), label(duel.champion), label(champion))
    series.add(catalogue.CHALLENGER_ROWS, duel.rows, *place)
    series.add(catalogue.CHALLENGER_ACCURACY, duel.accuracy, *place)
    for bound, value in (("", duel.loss), ("lower", duel.loss_low), ("upper", duel.loss_high)):
        series.add(catalogue.CHALLENGER_LOSS, value, *place, bound)
    series.add(catalogue.CHALLENGER_P, duel.p_value, *place)


def _add_evidence(series: SeriesSet, fleet: EvidenceView, model: str) -> None:
    place = (model, fleet.fleet, fleet.severity)
    states = {"drifted": len(fleet.drifted), "unstable": len(fleet.unstable)}
    states["watching"] = fleet.monitors - states["drifted"]
    for state, number in states.items():
        series.add(catalogue.EVIDENCE_MONITORS, number, *place, state)
    series.add(catalogue.EVIDENCE_THRESHOLD, math.log(fleet.patience), *place)
    series.add(catalogue.EVIDENCE_INCIDENTS, fleet.incidents, *place)
    series.add(catalogue.EVIDENCE_PROMISED, fleet.promised, *place)


def _add_concept(series: SeriesSet, view: ConceptView, model: str) -> None:
    place = (model, label(view.version), view.column, view.detector)
    for outcome, number in (("watched", view.rows), ("refused", view.refused), ("left_out", view.left_out)):
        series.add(catalogue.CONCEPT_ROWS, number, *place, outcome)
    series.add(catalogue.CONCEPT_ALARMS, view.drifts, *place, "drift")
    series.add(catalogue.CONCEPT_ALARMS, view.warnings, *place, "warning")
    series.add(catalogue.CONCEPT_ALARM, _seconds(view.last_alarm), *place)
    series.add(catalogue.CONCEPT_CHANGE, view.after - view.before, *place)


def _add_join(series: SeriesSet, name: str, join: JoinView) -> None:
    for side, outcomes in (("prediction", PREDICTION_OUTCOMES), ("label", LABEL_OUTCOMES)):
        for outcome in outcomes:
            series.add(catalogue.JOIN_ROWS, join.rows.get((side, outcome), 0), name, side, outcome)
    for outcome in MATURITY_OUTCOMES:
        series.add(catalogue.MATURED, join.rows.get(("maturity", outcome), 0), name, outcome)
    series.add(catalogue.LABELS, join.rows.get(("label", "seen"), 0), name)
    for reason, number in join.rejected.items():
        series.add(catalogue.LABELS_REJECTED, number, name, reason)
    for reason, number in join.flaws.items():
        series.add(catalogue.FLAWED, number, name, reason)
    for reason, number in join.entities.items():
        series.add(catalogue.WITHOUT_ENTITY, number, name, reason)
    series.add(catalogue.LAST_LABEL, _seconds(join.last_label), name)
    series.add(catalogue.JOIN_WATERMARK, _seconds(join.watermark), name)
    for quantile, seconds in join.delays.items():
        series.add(catalogue.LABEL_DELAY, seconds, name, f"{quantile:g}")
    for age, bound in _AGES.items():
        older = [(rows, labelled) for at, rows, labelled in join.coverage if at >= bound]
        rows = sum(number for number, _ in older)
        if rows:
            series.add(catalogue.LABEL_COVERAGE, sum(labelled for _, labelled in older) / rows, name, age)


def _add_counters(series: SeriesSet, view: View) -> None:
    """Add every other counter; those that alerts watch start at 0."""
    names = ["", *(model.name for model in view.models)]
    counters = Counter({(name, _REJECTED + reason): 0 for name in names for reason in (*REJECTS, *_ROW_REJECTS)})
    counters.update(view.counters)
    for (model, name), number in sorted(counters.items()):
        if name.startswith(_REJECTED):
            series.add(catalogue.REJECTED, number, label(model), label(name.removeprefix(_REJECTED)))
        elif name.startswith(COUNTER):
            series.add(catalogue.PAIR_ROWS, number, label(model), name.removeprefix(COUNTER))
        elif name in _SKIPPED:
            series.add(catalogue.SKIPPED, number, label(model), name)
        elif name not in _KNOWN:
            series.add(catalogue.REMARKS, number, label(model), label(name))


def _seconds(micros: int | None) -> float | None:
    return None if micros is None else micros / 1e6
