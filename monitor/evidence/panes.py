"""Counts of evidence windows from the panes of all partitions: rows in time only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from monitor.events import IntArray
from monitor.evidence.inputs import input_streams
from monitor.evidence.stream import Source
from monitor.model import Model
from monitor.panes import PaneKey
from monitor.partition import Partition


def inputs_of(partitions: Mapping[int, Partition]) -> Source:
    """Return the source of what is known at prediction time.

    A row is in time when it lies no further behind the latest row of its partition than the model's windows wait. Once
    the slowest partition is that far beyond a window's end, no row of the window can be in time any more.
    """

    def counts(model: Model, first: int, last: int) -> dict[str, IntArray]:
        return on_time(model, first, last, partitions.values())

    def starts(model: Model, length: int, first: int, last: int) -> Iterable[int]:
        keys = (key.start for partition in partitions.values() for key in _keys(partition, model, length, first, last))
        return sorted({start // length * length for start in keys})

    return Source(
        fleet="inputs",
        streams=input_streams,
        counts=counts,
        starts=starts,
        horizon=lambda model, least: least - model.windows.lateness,
    )


def on_time(model: Model, first: int, last: int, partitions: Iterable[Partition]) -> dict[str, IntArray]:
    """Return the counts of rows in time by version, of panes that lie within ``first`` and ``last``."""
    found: dict[str, IntArray] = {}
    for partition in partitions:
        for key in _keys(partition, model, last - first, first, last):
            pane = partition.shelf.find(key)
            if pane is not None and int(pane.on_time[0]):
                known = found.get(key.version)
                found[key.version] = pane.on_time.copy() if known is None else known + pane.on_time
    return found


def _keys(partition: Partition, model: Model, length: int, first: int, last: int) -> Iterator[PaneKey]:
    """Yield the panes of which windows of this length are made."""
    name, tiers = model.config.name, model.windows.tiers
    for version in sorted(partition.shelf.versions(name)):
        for tier, span in enumerate(tiers.lengths):
            if length % span == 0:
                yield from partition.shelf.keys(name, version, tier, first, last)
