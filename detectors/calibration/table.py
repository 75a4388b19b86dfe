"""Counts and sums for calibration: one flat vector of integers, linear in the rows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from detectors.calibration.figure import FloatArray, IntArray
from detectors.calibration.fixed import UNIT, checked, from_wide, narrow, widen
from detectors.calibration.losses import CLIP, Losses
from detectors.calibration.slope import LogitBins
from detectors.calibration.sums import ScoreBins
from detectors.lookup import Lookup

LOGIT_UNIT: Final = 1 << 25
LOGIT_SQ_UNIT: Final = 1 << 20
_HEAD: Final = (
    "rows", "no_label", "no_score", "score_outside", "clipped",
    "log_high", "log_low", "log_sq_high", "log_sq_low", "brier_sq", "lean_variance",
)  # fmt: skip
_BIN: Final = (
    "n", "positives", "score", "score_sq", "positive_score", "logit", "logit_sq", "positive_logit",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class CalibrationTable:
    """Score bins fixed by the reference, and what is summed in them.

    A table is ``size`` int64 cells: rows, rows without a label (not 0 or 1), without a score (NaN), with a score
    outside [0, 1] (infinite ones, too), sums over all usable rows, then eight sums a bin. Every cell is a sum over
    rows, so tables add, subtract, and lose a row that is tallied again with weight -1. Scores and their squares
    are in steps of 2⁻³¹, logits of 2⁻²⁵, their squares of 2⁻²⁰, losses of 2⁻⁴⁰. A table stands for at most 2³¹ rows.

    Examples
    --------
    >>> table = CalibrationTable(np.array([0.5]))
    >>> once = np.zeros(3, np.int64)
    >>> cells = table.tally(np.array([0.2, 0.9, np.nan]), np.array([0.0, 1.0, 1.0]), once + 1, once, 1)
    >>> table.score_bins(cells).n
    array([[1., 1.]])
    >>> table.quality(cells)["no_score"]
    array([1])
    """

    edges: FloatArray
    """Inner edges, bins right-closed."""

    def __post_init__(self) -> None:
        if not (np.all((self.edges >= 0) & (self.edges <= 1)) and np.all(np.diff(self.edges) > 0)):
            message = "edges of scores must be strictly increasing and in [0, 1]"
            raise ValueError(message)

    @classmethod
    def fit(cls, scores: FloatArray, bins: int = 15, cuts: Sequence[float] = ()) -> CalibrationTable:
        """Return bins of about equal mass in the reference's scores; those outside [0, 1] are left out.

        A score that many rows share takes a bin of its own mass, so there may be fewer bins. ``cuts`` are further
        edges, such as a decision threshold: ``score <= cut`` is then a sum of bins (for ``score >= t`` give the
        greatest float below t).
        """
        kept = np.sort(scores[(scores >= 0) & (scores <= 1)])
        quantiles = np.array([], np.float64)
        if len(kept):
            places = np.ceil(np.arange(1, bins) / bins * len(kept)).astype(np.int64) - 1
            quantiles = kept[np.maximum(places, 0)]
            quantiles = quantiles[quantiles < kept[-1]]
        return cls(np.unique(np.concatenate([quantiles, np.asarray(cuts, np.float64)]) + 0.0))

    @property
    def bins(self) -> int:
        """Score bins."""
        return len(self.edges) + 1

    @property
    def size(self) -> int:
        """Cells."""
        return len(_HEAD) + len(_BIN) * self.bins

    @cached_property
    def identity(self) -> str:
        """Hash of all that decides what a cell means."""
        digest = hashlib.blake2b(self.edges.tobytes(), digest_size=8)
        digest.update(repr((_HEAD, _BIN, UNIT, LOGIT_UNIT, LOGIT_SQ_UNIT, CLIP)).encode())
        return f"calibration:{digest.hexdigest()}"

    @property
    def names(self) -> list[str]:
        """Meaning of each cell."""
        return [*_HEAD, *(f"{name}[{b}]" for name in _BIN for b in range(self.bins))]

    def code(self, scores: FloatArray) -> IntArray:
        """Return the bin of each score in [0, 1]."""
        return self._lookup.bins(scores)

    def tally(self, score: FloatArray, label: FloatArray, weight: IntArray, group: IntArray, groups: int) -> IntArray:
        """Sum rows into one table a group.

        Parameters
        ----------
        score, label
            Of each row; NaN where there is none. Labels are 0 and 1.
        weight
            Whole number of times that each row counts; -1 takes a row out again.
        group
            Which table, in ``[0, groups)``.
        groups
            How many tables.

        Returns
        -------
        IntArray
            Shape ``(groups, size)``.

        Raises
        ------
        OverflowError
            When the weights add up to more than 2³¹ rows.
        """
        checked(np.abs(weight).sum(keepdims=True))
        cells = np.zeros(groups * self.size, np.int64)
        start = group * self.size
        inside = (score >= 0) & (score <= 1)
        labelled = (label == 0) | (label == 1)
        quality = np.where(np.isnan(score), 2, np.where(~inside, 3, 1))
        np.add.at(cells, start, weight)
        bad = np.flatnonzero(~(inside & labelled))
        np.add.at(cells, start[bad] + quality[bad], weight[bad])
        good = np.flatnonzero(inside & labelled)
        self._sum(cells, start[good], score[good] + 0.0, label[good], weight[good])
        return cells.reshape(groups, self.size)

    def score_bins(self, tables: IntArray) -> ScoreBins:
        """Return the sums of scores of tables ``[J, size]``."""
        checked(tables[:, 0])
        return ScoreBins.of_sums(*(self._bin(tables, name) for name in _BIN[:5]))

    def logit_bins(self, tables: IntArray) -> LogitBins:
        """Return the logits of tables ``[J, size]``, for ``recalibration``."""
        checked(tables[:, 0])
        units = (1, 1, LOGIT_UNIT, LOGIT_SQ_UNIT, LOGIT_UNIT)
        names = ("n", "positives", "logit", "logit_sq", "positive_logit")
        return LogitBins.of_sums(*(self._bin(tables, name) / unit for name, unit in zip(names, units, strict=True)))

    def losses(self, tables: IntArray) -> Losses:
        """Return the sums of losses of tables ``[J, size]``."""
        checked(tables[:, 0])
        head = dict(zip(_HEAD, tables[:, : len(_HEAD)].T, strict=True))
        n, positives, score, score_sq, both = (self._bin(tables, name).sum(axis=1) for name in _BIN[:5])
        whole = positives * UNIT
        return Losses(
            n=n.astype(np.float64),
            brier=(score_sq - 2 * both + whole) / UNIT,
            brier_sq=head["brier_sq"] / UNIT,
            log=from_wide(head["log_high"], head["log_low"]),
            log_sq=from_wide(head["log_sq_high"], head["log_sq_low"]),
            clipped=head["clipped"],
            lean=(whole - score - 2 * both + 2 * score_sq) / UNIT,
            lean_variance=head["lean_variance"] / UNIT,
        )

    def quality(self, tables: IntArray) -> dict[str, IntArray]:
        """Return how many rows were counted, and how many of them for what reason have no part in the figures."""
        return {name: tables[:, place] for place, name in enumerate(_HEAD[:5])}

    def _sum(self, cells: IntArray, start: IntArray, p: FloatArray, y: FloatArray, weight: IntArray) -> None:
        safe = np.clip(p, CLIP, 1 - CLIP)
        yes, no = np.log(safe), np.log1p(-safe)
        loss, logit = -np.where(y == 1, yes, no), yes - no
        heads = [(safe != p).astype(np.int64), *widen(loss), *widen(loss**2)]
        heads += [narrow((y - p) ** 4), narrow((1 - 2 * p) ** 2 * p * (1 - p))]
        for place, values in enumerate(heads, start=_HEAD.index("clipped")):
            np.add.at(cells, start + place, weight * values)
        bins = start + len(_HEAD) + self.code(p)
        positive = y.astype(np.int64)
        score, logits = narrow(p), narrow(logit, LOGIT_UNIT)
        sums = [np.ones_like(positive), positive, score, narrow(p**2), positive * score]
        sums += [logits, narrow(logit**2, LOGIT_SQ_UNIT), positive * logits]
        for place, values in enumerate(sums):
            np.add.at(cells, bins + place * self.bins, weight * values)

    def _bin(self, tables: IntArray, name: str) -> IntArray:
        first = len(_HEAD) + _BIN.index(name) * self.bins
        return tables[:, first : first + self.bins]

    @cached_property
    def _lookup(self) -> Lookup:
        return Lookup(self.edges)
