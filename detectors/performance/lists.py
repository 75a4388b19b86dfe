"""Figures of single ranked lists: precision, recall, average precision, reciprocal rank and NDCG of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detectors.performance.logarithm import natural_log

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Lists:
    """Items of n ranked lists, one list behind the other, best item first.

    All sums run through a list from its first item on, so a list has the same figures whatever is beside it.
    """

    number: int
    of_item: IntArray
    """List of each item."""
    position: IntArray
    """Place of each item in its list, from 0."""
    grade: FloatArray
    relevant: IntArray
    """Relevant items of each list, listed or not, ``[n]``."""

    @classmethod
    def of(cls, grade: FloatArray, lengths: IntArray, relevant: IntArray | None) -> Lists:
        """Return lists of these lengths; without ``relevant`` only listed items are."""
        of_item = np.repeat(np.arange(len(lengths)), lengths)
        position = np.arange(len(grade)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        listed = np.bincount(of_item[grade > 0], minlength=len(lengths))
        whole = listed if relevant is None else np.maximum(relevant, listed)
        return cls(len(lengths), of_item, position, grade, whole)

    def hits(self, top: int) -> IntArray:
        """Return the relevant items among the first ``top`` of each list."""
        return np.bincount(self.of_item[(self.grade > 0) & (self.position < top)], minlength=self.number)

    def average_precision(self) -> FloatArray:
        """Return the mean over relevant items of the precision at each; 0 for one that is not listed."""
        hit = self.grade > 0
        of_hit = self.of_item[hit]
        first = np.searchsorted(of_hit, np.arange(self.number))
        nth = np.arange(len(of_hit)) - first[of_hit] + 1
        total = np.bincount(of_hit, weights=nth / (self.position[hit] + 1), minlength=self.number)
        return total / np.maximum(self.relevant, 1)

    def reciprocal_rank(self) -> FloatArray:
        """Return 1 / the rank of the first relevant item, 0 where none is listed."""
        hit = self.grade > 0
        of_hit, first = np.unique(self.of_item[hit], return_index=True)
        found = np.zeros(self.number)
        found[of_hit] = 1 / (self.position[hit][first] + 1)
        return found

    def ndcg(self, tops: tuple[int, ...], gain: FloatArray, missing_gain: float) -> FloatArray:
        """Return the normalised discounted cumulative gain of the first items, ``[len(tops), n]``.

        ``gain`` is that of each item. The best order puts the largest gains first; relevant items that are not listed
        have ``missing_gain``.
        """
        discount = 1 / (natural_log(np.arange(2.0, max(tops) + 2)) / natural_log(np.array([2.0])))
        running = np.concatenate([[0.0], np.cumsum(discount)])
        order = np.lexsort((-gain, self.of_item))
        best, missing = gain[order], self.relevant - self.hits(len(self.grade))
        # Items of a lower gain than the missing ones stand behind them.
        ahead = np.bincount(self.of_item[gain >= missing_gain], minlength=self.number)
        place = self.position + np.where(best < missing_gain, missing[self.of_item], 0)
        found = np.empty((len(tops), self.number))
        for row, top in enumerate(tops):
            real = self._gained(self.position, gain, discount, top)
            ideal = self._gained(place, best, discount, top)
            ideal += missing_gain * (running[np.minimum(ahead + missing, top)] - running[np.minimum(ahead, top)])
            found[row] = np.minimum(real / np.where(ideal > 0, ideal, 1.0), 1.0)
        return found

    def _gained(self, place: IntArray, gain: FloatArray, discount: FloatArray, top: int) -> FloatArray:
        near = place < top
        weights = gain[near] * discount[place[near]]
        return np.bincount(self.of_item[near], weights=weights, minlength=self.number).astype(np.float64, copy=False)
