"""What one cell of a record means: a number, a category, an id, a flag; or nothing, or something of no use.

The same value gives the same cell on every path through decoding; ``test_decoding`` checks it. Missing is ``None`` (or
NaN, which Python's ``json.dumps`` writes for it). A number beyond 1e300 or not finite is bad: one of them would poison
every sum it enters.
"""

from __future__ import annotations

import hashlib
import math
import re
from typing import Final, TypeAlias

from monitor.decoding.paths import WRONG, Wrong

HUGE: Final = 1e300
LONGEST_TEXT: Final = 8192
"""Bytes of UTF-8; a longer category is cut and marked by its hash, a longer id is refused."""

Values: TypeAlias = list[object]

_FIELD_NAME = re.compile(r'[^"\\\x00-\x1f\ud800-\udfff]{1,256}')
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII)


def is_field_name(name: str) -> bool:
    """Whether a key can name a column: 1 to 256 characters, none of them a quote, backslash, control or surrogate."""
    return _FIELD_NAME.fullmatch(name) is not None


def number(value: object) -> float:
    """Return a numeric cell: NaN when missing, infinity when bad. A bool or a text of digits is no number.

    >>> number(3), number(None), number("3"), number(True)
    (3.0, nan, inf, inf)
    """
    if value is None:
        return math.nan
    if type(value) is not float and type(value) is not int:
        return math.inf
    try:
        result = float(value)
    except OverflowError:
        return math.inf
    return math.inf if abs(result) > HUGE else result


def category(value: object) -> str | Wrong | None:
    """Return a categorical cell: its text, ``None`` when missing, ``WRONG`` when it is an object, a list or not finite.

    >>> category("a"), category(3.0), category(0.5), category(True), category(None), category([])
    ('a', '3', '0.5', 'true', None, <Wrong.WRONG: 'wrong'>)
    """
    if value is None:
        return None
    if isinstance(value, str):
        return _bounded(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return _spelled(value) if isinstance(value, int | float) else WRONG


def _spelled(value: float) -> str | Wrong | None:
    found = number(value)
    if not math.isfinite(found):
        return None if math.isnan(found) else WRONG
    whole = isinstance(value, int) or (value.is_integer() and abs(value) < 1e16)
    return str(int(value)) if whole else repr(value)


def _bounded(text: str) -> str | Wrong:
    try:
        raw = text.encode()
    except UnicodeEncodeError:
        return WRONG
    if len(raw) <= LONGEST_TEXT:
        return text
    return f"{text[:64]}…{hashlib.blake2b(raw, digest_size=8).hexdigest()}"


def ident(value: object) -> str | Wrong | None:
    """Return an id: its text, ``None`` when missing, ``WRONG`` when it is of no use. Whole numbers keep every digit.

    >>> ident("a"), ident(18446744073709551617), ident(""), ident(1.0)
    ('a', '18446744073709551617', None, <Wrong.WRONG: 'wrong'>)
    """
    if value is None or value == "":
        return None
    if isinstance(value, str):
        bounded = _bounded(value)
        return WRONG if bounded != value else value
    if type(value) is int and abs(value) < 10**64:
        return str(value)
    if isinstance(value, float) and math.isnan(value):
        return None
    return WRONG


def flag(value: object) -> float:
    """Return 1.0 when serving failed, else 0.0: a status of 400 and above, or anything else that is truthy.

    >>> flag(None), flag(""), flag(200), flag(503), flag("timeout"), flag("200"), flag(True)
    (0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0)
    """
    value = plain(value)
    if value is WRONG:
        return 0.0
    if isinstance(value, int | float) and not isinstance(value, bool):
        failed = value != 0 and not 100 <= value < 400
        return float(failed and value == value)  # noqa: PLR0124 - NaN is no answer
    return float(bool(value))


def plain(value: object) -> object:
    """Return a text that spells a JSON number as that number; for headers, keys and CSV, which have texts only.

    >>> plain("12"), plain("1e3"), plain("012"), plain("")
    (12, 1000.0, '012', None)
    """
    if not isinstance(value, str):
        return value
    if value == "":
        return None
    if len(value) > 400 or not (match := _NUMBER.fullmatch(value)):
        return value
    return float(value) if match[2] or match[3] else int(value)
