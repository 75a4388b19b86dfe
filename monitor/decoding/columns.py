"""Cells side by side: values as they came become the columns of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, starmap
from operator import itemgetter
from struct import Struct, error
from typing import Any, Final

import numpy as np

from detectors.embeddings.grid import LARGEST
from monitor.decoding.cells import HUGE, Values, category, flag, number
from monitor.decoding.paths import WRONG
from monitor.decoding.plan import Cell
from monitor.decoding.words import Words
from monitor.events import Column, FloatArray, IntArray

_NONE: Final = type(None)
_NUMBERS: Final = frozenset({float, int, _NONE})
_IN_VECTORS: Final = frozenset({float, int})
_NOTHING: Final = np.empty(0, np.int64)


def make_column(cell: Cell, values: Values, *, careful: bool, words: Words | None = None) -> tuple[Column, IntArray]:
    """Return one column out of values as they came, and the rows of its bad cells; ``words`` are its texts so far."""
    if cell.lenient:
        values = [None if value is WRONG else value for value in values]
    if cell.kind == "numeric":
        return numeric_column(values)
    if cell.kind == "vector":
        return vector_column(values, cell.size)
    if cell.kind == "flag":
        return flag_column(values), _NOTHING
    return categorical_column(values, careful=careful, words=words)


def make_matrix(rows: Sequence[tuple[Any, ...]], fields: Sequence[int]) -> list[tuple[Any, IntArray]]:
    """Return float columns of fields that hold floats or ``None``, each with the rows beyond bounds.

    Packing rows with ``struct`` is twice as fast as an array a column, but stops at the first ``None``.
    """
    number, first = len(fields), fields[0]
    if number == 1:
        cells = np.array(list(map(itemgetter(first), rows)), np.float64).reshape(-1, 1)
    else:
        side_by_side = fields[-1] - first == number - 1
        get = itemgetter(slice(first, first + number)) if side_by_side else itemgetter(*fields)
        try:
            packed = b"".join(starmap(Struct(f"{number}d").pack, map(get, rows)))
            cells = np.frombuffer(packed, np.float64).reshape(-1, number)
        except error:
            cells = np.array(list(chain.from_iterable(map(get, rows))), np.float64).reshape(-1, number)
    columns = np.array(cells.T, order="C")
    far = np.abs(columns) > HUGE
    if not far.any():
        return [(column, _NOTHING) for column in columns]
    return [unbounded_removed(column) for column in columns]


def numeric_column(values: Values) -> tuple[FloatArray, IntArray]:
    """Return cells as ``float64`` (NaN where missing or bad) and the rows of the bad ones."""
    if _NUMBERS.issuperset(map(type, values)):
        try:
            return unbounded_removed(np.array(values, np.float64))
        except OverflowError:
            pass  # an integer beyond float64: the careful way below marks it
    return unbounded_removed(np.array([number(value) for value in values], np.float64))


def vector_column(values: Values, size: int) -> tuple[FloatArray, IntArray]:
    """Return vectors as ``[rows, size]`` (NaN where missing or bad) and the rows of the bad ones.

    Bad is what is no list of ``size`` finite numbers within 1e150. A vector with a missing number is bad too.
    """
    cells = np.full((len(values), size), np.nan)
    bad: list[int] = []
    for row, value in enumerate(values):
        if value is None:
            continue
        if not isinstance(value, list) or len(value) != size or not _IN_VECTORS.issuperset(map(type, value)):
            bad.append(row)
            continue
        try:
            cells[row] = value
        except OverflowError:  # an integer beyond float64
            bad.append(row)
            continue
        if not np.abs(cells[row]).max() <= LARGEST:
            bad.append(row)
    cells[bad] = np.nan
    return cells, np.array(bad, np.int64)


def unbounded_removed(cells: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the cells with NaN for those beyond ``HUGE``, and the rows of these. Changes ``cells``."""
    far = np.abs(cells) > HUGE
    if not far.any():
        return cells, _NOTHING
    cells[far] = np.nan
    return cells, np.flatnonzero(far)


def categorical_column(
    values: Values, *, careful: bool, words: Words | None = None
) -> tuple[list[str | None], IntArray]:
    """Return cells as texts (``None`` where missing or bad) and the rows of the bad ones.

    ``careful`` says that texts may be too long or hold lone surrogates; otherwise texts pass as they are.
    """
    if not careful and (texts := (words or Words()).unite(values)) is not None:
        return texts, _NOTHING
    cells = [category(value) for value in values]
    bad = [row for row, cell in enumerate(cells) if cell is WRONG]
    return [cell if isinstance(cell, str) else None for cell in cells], np.array(bad, np.int64)


def flag_column(values: Values) -> FloatArray:
    """Return a flag a row."""
    return np.array([flag(value) for value in values], np.float64)
