"""What a signal speaks of, where its kind alone does not say: evidence is of inputs, scores and outcomes alike."""

from __future__ import annotations

from typing import Final

from alerts.signal import Signal

_QUALITY: Final = frozenset({"missing", "bad", "unseen", "low", "high"})
_RANGE: Final = frozenset({"low", "high"})
"""What a model puts out beyond the range it had is its own doing, no fault of its feed."""
_SCORES: Final = frozenset({"score", "prediction", "flagged"})
_OF_OUTCOMES: Final = ":outcomes"
"""Ends the name of a window whose figures rest on labels."""


def topic_of(signal: Signal) -> str:
    """Return the kind of signal that one is, or that evidence stands for.

    >>> def evidence(column: str, window: str = "evidence") -> Signal:
    ...     return Signal(number=1, kind="evidence", observed_at=0, column=column, window=window)
    >>> [topic_of(evidence(column)) for column in ("age", "age.missing", "score", "score.high")]
    ['drift', 'quality', 'score', 'score']
    >>> [topic_of(evidence(column, "evidence:outcomes")) for column in ("recall", "calibration (0.2; 0.3]")]
    ['performance', 'calibration']
    """
    if signal.kind != "evidence":
        return signal.kind
    if signal.window.endswith(_OF_OUTCOMES):
        return "calibration" if signal.column.startswith("calibration") else "performance"
    name, _, quality = signal.column.rpartition(".")
    if name and quality in _QUALITY:
        return "score" if name in _SCORES and quality in _RANGE else "quality"
    return "score" if signal.column in _SCORES else "drift"
