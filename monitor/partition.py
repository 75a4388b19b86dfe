"""All state of one co-partition: positions, event-time clocks, counters, held rows, panes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import msgspec
import numpy as np

from monitor.coverage import Coverage
from monitor.events import Batch, Chunk, IntArray, Records, Reject
from monitor.halves import Paired
from monitor.held import HeldRow, Origins, decode_held, encode_held, reject_of
from monitor.joining import Joining
from monitor.keys import compose
from monitor.model import Model
from monitor.panes import Reader, Shelf
from monitor.rows import ENOUGH, RowBuffer, count
from monitor.sightings import Strangers
from monitor.watermark import Clock
from monitor.windows import Tiers

PARTITIONS: Final = b"S"
RESTATED: Final = b"R"
_FORMAT: Final = 1


@dataclass(slots=True)
class Partition:
    """One co-partition. ``apply`` takes a chunk in; nothing leaves memory before ``changes`` is written."""

    number: int
    models: Mapping[str, Model]
    reader: Reader
    shelf: Shelf
    offsets: dict[str, int] = field(default_factory=dict)
    clocks: dict[str, Clock] = field(default_factory=dict)
    counters: Counter[tuple[str, str]] = field(default_factory=Counter)
    rejects: list[Reject] = field(default_factory=list)
    """Records refused since the last write."""
    seen: set[str] = field(default_factory=set)
    """Models that had rows since the last write."""
    coverage: Coverage = field(default_factory=Coverage)
    strangers: Strangers = field(default_factory=Strangers)
    joinings: Mapping[str, Joining] = field(default_factory=dict)
    """Model → its join, where it has labels."""
    _held: dict[str, list[HeldRow]] = field(default_factory=dict)
    _buffers: dict[str, RowBuffer] = field(default_factory=dict)
    _restated: Counter[tuple[str, str, str, int]] = field(default_factory=Counter)
    _changed: bool = False

    @classmethod
    def load(cls, number: int, models: Mapping[str, Model], reader: Reader, shelf: Shelf) -> Partition:
        """Return the partition as it was last written, or an empty one."""
        partition = cls(number, models, reader, shelf)
        data = reader.get(compose(PARTITIONS, number))
        if data is not None:
            partition._restore(msgspec.msgpack.decode(data))
        return partition

    def apply(self, chunk: Chunk) -> None:
        """Take in all of one chunk."""
        self._changed = True
        self.offsets[chunk.topic] = chunk.next_offset
        self.counters["", "records"] += len(chunk.records)
        self.counters.update(chunk.counts)
        for reject in chunk.rejects:
            self._refuse(reject)
        for joining in self.joinings.values():
            joining.begin(chunk.records)
        for batch in chunk.batches:
            if batch.kind == "label":
                self._take_labels(batch, chunk.records)
            elif batch.kind == "prediction":
                known = self.joinings.get(batch.model)
                times = None if known is None else known.times(batch, chunk.records)
                self._take(batch, chunk.records, times, stamped=chunk.records.broker_stamped)

    def take_paired(self, paired: Paired) -> None:
        """Take in predictions whose requests and responses met."""
        joining = self.joinings.get(paired.batch.model)
        times = None if joining is None else joining.paired_times(self.number, paired)
        self._take(paired.batch, paired.origins, times, stamped=paired.stamped)
        self._changed = True

    def flush(self) -> None:
        """Count every buffered row into its pane."""
        for name, buffer in self._buffers.items():
            self._count(name, buffer)

    def settle(self, model: str) -> None:
        """Believe the held rows of a model whose input has come to rest."""
        clock = self.clocks.get(model)
        if clock is None or not clock.held:
            return
        verdict = clock.settle(self.models[model].config.skew)
        held = self._held.pop(model)
        joining = self.joinings.get(model)
        now = None
        if joining is not None:
            now = np.array([joining.now(self.number)])
        for name, before in zip(verdict.accepted.tolist(), verdict.before.tolist(), strict=True):
            row = held[-1 - name]
            self._accept(row.batch, np.array([before]), row, now)
        self._changed = True

    def rest(self, model: str) -> None:
        """Mark a model's input here as idle until its next row."""
        self.clocks.setdefault(model, Clock()).idle = True
        self._changed = True

    def restated(self, model: str, version: str, window: str, start: int) -> int:
        """Return how many rows restated a window here."""
        key = (model, version, window, start)
        if key in self._restated:
            return self._restated[key]
        data = self.reader.get(self._restated_key(key))
        return 0 if data is None else int.from_bytes(data, "big")

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete; call ``flush`` first."""
        puts, deletes = self.shelf.changes()
        for key, rows in self._restated.items():
            puts[self._restated_key(key)] = rows.to_bytes(8, "big")
        if self._changed:
            puts[compose(PARTITIONS, self.number)] = msgspec.msgpack.encode(self._state())
        return puts, deletes

    def written(self) -> None:
        """Note that the changes are in the store."""
        self.shelf.written()
        self._restated.clear()
        self.seen.clear()
        self._changed = False

    def touch(self) -> None:
        """Have the state written even when no record came."""
        self._changed = True

    def _take(self, batch: Batch, records: Records | Origins, times: IntArray | None, *, stamped: bool) -> None:
        model = self.models[batch.model]
        clock = self.clocks.setdefault(batch.model, Clock())
        if clock.idle:
            clock.idle = False
        self.seen.add(batch.model)
        stamps = batch.log_times if stamped else None
        held = self._held.get(batch.model, [])
        verdict = clock.advance(batch.times, stamps, model.config.skew)
        if len(verdict.accepted) == len(batch) and not held and not len(verdict.held):
            self._accept(batch, verdict.before, records, times)
            return
        for rows in _runs(verdict.accepted):
            names, before = verdict.accepted[rows], verdict.before[rows]
            joined = None if times is None else times[verdict.at[rows]]
            if names[0] < 0:
                row = held[-1 - int(names[0])]
                self._accept(row.batch, before, row, joined)
            else:
                self._accept(batch.take(names), before, records, joined)
        for name in verdict.future.tolist():
            row = held[-1 - name] if name < 0 else HeldRow.of(batch, name, records)
            self._refuse(row.reject)
        if held or len(verdict.held):
            self._held[batch.model] = [
                held[-1 - name] if name < 0 else HeldRow.of(batch, name, records) for name in verdict.held.tolist()
            ]

    def _take_labels(self, batch: Batch, records: Records) -> None:
        self.counters[batch.model, "labels"] += len(batch)
        joining = self.joinings[batch.model]
        joining.labels(self.number, batch, joining.times(batch, records))

    def _accept(
        self, batch: Batch, before: IntArray, origin: Records | Origins | HeldRow, joined: IntArray | None = None
    ) -> None:
        """Take accepted rows in, in the order in which they count.

        Parameters
        ----------
        origin
            Where they were decoded or held.
        joined
            Their join times; a row that was held joins when it is accepted.
        """
        model = self.models[batch.model]
        self.coverage.note(batch.model, batch.times)
        windows = model.windows
        delays = before - batch.times
        if len(delays) and int(delays.max()) > 0:
            tiers = windows.tiers.place(delays)
            late = (delays > windows.lateness).astype(np.int64)
        else:
            tiers = np.zeros(len(batch), np.int64)
            late = tiers
        beyond = tiers >= len(windows.tiers.lengths)
        if bool(beyond.any()):
            self._refuse_late(batch, np.flatnonzero(beyond), origin)
            kept = np.flatnonzero(~beyond)
            batch, tiers, late, before = batch.take(kept), tiers[kept], late[kept], before[kept]
            joined = None if joined is None else joined[kept]
        batch = model.derive(model.admit(self.strangers.admit(batch), before))
        if joined is not None:
            self.joinings[batch.model].predictions(self.number, batch, joined)
        lates = int(late.sum())
        self.counters[batch.model, "late"] += lates
        self.counters[batch.model, "on_time"] += len(batch) - lates
        tiers = self._unrolled(model, batch.times, tiers)
        self._note_restated(model, batch, before, tiers)
        buffer = self._buffers.setdefault(batch.model, RowBuffer())
        buffer.add(model.prepare(batch), tiers, late)
        if buffer.rows >= ENOUGH:
            self._count(batch.model, buffer)

    def _unrolled(self, model: Model, times: IntArray, tiers: IntArray) -> IntArray:
        """Send rows whose fine pane was rolled up already to the coarser one (only after an idle time-out)."""
        for level, rolled in enumerate(model.rolled):
            tiers = np.where((tiers == level) & (times < rolled), model.windows.tiers.above(level), tiers)
        return tiers

    def _note_restated(self, model: Model, batch: Batch, before: IntArray, tiers: IntArray) -> None:
        for window in model.windows.windows:
            late = np.flatnonzero(before - window.lateness >= batch.times)
            if not len(late):
                continue
            coarsest = max(model.windows.tiers.of_window(window))
            late = late[tiers[late] <= coarsest]
            versions = np.array([batch.versions[row] for row in late.tolist()])
            for version in sorted(set(versions.tolist())):
                rows = late[versions == version]
                for start, number in window.restated(batch.times[rows], before[rows]).items():
                    key = (batch.model, str(version), window.name, start)
                    self._restated[key] = self.restated(*key) + number

    def _refuse_late(self, batch: Batch, rows: IntArray, origin: Records | Origins | HeldRow) -> None:
        for row in rows.tolist():
            if isinstance(origin, HeldRow):
                self._refuse(origin.refused("too_late"))
            else:
                self._refuse(reject_of(batch, row, origin, "too_late"))

    def _refuse(self, reject: Reject) -> None:
        self.counters[reject.model or "", f"rejected:{reject.reason}"] += 1
        self.rejects.append(reject)

    def _count(self, name: str, buffer: RowBuffer) -> None:
        model = self.models[name]
        tiers: Tiers = model.windows.tiers
        count(buffer, model.layout, tiers, self.shelf)

    def _restated_key(self, key: tuple[str, str, str, int]) -> bytes:
        return compose(RESTATED, self.number, *key)

    def _state(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "offsets": self.offsets,
            "clocks": {
                name: [clock.greatest, clock.held, clock.balance, clock.idle] for name, clock in self.clocks.items()
            },
            "held": {name: [encode_held(row) for row in rows] for name, rows in self._held.items() if rows},
            "coverage": self.coverage.state(),
            "strangers": self.strangers.state(),
            "counters": [[model, name, value] for (model, name), value in sorted(self.counters.items())],
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.offsets = dict(state["offsets"])
        self.clocks = {name: Clock(*fields) for name, fields in state["clocks"].items()}
        self._held = {name: [decode_held(row) for row in rows] for name, rows in state["held"].items()}
        self.strangers = Strangers.restore(state.get("strangers", {}))
        self.coverage = Coverage.restore(state.get("coverage", {}))
        self.counters = Counter({(model, name): value for model, name, value in state["counters"]})


def _runs(names: IntArray) -> Iterator[slice]:
    """Yield the runs of new rows (``>= 0``), and every row that was held, by itself."""
    if not len(names):
        return
    alone = names < 0
    starts = np.flatnonzero(alone | np.concatenate([[True], alone[:-1]]))
    for first, last in pairwise([*starts.tolist(), len(names)]):
        yield slice(first, last)
