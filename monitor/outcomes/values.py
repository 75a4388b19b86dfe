"""Values of columns that have too many for a cell each: their texts, and how many rows each has in an hour."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.events import IntArray
from monitor.sealed import seal, unseal

WIDTH: Final = 24
"""Bytes of a text; a longer one is cut and marked by its hash."""
MOST: Final = 100_000
"""Values of a column in an hour. A column with more is one of ids: such an hour says nothing of its values."""
TYPE: Final = np.dtype(f"S{WIDTH}")
NAMED: Final = np.dtype(f"S{WIDTH + 1}")
"""The number of the column, from 1, before the text."""
_HASH: Final = 10
_KEPT: Final = WIDTH - _HASH - 1
_BITS: Final = 8

Texts = NDArray[np.bytes_]


@lru_cache(maxsize=1 << 16)
def packed(text: str) -> bytes:
    """Return a text in 1 to 24 bytes; other texts have other bytes, as far as 50 bits of a hash tell them apart.

    A text that is longer, or has letters that cannot be shown, is cut and marked by its hash.

    >>> packed("acme"), packed("Überweisung aus dem Ausland").decode()
    (b'acme', 'Überweisung ~5JM6NWCP5U')
    """
    data = text.encode("utf-8", "surrogatepass")
    if 0 < len(data) <= WIDTH and text.isprintable() and "~" not in text:
        return data
    digest = base64.b32encode(hashlib.blake2b(data, digest_size=8).digest())[:_HASH]
    start = data[:_KEPT].decode("utf-8", "ignore")
    return "".join(letter for letter in start if letter.isprintable()).encode() + b"~" + digest


def readable(data: bytes) -> str:
    """Return the text of ``packed`` bytes."""
    return data.decode("utf-8", "replace")


def named(column: int, text: str) -> bytes:
    """Return what tells a value from those of other columns; ``text`` is a readable one."""
    return bytes([column + 1]) + text.encode()


@dataclass(frozen=True, eq=False)
class Bag:
    """Rows by value. A sum of bags does not depend on their order, ``full`` columns included."""

    names: Texts
    """Column and text as ``NAMED``, in order, each once."""
    rows: IntArray
    wrong: IntArray
    full: int = 0
    """Columns with too many values, a bit each; they have no names here."""

    @classmethod
    def of(cls, texts: Texts, wrong: IntArray) -> Bag:
        """Count rows.

        Parameters
        ----------
        texts
            By row and column, ``[n, K]`` of ``TYPE``; empty where a row has none.
        wrong
            1 for a row that counts against its values, else 0, ``[n]``.
        """
        row, column = np.nonzero(texts != b"")
        names = np.zeros(len(row), NAMED)
        if len(row):
            view = names.view(np.uint8).reshape(-1, WIDTH + 1)
            view[:, 0] = column + 1
            view[:, 1:] = texts[row, column].view(np.uint8).reshape(-1, WIDTH)
        return cls._summed(names, np.ones(len(row), np.int64), wrong[row], 0)

    @classmethod
    def none(cls) -> Bag:
        """Return nothing."""
        return cls(np.zeros(0, NAMED), np.zeros(0, np.int64), np.zeros(0, np.int64))

    def __add__(self, other: Bag) -> Bag:
        """Return the rows of both."""
        names = np.concatenate([self.names, other.names])
        rows, wrong = (np.concatenate(pair) for pair in ((self.rows, other.rows), (self.wrong, other.wrong)))
        return self._summed(names, rows, wrong, self.full | other.full)

    @property
    def columns(self) -> IntArray:
        """The column of each name, from 0."""
        if not len(self.names):
            return np.zeros(0, np.int64)
        return self.names.view(np.uint8).reshape(-1, WIDTH + 1)[:, 0].astype(np.int64) - 1

    def is_full(self, column: int) -> bool:
        """Whether a column has too many values."""
        return bool(self.full >> column & 1)

    def to_bytes(self) -> bytes:
        """Return bytes with a checksum."""
        parts = [self.names.tobytes(), self.rows.astype("<i8").tobytes(), self.wrong.astype("<i8").tobytes(), self.full]
        return seal(msgspec.msgpack.encode(parts))

    @classmethod
    def from_bytes(cls, data: bytes) -> Bag:
        """Return what ``to_bytes`` took apart.

        Raises
        ------
        CorruptCountsError
            When the bytes are damaged.
        """
        names, rows, wrong, full = msgspec.msgpack.decode(unseal(data, "rows by value are damaged"))
        if not names:
            return cls(np.zeros(0, NAMED), np.zeros(0, np.int64), np.zeros(0, np.int64), full)
        known, bad = (np.frombuffer(part, "<i8").astype(np.int64) for part in (rows, wrong))
        return cls(np.frombuffer(names, NAMED), known, bad, full)

    @classmethod
    def _summed(cls, names: Texts, rows: IntArray, wrong: IntArray, full: int) -> Bag:
        found, place = np.unique(names, return_inverse=True)
        known, bad = (np.bincount(place, part, len(found)).astype(np.int64) for part in (rows, wrong))
        bag = cls(found, known, bad, full)
        held = np.bincount(bag.columns, minlength=_BITS)
        for column in np.flatnonzero(held > MOST).tolist():
            full |= 1 << column
        if not full:
            return bag
        kept = (full >> bag.columns & 1) == 0
        return cls(found[kept], bag.rows[kept], bag.wrong[kept], full)
