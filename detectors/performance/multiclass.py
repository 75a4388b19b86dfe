"""Performance of a classifier of several classes: a table of exact counts, and every figure from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.performance.averages import FIGURES, averaged, of_class
from detectors.performance.confusion import kappa, matthews
from detectors.performance.estimate import Estimate
from detectors.performance.intervals import proportion
from detectors.performance.layout import Layout, Rows, check_length, parts
from detectors.performance.losses import LOG_LOSS_BLOCKS, add_log_loss, log_loss

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SUM_TOLERANCE: Final = 0.01
"""Probabilities of a row whose sum is farther from 1 are bad."""
_UNSCORED: Final = ("missing", "outside", "sum")


@dataclass(frozen=True, eq=False)
class MulticlassTable:
    """Counts of labelled rows by label and prediction, of top-k hits, and sums of the logarithmic loss.

    Labels and predictions are codes in ``[0, K)``. A prediction outside is a miss of a class that has no name; rows
    with a label outside are counted apart and not judged. Rows whose probabilities are missing (any NaN), outside
    [0, 1], or do not sum to 1 within 0.01, have no loss and no rank.

    Parameters
    ----------
    classes
        Names, for the figures of each class; at least two.
    tops
        k of the top-k accuracies.

    Examples
    --------
    >>> table = MulticlassTable(("cat", "dog", "fox"))
    >>> cells = table.tally(np.array([0, 1, 2, 2]), np.array([0, 1, 2, 1]))
    >>> figures = table.metrics(cells)
    >>> [figures[name].value.round(3).tolist() for name in ("accuracy", "recall[fox]", "kappa")]
    [[0.75], [0.5], [0.636]]
    """

    classes: tuple[str, ...]
    tops: tuple[int, ...] = (3, 5)

    def __post_init__(self) -> None:
        if len(self.classes) < 2 or len(set(self.classes)) != len(self.classes):
            raise ValueError("there must be at least two classes, with names that differ")
        if not all(top >= 1 for top in self.tops):
            raise ValueError(f"k of top-k must be at least 1, not {self.tops}")

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
        number = len(self.classes)
        return Layout(
            {
                "rows": (),
                "unknown_label": (),
                "unpredicted": (),
                "unscored": (len(_UNSCORED),),
                "confusion": (number, number + 1),
                "scored": (),
                "top": (len(self.tops),),
                **LOG_LOSS_BLOCKS,
            }
        )

    @cached_property
    def identity(self) -> str:
        """Hash of all that decides what the cells mean."""
        text = json.dumps([2, self.classes, self.tops])
        return f"multiclass:{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"

    def cells(self, tables: IntArray) -> dict[str, IntArray]:
        """Return the named blocks of tables ``[J, size]``."""
        return self.layout.cells(tables)

    def tally(
        self,
        label: IntArray,
        predicted: IntArray | None = None,
        probabilities: FloatArray | None = None,
        *,
        weight: IntArray | None = None,
        group: IntArray | None = None,
        groups: int = 1,
    ) -> IntArray:
        """Count labelled rows into one table a group.

        Parameters
        ----------
        label
            Codes, ``[n]``; rows without a label are for the caller to leave out.
        predicted
            Codes, ``[n]``; None: the first class of the highest probability, and none where those are not usable.
        probabilities
            Of every class, ``[n, K]``; None: there is no loss and no rank.
        weight
            How often each row counts; -1 takes a row away exactly.
        group
            Table of each row, in ``[0, groups)``; ``[g, n]`` has each row count in g of them.

        Returns
        -------
        IntArray
            Shape ``(groups, size)``.

        Raises
        ------
        ValueError
            When a column has another shape, or there are neither predictions nor probabilities.
        OverflowError
            When the rows are more than a table can hold.
        """
        check_length(len(label), label=label, predicted=predicted)
        if probabilities is not None and probabilities.shape != (len(label), len(self.classes)):
            raise ValueError(
                f"probabilities of {len(label)} rows and {len(self.classes)} classes: {probabilities.shape}"
            )
        if predicted is None and probabilities is None:
            raise ValueError("there are neither predictions nor probabilities")
        tables = np.zeros((groups, self.size), np.int64)
        for part, rows in parts(self.layout, tables, len(label), group, weight):
            said = None if predicted is None else predicted[part]
            self._count(rows, label[part], said, None if probabilities is None else probabilities[part])
        return tables

    def metrics(self, tables: IntArray, alpha: float = 0.05) -> dict[str, Estimate]:
        """Return every figure of tables ``[J, size]``.

        Shares have Wilson's interval; the rest is said where each is computed. Micro averages equal the accuracy, as
        each row has one label and one prediction.
        """
        cells = self.cells(tables)
        confusion = self.confusion(tables)
        whole = confusion.sum(axis=(1, 2))
        found = {"accuracy": proportion(np.trace(confusion, axis1=1, axis2=2), whole, alpha)}
        for figure in FIGURES:
            found[f"{figure}_micro"] = found["accuracy"]
            found[f"{figure}_macro"] = averaged(confusion, len(self.classes), figure, weighted=False, alpha=alpha)
            found[f"{figure}_weighted"] = averaged(confusion, len(self.classes), figure, weighted=True, alpha=alpha)
            for place, name in enumerate(self.classes):
                found[f"{figure}[{name}]"] = of_class(confusion, place, figure, alpha)
        found["kappa"] = kappa(confusion, alpha)
        found["mcc"] = matthews(confusion, alpha)
        found["log_loss"] = log_loss(cells, cells["scored"], alpha)
        for place, top in enumerate(self.tops):
            found[f"top_{top}_accuracy"] = proportion(cells["top"][:, place], cells["scored"], alpha)
        return found

    def confusion(self, tables: IntArray) -> IntArray:
        """Return ``[J, K + 1, K + 1]`` counts, labels by predictions; the last class is that of unknown predictions."""
        counts = self.cells(tables)["confusion"]
        return np.concatenate([counts, np.zeros_like(counts[:, :1])], axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"kind": "multiclass", "classes": list(self.classes), "tops": list(self.tops)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> MulticlassTable:
        """Return what ``to_dict`` took apart."""
        return cls(tuple(data["classes"]), tuple(data["tops"]))

    def _count(self, rows: Rows, label: IntArray, predicted: IntArray | None, probabilities: FloatArray | None) -> None:
        number = len(self.classes)
        rows.count("rows")
        known = (label >= 0) & (label < number)
        rows.only(~known).count("unknown_label")
        usable = np.zeros(len(label), np.bool_)
        if probabilities is not None:
            fault = faults(probabilities)
            usable = known & (fault < 0)
            rows.only(known & ~usable).count("unscored", fault[known & ~usable])
            self._count_scores(rows.only(usable), label[usable], probabilities[usable])
        if predicted is None and probabilities is not None:
            rows.only(known & ~usable).count("unpredicted")
            known = usable
            predicted = np.argmax(np.where(usable[:, np.newaxis], probabilities, 0.0), axis=1)
        if predicted is not None:
            said = np.where((predicted >= 0) & (predicted < number), predicted, number)
            rows.only(known).count("confusion", (label * (number + 1) + said)[known])

    def _count_scores(self, rows: Rows, label: IntArray, probabilities: FloatArray) -> None:
        rows.count("scored")
        true = np.take_along_axis(probabilities, label[:, np.newaxis], axis=1)
        add_log_loss(rows, true[:, 0])
        # Ties go to the class of the higher code, as in scikit-learn.
        later = np.arange(len(self.classes)) > label[:, np.newaxis]
        rank = ((probabilities > true) | (probabilities == true) & later).sum(axis=1)
        for place, top in enumerate(self.tops):
            rows.only(rank < top).count("top", place)


def faults(probabilities: FloatArray) -> IntArray:
    """Return what is wrong with the probabilities ``[n, K]`` of each row, ``[n]``; -1 where nothing is.

    0: one is missing (NaN). 1: one lies outside [0, 1]. 2: their sum is farther than 0.01 from 1.

    >>> faults(np.array([[0.5, 0.5], [np.nan, 1.0], [1.5, -0.5], [0.2, 0.2]])).tolist()
    [-1, 0, 1, 2]
    """
    with np.errstate(over="ignore", invalid="ignore"):
        total = probabilities.sum(axis=1)
    inside = ((probabilities >= 0) & (probabilities <= 1)).all(axis=1)
    wrong = np.where(inside, np.where(np.abs(total - 1) <= SUM_TOLERANCE, -1, 2), 1)
    return np.where(np.isnan(probabilities).any(axis=1), 0, wrong)
