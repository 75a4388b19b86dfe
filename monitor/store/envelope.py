"""What every stored value is wrapped in: a format byte and a CRC-32C over its key and itself."""

from __future__ import annotations

import struct
from typing import Final

from crc32c import crc32c

from monitor.store.port import CorruptStateError

FORMAT: Final = 1
_HEAD: Final = struct.Struct(">BI")
OVERHEAD: Final = _HEAD.size


def seal(key: bytes, value: bytes) -> bytes:
    """Return a value as it is stored under its key."""
    return _HEAD.pack(FORMAT, crc32c(value, crc32c(key))) + value


def unseal(key: bytes, data: bytes) -> bytes:
    """Return the value that ``seal`` wrapped.

    The key is part of the checksum, so that a value cannot turn up under another's key.

    Raises
    ------
    CorruptStateError
        When these are not the bytes that were sealed.

    Examples
    --------
    >>> unseal(b"key", seal(b"key", b"value"))
    b'value'
    """
    if len(data) < OVERHEAD:
        raise CorruptStateError(key, f"{len(data)} bytes are too few for a stored value")
    form, checksum = _HEAD.unpack_from(data)
    if form != FORMAT:
        raise CorruptStateError(key, f"stored in format {form}, only {FORMAT} is known")
    value = data[OVERHEAD:]
    if crc32c(value, crc32c(key)) != checksum:
        raise CorruptStateError(key, "checksum does not match")
    return value
