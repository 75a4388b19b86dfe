"""Vectors of windows compared whole with those of the reference: MMD² of their summed Fourier features."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.embeddings.fourier import FourierFeatures
from detectors.embeddings.mmd import discrepancy
from monitor.config.model import DetectorConfig
from monitor.events import IntArray
from monitor.findings import Finding
from monitor.judging import insufficient, judge
from monitor.model import Model
from monitor.monitors import Monitor
from monitor.panel import Figures
from monitor.vectors import sum_column
from monitor.windows import Window

MMD: Final = "mmd"
"""The finding's detector; its column is the vector itself."""


@dataclass(frozen=True, slots=True, eq=False)
class _Vector:
    """One vector: its features, their sums in the reference, and where those of the window stand."""

    monitor: Monitor
    features: FourierFeatures


def discrepancies(model: Model, version: str, window: Window, counts: IntArray) -> Iterator[Finding]:
    """Yield a finding for every vector that a detector ``mmd`` is on.

    A window needs ``min_samples`` vectors that are neither missing nor bad.

    Parameters
    ----------
    model, version, window
        What is watched.
    counts
        Of the window, as the model's layout has them.
    """
    for detector in model.config.discrepancies:
        if detector.window not in {None, window.name}:
            continue
        found = [one for one in _vectors(model, version) if {"features", one.monitor.column} & set(detector.on)]
        enough = [one for one in found if counts[one.monitor.cells[0]] >= window.min_samples]
        yield from (insufficient(one.monitor, detector) for one in found if one not in enough)
        scored = [_figures(one, counts, detector) for one in enough]
        yield from judge([one.monitor for one in enough], detector, scored, window.min_samples)


def _vectors(model: Model, version: str) -> Iterator[_Vector]:
    reference = model.reference
    for name, projection in model.projections.items():
        span = model.layout.sum_spans.get(sum_column(name))
        sums = None if reference is None else reference.summed(sum_column(name), version)
        if projection.fourier is not None and span is not None and sums is not None:
            yield _Vector(Monitor(name, MMD, sums, np.arange(*span)), projection.fourier)


def _figures(vector: _Vector, counts: IntArray, detector: DetectorConfig) -> Figures:
    window = counts[vector.monitor.cells]
    found = discrepancy(vector.features, vector.monitor.reference, window, alpha=detector.alpha)
    figures = (found.statistic, found.effect, found.low, found.high, found.p_value, found.threshold)
    return Figures(*figures, n=int(window[0]), direction=0)
