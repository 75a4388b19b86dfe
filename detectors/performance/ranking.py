"""Performance of rankings and recommendations: a table of sums over ranked lists, and every figure from it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from detectors.fixed import Fixed
from detectors.performance.estimate import Estimate, estimate
from detectors.performance.intervals import bounded, mean_of
from detectors.performance.layout import Layout, Rows, check_length, parts
from detectors.performance.lists import Lists

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_GRADE: Final = 1e9
"""Relevance above this is bad; for exponential gain, above 30."""
_SHARE: Final = Fixed(bits=62, limbs=2)
_MOST_EXPONENT: Final = 30


@dataclass(frozen=True, eq=False)
class RankingTable:
    """Sums and sums of squares, over ranked lists, of the figures of each list.

    A row is a list. An item is relevant where its relevance is above 0; NDCG uses the relevance itself. A list without
    any relevant item has a precision of 0 and no other figure. Lists with a relevance that is NaN, negative or too
    large, or with a negative number of relevant items, are bad: counted, but not judged.

    Parameters
    ----------
    tops
        k of precision@k, recall@k and NDCG@k; a list shorter than k has misses in the places that it lacks.
    gain
        ``linear``: the relevance; ``exponential``: 2^relevance - 1, of whole grades up to 30.

    Examples
    --------
    >>> table = RankingTable((2,))
    >>> cells = table.tally(np.array([0.0, 1.0, 0.0, 1.0, 1.0]), np.array([3, 2]))
    >>> [table.metrics(cells)[name].value.round(4).tolist() for name in ("precision_at_2", "map", "mrr", "ndcg_at_2")]
    [[0.75], [0.75], [0.75], [0.8155]]

    References
    ----------
    Järvelin and Kekäläinen (2002), Cumulated gain-based evaluation of IR techniques.
    """

    tops: tuple[int, ...] = (5, 10)
    gain: Literal["linear", "exponential"] = "linear"

    def __post_init__(self) -> None:
        if not self.tops or not all(top >= 1 for top in self.tops):
            raise ValueError(f"k must be at least 1, not {self.tops}")
        if self.gain not in {"linear", "exponential"}:
            raise ValueError(f"gain is linear or exponential, not {self.gain}")

    @property
    def size(self) -> int:
        """Cells of a table."""
        return self.layout.size

    @property
    def names(self) -> tuple[str, ...]:
        """A name for each cell."""
        return self.layout.names

    @cached_property
    def layout(self) -> Layout:
        """Where the cells are."""
        blocks: dict[str, tuple[int, ...]] = {"rows": (), "bad": (), "judged": (), "with_relevant": ()}
        for name in self._figures:
            blocks |= {name: (_SHARE.limbs,), f"{name}_square": (_SHARE.limbs,)}
        return Layout(blocks)

    @cached_property
    def identity(self) -> str:
        """Hash of all that decides what the cells mean."""
        digest = hashlib.blake2b(repr((1, self.tops, self.gain)).encode(), digest_size=8)
        return f"ranking:{digest.hexdigest()}"

    def cells(self, tables: IntArray) -> dict[str, IntArray]:
        """Return the named blocks of tables ``[J, size]``."""
        return self.layout.cells(tables)

    def tally(
        self,
        relevance: FloatArray,
        lengths: IntArray,
        *,
        relevant: IntArray | None = None,
        weight: IntArray | None = None,
        group: IntArray | None = None,
        groups: int = 1,
    ) -> IntArray:
        """Count ranked lists into one table a group.

        Parameters
        ----------
        relevance
            Of the items of all lists, one list behind the other, in the order shown, ``[m]``.
        lengths
            Items of each list, ``[n]``; they add up to m.
        relevant
            Relevant items of each list, also those not listed, ``[n]``; at least those that are. An item not listed has
            a relevance of 1. None: only what is listed is relevant.
        weight
            How often each list counts; -1 takes a list away exactly.
        group
            Table of each list, in ``[0, groups)``; ``[g, n]`` has each list count in g of them.

        Returns
        -------
        IntArray
            Shape ``(groups, size)``.

        Raises
        ------
        ValueError
            When a column has another length, or the lengths do not add up.
        OverflowError
            When the lists are more than a table can hold.
        """
        check_length(len(lengths), lengths=lengths, relevant=relevant)
        if (len(lengths) and lengths.min() < 0) or lengths.sum() != len(relevance):
            raise ValueError(f"lists of {int(lengths.sum())} items in all, but there are {len(relevance)}")
        tables = np.zeros((groups, self.size), np.int64)
        ends = np.concatenate([[0], np.cumsum(lengths)])
        for part, rows in parts(self.layout, tables, len(lengths), group, weight):
            items = relevance[ends[part.start] : ends[part.stop]]
            self._count(rows, items, lengths[part], None if relevant is None else relevant[part])
        return tables

    def metrics(self, tables: IntArray, alpha: float = 0.05) -> dict[str, Estimate]:
        """Return every figure of tables ``[J, size]``: means over lists.

        Their interval is Wilson's at the effective number of lists. Lists must be independent; several of one user are
        not quite.
        """
        cells = self.cells(tables)
        found = {}
        for name in self._figures:
            rows = cells["judged" if name.startswith("precision") else "with_relevant"]
            sums, squares = _SHARE.exact(cells[name]), _SHARE.exact(cells[f"{name}_square"])
            value, variance = mean_of(sums, squares, rows, _SHARE, _SHARE)
            found[name] = estimate(value, bounded(value, variance, rows, alpha), rows, alpha)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"kind": "ranking", "tops": list(self.tops), "gain": self.gain}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RankingTable:
        """Return what ``to_dict`` took apart."""
        return cls(tuple(data["tops"]), data["gain"])

    @property
    def _figures(self) -> tuple[str, ...]:
        at = [f"{name}_at_{top}" for name in ("precision", "recall", "ndcg") for top in self.tops]
        return (*at, "map", "mrr")

    def _count(self, rows: Rows, relevance: FloatArray, lengths: IntArray, relevant: IntArray | None) -> None:
        rows.count("rows")
        of_item = np.repeat(np.arange(len(lengths)), lengths)
        wrong = ~((relevance >= 0) & (relevance <= MOST_GRADE))
        if self.gain == "exponential":
            wrong |= (np.rint(relevance) != relevance) | (relevance > _MOST_EXPONENT)
        good = np.bincount(of_item[wrong], minlength=len(lengths)) == 0
        good &= True if relevant is None else relevant >= 0
        rows.only(~good).count("bad")
        some = None if relevant is None else relevant[good]
        lists = Lists.of(relevance[good[of_item]], lengths[good], some)
        self._count_lists(rows.only(good), lists)

    def _count_lists(self, rows: Rows, lists: Lists) -> None:
        rows.count("judged")
        for top in self.tops:
            _add(rows, f"precision_at_{top}", lists.hits(top) / top)
        some = lists.relevant > 0
        having = rows.only(some)
        having.count("with_relevant")
        for top in self.tops:
            _add(having, f"recall_at_{top}", lists.hits(top)[some] / lists.relevant[some])
        _add(having, "map", lists.average_precision()[some])
        _add(having, "mrr", lists.reciprocal_rank()[some])
        exponential = self.gain == "exponential"
        gain = np.ldexp(1.0, lists.grade.astype(np.int32)) - 1 if exponential else lists.grade
        for top, figure in zip(self.tops, lists.ndcg(self.tops, gain, 1.0), strict=True):
            _add(having, f"ndcg_at_{top}", figure[some])


def _add(rows: Rows, name: str, values: FloatArray) -> None:
    within = np.minimum(values, 1.0)
    rows.add(name, _SHARE.split(within))
    rows.add(f"{name}_square", _SHARE.split(within * within))
