"""What the detectors of many streams remember, and its bytes.

Layout, little-endian but the checksum: CRC-32 of the rest · ``DLS`` · version · identity length · monitors · numbers a
monitor · identity · counts ``[J, 4]`` (int64: rows, refused, drifts, warnings) · numbers ``[J, F]`` (float64) · lengths
of the windows ``[J]`` (uint32) · the windows one after the other.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from detectors.concept.kernel import CorruptStateError, Kernel, Memory, check

IntArray: TypeAlias = NDArray[np.int64]

_MAGIC: Final = b"DLS"
_VERSION: Final = 1
_HEAD: Final = struct.Struct("<3sBHIH")
_CHECKSUM: Final = 4
_COUNTS: Final = ("rows", "refused", "drifts", "warnings")


class OtherDetectorError(ValueError):
    """Sound bytes of a detector of another kind or with other parameters: start anew, and say so."""


@dataclass(frozen=True, slots=True)
class States:
    """What the detectors of J monitors remember; never changed, only replaced."""

    memories: tuple[Memory, ...]
    rows: IntArray
    """Values taken so far, ``[J]``."""
    refused: IntArray
    """Values that the guard kept away, ``[J]``."""
    drifts: IntArray
    warnings: IntArray

    def __len__(self) -> int:
        return len(self.memories)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, States):
            return NotImplemented
        same = (np.array_equal(getattr(self, name), getattr(other, name)) for name in _COUNTS)
        return self.memories == other.memories and all(same)

    __hash__ = None  # type: ignore[assignment]

    @property
    def size(self) -> int:
        """Bytes of all memories."""
        return sum(8 * len(memory.numbers) + len(memory.window) for memory in self.memories)

    def take(self, monitors: Sequence[int]) -> States:
        """Return the states of some monitors, in the order given."""
        counts = (getattr(self, name)[list(monitors)] for name in _COUNTS)
        return States(tuple(self.memories[monitor] for monitor in monitors), *counts)

    @classmethod
    def joined(cls, parts: Sequence[States]) -> States:
        """Return the states of all monitors of some parts, one part behind the other."""
        memories = tuple(memory for part in parts for memory in part.memories)
        none = np.zeros(0, np.int64)
        counts = (np.concatenate([none, *(getattr(part, name) for part in parts)]) for name in _COUNTS)
        return cls(memories, *counts)


def pack(identity: str, states: States) -> bytes:
    """Return the bytes of some states of the detector with an identity."""
    name = identity.encode()
    numbers = len(states.memories[0].numbers) if states.memories else 0
    counts = np.stack([getattr(states, count) for count in _COUNTS], axis=1)
    body = b"".join(
        [
            _HEAD.pack(_MAGIC, _VERSION, len(name), len(states), numbers),
            name,
            counts.astype("<i8").tobytes(),
            np.array([memory.numbers for memory in states.memories], "<f8").tobytes(),
            np.array([len(memory.window) for memory in states.memories], "<u4").tobytes(),
            *(memory.window for memory in states.memories),
        ]
    )
    return zlib.crc32(body).to_bytes(_CHECKSUM, "big") + body


def unpack(identity: str, kernel: Kernel, data: bytes) -> States:
    """Return the states in some bytes, each memory checked by the kernel that is to go on from it.

    Raises
    ------
    OtherDetectorError
        When a detector with another identity left them.
    CorruptStateError
        When these are no such bytes.
    """
    body = memoryview(data)[_CHECKSUM:]
    if len(body) < _HEAD.size or zlib.crc32(body) != int.from_bytes(data[:_CHECKSUM], "big"):
        raise CorruptStateError("the checksum does not fit")
    magic, version, length, monitors, fields = _HEAD.unpack_from(body)
    if magic != _MAGIC or version != _VERSION:
        raise CorruptStateError(f"no states of format {_VERSION}")
    place = _HEAD.size + length
    found = bytes(body[_HEAD.size : place]).decode("utf-8", "replace")
    if found != identity:
        raise OtherDetectorError(f"the states are those of {found!r}, not of {identity!r}")
    ends = place + np.cumsum([0, 8 * len(_COUNTS) * monitors, 8 * fields * monitors, 4 * monitors])
    if ends[-1] > len(body):
        raise CorruptStateError("the bytes are cut short")
    counts, numbers, lengths = (bytes(body[start:end]) for start, end in pairwise(ends.tolist()))
    borders = ends[-1] + np.concatenate([[0], np.cumsum(np.frombuffer(lengths, "<u4").astype(np.int64))])
    if borders[-1] != len(body):
        raise CorruptStateError("the windows do not fit")
    rows = np.frombuffer(numbers, "<f8").reshape(monitors, fields).tolist()
    windows = (bytes(body[start:end]) for start, end in pairwise(borders.tolist()))
    memories = tuple(Memory(tuple(row), window) for row, window in zip(rows, windows, strict=True))
    columns = np.frombuffer(counts, "<i8").astype(np.int64).reshape(monitors, len(_COUNTS)).T
    if np.any(columns < 0):
        raise CorruptStateError("a count is negative")
    for memory in memories:
        check(kernel, memory)
    return States(memories, *(column.copy() for column in columns))
