"""What one page is about: the View, the past, and which model, version, window and time are looked at."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from dashboards.page.ask import Ask
from dashboards.page.grid import Grid, grid_of
from dashboards.page.links import Links
from dashboards.page.past import Past
from monitor.findings import Finding, worst_status
from monitor.labels import label
from monitor.sheets import Sheet
from monitor.views import EventView, IncidentView, ModelView, View, WindowView

MOST_SHEETS: Final = 3000
"""Windows that one page reads; of a longer range the latest."""
_MOST_FINDINGS: Final = 400_000
"""Findings that one page reads; a model of many columns gets fewer windows."""
_LEAST_SHEETS: Final = 100
_INCIDENTS: Final = 30
_SHOWN: Final = 72
"""Windows that are shown when no range is asked for."""
_STALE: Final = 2
"""A version whose latest window ended more than so many lengths before the newest is of the past."""
OF_LABELS: Final = ":outcomes"
"""End of the names of windows that rest on labels."""
OF_SLICES: Final = ":slices"
"""End of the name of windows of slices that were found by themselves."""
CONCEPT: Final = "concept"
"""Name of the hours in which detectors of concept drift spoke."""
DUEL: Final = "challenger"
"""Name of the hours in which a challenger was compared with its champion."""
_RANKS: Final = {"drift": 0, "warn": 1, "ok": 2, "insufficient": 3}


class NotThereError(LookupError):
    """What is asked for is not known; the message says what is missing."""


@dataclass(frozen=True)
class Scene:
    """One request's picture. Made anew for each; what is read of the past is read once."""

    view: View
    past: Past
    ask: Ask
    links: Links
    table_rows: int = 100
    """Windows in the table behind a chart, the latest."""
    _latest: dict[str, tuple[WindowView, ...]] = field(default_factory=dict)

    @cached_property
    def model(self) -> ModelView:
        """The model that is asked for.

        Raises
        ------
        NotThereError
            When there is none of this name.
        """
        for model in self.view.models:
            if label(model.name) == self.ask.model:
                return model
        raise NotThereError(f"no model is called {self.ask.model!r}" if self.ask.model else "no model is named")

    @cached_property
    def windows(self) -> tuple[WindowView, ...]:
        """The model's latest windows of what came in, those of slices among them."""
        return tuple(window for window in self.windows_of(self.model) if of_inputs(window))

    def windows_of(self, model: ModelView) -> tuple[WindowView, ...]:
        """Return a model's latest windows of every kind; right after a start those of the past."""
        if model.windows:
            return (*model.windows, *(WindowView(view.result) for view in model.performance))
        if model.name not in self._latest:
            self._latest[model.name] = tuple(WindowView(result) for result in self.past.latest(model.name))
        return self._latest[model.name]

    @cached_property
    def whole(self) -> tuple[WindowView, ...]:
        """The latest windows of the whole population, one a version and window length."""
        return tuple(window for window in self.windows if not window.result.slice)

    @cached_property
    def chosen(self) -> WindowView | None:
        """The latest window of the version and length looked at: as asked, otherwise the newest version's longest.

        Raises
        ------
        NotThereError
            When a version or window is asked for that has none.
        """
        fitting = [
            window
            for window in self.whole
            if self.ask.version in {None, label(window.result.version)}
            and self.ask.window in {None, label(window.result.window)}
        ]
        if not fitting:
            if self.ask.version is not None or self.ask.window is not None:
                raise NotThereError("this version has no such window")
            return None
        return max(fitting, key=_prominence)

    @cached_property
    def newest(self) -> int | None:
        """End of the window looked at."""
        return None if self.chosen is None else self.chosen.result.end

    @cached_property
    def sheets_limit(self) -> int:
        """How many windows are read at most."""
        findings = 1 if self.chosen is None else max(1, len(self.chosen.result.findings))
        return min(MOST_SHEETS, max(_LEAST_SHEETS, _MOST_FINDINGS // findings))

    @cached_property
    def sheets(self) -> Sequence[Sheet]:
        """The windows of the range that is asked for, at most ``sheets_limit`` of them, oldest first."""
        if self.chosen is None:
            return ()
        result = self.chosen.result
        first, last = self.ask.range(self.newest)
        limit = _SHOWN if first is None and last is None else self.sheets_limit
        last = result.start + 1 if last is None else last
        return self.past.sheets(result.model, result.version, result.window, first, last, limit=limit)

    @cached_property
    def grid(self) -> Grid:
        """Every column's ratio and status in these windows, over all detectors."""
        return grid_of(self.sheets)

    @cached_property
    def incidents(self) -> Sequence[IncidentView]:
        """The newest incidents of evidence of the model, newest first."""
        return self.past.incidents(self.model.name, limit=_INCIDENTS)

    @cached_property
    def events(self) -> Sequence[EventView]:
        """What people say happened to the model, or to all, in the order of time."""
        return self.past.events(self.model.name)

    @cached_property
    def columns(self) -> frozenset[str]:
        """Columns that have a page of their own, as they are written in addresses."""
        found = (finding.column for window in self.whole for finding in window.result.findings if finding.column)
        return frozenset(map(label, found))

    @property
    def is_cut(self) -> bool:
        """Whether the range held more windows than are shown."""
        return len(self.sheets) >= self.sheets_limit


def of_inputs(window: WindowView) -> bool:
    """Return whether a window rests on what came in, not on labels."""
    return window.result.window not in {CONCEPT, DUEL} and not window.result.window.endswith((OF_LABELS, OF_SLICES))


def current(windows: Iterable[WindowView]) -> list[WindowView]:
    """Return the windows that are of now: those of versions that went away are left out.

    What rests on labels is late by nature, and is measured against its own kind.
    """
    found = list(windows)
    newest: dict[bool, int] = {}
    for window in found:
        kind = of_inputs(window)
        newest[kind] = max(newest.get(kind, 0), window.result.end)
    return [
        window
        for window in found
        if newest[of_inputs(window)] - window.result.end <= _STALE * (window.result.end - window.result.start)
    ]


def findings_now(windows: Iterable[WindowView]) -> list[tuple[WindowView, Finding]]:
    """Return the findings in drift or warning, the worst first."""
    found = [
        (window, finding)
        for window in windows
        for finding in window.result.findings
        if finding.status in {"drift", "warn"}
    ]
    found.sort(key=lambda pair: (_RANKS[pair[1].status], -(ratio(pair[1]) or 0.0), pair[1].column))
    return found


def ratio(finding: Finding) -> float | None:
    """Return the drift ratio: the statistic over its threshold, ``None`` where one of them does not exist."""
    if not (math.isfinite(finding.statistic) and math.isfinite(finding.threshold) and finding.threshold > 0):
        return None
    return finding.statistic / finding.threshold


def rank(status: str) -> int:
    """Return the place of a status, the worst first."""
    return _RANKS.get(status, len(_RANKS))


def status_of(model: ModelView, windows: Iterable[WindowView]) -> str:
    """Return a model's status: the worst of its current whole windows; ``learning`` or ``waiting`` without any."""
    findings = [finding for window in current(windows) if not window.result.slice for finding in window.result.findings]
    if findings:
        return worst_status(findings)
    if model.learning is not None:
        return "learning"
    return "insufficient" if model.last_prediction is not None else "waiting"


def _prominence(window: WindowView) -> tuple[int, int, int, str]:
    """Return what makes a window the one to look at: a version that is live, the longest, the latest."""
    result = window.result
    return (result.end - result.start, result.end, result.n, result.version)
