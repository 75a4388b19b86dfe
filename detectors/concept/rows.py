"""The rows of a pane that sequential detectors will take, bounded, mergeable and packed.

Layout, little-endian but the checksum: CRC-32 of the rest · ``DLR`` · version · kind of values · bytes a gap · bound ·
rows kept · rows seen · rows refused · first log time · gaps between log times · hashes of the ids · values, as bits or
float32.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.concept.guard import acceptable
from detectors.concept.order import FloatArray, Hashes, IntArray, hash_ids, order

_MAGIC: Final = b"DLR"
_VERSION: Final = 1
_HEAD: Final = struct.Struct("<3sBBBIIqqq")
_CHECKSUM: Final = 4
_WIDTHS: Final = (1, 2, 4, 8)
_MOST_ROWS: Final = 1 << 24


class CorruptRowsError(ValueError):
    """Bytes that are no rows of a pane: cut short, changed, or of another format."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Errors or losses of one pane in the order in which detectors take them; a commutative monoid under ``+``.

    At most ``bound`` rows are kept: those of the lowest id hashes, a sample that does not depend on what was merged
    when. Errors are kept as bits, losses as float32. What the guard refuses is counted, not kept.

    Examples
    --------
    >>> first = Rows.of(np.array([20, 10]), ["a", "b"], np.array([1.0, 0.0]), bound=100, bits=True)
    >>> both = first + Rows.of(np.array([15]), ["c"], np.array([np.nan]), bound=100, bits=True)
    >>> both.values.tolist(), both.seen, both.refused
    ([0.0, 1.0], 2, 1)
    """

    bits: bool
    bound: int
    log_times: IntArray
    hashes: Hashes
    values: FloatArray
    seen: int = 0
    """Rows that the guard let pass, kept or not."""
    refused: int = 0

    @classmethod
    def empty(cls, bound: int, bits: bool) -> Rows:
        """Return no rows: the identity of ``+``.

        Raises
        ------
        ValueError
            When the bound is not from 1 to 2**24.
        """
        if not 1 <= bound <= _MOST_ROWS:
            raise ValueError(f"a bound of {bound} rows is not from 1 to {_MOST_ROWS}")
        return cls(bits, bound, np.empty(0, np.int64), np.empty(0, np.uint64), np.empty(0))

    @classmethod
    def of(
        cls, log_times: IntArray, ids: Sequence[str] | Hashes, values: FloatArray, *, bound: int, bits: bool
    ) -> Rows:
        """Return the rows with these log times, ids (or their hashes) and values, each ``[N]``, in any order."""
        hashes = ids if isinstance(ids, np.ndarray) else hash_ids(ids)
        if not len(log_times) == len(hashes) == len(values):
            raise ValueError(f"{len(log_times)} log times, {len(hashes)} ids and {len(values)} values")
        fine = np.flatnonzero(acceptable(values, bits))
        # Rounded before anything else, so that it makes no difference when rows are packed; -0.0 becomes 0.0.
        rounded = values[fine].astype(np.float32).astype(np.float64) + 0.0
        none = cls.empty(bound, bits)
        parts = none.log_times, none.hashes, none.values
        return none._with((parts, (log_times[fine], hashes[fine], rounded)), len(fine), len(values) - len(fine))

    def __add__(self, other: Rows) -> Rows:
        if (self.bits, self.bound) != (other.bits, other.bound):
            raise ValueError("rows with other bounds or kinds of values do not mix")
        parts = (
            (self.log_times, self.hashes, self.values),
            (other.log_times, other.hashes, other.values),
        )
        return self._with(parts, self.seen + other.seen, self.refused + other.refused)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rows):
            return NotImplemented
        return self.to_bytes() == other.to_bytes()

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self.values)

    @property
    def dropped(self) -> int:
        """Rows beyond the bound, which no detector will see."""
        return self.seen - len(self)

    @staticmethod
    def largest(bound: int) -> int:
        """Return the most bytes that rows with a bound can take."""
        return _CHECKSUM + _HEAD.size + 20 * bound

    def to_bytes(self) -> bytes:
        """Return the rows as bytes; equal rows give equal bytes."""
        gaps = np.diff(self.log_times.view(np.uint64)) if len(self) else np.empty(0, np.uint64)
        widest = int(gaps.max(initial=0))
        width = next(width for width in _WIDTHS if widest < 1 << (8 * width))
        first = int(self.log_times[0]) if len(self) else 0
        head = (int(self.bits), width, self.bound, len(self), self.seen, self.refused, first)
        values = np.packbits(self.values.astype(np.uint8)) if self.bits else self.values.astype("<f4")
        body = b"".join(
            [
                _HEAD.pack(_MAGIC, _VERSION, *head),
                gaps.astype(f"<u{width}").tobytes(),
                self.hashes.astype("<u8").tobytes(),
                values.tobytes(),
            ]
        )
        return zlib.crc32(body).to_bytes(_CHECKSUM, "big") + body

    @classmethod
    def from_bytes(cls, data: bytes) -> Rows:
        """Return the rows that ``to_bytes`` made into bytes; raise ``CorruptRowsError`` for anything else."""
        body = memoryview(data)[_CHECKSUM:]
        if len(body) < _HEAD.size or zlib.crc32(body) != int.from_bytes(data[:_CHECKSUM], "big"):
            raise CorruptRowsError("the checksum does not fit")
        magic, version, bits, width, bound, kept, seen, refused, first = _HEAD.unpack_from(body)
        if magic != _MAGIC or version != _VERSION:
            raise CorruptRowsError(f"no rows of format {_VERSION}")
        gaps = max(kept - 1, 0)
        hashes = _HEAD.size + width * gaps
        values = hashes + 8 * kept
        if width not in _WIDTHS or bits > 1 or len(body) != values + ((kept + 7) // 8 if bits else 4 * kept):
            raise CorruptRowsError("the parts do not fit together")
        times = np.empty(kept, np.uint64)
        times[:1] = np.array(first, np.int64).view(np.uint64)
        times[1:] = np.frombuffer(body, f"<u{width}", gaps, _HEAD.size)
        packed = np.frombuffer(body, np.uint8 if bits else "<f4", offset=values)
        found = cls(
            bool(bits),
            bound,
            np.cumsum(times, dtype=np.uint64).view(np.int64),
            np.frombuffer(body, "<u8", kept, hashes).astype(np.uint64),
            (np.unpackbits(packed, count=kept) if bits else packed).astype(np.float64),
            seen,
            refused,
        )
        if not found._makes_sense():
            raise CorruptRowsError("no pane has such rows")
        return found

    def _with(self, parts: Sequence[tuple[IntArray, Hashes, FloatArray]], seen: int, refused: int) -> Rows:
        log_times, hashes, values = (np.concatenate(column) for column in zip(*parts, strict=True))
        if len(values) > self.bound:
            lowest = np.lexsort((values, log_times, hashes))[: self.bound]
            log_times, hashes, values = log_times[lowest], hashes[lowest], values[lowest]
        fed = order(log_times, hashes, values)
        return Rows(self.bits, self.bound, log_times[fed], hashes[fed], values[fed], seen, refused)

    def _makes_sense(self) -> bool:
        sorted_already = np.array_equal(order(self.log_times, self.hashes, self.values), np.arange(len(self)))
        counted = len(self) == min(self.seen, self.bound) and self.refused >= 0 and 1 <= self.bound <= _MOST_ROWS
        return sorted_already and counted and bool(acceptable(self.values, self.bits).all())
