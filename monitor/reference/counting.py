"""Counting rows into bins that are known: by version, by day, and those apart from the making of the bins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from detectors.counts import tally
from monitor.coders import Flags
from monitor.config.model import SliceConfig
from monitor.events import DAY, HOUR, Batch, Column, IntArray
from monitor.layout import Coder, Layout, Summed
from monitor.parts import parts_of_slices
from monitor.reference.fitting import Bins
from monitor.reference.parts import FLAG_CELLS, HOURS, Tally, coarse_size, hour_days
from monitor.slices import crosses_of


class Counting:
    """Sums over rows.

    Parameters
    ----------
    bins, flags
        What is counted.
    versions
        Versions whose counts are kept apart; all others are one.
    days
        First microseconds of the UTC days whose counts are kept apart, ascending; none for rows without times.
    fitted
        Columns whose bins were made from some of these rows.
    slices
        Parts of the rows that are counted apart.
    halved
        Columns in which only the rows apart are counted.
    sums
        What is added up of the rows.
    """

    def __init__(
        self,
        bins: Mapping[str, Bins],
        flags: Mapping[str, Flags],
        *,
        versions: Sequence[str],
        days: Sequence[int],
        fitted: frozenset[str],
        slices: Sequence[SliceConfig] = (),
        halved: frozenset[str] = frozenset(),
        sums: Mapping[str, Summed] | None = None,
    ) -> None:
        parts = {name: Flags(f"where {where.text}") for name, where in parts_of_slices(slices).items()}
        coders: dict[str, Coder] = {**bins, **flags, **parts}
        self.layout = Layout(coders, crosses_of(slices, coders), sums=sums or {})
        self._halved_sums = halved & self.layout.sums.keys()
        self._bins = bins
        self._fitted = fitted
        self._places = {name: place for place, name in enumerate(versions)}
        self._days = np.array(days, np.int64)
        sizes = {name: coarse_size(bins[name]) if name in bins else FLAG_CELLS for name in (*bins, *flags)}
        # The first cell of a tally counts rows.
        self._starts = dict(zip(sizes, np.cumsum([1, *sizes.values()]).tolist(), strict=False))
        self._sizes = sizes
        merging = [
            start + (bins[name].coarse if name in bins else np.arange(3)) for name, start in self._starts.items()
        ]
        # The cell after the last is nobody's: rows that do not count in a column go there.
        beyond = 1 + sum(sizes.values())
        self._coarse = np.full(self.layout.size + 1, beyond)
        known = np.concatenate([[0], *merging])
        self._coarse[: len(known)] = known
        self._halved = np.array([self.layout.names.index(name) for name in bins if name in halved], np.int64)
        self._rows = np.zeros((len(versions) + 1, 2), np.int64)
        """By version and by whether the rows are apart, as the cells."""
        self._cells = np.zeros((len(versions) + 1, 2, self.layout.size), np.int64)
        self._by_day = np.zeros((len(days), 1 + sum(sizes.values())), np.int64)
        kept = hour_days(sum(sizes.values()), len(days))
        self._by_hour = np.zeros((kept * HOURS, 1 + sum(sizes.values())), np.int64)

    def add(self, batch: Batch, apart: IntArray) -> None:
        """Count rows; ``apart`` is 1 for those that had no part in the bins, else 0."""
        others = len(self._places)
        version = np.fromiter((self._places.get(name, others) for name in batch.versions), np.int64, len(batch))
        codes = self.layout.code(batch.columns, batch.bad, len(batch))
        codes[np.ix_(self._halved, np.flatnonzero(apart == 0))] = self.layout.size
        found, group = np.unique(version * 2 + apart, return_inverse=True)
        counts = tally(codes, self.layout.size + 1, group, len(found))[:, :-1]
        self.layout.add_up(counts, self._summed(batch, apart), group)
        self._cells[found // 2, found % 2] += counts
        self._rows[found // 2, found % 2] += np.bincount(group, minlength=len(found))
        if len(self._days):
            self._add_days(batch, codes)

    def _summed(self, batch: Batch, apart: IntArray) -> dict[str, Column]:
        """Return what is added up; of halves, nothing of rows that are not apart."""
        found: dict[str, Column] = {}
        for name in self.layout.sums:
            rows = batch.columns.get(name)
            if rows is not None and not isinstance(rows, list):
                found[name] = rows * apart[:, np.newaxis] if name in self._halved_sums else rows
        return found

    def _add_days(self, batch: Batch, codes: IntArray) -> None:
        day = batch.times // DAY * DAY
        kept = np.flatnonzero(np.isin(day, self._days))
        if not len(kept):
            return
        coarse = self._coarse[codes[: len(self._sizes), kept]]
        hours = batch.times[kept] // HOUR * HOUR
        found, group = np.unique(hours, return_inverse=True)
        counts = tally(coarse, self._by_day.shape[1] + 1, group, len(found))[:, :-1]
        place = np.searchsorted(self._days, found // DAY * DAY)
        np.add.at(self._by_day, place, counts)
        beyond = place - (len(self._days) - len(self._by_hour) // HOURS)
        recent = np.flatnonzero(beyond >= 0)
        self._by_hour[beyond[recent] * HOURS + found[recent] % DAY // HOUR] += counts[recent]

    def total(self) -> Tally:
        """Return the counts of all rows."""
        return self._tally(self._rows.sum(axis=0), self._cells.sum(axis=0))

    def by_version(self) -> dict[str, Tally]:
        """Return the counts of each version that is kept apart."""
        return {name: self._tally(self._rows[place], self._cells[place]) for name, place in self._places.items()}

    def by_day(self) -> dict[int, dict[str, IntArray]]:
        """Return for each day the rows by coarse cell of every column."""
        return {
            day: {name: counts[start : start + self._sizes[name]] for name, start in self._starts.items()}
            for day, counts in zip(self._days.tolist(), self._by_day, strict=True)
        }

    def by_hour(self) -> dict[str, IntArray]:
        """Return the rows of the last days by hour and coarse cell of every column, ``[D, 24, cells]``."""
        days = len(self._by_hour) // HOURS
        if not days:
            return {}
        return {
            name: self._by_hour[:, start : start + self._sizes[name]].reshape(days, HOURS, -1)
            for name, start in self._starts.items()
        }

    def _tally(self, rows: IntArray, cells: IntArray) -> Tally:
        """Return the tally of rows by side, ``[2]``, and cells by side, ``[2, size]``."""
        spans = {name: self.layout.spans[name] for name in self._sizes}
        total = cells.sum(axis=0)
        apart = {}
        for name, bins in self._bins.items():
            if name in self._fitted:
                last = spans[name][1]
                apart[name] = np.append(rows[1], cells[1, last - (bins.cells - bins.size) : last])
        crosses = {key: total[first:last] for key, (first, last) in self.layout.cross_spans.items()}
        counts = {name: total[first:last] for name, (first, last) in spans.items()}
        sums = {name: total[first:last] for name, (first, last) in self.layout.sum_spans.items()}
        return Tally(int(rows.sum()), counts, apart, crosses, sums)
