"""Judging the windows of outcomes that are due: what goes into history, and what is shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from monitor.config.model import ModelConfig
from monitor.events import DAY, HOUR
from monitor.findings import WindowResult
from monitor.outcomes.judging import Comparison, comparison_of, judge_windows
from monitor.outcomes.outcomes import ModelOutcomes
from monitor.outcomes.reweighted import add_reweighted
from monitor.outcomes.sliced import judge_slices
from monitor.outcomes.sums import learn_baselines, roll_up
from monitor.views import PerformanceView
from monitor.windows import Window

_LEARN: Final = 14 * DAY
_SHOWN_WINDOWS: Final = 7
"""Lengths of a window after which what is no longer predicted is no longer shown."""
SETTLED_EVERY: Final = 300.0
"""Seconds of wall clock that labels may wait before slices show them."""
_AT_ONCE: Final = 32
"""Windows whose figures are computed together."""


def learning_period(config: ModelConfig) -> int:
    """Return how long the first predictions are learnt from."""
    if config.performance.learn is not None:
        return config.performance.learn
    return (config.reference.learn if config.reference is not None else None) or _LEARN


@dataclass(slots=True)
class Evaluation:
    """The judge of one model's windows. The same counts give the same findings."""

    outcomes: ModelOutcomes
    latest: dict[tuple[str, str, str], PerformanceView] = field(default_factory=dict)
    """(version, slice, window) → the last window that was judged."""
    _judged: list[tuple[Window, str, int]] = field(default_factory=list)
    _settled: float = float("-inf")

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
        if all_ or now - self._settled >= SETTLED_EVERY:
            self._settled = now
            self.outcomes.settle()
        self._judged = self.outcomes.due.take(closed, now, all_=all_)
        together: dict[tuple[Window, str], list[int]] = {}
        for window, version, start in self._judged:
            together.setdefault((window, version), []).append(start)
        results: list[WindowResult] = []
        for (window, version), starts in together.items():
            against = comparison_of(self.outcomes, version)
            if against is None:
                continue
            for first in range(0, len(starts), _AT_ONCE):
                results += self._judge_some(window, version, starts[first : first + _AT_ONCE], against)
        return results

    def done(self) -> None:
        """Note that the results are in history."""
        self.outcomes.due.done(self._judged)
        self._judged = []

    def upkeep(self, watermark: int, history: int, unread: int | None = None) -> None:
        """Learn baselines from what has matured, and roll up what nothing can change any more.

        Parameters
        ----------
        watermark
            No record has a join time before it that was not read yet.
        history
            How long counts are kept, microseconds.
        unread
            The first hour that evidence still needs as it is.
        """
        model = self.outcomes.model
        config, windows = model.config, model.windows
        matures = config.matures_after
        learn_baselines(self.outcomes, watermark, learning_period(config), matures + windows.lateness + HOUR)
        keep = config.join.wait + windows.tiers.keep[-1] + config.skew + windows.longest
        roll_up(self.outcomes, watermark, keep, history, unread)

    def _judge_some(
        self, window: Window, version: str, starts: list[int], against: Comparison
    ) -> Iterable[WindowResult]:
        judged = judge_windows(self.outcomes, window, version, starts, against)
        add_reweighted(self.outcomes, window, version, judged)
        views: list[PerformanceView] = []
        for part in self.outcomes.sliced.values():
            views += judge_slices(self.outcomes, part, window, version, judged)
        views = [*(one.finished() for one in judged), *views]
        for view in views:
            self._show(view)
        self._forget()
        return [view.result for view in views]

    def _show(self, view: PerformanceView) -> None:
        key = (view.result.version, view.result.slice, view.name)
        shown = self.latest.get(key)
        if shown is None or shown.result.start <= view.result.start:
            self.latest[key] = view

    def _forget(self) -> None:
        """Show no more of versions and slices that the newest windows do not have."""
        newest: dict[str, int] = {}
        for view in self.latest.values():
            newest[view.name] = max(newest.get(view.name, view.result.end), view.result.end)
        for key, view in list(self.latest.items()):
            size = view.result.end - view.result.start
            if view.result.end < newest[view.name] - _SHOWN_WINDOWS * size:
                del self.latest[key]
