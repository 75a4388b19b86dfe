"""Which monitors of a fleet are alarmed: e-detection with the e-Benjamini-Hochberg rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.evidence.null import BoolArray, FloatArray

_ROUNDING: Final = 1e-12
"""Evidence that equals the threshold but for rounding reaches it."""


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What one window of evidence decides for J monitors."""

    incident: bool
    """Whether the fleet together holds the patience or more."""
    alarmed: BoolArray
    """Monitors that drift; on average at most one in A windows is so by chance."""
    suspects: BoolArray
    """In an incident without an alarmed monitor, the fewest that together hold the patience."""
    log_threshold: float
    """ln(A / r) for r alarmed monitors; for a lone drift, ln A."""
    log_held: float
    """What the fleet holds together."""

    @property
    def reset(self) -> BoolArray:
        """Monitors whose evidence is spent."""
        return self.alarmed | self.suspects


def decide(log_evidence: FloatArray, patience: float) -> Decision:
    """Return the decision of the e-Benjamini-Hochberg rule.

    Monitors are ranked by evidence M; with r the greatest rank whose M is ≥ A / r, the first r are alarmed. Resetting
    them takes A from what the fleet holds, which grows by 1 a window at most while nothing drifts; so incidents by
    chance come once in A windows at most, whatever the dependence among monitors. With some that do drift, the shares
    of false alarms add up to T / A in T windows at most.

    Parameters
    ----------
    log_evidence
        Natural logarithm of each monitor's evidence, ``[J]``; start weights are already in it.
    patience
        A, in windows.

    Examples
    --------
    >>> decide(np.log([60.0, 55.0, 3.0]), 100.0).alarmed.tolist()
    [True, True, False]
    >>> diffuse = decide(np.log([45.0, 35.0, 25.0, 1.0]), 100.0)
    >>> diffuse.incident, diffuse.alarmed.tolist().count(True), diffuse.suspects.tolist()
    (True, 0, [True, True, True, False])

    References
    ----------
    Dandapanthula and Ramdas, arXiv:2501.04130; Wang and Ramdas (2022), False discovery rate control with e-values.
    """
    if not patience >= 1:
        raise ValueError(f"a patience of {patience} windows; it must be 1 at least")
    count = len(log_evidence)
    order = np.argsort(-log_evidence, kind="stable")
    ranked = log_evidence[order] - np.log(patience)
    reaching = np.flatnonzero(ranked >= -np.log(np.arange(1, count + 1)) - _ROUNDING)
    alarmed, suspects = np.zeros(count, bool), np.zeros(count, bool)
    rank = int(reaching[-1]) + 1 if len(reaching) else 0
    alarmed[order[:rank]] = True
    held = np.logaddexp.accumulate(ranked) if count else np.full(1, -np.inf)
    incident = bool(held[-1] >= -_ROUNDING)
    if incident and not rank:
        suspects[order[: int(np.argmax(held >= -_ROUNDING)) + 1]] = True
    threshold = float(np.log(patience / max(rank, 1)))
    return Decision(incident or rank > 0, alarmed, suspects, threshold, float(held[-1] + np.log(patience)))
