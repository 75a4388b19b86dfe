"""What is known of the rows in each score bin: how many, how many positive, sums of their scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.calibration.figure import FloatArray, IntArray, ratio
from detectors.calibration.fixed import UNIT


@dataclass(frozen=True, slots=True)
class ScoreBins:
    """Sums of J monitors in B score bins, arrays ``[J, B]`` of whole numbers of rows and of sums of scores.

    Examples
    --------
    >>> bins = ScoreBins.of_sums([[10, 10]], [[1, 8]], [[2, 7]], [[0.5, 5.0]], unit=1)
    >>> bins.rate, bins.mean_score
    (array([[0.1, 0.8]]), array([[0.2, 0.7]]))
    """

    n: FloatArray
    positives: FloatArray
    score: FloatArray
    """Σ p."""
    score_sq: FloatArray
    """Σ p²."""
    positive_score: FloatArray | None = None
    """Σ p over the positive rows; where a table does not have it, figures that need it say so or carry a bound."""

    @classmethod
    def of_sums(
        cls,
        n: object,
        positives: object,
        score: object,
        score_sq: object,
        positive_score: object = None,
        *,
        unit: int = UNIT,
    ) -> ScoreBins:
        """Return bins from arrays ``[J, B]`` of counts and of fixed-point sums in steps of 1 / ``unit``.

        Raises
        ------
        ValueError
            When the shapes differ, a count is negative, or there are more positives than rows.
        """
        counts = [np.asarray(part, np.float64) for part in (n, positives)]
        sums = [np.asarray(part, np.float64) / unit for part in (score, score_sq)]
        more = None if positive_score is None else np.asarray(positive_score, np.float64) / unit
        shapes = {part.shape for part in [*counts, *sums, *([] if more is None else [more])]}
        if len(shapes) != 1 or counts[0].ndim != 2:
            raise ValueError(f"sums of score bins have one shape [J, B], not {sorted(shapes)}")
        if np.any(counts[0] < 0) or np.any(counts[1] < 0) or np.any(counts[1] > counts[0]):
            message = "score bins hold at least 0 positives and at most as many as rows"
            raise ValueError(message)
        return cls(counts[0], counts[1], sums[0], sums[1], more)

    @property
    def total(self) -> FloatArray:
        """Rows, ``[J]``."""
        total: FloatArray = self.n.sum(axis=1)
        return total

    @property
    def share(self) -> FloatArray:
        """Share of the rows that each bin holds; NaN in an empty monitor."""
        return ratio(self.n, np.broadcast_to(self.total[:, np.newaxis], self.n.shape))

    @property
    def rate(self) -> FloatArray:
        """Observed share of positives; NaN in an empty bin."""
        return ratio(self.positives, self.n)

    @property
    def mean_score(self) -> FloatArray:
        """Mean score; NaN in an empty bin."""
        return ratio(self.score, self.n)

    @property
    def gap(self) -> FloatArray:
        """Observed rate less mean score; 0 in an empty bin, which has no weight."""
        return ratio(self.positives - self.score, np.where(self.n > 0, self.n, 1.0))

    @property
    def spread(self) -> FloatArray:
        """Variance of the scores within each bin; 0 in an empty one."""
        n = np.where(self.n > 0, self.n, 1.0)
        spread: FloatArray = np.maximum(self.score_sq / n - (self.score / n) ** 2, 0.0)
        return spread

    @property
    def noise(self) -> FloatArray:
        """Variance of the observed rate, from the rate with half a row added on either side; 0 in an empty bin."""
        rate = (self.positives + 0.5) / (self.n + 1)
        noise: FloatArray = np.where(self.n > 0, rate * (1 - rate) / np.where(self.n > 0, self.n, 1.0), 0.0)
        return noise

    def merge(self, groups: IntArray) -> ScoreBins:
        """Return fewer bins: bin b goes to bin ``groups[b]`` or, with ``[J, B]``, to ``groups[j, b]`` of monitor j."""
        size = int(groups.max(initial=0)) + 1
        places = np.broadcast_to(groups, self.n.shape) + np.arange(len(self.n))[:, np.newaxis] * size

        def total(part: FloatArray) -> FloatArray:
            summed = np.bincount(places.ravel(), part.ravel(), len(part) * size)
            return summed.astype(np.float64).reshape(len(part), size)

        more = None if self.positive_score is None else total(self.positive_score)
        return ScoreBins(total(self.n), total(self.positives), total(self.score), total(self.score_sq), more)


def equal_mass(n: FloatArray | IntArray, bins: int) -> IntArray:
    """Return for each fine bin, ``[J, B]`` or ``[B]``, which of ``bins`` groups of about equal mass it belongs to.

    A fine bin goes where the middle of its rows lies, so neighbours stay neighbours. An empty monitor is one group.

    >>> equal_mass(np.array([5, 5, 1, 1, 8]), 2).tolist()
    [0, 0, 1, 1, 1]
    """
    rows = np.asarray(n, np.float64)
    total = rows.sum(axis=-1, keepdims=True)
    middle = (np.cumsum(rows, axis=-1) - rows / 2) / np.where(total > 0, total, 1.0)
    groups: IntArray = np.minimum((middle * bins).astype(np.int64), bins - 1)
    return groups
