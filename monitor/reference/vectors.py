"""Projections of vectors, fitted on one half of the reference's rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from detectors.embeddings.fourier import FourierFeatures
from detectors.embeddings.projection import Projection
from monitor.events import Column
from monitor.reference.sample import Hashes, Sample
from monitor.vectors import columns_of, is_vector, present, projected, sum_column

_MOST_ROWS: Final = 20_000
_MOST_CELLS: Final = 8_000_000
"""64 MB of numbers a vector."""
_FEWEST: Final = 100


@dataclass(slots=True)
class Vectors:
    """Samples of the vectors of rows that projections may be fitted on, then the projections.

    Parameters
    ----------
    given
        Vector → a projection that it has already and keeps.
    """

    given: Mapping[str, Projection]
    projections: dict[str, Projection] = field(default_factory=dict)
    halved: frozenset[str] = frozenset()
    """Columns that are counted on the other half of the rows only."""
    notes: list[str] = field(default_factory=list)
    _samples: dict[str, Sample] = field(default_factory=dict)

    def observe(self, hashes: Hashes, columns: Mapping[str, Column]) -> None:
        """Take note of the vectors of some rows."""
        for name, cells in columns.items():
            if isinstance(cells, list):
                continue
            if name not in self._samples:
                self._samples[name] = Sample(min(_MOST_ROWS, _MOST_CELLS // cells.shape[1]))
            there = np.flatnonzero(present(cells))
            if len(there):
                self._samples[name].add(hashes[there], {name: cells[there]})

    def fit(self, *, split: bool) -> dict[str, Column]:
        """Fit the projections; return what becomes of the sampled vectors.

        Without a ``split`` no row is left to count, so only projections that are given are used.
        """
        made: dict[str, Column] = {}
        halved: set[str] = set()
        for name, sample in self._samples.items():
            known = name in self.given
            if not known and not (split and len(sample) >= _FEWEST):
                self.notes.append(
                    f"{name}: left out; a vector needs 1,000 rows with ids of their own, half of which fit its "
                    "clusters and axes, and the other half is counted"
                )
                continue
            columns = sample.columns()
            cells = columns.get(name)
            if cells is None or isinstance(cells, list):
                continue
            if known and self.given[name].size != cells.shape[1]:
                size = self.given[name].size
                self.notes.append(f"{name}: left out; the earlier reference was built on vectors of {size} numbers")
                continue
            self.projections[name] = self.given[name] if known else Projection.fit(cells)
            columns = projected(columns, {}, self.projections)[0]
            made |= {column: cells for column, cells in columns.items() if not is_vector(cells)}
            if not known:
                halved |= {*columns_of(name, self.projections[name]), sum_column(name)}
                self.notes.append(
                    f"{name}: clusters and axes were fitted on {len(sample):,} rows (even hash of the id); its columns "
                    "are counted on the rows with an odd hash"
                )
        self.halved = frozenset(halved)
        return made

    def sums(self) -> dict[str, FourierFeatures]:
        """Return what is added up of vectors."""
        return {sum_column(name): one.fourier for name, one in self.projections.items() if one.fourier is not None}
