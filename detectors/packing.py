"""Bytes of a mostly empty vector of counts: versioned, checked, small.

Layout, little-endian but the checksum: CRC-32 of the rest · ``DLC`` · version · identity length · flags · cells ·
non-zeros · identity · where the non-zeros are (a bitmap, or the zeros before each as a small column) · what they are (a
small column of the values less 1, or in zigzag when some are negative). A *small column* is one byte a number; 255
means that the number stands, 1, 2, 4 or 8 bytes wide, in the list that follows.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]

_MAGIC: Final = b"DLC"
_VERSION: Final = 1
_HEAD: Final = struct.Struct("<3sBBBII")
_CHECKSUM: Final = 4
_LONGEST_IDENTITY: Final = 255
_LIST: Final = struct.Struct("<IB")
_BITMAP: Final = 1
_SIGNED: Final = 2
_ESCAPE: Final = 255
_MOST_CELLS: Final = 1 << 28
_WIDTHS: Final = (1, 2, 4, 8)


class CorruptCountsError(ValueError):
    """Bytes that are no counts: cut short, changed, or of a newer version."""


def pack(identity: str, cells: IntArray) -> bytes:
    """Return the bytes of a flat vector."""
    name = identity.encode()
    if len(name) > _LONGEST_IDENTITY:
        raise ValueError(f"an identity has at most {_LONGEST_IDENTITY} bytes, not {len(name)}")
    if len(cells) > _MOST_CELLS:
        raise ValueError(f"a vector has at most {_MOST_CELLS} cells, not {len(cells)}")
    places = np.flatnonzero(cells)
    values = cells[places]
    flags = 0
    if len(values) and values.min() < 0:
        flags |= _SIGNED
        numbers = ((values << 1) ^ (values >> 63)).view(np.uint64)
    else:
        numbers = (values - 1).view(np.uint64)
    if len(places) * 8 > len(cells):
        flags |= _BITMAP
        where = np.packbits(cells != 0).tobytes()
    else:
        where = _pack_small((np.diff(places, prepend=-1) - 1).view(np.uint64))
    head = _HEAD.pack(_MAGIC, _VERSION, len(name), flags, len(cells), len(places))
    body = head + name + where + _pack_small(numbers)
    return zlib.crc32(body).to_bytes(_CHECKSUM, "big") + body


def unpack(data: bytes) -> tuple[str, IntArray]:
    """Return identity and vector; raise ``CorruptCountsError`` for anything that ``pack`` did not make."""
    try:
        return _unpack(data)
    except (struct.error, UnicodeDecodeError) as error:
        raise CorruptCountsError("the bytes make no sense") from error


def _unpack(data: bytes) -> tuple[str, IntArray]:
    if zlib.crc32(memoryview(data)[_CHECKSUM:]) != int.from_bytes(data[:_CHECKSUM], "big"):
        raise CorruptCountsError("the checksum does not fit")
    magic, version, length, flags, size, filled = _HEAD.unpack_from(data, _CHECKSUM)
    if magic != _MAGIC:
        raise CorruptCountsError("these bytes are no counts")
    if version != _VERSION:
        raise CorruptCountsError(f"counts of format {version}, this program reads {_VERSION}")
    place = _CHECKSUM + _HEAD.size
    name = _take(data, place, length).decode()
    place += length
    if size > _MOST_CELLS or filled > size or flags & ~(_BITMAP | _SIGNED):
        raise CorruptCountsError("the header makes no sense")
    if flags & _BITMAP:
        bits = np.frombuffer(_take(data, place, (size + 7) // 8), np.uint8)
        where = np.flatnonzero(np.unpackbits(bits, count=size))
        place += len(bits)
    else:
        gaps, place = _unpack_small(data, place, filled)
        if np.any(gaps >= np.uint64(_MOST_CELLS)):
            raise CorruptCountsError("a place lies outside the vector")
        where = np.cumsum(gaps.astype(np.int64) + 1) - 1
    numbers, place = _unpack_small(data, place, filled)
    if place != len(data) or len(where) != filled or (filled and where[-1] >= size):
        raise CorruptCountsError("the parts do not fit together")
    cells = np.zeros(size, np.int64)
    if flags & _SIGNED:
        cells[where] = (numbers >> np.uint64(1)).view(np.int64) ^ -(numbers & np.uint64(1)).view(np.int64)
    else:
        cells[where] = numbers.view(np.int64) + 1
    return name, cells


def _pack_small(numbers: NDArray[np.uint64]) -> bytes:
    small = np.minimum(numbers, _ESCAPE).astype(np.uint8)
    wide = numbers[small == _ESCAPE]
    largest = int(wide.max(initial=0))
    width = next(width for width in _WIDTHS if largest < 1 << (8 * width))
    packed: bytes = small.tobytes() + _LIST.pack(len(wide), width) + wide.astype(f"<u{width}").tobytes()
    return packed


def _unpack_small(data: bytes, place: int, length: int) -> tuple[NDArray[np.uint64], int]:
    small = np.frombuffer(_take(data, place, length), np.uint8)
    place += length
    wide, width = _LIST.unpack_from(data, place)
    place += _LIST.size
    if width not in _WIDTHS:
        raise CorruptCountsError("a width makes no sense")
    numbers = small.astype(np.uint64)
    escaped = small == _ESCAPE
    if np.count_nonzero(escaped) != wide:
        raise CorruptCountsError("the list of wide numbers does not fit")
    numbers[escaped] = np.frombuffer(_take(data, place, wide * width), f"<u{width}")
    return numbers, place + wide * width


def _take(data: bytes, place: int, length: int) -> bytes:
    part = data[place : place + length]
    if len(part) != length:
        raise CorruptCountsError("the bytes are cut short")
    return part
