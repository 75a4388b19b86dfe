"""A frame in memory against a reference: whole Arrow columns counted in its bins, no row touched in Python."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from detectors.bins import CategoricalBins
from monitor.decoding.schema import ColumnType
from monitor.events import IntArray
from monitor.reference.fitting import Bins


def kind_of(arrow_type: Any) -> ColumnType:
    """Return what a column of this Arrow type is counted as; ``ignore`` where it is neither number nor text."""
    types = import_module("pyarrow").types
    if types.is_dictionary(arrow_type):
        return kind_of(arrow_type.value_type)
    if types.is_floating(arrow_type) or types.is_integer(arrow_type) or types.is_decimal(arrow_type):
        return "numeric"
    text = types.is_string(arrow_type) or types.is_large_string(arrow_type) or types.is_string_view(arrow_type)
    return "categorical" if text or types.is_boolean(arrow_type) else "ignore"


def tally(bins: Bins, column: Any) -> IntArray:
    """Return how many rows each cell gets, ``[cells]``, exactly as ``code`` of the bins would count them.

    Parameters
    ----------
    bins
        Of a column that is numeric or categorical as ``kind_of`` says.
    column
        ``pyarrow.ChunkedArray``; nulls are missing, bools are the categories ``true`` and ``false``.
    """
    if isinstance(bins, CategoricalBins):
        return sum((_texts(bins, part) for part in column.chunks), np.zeros(bins.cells, np.int64))
    return bins.tally(*map(_numbers, column.chunks))


def _numbers(part: Any) -> Any:
    arrow = import_module("pyarrow")
    if arrow.types.is_dictionary(part.type):
        part = part.dictionary_decode()
    return (part if part.type == arrow.float64() else part.cast(arrow.float64())).to_numpy(zero_copy_only=False)


def _texts(bins: CategoricalBins, part: Any) -> IntArray:
    arrow, compute = import_module("pyarrow"), import_module("pyarrow.compute")
    counts = np.zeros(bins.cells, np.int64)
    if arrow.types.is_dictionary(part.type):
        values = part.dictionary.cast(arrow.string()).to_pylist()
        np.add.at(counts, bins.code([*values, None]), _by_index(part.indices, len(values)))
        return counts
    if arrow.types.is_boolean(part.type):
        part = part.cast(arrow.string())
    cells = [*bins.codes.values(), bins.quality["unseen"]]
    known = arrow.array(list(bins.codes), part.type)
    np.add.at(counts, cells, _by_index(compute.index_in(part, value_set=known), len(known)))
    return counts


def _by_index(indices: Any, size: int) -> IntArray:
    """Return how often each index occurs, and at the end how many are null."""
    present = indices.drop_null() if indices.null_count else indices
    counts = np.bincount(present.to_numpy(zero_copy_only=False), minlength=size)
    return np.append(counts, indices.null_count)
