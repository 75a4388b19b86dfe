"""Figures of a decision weighted by the amount at stake, and what its outcomes cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.fixed import Fixed
from detectors.performance.estimate import Estimate, estimate
from detectors.performance.intervals import bounded, normal, ratio
from detectors.performance.layout import Rows

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

AMOUNT: Final = Fixed(bits=0, limbs=2)
AMOUNT_SQUARE: Final = Fixed(bits=0, limbs=3)
MOST_UNITS: Final = 2.0**40
"""Amounts above so many units are counted as missing."""
_TRUE_NEGATIVE, _FALSE_POSITIVE, _FALSE_NEGATIVE, _TRUE_POSITIVE = range(4)
_SHARES: Final = {
    "accuracy_by_amount": ((_TRUE_NEGATIVE, _TRUE_POSITIVE), (0, 1, 2, 3)),
    "precision_by_amount": ((_TRUE_POSITIVE,), (_FALSE_POSITIVE, _TRUE_POSITIVE)),
    "recall_by_amount": ((_TRUE_POSITIVE,), (_FALSE_NEGATIVE, _TRUE_POSITIVE)),
    "specificity_by_amount": ((_TRUE_NEGATIVE,), (_TRUE_NEGATIVE, _FALSE_POSITIVE)),
    "flagged_share_by_amount": ((_FALSE_POSITIVE, _TRUE_POSITIVE), (0, 1, 2, 3)),
}
"""Figure → the outcomes of the part and of the whole."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Cost of one row of each outcome: ``fixed``, and ``of_amount`` for each 1 of the amount at stake; gains negative.

    Both in the order true negative, false positive, false negative, true positive.

    Examples
    --------
    >>> Costs(fixed=(0.0, 5.0, 0.0, 5.0), of_amount=(0.0, 0.0, 1.0, 0.0)).uses_amount
    True
    """

    fixed: tuple[float, float, float, float]
    of_amount: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        if len(self.fixed) != 4 or len(self.of_amount) != 4 or not np.all(np.isfinite([*self.fixed, *self.of_amount])):
            raise ValueError(
                "costs are four finite numbers: true negative, false positive, false negative, true positive"
            )

    @property
    def uses_amount(self) -> bool:
        """Whether the cost of any outcome depends on the amount."""
        return any(self.of_amount)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"fixed": list(self.fixed), "of_amount": list(self.of_amount)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Costs:
        """Return what ``to_dict`` took apart."""
        return cls(tuple(data["fixed"]), tuple(data["of_amount"]))


def amount_blocks(bins: int | None) -> dict[str, tuple[int, ...]]:
    """Return the blocks of amounts: by outcome and, for decisions at other thresholds, by label and score bin."""
    by_outcome = _blocks((2, 2))
    by_bin = {} if bins is None else {f"{name}_by_bin": shape for name, shape in _blocks((2, bins)).items()}
    return {"amount_missing": (), **by_outcome, **by_bin}


def add_amounts(rows: Rows, units: FloatArray, place: IntArray, suffix: str = "") -> None:
    """Add amounts and their squares to the sums of each row's outcome, or of its label and bin (``_by_bin``)."""
    there = (units >= 0) & (units <= MOST_UNITS)
    kept, where = rows.only(there), place[there]
    whole = np.rint(units[there])
    kept.count(f"amount_rows{suffix}", where)
    kept.add(f"amount{suffix}", AMOUNT.split(whole), where)
    kept.add(f"amount_square{suffix}", AMOUNT_SQUARE.split(whole * whole), where)
    if not suffix and not there.all():
        rows.only(~there).count("amount_missing")


def amounts_at(cells: Mapping[str, IntArray], bins_below: int) -> dict[str, IntArray]:
    """Return the blocks by outcome of flagging every score but those of the first ``bins_below`` bins."""
    found = {}
    for name in _blocks(()):
        by_bin = cells[f"{name}_by_bin"]
        sides = by_bin[:, :, :bins_below], by_bin[:, :, bins_below:]
        found[name] = np.stack([side.sum(axis=2) for side in sides], axis=2)
    return found


def amount_figures(cells: Mapping[str, IntArray], unit: float, alpha: float) -> dict[str, Estimate]:
    """Return the figures of the decision in which every row counts by its amount.

    A share R of amounts is a ratio of sums, with the variance Σ a²(hit - R)² / (Σ a)²; the interval is Wilson's at the
    effective number of rows.
    """
    rows, amounts, squares = _sums(cells)
    found = {}
    for name, (hits, all_) in _SHARES.items():
        hit, whole = list(hits), list(all_)
        misses = [place for place in whole if place not in hits]
        total = amounts[:, whole].sum(axis=1)
        value = ratio(amounts[:, hit].sum(axis=1), total)
        spread = squares[:, hit].sum(axis=1) * (1 - value) ** 2 + squares[:, misses].sum(axis=1) * value**2
        effective = ratio(total**2, squares[:, whole].sum(axis=1))
        interval = bounded(value, ratio(spread, total**2), effective, alpha)
        found[name] = estimate(value, interval, rows[:, whole].sum(axis=1), alpha)
    whole_rows = rows.sum(axis=1)
    mean, variance = _mean_cost(rows, amounts * unit, squares * unit**2, np.zeros(4), np.ones(4))
    found["mean_amount"] = estimate(mean, normal(mean, variance, whole_rows, alpha), whole_rows, alpha)
    return found


def cost_figure(costs: Costs, cells: Mapping[str, IntArray], unit: float | None, alpha: float) -> Estimate:
    """Return the mean cost of a row with Student's interval; over rows with an amount, if the costs depend on it."""
    fixed, of_amount = np.array(costs.fixed), np.array(costs.of_amount)
    if costs.uses_amount and unit is not None:
        rows, amounts, squares = _sums(cells)
        mean, variance = _mean_cost(rows, amounts * unit, squares * unit**2, fixed, of_amount)
    else:
        rows = cells["confusion"].reshape(-1, 4)
        none = np.zeros(rows.shape)
        mean, variance = _mean_cost(rows, none, none, fixed, of_amount)
    whole = rows.sum(axis=1)
    return estimate(mean, normal(mean, variance, whole, alpha), whole, alpha)


def _blocks(shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {
        "amount_rows": shape,
        "amount": (*shape, AMOUNT.limbs),
        "amount_square": (*shape, AMOUNT_SQUARE.limbs),
    }


def _sums(cells: Mapping[str, IntArray]) -> tuple[IntArray, FloatArray, FloatArray]:
    """Return rows, amounts in units and their squares of the four outcomes, ``[J, 4]``."""
    shape = (-1, 4)
    amounts, squares = AMOUNT.value(cells["amount"]), AMOUNT_SQUARE.value(cells["amount_square"])
    return cells["amount_rows"].reshape(shape), amounts.reshape(shape), squares.reshape(shape)


def _mean_cost(
    rows: IntArray, amounts: FloatArray, squares: FloatArray, fixed: FloatArray, of_amount: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the mean over rows of fixed + of_amount·amount, and the variance of that mean.

    Deviations are taken within each outcome and between the outcomes, so that large amounts do not cancel.
    """
    whole = rows.sum(axis=1)
    each = ratio(amounts, rows)
    costs = np.where(rows > 0, fixed + of_amount * np.nan_to_num(each), 0.0)
    mean = ratio((rows * costs).sum(axis=1), whole)
    within = np.where(rows > 0, of_amount**2 * np.maximum(squares - amounts * np.nan_to_num(each), 0.0), 0.0)
    between = rows * (costs - mean[:, np.newaxis]) ** 2
    variance = ratio(ratio((within + between).sum(axis=1), np.maximum(whole - 1, 0)), whole)
    return mean, variance
