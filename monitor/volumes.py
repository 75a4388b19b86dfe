"""Rows of a window, of all versions together, against those of the same hours in the reference.

Volume needs no rows to be judged: an empty window in which many were expected is the clearest drift there is. Windows
close by event time, though, so a stream that stops altogether is judged only when rows come again; meanwhile
``driftline_last_prediction_timestamp_seconds`` tells.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from detectors.scores import Scores
from detectors.volume import Expectation, VolumeRatio
from monitor.config.model import DetectorConfig
from monitor.events import HOUR
from monitor.findings import Finding
from monitor.model import Model
from monitor.reference.expected import profile_of
from monitor.windows import Window

VOLUME: Final = "volume"
"""The selector in ``on``, and the finding's detector."""
_FEW_DAYS: Final = 7
"""With fewer whole days in the reference the status is ``warn`` at most."""


def volume_findings(model: Model, window: Window, start: int, rows: int) -> Iterator[Finding]:
    """Yield the finding of every detector on volume; none without a reference that can tell how many rows to expect.

    Parameters
    ----------
    model, window
        What is watched.
    start
        Of the window, in microseconds.
    rows
        Of all versions of the model in the window.
    """
    watching = model.config.detectors_on(VOLUME, window.name)
    profile = None if model.reference is None or not watching else profile_of(model.reference)
    if profile is None:
        return
    expected = profile.expect(start / HOUR, window.size / HOUR)
    certain = profile.days >= _FEW_DAYS
    for detector in watching:
        scores = VolumeRatio(alpha=detector.alpha).score(expected, np.array([rows], np.int64))
        yield _finding(detector, scores, expected, certain=certain)


def blind_to_volume(model: Model) -> str | None:
    """Return why the volume of a model is not judged although a detector is on it, ``None`` when it is."""
    if model.reference is None or not model.config.detectors_on(VOLUME) or profile_of(model.reference) is not None:
        return None
    return "the number of rows: the reference knows no times, or spans fewer than two whole days; build it again"


def _finding(detector: DetectorConfig, scores: Scores, expected: Expectation, *, certain: bool) -> Finding:
    value, effect = float(scores.statistic[0]), float(scores.effect[0])
    p_value, band = float(scores.p_value[0]), float(scores.threshold[0])
    chance = value - effect
    alert, warn = (
        band if bound is None else max(band, bound + chance)
        for bound in (detector.alert, detector.warn if detector.warn is not None else detector.alert)
    )
    if not math.isfinite(value):
        status = "insufficient"
    elif p_value > detector.alpha or value < warn:
        status = "ok"
    else:
        status = "drift" if value >= alert and certain else "warn"
    mean = float(expected.reference[0] * expected.exposure[0])
    few = "" if certain else f"; the reference has fewer than {_FEW_DAYS} days, so this warns at most"
    return Finding(
        column="",
        detector=VOLUME,
        statistic=value,
        effect=effect,
        low=float(scores.low[0]),
        high=float(scores.high[0]),
        p_value=p_value,
        threshold=alert,
        status=status,
        direction=int(scores.direction[0]),
        explanation=f"{int(scores.n[0]):,} rows, {mean:,.0f} expected{few}",
    )
