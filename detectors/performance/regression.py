"""Performance of a regression: a table of fixed-point sums and error counts, and every figure from it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.bins import HUGE
from detectors.lookup import Lookup
from detectors.performance.error_quantiles import error_edges, error_quantile
from detectors.performance.error_sums import BLOCKS, LIMIT, UNITS, Sums, add_errors, add_relative
from detectors.performance.estimate import Estimate
from detectors.performance.intervals import mean_of
from detectors.performance.layout import Layout, Rows, check_length, parts
from detectors.performance.regression_figures import mean_figures, quantile_loss, r_squared

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_UNUSABLE: Final = ("missing_prediction", "bad_prediction", "bad_target")
_ERRORS: Final = ("error", "error_square")
_HUBER: Final = 1.345
"""Huber's loss at so many root mean squares keeps 95 % of the information about a normal error (Huber 1964)."""


@dataclass(frozen=True, eq=False)
class RegressionTable:
    """Sums of errors and targets in fixed point, and counts of errors in bins.

    An error is predicted - target. A row's is off by at most 2⁻⁴⁷ ``error_scale``, its square by 2⁻⁶³ of them squared.
    Predictions that are missing (NaN) or bad (beyond 1e300), and targets beyond 1e300 or NaN, are counted apart.

    Parameters
    ----------
    centre, scale
        Middle and spread of usual targets. Sums are of (target - centre) / scale.
    error_scale
        Size of usual errors. Errors beyond 2¹⁵ of them, and targets beyond 2¹⁵ scales from the centre, count as that
        much; the bound of all means is then infinite.
    error_edges
        Edges of the error bins, strictly increasing.
    delta
        Where Huber's loss turns from half the square to a line; None: 1.345 ``error_scale``.
    quantiles
        Levels of the quantile (pinball) losses; no part of the identity.
    error_quantiles
        Levels of the quantiles of the error; no part of the identity.

    Examples
    --------
    >>> table = RegressionTable(0.0, 1.0, 1.0, np.array([-1.0, 0.0, 1.0]))
    >>> figures = table.metrics(table.tally(np.array([1.0, 2.0, 3.0]), np.array([1.5, 2.0, 2.0])))
    >>> [float(figures[name].value[0].round(6)) for name in ("mae", "rmse", "bias", "r2")]
    [0.5, 0.645497, -0.166667, 0.375]
    """

    centre: float
    scale: float
    error_scale: float
    error_edges: FloatArray
    delta: float | None = None
    quantiles: tuple[float, ...] = (0.1, 0.9)
    error_quantiles: tuple[float, ...] = (0.05, 0.5, 0.95)

    def __post_init__(self) -> None:
        scales = (self.scale, self.error_scale, self.huber_delta)
        if not (np.isfinite(self.centre) and all(0 < scale < HUGE for scale in scales)):
            raise ValueError(f"centre and scales must be finite, scales above 0, not {self.centre}, {scales}")
        if self.huber_delta > LIMIT * self.error_scale:
            raise ValueError(f"delta {self.huber_delta:g} is above the largest error, {LIMIT * self.error_scale:g}")
        if not (
            len(self.error_edges) and np.all(np.isfinite(self.error_edges)) and np.all(np.diff(self.error_edges) > 0)
        ):
            raise ValueError("error edges must be finite and strictly increasing")
        if not all(0 < share < 1 for share in (*self.quantiles, *self.error_quantiles)):
            raise ValueError("levels of quantiles must be between 0 and 1")

    @classmethod
    def fit(
        cls, target: FloatArray, predicted: FloatArray, *, bins: int = 200, delta: float | None = None
    ) -> RegressionTable:
        """Return a table for rows like these; scales are powers of two, so that dividing by them does not round."""
        usable = (np.abs(target) <= HUGE) & (np.abs(predicted) <= HUGE)
        true, error = target[usable], predicted[usable] - target[usable]
        centre = float(true.mean()) if len(true) else 0.0
        return cls(centre, _power(true - centre), _power(error), error_edges(error, bins), delta)

    @property
    def huber_delta(self) -> float:
        """Where Huber's loss turns to a line, in units of the target."""
        return _HUBER * self.error_scale if self.delta is None else self.delta

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
        blocks: dict[str, tuple[int, ...]] = {
            "rows": (),
            "unusable": (len(_UNUSABLE),),
            "errors": (len(self.error_edges) + 1,),
            "clipped": (),
            "relative_rows": (),
            "relative_clipped": (),
        }
        return Layout(blocks | BLOCKS)

    @cached_property
    def identity(self) -> str:
        """Hash of all that decides what the cells mean."""
        digest = hashlib.blake2b(self.error_edges.astype("<f8").tobytes(), digest_size=8)
        digest.update(repr((1, self.centre, self.scale, self.error_scale, self.huber_delta)).encode())
        return f"regression:{digest.hexdigest()}"

    def cells(self, tables: IntArray) -> dict[str, IntArray]:
        """Return the named blocks of tables ``[J, size]``."""
        return self.layout.cells(tables)

    def tally(
        self,
        target: FloatArray,
        predicted: FloatArray,
        *,
        weight: IntArray | None = None,
        group: IntArray | None = None,
        groups: int = 1,
    ) -> IntArray:
        """Count rows into one table a group.

        Parameters
        ----------
        target
            What was true, ``[n]``; rows without it are for the caller to leave out.
        predicted
            What the model said, ``[n]``.
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
            When a column has another length, or a group does not exist.
        OverflowError
            When the rows are more than a table can hold.
        """
        check_length(len(target), target=target, predicted=predicted)
        tables = np.zeros((groups, self.size), np.int64)
        for part, rows in parts(self.layout, tables, len(target), group, weight):
            self._count(rows, target[part], predicted[part])
        return tables

    def metrics(self, tables: IntArray, alpha: float = 0.05) -> dict[str, Estimate]:
        """Return every figure of tables ``[J, size]``.

        Bias has Student's interval, losses Student's of their logarithm, R² the normal one of ln(1 - R²), SMAPE
        Wilson's at the effective number of rows. MAPE rests on the rows whose target is not 0.
        """
        cells = self.cells(tables)
        sums, rows = Sums.of(cells), cells["errors"].sum(axis=1)
        bound = np.where(cells["clipped"] > 0, np.inf, 0.0)
        relative = (cells["relative_rows"], np.where(cells["relative_clipped"] > 0, np.inf, 0.0))
        found = mean_figures(sums, rows, self.error_scale, bound, relative, alpha)
        found["r2"] = r_squared(sums, rows, self.error_scale / self.scale, bound, alpha)
        for share in self.quantiles:
            found[f"quantile_loss_{share:g}"] = quantile_loss(sums, rows, share, self.error_scale, bound, alpha)
        for share in self.error_quantiles:
            found[f"error_quantile_{share:g}"] = error_quantile(cells["errors"], self.error_edges, share, alpha)
        return found

    def mean_error(self, tables: IntArray) -> tuple[FloatArray, FloatArray, IntArray]:
        """Return the mean error, the variance of that mean, and rows; NaN where unknown."""
        cells = self.cells(tables)
        sums, rows = Sums.of(cells), cells["errors"].sum(axis=1)
        first, second = _ERRORS
        units = UNITS[first], UNITS[second]
        mean, variance = mean_of(sums.exact[first], sums.exact[second], rows, *units, self.error_scale)
        return mean, variance, rows

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; floats keep every digit."""
        return {
            "kind": "regression",
            "centre": self.centre,
            "scale": self.scale,
            "error_scale": self.error_scale,
            "error_edges": self.error_edges.tolist(),
            "delta": self.delta,
            "quantiles": list(self.quantiles),
            "error_quantiles": list(self.error_quantiles),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RegressionTable:
        """Return what ``to_dict`` took apart."""
        return cls(
            data["centre"],
            data["scale"],
            data["error_scale"],
            np.array(data["error_edges"], np.float64),
            data["delta"],
            tuple(data["quantiles"]),
            tuple(data["error_quantiles"]),
        )

    @cached_property
    def _lookup(self) -> Lookup:
        return Lookup(self.error_edges)

    def _count(self, rows: Rows, target: FloatArray, predicted: FloatArray) -> None:
        rows.count("rows")
        judged, said = np.abs(target) <= HUGE, np.abs(predicted) <= HUGE
        usable = judged & said
        if not usable.all():
            kind = np.where(judged, np.where(np.isnan(predicted), 0, 1), 2)
            rows.only(~usable).count("unusable", kind[~usable])
            rows, target, predicted = rows.only(usable), target[usable], predicted[usable]
        difference = predicted - target
        rows.count("errors", self._lookup.bins(difference))
        error, true = difference / self.error_scale, (target - self.centre) / self.scale
        beyond = (np.abs(error) > LIMIT) | (np.abs(true) > LIMIT)
        if beyond.any():
            rows.only(beyond).count("clipped")
            error, true = np.clip(error, -LIMIT, LIMIT), np.clip(true, -LIMIT, LIMIT)
        add_errors(rows, error, true, self.huber_delta / self.error_scale)
        add_relative(rows, target, predicted)


def _power(values: FloatArray) -> float:
    """Return the power of two nearest to the root mean square; 1 where there is none."""
    size = float(np.abs(values).max(initial=0.0))
    root = size * float(np.sqrt(np.mean((values / size) ** 2))) if size > 0 else 0.0
    return float(2.0 ** np.round(np.log2(root))) if root > 0 else 1.0
