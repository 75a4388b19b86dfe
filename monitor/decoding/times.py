"""Event times in the stated format, as microseconds since the epoch, UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.config.model import TimeFormat
from monitor.decoding.cells import Values
from monitor.events import DAY, SECOND, FloatArray, IntArray

LAST: Final = 7_258_118_400 * SECOND
"""2200-01-01; no event time lies at or beyond it, none lies before 1970."""
MISSING: Final = -1
BAD: Final = -2

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_PER: Final = {"epoch_s": SECOND, "epoch_ms": 1000, "epoch_us": 1}
_DATE: Final = len("0000-00-00")
_WHOLE: Final = "0000-00-00T00:00:00"
_FRACTION: Final = ".000000000"
_HOURS: Final = 24
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse_times(values: Values, form: TimeFormat) -> IntArray:
    """Return event times, one a value; ``MISSING`` for null, ``BAD`` for what is not of the format or out of range.

    ``rfc3339`` needs its offset and is cut below microseconds; the epoch formats take whole or fractional numbers and
    are rounded to microseconds.

    >>> parse_times(["1970-01-01T00:00:01.5Z", "1970-01-01T00:00:01", None], "rfc3339").tolist()
    [1500000, -2, -1]
    >>> parse_times([1.5, "1.5"], "epoch_s").tolist()
    [1500000, -2]
    """
    if form == "rfc3339":
        return _bounded(_texts(values))
    return _bounded(_numbers(values, _PER[form]))


def _bounded(times: IntArray) -> IntArray:
    times[times >= LAST] = BAD
    return times


def _numbers(values: Values, per: int) -> IntArray:
    if set(map(type, values)) == {int}:
        try:
            whole = np.array(values, np.int64)
        except OverflowError:
            pass  # one by one below
        else:
            whole[(whole < 0) | (whole >= LAST // per)] = BAD
            return np.where(whole == BAD, BAD, whole * per)
    return np.array([_number(value, per) for value in values], np.int64)


def _number(value: object, per: int) -> int:
    if value is None:
        return MISSING
    if type(value) is int:
        return value * per if 0 <= value < LAST // per else BAD
    if type(value) is float:
        if value != value:  # noqa: PLR0124 - NaN stands for null
            return MISSING
        return round(value * per) if 0 <= value < LAST // per else BAD
    return BAD


def _texts(values: Values) -> IntArray:
    parsed = _same_form(values)
    return np.array([_text(value) for value in values], np.int64) if parsed is None else parsed


def _same_form(values: Values) -> IntArray | None:
    """Parse texts that all look like the first, ``2023-11-14T22:13:20.123Z``; ``None`` when one does not.

    Between two texts stands a byte that no form has, so that none can stand in for a part of another.
    """
    try:
        joined = "\n".join(values)  # type: ignore[arg-type]  # the next line is for what is no text
    except TypeError:
        return None
    width = joined.find("\n") if len(values) > 1 else len(joined)
    form = _form(width, "Z" if joined[width - 1 : width] == "Z" else "+00:00")
    if form is None or len(joined) + 1 != len(values) * (width + 1) or not joined.isascii():
        return None
    marks = np.frombuffer(f"{joined}\n".encode(), np.uint8)
    digits = marks - np.tile(form.text, len(values))  # what lies below wraps around to a great number
    if not (digits <= np.tile(form.greatest, len(values))).all():
        return None
    hours, micros = form.weights @ digits.reshape(len(values), width + 1).T.astype(np.float64)
    one_day = joined.count("\n" + joined[:_DATE]) == len(values) - 1
    days = _days(marks.reshape(len(values), width + 1)[: 1 if one_day else None, :_DATE])
    if days is None or hours.max() >= _HOURS:
        return None
    times: IntArray = days * DAY + micros.astype(np.int64)
    times[times < 0] = BAD
    return times


@dataclass(frozen=True, slots=True)
class _Form:
    """Times of one width, a byte a column, a line break after each."""

    text: NDArray[np.uint8]
    """The bytes, ``0`` for a digit."""
    greatest: NDArray[np.uint8]
    """How far each byte may be above that."""
    weights: FloatArray
    """What each digit adds to the hour, and to the microseconds of the day."""


@cache
def _form(width: int, zone: str) -> _Form | None:
    """Return the form of a width, ``None`` when there is none."""
    fraction = width - len(_WHOLE) - len(zone)
    if not 0 <= fraction <= len(_FRACTION) or fraction == 1:
        return None
    text = np.frombuffer(f"{_WHOLE}{_FRACTION[:fraction]}{zone}\n".encode(), np.uint8)
    digits = np.arange(len(text)) < width - len(zone)
    greatest = np.where(digits & (text == ord("0")), 9, 0).astype(np.uint8)
    greatest[[14, 17]] = 5  # tens of minutes and of seconds
    weights = np.zeros((2, len(text)))
    weights[0, [11, 12]] = 10, 1
    weights[1, [11, 12, 14, 15, 17, 18]] = np.array([36_000, 3_600, 600, 60, 10, 1]) * SECOND
    micros = min(max(fraction - 1, 0), 6)
    weights[1, 20 : 20 + micros] = 10.0 ** np.arange(5, 5 - micros, -1)
    return _Form(text, greatest, weights)


def _days(dates: NDArray[np.uint8]) -> IntArray | None:
    """Return days since the epoch of dates as texts, ``None`` when a day does not exist."""
    texts = np.ascontiguousarray(dates).view(f"S{_DATE}").ravel()
    try:
        days: IntArray = texts.astype("datetime64[D]").astype(np.int64)
    except ValueError:  # month 13: find out which one
        return None
    return days


def _text(value: object) -> int:
    if value is None or (isinstance(value, float) and value != value):  # noqa: PLR0124 - NaN stands for null
        return MISSING
    match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return BAD
    day, clock, fraction, offset = match.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{clock}{offset.replace('z', 'Z')}")
        whole = (moment - _EPOCH).total_seconds()
    except (ValueError, OverflowError):
        return BAD
    micros = int((fraction or "").ljust(6, "0")[:6])
    return round(whole) * SECOND + micros if whole >= 0 else BAD
