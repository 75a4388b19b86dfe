"""Performance of a binary classifier: a table of exact counts, and every figure from it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detectors.fixed import Fixed
from detectors.lookup import Lookup
from detectors.performance.amounts import (
    Costs,
    add_amounts,
    amount_blocks,
    amount_figures,
    amounts_at,
    cost_figure,
)
from detectors.performance.confusion import decision_figures
from detectors.performance.curves import Curve, gini, lift
from detectors.performance.estimate import Estimate
from detectors.performance.intervals import proportion
from detectors.performance.layout import Layout, Rows, check_length, parts
from detectors.performance.losses import BRIER_BLOCKS, LOG_LOSS_BLOCKS, add_brier, add_log_loss, brier, log_loss
from detectors.performance.score_bins import score_edges

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

SCORE: Final = Fixed(bits=31, limbs=1)
"""Units of the sums of scores and of their squares: 2⁻³¹."""
_UNSCORED: Final = ("missing", "bad")


class ByBin(NamedTuple):
    """Sums in each score bin, ``[J, B]``; those of scores in units of 2⁻³¹, as ``ScoreBins.of_sums`` takes them."""

    n: IntArray
    positives: IntArray
    score_sum: IntArray
    score_square_sum: IntArray
    positive_score_sum: IntArray


@dataclass(frozen=True, eq=False)
class BinaryTable:
    """Counts of labelled rows by score bin, label and decision, and sums of losses and amounts.

    Bin i holds ``edges[i-1] <= score < edges[i]``, so ``score >= edge`` is a sum of bins. Scores are probabilities of
    the positive class; rows whose score is missing (NaN) or bad (outside [0, 1]) are counted apart, and only their
    label and their decision are used.

    Parameters
    ----------
    edges
        Strictly increasing, in (0, 1]; about 200, see ``fit``.
    decision
        Rows are flagged from this score on, unless ``tally`` is told which rows were flagged. None: it must be told.
    amount
        Smallest unit of the amounts at stake, such as 0.01; None when there are none.
    costs
        What each outcome costs; no part of the identity.
    tops
        Shares of the highest scores for capture and lift; no part of the identity.
    amount_by_bin
        Whether amounts are counted by score bin, too; without it there are none at other thresholds.

    Examples
    --------
    >>> table = BinaryTable(np.array([0.25, 0.5, 0.75]))
    >>> cells = table.tally(np.array([0.1, 0.6, 0.4, 0.9]), np.array([0, 0, 1, 1]))
    >>> figures = table.metrics(cells)
    >>> figures["recall"].value.tolist(), figures["roc_auc"].value.tolist(), figures["precision"].n.tolist()
    ([0.5], [0.75], [2])
    """

    edges: FloatArray
    decision: float | None = 0.5
    amount: float | None = None
    costs: Costs | None = None
    tops: tuple[float, ...] = (0.01, 0.05, 0.1)
    amount_by_bin: bool = True

    def __post_init__(self) -> None:
        inside = len(self.edges) and self.edges[0] > 0 and self.edges[-1] <= 1
        if not (inside and np.all(np.diff(self.edges) > 0)):
            raise ValueError("edges must be strictly increasing, above 0 and not above 1")
        if self.decision is not None and not np.isfinite(self.decision):
            raise ValueError(f"a decision needs a finite threshold, not {self.decision}")
        if self.amount is not None and not 0 < self.amount < np.inf:
            raise ValueError(f"the unit of amounts must be above 0, not {self.amount}")
        if self.costs is not None and self.costs.uses_amount and self.amount is None:
            raise ValueError("costs depend on an amount, but the table has no unit of amounts")
        if not all(0 < share <= 1 for share in self.tops):
            raise ValueError(f"shares of the highest scores must be above 0 and not above 1, not {self.tops}")

    @classmethod
    def fit(
        cls,
        scores: FloatArray,
        *,
        bins: int = 200,
        thresholds: Sequence[float] = (),
        decision: float | None = 0.5,
        amount: float | None = None,
        costs: Costs | None = None,
        tops: tuple[float, ...] = (0.01, 0.05, 0.1),
    ) -> BinaryTable:
        """Return a table with ``score_edges`` of a sample, the thresholds and the decision among them."""
        known = [*thresholds] if decision is None else [*thresholds, decision]
        return cls(score_edges(scores, bins, known), decision, amount, costs, tops)

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
        bins = len(self.edges) + 1
        return Layout(
            {
                "rows": (),
                "unscored": (2, len(_UNSCORED)),
                "confusion": (2, 2),
                "bins": (2, bins),
                "score": (2, bins, SCORE.limbs),
                "score_square": (bins, SCORE.limbs),
            }
            | BRIER_BLOCKS
            | LOG_LOSS_BLOCKS
            | ({} if self.amount is None else amount_blocks(bins if self.amount_by_bin else None))
        )

    @cached_property
    def identity(self) -> str:
        """Hash of all that decides what the cells mean."""
        digest = hashlib.blake2b(self.edges.astype("<f8").tobytes(), digest_size=8)
        more = () if self.amount_by_bin else ("by outcome",)
        digest.update(repr((1, self.decision, self.amount, *more)).encode())
        return f"binary:{digest.hexdigest()}"

    def cells(self, tables: IntArray) -> dict[str, IntArray]:
        """Return the named blocks of tables ``[J, size]``."""
        return self.layout.cells(tables)

    def tally(
        self,
        score: FloatArray,
        label: IntArray,
        *,
        decided: BoolArray | IntArray | None = None,
        amount: FloatArray | None = None,
        weight: IntArray | None = None,
        group: IntArray | None = None,
        groups: int = 1,
    ) -> IntArray:
        """Count labelled rows into one table a group.

        Parameters
        ----------
        score
            Probability of the positive class, ``[n]``.
        label
            0 or 1, ``[n]``; rows without a label are for the caller to leave out.
        decided
            Which rows the user of the model flagged, -1 where that is not known; None: those at or above ``decision``.
            A row whose decision is not known, or follows from no score, is in no confusion matrix.
        amount
            What is at stake, ``[n]``; counted as missing where it is NaN, negative or above 2⁴⁰ units.
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
            When a column has another length, a label is neither 0 nor 1, or decision or amount is wanting.
        OverflowError
            When the rows are more than a table can hold.
        """
        check_length(len(score), label=label, decided=decided, amount=amount)
        if len(label) and not np.isin(label, (0, 1)).all():
            raise ValueError("a label is neither 0 nor 1")
        if decided is None and self.decision is None:
            raise ValueError("the table has no decision, so it must be told which rows were flagged")
        if (amount is None) != (self.amount is None):
            raise ValueError("amounts must be given exactly where the table has a unit of them")
        tables = np.zeros((groups, self.size), np.int64)
        truth = label.astype(np.int64)
        for part, rows in parts(self.layout, tables, len(score), group, weight):
            flags = None if decided is None else decided[part]
            self._count(rows, score[part], truth[part], flags, None if amount is None else amount[part])
        return tables

    def metrics(self, tables: IntArray, alpha: float = 0.05) -> dict[str, Estimate]:
        """Return every figure of tables ``[J, size]``.

        Those of a decision are at the decision that was counted. Brier score and logarithmic loss have Student's
        interval of their logarithm.
        """
        cells = self.cells(tables)
        found = self._decision_figures(cells, alpha)
        scored = cells["bins"].sum(axis=(1, 2))
        labels = cells["bins"].sum(axis=2) + cells["unscored"].sum(axis=2)
        found["prevalence"] = proportion(labels[:, 1], labels.sum(axis=1), alpha)
        found["scored_share"] = proportion(scored, labels.sum(axis=1), alpha)
        found["brier"] = brier(cells, scored, alpha)
        found["log_loss"] = log_loss(cells, scored, alpha)
        curve = Curve.of(cells["bins"][:, 0], cells["bins"][:, 1])
        found["roc_auc"] = curve.roc_auc(alpha)
        found["gini"] = gini(found["roc_auc"])
        found["average_precision"] = curve.average_precision(alpha)
        found["ks"] = curve.ks(alpha)
        for share in self.tops:
            found[f"capture_at_{share:g}"] = curve.capture(share, alpha)
            found[f"lift_at_{share:g}"] = lift(found[f"capture_at_{share:g}"], share)
        return found

    def at(self, tables: IntArray, threshold: float, alpha: float = 0.05) -> dict[str, Estimate]:
        """Return the figures of the decision ``score >= threshold``, exact, over scored rows.

        The threshold must be an edge. Amounts and costs are included where the table has them.

        Raises
        ------
        ValueError
            When it is not; the message names the nearest edge. Or when amounts are not counted by bin.
        """
        if self.amount is not None and not self.amount_by_bin:
            raise ValueError("amounts are not counted by score bin, so there are none at another threshold")
        place = int(np.searchsorted(self.edges, threshold))
        if place == len(self.edges) or self.edges[place] != threshold:
            nearest = float(self.edges[np.argmin(np.abs(self.edges - threshold))])
            raise ValueError(f"{threshold:g} is no edge of the score bins; the nearest is {nearest!r}")
        cells = self.cells(tables)
        sides = cells["bins"][:, :, : place + 1], cells["bins"][:, :, place + 1 :]
        there = {"confusion": np.stack([side.sum(axis=2) for side in sides], axis=2)}
        if self.amount is not None:
            there |= amounts_at(cells, place + 1)
        return self._decision_figures(there, alpha)

    def code(self, score: FloatArray) -> IntArray:
        """Return the bin of each score in [0, 1]."""
        return self._lookup.bins(score)

    def by_bin(self, tables: IntArray) -> ByBin:
        """Return rows, positives and sums of scores in each bin, for calibration."""
        cells = self.cells(tables)
        n, scores = cells["bins"].sum(axis=1), cells["score"][..., 0]
        return ByBin(n, cells["bins"][:, 1], scores.sum(axis=1), cells["score_square"][..., 0], scores[:, 1])

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; floats keep every digit."""
        return {
            "kind": "binary",
            "edges": self.edges.tolist(),
            "decision": self.decision,
            "amount": self.amount,
            "costs": None if self.costs is None else self.costs.to_dict(),
            "tops": list(self.tops),
            "amount_by_bin": self.amount_by_bin,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> BinaryTable:
        """Return what ``to_dict`` took apart."""
        costs = None if data["costs"] is None else Costs.from_dict(data["costs"])
        edges, by_bin = np.array(data["edges"], np.float64), data.get("amount_by_bin", True)
        return cls(edges, data["decision"], data["amount"], costs, tuple(data["tops"]), by_bin)

    @cached_property
    def _lookup(self) -> Lookup:
        return Lookup(np.nextafter(self.edges, -np.inf))

    def _decision_figures(self, cells: Mapping[str, IntArray], alpha: float) -> dict[str, Estimate]:
        found = decision_figures(cells["confusion"], alpha)
        if self.amount is not None:
            found |= amount_figures(cells, self.amount, alpha)
        if self.costs is not None:
            found["cost"] = cost_figure(self.costs, cells, self.amount, alpha)
        return found

    def _count(
        self,
        rows: Rows,
        score: FloatArray,
        label: IntArray,
        decided: BoolArray | IntArray | None,
        amount: FloatArray | None,
    ) -> None:
        rows.count("rows")
        scored = (score >= 0) & (score <= 1)
        if not scored.all():
            kind = np.where(np.isnan(score), 0, 1)
            rows.only(~scored).count("unscored", (2 * label + kind)[~scored])
        known = scored if decided is None else decided >= 0
        threshold = np.inf if self.decision is None else self.decision
        outcome = 2 * label + (score >= threshold if decided is None else decided)
        rows.only(known).count("confusion", outcome[known])
        place = self.code(score[scored])
        by_label = place + label[scored] * (len(self.edges) + 1)
        _add_scores(rows.only(scored), score[scored], label[scored], place, by_label)
        if amount is not None and self.amount is not None:
            units = amount / self.amount
            add_amounts(rows.only(known), units[known], outcome[known])
            if self.amount_by_bin:
                add_amounts(rows.only(scored), units[scored], by_label, "_by_bin")


def _add_scores(rows: Rows, score: FloatArray, label: IntArray, place: IntArray, by_label: IntArray) -> None:
    rows.count("bins", by_label)
    rows.add("score", SCORE.split(score), by_label)
    rows.add("score_square", SCORE.split(score * score), place)
    true = np.where(label == 1, score, 1 - score)
    add_brier(rows, true)
    add_log_loss(rows, true)
