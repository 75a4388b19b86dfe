"""Event times in the stated format, as microseconds since the epoch, UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

import numpy as np

from monitor.config.model import TimeFormat
from monitor.decoding.cells import Values
from monitor.events import SECOND, IntArray

LAST: Final = 7_258_118_400 * SECOND
"""2200-01-01; no event time lies at or beyond it, none lies before 1970."""
MISSING: Final = -1
BAD: Final = -2

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_PER: Final = {"epoch_s": SECOND, "epoch_ms": 1000, "epoch_us": 1}
_FORM: Final = "0000-00-00T00:00:00.000000000Z"
_SHORTEST: Final = len("0000-00-00T00:00:00Z")
_MICROS: Final = len("0000-00-00T00:00:00.000000")
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
    if set(map(type, values)) == {str}:
        texts: list[str] = values  # type: ignore[assignment]  # the line above is the proof
        if len(set(map(len, texts))) == 1:
            parsed = _same_form(texts)
            if parsed is not None:
                return parsed
    return np.array([_text(value) for value in values], np.int64)


def _same_form(texts: list[str]) -> IntArray | None:
    """Parse texts that all look like ``2023-11-14T22:13:20.123Z``; ``None`` when one does not."""
    width = len(texts[0])
    joined = "".join(texts)
    if not (_SHORTEST <= width <= len(_FORM)) or width == _SHORTEST + 1 or not joined.isascii():
        return None
    cells = np.frombuffer(joined.encode(), np.uint8).reshape(len(texts), width)
    form = np.frombuffer((_FORM[: width - 1] + "Z").encode(), np.uint8)
    digit = form == ord("0")
    fits = (cells[:, ~digit] == form[~digit]).all() and (cells[:, digit] - np.uint8(ord("0")) <= 9).all()
    if not fits:
        return None
    cut = min(width - 1, _MICROS)
    stamps = np.ascontiguousarray(cells[:, :cut]).view(f"S{cut}").ravel()
    try:
        times = stamps.astype("datetime64[us]").astype(np.int64)
    except ValueError:  # month 13: find out which one
        return None
    times[times < 0] = BAD
    return times


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
