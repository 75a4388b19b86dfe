"""What a run over a person's own rows adds up to: which columns drifted, since when, how much."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from monitor.demo.ledger import Naive
from monitor.demo.screen import ratio
from monitor.evidence.windows import is_evidence
from monitor.findings import Finding, WindowResult


@dataclass(slots=True)
class Sighting:
    """One column that drifted, by one kind of figure: its distribution, or a quality rate."""

    column: str
    version: str
    rate: str
    """The rate that moved, such as ``missing_rate``; empty for the distribution."""
    first: tuple[WindowResult, Finding]
    worst: tuple[WindowResult, Finding]
    windows: set[tuple[str, int]] = field(default_factory=set)
    """Name and start of every window in drift."""

    def add(self, result: WindowResult, finding: Finding) -> None:
        """Take in another finding of it."""
        self.windows.add((result.window, result.start))
        if ratio(finding) > ratio(self.worst[1]):
            self.worst = (result, finding)


@dataclass(slots=True)
class Tally:
    """Keeps count while windows close."""

    sightings: dict[tuple[str, str, str], Sighting] = field(default_factory=dict)
    recent: list[tuple[WindowResult, Finding]] = field(default_factory=list)
    """The latest of what was seen for the first time."""
    judged: int = 0
    """Windows with rows enough."""
    small: int = 0
    """Windows with rows, but not enough."""
    drifted: int = 0
    """Windows with any drift."""
    alarmed: dict[tuple[str, str], tuple[WindowResult, Finding]] = field(default_factory=dict)
    """Monitor and version → its first alarm by evidence."""
    stepped: int = 0
    """Evidence windows."""
    psi: Naive = field(default_factory=lambda: Naive("PSI > 0.2"))
    ks: Naive = field(default_factory=lambda: Naive("KS p < 0.05"))
    _seen: set[tuple[str, str, int]] = field(default_factory=set)

    @property
    def columns(self) -> set[str]:
        """Columns that drifted."""
        return {sighting.column for sighting in self.sightings.values()}

    def judged_in(self, sighting: Sighting) -> int:
        """Return how many windows of its version were judged."""
        return sum(version == sighting.version for _, version, _ in self._seen)

    def add(self, results: Iterable[WindowResult]) -> None:
        """Take in windows as they are evaluated; a restated window counts once."""
        for result in sorted(results, key=lambda result: result.end):
            if is_evidence(result.window):
                self._evidence(result)
                continue
            key = (result.window, result.version, result.start)
            if not result.n or key in self._seen:
                continue
            if all(finding.status == "insufficient" for finding in result.findings):
                self.small += 1
                continue
            self._seen.add(key)
            self._count(result)
            for finding in result.findings:
                if finding.status == "drift":
                    self._drift(result, finding)

    def _evidence(self, result: WindowResult) -> None:
        self.stepped += not result.slice
        for finding in result.findings:
            if finding.status == "drift":
                self.alarmed.setdefault((finding.column, result.version), (result, finding))

    def _count(self, result: WindowResult) -> None:
        self.judged += 1
        self.drifted += any(finding.status == "drift" for finding in result.findings)
        if psi := [finding.statistic > 0.2 for finding in result.findings if finding.detector == "psi"]:
            self.psi.add(psi)
        if ks := [finding.p_value < 0.05 for finding in result.findings if finding.detector == "ks"]:
            self.ks.add(ks)

    def _drift(self, result: WindowResult, finding: Finding) -> None:
        rate = finding.detector if finding.detector.endswith("_rate") else ""
        key = (finding.column, result.version, rate)
        if key not in self.sightings:
            pair = (result, finding)
            self.sightings[key] = Sighting(finding.column, result.version, rate, pair, pair)
            self.recent = [*self.recent[-7:], pair]
        self.sightings[key].add(result, finding)
