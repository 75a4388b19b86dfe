"""How much worse a slice is than all rows are, with an interval."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, inf, log, nan, sqrt
from statistics import NormalDist
from typing import Final, NamedTuple, Self

_Z: Final = NormalDist().inv_cdf(0.975)


class Lift(NamedTuple):
    """A slice's error rate ÷ that of all rows, with its 95 % interval; NaN without rows or without errors."""

    value: float
    low: float
    high: float
    support: float
    """Share of all rows."""
    rate: float
    """Error rate of the slice."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Rows and errors of a slice and of all, older windows decayed; ``*_squared`` have the squares of the weights."""

    rows: float = 0.0
    errors: float = 0.0
    total: float = 0.0
    wrong: float = 0.0
    rows_squared: float = 0.0
    total_squared: float = 0.0

    def after(self, rows: int, errors: int, total: int, wrong: int, decay: float) -> Self:
        """Return the sums after one more window."""
        return type(self)(
            decay * self.rows + rows,
            decay * self.errors + errors,
            decay * self.total + total,
            decay * self.wrong + wrong,
            decay**2 * self.rows_squared + rows,
            decay**2 * self.total_squared + total,
        )

    def lift(self) -> Lift:
        """Return the lift.

        The slice is compared with the rows outside it, two samples that share none. Counts are those of Kish's
        effective sample sizes, and the interval of the ratio of the two rates is Walter's. Of this ratio and the
        support, taken as it is, the lift over all rows follows.

        >>> found = Sums(100, 40, 1000, 100, 100, 1000).lift()
        >>> [round(figure, 3) for figure in found]
        [4.0, 3.217, 4.837, 0.1, 0.4]

        References
        ----------
        Walter (1975), The distribution of Levin's measure of attributable risk. Biometrika 62; Kish (1965), Survey
        sampling.
        """
        if not (self.rows > 0 and self.wrong > 0):
            return Lift(nan, nan, nan, nan, nan)
        support, rate = self.rows / self.total, self.errors / self.rows
        rest, others = self.total - self.rows, self.wrong - self.errors
        value = rate / (self.wrong / self.total)
        outside = self.total_squared - self.rows_squared
        if rest <= 0 or outside <= 0:
            return Lift(value, value, value, support, rate)
        inside_size, outside_size = self.rows**2 / self.rows_squared, rest**2 / outside
        one, size = rate * inside_size + 0.5, inside_size + 0.5
        other, others_size = others / rest * outside_size + 0.5, outside_size + 0.5
        spread = sqrt(max(1 / one - 1 / size + 1 / other - 1 / others_size, 0.0))
        middle = log(one / size) - log(other / others_size)
        low, high = (_of_ratio(exp(middle + sign * _Z * spread), support) for sign in (-1, 1))
        return Lift(value, min(low, value), max(high, value), support, rate)


def _of_ratio(ratio: float, support: float) -> float:
    """Return a slice's rate ÷ that of all rows, from its ratio to the rate outside it."""
    return 1 / (support + (1 - support) / ratio) if ratio < inf else 1 / support
