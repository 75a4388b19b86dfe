"""The demo's model: a logistic regression that estimates the chance of default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import expit

from monitor.demo.applicants import Applicants
from monitor.events import FloatArray

THRESHOLD: Final = 0.5
"""Applications that score at least this are declined."""
_INPUTS: Final = ("salary", "commission", "age", "elevel", "hvalue", "hyears", "loan")
_SOFTNESS: Final = 20_000.0
_MARGIN: Final = 15_000.0
_STEPS: Final = 25


def default_chance(columns: Mapping[str, FloatArray]) -> FloatArray:
    """Return each applicant's true chance of default.

    Agrawal's eighth rule splits applicants by their disposable income. A rule that never errs would leave a model
    nothing to be calibrated on, so here disposable income moves the odds instead.
    """
    income = columns["salary"] + columns["commission"]
    disposable = 2 * income / 3 - 5000 * columns["elevel"] - columns["loan"] / 5 - 10_000
    chance: FloatArray = expit(-(disposable + _MARGIN) / _SOFTNESS)
    return chance


@dataclass(frozen=True, slots=True)
class Scorer:
    """A fitted logistic regression; missing inputs take the mean of the training rows."""

    means: FloatArray
    scales: FloatArray
    weights: FloatArray
    """Intercept first, then one an input, per standard deviation."""

    @classmethod
    def fit(cls, training: Applicants, defaults: FloatArray) -> Scorer:
        """Return the maximum-likelihood fit, by Newton's method with a touch of ridge.

        Parameters
        ----------
        training
            Applicants.
        defaults
            1 where the applicant defaulted, 0 where not.
        """
        table = np.column_stack([training.columns[name] for name in _INPUTS])
        means, scales = np.nanmean(table, axis=0), np.nanstd(table, axis=0)
        design = _design(table, means, scales)
        weights = np.zeros(design.shape[1])
        ridge = 1e-6 * len(design) * np.eye(design.shape[1])
        for _ in range(_STEPS):
            chance = expit(design @ weights)
            gradient = design.T @ (defaults - chance) - ridge @ weights
            weights = weights + np.linalg.solve(
                design.T @ (design * (chance * (1 - chance))[:, None]) + ridge, gradient
            )
        return cls(means, scales, weights)

    def score(self, columns: Mapping[str, FloatArray]) -> FloatArray:
        """Return the estimated chance of default, to six digits as a service would log it."""
        table = np.column_stack([columns[name] for name in _INPUTS])
        score: FloatArray = np.round(expit(_design(table, self.means, self.scales) @ self.weights), 6)
        return score


def _design(table: FloatArray, means: FloatArray, scales: FloatArray) -> FloatArray:
    standard = np.nan_to_num((table - means) / scales)
    return np.column_stack([np.ones(len(table)), standard])
