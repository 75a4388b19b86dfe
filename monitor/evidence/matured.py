"""Counts of evidence windows from predictions that were judged: each once, at its age, with the label known then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from monitor.events import DAY, HOUR, IntArray
from monitor.evidence.declared import Cells, Declared, slice_streams
from monitor.evidence.learning import Learning
from monitor.evidence.learnt import Learnt
from monitor.evidence.outcome_streams import outcome_streams
from monitor.evidence.readout import ROWS, Readout
from monitor.evidence.stream import FleetKind, Stream
from monitor.findings import Finding
from monitor.join.clock import NEVER
from monitor.model import Model
from monitor.outcomes.evaluation import learning_period
from monitor.outcomes.judges import RegressionJudge
from monitor.outcomes.outcomes import HOURLY, ModelOutcomes
from monitor.outcomes.parts import MATURED
from monitor.outcomes.timely import final_before
from monitor.panes import PaneKey
from monitor.sealed import seal, unseal


@dataclass(slots=True)
class Matured(Learning):
    """The source of what is known once labels have come, of one model.

    Its reference is learnt from the first judged predictions, hour by hour, and then stays. Corrections that come after
    a prediction was judged restate what is shown; here nothing is counted twice.
    """

    outcomes: ModelOutcomes
    watermark: Callable[[], int]
    """Up to when the join has judged."""
    fleet: FleetKind = "outcomes"
    rows: int = ROWS
    grain: int = HOUR
    _readout: Readout | None = None
    _parts: tuple[Cells, ...] = ()
    """The declared slicings, in the order of a vector's cells behind those of all rows."""
    _declared: dict[str, Declared] = field(default_factory=dict)
    """Identity of a slicing → its reference."""
    _settled: int = NEVER
    """Up to where slices were counted."""
    _judged: int = NEVER
    """Where the last window ended that was read."""

    def basis(self, model: Model) -> str | None:
        """Return the identity of what was learnt; slicings that come or go are another."""
        whole = Learning.basis(self, model)
        parts = [self._declared[cells.part.identity] for cells in self._parts]
        known = (f" {one.identity} {one.begin} {one.is_judged}" for one in parts)
        return None if whole is None else whole + "".join(known)

    @property
    def read(self) -> int | None:
        """Where the first hour begins that must be kept for learning."""
        whole = self._unlearnt()
        open_ = [self._final if one.at is None else one.at for one in self._declared.values() if one.end is None]
        return whole if whole is not None else min(open_, default=None)

    def _learnt_counts(self, learnt: Learnt) -> IntArray:
        return learnt.table

    def streams(self, model: Model, version: str) -> Sequence[Stream]:  # noqa: ARG002
        """Return all streams of one version; none while the reference is being learnt."""
        if self._learnt is None or self._learnt.end is None or self._readout is None:
            return []
        whole = list(outcome_streams(self._readout, self._learnt, version))
        return [*whole, *self._slices(self._readout, self._learnt, whole)] if version else whole

    def _slices(self, readout: Readout, learnt: Learnt, whole: Sequence[Stream]) -> Iterator[Stream]:
        named, errors, first = {stream.name: stream for stream in whole}, None, readout.size
        if isinstance(readout.judge, RegressionJudge):
            edges = readout.judge.table.error_edges
            errors = edges, learnt.past(learnt.table[:, readout.block("errors", len(edges) + 1)])[1]
        for cells in self._parts:
            declared = self._declared[cells.part.identity]
            if declared.is_judged:
                yield from slice_streams(cells, declared, first, named, errors)
            first += cells.size

    def counts(self, model: Model, first: int, last: int) -> dict[str, IntArray]:
        """Return what was judged of a window's predictions, by version: all rows, then each declared slicing."""
        self._judged = last
        found = self._whole(model, first, last)
        if self._parts:
            self._settle(last)
        return {
            version: np.concatenate(
                [vector, *(cells.read(self.outcomes.shelf, version, first, last) for cells in self._parts)]
            )
            for version, vector in found.items()
        }

    def _settle(self, last: int) -> None:
        """Have slices counted up to a time; rows wait for it, so it is done once a window at most."""
        if last > self._settled:
            self.outcomes.settle()
            self._settled = max(last, self._final)

    def _whole(self, model: Model, first: int, last: int) -> dict[str, IntArray]:  # noqa: ARG002
        readout, whole = self._readout, self.outcomes.whole
        if readout is None or whole is None:
            return {}
        found: dict[str, IntArray] = {}
        for key in self._keys(first, last):
            pane = self.outcomes.shelf.find(key)
            if pane is None:
                continue
            vector = readout.read(whole.table(pane.on_time, MATURED))
            if int(vector[ROWS]):
                found[key.version] = found[key.version] + vector if key.version in found else vector
        return found

    def starts(self, model: Model, length: int, first: int, last: int) -> Iterable[int]:  # noqa: ARG002
        """Return the starts of the windows that have panes."""
        return sorted({key.start // length * length for key in self._keys(first, last)})

    def reach(self, model: Model, least: int) -> int | None:  # noqa: ARG002
        """Return up to when all predictions in time were judged; learn from hours before."""
        whole, watermark = self.outcomes.whole, self.watermark()
        if whole is None or watermark == NEVER:
            return None
        if self._readout is None or self._learnt is None or self._learnt.identity != whole.identity:
            self._readout = Readout(whole.judge)
            if self._learnt is None or self._learnt.identity != whole.identity:
                self._learnt, self._changed = Learnt(whole.identity, self._readout.size), True
        self._final = max(self._final, final_before(model, watermark) // HOUR * HOUR)
        self._learn(model, self._learnt)
        self._declare()
        for cells in self._parts:
            self._learn_slices(model, cells, self._declared[cells.part.identity])
        return self._final

    def stepped(self, model: Model, counts: Mapping[str, IntArray], window: int) -> bool:  # noqa: ARG002
        """Judge slicings from now on whose reference lies behind all windows that come."""
        return self._admit(self._judged)

    def beside(self, version: str, piece: str) -> tuple[Finding, ...]:  # noqa: ARG002
        """Return nothing."""
        return ()

    def relearn(self, begin: int | None) -> bool:
        """Forget what was learnt; hours from ``begin`` on, or from the first that is not final, make the reference."""
        if self._learnt is None or self._learnt.end is None:
            return False
        start = self._final if begin is None else -(-begin // HOUR) * HOUR
        self._learnt, self._changed = Learnt(self._learnt.identity, self._learnt.size, start), True
        self._declared = {name: Declared(name, start, start) for name in self._declared}
        return True

    def last(self, model: Model, newest: int, length: int) -> int | None:  # noqa: ARG002
        """Return the same: what has not come of age stays open."""
        return self.reach(model, newest)

    def changes(self) -> bytes | None:
        """Return the learnt hours and the slicings' references, if there is something new."""
        if not self._changed or self._learnt is None:
            return None
        if not self._declared:
            return self._learnt.to_bytes()
        slicings = [one.state() for one in self._declared.values()]
        return seal(msgspec.msgpack.encode({"learnt": self._learnt.to_bytes(), "slicings": slicings}))

    def written(self) -> None:
        """Note that they are in the store."""
        self._changed = False

    def restore(self, data: bytes) -> None:
        """Take over the learnt hours, unless they are of other cells."""
        body = msgspec.msgpack.decode(unseal(data, "what evidence learnt of outcomes is damaged"))
        slicings: list[list[Any]] = []
        if isinstance(body, dict):
            data, slicings = body["learnt"], body["slicings"]
        learnt, whole = Learnt.from_bytes(data), self.outcomes.whole
        if whole is not None and learnt.identity == whole.identity:
            self._readout = Readout(whole.judge)
            self._learnt = learnt.widened(self._readout.size)
            self._declared = {one.identity: one for one in map(Declared.restore, slicings)}
            self._declare()

    def _declare(self) -> None:
        """Take over the slicings that are counted now."""
        parts = tuple(self.outcomes.sliced.values())
        if parts != tuple(cells.part for cells in self._parts):
            self._parts = tuple(cells for cells in map(Cells, parts) if cells.width)
        names = [cells.part.identity for cells in self._parts]
        if set(names) != set(self._declared):
            self._declared = {name: self._declared.get(name) or Declared(name) for name in names}
            self._changed = True

    def _admit(self, moment: int) -> bool:
        """Judge the slicings whose reference ends by then; return whether there are new ones."""
        own = [self._declared[cells.part.identity] for cells in self._parts]
        fresh = [one for one in own if not one.is_judged and one.end is not None and one.end <= moment]
        for one in fresh:
            one.is_judged = self._changed = True
        return bool(fresh)

    def _learn_slices(self, model: Model, cells: Cells, declared: Declared) -> None:
        """Learn a slicing's reference as that of all rows is; with that one it begins to be judged at once."""
        shelf, learnt = self.outcomes.shelf, self._learnt
        if declared.end is None:
            if declared.begin is None:
                self._settle(self._final)
                hours = cells.starts(shelf, NEVER, self._final)
                declared.begin = next((hour for hour in hours if self._hour(cells, hour).any()), None)
                declared.at = declared.begin
            period = _period(model)
            while declared.at is not None and declared.at < self._final and declared.end is None:
                self._settle(self._final)
                declared.take(self._hour(cells, declared.at), period)
                self._changed = True
        if learnt is not None and learnt.end is not None:
            self._admit(learnt.end)

    def _hour(self, cells: Cells, hour: int) -> IntArray:
        shelf = self.outcomes.shelf
        versions = sorted({version for name in cells.part.names() for version in shelf.versions(name)} - {""})
        total = np.zeros(cells.size, np.int64)
        for version in versions:
            total += cells.read(shelf, version, hour, hour + HOUR)
        return total

    def _learn(self, model: Model, learnt: Learnt) -> None:
        if learnt.end is not None:
            return
        if learnt.begin is None:
            fresh = self.starts(model, HOUR, self._scanned, self._final)
            learnt.begin = next((start for start in fresh if self._sum(model, start)[ROWS]), None)
            self._scanned = self._final
        period = _period(model)
        while learnt.at is not None and learnt.at < self._final and learnt.end is None:
            learnt.take(self._sum(model, learnt.at), period)
            self._changed = True

    def _sum(self, model: Model, hour: int) -> IntArray:
        size = 0 if self._readout is None else self._readout.size
        total = np.zeros(size, np.int64)
        for vector in self._whole(model, hour, hour + HOUR).values():
            total += vector
        return total

    def _keys(self, first: int, last: int) -> Iterator[PaneKey]:
        whole, shelf = self.outcomes.whole, self.outcomes.shelf
        if whole is None:
            return
        for version in sorted(shelf.versions(whole.name) - {""}):
            yield from shelf.keys(whole.name, version, HOURLY, first, last)


def _period(model: Model) -> int:
    """Return what learning takes, or a multiple of: whole hours, a day at least."""
    return max(-(-learning_period(model.config) // HOUR) * HOUR, DAY)
