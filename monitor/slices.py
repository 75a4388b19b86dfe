"""Parts of the traffic that are counted apart: which slice a row is in, and what of it is counted there.

A slicing is a function of codes that the row has anyway, so slices cost a few additions a row and no look-up. What is
counted within a slice is compact: rows, and the score, the prediction, the flagged share and errors in few cells each.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product
from math import prod
from typing import Any, Final, TypeAlias

import numpy as np

from detectors.bins import FEW_VALUES, CategoricalBins, NumericBins
from monitor.coders import Flags
from monitor.config.model import SliceConfig
from monitor.config.where import WHERE
from monitor.events import IntArray

ROWS: Final = ""
"""The target that stands for the rows themselves."""
TARGETS: Final = ("score", "prediction", "flagged", "error")
MOST_VALUES: Final = 24
"""Classes of a prediction that are counted one by one within a slice."""
_LEAST_SHARE: Final = 0.1
"""Numbers are cut into parts of about a tenth of the reference."""

Key: TypeAlias = tuple[tuple[str, ...], str]
"""The columns of a slicing, and what is counted in its slices."""


@dataclass(frozen=True, eq=False)
class Cut:
    """One column's part in a slicing: which of the named values each code of the column stands for."""

    column: str
    groups: IntArray
    names: tuple[str, ...]

    @classmethod
    def of(cls, column: str, bins: NumericBins | CategoricalBins, top_k: int) -> Cut:
        """Cut a column into its commonest categories, or a number into at most ten parts of about equal mass."""
        if isinstance(bins, NumericBins):
            return _numeric(column, bins, top_k)
        kept = bins.categories[:top_k]
        groups = np.full(bins.cells, len(kept), np.int64)
        groups[: len(kept)] = np.arange(len(kept))
        groups[[bins.quality["missing"], bins.quality["bad"]]] = len(kept) + 1
        return cls(column, groups, (*kept, *_residual(kept)))


@dataclass(frozen=True, eq=False)
class Slicing:
    """One column, or two together, whose values part the rows; every row is in exactly one slice."""

    cuts: tuple[Cut, ...]
    min_samples: int

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns, as configured."""
        return tuple(cut.column for cut in self.cuts)

    @property
    def size(self) -> int:
        """Slices."""
        return prod(len(cut.names) for cut in self.cuts)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The slices' names, such as ``country=de`` or ``country=de,tier=gold``."""
        named = [[f"{cut.column.removeprefix(WHERE)}={name}" for name in cut.names] for cut in self.cuts]
        return tuple(",".join(parts) for parts in product(*named))

    def places(self, codes: Mapping[str, IntArray]) -> IntArray:
        """Return the slice of every row from the codes of its columns."""
        first, *rest = self.cuts
        places: IntArray = first.groups[codes[first.column]]
        for cut in rest:
            places = places * len(cut.names) + cut.groups[codes[cut.column]]
        return places


@dataclass(frozen=True, eq=False)
class Cross:
    """Rows by slice and by compact cell of one target."""

    slicing: Slicing
    target: str
    groups: IntArray
    """Code of the target → compact cell."""
    codings: tuple[str, ...]
    """Identities of the columns' and the target's codes."""

    @property
    def key(self) -> Key:
        """What tells it from the others of a model."""
        return self.slicing.columns, self.target

    @cached_property
    def compact(self) -> int:
        """Cells of one slice."""
        return int(self.groups.max(initial=0)) + 1

    @property
    def cells(self) -> int:
        """Cells of all slices."""
        return self.slicing.size * self.compact

    @cached_property
    def identity(self) -> str:
        """Hash of all that decides which row gets which cell."""
        cuts = [[cut.column, list(cut.names), cut.groups.tolist()] for cut in self.slicing.cuts]
        text = json.dumps([cuts, self.target, self.groups.tolist(), self.codings])
        return f"slices:{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}"

    def code(self, places: IntArray, codes: Mapping[str, IntArray]) -> IntArray:
        """Return the cell of every row from its slice and the codes of the columns."""
        if self.target == ROWS:
            return places
        return places * self.compact + self.groups[codes[self.target]]


def crosses_of(configs: Iterable[SliceConfig], coders: Mapping[str, Any]) -> dict[Key, Cross]:
    """Return what is counted in slices; a slicing whose columns are not counted (yet) is left out.

    Parameters
    ----------
    configs
        The model's slices.
    coders
        Column → its coder, roles such as ``score`` included.
    """
    crosses: dict[Key, Cross] = {}
    for config in configs:
        slicing = slicing_of(config, coders)
        if slicing is not None:
            crosses.update((cross.key, cross) for cross in _crosses(slicing, coders))
    return crosses


def slicing_of(config: SliceConfig, coders: Mapping[str, Any]) -> Slicing | None:
    """Return a slicing, ``None`` when one of its columns has no bins."""
    cuts = []
    for column in config.columns:
        bins = coders.get(column)
        if isinstance(bins, Flags) and config.where is not None:
            cuts.append(Cut(column, np.arange(bins.cells), ("no", "yes", "(missing)")))
            continue
        if not isinstance(bins, NumericBins | CategoricalBins):
            return None
        cuts.append(Cut.of(column, bins, config.top_k))
    return Slicing(tuple(cuts), config.min_samples)


def _crosses(slicing: Slicing, coders: Mapping[str, Any]) -> Iterator[Cross]:
    codings = tuple(coders[column].identity for column in slicing.columns)
    yield Cross(slicing, ROWS, np.zeros(1, np.int64), codings)
    for target in TARGETS:
        if target in coders:
            coder = coders[target]
            yield Cross(slicing, target, compact(coder), (*codings, coder.identity))


def compact(coder: NumericBins | CategoricalBins | Flags) -> IntArray:
    """Return code → compact cell: evidence bins or the commonest classes, then the quality cells."""
    if isinstance(coder, Flags):
        return np.arange(coder.cells)
    groups = coder.coarse
    if isinstance(coder, CategoricalBins) and coder.size > MOST_VALUES + 1:
        groups = np.maximum(groups - (coder.size - 1 - MOST_VALUES), np.minimum(groups, MOST_VALUES))
    return groups


def _numeric(column: str, bins: NumericBins, top_k: int) -> Cut:
    parts = _parts(bins, top_k)
    number = int(parts[-1]) + 1
    groups = np.empty(bins.cells, np.int64)
    groups[: bins.size] = parts
    groups[[bins.quality["missing"], bins.quality["bad"]]] = number
    groups[bins.quality["low"]] = 0
    groups[bins.quality["high"]] = number - 1
    borders = bins.edges[np.flatnonzero(np.diff(parts))].tolist()
    names = _ranges([f"{border:.6g}" for border in borders])
    if len(set(names)) < number:
        names = _ranges([repr(border) for border in borders])
    return Cut(column, groups, (*names, _residual(())[1]))


def _parts(bins: NumericBins, top_k: int) -> IntArray:
    """Return bin → part; bins hold about equal mass, or one value each."""
    if bins.size <= min(FEW_VALUES, top_k):
        return np.arange(bins.size)
    least = bins.size * max(_LEAST_SHARE, 1 / top_k)
    parts = np.floor(np.arange(bins.size) / least + 1e-9).astype(np.int64)
    return np.minimum(parts, int(bins.size / least + 1e-9) - 1)


def _ranges(borders: list[str]) -> list[str]:
    if not borders:
        return ["all"]
    inner = [f"({low}; {high}]" for low, high in pairwise(borders)]
    return [f"<= {borders[0]}", *inner, f"> {borders[-1]}"]


def _residual(kept: tuple[str, ...]) -> tuple[str, str]:
    """Return names for all other values and for none, which no category has."""
    names = []
    for name in ("(other)", "(missing)"):
        while name in kept:
            name = f"({name})"  # noqa: PLW2901 - until it is free
        names.append(name)
    return names[0], names[1]
