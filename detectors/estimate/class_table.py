"""Counts of the scores of several classes by predicted class, with and without labels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from detectors.calibration.figure import FloatArray, IntArray
from detectors.calibration.fixed import UNIT, checked, narrow
from detectors.calibration.sums import ScoreBins
from detectors.calibration.table import CalibrationTable
from detectors.lookup import Lookup

_HEAD: Final = 3
_LABELLED: Final = ("n", "positives", "score", "score_sq", "positive_score")


@dataclass(frozen=True, eq=False)
class ClassTable:
    """For C classes, each with its own score bins: all rows by predicted class, and labelled rows' calibration sums.

    Cells: rows, rows without scores or prediction (NaN, outside [0, 1], an unknown class), rows without a label; then
    rows by predicted class, class and bin of that class's score ``[C, C, B]``; then five sums over labelled rows by
    class and bin ``[C, B]``, scores in steps of 2⁻³¹. Linear in the rows.

    Examples
    --------
    >>> table = ClassTable((np.array([0.5]), np.array([0.5])))
    >>> once = np.zeros(2, np.int64)
    >>> scores = np.array([[0.9, 0.1], [0.4, 0.6]])
    >>> cells = table.tally(scores, np.array([0, 1]), np.array([0, -1]), once + 1, once, 1)
    >>> table.predicted(cells)[0, 0].tolist(), table.labelled(cells).n.tolist()
    ([[0, 1], [1, 0]], [[0.0, 1.0], [1.0, 0.0]])
    """

    edges: tuple[FloatArray, ...]
    """Inner edges of each class's score."""

    @classmethod
    def fit(cls, scores: FloatArray, bins: int = 50) -> ClassTable:
        """Return bins of about equal mass in the reference's scores ``[rows, C]``."""
        return cls(tuple(CalibrationTable.fit(column, bins).edges for column in scores.T))

    @property
    def classes(self) -> int:
        """Classes, C."""
        return len(self.edges)

    @property
    def bins(self) -> int:
        """Bins of the class that has most, B; the others leave their last ones empty."""
        return max(len(edges) for edges in self.edges) + 1

    @property
    def size(self) -> int:
        """Cells."""
        return _HEAD + (self.classes + len(_LABELLED)) * self.classes * self.bins

    @cached_property
    def identity(self) -> str:
        """Hash of all that decides what a cell means."""
        digest = hashlib.blake2b(repr((_LABELLED, UNIT, self.classes)).encode(), digest_size=8)
        for edges in self.edges:
            digest.update(repr(len(edges)).encode() + edges.tobytes())
        return f"classes:{digest.hexdigest()}"

    def tally(
        self, scores: FloatArray, predicted: IntArray, label: IntArray, weight: IntArray, group: IntArray, groups: int
    ) -> IntArray:
        """Sum rows into one table a group, ``[groups, size]``.

        Parameters
        ----------
        scores
            Probability of each class, ``[rows, C]``.
        predicted, label
            Class of each row, -1 where there is none.
        weight, group, groups
            As for ``CalibrationTable``; weight -1 takes a row out again.
        """
        checked(np.abs(weight).sum(keepdims=True))
        cells = np.zeros(groups * self.size, np.int64)
        start = group * self.size
        np.add.at(cells, start, weight)
        usable = ((scores >= 0) & (scores <= 1)).all(axis=1) & (predicted >= 0) & (predicted < self.classes)
        bad = np.flatnonzero(~usable)
        np.add.at(cells, start[bad] + 1, weight[bad])
        good = np.flatnonzero(usable)
        known = (label >= 0) & (label < self.classes)
        unlabelled = np.flatnonzero(usable & ~known)
        np.add.at(cells, start[unlabelled] + 2, weight[unlabelled])
        for place, lookup in enumerate(self._lookups):
            p = scores[good, place] + 0.0
            bins = place * self.bins + lookup.bins(p)
            block = predicted[good] * self.classes * self.bins
            np.add.at(cells, start[good] + _HEAD + block + bins, weight[good])
            first = start[good] + _HEAD + self.said
            self._sum_labelled(cells, first + bins, p, label[good], place, weight[good] * known[good])
        return cells.reshape(groups, self.size)

    @property
    def said(self) -> int:
        """Cells of ``tally_predicted``."""
        return self.classes**2 * self.bins

    @property
    def known(self) -> int:
        """Cells of ``tally_labelled``."""
        return len(_LABELLED) * self.classes * self.bins

    def tally_predicted(self, scores: FloatArray, predicted: IntArray, group: IntArray, groups: int) -> IntArray:
        """Return only the cells by predicted class, class and bin, ``[groups, said]``, of rows without labels."""
        once, none = np.ones(len(predicted), np.int64), np.full(len(predicted), -1)
        return self.tally(scores, predicted, none, once, group, groups)[:, _HEAD : _HEAD + self.said]

    def tally_labelled(
        self, scores: FloatArray, label: IntArray, weight: IntArray, group: IntArray, groups: int
    ) -> IntArray:
        """Return only the calibration sums of labelled rows, ``[groups, known]``, whatever was predicted."""
        checked(np.abs(weight).sum(keepdims=True))
        cells = np.zeros(groups * self.known, np.int64)
        inside = ((scores >= 0) & (scores <= 1)).all(axis=1) & (label >= 0) & (label < self.classes)
        good = np.flatnonzero(inside)
        start = group[good] * self.known
        for place, lookup in enumerate(self._lookups):
            p = scores[good, place] + 0.0
            self._sum_labelled(cells, start + place * self.bins + lookup.bins(p), p, label[good], place, weight[good])
        return cells.reshape(groups, self.known)

    def calibration(self, known: IntArray) -> ScoreBins:
        """Return the cells of ``tally_labelled`` ``[J, known]`` as sums ``[J · C, B]``, each class against the rest."""
        parts = known.reshape(len(known), len(_LABELLED), self.classes, self.bins)
        return ScoreBins.of_sums(*(part.reshape(-1, self.bins) for part in np.moveaxis(parts, 1, 0)))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; floats keep every digit."""
        return {"edges": [edges.tolist() for edges in self.edges]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ClassTable:
        """Return what ``to_dict`` took apart."""
        return cls(tuple(np.array(edges, np.float64) for edges in data["edges"]))

    def predicted(self, tables: IntArray) -> IntArray:
        """Return all rows by predicted class, class and bin, ``[J, C, C, B]``."""
        checked(tables[:, 0])
        return tables[:, _HEAD : _HEAD + self.said].reshape(len(tables), self.classes, self.classes, self.bins)

    def labelled(self, tables: IntArray) -> ScoreBins:
        """Return the calibration sums of labelled rows, ``[J · C, B]``, each class against the rest."""
        checked(tables[:, 0])
        return self.calibration(tables[:, _HEAD + self.said :])

    def _sum_labelled(
        self, cells: IntArray, start: IntArray, p: FloatArray, label: IntArray, place: int, weight: IntArray
    ) -> None:
        positive = (label == place).astype(np.int64)
        score = narrow(p)
        sums: Sequence[IntArray] = (np.ones_like(positive), positive, score, narrow(p**2), positive * score)
        for offset, values in enumerate(sums):
            np.add.at(cells, start + offset * self.classes * self.bins, weight * values)

    @cached_property
    def _lookups(self) -> tuple[Lookup, ...]:
        return tuple(Lookup(edges) for edges in self.edges)
