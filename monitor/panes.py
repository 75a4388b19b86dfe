"""Tumbling event-time counts of one co-partition: in memory while they change, in the store for good."""

from __future__ import annotations

import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

import numpy as np

from detectors.counts import Counts
from monitor.events import IntArray
from monitor.keys import compose, parse, prefix
from monitor.sightings import Sightings

PANES: Final = b"P"
LAYOUTS: Final = b"Y"
_HEAD: Final = struct.Struct(">II")


class Reader(Protocol):
    """What panes need of the store."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value, or ``None``."""
        ...

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values under a prefix, in order."""
        ...


class PaneLayout(Protocol):
    """What panes need to know of the vectors they hold; ``Layout`` is one."""

    @property
    def size(self) -> int:
        """Cells of a vector."""
        ...

    @property
    def identity(self) -> str:
        """Hash of all that decides what the cells mean."""
        ...

    def remap(self, description: bytes, vector: IntArray) -> IntArray:
        """Carry a vector of an older layout over, from what described that layout."""
        ...


class PaneKey(NamedTuple):
    """One pane of a partition."""

    model: str
    """Or the part of one: whatever has a layout of its own."""
    version: str
    tier: int
    start: int


@dataclass(slots=True)
class Pane:
    """Counts of the rows of one pane; ``late`` is ``None`` until a late row comes."""

    on_time: IntArray
    late: IntArray | None = None
    seen: Sightings = field(default_factory=Sightings)
    """Fields beside the known ones, on time and late together."""

    def total(self) -> IntArray:
        """Return on-time and late counts together."""
        return self.on_time if self.late is None else self.on_time + self.late

    def add(self, other: Pane) -> None:
        """Add another pane's counts to this one."""
        self.on_time += other.on_time
        if other.late is not None:
            self.add_late(other.late)
        self.seen.add(other.seen)

    def add_late(self, counts: IntArray) -> None:
        """Add counts of late rows."""
        self.late = counts.copy() if self.late is None else self.late + counts

    def nbytes(self) -> int:
        """Return the bytes held in memory."""
        return self.on_time.nbytes + (0 if self.late is None else self.late.nbytes)


def encode_pane(pane: Pane, layout: PaneLayout) -> bytes:
    """Return the pane as bytes that name their layout and carry a checksum."""
    on_time = Counts(layout.identity, pane.on_time).to_bytes()
    late = b"" if pane.late is None else Counts(layout.identity, pane.late).to_bytes()
    return _HEAD.pack(len(on_time), len(late)) + on_time + late + pane.seen.to_bytes()


def decode_pane(data: bytes, layout: PaneLayout, description: Callable[[str], bytes]) -> Pane:
    """Return a pane from its bytes; one written under an older layout is carried over column by column."""
    first, second = _HEAD.unpack_from(data)
    end = _HEAD.size + first
    parts = [data[_HEAD.size : end]] + ([data[end : end + second]] if second else [])
    vectors = []
    for part in parts:
        counts = Counts.from_bytes(part)
        cells = counts.cells
        if counts.identity != layout.identity:
            cells = layout.remap(description(counts.identity), cells)
        vectors.append(np.array(cells, np.int64))
    late = vectors[1] if len(vectors) > 1 else None
    return Pane(vectors[0], late, Sightings.from_bytes(data[end + second :]))


class Shelf:
    """The panes of one co-partition.

    Clean panes leave memory when ``budget`` bytes are exceeded, those longest unused first; dirty ones stay until they
    are written.
    """

    def __init__(
        self,
        partition: int,
        reader: Reader,
        layouts: Mapping[str, PaneLayout],
        lengths: Mapping[str, tuple[int, ...]],
        budget: int = 32 << 20,
        namespace: bytes = PANES,
    ) -> None:
        self.partition = partition
        self.namespace = namespace
        self.reader = reader
        self.layouts = layouts
        self.lengths = lengths
        """Model → the length of each tier's panes. The store names panes by it, since tiers change with the windows."""
        self.budget = budget
        self.dirty: set[PaneKey] = set()
        self.touched: set[PaneKey] = set()
        self.dropped: set[PaneKey] = set()
        self._cache: OrderedDict[PaneKey, Pane] = OrderedDict()
        self._bytes = 0
        self._index: dict[tuple[str, str, int], set[int]] = {}
        for model, known in lengths.items():
            tiers = {length: tier for tier, length in enumerate(known)}
            for name, _ in reader.scan(prefix(namespace, partition, model)):
                _, _, _, version, length, start = parse(name)
                self._enter(PaneKey(model, version, tiers[length], start))

    def key(self, key: PaneKey) -> bytes:
        """Return the pane's key in the store."""
        length = self.lengths[key.model][key.tier]
        return compose(self.namespace, self.partition, key.model, key.version, length, key.start)

    def find(self, key: PaneKey) -> Pane | None:
        """Return a pane, from memory or from the store."""
        pane = self._cache.get(key)
        if pane is not None:
            self._cache.move_to_end(key)
            return pane
        if key in self.dropped:
            return None
        data = self.reader.get(self.key(key))
        if data is None:
            return None
        pane = decode_pane(data, self.layouts[key.model], self._description)
        self._keep(key, pane)
        return pane

    def add(self, key: PaneKey, counts: IntArray, *, late: bool, seen: Sightings | None = None) -> None:
        """Add counts, and what was seen beside them, to a pane, which is made if need be."""
        pane = self.find(key)
        if pane is None:
            pane = Pane(np.zeros(self.layouts[key.model].size, np.int64))
            self._keep(key, pane)
        if late:
            self._bytes -= pane.nbytes()
            pane.add_late(counts)
            self._bytes += pane.nbytes()
        else:
            pane.on_time += counts
        if seen is not None:
            pane.seen.add(seen)
        self._mark(key)

    def keys(self, model: str, version: str, tier: int, first: int, last: int) -> list[PaneKey]:
        """Return the keys of the panes that exist with ``first <= start < last``, in order."""
        starts = self._index.get((model, version, tier), ())
        return [PaneKey(model, version, tier, start) for start in sorted(starts) if first <= start < last]

    def versions(self, model: str) -> set[str]:
        """Return the versions of a model that have panes here."""
        return {version for (name, version, _), starts in self._index.items() if name == model and starts}

    def earliest(self, model: str) -> int | None:
        """Return the start of the model's first pane."""
        return min(
            (min(starts) for (name, _, _), starts in self._index.items() if name == model and starts), default=None
        )

    def move(self, key: PaneKey, tier: int, start: int) -> None:
        """Add a pane's counts to one of a coarser tier and drop it; windows over both see no change."""
        pane = self.find(key)
        if pane is None:
            return
        target = PaneKey(key.model, key.version, tier, start)
        known = target in self.touched
        self.add(target, pane.on_time, late=False, seen=pane.seen)
        if pane.late is not None:
            self.add(target, pane.late, late=True)
        if not known:
            self.touched.discard(target)
        self.drop(key)

    def drop(self, key: PaneKey) -> None:
        """Forget a pane for good."""
        pane = self._cache.pop(key, None)
        if pane is not None:
            self._bytes -= pane.nbytes()
        self.dirty.discard(key)
        self.dropped.add(key)
        self._index[key[:3]].discard(key.start)

    def drop_all(self, model: str) -> None:
        """Forget all panes of a model for good."""
        for known in [known for known in self._index if known[0] == model]:
            for start in sorted(self._index[known]):
                self.drop(PaneKey(*known, start))

    def relayout(self, model: str) -> None:
        """Bring the model's panes in memory under its new layout; the old ones must have been written."""
        for key in [key for key in self._cache if key.model == model]:
            self._bytes -= self._cache.pop(key).nbytes()

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete."""
        puts = {self.key(key): encode_pane(self._cache[key], self.layouts[key.model]) for key in sorted(self.dirty)}
        return puts, [self.key(key) for key in sorted(self.dropped)]

    def written(self) -> None:
        """Note that the changes are in the store."""
        self.dirty.clear()
        self.dropped.clear()
        while self._bytes > self.budget and self._cache:
            _, pane = self._cache.popitem(last=False)
            self._bytes -= pane.nbytes()

    def _mark(self, key: PaneKey) -> None:
        self.dirty.add(key)
        self.touched.add(key)
        self.dropped.discard(key)
        self._enter(key)

    def _enter(self, key: PaneKey) -> None:
        self._index.setdefault(key[:3], set()).add(key.start)

    def _keep(self, key: PaneKey, pane: Pane) -> None:
        self._cache[key] = pane
        self._bytes += pane.nbytes()

    def _description(self, identity: str) -> bytes:
        description = self.reader.get(compose(LAYOUTS, 0, identity))
        if description is None:
            message = f"the store holds counts of layout {identity} but not the layout itself"
            raise LookupError(message)
        return description
