"""Label values that are safe to export, whatever a producer put on the topic."""

from __future__ import annotations

import hashlib
from typing import Final

MAX_BYTES: Final = 128
_HASH_BYTES: Final = 8


def label(value: str) -> str:
    r"""Return ``value`` as a label value of at most 128 bytes of printable UTF-8.

    A value that is short and printable stays as it is. Any other has what cannot be printed written as an escape, is
    cut to size, and ends in ``~`` and a hash of the whole, so two different values never become one series.

    >>> label("amount")
    'amount'
    >>> label("a\nb")
    'a\\nb~a76de9f2d561975f'
    >>> len(label("x" * 1_000_000).encode())
    128
    """
    if len(value) <= MAX_BYTES and value.isprintable():
        encoded = value.encode()
        if len(encoded) <= MAX_BYTES:
            return value
    digest = hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).hexdigest()
    room = MAX_BYTES - 1 - len(digest)
    shown = "".join(_printable(character) for character in value[:room])
    return f"{shown.encode()[:room].decode('utf-8', 'ignore')}~{digest}"


def _printable(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
