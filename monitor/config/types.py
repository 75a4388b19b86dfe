"""Scalar types of the configuration: durations, sizes, times."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, WithJsonSchema

_UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_UNITS["w"] = 7 * _UNITS["d"]
_PART = re.compile(r"(\d+)(us|ms|s|m|h|d|w)")
_SIZE = re.compile(r"(\d+)\s*(B|KiB|MiB|GiB|kB|MB|GB)?")
_SIZES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "kB": 1000, "MB": 1000**2, "GB": 1000**3}


def parse_duration(value: object) -> int:
    """Return a duration such as ``15m``, ``1d`` or ``1h30m`` in microseconds.

    >>> parse_duration("1h30m")
    5400000000
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str):
        text = value.strip()
        parts = _PART.findall(text)
        if parts and "".join(number + unit for number, unit in parts) == text:
            return sum(int(number) * _UNITS[unit] for number, unit in parts)
        if text == "0":
            return 0
    message = "not a duration; write a whole number and a unit, such as 30s, 15m, 1h30m, 14d"
    raise ValueError(message)


def format_duration(micros: int) -> str:
    """Return the shortest way to write a duration.

    >>> format_duration(5_400_000_000), format_duration(86_400_000_000), format_duration(0)
    ('1h30m', '1d', '0s')
    """
    if micros == 0:
        return "0s"
    text = ""
    for unit in ("w", "d", "h", "m", "s", "ms", "us"):
        if unit == "w" and micros % _UNITS["w"]:
            continue
        number, micros = divmod(micros, _UNITS[unit])
        text += f"{number}{unit}" if number else ""
    return text


def parse_size(value: object) -> int:
    """Return a size such as ``1MiB`` in bytes.

    >>> parse_size("1MiB")
    1048576
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
        return int(match[1]) * _SIZES[match[2] or "B"]
    message = "not a size; write a whole number and a unit, such as 512KiB or 1MiB"
    raise ValueError(message)


def parse_moment(value: object) -> int:
    """Return an RFC 3339 time with its offset, in microseconds since the epoch.

    >>> parse_moment("2026-11-01T00:00:00Z")
    1793491200000000
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, datetime):
        moment = value
    else:
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            message = "not a time; write RFC 3339, such as 2026-11-01T00:00:00Z"
            raise ValueError(message) from None
    if moment.tzinfo is None:
        message = "a time without its offset is ambiguous; end it in Z or +01:00"
        raise ValueError(message)
    whole = moment.astimezone(UTC).replace(microsecond=0)
    return round(whole.timestamp()) * 1_000_000 + moment.microsecond


Duration: TypeAlias = Annotated[
    int,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": "string", "pattern": r"^(\d+(us|ms|s|m|h|d|w))+$", "examples": ["15m", "1h30m", "14d"]}),
]
"""Microseconds, written as ``15m``."""

Size: TypeAlias = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"anyOf": [{"type": "integer"}, {"type": "string"}], "examples": ["1MiB"]}),
]
"""Bytes, written as ``1MiB``."""

Moment: TypeAlias = Annotated[
    int,
    BeforeValidator(parse_moment),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
"""Microseconds since the epoch, written as RFC 3339."""
