"""What findings are to alerts: their kind, and the figures that messages quote."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from alerts.signal import Signal
from monitor.concept.keys import WINDOW as CONCEPT
from monitor.evidence.budget import DETECTORS as EVIDENCE
from monitor.evidence.findings import TOGETHER, onset_of
from monitor.findings import Finding, WindowResult
from monitor.new_columns import NEW
from monitor.outcomes.told import OF_WINDOW
from monitor.rivals import SEQUENCE
from monitor.rivals import WINDOW as CHALLENGER
from monitor.vanished import VANISHED
from monitor.volumes import VOLUME

_EVIDENCE: Final = frozenset(EVIDENCE.values())
_OF_LABELS: Final = {
    "performance": "performance",
    "performance_matured": "performance",
    "performance_change": "performance",
    "calibration": "calibration",
    "estimate": "estimate",
    "estimate_change": "estimate",
    "coverage_by_score": "fairness",
    "demographic_parity": "fairness",
    "demographic_parity_ratio": "fairness",
    "equalised_odds": "fairness",
    "equalised_odds_ratio": "fairness",
    "prediction_by_group": "fairness",
    "error_by_group": "fairness",
}
_RIVALS: Final = {SEQUENCE: "challenger"}
"""The other comparisons with a champion hold for one look only, and here one looks every hour."""
_SCORES: Final = frozenset({"score", "prediction", "flagged"})
_QUALITY: Final = frozenset({VANISHED, NEW, "error_rate"})
_RATE: Final = "_rate"
_RANGE: Final = frozenset({"low_rate", "high_rate"})
"""What a model puts out beyond the range it had is its own doing, no fault of its feed."""
SPEAK_WHEN_BAD: Final = frozenset({VANISHED, NEW})
"""Detectors that say nothing of what is in order."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What alerts want to know of a model."""

    owner: str = ""
    importance: Mapping[str, float] = field(default_factory=dict)
    labelled: bool = False
    """Whether labels come in records of their own."""


def kind_of(window: str, finding: Finding) -> str | None:
    """Return the kind of signal that a finding is, ``None`` when it is none.

    >>> nan = math.nan
    >>> kind_of("daily", Finding("age", "missing_rate", 0.1, 0.1, nan, nan, nan, 0.05, "drift", 1, ""))
    'quality'
    """
    detector = finding.detector
    if detector in _EVIDENCE:
        return "evidence"
    if window.endswith(OF_WINDOW):
        return _OF_LABELS.get(detector)
    if window in {CONCEPT, CHALLENGER}:
        return "concept" if window == CONCEPT else _RIVALS.get(detector)
    if detector == VOLUME:
        return "volume"
    if finding.column in _SCORES and (finding.detector in _RANGE or not _is_quality(finding)):
        return "score"
    return "quality" if _is_quality(finding) else "drift"


def _is_quality(finding: Finding) -> bool:
    detector = finding.detector
    return detector in _QUALITY or (detector.endswith(_RATE) and detector != "flagged_rate")


def signals_of(result: WindowResult, facts: ModelFacts, observed_at: int, revision: int) -> Iterator[Signal]:
    """Yield what a window says, still without numbers.

    Parameters
    ----------
    revision
        0 for a window that nothing was said of before.
    """
    beside = _Beside.of(result)
    for finding in result.findings:
        kind = kind_of(result.window, finding)
        if kind is not None:
            yield _signal(kind, result, finding, facts, observed_at, revision, beside)


def silent(result: WindowResult, finding: Finding, facts: ModelFacts, observed_at: int, revision: int) -> Signal:
    """Return the signal of a finding that is no longer made: in order where only trouble is told of, else withdrawn."""
    kind = kind_of(result.window, finding) or "drift"
    told = "ok" if finding.detector in SPEAK_WHEN_BAD else "withdrawn"
    nan = math.nan
    empty = Finding(finding.column, finding.detector, nan, nan, nan, nan, nan, nan, told, 0, "")
    return _signal(kind, result, empty, facts, observed_at, revision, _Beside())


@dataclass(frozen=True, slots=True)
class _Beside:
    """What other findings of the same window tell of one."""

    matured: Mapping[str, float] = field(default_factory=dict)
    """Metric → its value on matured labels."""
    estimated: Mapping[str, float] = field(default_factory=dict)
    """Metric → its value as estimated before labels."""
    labelled: int | None = None

    @classmethod
    def of(cls, result: WindowResult) -> _Beside:
        if not result.window.endswith(OF_WINDOW):
            return cls()
        matured, estimated, share = {}, {}, math.nan
        for finding in result.findings:
            if finding.detector == "performance_matured":
                matured[finding.column] = finding.statistic
            elif finding.detector == "estimate":
                estimated[finding.column] = finding.statistic
            elif finding.detector == "coverage":
                share = finding.statistic
        return cls(matured, estimated, round(share * result.n) if math.isfinite(share) else None)


def _signal(
    kind: str,
    result: WindowResult,
    finding: Finding,
    facts: ModelFacts,
    observed_at: int,
    revision: int,
    beside: _Beside,
) -> Signal:
    statistic, reference, evidence = finding.statistic, math.nan, math.nan
    n = result.n if beside.labelled is None else beside.labelled
    onset = None
    if finding.detector == "performance_change":
        value = beside.matured.get(finding.column, math.nan)
        statistic, reference = value, value - finding.effect
    elif finding.detector == "estimate_change":
        statistic = beside.estimated.get(finding.column, math.nan)
        reference = statistic - finding.effect
    elif kind == "evidence":
        statistic, evidence = finding.effect, finding.statistic
        onset = onset_of(finding.explanation)
    return Signal(
        number=0, kind=kind, observed_at=observed_at, model=result.model, owner=facts.owner,
        version=_text(result.version), slice=_text(result.slice), column=_text(column_of(kind, finding)),
        detector=finding.detector, window=result.window,
        start=result.start, end=result.end, statistic=statistic, reference=reference, effect=finding.effect,
        low=finding.low, high=finding.high, threshold=finding.threshold, p_value=finding.p_value, evidence=evidence,
        n=n, direction=finding.direction, status=finding.status, revision=revision,
        importance=facts.importance.get(finding.column, 0.0), onset=onset, explanation=_text(finding.explanation),
    )  # fmt: skip


def column_of(kind: str, finding: Finding) -> str:
    """Return how people call what a finding is about."""
    if kind == "evidence" and finding.column == TOGETHER:
        return "several columns"
    return finding.column


def _text(value: str) -> str:
    """Return a text that can be stored, whatever a producer put into it."""
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()
