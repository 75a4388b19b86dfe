"""Bytes with a checksum in front."""

from __future__ import annotations

from typing import Final

from crc32c import crc32c

from detectors.counts import CorruptCountsError

_CHECK: Final = 4


def seal(body: bytes) -> bytes:
    """Return bytes with their CRC-32C in front.

    >>> unseal(seal(b"counts"), "the counts are damaged")
    b'counts'
    """
    return crc32c(body).to_bytes(_CHECK, "big") + body


def unseal(data: bytes, problem: str) -> bytes:
    """Return what was sealed; ``problem`` is what to say when it is damaged.

    Raises
    ------
    CorruptCountsError
        When the bytes are damaged.
    """
    body = data[_CHECK:]
    if crc32c(body).to_bytes(_CHECK, "big") != data[:_CHECK]:
        raise CorruptCountsError(problem)
    return body
