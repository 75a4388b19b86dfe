"""Counts of windows → findings: every configured statistic of every column against the reference.

A column is in drift when its statistic exceeds its threshold and, where the statistic has a p-value, the p-value stands
after the correction over all columns of the same detector. The threshold is the larger of what the operator set and
what chance alone would reach at these sample sizes.

Windows of one version are judged side by side, because one call for a hundred costs little more than for one; none
depends on its neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import isfinite
from typing import Final, TypeAlias

import numpy as np

from detectors.correction import benjamini_hochberg, bonferroni
from detectors.registry import STATISTICS
from monitor.config.model import DetectorConfig
from monitor.events import FloatArray, IntArray
from monitor.findings import Finding
from monitor.model import Model
from monitor.monitors import Monitor, monitors_of
from monitor.panel import Figures, Panel
from monitor.slice_monitors import SliceMonitors
from monitor.slices import Slicing
from monitor.windows import Window

_CORRECTIONS: Final = {"benjamini_hochberg": benjamini_hochberg, "bonferroni": bonferroni}
_Slices: TypeAlias = "dict[int, list[Finding]]"


class Bench:
    """What one version's windows are judged by: the detectors' monitors, of the whole and of every slicing."""

    def __init__(self, model: Model, version: str) -> None:
        self._detectors = model.config.statistics if model.reference is not None else []
        self._panels = [Panel(monitors_of(model, version, detector)) for detector in self._detectors]
        self._sliced = {
            slicing.columns: [SliceMonitors(model, version, detector, slicing) for detector in self._detectors]
            for slicing in model.layout.slicings
        }

    def findings(self, window: Window, tables: IntArray) -> list[list[Finding]]:
        """Return the findings of windows of one kind, ``[W, C]`` counts; none while there is no reference."""
        found: list[list[Finding]] = [[] for _ in tables]
        enough = tables[:, 0] >= window.min_samples
        for detector, panel in zip(self._detectors, self._panels, strict=True):
            if detector.window not in {None, window.name} or not panel.monitors:
                continue
            judged = iter(_judge(panel, detector, tables[enough], window.min_samples))
            for findings, judge in zip(found, enough.tolist(), strict=True):
                findings.extend(
                    next(judged) if judge else (insufficient(monitor, detector) for monitor in panel.monitors)
                )
        return found

    def slice_findings(self, window: Window, slicing: Slicing, tables: IntArray, rows: IntArray) -> list[_Slices]:
        """Return every slice that has rows with its findings, none where rows or the reference do not suffice.

        P-values are corrected over the slices of one slicing.

        Parameters
        ----------
        tables
            ``[W, C]`` counts.
        rows
            ``[W, S]`` rows of the slices in them.
        """
        found: list[_Slices] = [{place: [] for place in np.flatnonzero(row).tolist()} for row in rows]
        for detector, sliced in zip(self._detectors, self._sliced[slicing.columns], strict=True):
            if detector.window not in {None, window.name}:
                continue
            places, monitors, bounds = [], [], [0]
            for number, row in enumerate(rows):
                for place in np.flatnonzero(row >= slicing.min_samples).tolist():
                    for monitor in sliced.of(place):
                        places.append((number, place))
                        monitors.append(replace(monitor, cells=monitor.cells + number * tables.shape[1]))
                bounds.append(len(monitors))
            figures = Panel(monitors).score(detector, tables.reshape(1, -1))[0] if monitors else []
            for first, last in pairwise(bounds):
                judged = judge(monitors[first:last], detector, figures[first:last], slicing.min_samples)
                for (number, place), finding in zip(places[first:last], judged, strict=True):
                    found[number][place].append(finding)
        return found


def insufficient(monitor: Monitor, detector: DetectorConfig) -> Finding:
    """Return the finding of a window with too few rows to say anything."""
    nan = float("nan")
    return Finding(monitor.column, monitor.kind, nan, nan, nan, nan, nan, detector.alert or nan, "insufficient", 0, "")


def _judge(panel: Panel, detector: DetectorConfig, tables: IntArray, min_samples: int) -> list[list[Finding]]:
    return [judge(panel.monitors, detector, figures, min_samples) for figures in panel.score(detector, tables)]


def judge(
    monitors: Sequence[Monitor], detector: DetectorConfig, scored: Sequence[Figures], min_samples: int
) -> list[Finding]:
    """Return the finding of every monitor of a window, p-values corrected over all of them."""
    p_values = _corrected(np.array([figures.p_value for figures in scored]), detector).tolist()
    return [
        _finding(monitor, detector, figures, p_value, min_samples)
        for monitor, figures, p_value in zip(monitors, scored, p_values, strict=True)
    ]


def _corrected(p_values: FloatArray, detector: DetectorConfig) -> FloatArray:
    correct = _CORRECTIONS.get(detector.correction)
    return p_values if correct is None else correct(p_values)


def _finding(
    monitor: Monitor, detector: DetectorConfig, figures: Figures, corrected: float, min_samples: int
) -> Finding:
    value, effect, band = figures.statistic, figures.effect, figures.threshold
    grows = detector.kind in STATISTICS and STATISTICS[detector.kind].grows
    chance = band if grows else value - effect
    alert, warn = (
        band if bound is None or grows else max(band, bound + max(chance, 0.0))
        for bound in (detector.alert, detector.warn if detector.warn is not None else detector.alert)
    )
    if figures.n < min_samples or not isfinite(value):
        status = "insufficient"
    elif (isfinite(corrected) and corrected > detector.alpha) or value < warn:
        status = "ok"
    elif grows and detector.alert is not None and effect < detector.alert:
        status = "warn" if detector.warn is not None and effect >= detector.warn else "ok"
    else:
        status = "drift" if value >= alert else "warn"
    return Finding(
        column=monitor.column,
        detector=monitor.kind,
        statistic=value,
        effect=effect,
        low=figures.low,
        high=figures.high,
        p_value=figures.p_value,
        threshold=alert,
        status=status,
        direction=figures.direction,
        explanation=monitor.explain(value, figures.direction),
    )
