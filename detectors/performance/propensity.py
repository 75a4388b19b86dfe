"""Figures of all rows from those that were explored at random: each stands for 1 over the propensity of its action.

A mean θ of all rows is Σwy / Σw, the self-normalised estimate of Hájek. It is biased by about 1/n, but does not depend
on the sum of the weights. Its variance is Σw²(y - θ)² / (Σw)², times n/(n - 1) at the effective number of rows
n = (Σw)² / Σw² (Kish); other figures have the delta method's. With equal weights all equal those without weights.

References
----------
Hájek (1971), comment on Basu; Kish (1965), Survey Sampling; Owen (2013), Monte Carlo theory, methods and examples, 9.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.bins import HUGE
from detectors.fixed import ExactArray, Fixed
from detectors.performance.averages import FIGURES, averaged_by_weight
from detectors.performance.error_sums import LIMIT
from detectors.performance.estimate import Estimate, estimate
from detectors.performance.intervals import bounded, log_normal, normal, ratio
from detectors.performance.layout import Layout, Rows, check_length, parts

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MOST_WEIGHT: Final = 2.0**24
"""Rows of a smaller propensity than 1 over it count as if they had none."""
BY: Final = "_by_propensity"
"""Ends the names of these figures."""
_WEIGHT: Final = Fixed(bits=16, limbs=2)
_SQUARE: Final = Fixed(bits=32, limbs=3)
_SUMS: Final[dict[str, Fixed]] = {
    "weight": _WEIGHT,
    "weight_square": _SQUARE,
    "error": Fixed(bits=46, limbs=3),
    "error_size": Fixed(bits=46, limbs=3),
    "error_square": Fixed(bits=62, limbs=4),
    "square_error": Fixed(bits=46, limbs=4),
    "square_error_size": Fixed(bits=46, limbs=4),
    "square_error_square": Fixed(bits=62, limbs=5),
    "square_error_fourth": Fixed(bits=62, limbs=6),
}
"""Sums of w·y, then of w²·y; errors are in scales."""


def weights_of(propensity: FloatArray) -> FloatArray:
    """Return 1 over the propensity to 2⁻¹⁶; NaN where it is not above 2⁻²⁴ and at most 1.

    >>> weights_of(np.array([0.25, 1.0, 0.0, 1.5, np.nan])).tolist()
    [4.0, 1.0, nan, nan, nan]
    """
    usable = (propensity >= 1 / MOST_WEIGHT) & (propensity <= 1)
    weights: FloatArray = np.rint(2.0**16 / np.where(usable, propensity, np.nan)) / 2.0**16
    return weights


@dataclass(frozen=True, eq=False)
class WeightedClasses:
    """Weights of labelled rows, and their squares, by label and prediction.

    Codes and rows are as ``MulticlassTable`` has them.

    Examples
    --------
    >>> table = WeightedClasses(2)
    >>> label, said = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1])
    >>> cells = table.tally(label, said, np.array([1.0, 0.25, 1.0, 0.5]))
    >>> float(table.metrics(cells)["accuracy_by_propensity"].value[0])
    0.5
    """

    classes: int

    @property
    def size(self) -> int:
        """Cells of a table."""
        return self.layout.size

    @cached_property
    def layout(self) -> Layout:
        """Where the cells are."""
        shape = (self.classes, self.classes + 1)
        return Layout(
            {
                "rows": (),
                "unweighted": (),
                "confusion": shape,
                "weight": (*shape, _WEIGHT.limbs),
                "weight_square": (*shape, _SQUARE.limbs),
            }
        )

    @property
    def identity(self) -> str:
        """What decides what the cells mean."""
        return f"weighted_classes:1:{self.classes}"

    def tally(
        self,
        label: IntArray,
        predicted: IntArray,
        propensity: FloatArray,
        *,
        weight: IntArray | None = None,
        group: IntArray | None = None,
        groups: int = 1,
    ) -> IntArray:
        """Count labelled rows into one table a group, ``[groups, size]``; see ``MulticlassTable.tally``.

        Raises
        ------
        ValueError
            When a column has another length, or a group does not exist.
        OverflowError
            When the rows are more than a table can hold.
        """
        check_length(len(label), label=label, predicted=predicted, propensity=propensity)
        tables = np.zeros((groups, self.size), np.int64)
        stands, number = weights_of(propensity), self.classes
        for part, rows in parts(self.layout, tables, len(label), group, weight):
            rows.count("rows")
            known = (label[part] >= 0) & (label[part] < number)
            usable = known & np.isfinite(stands[part])
            rows.only(known & ~usable).count("unweighted")
            said = np.where((predicted[part] >= 0) & (predicted[part] < number), predicted[part], number)
            cell, own, kept = (label[part] * (number + 1) + said)[usable], stands[part][usable], rows.only(usable)
            kept.count("confusion", cell)
            kept.add("weight", _WEIGHT.split(own), cell)
            kept.add("weight_square", _SQUARE.split(own * own), cell)
        return tables

    def metrics(self, tables: IntArray, alpha: float = 0.05) -> dict[str, Estimate]:
        """Return accuracy, and macro and weighted averages over classes, of all rows.

        Intervals are Wilson's at the effective number of rows.
        """
        cells = self.layout.cells(tables)
        weights, squares = (
            _square(fixed.value(cells[name])) for name, fixed in (("weight", _WEIGHT), ("weight_square", _SQUARE))
        )
        rows = cells["confusion"].sum(axis=(1, 2))
        total, all_squares = weights.sum(axis=(1, 2)), squares.sum(axis=(1, 2))
        effective = ratio(total**2, all_squares)
        hit, hit_squares = (np.trace(part, axis1=1, axis2=2) for part in (weights, squares))
        share = ratio(hit, total)
        spread = hit_squares * (1 - share) ** 2 + (all_squares - hit_squares) * share**2
        found = {"accuracy": estimate(share, bounded(share, ratio(spread, total**2), effective, alpha), rows, alpha)}
        for figure in FIGURES:
            for weighted, name in ((False, f"{figure}_macro"), (True, f"{figure}_weighted")):
                value, interval = averaged_by_weight(
                    weights, squares, self.classes, figure, weighted=weighted, alpha=alpha
                )
                found[name] = estimate(value, interval, rows, alpha)
        return {f"{name}{BY}": figure for name, figure in found.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"classes": self.classes}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> WeightedClasses:
        """Return what ``to_dict`` took apart."""
        return cls(data["classes"])


@dataclass(frozen=True, eq=False)
class WeightedErrors:
    """Sums of the errors of a regression, each row by its weight, in fixed point.

    Errors beyond 2¹⁵ ``scale`` count as that much; the bound of all figures is then infinite.

    Examples
    --------
    >>> table = WeightedErrors(1.0)
    >>> cells = table.tally(np.array([1.0, 1.0]), np.array([2.0, -1.0]), np.array([0.25, 0.5]))
    >>> {name: round(float(one.value[0]), 3) for name, one in table.metrics(cells).items()}
    {'bias_by_propensity': 0.0, 'mae_by_propensity': 1.333, 'mse_by_propensity': 2.0, 'rmse_by_propensity': 1.414}
    """

    scale: float

    @property
    def size(self) -> int:
        """Cells of a table."""
        return self.layout.size

    @cached_property
    def layout(self) -> Layout:
        """Where the cells are."""
        sums = {name: (fixed.limbs,) for name, fixed in _SUMS.items()}
        return Layout({"rows": (), "unusable": (), "unweighted": (), "clipped": (), **sums})

    @property
    def identity(self) -> str:
        """What decides what the cells mean."""
        return f"weighted_errors:1:{self.scale!r}"

    def tally(
        self,
        target: FloatArray,
        predicted: FloatArray,
        propensity: FloatArray,
        *,
        weight: IntArray | None = None,
        group: IntArray | None = None,
        groups: int = 1,
    ) -> IntArray:
        """Count labelled rows into one table a group, ``[groups, size]``; see ``RegressionTable.tally``.

        Raises
        ------
        ValueError
            When a column has another length, or a group does not exist.
        OverflowError
            When the rows are more than a table can hold.
        """
        check_length(len(target), target=target, predicted=predicted, propensity=propensity)
        tables = np.zeros((groups, self.size), np.int64)
        stands = weights_of(propensity)
        for part, rows in parts(self.layout, tables, len(target), group, weight):
            rows.count("rows")
            there = (np.abs(target[part]) <= HUGE) & (np.abs(predicted[part]) <= HUGE)
            usable = there & np.isfinite(stands[part])
            rows.only(~there).count("unusable")
            rows.only(there & ~usable).count("unweighted")
            error = (predicted[part][usable] - target[part][usable]) / self.scale
            self._add(rows.only(usable), error, stands[part][usable])
        return tables

    def metrics(self, tables: IntArray, alpha: float = 0.05) -> dict[str, Estimate]:
        """Return bias, MAE, MSE and RMSE of all rows.

        Bias has Student's interval, losses Student's of their logarithm, at the effective number of rows.
        """
        cells = self.layout.cells(tables)
        sums = {name: fixed.exact(cells[name]) for name, fixed in _SUMS.items()}
        rows = cells["rows"] - cells["unusable"] - cells["unweighted"]
        bound = np.where(cells["clipped"] > 0, np.inf, 0.0)
        effective = _effective(sums)
        bias, bias_variance = self._mean(sums, ("error", "square_error", "square_error_square"), 1, effective)
        mae, mae_variance = self._mean(sums, ("error_size", "square_error_size", "square_error_square"), 1, effective)
        mse, mse_variance = self._mean(
            sums, ("error_square", "square_error_square", "square_error_fourth"), 2, effective
        )
        of_mse = log_normal(mse, mse_variance, effective, alpha)
        root = np.sqrt(of_mse[0]), np.sqrt(of_mse[1])
        return {
            f"bias{BY}": estimate(bias, normal(bias, bias_variance, effective, alpha), rows, alpha, bound),
            f"mae{BY}": estimate(mae, log_normal(mae, mae_variance, effective, alpha), rows, alpha, bound),
            f"mse{BY}": estimate(mse, of_mse, rows, alpha, bound),
            f"rmse{BY}": estimate(np.sqrt(mse), root, rows, alpha, bound),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"scale": self.scale}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> WeightedErrors:
        """Return what ``to_dict`` took apart."""
        return cls(data["scale"])

    def _add(self, rows: Rows, error: FloatArray, weight: FloatArray) -> None:
        beyond = np.abs(error) > LIMIT
        if beyond.any():
            rows.only(beyond).count("clipped")
            error = np.clip(error, -LIMIT, LIMIT)
        size, square, squared = np.abs(error), error * error, weight * weight
        numbers = {
            "weight": weight,
            "weight_square": squared,
            "error": weight * error,
            "error_size": weight * size,
            "error_square": weight * square,
            "square_error": squared * error,
            "square_error_size": squared * size,
            "square_error_square": squared * square,
            "square_error_fourth": squared * square * square,
        }
        for name, values in numbers.items():
            rows.add(name, _SUMS[name].split(values))

    def _mean(
        self, sums: Mapping[str, ExactArray], names: tuple[str, str, str], power: int, effective: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return Σwy / Σw and its variance; ``names`` are of Σwy, Σw²y and Σw²y².

        Σw²(y - θ)² is worked out in whole numbers, so that a large θ does not cancel.
        """
        first, cross, second = names
        total, mass, of_cross = sums["weight"], sums[first], sums[cross]
        bits = _SUMS[first].bits - _WEIGHT.bits
        mean = self.scale**power * _quotient(mass, total, bits)
        # with Y/W for θ: (Σw²y²·W² - 2·Σw²y·Y·W + Σw²·Y²) / W⁴, all in units of 2⁻ᵘ
        parts_ = (
            (sums[second] * total * total, _SUMS[second].bits + 2 * _WEIGHT.bits),
            (-2 * of_cross * mass * total, _SUMS[cross].bits + _SUMS[first].bits + _WEIGHT.bits),
            (sums["weight_square"] * mass * mass, _SQUARE.bits + 2 * _SUMS[first].bits),
        )
        most = max(unit for _, unit in parts_)
        spread = sum(part * (1 << (most - unit)) for part, unit in parts_)
        variance = np.maximum(_quotient(np.asarray(spread, object), total**4, most - 4 * _WEIGHT.bits), 0.0)
        less = np.maximum(effective - 1, 0.0)
        return mean, self.scale ** (2 * power) * variance * ratio(effective, less)


def _effective(sums: Mapping[str, ExactArray]) -> FloatArray:
    effective = _quotient(sums["weight"] ** 2, sums["weight_square"], 2 * _WEIGHT.bits - _SQUARE.bits)
    found: FloatArray = np.nan_to_num(effective)
    return found


def _quotient(part: ExactArray, whole: ExactArray, bits: int) -> FloatArray:
    """Return part / (whole · 2ᵇⁱᵗˢ); NaN where the whole is 0."""
    some = np.array([one != 0 for one in whole], np.bool_)
    found = np.full(len(whole), np.nan)
    for place in np.flatnonzero(some).tolist():
        above, below = part[place], whole[place]
        found[place] = above / (below << bits) if bits >= 0 else (above << -bits) / below
    return found


def _square(cells: FloatArray) -> FloatArray:
    return np.concatenate([cells, np.zeros_like(cells[:, :1])], axis=1)
