"""What the operator allows: severities, their kinds and tolerances, and each fleet's part of the budget."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np

from detectors.fleet.budget import patience
from monitor.config.root import AlarmsConfig, Kind, PageConfig, WarnConfig
from monitor.events import FloatArray
from monitor.evidence.stream import FleetKind, Stream
from monitor.evidence.terms import Tolerance

SeverityName: TypeAlias = Literal["warn", "page"]
DETECTORS: Final[dict[SeverityName, str]] = {"warn": "evidence", "page": "evidence_page"}
"""Severity → the detector under which its findings are told."""
ALPHA: Final = 0.05
"""Probability that some reference of a fleet came from a law that its monitors do not tolerate."""
_GROUPS: Final[dict[Kind, str]] = {
    "features": "features",
    "quality": "quality",
    "score": "outputs",
    "prediction": "outputs",
    "flagged_share": "outputs",
    "slices": "slices",
    "performance": "performance",
    "calibration": "calibration",
}


@dataclass(frozen=True, slots=True)
class Severity:
    """One way to be alarmed: its kinds, its tolerance, its budget."""

    name: SeverityName
    kinds: frozenset[Kind]
    ignore_below: Tolerance
    spacing: int
    """Microseconds between two false incidents that the operator allows over the whole service."""

    @property
    def detector(self) -> str:
        """The detector under which its findings are told."""
        return DETECTORS[self.name]

    def share(self, fleets: Sequence[FleetKind]) -> float:
        """Return each fleet's part of the budget; slices that were found have none where nobody listens to slices.

        >>> [severity.share(["inputs", "outcomes", "slices"]) for severity in severities_of(AlarmsConfig())]
        [0.3333333333333333, 0.5]
        """
        heard = [fleet for fleet in fleets if fleet != "slices" or "slices" in self.kinds]
        return 1 / max(len(heard), 1)

    def patience(self, length: int, share: float) -> float:
        """Return A, the windows between two false incidents, of a fleet with this share of the budget; at least 1."""
        return max(patience(1, self.spacing, length, share), 1.0)


def severities_of(alarms: AlarmsConfig) -> tuple[Severity, ...]:
    """Return the severities of a configuration; one that listens to nothing is left out.

    >>> [severity.name for severity in severities_of(AlarmsConfig())]
    ['warn', 'page']
    """
    both: tuple[tuple[SeverityName, WarnConfig | PageConfig], ...] = (("warn", alarms.warn), ("page", alarms.page))
    return tuple(
        Severity(name, frozenset(config.kinds), config.ignore_below, config.false_incidents)
        for name, config in both
        if config.kinds
    )


def weights_of(streams: Sequence[Stream]) -> FloatArray:
    """Return the start weights of one version's streams; they sum to 1.

    Features, their quality, what the model puts out, slices and outcomes get equal parts, whatever their number: of a
    model with a thousand features a shift of the score is found as soon as of one with ten. Within a part, importance
    decides.

    >>> weights_of([]).tolist()
    []
    """
    groups = [_GROUPS[stream.kind] for stream in streams]
    sums: defaultdict[str, float] = defaultdict(float)
    for group, stream in zip(groups, streams, strict=True):
        sums[group] += stream.importance
    used = sum(total > 0 for total in sums.values())
    parts = [
        stream.importance / sums[group] / used if sums[group] > 0 else 0.0
        for group, stream in zip(groups, streams, strict=True)
    ]
    return np.array(parts, np.float64)
