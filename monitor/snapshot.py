"""From the pipeline to the view that everybody else may read."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from monitor.closing import least_time
from monitor.model import Model
from monitor.partition import Partition
from monitor.pipeline import Pipeline
from monitor.sightings import MOST_NAMES
from monitor.views import (
    AlertsView,
    ClockView,
    InputView,
    LearningView,
    ModelView,
    PerformanceView,
    RetrainingView,
    StrangerView,
    View,
    WindowView,
)
from monitor.watermark import NEVER


@dataclass(slots=True)
class Snapshots:
    """Takes views of a pipeline; call between two checkpoints, from the pipeline's thread."""

    build: str
    config_hash: str
    now: Callable[[], float] = time.time
    alerts: Callable[[], AlertsView | None] = lambda: None
    """Returns the newest picture of the alerts."""
    retraining: Callable[[], RetrainingView | None] = lambda: None
    """Returns the newest picture of retraining."""
    started_at: int = field(init=False)
    _windows: dict[str, tuple[WindowView, ...]] = field(default_factory=dict)
    _performance: dict[str, tuple[PerformanceView, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.started_at = round(self.now() * 1e6)

    def take(self, pipeline: Pipeline) -> View:
        """Return what may be shown now."""
        partitions = list(pipeline.partitions.values())
        positions = pipeline.positions()
        pipeline.watch.refresh(positions)
        counters: Counter[tuple[str, str]] = Counter()
        for partition in partitions:
            counters.update(partition.counters)
        return View(
            taken_at=round(self.now() * 1e6),
            started_at=self.started_at,
            build=self.build,
            config_hash=self.config_hash,
            models=tuple(self._model(model, pipeline, partitions) for model in pipeline.assembly.models.values()),
            inputs=tuple(
                InputView(name.topic, name.partition, offset, pipeline.watch.ends.get(name))
                for name, offset in sorted(positions.items())
            ),
            counters=counters,
            dead_letters_pending=len(pipeline.outgoing),
            alerts=self._alerts(pipeline),
            retraining=self.retraining(),
        )

    def _alerts(self, pipeline: Pipeline) -> AlertsView | None:
        """Return the newest picture of the alerts, with the signals that are still with the pipeline."""
        view = self.alerts()
        if view is None or pipeline.signals is None:
            return view
        queue = pipeline.signals.queue
        return replace(view, signals_waiting=len(queue), signals_lost=queue.head.lost)

    def _model(self, model: Model, pipeline: Pipeline, partitions: Sequence[Partition]) -> ModelView:
        name = model.config.name
        joining = pipeline.joinings.get(name)
        versions = sorted({version for partition in partitions for version in partition.shelf.versions(name)})
        windows = tuple(view for key, view in sorted(pipeline.evaluator.latest.items()) if key[0] == name)
        if windows != self._windows.get(name, ()):
            self._windows[name] = windows
        references = {} if model.reference is None else dict.fromkeys(versions, model.reference.checksum)
        return ModelView(
            name=name,
            owner=model.config.owner,
            versions=tuple(versions),
            references=references,
            learning=self._learning(model, partitions),
            last_prediction=model.last_time,
            seen_at=pipeline.seen_at.get(name),
            clocks=tuple(_clock(partition, model) for partition in partitions),
            strangers=_strangers(model, partitions),
            join=None if joining is None else joining.view(),
            concept=() if joining is None or joining.concept is None else joining.concept.views(),
            challenger=() if joining is None or joining.duel is None else joining.duel.views(),
            changes=tuple(model.changes),
            evidence=pipeline.evidence.views(name),
            marks=pipeline.evidence.marks(name),
            windows=self._windows.get(name, ()),
            performance=self._judged(name, pipeline),
        )

    def _judged(self, name: str, pipeline: Pipeline) -> tuple[PerformanceView, ...]:
        """Return what labels say; the same tuple as before while nothing changed."""
        evaluation = pipeline.evaluations.get(name)
        if evaluation is None:
            return ()
        views = tuple(view for _, view in sorted(evaluation.latest.items(), key=lambda item: item[0]))
        known = self._performance.get(name, ())
        if len(views) != len(known) or any(one is not other for one, other in zip(views, known, strict=True)):
            self._performance[name] = views
        return self._performance.get(name, ())

    @staticmethod
    def _learning(model: Model, partitions: Sequence[Partition]) -> LearningView | None:
        learning = model.learning
        if learning is None:
            return None
        least = least_time(model.config.name, partitions)
        begin = learning.start if learning.start is not None else learning.first_time
        share = 0.0 if begin is None or least == NEVER else max(0.0, min(1.0, (least - begin) / learning.period))
        return LearningView(learning.stage, learning.rows, share if learning.stage == "counts" else 0.0, learning.end)


def _strangers(model: Model, partitions: Sequence[Partition]) -> tuple[StrangerView, ...]:
    """Return the unknown fields of a model over all partitions, in the order in which they were first seen."""
    found: dict[str, StrangerView] = {}
    for partition in partitions:
        for name, seen in partition.strangers.names.get(model.config.name, {}).items():
            view = StrangerView(name, seen.time, partition.number, seen.offset, seen.rows)
            other = found.get(name)
            if other is not None:
                first = min(view, other, key=lambda one: (one.first_seen, one.partition))
                view = replace(first, rows=view.rows + other.rows)
            found[name] = view
    known = model.features or {}
    unknown = [view for name, view in found.items() if name not in known]
    return tuple(sorted(unknown, key=lambda view: (view.first_seen, view.name))[:MOST_NAMES])


def _clock(partition: Partition, model: Model) -> ClockView:
    clock = partition.clocks.get(model.config.name)
    if clock is None:
        return ClockView(partition.number, None)
    mark = None if clock.greatest == NEVER else clock.greatest - model.windows.lateness
    return ClockView(partition.number, mark, clock.idle, len(clock.held))
