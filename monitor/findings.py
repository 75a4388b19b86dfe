"""What an evaluated window says: one finding a column and detector."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

STATUSES: Final = ("insufficient", "ok", "warn", "drift")
"""What a finding can say, the worst last."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One statistic of one column in one window, with what it was judged by.

    Figures that do not exist (a p-value of a statistic that has none, anything of a window with too few rows) are NaN.
    """

    column: str
    detector: str
    statistic: float
    effect: float
    """The statistic less what chance alone adds to it."""
    low: float
    high: float
    """95 % interval of the effect."""
    p_value: float
    threshold: float
    """The statistic is in drift from here on."""
    status: str
    """``ok``, ``warn``, ``drift``, or ``insufficient`` when the window is too small to say."""
    direction: int
    """Sign of the shift; 0 where it has none."""
    explanation: str


@dataclass(frozen=True, slots=True)
class WindowResult:
    """One window of one version and slice, as last evaluated."""

    model: str
    version: str
    slice: str
    """Empty for the whole population."""
    window: str
    """The window's name in the configuration."""
    start: int
    """Microseconds since the epoch, inclusive."""
    end: int
    """Microseconds since the epoch, exclusive."""
    revision: int
    """Rows that came after the window had closed."""
    n: int
    """Rows in the window."""
    findings: tuple[Finding, ...]


def worst_status(findings: Iterable[Finding]) -> str:
    """Return the worst status among findings, ``insufficient`` when there are none.

    >>> worst_status([])
    'insufficient'
    """
    return max((finding.status for finding in findings), key=_severity, default=STATUSES[0])


def _severity(status: str) -> int:
    return STATUSES.index(status) if status in STATUSES else 0
