"""Scalar types of the configuration: durations, sizes, times."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias, get_args, get_origin

from pydantic import BeforeValidator, PlainSerializer, PlainValidator, ValidationInfo, WithJsonSchema

from alerts.net.secret import MASK, Secret
from monitor.config.interpolate import FileText

_UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000}
_UNITS["w"] = 7 * _UNITS["d"]
_PART = re.compile(r"([0-9]+)(us|ms|s|m|h|d|w)")
_SIZE = re.compile(r"([0-9]+)\s*(B|KiB|MiB|GiB|kB|MB|GB)?")
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


def parse_budget(value: object) -> int:
    """Return the microseconds that pass between two incidents of a budget such as ``1 per 7d``.

    >>> parse_budget("2 per 7d") == parse_duration("84h")
    True
    """
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    match = _BUDGET_TEXT.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is not None:
        period = _UNITS["d"] if match[2] == "day" else _UNITS["w"] if match[2] == "week" else parse_duration(match[2])
        number = float(match[1])
        if number > 0 and period > 0 and period / number < 1 << 62:
            return max(round(period / number), 1)
    message = "not a budget; write a number and a period, such as 1 per 7d or 2 per 365d"
    raise ValueError(message)


def format_budget(micros: int) -> str:
    """Return the shortest way to write a budget.

    >>> format_budget(604_800_000_000), format_budget(302_400_000_000)
    ('1 per 7d', '2 per 7d')
    """
    day = _UNITS["d"]
    number = next((n for n in range(1, 100) if micros * n % day == 0), 1)
    period = micros * number
    return f"{number} per {period // day}d" if period % day == 0 else f"1 per {format_duration(micros)}"


def parse_secret(value: object) -> Secret:
    """Return a text that nobody may see; one that came from a file is read again at every use.

    >>> parse_secret("hunter2")
    Secret(***)
    """
    if isinstance(value, Secret):
        return value
    if not isinstance(value, str) or not value:
        message = "needs a text"
        raise ValueError(message)
    return Secret.from_file(value.path) if isinstance(value, FileText) else Secret(value)


def admits_bool(annotation: Any) -> bool:
    """Return whether a field of this type can hold true and false; whatever may hold more than scalars can.

    >>> admits_bool(int | None), admits_bool(bool), admits_bool(dict[str, bool])
    (False, True, True)
    """
    if annotation in {int, float, str, type(None)}:
        return False
    if get_origin(annotation) is Annotated:
        return admits_bool(get_args(annotation)[0])
    alternatives = get_args(annotation)
    if not alternatives or isinstance(annotation, type(dict[str, str])):
        return True
    return any(admits_bool(alternative) for alternative in alternatives if not isinstance(alternative, str | int))


def _written(parse: Callable[[object], int], message: str) -> Callable[[object, ValidationInfo], int]:
    """Return a validator that takes bare numbers from code but not from a file, where their unit is anyone's guess."""

    def validate(value: object, info: ValidationInfo) -> int:
        if info.context and isinstance(value, int) and value != 0:
            raise ValueError(message)
        return parse(value)

    return validate


_BUDGET = r"^\s*\d+(\.\d+)?\s+per\s+(day|week|(\d+(us|ms|s|m|h|d|w))+)\s*$"
_BUDGET_TEXT = re.compile(r"(\d+(?:\.\d+)?)\s+per\s+(\S+)")
_NO_BUDGET = "a number alone is no budget; write 1 per 7d or 2 per 365d"
_DURATION = r"^\s*(0|(\d+(us|ms|s|m|h|d|w))+)\s*$"
_BYTES = r"^\s*\d+\s*(B|KiB|MiB|GiB|kB|MB|GB)?\s*$"
_NO_UNIT = "a duration without its unit; write 30s, 15m, 1h30m, 14d"
_NO_DATE = "not a time; write RFC 3339, such as 2026-11-01T00:00:00Z"

Duration: TypeAlias = Annotated[
    int,
    BeforeValidator(_written(parse_duration, _NO_UNIT)),
    WithJsonSchema({"$comment": "duration", "anyOf": [{"type": "string", "pattern": _DURATION}, {"const": 0}]}),
]
"""Microseconds, written as ``15m``."""

Budget: TypeAlias = Annotated[
    int,
    BeforeValidator(_written(parse_budget, _NO_BUDGET)),
    WithJsonSchema({"$comment": "budget", "type": "string", "pattern": _BUDGET}),
]
"""Microseconds between two false incidents, written as ``1 per 7d``."""

Size: TypeAlias = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema(
        {"$comment": "size", "anyOf": [{"type": "integer", "minimum": 0}, {"type": "string", "pattern": _BYTES}]}
    ),
]
"""Bytes, written as ``1MiB``."""

Moment: TypeAlias = Annotated[
    int,
    BeforeValidator(_written(parse_moment, _NO_DATE)),
    WithJsonSchema({"$comment": "time", "type": "string", "format": "date-time"}),
]
"""Microseconds since the epoch, written as RFC 3339."""

SecretText: TypeAlias = Annotated[
    Secret,
    PlainValidator(parse_secret),
    PlainSerializer(lambda _: MASK, return_type=str),
    WithJsonSchema({"type": "string", "format": "password", "writeOnly": True}),
]
"""A secret, best written ``${file:/run/secrets/x}``: then it is read again at every use."""
