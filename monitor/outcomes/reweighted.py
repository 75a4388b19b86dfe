"""Estimates before labels from strata: the outcomes of the baseline's slices, weighted as this window's rows fall.

Estimates from scores alone take it that a score means the same everywhere. Where rows move between slices in which it
does not, they are wrong. Here each slice and score bin keeps its own rate. What must hold is less: outcomes within a
stratum are those of the baseline. It has a light of its own, from the same strata.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.estimate.calibrator import Calibrator
from detectors.estimate.estimated import Estimates, Light
from detectors.estimate.validity import validity
from detectors.estimate.weighted import importance_weighted
from monitor.events import DAY, FloatArray, IntArray
from monitor.outcomes.figures import fine_bins, said_by_bin, said_of_scores, scores_of
from monitor.outcomes.judges import BinaryJudge
from monitor.outcomes.judging import Judged
from monitor.outcomes.outcomes import ModelOutcomes
from monitor.outcomes.parts import MATURED, SlicedPart
from monitor.outcomes.sums import baseline_of_versions, of_slices
from monitor.outcomes.told import LIGHTS, told
from monitor.views import FigureView
from monitor.windows import Window

DETECTOR: Final = "estimate_reweighted"
MOST_SLICES: Final = 64
"""Slicings of more are no strata: each would have few rows, and all are read anew for every window."""
_RECENT: Final = 7 * DAY


def strata_of(outcomes: ModelOutcomes) -> SlicedPart | None:
    """Return the slicing whose slices are the strata: the first that is small enough, ``None`` without one."""
    if not outcomes.model.config.performance.estimate_without_labels:
        return None
    return next((part for part in outcomes.sliced.values() if part.slicing.size <= MOST_SLICES), None)


def add_reweighted(outcomes: ModelOutcomes, window: Window, version: str, judged: Sequence[Judged]) -> None:
    """Add what strata say of some windows; nothing without strata, scores or a baseline of them."""
    part = strata_of(outcomes)
    base = None if part is None or not judged else baseline_of_versions(outcomes, part, version)
    if part is None or base is None:
        return
    starts = [one.view.result.start for one in judged]
    said = np.array([part.said(of_slices(outcomes, part, version, at, at + window.size)) for at in starts])
    since = [of_slices(outcomes, part, version, at - _RECENT, at + window.size) for at in starts]
    recent = np.array([part.table(vectors, MATURED) for vectors in since])
    scored = scores_of(part.judge, part.table(base, MATURED))
    if scored is None or not fine_bins(*scored).n.any():
        return
    judge, reference = scored
    windows, slices = said.shape[:2]
    flat = said_of_scores(part.judge, said.reshape(windows * slices, -1))
    late = scores_of(part.judge, recent.reshape(windows * slices, -1))
    if late is None:
        return
    found = reweighted(judge, flat.reshape(windows, slices, -1), reference, late[1].reshape(windows, slices, -1))
    for place, one in enumerate(judged):
        light = Light(int(found.light[place]))
        shown = {
            name: FigureView(
                float(figure.value[place]), float(figure.low[place]), float(figure.high[place]), int(figure.n[place])
            )
            for name, figure in found.figures.items()
            if not np.isnan(figure.value[place]) and not name.endswith(("positives", "negatives"))
        }
        note = f"estimated before labels by {part.key}, {light.name.lower()}"
        one.findings += [told(name, DETECTOR, figure, 1, note, LIGHTS[light]) for name, figure in shown.items()]
        one.view = replace(one.view, reweighted=shown, reweighted_light=light.name.lower())


def reweighted(judge: BinaryJudge, said: IntArray, reference: IntArray, recent: IntArray) -> Estimates:
    """Return the expected performance of J windows from how their rows fall into S slices and B score bins.

    Parameters
    ----------
    said
        Predictions, ``[J, S, said]``.
    reference
        Matured tables of the baseline, ``[S, size]``.
    recent
        Matured tables of late, which decide the light, ``[J, S, size]``.
    """
    windows, slices = said.shape[:2]
    rows = said_by_bin(judge, said.reshape(windows * slices, -1)).reshape(windows, -1)
    stratum = np.arange(slices * judge.bins).reshape(slices, 1, judge.bins).repeat(2, axis=1).ravel()
    flagged = np.tile(np.repeat([False, True], judge.bins), slices)
    known = fine_bins(judge, reference)
    weighted = importance_weighted(
        known.n.ravel().astype(np.int64), known.positives.ravel().astype(np.int64), rows, flagged,
        np.tile(np.arange(judge.bins), 2 * slices), stratum,
    )  # fmt: skip
    found = weighted.estimates
    if judge.top:
        found = replace(found, figures={"accuracy": found.figures["precision"]})
    seen = fine_bins(judge, recent.reshape(windows * slices, -1))
    return found.under(_light(weighted.strata, seen.n.reshape(windows, -1), seen.positives.reshape(windows, -1)))


def _light(strata: Calibrator, n: FloatArray, positives: FloatArray) -> NDArray[np.int8]:
    """Return the light from labels of late, in strata that the baseline has, in the order of their rates."""
    order = np.flatnonzero(strata.supported)
    order = order[np.argsort(strata.probability[order], kind="stable")]
    rates = Calibrator(strata.probability[order], strata.variance[order], strata.block[order], strata.supported[order])
    return validity(n[:, order], positives[:, order], rates).light
