"""Rows of a window against what the same hours had before, where days differ from each other by more than chance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, gammainccinv, gammaincinv, stdtrit

from detectors.norms import without_chance
from detectors.samples import FloatArray, IntArray
from detectors.scores import Scores

_DAY: Final = 24
_NODES: Final = 48
_REMOTE: Final = 1e-14
"""Mass of the law of the dispersion that is left out at either end."""
_STEPS: Final = 60
_CLOSE: Final = 1e-9
_FAR: Final = 64.0
"""A count of e**64 times the expected one is beyond any."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What J windows should hold, each an array of shape ``[J]``; see ``VolumeProfile.expect``."""

    reference: FloatArray
    """Rows that the reference had in the same hours."""
    exposure: FloatArray
    """Length of the window over the length of those hours in the reference."""
    excess: FloatArray
    """Variance of the rows beyond a Poisson law's, relative to the squared mean."""
    repeats: FloatArray
    """How many times the reference saw the same hours."""
    day: FloatArray
    """Mean rows of a day in the reference."""
    freedom: FloatArray
    """Degrees of freedom behind ``excess``."""

    @property
    def rows(self) -> FloatArray:
        """Expected rows. Half a row is added to the reference, so that nothing is impossible (Jeffreys)."""
        return (self.reference + 0.5) * self.exposure

    @property
    def spread(self) -> FloatArray:
        """Variance relative to the squared mean, of a window without drift less the Poisson noise of its own rows."""
        return self.excess * (1 + 1 / self.repeats) + 1 / (self.reference + 0.5)


@dataclass(frozen=True, slots=True)
class VolumeRatio:
    """The logarithm of rows over expected rows, as an absolute value; ``direction`` has its sign.

    Both have half a row added, so that an empty window has a ratio, too. Without drift the rows follow a negative
    binomial law: Poisson within a day, and each day (and each hour of it) with a level of its own. How much the levels
    differ is estimated from the reference's days, so the law is averaged over what the dispersion could be: where the
    reference has ν degrees of freedom, over φ·ν/χ²(ν). For large counts this is Student's t. The p-value is twice the
    mid-p tail on the side where the rows lie; the band is its exact inverse there, infinite below where not even an
    empty window would be surprising. The effect is the root of the squared statistic less its mean without drift; its
    interval is Student's, on the logarithm.

    Examples
    --------
    Every day of four weeks had 100 rows an hour, give or take chance; then come 60 in an hour, then 90:

    >>> days = np.random.default_rng(0).poisson(100, (28, 24))
    >>> hour = VolumeProfile.fit(days, 0).expect(28 * 24, 1.0)
    >>> scores = VolumeRatio().score(hour, np.array([60])), VolumeRatio().score(hour, np.array([90]))
    >>> [bool(found.p_value[0] < 0.01) for found in scores]
    [True, False]

    References
    ----------
    McCullagh, Nelder (1989), Generalized Linear Models, 4.5 and 6.2 (over-dispersion). Lawless (1987), Negative
    binomial and mixed Poisson regression.
    """

    alpha: float = 0.01

    def score(self, expected: Expectation, rows: IntArray) -> Scores:
        """Compare ``[J]`` counts of rows with what was expected; NaN where the reference has no rows at all.

        Raises
        ------
        ValueError
            When a count is negative or the shapes differ.
        """
        if rows.shape != expected.reference.shape:
            raise ValueError(f"{rows.shape} counts and {expected.reference.shape} expectations do not compare")
        if len(rows) and rows.min() < 0:
            raise ValueError("counts are negative")
        known = np.where(expected.day > 0, 1.0, np.nan)
        seen = rows.astype(np.float64)
        signed = np.log((seen + 0.5) / (expected.rows + 0.5))
        law = _Law.of(expected)
        down = signed < 0
        noise = np.log1p(expected.spread + 1 / expected.rows)
        half = stdtrit(expected.freedom, 0.975) * np.sqrt(expected.spread + 1 / (seen + 0.5))
        low, high = signed - half, signed + half
        nearest = np.where((low <= 0) & (high >= 0), 0.0, np.minimum(np.abs(low), np.abs(high)))
        return Scores(
            statistic=np.abs(signed) * known,
            effect=without_chance(np.abs(signed), noise) * known,
            low=nearest * known,
            high=np.maximum(np.abs(low), np.abs(high)) * known,
            p_value=np.clip(2 * law.tail(seen, down), 2 * _REMOTE, 1.0) * known,
            threshold=law.band(down, self.alpha / 2) * known,
            n=rows,
            direction=np.sign(np.where(np.isnan(known), 0.0, signed)).astype(np.int8),
        )


@dataclass(frozen=True, slots=True)
class VolumeProfile:
    """Rows by hour of a cycle, a week or a day, and how much such hours and days differ from each other.

    From two whole weeks on, the cycle is the week. With fewer it is the day, and what the days of the week differ by
    counts as dispersion. Rows of a window are Poisson with a level that has relative variance ``of_day`` from day to
    day, and ``of_hour`` from hour to hour besides; both are estimated by the method of moments.
    """

    origin: int
    """An hour at which the cycle begins."""
    rows: IntArray
    """Rows by hour of the cycle, over all repeats."""
    repeats: int
    of_day: float
    of_hour: float

    @classmethod
    def fit(cls, hours: IntArray, first: int) -> VolumeProfile:
        """Fit the rows of whole days.

        Parameters
        ----------
        hours
            Rows by day and hour, ``[D, 24]``; of more than two weeks, the last whole ones are taken.
        first
            The number of the first hour; any count of hours does that is 0 at some midnight.

        Raises
        ------
        ValueError
            When there are fewer than two days, or a count is negative.
        """
        if hours.ndim != 2 or hours.shape[1] != _DAY or len(hours) < 2:
            raise ValueError(f"a profile takes two or more days of 24 hours, not {hours.shape}")
        if hours.min() < 0:
            raise ValueError("counts are negative")
        weeks = len(hours) // 7
        taken = hours[-7 * weeks :] if weeks >= 2 else hours
        table = taken.reshape(weeks if weeks >= 2 else len(taken), -1)
        days = table.reshape(len(table), -1, _DAY).sum(axis=2)
        shares = table.mean(axis=0)
        together = float((days.mean(axis=0) ** 2).sum())
        concentration = float((shares**2).sum()) / together if together > 0 else 1.0
        by_hour, by_day = _excess(table), _excess(days)
        of_hour = max(by_hour - by_day, 0.0) / (1 - concentration) if concentration < 1 else 0.0
        return cls(
            origin=first + (len(hours) - len(taken)) * _DAY,
            rows=table.sum(axis=0),
            repeats=len(table),
            of_day=max(by_day - of_hour * concentration, 0.0),
            of_hour=of_hour,
        )

    @property
    def freedom(self) -> int:
        """Degrees of freedom behind the dispersion between days."""
        return (self.repeats - 1) * (len(self.rows) // _DAY)

    @property
    def days(self) -> int:
        """Days behind the profile."""
        return self.repeats * len(self.rows) // _DAY

    def expect(self, first: float, length: float) -> Expectation:
        """Return what to expect of one window, ``J = 1``.

        Within an hour, rows are taken to come evenly.

        Parameters
        ----------
        first, length
            When the window begins, in the hours of ``fit``, and how many hours it is long.
        """
        touched = np.arange(int(np.floor(first)), int(np.ceil(first + length)))
        shares = np.minimum(touched + 1, first + length) - np.maximum(touched, first)
        slots = (touched - self.origin) % len(self.rows)
        seen = self.rows[slots].astype(np.float64)
        times = np.bincount(slots, shares, minlength=len(self.rows))
        rows = float(seen @ shares)
        squares = float((times**2) @ self.rows)
        repeats = self.repeats / max(1.0, float(times.max()))
        exact = rows > 0
        reference = rows**2 / squares if exact else 0.0
        mean = rows / self.repeats
        days = np.bincount((touched - self.origin) // _DAY - (touched[0] - self.origin) // _DAY, seen * shares)
        apart = float((days**2).sum()) / rows**2 if exact else 1.0
        apart_hours = float(((seen * shares) ** 2).sum()) / rows**2 if exact else 1.0
        return Expectation(
            reference=np.array([reference]),
            exposure=np.array([mean / reference if exact else length / len(slots) / self.repeats]),
            excess=np.array([self.of_day * apart + self.of_hour * apart_hours]),
            repeats=np.array([repeats]),
            day=np.array([self.rows.sum() / self.repeats * _DAY / len(self.rows)]),
            freedom=np.array([float(self.freedom)]),
        )


def _excess(table: IntArray) -> float:
    """Return the relative variance beyond Poisson's of counts by repeat and slot; 0 where there is none.

    Sums of moments, each without bias: Σ (variance − mean) / Σ mean².
    """
    mean, variance = table.mean(axis=0), table.var(axis=0, ddof=1)
    squares = float((mean**2 - variance / len(table)).sum())
    return max(float((variance - mean).sum()) / squares, 0.0) if squares > 0 else 0.0


@dataclass(frozen=True, slots=True)
class _Law:
    """A negative binomial law of J windows, averaged over Q values of its dispersion."""

    mean: FloatArray
    """``[J]``."""
    dispersion: FloatArray
    """1 / size, ``[J, Q]``."""
    weights: FloatArray
    """``[J, Q]``."""
    spread: FloatArray
    """Squared standard deviation of the logarithm, about; ``[J]``."""

    @classmethod
    def of(cls, expected: Expectation) -> _Law:
        factors, weights = _chi_square_factors(expected.freedom)
        repeats = expected.repeats[:, np.newaxis]
        day = np.where(expected.day > 0, expected.day, 1.0)[:, np.newaxis]
        # The dispersion between days is φ = 1 + excess·day; φ·factor gives this excess.
        excess = np.maximum(expected.excess[:, np.newaxis] * factors + (factors - 1) / day, 0.0)
        dispersion = excess * (1 + 1 / repeats) + 1 / (expected.reference[:, np.newaxis] + 0.5)
        return cls(expected.rows, dispersion, weights, expected.spread + 1 / (expected.rows + 0.5))

    def tail(self, rows: FloatArray, down: NDArray[np.bool_]) -> FloatArray:
        """Return P(N < rows) or P(N > rows), each with half of P(N = rows).

        Between whole numbers it is what the incomplete beta function makes of them.
        """
        odds, seen, below = self.mean[:, np.newaxis] * self.dispersion, rows[:, np.newaxis], down[:, np.newaxis]
        size = 1 / self.dispersion
        point = np.where(below, 1.0, odds) / (1 + odds)
        some = np.where(seen > 0, seen, 1.0)
        strict = betainc(np.where(below, size, seen + 1), np.where(below, seen + 1, size), point)
        other = betainc(np.where(below, size, some), np.where(below, some, size), point)
        other = np.where(seen > 0, other, np.where(below, 0.0, 1.0))
        averaged: FloatArray = (self.weights * (strict + other)).sum(axis=1) / 2
        return averaged

    def band(self, down: NDArray[np.bool_], alpha: float) -> FloatArray:
        """Return how far from 0 the logarithm must be, on one side, for a tail of ``alpha``; infinite if nowhere."""
        middle, side = np.log(self.mean + 0.5), np.where(down, -1.0, 1.0)

        def surprise(away: FloatArray) -> FloatArray:
            """Rise with the logarithm about as straight as a normal score."""
            tail = self.tail(np.maximum(np.exp(middle + side * away) - 0.5, 0.0), down)
            score: FloatArray = np.sqrt(-2 * np.log(np.maximum(tail, _REMOTE)))
            return score

        goal = float(np.sqrt(-2 * np.log(alpha)))
        most = np.where(down, middle - np.log(0.5), _FAR)
        reached = surprise(most) >= goal
        bound: FloatArray = np.where(reached, _rising_to(surprise, goal, np.sqrt(self.spread), most), np.inf)
        return bound


def _chi_square_factors(freedom: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return values of ν/χ²(ν) and their weights, ``[J, Q]``: the trapezoidal rule in log χ², which converges fast."""
    half = freedom[:, np.newaxis] / 2
    first, last = np.log(gammaincinv(half, _REMOTE)), np.log(gammainccinv(half, _REMOTE))
    logs = first + (last - first) * np.linspace(0.0, 1.0, _NODES)
    weights = np.exp(half * (logs - np.log(half)) - np.exp(logs) + half)
    return half / np.exp(logs), weights / weights.sum(axis=1, keepdims=True)


def _rising_to(
    function: Callable[[FloatArray], FloatArray], goal: float, start: FloatArray, most: FloatArray
) -> FloatArray:
    """Return where a rising function reaches the goal between 0 and ``most``; where it does not, ``most``.

    Steps from ``start`` are doubled until they are beyond, then comes false position (the Illinois rule).
    """
    low, high = np.zeros_like(most), np.minimum(start, most)
    at_low, at_high = function(low) - goal, function(high) - goal
    while bool((short := (at_high < 0) & (high < most)).any()):
        low, at_low = np.where(short, high, low), np.where(short, at_high, at_low)
        high = np.where(short, np.minimum(2 * high, most), high)
        at_high = function(high) - goal
    last = np.zeros_like(most)
    for _ in range(_STEPS):
        gap = at_high - at_low
        middle = np.where(gap > 0, high - at_high * (high - low) / np.where(gap > 0, gap, 1.0), high)
        found = function(middle) - goal
        beyond = found >= 0
        side = np.where(beyond, 1.0, -1.0)
        kept = np.where(side == last, 0.5, 1.0)  # an end that stays twice weighs half
        at_low, at_high, last = np.where(beyond, at_low * kept, found), np.where(beyond, found, at_high * kept), side
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
        if bool(((np.abs(found) < _CLOSE) | (high - low <= _CLOSE * high)).all()):
            break
    return middle
