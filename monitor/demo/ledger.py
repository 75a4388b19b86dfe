"""Injected against found: what a demo run adds up to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from monitor.demo.injections import Injection
from monitor.evidence.findings import TOGETHER
from monitor.evidence.windows import OF_OUTCOMES, OF_SLICES, is_evidence
from monitor.findings import Finding, WindowResult
from monitor.outcomes.told import OF_WINDOW

_LABELLED: Final = frozenset({OF_OUTCOMES, OF_SLICES})


@dataclass(frozen=True, slots=True)
class Found:
    """The first finding that shows an injection."""

    injection: Injection
    result: WindowResult
    finding: Finding
    at: int
    """When it was told: the end of the window, or when the labels had come that showed it."""

    @property
    def delay(self) -> int:
        """Microseconds from the change to when it was told."""
        return self.at - self.injection.start


@dataclass(slots=True)
class Naive:
    """How often a rule of thumb cried before the first change."""

    name: str
    windows: int = 0
    cried: int = 0
    figures: int = 0
    alarms: int = 0

    def add(self, alarms: Sequence[bool]) -> None:
        """Take in one window's figures."""
        self.windows += 1
        self.figures += len(alarms)
        self.alarms += sum(alarms)
        self.cried += any(alarms)


@dataclass(slots=True)
class Alarms:
    """What evidence said: the first alarm of each change, and those without one."""

    found: dict[str, Found] = field(default_factory=dict)
    false: list[tuple[WindowResult, Finding]] = field(default_factory=list)
    slices: list[Found] = field(default_factory=list)
    """Slices that were found by themselves and drifted, in the order in which they were told."""
    windows: int = 0

    def add(self, result: WindowResult, injections: Sequence[Injection], at: int) -> None:
        """Take in one evidence window, told of at ``at``."""
        self.windows += not result.slice
        for finding in result.findings:
            if finding.status == "drift":
                self._alarm(result, finding, injections, at)

    def _alarm(self, result: WindowResult, finding: Finding, injections: Sequence[Injection], at: int) -> None:
        moved = False
        for injection in injections:
            if not (result.end > injection.start and result.start < injection.end):
                continue
            labelled = result.window in _LABELLED
            shows = injection.shown_by_labels if labelled else _is_of(finding, injection.column)
            if result.window == OF_SLICES:
                self.slices.append(Found(injection, result, finding, at))
            elif shows and injection.name not in self.found:
                self.found[injection.name] = Found(injection, result, finding, at)
            touched = injection.judged if labelled else any(_is_of(finding, column) for column in injection.moves)
            moved = moved or finding.column == TOGETHER or touched
        if not moved:
            self.false.append((result, finding))


def _is_of(finding: Finding, column: str) -> bool:
    """Return whether a monitor is a column's, or that of one of its rates, such as ``hvalue.missing``."""
    return finding.column == column or finding.column.startswith(f"{column}.")


@dataclass(slots=True)
class Ledger:
    """Keeps count while windows close."""

    injections: Sequence[Injection]
    quiet_until: int
    found: dict[str, Found] = field(default_factory=dict)
    false_alarms: list[tuple[WindowResult, Finding]] = field(default_factory=list)
    recent: list[tuple[WindowResult, Finding]] = field(default_factory=list)
    psi: Naive = field(default_factory=lambda: Naive("PSI > 0.2"))
    ks: Naive = field(default_factory=lambda: Naive("KS p < 0.05"))
    alarms: Alarms = field(default_factory=Alarms)
    _seen: set[tuple[str, int]] = field(default_factory=set)
    _cried: set[tuple[str, int, str, str]] = field(default_factory=set)

    @property
    def windows(self) -> int:
        """Windows that were evaluated."""
        return len(self._seen)

    def add(self, results: Iterable[WindowResult], now: int | None = None) -> None:
        """Take in windows as they are evaluated; a restated window counts once.

        Parameters
        ----------
        now
            How far the labels have come, where there are any.
        """
        for result in sorted(results, key=lambda result: result.end):
            if is_evidence(result.window):
                late = now if result.window in _LABELLED else None
                self.alarms.add(result, self.injections, result.end if late is None else late)
                continue
            labelled = result.window.endswith(OF_WINDOW)
            if (result.window, result.start) not in self._seen:
                self._seen.add((result.window, result.start))
                if not labelled:
                    self._rules_of_thumb(result)
            for finding in result.findings:
                if finding.status == "drift":
                    self._drift(result, finding, now if labelled and now is not None else result.end)

    def _drift(self, result: WindowResult, finding: Finding, at: int) -> None:
        self.recent = [*self.recent[-7:], (result, finding)]
        moved = False
        for injection in self.injections:
            shows = (finding.column, finding.detector) in injection.expect
            overlaps = result.end > injection.start and result.start < injection.end
            if shows and overlaps and injection.name not in self.found:
                self.found[injection.name] = Found(injection, result, finding, at)
            touched = injection.judged if result.window.endswith(OF_WINDOW) else finding.column in injection.moves
            moved = moved or (overlaps and touched)
        if moved:
            return
        alarm = (f"{result.window}|{result.slice}", result.start, finding.column, finding.detector)
        if alarm not in self._cried:
            self._cried.add(alarm)
            self.false_alarms.append((result, finding))

    def _rules_of_thumb(self, result: WindowResult) -> None:
        if result.end > self.quiet_until:
            return
        psi = [finding.statistic > 0.2 for finding in result.findings if finding.detector == "psi"]
        ks = [finding.p_value < 0.05 for finding in result.findings if finding.detector == "ks"]
        if psi:
            self.psi.add(psi)
        if ks:
            self.ks.add(ks)
