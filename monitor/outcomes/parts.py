"""What is counted of outcomes, hour by hour: the whole population, and blocks of neighbouring slices.

A part has vectors of its own in the store, under a name that says what their cells mean. So a part whose bins changed
starts from nothing, and what was counted before is dropped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from monitor.events import IntArray
from monitor.outcomes.judges import Judge
from monitor.slices import Slicing

BLOCK: Final = 16
"""Slices that are stored together: a label rewrites no more than their cells."""
RUNNING, MATURED = range(2)
_ENDS: Final = 3
"""Matured without a label, matured by what no label means, the revision (predictions, settled changes, judgements)."""
_SEPARATOR: Final = "\n"


class UnknownLayoutError(ValueError):
    """A vector is not of the part whose name it bears."""


@dataclass(frozen=True, eq=False)
class WholePart:
    """Vector of the whole population: predictions, the running table, the matured table, and what had no label."""

    model: str
    judge: Judge

    @property
    def name(self) -> str:
        """Where its panes are."""
        return _SEPARATOR.join((self.model, self.identity))

    @cached_property
    def identity(self) -> str:
        """Hash of what the cells mean."""
        return f"outcomes:{self.judge.identity}"

    @property
    def size(self) -> int:
        """Cells."""
        return self.judge.said + 2 * self.judge.size + _ENDS

    def remap(self, description: bytes, vector: IntArray) -> IntArray:
        """Refuse: a part of other cells has another name."""
        raise UnknownLayoutError(f"{self.name!r} holds {len(vector)} cells of {description!r}")

    def said(self, vectors: IntArray) -> IntArray:
        """Return the cells of predictions of vectors ``[..., size]``."""
        return vectors[..., : self.judge.said]

    def table(self, vectors: IntArray, kind: int) -> IntArray:
        """Return the cells of the running or the matured table."""
        first = self.judge.said + kind * self.judge.size
        return vectors[..., first : first + self.judge.size]

    def ends(self, vectors: IntArray) -> IntArray:
        """Return rows that matured without a label, by what no label means, and the revision."""
        return vectors[..., -_ENDS:]


@dataclass(frozen=True, eq=False)
class SlicedPart:
    """One slicing, in blocks of slices; a slice has predictions, the running table and the matured table."""

    model: str
    slicing: Slicing
    judge: Judge
    codings: tuple[str, ...] = ()
    """Identities of the columns' codes."""

    @property
    def key(self) -> str:
        """The columns."""
        return ",".join(self.slicing.columns)

    @cached_property
    def identity(self) -> str:
        """Hash of what the cells mean: which row gets which slice, and how it is counted."""
        digest = hashlib.blake2b(repr((BLOCK, self.judge.identity, self.codings)).encode(), digest_size=8)
        for cut in self.slicing.cuts:
            digest.update(repr((cut.column, cut.names)).encode() + cut.groups.tobytes())
        return f"outcomes:{digest.hexdigest()}"

    @property
    def slice_size(self) -> int:
        """Cells of one slice."""
        return self.judge.said + 2 * self.judge.size

    @property
    def size(self) -> int:
        """Cells of a block."""
        return BLOCK * self.slice_size

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return -(-self.slicing.size // BLOCK)

    def name(self, block: int) -> str:
        """Return where the panes of a block are."""
        return _SEPARATOR.join((self.model, self.identity, str(block)))

    def names(self) -> Iterator[str]:
        """Yield where the panes of each block are."""
        return map(self.name, range(self.blocks))

    def remap(self, description: bytes, vector: IntArray) -> IntArray:
        """Refuse: a part of other cells has another name."""
        raise UnknownLayoutError(f"{self.identity!r} holds {len(vector)} cells of {description!r}")

    def slices(self, vectors: IntArray) -> IntArray:
        """Return blocks ``[..., size]`` as slices ``[..., BLOCK, slice_size]``."""
        return vectors.reshape(*vectors.shape[:-1], BLOCK, self.slice_size)

    def said(self, vectors: IntArray) -> IntArray:
        """Return the cells of predictions of slices ``[..., slice_size]``."""
        return vectors[..., : self.judge.said]

    def table(self, vectors: IntArray, kind: int) -> IntArray:
        """Return the cells of the running or the matured table."""
        first = self.judge.said + kind * self.judge.size
        return vectors[..., first : first + self.judge.size]


def model_of(name: str) -> str:
    """Return the model that a part's name begins with."""
    return name.split(_SEPARATOR, 1)[0]


def runs(keys: IntArray, most: int) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
    """Yield at most so many distinct keys at a time: the rows, the place of each row's key, and the keys."""
    found, place = np.unique(keys, return_inverse=True)
    if len(found) <= most:
        yield np.arange(len(keys)), place, found
        return
    order = np.argsort(place, kind="stable")
    cuts = np.searchsorted(place[order], np.arange(0, len(found) + most, most))
    for first, last, start in zip(cuts[:-1], cuts[1:], range(0, len(found), most), strict=False):
        rows = order[first:last]
        yield rows, place[rows] - start, found[start : start + most]
