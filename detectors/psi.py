"""Population stability index, Jeffreys' divergence of two binned samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.quadratic import quadratic_scores
from detectors.samples import FloatArray, IntArray, Samples
from detectors.scores import Scores


@dataclass(frozen=True, slots=True)
class PSI:
    """Σ (q - p) ln(q / p), with (count + c) / (total + K c) for the shares; bins that neither sample uses are dropped.

    Without drift PSI is about s·χ² with K-1 degrees of freedom, s = 1/n + 1/N, so its mean is (K-1)s and the usual
    cut-offs 0.1 and 0.25 fire on the noise of small windows. The effect is PSI - (K-1)s; the interval inverts the
    non-central chi-square law, which covers up to PSI 1 (beyond, smoothing pulls it down). For sparse bins mean and
    variance are exact instead.

    Parameters
    ----------
    alpha
        Level of the noise band.
    pseudo_count
        c; 0.5 keeps empty bins finite, 0 gives the textbook figure (infinite where a bin is empty on one side).

    Examples
    --------
    >>> scores = PSI(pseudo_count=0).score(np.array([[100, 200, 300, 400]]), np.array([[30, 40, 70, 60]]))
    >>> round(float(scores.statistic[0]), 12)
    0.056748996642

    References
    ----------
    Lin (1991), Divergence measures based on the Shannon entropy; Potgieter et al., arXiv:2307.11878.
    """

    alpha: float = 0.01
    pseudo_count: float = 0.5

    def score(self, reference: IntArray, window: IntArray) -> Scores:
        """Compare ``[J, K]`` counts."""
        samples = Samples.of(reference, window)
        used = reference + window > 0
        added = self.pseudo_count * used.sum(axis=1)
        totals = np.stack([samples.small + added, samples.big + added])[:, :, np.newaxis]

        def figure(counts: FloatArray, before: FloatArray, monitors: IntArray) -> FloatArray:
            small, big = totals[:, monitors]
            q, p = (counts + self.pseudo_count) / small, (before + self.pseudo_count) / big
            with np.errstate(divide="ignore", invalid="ignore"):
                terms: FloatArray = np.where(q == p, 0.0 * small, (q - p) * np.log(q / p))
            return terms

        terms = figure(window.astype(np.float64), reference.astype(np.float64), np.arange(len(window)))
        statistic = np.where(used | np.isnan(terms), terms, 0.0).sum(axis=1)
        smoothed = figure if self.pseudo_count > 0 else None
        return quadratic_scores(samples, statistic, samples.s, self.alpha, smoothed)
