"""Times as people write them: ISO 8601 with or without a zone, day/month/year, month names, seconds since 1970.

The service reads one stated format only. Whoever tries it on a file of theirs should not have to convert it first, so
the demo reads what it finds, says how, and writes RFC 3339.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, partial
from typing import Final, TypeAlias

import numpy as np

from monitor.decoding.cells import Values, plain
from monitor.decoding.times import BAD, LAST, MISSING
from monitor.events import IntArray

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - a time without zone is taken as UTC
_EPOCH_UTC: Final = _EPOCH.replace(tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NOTHING: Final = frozenset({"", "na", "n/a", "nan", "nat", "null", "none", "-"})
_FIRST, _LAST = 1_000_000_000_000_000, 4_100_000_000_000_000
"""2001 to 2099: a number is taken as a time only if it falls between."""
_TRIED: Final = 20
_PROBED: Final = 200
_HOPELESS: Final = 0.1
"""A form that fits fewer of the first 200 values is not tried on all."""
_PER: Final = {"s": 1_000_000.0, "ms": 1_000.0, "us": 1.0, "ns": 0.001}
_CLOCK: Final = r"(?:[T ,]+(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*([AaPp][Mm])?)?"
_ZONE: Final = r"\s*(Z|z|UTC|GMT|[+-]\d\d:?(?:\d\d)?)?"
_YEAR_FIRST = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})" + _CLOCK + _ZONE, re.ASCII)
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})[-/.](\d{4}|\d\d)" + _CLOCK + _ZONE, re.ASCII)
_DAYS: Final = ("%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%b %d %Y", "%b %d, %Y", "%d %B %Y", "%B %d, %Y", "%B %d %Y")
_CLOCKS: Final = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_NAMED: Final = (
    *(day + clock for day in _DAYS for clock in _CLOCKS), "%d/%b/%Y:%H:%M:%S %z", "%a, %d %b %Y %H:%M:%S %z",
    "%a, %d %b %Y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y",
)  # fmt: skip

Read: TypeAlias = Callable[[object], int]
"""Returns microseconds since 1970, or ``BAD``."""


@dataclass(frozen=True)
class TimeForm:
    """A way to write times. ``readings`` has a second one where day and month may be either way round."""

    name: str
    readings: tuple[Read, ...]

    def parse(self, values: Sequence[object]) -> IntArray:
        """Return the times under every reading, ``[rows, readings]``; ``MISSING`` or ``BAD`` where there is none."""
        found = np.empty((len(values), len(self.readings)), np.int64)
        for place, read in enumerate(self.readings):
            found[:, place] = [_bounded(read, value) for value in values]
        return found


TIMESTAMPS: Final = TimeForm("timestamps", (lambda value: value if isinstance(value, int) else _iso(value),))
"""Times that the file itself types as such: microseconds since 1970, or dates."""


def form_of(values: Sequence[object]) -> tuple[TimeForm | None, float]:
    """Return the form that fits most of the values and the share that it fits, ``None`` and 0 if none fits any.

    >>> form, share = form_of(["2024-01-31", "yesterday"])
    >>> form.name, share
    ('ISO 8601', 0.5)
    """
    present = [value for value in values if not _is_missing(value)]
    best: tuple[TimeForm | None, float] = (None, 0.0)
    if not present:
        return best
    for form in _forms(present):
        share = _share(form, present[:_PROBED])
        if share > _HOPELESS and len(present) > _PROBED:
            share = _share(form, present)
        if share > best[1]:
            best = (form, share)
        if share == 1.0:
            break
    return best


def _share(form: TimeForm, values: Values) -> float:
    return float((form.parse(values) >= 0).any(axis=1).mean())


def _forms(present: Values) -> list[TimeForm]:
    if isinstance(present[0], datetime | date):
        return [TIMESTAMPS]
    numbers = sum(isinstance(plain(value), int | float) for value in present)
    if numbers > len(present) / 2:
        return [
            TimeForm("year, month, day", (_digits,)),
            *(TimeForm(f"{unit} since 1970", (partial(_since, unit),)) for unit in _PER),
        ]
    texts = [value for value in present if isinstance(value, str)][:_TRIED]
    named = [form for form in _NAMED if any(_named(form, text) >= 0 for text in texts)]
    return [
        TimeForm("ISO 8601", (_iso,)),
        TimeForm("month/day/year", (_month_first, _day_first)),
        *(TimeForm(form, (partial(_named, form),)) for form in named),
    ]


def choose_reading(times: IntArray, *, day_first: bool | None, dotted: bool) -> tuple[IntArray, int, bool]:
    """Return the times under the reading that fits more rows, which one it is, and whether both fit equally well.

    Parameters
    ----------
    times
        ``[rows, readings]``; with two, the month comes first in the first.
    day_first
        What the person said.
    dotted
        Whether dates are written with dots, as where the day comes first.
    """
    if times.shape[1] == 1:
        return times[:, 0], 0, False
    fits = (times >= 0).sum(axis=0)
    tie = bool(fits[0] == fits[1])
    likely = int(dotted) if tie else int(fits[1] > fits[0])
    chosen = likely if day_first is None else int(day_first)
    differ = bool((times[:, 0] != times[:, 1]).any())
    return times[:, chosen], chosen, tie and differ and day_first is None


def _is_missing(value: object) -> bool:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return True
    return isinstance(value, str) and value.strip().casefold() in _NOTHING


def _bounded(read: Read, value: object) -> int:
    if _is_missing(value):
        return MISSING
    found = read(value)
    return found if 0 <= found < LAST else BAD


def _micros(moment: datetime) -> int:
    try:
        return (moment - (_EPOCH if moment.tzinfo is None else _EPOCH_UTC)) // _MICROSECOND
    except OverflowError:
        return BAD


def _iso(value: object) -> int:
    if isinstance(value, datetime):
        return _micros(value)
    if isinstance(value, date):
        return _micros(datetime(value.year, value.month, value.day))  # noqa: DTZ001 - days are those of UTC
    if not isinstance(value, str) or value.isdigit():
        return BAD
    try:
        return _micros(datetime.fromisoformat(value))
    except ValueError:
        found = _YEAR_FIRST.fullmatch(value.strip())
    if found is None:
        return BAD
    year, month, day, *rest = found.groups()
    return _moment(int(year), int(month), int(day), rest)


def _month_first(value: object) -> int:
    return _year_last(value, month=1, day=3)


def _day_first(value: object) -> int:
    return _year_last(value, month=3, day=1)


def _year_last(value: object, *, month: int, day: int) -> int:
    found = _YEAR_LAST.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return BAD
    year = int(found[4])
    if len(found[4]) == 2:
        year += 2000 if year < 70 else 1900
    return _moment(year, int(found[month]), int(found[day]), list(found.groups()[4:]))


def _moment(year: int, month: int, day: int, rest: Sequence[str | None]) -> int:
    hour, minute, second, fraction, half, zone = rest
    o_clock = int(hour or 0)
    if half is not None:
        o_clock = o_clock % 12 + 12 * (half.lower() == "pm")
    micros = int((fraction or "").ljust(6, "0")[:6])
    try:
        moment = datetime(year, month, day, o_clock, int(minute or 0), int(second or 0), micros)  # noqa: DTZ001 - below
    except ValueError:
        return BAD
    return _micros(moment) - _offset(zone)


def _offset(zone: str | None) -> int:
    if zone is None or zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    return (-minutes if zone[0] == "-" else minutes) * 60_000_000


@lru_cache(maxsize=4096)
def _named(form: str, text: object) -> int:
    if isinstance(text, str):
        with suppress(ValueError):
            return _micros(datetime.strptime(text.strip(), form))  # noqa: DTZ007 - a time without zone is taken as UTC
    return BAD


def _digits(value: object) -> int:
    """Read a day that is written as one number, such as 20240131."""
    number = plain(value)
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if not isinstance(number, int) or not 19_700_101 <= number <= 21_991_231:
        return BAD
    return _moment(number // 10_000, number // 100 % 100, number % 100, [None] * 6)


def _since(unit: str, value: object) -> int:
    number = plain(value)
    if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
        return BAD
    micros = number * _PER[unit] if isinstance(number, float) or unit == "ns" else number * int(_PER[unit])
    return round(micros) if _FIRST <= micros < _LAST else BAD
