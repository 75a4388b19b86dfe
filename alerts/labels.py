"""Labels of an alert, safe to show anywhere, and the hash that names it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final

import msgspec

LONGEST: Final = 128
"""Bytes of a label's value."""
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_NAME: Final = re.compile(r"[^a-zA-Z0-9_]")


def clean_value(value: str) -> str:
    r"""Return a value without control characters and at most 128 bytes long; what is cut off leaves a hash.

    >>> clean_value("a\nb")
    'a b'
    >>> len(clean_value("x" * 1_000_000)), clean_value("x" * 500) == clean_value("x" * 501)
    (128, False)
    """
    if len(value) <= LONGEST and value.isascii() and value.isprintable():
        return value
    shown = _CONTROL.sub(" ", value[: 2 * LONGEST])
    data = shown.encode()
    if len(value) <= 2 * LONGEST and len(data) <= LONGEST:
        return shown
    mark = "~" + hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return data[: LONGEST - len(mark)].decode(errors="ignore") + mark


def clean_name(name: str) -> str:
    """Return a name that Prometheus accepts.

    >>> clean_name("feed-name"), clean_name("7days")
    ('feed_name', '_7days')
    """
    safe = _NAME.sub("_", name[:LONGEST]) or "_"
    return f"_{safe}" if safe[0].isdigit() else safe


def fingerprint(labels: Mapping[str, str]) -> str:
    """Return a hash of labels, whatever their order.

    >>> fingerprint({"a": "1", "b": "2"}) == fingerprint({"b": "2", "a": "1"})
    True
    >>> fingerprint({"a": "1"})
    '57bfe7a5665fd3e5'
    """
    return digest(sorted(labels.items()))


def digest(parts: object, length: int = 16) -> str:
    """Return the first hexadecimal digits of a hash of anything that JSON can hold."""
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:length]
