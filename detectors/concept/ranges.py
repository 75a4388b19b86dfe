"""Which values a parameter may have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import Protocol, TypeAlias

Value: TypeAlias = "int | float | str | bool | None"


class Allowed(Protocol):
    """A set of values."""

    def complaint(self, value: Value) -> str | None:
        """Return why a value does not belong to it; None when it does."""
        ...


@dataclass(frozen=True, slots=True)
class Number:
    """Numbers between two ends, which belong to them unless they are open.

    >>> Number(0, 1, open_low=True).complaint(0), Number(0).complaint(3)
    ('0 is not more than 0 and at most 1', None)
    """

    low: float
    high: float = inf
    open_low: bool = False
    open_high: bool = False

    def complaint(self, value: Value) -> str | None:
        """Return why a value is not such a number; None when it is."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            return f"{value!r} is not a number"
        low = value > self.low if self.open_low else value >= self.low
        high = value < self.high if self.open_high else value <= self.high
        if low and high:
            return None
        least = f"more than {self.low:g}" if self.open_low else f"at least {self.low:g}"
        most = f"less than {self.high:g}" if self.open_high else f"at most {self.high:g}"
        return f"{value!r} is not {least}" + (f" and {most}" if self.high < inf else "")


@dataclass(frozen=True, slots=True)
class Whole:
    """Whole numbers from ``low`` to ``high``, and None where it is allowed.

    >>> Whole(1, 10).complaint(2.5), Whole(1, 10).complaint(11), Whole(1, 10, optional=True).complaint(None)
    ('2.5 is not a whole number', '11 is not from 1 to 10', None)
    """

    low: int
    high: int
    optional: bool = False

    def complaint(self, value: Value) -> str | None:
        """Return why a value is not such a number; None when it is."""
        if value is None and self.optional:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            return f"{value!r} is not a whole number"
        return None if self.low <= value <= self.high else f"{value!r} is not from {self.low} to {self.high}"


@dataclass(frozen=True, slots=True)
class OneOf:
    """Some words, or true and false."""

    values: tuple[str | bool, ...]

    def complaint(self, value: Value) -> str | None:
        """Return why a value is none of them; None when it is one."""
        if any(value is known or (isinstance(value, str) and value == known) for known in self.values):
            return None
        return f"{value!r} is none of {', '.join(str(known).lower() for known in self.values)}"


@dataclass(frozen=True, slots=True)
class NotAbove:
    """Two numbers of which one, times a factor, is not above the other.

    >>> NotAbove("beta", "alpha").complaint({"beta": 0.9, "alpha": 0.8})
    '0.9 is above alpha, 0.8'
    """

    smaller: str
    larger: str
    times: int = 1

    def complaint(self, values: Mapping[str, Value]) -> str | None:
        """Return why the numbers do not go together; None when they do, or when one is not given."""
        small, large = values[self.smaller], values[self.larger]
        if not isinstance(small, int | float) or not isinstance(large, int | float) or self.times * small <= large:
            return None
        twice = f"{self.times} times " if self.times > 1 else ""
        return f"{twice}{small!r} is above {self.larger}, {large!r}"
