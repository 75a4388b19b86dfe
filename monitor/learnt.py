"""Moving a model from sampled rows to bins, and from counted bins to a reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import structlog

from detectors.bins import CategoricalBins, NumericBins
from monitor.decoding.schema import is_carried
from monitor.events import DAY, HOUR, IntArray
from monitor.layout import Coder
from monitor.learning import Learning
from monitor.model import Model
from monitor.panes import Shelf
from monitor.partition import Partition
from monitor.reference import Reference, bins_from_dict, fit_bins, reference_of_counts
from monitor.reference.parts import HOURS, hour_days
from monitor.slices import Key
from monitor.watermark import NEVER

log = structlog.get_logger(__name__)
_NOT_COMPARED = frozenset({"latency", "error", "flagged"})


def advance_learning(model: Model, least: int, partitions: Iterable[Partition]) -> bool:
    """Move the model to its next stage if event time allows; return whether its columns or reference changed.

    Everything counted so far must be written before: panes in memory are laid out anew.
    """
    learning = model.learning
    if learning is None or least == NEVER:
        return False
    parts = list(partitions)
    if learning.edges_due(least):
        _begin_counts(model, learning, parts)
        return True
    if learning.counts_due(least, model.windows.lateness):
        _complete(model, learning, parts)
        return True
    return False


def restore_coders(model: Model) -> None:
    """Count in the learnt bins again after a restart."""
    if model.learning is not None and model.learning.coders is not None:
        model.relayout({name: bins_from_dict(data) for name, data in model.learning.coders.items()})


def _begin_counts(model: Model, learning: Learning, partitions: list[Partition]) -> None:
    columns = {
        name: column for name, column in learning.columns().items() if not (name in _NOT_COMPARED or is_carried(name))
    }
    settings = model.config.reference
    features = model.config.features
    bins = fit_bins(
        columns,
        bins=256 if settings is None else settings.bins,
        top_k={name: feature.top_k for name, feature in features.items()},
        ranges={name: feature.range for name, feature in features.items() if feature.range is not None},
        decision=model.decision,
    )
    model.relayout(bins)
    name = model.config.name
    newest = max(partition.clocks[name].greatest for partition in partitions if name in partition.clocks)
    length = DAY if learning.period >= 2 * DAY else model.windows.tiers.base
    learning.begin_counts((newest // length + 1) * length, {name: coder.to_dict() for name, coder in bins.items()})
    log.info("edges learnt", model=model.config.name, columns=len(bins), sampled_from=learning.rows)


def _complete(model: Model, learning: Learning, partitions: list[Partition]) -> None:
    start, end = learning.start, learning.end
    if start is None or end is None:
        return
    shelves = [partition.shelf for partition in partitions]
    reference = reference_between(model, shelves, start, end, f"learnt from the stream, {_text(start)} to {_text(end)}")
    model.adopt(reference.to_json())
    log.info("reference learnt", model=model.config.name, rows=reference.rows, days=len(reference.days))


def reference_between(
    model: Model, shelves: Iterable[Shelf], start: int, end: int, source: str, created: int | None = None
) -> Reference:
    """Return the reference that the rows with ``start <= event time < end`` make up, in the bins of the model.

    Parameters
    ----------
    shelves
        Panes of all partitions; of a coarse one, all rows count if it begins in the range.
    source
        Where the rows came from, for people.
    created
        When, if that should be told.
    """
    coders = {name: coder for name, coder in model.layout.coders.items() if name != "latency" and not is_carried(name)}
    sums = _Sums(model, coders)
    for shelf in shelves:
        sums.add(shelf, start, end)
    return reference_of_counts(
        model=model.config.name,
        source=source,
        created=created,
        bins={name: coder for name, coder in coders.items() if isinstance(coder, NumericBins | CategoricalBins)},
        total=sums.split(sums.total),
        by_day={day: sums.split(counts) for day, counts in sums.days.items()},
        by_version={version: sums.split(counts) for version, counts in sums.versions.items()},
        by_hour={hour // HOUR * HOUR: 0 for hour in (start, end - 1)} | sums.hours,
        hourly=sums.hourly(),
        crosses=model.layout.crosses,
        slices=sums.slices(sums.total),
        slices_by_version={version: sums.slices(counts) for version, counts in sums.versions.items()},
        decision=model.decision,
        importance={name: feature.importance for name, feature in model.config.features.items()},
        projections=model.projections,
        sums=sums.added_up(sums.total),
        sums_by_version={version: sums.added_up(counts) for version, counts in sums.versions.items()},
    )


@dataclass(slots=True)
class _Sums:
    """Counts of a learning period: in all, by day, by version; rows by hour."""

    model: Model
    coders: Mapping[str, Coder]
    total: IntArray = field(init=False)
    days: dict[int, IntArray] = field(default_factory=dict)
    versions: dict[str, IntArray] = field(default_factory=dict)
    hours: dict[int, int] = field(default_factory=dict)
    _coarse: IntArray = field(init=False)
    """Cell of the layout → coarse cell over all columns; what is no coarse cell is the first."""
    _by_hour: dict[int, IntArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.total = np.zeros(self.model.layout.size, np.int64)
        self._coarse = np.zeros(self.model.layout.size, np.int64)
        for name, start in self._starts().items():
            first, last = self.model.layout.spans[name]
            self._coarse[first:last] = start + _groups(self.coders[name])

    def add(self, shelf: Shelf, start: int, end: int) -> None:
        """Add one partition's panes."""
        name = self.model.config.name
        for version in shelf.versions(name):
            for level in range(len(self.model.windows.tiers.lengths)):
                for key in shelf.keys(name, version, level, start, end):
                    pane = shelf.find(key)
                    if pane is not None:
                        counts = pane.total()
                        self._add(counts, version, key.start)
                        if self.model.windows.tiers.lengths[level] <= HOUR:
                            self._add_hour(key.start, counts)

    def split(self, counts: IntArray) -> dict[str, IntArray]:
        """Return the cells of each column."""
        spans = self.model.layout.spans
        return {name: counts[spans[name][0] : spans[name][1]] for name in self.coders}

    def slices(self, counts: IntArray) -> dict[Key, IntArray]:
        """Return the cells of each slicing and target."""
        return {key: counts[first:last] for key, (first, last) in self.model.layout.cross_spans.items()}

    def added_up(self, counts: IntArray) -> dict[str, IntArray]:
        """Return the cells of what is added up."""
        return {name: counts[first:last] for name, (first, last) in self.model.layout.sum_spans.items()}

    def _add(self, counts: IntArray, version: str, start: int) -> None:
        day = start // DAY * DAY
        self.total = self.total + counts
        self.days[day] = self.days.get(day, 0) + counts
        self.versions[version] = self.versions.get(version, 0) + counts

    def hourly(self) -> dict[str, IntArray]:
        """Return the rows of the last days by hour and coarse cell of every column, ``[D, 24, cells]``."""
        size = int(self._coarse.max(initial=0)) + 1
        days = sorted(self.days)[-hour_days(size, len(self.days)) :] if hour_days(size, len(self.days)) else []
        nothing = np.zeros(size, np.int64)
        table = [self._by_hour.get(day + hour * HOUR, nothing) for day in days for hour in range(HOURS)]
        if not table:
            return {}
        stacked = np.stack(table).reshape(len(days), HOURS, size)
        starts = self._starts()
        ends = dict(zip(starts, [*list(starts.values())[1:], size], strict=True))
        return {name: stacked[:, :, start : ends[name]] for name, start in starts.items()}

    def _starts(self) -> dict[str, int]:
        """Return column → its first coarse cell."""
        sizes = [int(_groups(coder).max(initial=-1)) + 1 for coder in self.coders.values()]
        return dict(zip(self.coders, np.cumsum([1, *sizes]).tolist(), strict=False))

    def _add_hour(self, start: int, counts: IntArray) -> None:
        """Count rows whose hour is known, which it is not of those that came so late that only a day took them."""
        hour = start // HOUR * HOUR
        self.hours[hour] = self.hours.get(hour, 0) + int(counts[0])
        fewer = np.bincount(self._coarse, counts, minlength=int(self._coarse.max(initial=0)) + 1).astype(np.int64)
        self._by_hour[hour] = self._by_hour.get(hour, 0) + fewer


def _groups(coder: Coder) -> IntArray:
    """Return code → coarse cell; flags are as they are."""
    return coder.coarse if isinstance(coder, NumericBins | CategoricalBins) else np.arange(coder.cells)


def _text(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
