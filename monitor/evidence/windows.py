"""Names of evidence windows in history."""

from __future__ import annotations

from typing import Final

from monitor.config.model_checks import EVIDENCE
from monitor.evidence.stream import FleetKind

OF_OUTCOMES: Final = f"{EVIDENCE}:outcomes"
OF_SLICES: Final = f"{EVIDENCE}:slices"
_WINDOWS: Final[dict[FleetKind, str]] = {"inputs": EVIDENCE, "outcomes": OF_OUTCOMES, "slices": OF_SLICES}
EVIDENCE_WINDOWS: Final = frozenset(_WINDOWS.values())


def window_of(fleet: FleetKind) -> str:
    """Return under which name a fleet's windows are told."""
    return _WINDOWS[fleet]


def is_evidence(window: str) -> bool:
    """Return whether a window is one of evidence.

    >>> is_evidence("evidence"), is_evidence("evidence:outcomes"), is_evidence("daily:outcomes")
    (True, True, False)
    """
    return window in EVIDENCE_WINDOWS
