"""Counts of evidence windows from the panes of all partitions: rows in time only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from monitor.config.types import parse_moment
from monitor.events import IntArray
from monitor.evidence.inputs import input_streams
from monitor.evidence.stream import FleetKind, Stream
from monitor.findings import Finding
from monitor.model import Model
from monitor.panes import PaneKey
from monitor.partition import Partition
from monitor.watermark import NEVER


@dataclass(frozen=True, slots=True)
class Inputs:
    """The source of what is known at prediction time.

    A row is in time when it lies no further behind the latest row of its partition than the model's windows wait. Once
    the slowest partition is that far beyond a window's end, no row of the window can be in time any more.
    """

    partitions: Mapping[int, Partition]
    grain: int
    fleet: FleetKind = "inputs"
    rows: int = 0

    def basis(self, model: Model) -> str | None:
        """Return the identity of reference and layout."""
        if model.reference is None or model.learning is not None:
            return None
        return f"{model.reference.checksum} {model.layout.identity}"

    def begin(self, model: Model) -> int | None:
        """Return where learning ends."""
        return None if model.learning is None else model.learning.end

    def newest(self, model: Model) -> int:
        """Return noon of the reference's last day."""
        days = () if model.reference is None else model.reference.days
        return parse_moment(f"{days[-1]}T12:00:00Z") if days else 0

    def rows_by_hour(self, model: Model) -> IntArray | None:
        """Return the rows of the reference's hours."""
        volume = None if model.reference is None else model.reference.volume
        return None if volume is None else volume.by_hour

    def streams(self, model: Model, version: str) -> Sequence[Stream]:
        """Return all streams of one version."""
        return input_streams(model, version)

    def counts(self, model: Model, first: int, last: int) -> dict[str, IntArray]:
        """Return the counts of a window by version."""
        return on_time(model, first, last, self.partitions.values())

    def starts(self, model: Model, length: int, first: int, last: int) -> Iterable[int]:
        """Return the starts of the windows that have panes."""
        parts = self.partitions.values()
        keys = (key.start for partition in parts for key in _keys(partition, model, length, first, last))
        return sorted({start // length * length for start in keys})

    def reach(self, model: Model, least: int) -> int | None:
        """Return up to when no row can be in time any more."""
        return None if least == NEVER else least - model.windows.lateness

    def stepped(self, model: Model, counts: Mapping[str, IntArray], window: int) -> bool:  # noqa: ARG002
        """Do nothing: its streams stay."""
        return False

    def beside(self, version: str, piece: str) -> tuple[Finding, ...]:  # noqa: ARG002
        """Return nothing."""
        return ()

    def relearn(self, begin: int | None) -> bool:  # noqa: ARG002
        """Do nothing: the reference is a file, or the model's own."""
        return False

    def last(self, model: Model, newest: int, length: int) -> int | None:  # noqa: ARG002
        """Return the end of the window that holds the last row."""
        return newest // length * length + length

    @property
    def read(self) -> int | None:
        """None: the model itself learns."""
        return None

    def changes(self) -> bytes | None:
        """Return nothing: the model itself learns."""
        return None

    def written(self) -> None:
        """Do nothing."""

    def restore(self, data: bytes) -> None:
        """Do nothing."""


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
