"""Counts of evidence windows from predictions that were judged: each once, at its age, with the label known then."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np

from monitor.events import DAY, HOUR, IntArray
from monitor.evidence.learning import Learning
from monitor.evidence.learnt import Learnt
from monitor.evidence.outcome_streams import outcome_streams
from monitor.evidence.readout import ROWS, Readout
from monitor.evidence.slicings import Declared, Slicings
from monitor.evidence.stream import FleetKind, Stream
from monitor.findings import Finding
from monitor.join.clock import NEVER
from monitor.model import Model
from monitor.outcomes.evaluation import learning_period
from monitor.outcomes.outcomes import HOURLY, ModelOutcomes
from monitor.outcomes.parts import MATURED
from monitor.outcomes.timely import final_before
from monitor.panes import PaneKey
from monitor.sealed import seal, unseal

_FORMAT: Final = 1


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
    slicings: Slicings = field(init=False)
    """Those that somebody declared."""
    _judged: int = NEVER
    """Where the last window ended that was read."""

    def __post_init__(self) -> None:
        self.slicings = Slicings(self.outcomes)

    def basis(self, model: Model) -> str | None:
        """Return the identity of what was learnt; slicings that come or go are another."""
        whole = Learning.basis(self, model)
        return None if whole is None else whole + self.slicings.basis()

    @property
    def read(self) -> int | None:
        """Where the first hour begins that must be kept for learning."""
        if self._learnt is None or self._learnt.end is None:
            return self._final if self._learnt is None or self._learnt.at is None else self._learnt.at
        return self.slicings.unread(self._final)

    def _learnt_counts(self, learnt: Learnt) -> IntArray:
        return learnt.table

    def streams(self, model: Model, version: str) -> Sequence[Stream]:  # noqa: ARG002
        """Return all streams of one version; none while the reference is being learnt."""
        if self._learnt is None or self._learnt.end is None or self._readout is None:
            return []
        whole = list(outcome_streams(self._readout, self._learnt, version))
        return [*whole, *self.slicings.streams(self._readout, self._learnt, whole)] if version else whole

    def counts(self, model: Model, first: int, last: int) -> dict[str, IntArray]:
        """Return what was judged of a window's predictions, by version: all rows, then each declared slicing."""
        self._judged = last
        found = self._whole(model, first, last)
        self.slicings.settle(max(last, self._final))
        return {
            version: np.concatenate([vector, *self.slicings.counts(version, first, last)])
            for version, vector in found.items()
        }

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
        self.slicings.refresh()
        self.slicings.learn(self._final, _period(model))
        if self._learnt.end is not None:
            self.slicings.admit(self._learnt.end)
        return self._final

    def stepped(self, model: Model, counts: Mapping[str, IntArray], window: int) -> bool:  # noqa: ARG002
        """Judge slicings from now on whose reference lies behind all windows that come."""
        return self.slicings.admit(self._judged)

    def beside(self, version: str, piece: str) -> tuple[Finding, ...]:  # noqa: ARG002
        """Return nothing."""
        return ()

    def relearn(self, begin: int | None) -> bool:
        """Forget what was learnt; hours from ``begin`` on, or from the first that is not final, make the reference."""
        if self._learnt is None or self._learnt.end is None:
            return False
        start = self._final if begin is None else -(-begin // HOUR) * HOUR
        self._learnt, self._changed = Learnt(self._learnt.identity, self._learnt.size, start), True
        self.slicings.relearn(start)
        return True

    def last(self, model: Model, newest: int, length: int) -> int | None:  # noqa: ARG002
        """Return the same: what has not come of age stays open."""
        return self.reach(model, newest)

    def changes(self) -> bytes | None:
        """Return the learnt hours and the slicings' references, if there is something new."""
        if self._learnt is None or not (self._changed or self.slicings.changed):
            return None
        slicings = [one.state() for one in self.slicings.learnt.values()]
        if not slicings:
            return self._learnt.to_bytes()
        body = {"format": _FORMAT, "learnt": self._learnt.to_bytes(), "slicings": slicings}
        return seal(msgspec.msgpack.encode(body))

    def written(self) -> None:
        """Note that they are in the store."""
        self._changed = self.slicings.changed = False

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
            self.slicings.learnt = {one.identity: one for one in map(Declared.restore, slicings)}
            self.slicings.refresh()

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
