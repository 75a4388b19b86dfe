"""The cells that slices are looked for in: every part of a column, and every pair of parts of two columns."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from detectors.bins import CategoricalBins, NumericBins
from detectors.slices.lattice import MOST_COLUMNS, UNKNOWN, Lattice
from detectors.slices.picks import Counted
from monitor.config.model import ModelConfig
from monitor.events import FloatArray, IntArray
from monitor.join.payload import Rows
from monitor.layout import Layout
from monitor.outcomes.large import size_codes
from monitor.outcomes.values import TYPE, Texts, packed
from monitor.slices import Cut

FIELD: Final = "cells"
"""The payload's field: the part of each column plus one, 0 where none is known."""
VALUES: Final = "values"
"""The payload's field: texts of columns with many values, where a text has no part of its own."""
CELL_TYPE: Final = f"({MOST_COLUMNS},)<u1"
ROWS, WRONG = range(2)
"""Places in a vector of counts; two a cell follow, rows that are right and rows that are wrong."""
_PARTS: Final = 12
"""Named values of a category; the others and the missing ones are two more."""
_NOT_SLICED: Final = frozenset({"score", "prediction", "latency", "error", "flagged"})
_TASKS: Final = frozenset({"binary_classification", "multiclass", "regression"})


def is_searched(config: ModelConfig) -> bool:
    """Whether slices are looked for: there are labels, and a prediction is right or wrong, or off by a number."""
    return config.find_slices.enabled and config.is_labelled and config.task in _TASKS


@dataclass(frozen=True, eq=False)
class Cells:
    """Columns cut into at most 14 parts each, and all cells of these; vectors of counts are of this layout."""

    model: str
    cuts: tuple[Cut, ...]
    codings: tuple[str, ...]
    """Identities of the columns' codes."""
    wrong: str = ""
    """What counts as wrong, where the task alone does not say."""
    keyed: tuple[int, ...] = ()
    """Places of the columns whose other values are told apart by their texts."""

    @classmethod
    def of(cls, config: ModelConfig, layout: Layout) -> Cells | None:
        """Return the cells of the columns that are asked for, else of the most important features; ``None`` of none."""
        coders = layout.coders
        asked = config.find_slices.by
        names = [name for name in (coders if asked is None else asked) if name in coders and name not in _NOT_SLICED]
        if asked is None:
            known = config.features
            names.sort(key=lambda name: -(known[name].importance if name in known else 1.0))
        cuts = []
        for name in names:
            bins = coders[name]
            if isinstance(bins, NumericBins | CategoricalBins):
                cuts.append(Cut.of(name, bins, _PARTS))
        cuts = [cut for cut in cuts if len(cut.names) > 1][:MOST_COLUMNS]
        codings = tuple(coders[cut.column].identity for cut in cuts)
        keyed = [place for place, cut in enumerate(cuts) if has_many(coders[cut.column])]
        keyed = keyed[: config.find_slices.values]
        return cls(config.name, tuple(cuts), codings, _wrong(config), tuple(keyed)) if cuts else None

    @cached_property
    def lattice(self) -> Lattice:
        """The cells by number."""
        return Lattice(tuple(len(cut.names) for cut in self.cuts))

    @cached_property
    def identity(self) -> str:
        """Hash of what the cells mean."""
        digest = hashlib.blake2b(repr(self.codings).encode(), digest_size=8)
        for cut in self.cuts:
            digest.update(repr((cut.column, cut.names)).encode() + cut.groups.tobytes())
        digest.update(self.wrong.encode() + bytes(self.keyed))
        return f"cells:{digest.hexdigest()}"

    @property
    def name(self) -> str:
        """Where the panes are."""
        return f"{self.model}\n{self.identity}"

    @property
    def size(self) -> int:
        """Cells of a vector."""
        return 2 + 2 * self.lattice.size

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns, in the order of their parts."""
        return tuple(cut.column for cut in self.cuts)

    def remap(self, description: bytes, vector: IntArray) -> IntArray:
        """Refuse: other cells have another name."""
        raise ValueError(f"{self.name!r} holds {len(vector)} cells of {description!r}")

    def label(self, cell: int) -> str:
        """Return a cell's name, such as ``country=de`` or ``age=> 60,tier=gold``."""
        parts = [(self.cuts[column], part) for column, part in self.lattice.predicates(cell)]
        return ",".join(f"{cut.column}={cut.names[part]}" for cut, part in parts)

    def others(self, place: int) -> int:
        """Return the part of a category's column that the values without a name are in."""
        return len(self.cuts[place].names) - 2

    def pack(self, codes: Mapping[str, IntArray], columns: Mapping[str, Any], rows: Rows) -> None:
        """Write the parts that rows are in, from the codes of the columns, and texts that have no part of their own."""
        for place, cut in enumerate(self.cuts):
            rows[FIELD][:, place] = cut.groups[codes[cut.column]] + 1
        for slot, place in enumerate(self.keyed):
            values = columns.get(self.cuts[place].column)
            if isinstance(values, list):
                own = np.flatnonzero(rows[FIELD][:, place] == self.others(place) + 1)
                rows[VALUES][own, slot] = [packed(values[row]) for row in own.tolist()]

    def texts(self, rows: Rows) -> Texts:
        """Return the texts that ``pack`` wrote, ``[n, K]``."""
        if not self.keyed:
            return np.zeros((len(rows), 0), TYPE)
        found: Texts = rows[VALUES][:, : len(self.keyed)]
        return found

    def tally(self, parts: IntArray, errors: IntArray) -> IntArray:
        """Return the vector of rows from their parts as they were packed, ``[n, F]``, and whether each is wrong."""
        columns = np.ascontiguousarray(parts.T[: len(self.cuts)])
        vector = np.empty(self.size, np.int64)
        vector[ROWS], vector[WRONG] = len(errors), int(errors.sum())
        self.lattice.tally(columns.astype(np.int64).T - 1, errors, vector[2:])
        return vector

    def counted(self, vector: IntArray) -> Counted:
        """Return a vector as the search takes it."""
        return Counted(vector[2::2] + vector[3::2], vector[3::2], int(vector[ROWS]), int(vector[WRONG]))

    def places(self, cell: int) -> IntArray:
        """Return the places of a cell's right and wrong rows."""
        return np.array([2 + 2 * cell, 3 + 2 * cell])


def has_many(bins: object) -> bool:
    """Whether a column has values beyond those that have a part of their own."""
    return isinstance(bins, CategoricalBins) and len(bins.categories) + len(bins.rare) > _PARTS


def errors_of(config: ModelConfig, rows: Rows, labels: FloatArray) -> IntArray:
    """Return 1 for predictions that are wrong, 0 for right ones, -1 where nothing was predicted.

    Of a regression whose limit is to be learnt, the step that the size of the error falls in.
    """
    if config.task == "regression":
        predicted, large = rows["predicted"].astype(np.float64), config.find_slices.large_error
        codes = size_codes(predicted, labels)
        return codes if large is None else np.where(codes < 0, UNKNOWN, np.abs(predicted - labels) > large)
    said = rows["decided" if config.task == "binary_classification" else "predicted"].astype(np.int64)
    return np.where(said < 0, UNKNOWN, (said != labels).astype(np.int64))


def learns_limit(config: ModelConfig) -> bool:
    """Whether it is to be learnt how large an error must be."""
    return config.task == "regression" and config.find_slices.large_error is None


def _wrong(config: ModelConfig) -> str:
    if config.task != "regression":
        return ""
    return "large" if learns_limit(config) else f"beyond {config.find_slices.large_error!r}"
