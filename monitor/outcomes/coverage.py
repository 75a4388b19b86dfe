"""How many predictions have labels, and whether those that have are like those that have not."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.stats import chi2_contingency

from detectors.calibration.sums import equal_mass
from detectors.performance import Estimate
from detectors.performance.intervals import proportion
from monitor.events import IntArray
from monitor.findings import Finding
from monitor.outcomes.figures import fine_bins, said_by_bin
from monitor.outcomes.judges import BinaryJudge

_GROUPS: Final = 10
_LEAST: Final = 200
_SURE: Final = 0.001
_APART: Final = 0.1


def coverage_of(labelled: IntArray, predictions: IntArray) -> Estimate:
    """Return the labelled share of the predictions with Wilson's 95 % interval.

    >>> coverage_of(np.array([30]), np.array([40])).value.tolist()
    [0.75]
    """
    return proportion(np.minimum(labelled, predictions), predictions, 0.05)


def coverage_by_score(judge: BinaryJudge, running: IntArray, said: IntArray) -> Finding | None:
    """Return whether the labelled share differs by score; ``None`` with too few predictions to say.

    The statistic is the largest difference between tenths of the predictions by score, the p-value that of the χ² test.
    It warns from 0.1 on where chance does not explain it: figures of the running table then lean, since labels of some
    scores come sooner.
    """
    predicted = said_by_bin(judge, said)[0].sum(axis=0)
    labelled = np.minimum(fine_bins(judge, running).n[0].astype(np.int64), predicted)
    if predicted.sum() < _LEAST:
        return None
    groups = equal_mass(predicted, _GROUPS)
    whole = np.bincount(groups, predicted, _GROUPS)
    part = np.bincount(groups, labelled, _GROUPS)
    whole, part = whole[whole > 0], part[whole > 0]
    share = part / whole
    apart = float(np.ptp(share))
    table = np.stack([part, whole - part])
    exists = len(whole) > 1 and bool((table.sum(axis=1) > 0).all())
    p_value = float(chi2_contingency(table, correction=False).pvalue) if exists else 1.0
    leans = p_value < _SURE and apart >= _APART
    text = f"{share.min():.0%} to {share.max():.0%} of the predictions are labelled, by score" if leans else ""
    nan = float("nan")
    status = "warn" if leans else "ok"
    return Finding("labels", "coverage_by_score", apart, apart, nan, nan, p_value, _APART, status, 0, text)
