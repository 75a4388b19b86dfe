"""Numbers and times as people read them."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Final

from dashboards.html import Html, tag

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = 253_402_300_800_000_000
_SPANS: Final = ((86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "min"), (1_000_000, "s"))
_LEAST: Final = 1e-3
_LEAST_P: Final = 1e-16
_MOST: Final = 1e5
_THOUSAND: Final = 1e3
_HUGE: Final = 1e10
_HOUR_SECONDS: Final = 3600.0
_DAY_SECONDS: Final = 86_400.0
_LONG: Final = 100.0
NONE: Final = "–"


def moment(micros: int | None) -> datetime | None:
    """Return a time, ``None`` where there is none or it lies outside the years that can be written."""
    if micros is None or not 0 <= micros < _LAST:
        return None
    return _EPOCH + timedelta(microseconds=micros)


def micros(time: datetime) -> int:
    """Return microseconds since the epoch."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def figure(value: float | None) -> str:
    """Return a statistic with three significant digits.

    >>> figure(0.04567), figure(0.00001234), figure(1234567.0), figure(float("nan")), figure(2.0)
    ('0.0457', '1.23e-05', '1,230,000', '–', '2')
    """
    if value is None or math.isnan(value):
        return NONE
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == int(value) and abs(value) < _MOST:
        return f"{int(value):,}"
    if _THOUSAND <= abs(value) < _HUGE:
        return f"{float(f'{value:.3g}'):,.0f}"
    return f"{value:.3g}" if abs(value) < _LEAST or abs(value) >= _HUGE else f"{value:#.3g}"


def p_value(value: float | None) -> str:
    """Return a p-value; beyond 16 zeros nobody counts them.

    >>> p_value(0.0321), p_value(0.0), p_value(6.91e-81), p_value(None)
    ('p 0.0321', 'p < 1e-16', 'p < 1e-16', '')
    """
    if value is None or math.isnan(value):
        return ""
    return "p < 1e-16" if value < _LEAST_P else f"p {figure(value)}"


def share(value: float | None) -> str:
    """Return a share in percent; one that is small yet not zero says so.

    >>> share(0.1234), share(0.0), share(0.00001), share(None), share(1.0)
    ('12.3%', '0%', '<0.01%', '–', '100%')
    """
    if value is None or math.isnan(value):
        return NONE
    if 0 < value < 0.0001:
        return "<0.01%"
    return f"{value * 100:.3g}%" if value < 0.9995 or value == 1 else f"{value * 100:.4g}%"


def count(value: int | None) -> str:
    """Return a number of things."""
    return NONE if value is None else f"{value:,}"


def seconds(value: float | None) -> str:
    """Return a short time.

    >>> seconds(0.0123), seconds(2.5)
    ('12.3 ms', '2.50 s')
    """
    if value is None:
        return NONE
    return f"{value * 1000:.3g} ms" if value < 1 else f"{value:#.3g} s"


def delay(value: float) -> str:
    """Return a delay, which may be days.

    >>> delay(2.5), delay(640.0), delay(7200.0), delay(900000.0)
    ('2.50 s', '10.7 min', '2.0 h', '10.4 d')
    """
    if value >= 2 * _DAY_SECONDS:
        return f"{value / _DAY_SECONDS:.1f} d"
    if value >= _HOUR_SECONDS:
        return f"{value / _HOUR_SECONDS:.1f} h"
    return f"{value / 60:.1f} min" if value >= _LONG else seconds(value)


def span(length: int) -> str:
    """Return a length of time in its largest whole unit.

    >>> span(3_600_000_000), span(90_000_000), span(172_800_000_000)
    ('1 h', '90 s', '2 d')
    """
    for unit, name in _SPANS:
        if length and length % unit == 0:
            return f"{length // unit:,} {name}"
    return f"{length / 1e6:.3g} s"


def clock(time: datetime | None, *, seconds: bool = False) -> str:
    """Return a time in UTC to the minute, or to the second."""
    if time is None:
        return NONE
    return time.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def when(time: datetime | None, *, age: bool = False, seconds: bool = False) -> Html:
    """Return a time element; with ``age`` a script adds how long ago that was."""
    if time is None:
        return tag("span", NONE)
    return tag("time", clock(time, seconds=seconds), datetime=time.isoformat().replace("+00:00", "Z"), data_age=age)
