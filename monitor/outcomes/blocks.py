"""Rows counted in the slices of several slicings at once: what a row adds is worked out once, and added to each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from monitor.events import IntArray
from monitor.outcomes.parts import BLOCK, SlicedPart

CELLS_AT_ONCE: Final = 2_000_000
_DENSE: Final = 4
"""Keys are counted in a table where it has at most so many places a row; else they are sorted."""
Chosen: TypeAlias = IntArray | slice
Count: TypeAlias = Callable[[Chosen, IntArray, int], IntArray]
"""Rows, the group of each in every slicing ``[slicings, rows]``, how many groups → a vector of cells a group."""


@dataclass(frozen=True, slots=True)
class Placed:
    """The rows of one slicing: the slice of each, -1 where the slicing does not count it."""

    part: SlicedPart
    codes: IntArray


def tally_blocks(
    slicings: Sequence[Placed], hours: IntArray, count: Count, most: int = CELLS_AT_ONCE
) -> Iterator[tuple[SlicedPart, IntArray, IntArray]]:
    """Yield slicing, keys of its blocks, and the cells of the slices in them, ``[keys * BLOCK, cells]``.

    A key is ``hour * blocks + block``; it may come more than once.

    Parameters
    ----------
    hours
        Hour and version of each row as one number.
    count
        Counts rows into groups.
    most
        Cells held at once, about: rows are taken apart hour by hour, then anyhow, until they fit.
    """
    found, place = np.unique(hours, return_inverse=True)
    rows = slice(None) if len(found) == 1 else np.argsort(place, kind="stable")
    yield from _tally(slicings, found, place, rows, count, most)


def _tally(
    slicings: Sequence[Placed], hours: IntArray, place: IntArray, rows: Chosen, count: Count, most: int
) -> Iterator[tuple[SlicedPart, IntArray, IntArray]]:
    groups = np.empty((len(slicings), len(place[rows])), np.int64)
    known: list[IntArray] = []
    first, cells = 0, 0
    for group, slicing in zip(groups, slicings, strict=True):
        blocks, codes = slicing.part.blocks, slicing.codes[rows]
        keys, at = _distinct(place[rows] * blocks + codes // BLOCK, codes >= 0, len(hours) * blocks)
        group[:] = (first + at) * BLOCK + codes % BLOCK
        group[codes < 0] = -1
        known.append(hours[keys // blocks] * blocks + keys % blocks)
        first += len(keys)
        cells += len(keys) * slicing.part.size
    number = groups.shape[1]
    if cells > most and number > 1:
        every = np.arange(number) if isinstance(rows, slice) else rows
        for some in np.array_split(every, min(number, -(-cells // most))):
            yield from _tally(slicings, hours, place, some, count, most)
        return
    # rows that a slicing does not count go to a group behind all others
    groups[groups < 0] = first * BLOCK
    vectors = count(rows, groups, first * BLOCK + 1)
    first = 0
    for slicing, keys in zip(slicings, known, strict=True):
        last = first + len(keys) * BLOCK
        yield slicing.part, keys, vectors[first:last]
        first = last


def _distinct(
    keys: IntArray, counted: np.ndarray[tuple[int], np.dtype[np.bool_]], limit: int
) -> tuple[IntArray, IntArray]:
    """Return the distinct keys in ``[0, limit)`` of the rows that count, and the place of each row's key among them."""
    chosen = keys if bool(counted.all()) else keys[counted]
    if limit <= _DENSE * len(keys):
        there = np.zeros(limit, np.bool_)
        there[chosen] = True
        found = np.flatnonzero(there)
        places = np.cumsum(there) - 1
        return found, places[np.maximum(keys, 0)]
    found = np.unique(chosen)
    return found, np.searchsorted(found, keys)
