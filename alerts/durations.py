"""Spans of time in microseconds, the unit of every time in this package."""

from __future__ import annotations

from typing import Final

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY


def spoken(span: int) -> str:
    """Say how long something lasts, in the two largest units.

    >>> spoken(90 * MINUTE), spoken(36 * HOUR), spoken(250_000), spoken(0)
    ('1 h 30 min', '1 d 12 h', '0 s', '0 s')
    """
    units = (("d", DAY), ("h", HOUR), ("min", MINUTE), ("s", SECOND))
    for place, (name, unit) in enumerate(units):
        if span >= unit:
            rest = units[place + 1 : place + 2]
            parts = [f"{span // unit} {name}"]
            parts += [f"{span % unit // small} {short}" for short, small in rest if span % unit >= small]
            return " ".join(parts)
    return "0 s"
