"""Scores of figures that are, for small drift, a scaled chi-square: one law for the whole family of divergences."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc, chdtri

from detectors.noncentral import noncentrality_interval
from detectors.samples import FloatArray, Samples
from detectors.scores import Scores


def quadratic_scores(samples: Samples, statistic: FloatArray, scale: FloatArray, alpha: float) -> Scores:
    """Return scores of a ``statistic`` that is about ``scale``·χ² with K-1 degrees of freedom without drift.

    The effect subtracts the mean (K-1)·``scale``; the interval inverts the non-central chi-square law.
    """
    df = samples.df
    ratio = statistic / scale
    low, high = noncentrality_interval(ratio, df)
    nothing = np.isnan(df)
    return samples.scores(
        statistic,
        effect=statistic - df * scale,
        low=low * scale,
        high=high * scale,
        p_value=np.where(df > 0, chdtrc(np.maximum(df, 1), ratio), np.where(nothing, np.nan, 1.0)),
        threshold=np.where(df > 0, chdtri(np.maximum(df, 1), alpha), np.where(nothing, np.nan, 0.0)) * scale,
    )
