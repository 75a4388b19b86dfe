"""Bytes with a checksum before them: SQLite does not notice a flipped bit in a value."""

from __future__ import annotations

import zlib


class BrokenSealError(ValueError):
    """Stored bytes are not those that were written."""


def seal(data: bytes) -> bytes:
    """Return bytes with their checksum.

    >>> unseal(seal(b"abc"))
    b'abc'
    """
    return zlib.crc32(data).to_bytes(4, "big") + data


def unseal(data: bytes) -> bytes:
    """Return what was sealed.

    Raises
    ------
    BrokenSealError
        When it has changed since.
    """
    if len(data) < 4 or zlib.crc32(data[4:]) != int.from_bytes(data[:4], "big"):
        raise BrokenSealError("stored bytes have changed")
    return data[4:]
