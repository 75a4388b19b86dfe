"""How one task's predictions, and what became of them, are counted."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.calibration.distribution import DistributionTable, Said
from detectors.calibration.fixed import narrow
from detectors.estimate.class_table import ClassTable
from detectors.performance import (
    BinaryTable,
    MulticlassTable,
    RankingTable,
    RegressionTable,
    WeightedClasses,
    WeightedErrors,
)
from detectors.performance.multiclass import faults
from detectors.performance.predicted_sums import PredictedSums
from monitor.events import FloatArray, IntArray
from monitor.join.payload import Rows
from monitor.truth import relevance_of

BoolArray = NDArray[np.bool_]
WEIGHTED: Final = BinaryTable(np.array([0.5]), None, 2.0**-16, tops=())
"""Sums of 1 over the propensity of labelled rows, to 2⁻¹⁶."""
SAID_NUMBERS: Final = 2
"""Cells of what a regression predicted: rows with a number, rows without."""
_WEIGHTS: Final = "by_propensity"
MOST_ESTIMATED: Final = 20
"""Classes up to which all scores are counted by the class that was named, for estimates before labels."""


class Judge(Protocol):
    """Turns rows into vectors of counts that are linear in rows; a row of weight -1 leaves as it came."""

    @property
    def identity(self) -> str:
        """Hash of all that decides what the cells mean."""
        ...

    @property
    def said(self) -> int:
        """Cells of what was predicted, before labels."""
        ...

    @property
    def size(self) -> int:
        """Cells of what came of it."""
        ...

    def say(self, rows: Rows, group: IntArray, groups: int) -> IntArray:
        """Count predictions into one vector a group, ``[groups, said]``; ``group`` as for ``tally``."""
        ...

    def usable(self, labels: FloatArray) -> BoolArray:
        """Return which labels are of this task."""
        ...

    def tally(self, rows: Rows, labels: FloatArray, weight: IntArray, group: IntArray, groups: int) -> IntArray:
        """Count labelled rows into one vector a group, ``[groups, size]``.

        ``group`` holds the group of each row; ``[g, n]`` has each row count in g of them.
        """
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        ...


@dataclass(frozen=True, eq=False)
class BinaryJudge:
    """Scores and decisions of a binary model, or of whether the class that was named is right.

    What was predicted: rows by decision and score bin, then those without score by decision, then those with neither.
    What came of it: the cells of the table, and Σ (1 - 2p)² p (1 - p) in units of 2⁻³¹ for
    Spiegelhalter's test.
    """

    table: BinaryTable
    basis: str = ""
    """What else decides the meaning, such as the rule by which rows are flagged."""
    top: bool = False
    """Whether the score is that of the class that was named, and the outcome whether it is the true one."""
    thresholds: tuple[float, ...] = ()
    """Edges of the score at which decisions are judged besides; no part of the identity."""
    weighted: bool = False
    """Whether labelled rows stand for all rows, each for 1 over its propensity."""

    @property
    def bins(self) -> int:
        """Score bins."""
        return len(self.table.edges) + 1

    @property
    def said(self) -> int:
        """Twice the bins, and three."""
        return 2 * self.bins + 3

    @property
    def size(self) -> int:
        """The table's cells, those of the weighted one, and one."""
        return self.table.size + (WEIGHTED.size if self.weighted else 0) + 1

    @cached_property
    def identity(self) -> str:
        """Hash of the table and the basis."""
        more = (WEIGHTED.identity,) if self.weighted else ()
        return _hash("binary", self.table.identity, self.basis, self.top, *more)

    def say(self, rows: Rows, group: IntArray, groups: int) -> IntArray:
        """Count predictions by decision and score bin."""
        score, decided = self._decided(rows)
        scored = (score >= 0) & (score <= 1)
        cell = np.where(decided < 0, 2 * self.bins + 2, 2 * self.bins + decided)
        cell[scored] = self.table.code(score[scored]) + np.maximum(decided[scored], 0) * self.bins
        counted = np.bincount((group * self.said + cell).ravel(), minlength=groups * self.said)
        return counted.reshape(groups, self.said)

    def usable(self, labels: FloatArray) -> BoolArray:
        """Return which labels are 0 or 1; of a named class any number is."""
        found: BoolArray = np.isfinite(labels) if self.top else (labels == 0) | (labels == 1)
        return found

    def tally(self, rows: Rows, labels: FloatArray, weight: IntArray, group: IntArray, groups: int) -> IntArray:
        """Count labelled rows."""
        score, decided = self._decided(rows)
        truth = (labels == rows["predicted"]) if self.top else labels
        label = truth.astype(np.int64)
        amount = None if self.table.amount is None else rows["amount"].astype(np.float64)
        cells = self.table.tally(
            score, label, decided=decided, amount=amount, weight=weight, group=group, groups=groups
        )
        if self.weighted:
            share = rows["propensity"].astype(np.float64)
            usable = (share > 0) & (share <= 1)
            stands = np.where(usable, 1 / np.where(usable, share, 1.0), np.nan)
            more = WEIGHTED.tally(
                score, label, decided=decided, amount=stands, weight=weight, group=group, groups=groups
            )
            cells = np.concatenate([cells, more], axis=1)
        inside = (score >= 0) & (score <= 1)
        p = np.where(inside, score, 0.0)
        spread, units = np.zeros(groups, np.int64), weight * narrow((1 - 2 * p) ** 2 * p * (1 - p))
        for one in np.atleast_2d(group):
            np.add.at(spread, one, units)
        return np.concatenate([cells, spread[:, np.newaxis]], axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        plain = {"kind": "binary", "table": self.table.to_dict(), "basis": self.basis, "top": self.top}
        return plain | ({"weighted": True} if self.weighted else {})

    def _decided(self, rows: Rows) -> tuple[FloatArray, IntArray]:
        score = rows["score"].astype(np.float64) if "score" in (rows.dtype.names or ()) else np.full(len(rows), np.nan)
        if self.top:
            return score, np.where(rows["predicted"] >= 0, 1, 0).astype(np.int64)
        return score, rows["decided"].astype(np.int64)


@dataclass(frozen=True, eq=False)
class MulticlassJudge:
    """Classes that were named, the score of the class that was named, and the scores of all, where they are logged.

    What was predicted: rows by class, those of none last, then as ``confidence`` has it, then, of few classes, rows by
    class that was named, class and bin of that class's score. What came of it: the confusion matrix, then the cells of
    ``confidence``, then the calibration sums of every class, then those of ``by_propensity``.
    """

    table: MulticlassTable
    confidence: BinaryJudge | None = None
    scores: ClassTable | None = None
    by_propensity: WeightedClasses | None = None
    """Where labelled rows stand for all rows, each for 1 over its propensity."""

    @property
    def estimates(self) -> bool:
        """Whether the scores of all classes say what labels would show."""
        return self.scores is not None and len(self.table.classes) <= MOST_ESTIMATED

    @property
    def said(self) -> int:
        """Classes and one, those of the score, those of all scores."""
        return self._first_said + (self.scores.said if self.scores is not None and self.estimates else 0)

    @property
    def size(self) -> int:
        """Cells of all tables."""
        first: int = self.weights_known.start
        return first + (0 if self.by_propensity is None else self.by_propensity.size)

    @property
    def scores_said(self) -> slice:
        """Where the cells of all scores begin among those of predictions."""
        return slice(self._first_said, None)

    @property
    def scores_known(self) -> slice:
        """Where the cells of all scores are among those of what came of it."""
        return slice(self._first_known, self._first_known + (0 if self.scores is None else self.scores.known))

    @property
    def weights_known(self) -> slice:
        """Where the cells of ``by_propensity`` begin among those of what came of it."""
        return slice(self.scores_known.stop, None)

    @property
    def _first_said(self) -> int:
        return len(self.table.classes) + 1 + (0 if self.confidence is None else self.confidence.said)

    @property
    def _first_known(self) -> int:
        return self.table.size + (0 if self.confidence is None else self.confidence.size)

    @cached_property
    def identity(self) -> str:
        """Hash of all tables."""
        parts = (self.confidence and self.confidence.identity, self.scores and self.scores.identity)
        more = () if self.by_propensity is None else (self.by_propensity.identity,)
        return _hash("multiclass", self.table.identity, *(parts if self.scores else parts[:1]), *more)

    def say(self, rows: Rows, group: IntArray, groups: int) -> IntArray:
        """Count predictions by class."""
        number = len(self.table.classes)
        named = rows["predicted"].astype(np.int64)
        cell = np.where((named >= 0) & (named < number), named, number)
        counted = np.bincount((group * (number + 1) + cell).ravel(), minlength=groups * (number + 1))
        found = [counted.reshape(groups, number + 1)]
        if self.confidence is not None:
            found.append(self.confidence.say(rows, group, groups))
        if self.scores is not None and self.estimates:
            scores = np.where((faults(rows["scores"]) < 0)[:, np.newaxis], rows["scores"], np.nan)
            said = [self.scores.tally_predicted(scores, named, one, groups) for one in np.atleast_2d(group)]
            found += [np.sum(said, axis=0)]
        return np.concatenate(found, axis=1)

    def usable(self, labels: FloatArray) -> BoolArray:
        """Return which labels are numbers of classes."""
        found: BoolArray = (labels >= 0) & (labels < len(self.table.classes)) & (labels == np.floor(labels))
        return found

    def tally(self, rows: Rows, labels: FloatArray, weight: IntArray, group: IntArray, groups: int) -> IntArray:
        """Count labelled rows."""
        label, named = labels.astype(np.int64), rows["predicted"].astype(np.int64)
        scores = rows["scores"] if "scores" in (rows.dtype.names or ()) else None
        found = [self.table.tally(label, named, scores, weight=weight, group=group, groups=groups)]
        if self.confidence is not None:
            found.append(self.confidence.tally(rows, labels, weight, group, groups))
        if self.scores is not None and scores is not None:
            usable = np.where((faults(scores) < 0)[:, np.newaxis], scores, np.nan)
            known = [self.scores.tally_labelled(usable, label, weight, one, groups) for one in np.atleast_2d(group)]
            found += [np.sum(known, axis=0)]
        if self.by_propensity is not None:
            share = rows["propensity"].astype(np.float64)
            found += [self.by_propensity.tally(label, named, share, weight=weight, group=group, groups=groups)]
        return np.concatenate(found, axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        confidence = None if self.confidence is None else self.confidence.to_dict()
        scores = None if self.scores is None else self.scores.to_dict()
        plain = {"kind": "multiclass", "table": self.table.to_dict(), "confidence": confidence, "scores": scores}
        return plain | _weights_in(self.by_propensity)


@dataclass(frozen=True, eq=False)
class RegressionJudge:
    """Numbers that were predicted, and what predictions claim of their own error.

    What was predicted: rows with a number, rows without, then the cells of ``summed``. What came of it: the cells of
    the table, then those of ``claims``, then those of ``by_propensity``.
    """

    table: RegressionTable
    claims: DistributionTable | None = None
    by_propensity: WeightedErrors | None = None
    """Where labelled rows stand for all rows, each for 1 over its propensity."""
    summed: PredictedSums | None = None
    """Where the means of what was predicted are compared between groups."""

    @property
    def said(self) -> int:
        """Two, and the cells of ``summed``."""
        return SAID_NUMBERS + (0 if self.summed is None else self.summed.size)

    @property
    def size(self) -> int:
        """Cells of all tables."""
        first: int = self.weights_known.start
        return first + (0 if self.by_propensity is None else self.by_propensity.size)

    @property
    def claims_known(self) -> slice:
        """Where the cells of ``claims`` are among those of what came of it."""
        return slice(self.table.size, self.table.size + (0 if self.claims is None else self.claims.size))

    @property
    def weights_known(self) -> slice:
        """Where the cells of ``by_propensity`` begin among those of what came of it."""
        return slice(self.claims_known.stop, None)

    @property
    def identity(self) -> str:
        """Hash of all tables."""
        parts = [part.identity for part in (self.claims, self.by_propensity) if part is not None]
        parts += [] if self.summed is None else [repr(self.summed)]
        return _hash(self.table.identity, *parts) if parts else self.table.identity

    def say(self, rows: Rows, group: IntArray, groups: int) -> IntArray:
        """Count predictions."""
        predicted = rows["predicted"].astype(np.float64)
        missing = np.isnan(predicted).astype(np.int64)
        found = np.bincount((group * 2 + missing).ravel(), minlength=groups * 2).reshape(groups, SAID_NUMBERS)
        if self.summed is None:
            return found
        return np.concatenate([found, self.summed.tally(predicted, group, groups)], axis=1)

    def usable(self, labels: FloatArray) -> BoolArray:
        """Return which labels are finite."""
        found: BoolArray = np.isfinite(labels)
        return found

    def tally(self, rows: Rows, labels: FloatArray, weight: IntArray, group: IntArray, groups: int) -> IntArray:
        """Count labelled rows."""
        predicted = rows["predicted"].astype(np.float64)
        found = [self.table.tally(labels, predicted, weight=weight, group=group, groups=groups)]
        if self.claims is not None:
            said = claims_of(rows)
            claims = [self.claims.tally(labels, said, weight, one, groups) for one in np.atleast_2d(group)]
            found += [np.sum(claims, axis=0)]
        if self.by_propensity is not None:
            share = rows["propensity"].astype(np.float64)
            found += [self.by_propensity.tally(labels, predicted, share, weight=weight, group=group, groups=groups)]
        return found[0] if len(found) == 1 else np.concatenate(found, axis=1)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        claims = None if self.claims is None else self.claims.to_dict()
        plain = {"kind": "regression", "table": self.table.to_dict(), "claims": claims}
        return plain | _weights_in(self.by_propensity) | ({} if self.summed is None else {"summed": True})


@dataclass(frozen=True, eq=False)
class RankingJudge:
    """Ranked lists, and the relevance of their items or the one item that was chosen.

    What was predicted: lists. What came of it: the cells of the table. An item that was chosen and is not in the list
    is a relevant one that the list lacks; a label of 0 says that none was.
    """

    table: RankingTable
    by_item: bool = False

    @property
    def said(self) -> int:
        """One."""
        return 1

    @property
    def size(self) -> int:
        """The table's cells."""
        return self.table.size

    @property
    def identity(self) -> str:
        """Hash of the table and of what labels name."""
        return _hash("ranking", self.table.identity, self.by_item)

    def say(self, rows: Rows, group: IntArray, groups: int) -> IntArray:  # noqa: ARG002 - lists are counted alone
        """Count lists."""
        return np.bincount(group.ravel(), minlength=groups).reshape(groups, 1).astype(np.int64)

    def usable(self, labels: FloatArray) -> BoolArray:
        """Return which labels are packed relevance, or numbers of items."""
        found: BoolArray = (labels >= 0) & (labels < 2.0**53) & (labels == np.floor(labels))
        return found

    def tally(self, rows: Rows, labels: FloatArray, weight: IntArray, group: IntArray, groups: int) -> IntArray:
        """Count labelled lists."""
        if self.by_item:
            grades = (rows["items"] == labels[:, np.newaxis]).astype(np.float64)
            grades *= np.cumsum(grades, axis=1) == 1  # an item that is listed twice counts where it stands first
            relevant: IntArray | None = (labels > 0).astype(np.int64)
        else:
            grades, relevant = relevance_of(labels), None
        lengths = np.full(len(rows), grades.shape[1], np.int64)
        return self.table.tally(grades.ravel(), lengths, relevant=relevant, weight=weight, group=group, groups=groups)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"kind": "ranking", "table": self.table.to_dict(), "by_item": self.by_item}


def judge_of(data: Mapping[str, Any]) -> Judge:
    """Return the judge that ``to_dict`` took apart.

    Raises
    ------
    ValueError
        When its kind is unknown.
    """
    kind = data["kind"]
    if kind == "binary":
        return _binary(data)
    if kind == "multiclass":
        confidence = None if data["confidence"] is None else _binary(data["confidence"])
        scores = None if data.get("scores") is None else ClassTable.from_dict(data["scores"])
        weights = WeightedClasses.from_dict(data[_WEIGHTS]) if _WEIGHTS in data else None
        return MulticlassJudge(MulticlassTable.from_dict(data["table"]), confidence, scores, weights)
    if kind == "regression":
        claims = None if data.get("claims") is None else DistributionTable.from_dict(data["claims"])
        errors = WeightedErrors.from_dict(data[_WEIGHTS]) if _WEIGHTS in data else None
        table = RegressionTable.from_dict(data["table"])
        summed = PredictedSums(table.centre, table.scale) if data.get("summed") else None
        return RegressionJudge(table, claims, errors, summed)
    if kind == "ranking":
        return RankingJudge(RankingTable.from_dict(data["table"]), data["by_item"])
    raise ValueError(f"no judge of kind {kind!r}")


def claims_of(rows: Rows) -> Said:
    """Return what predictions claim of their own error; the outermost quantiles are an interval if nothing else is."""
    names = rows.dtype.names or ()
    parts = {name: rows[name].astype(np.float64) for name in ("lower", "upper", "deviation") if name in names}
    quantiles = rows["quantiles"].astype(np.float64) if "quantiles" in names else None
    if quantiles is not None and "lower" not in parts:
        parts |= {"lower": quantiles[:, 0], "upper": quantiles[:, -1]}
    return Said(**parts, quantiles=quantiles, mean=rows["predicted"].astype(np.float64))


def _weights_in(part: WeightedClasses | WeightedErrors | None) -> dict[str, Any]:
    return {} if part is None else {_WEIGHTS: part.to_dict()}


def _binary(data: Mapping[str, Any]) -> BinaryJudge:
    table = BinaryTable.from_dict(data["table"])
    return BinaryJudge(table, data["basis"], data["top"], weighted=data.get("weighted", False))


def _hash(*parts: object) -> str:
    return hashlib.blake2b(repr((1, *parts)).encode(), digest_size=8).hexdigest()
