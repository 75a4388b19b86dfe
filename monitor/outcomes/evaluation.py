"""Judging the windows of outcomes that are due: what goes into history, and what is shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from monitor.events import HOUR
from monitor.findings import WindowResult
from monitor.outcomes.judging import Comparison, comparison_of, judge_window
from monitor.outcomes.outcomes import ModelOutcomes
from monitor.outcomes.sliced import judge_slices
from monitor.outcomes.sums import learn_baselines, roll_up
from monitor.views import PerformanceView
from monitor.windows import Window

_DAY_OF_LEARNING = 14 * 24 * HOUR


@dataclass(slots=True)
class Evaluation:
    """The judge of one model's windows. The same counts give the same findings."""

    outcomes: ModelOutcomes
    latest: dict[tuple[str, str, str], PerformanceView] = field(default_factory=dict)
    """(version, slice, window) → the last window that was judged."""
    _judged: list[tuple[Window, str, int]] = field(default_factory=list)

    def judge(self, closed: Mapping[str, int], now: float, *, all_: bool = False) -> list[WindowResult]:
        """Return the results of the windows that are due; call ``done`` once history has them.

        Parameters
        ----------
        closed
            Window → start of the first that is not closed yet.
        now
            Wall clock, in seconds; it decides when windows are judged again, never what of them.
        all_
            Whether to take all that are due.
        """
        self._judged = self.outcomes.due.take(closed, now, all_=all_)
        comparisons: dict[str, Comparison | None] = {}
        results: list[WindowResult] = []
        for window, version, start in self._judged:
            if version not in comparisons:
                comparisons[version] = comparison_of(self.outcomes, version)
            against = comparisons[version]
            if against is not None:
                results += self._judge_one(window, version, start, against)
        return results

    def done(self) -> None:
        """Note that the results are in history."""
        self.outcomes.due.done(self._judged)
        self._judged = []

    def upkeep(self, watermark: int, history: int) -> None:
        """Learn baselines from what has matured, and roll up what nothing can change any more.

        Parameters
        ----------
        watermark
            No record has a join time before it that was not read yet.
        history
            How long counts are kept, microseconds.
        """
        model = self.outcomes.model
        config, windows = model.config, model.windows
        matures = config.join.wait if config.labels is None else config.labels.matures_after or config.join.wait
        period = config.performance.learn
        if period is None:
            period = (config.reference.learn if config.reference is not None else None) or _DAY_OF_LEARNING
        learn_baselines(self.outcomes, watermark, period, matures + windows.lateness + HOUR)
        keep = config.join.wait + windows.tiers.keep[-1] + config.skew + windows.longest
        roll_up(self.outcomes, watermark, keep, history)

    def _judge_one(self, window: Window, version: str, start: int, against: Comparison) -> Iterable[WindowResult]:
        whole = judge_window(self.outcomes, window, version, start, against)
        if whole is None:
            return []
        views, more = [], list(whole.result.findings)
        for part in self.outcomes.sliced.values():
            sliced, findings = judge_slices(self.outcomes, part, window, version, whole)
            views += sliced
            more += findings
        whole = replace(whole, result=replace(whole.result, findings=tuple(more)))
        for view in (whole, *views):
            self._show(view)
        return [view.result for view in (whole, *views)]

    def _show(self, view: PerformanceView) -> None:
        key = (view.result.version, view.result.slice, view.name)
        shown = self.latest.get(key)
        if shown is None or shown.result.start <= view.result.start:
            self.latest[key] = view
