"""The join of one model in one co-partition: predictions and labels in, judged predictions out.

What it gives out, counts and stores is a function of the set of records and of the watermark. The order in which inputs
are read makes no difference, nor do the borders of batches or checkpoints: every record carries its position, what
follows from the records of one id is worked out anew whenever one comes, and nothing is closed before the watermark
says that no record can come to change it.

Hence labels may wait in memory until something is asked of the join, or there are many: then those that fall on one
page of stored predictions read it once, however the log dealt them out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Literal, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.decoding.sampling import kept
from monitor.events import FloatArray, IntArray
from monitor.join.agenda import AGENDA, Agenda
from monitor.join.arrivals import Arrivals
from monitor.join.clock import NEVER
from monitor.join.codec import Codec
from monitor.join.entries import ENTRIES, Entries, rows_within
from monitor.join.identity import Ids, identify
from monitor.join.last_before import Worked
from monitor.join.output import Joined, Output
from monitor.join.pages import PAGES, RUNS
from monitor.join.payload import Payload, Rows
from monitor.join.positions import Positions
from monitor.join.quota import Quota
from monitor.join.rules import Rules
from monitor.join.tally import Coverage, Tally
from monitor.join.visit import Visit
from monitor.keys import compose
from monitor.store.port import StateReader, StateStore

JOINS: Final = b"K"
UPSERT: Final = 0
RETRACT: Final = 1
MEMORY: Final = 128 << 20
"""Bytes of rows that may stay in memory between checkpoints."""
_FORMAT: Final = 2
_DROP_AT_ONCE: Final = 10_000
_GATHER: Final = 50_000
"""Labels that are gathered at most."""
Side: TypeAlias = Literal["prediction", "label"]


class JoinChangedError(ValueError):
    """The stored join was made under other rules, or from other topics; ``drop`` it to start afresh."""


@dataclass(frozen=True, slots=True)
class _Labels:
    """Labels of one input that were admitted."""

    ids: Ids
    at: Positions
    values: FloatArray
    retract: NDArray[np.bool_]


class Join:
    """Make one with ``load``. One thread owns it; nothing leaves memory before ``changes`` is written."""

    def __init__(self, reader: StateReader, number: int, model: str, rules: Rules, codec: Codec, budget: int) -> None:
        self.rules = rules
        self._tally = Tally(rules)
        self.watermark = NEVER
        """The time up to which everything is worked off; it moves by whole buckets."""
        self._key = compose(JOINS, number, model)
        self._codec = codec
        self._entries = Entries(codec, rules, reader, number, model, budget)
        self._agenda = Agenda(number, model, rules.bucket, reader)
        self._output = Output(codec.payload)
        self._quotas: dict[tuple[Side, int], Quota] = {}
        self._arrivals = Arrivals(rules, self._tally, self._output, self._entries, self._agenda)
        self._gathered: list[_Labels] = []
        self._changed = False

    @classmethod
    def load(
        cls, reader: StateReader, number: int, model: str, rules: Rules, payload: Payload, *, budget: int | None = None
    ) -> Join:
        """Return the join as it was last written, or an empty one.

        Parameters
        ----------
        number
            The co-partition.
        payload
            What every prediction carries. Fields may change from one start to the next; what waits is carried over.
        budget
            Entries that may stay in memory between checkpoints; without it as many as ``MEMORY`` holds.

        Raises
        ------
        JoinChangedError
            When what is stored was joined under other rules.
        CorruptStateError
            When what is stored is damaged.
        """
        data = reader.get(compose(JOINS, number, model))
        budget = rows_within(MEMORY, payload) if budget is None else budget
        if data is None:
            return cls(reader, number, model, rules, Codec([payload]), budget)
        state: dict[str, Any] = msgspec.msgpack.decode(data)
        if state["format"] != _FORMAT or state["identity"] != rules.identity:
            raise JoinChangedError(f"the join of {model} was made under other rules; what waits in it cannot be used")
        known = [Payload.described(description) for description in state["payloads"]]
        if known[-1].describe() != payload.describe():
            known.append(payload)
        join = cls(reader, number, model, rules, Codec(known), budget)
        join._restore(state)
        return join

    def predictions(self, ids: Sequence[str], positions: Positions, payloads: Rows) -> None:
        """Take in predictions of one input, in the order of its log.

        Raises
        ------
        ValueError
            When a join time lies before the watermark, or lengths differ; nothing is taken in then.
        """
        chosen = self._admit("prediction", ids, positions, np.ones(len(ids), bool), len(payloads))
        if len(chosen):
            hashes = identify(ids if len(chosen) == len(ids) else [ids[place] for place in chosen.tolist()])
            self._arrivals.predictions(hashes, positions.take(chosen), payloads[chosen], self.watermark)

    def labels(
        self, ids: Sequence[str], positions: Positions, values: FloatArray, operations: IntArray | None = None
    ) -> None:
        """Take in labels of one input, in the order of its log.

        Parameters
        ----------
        values
            What was true; a label that is not finite is invalid. Of a retraction it does not matter.
        operations
            ``UPSERT`` or ``RETRACT``; ``None`` means that all are ``UPSERT``.

        Raises
        ------
        ValueError
            When a join time lies before the watermark, or lengths differ; nothing is taken in then.
        """
        retract = np.zeros(len(ids), bool) if operations is None else operations == RETRACT
        valid = np.isfinite(values) | retract
        chosen = self._admit("label", ids, positions, valid, min(len(values), len(retract)))
        if len(chosen):
            values = np.where(retract, 0.0, values)[chosen]
            hashes = identify(ids if len(chosen) == len(ids) else [ids[place] for place in chosen.tolist()])
            self._gathered.append(_Labels(hashes, positions.take(chosen), values, retract[chosen]))
            if sum(len(part.ids) for part in self._gathered) >= _GATHER:
                self._settle()

    def waiting(
        self, ids: Sequence[str], positions: Positions, values: FloatArray, operations: IntArray | None = None
    ) -> IntArray:
        """Count labels that will be given by ``resolved`` once their prediction is known; return which to give.

        Parameters are those of ``labels``, though ids need not be those of predictions. Nothing is sampled here.
        """
        retract = np.zeros(len(ids), bool) if operations is None else operations == RETRACT
        count = min(len(values), len(retract))
        chosen = self._admit("label", ids, positions, np.isfinite(values) | retract, count, sample=1.0)
        self._tally.add("label", "pending", len(chosen))
        return chosen

    def resolved(self, worked: Worked) -> None:
        """Take in labels that ``waiting`` has counted, now that their predictions are known or known not to be."""
        if not worked.labels:
            return
        self._changed = True
        self._tally.add("label", "pending", -worked.labels)
        self._tally.add("label", "orphan", worked.orphans)
        self._tally.add("label", "unsampled", worked.unsampled)
        for part in worked.resolved:
            values = np.where(part.retract, 0.0, part.values)
            self._arrivals.labels(part.ids, part.at, values, part.retract, self.watermark)

    def advance(self, watermark: int, most: int = 1 << 62) -> bool:
        """Judge what has come of age, and let go of what nothing can meet any more.

        Parameters
        ----------
        watermark
            No later record has a join time before it.
        most
            Entries after which to stop at the next bucket, so that a checkpoint can come between.

        Returns
        -------
        bool
            Whether all that is due was done; if not, call again.
        """
        end = watermark // self.rules.bucket
        if watermark == NEVER or end * self.rules.bucket <= self.watermark:
            return True
        self._settle()
        self._changed = True
        for bucket, ids in self._agenda.due(end):
            # a write that failed may be there all the same, with buckets that were done since
            reached = max(self.watermark, (bucket + 1) * self.rules.bucket)
            Visit(self.rules, self._tally, self._output, self._entries, self.watermark, reached).all(ids)
            self.watermark = reached
            most -= len(ids)
            if most <= 0 and bucket + 1 < end:
                self._tally.forget(reached)
                return False
        self.watermark = end * self.rules.bucket
        self._tally.forget(self.watermark)
        return True

    def drain(self) -> Joined:
        """Return what was given out since the last call."""
        self._settle()
        return self._output.drain()

    @property
    def tally(self) -> Tally:
        """All counts, of every record that came."""
        self._settle()
        return self._tally

    @property
    def counters(self) -> Mapping[tuple[str, str], int]:
        """(side, outcome) → rows; see ``Tally.unaccounted`` for the laws that they keep."""
        return self.tally.outcomes

    @property
    def in_memory(self) -> int:
        """Entries in memory."""
        self._settle()
        return len(self._entries)

    def coverage(self) -> Coverage:
        """Return how many predictions of each age are labelled."""
        return self.tally.coverage(self.watermark)

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete; drain first, what was given out belongs to the same write."""
        if not self._changed:
            return {}, []
        self._settle()
        puts, deletes = self._entries.changes()
        more, done = self._agenda.changes()
        puts.update(more)
        puts[self._key] = msgspec.msgpack.encode(self._state())
        return puts, deletes + done

    def written(self) -> None:
        """Note that the changes are in the store."""
        if not self._changed:
            return
        self._entries.written()
        self._agenda.written()
        self._changed = False

    def _settle(self) -> None:
        """Have the labels that were gathered find their predictions."""
        gathered, self._gathered = self._gathered, []
        if len(gathered) > 1:
            # every page that any of them needs is read once
            self._entries.find(np.concatenate([part.ids for part in gathered]))
        inputs: dict[int, list[_Labels]] = {}
        for part in gathered:
            inputs.setdefault(part.at.input, []).append(part)
        for parts in inputs.values():
            ids, at = np.concatenate([part.ids for part in parts]), Positions.together([part.at for part in parts])
            values = np.concatenate([part.values for part in parts])
            retract = np.concatenate([part.retract for part in parts])
            self._arrivals.labels(ids, at, values, retract, self.watermark)

    def _admit(
        self,
        side: Side,
        ids: Sequence[str],
        positions: Positions,
        valid: NDArray[np.bool_],
        values: int,
        sample: float | None = None,
    ) -> IntArray:
        """Check a batch, count what it leaves out, and return the rows to take in."""
        if not len(ids) == len(positions) == len(positions.offsets) == len(positions.rows) == values:
            raise ValueError(f"{len(ids)} ids do not fit {len(positions)} positions and {values} values")
        if len(ids) and int(positions.times.min()) < self.watermark:
            raise ValueError(f"join time {int(positions.times.min())} lies before the watermark {self.watermark}")
        self._changed = True
        self._tally.add(side, "seen", len(ids))
        self._tally.add(side, "invalid", int((~valid).sum()))
        chosen = np.flatnonzero(valid)
        share = self.rules.sample if sample is None else sample
        if share < 1:
            sampled = kept([ids[place] for place in chosen.tolist()], share)
            self._tally.add(side, "unsampled", int((~sampled).sum()))
            chosen = chosen[sampled]
        quota = self._quotas.get((side, positions.input))
        if quota is None:
            quota = self._quotas[side, positions.input] = Quota(self.rules.share, self.rules.cell)
        admitted = quota.admit(positions.times[chosen])
        self._tally.add(side, "overflow", int((~admitted).sum()))
        return chosen[admitted]

    def _state(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "identity": self.rules.identity,
            "payloads": [payload.describe() for payload in self._codec.payloads],
            "watermark": self.watermark,
            "sequence": self._agenda.sequence + 1,
            "entries": self._entries.state(),
            "tally": self._tally.state(),
            "quotas": [[side, number, quota.state()] for (side, number), quota in sorted(self._quotas.items())],
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.watermark = state["watermark"]
        self._agenda.sequence = state["sequence"]
        self._entries.load(state["entries"], self.watermark)
        self._tally.restore(state["tally"])
        for side, number, counts in state["quotas"]:
            quota = self._quotas[side, number] = Quota(self.rules.share, self.rules.cell)
            quota.restore(counts)


def drop(store: StateStore, number: int, model: str) -> int:
    """Delete a stored join, some thousand keys at a time; return how many keys it had."""
    deleted = 0
    for namespace in (PAGES, RUNS, ENTRIES, AGENDA, JOINS):
        start = compose(namespace, number, model)
        while keys := [key for key, _ in islice(store.scan(start), _DROP_AT_ONCE)]:
            store.write({}, keys, sync=False)
            deleted += len(keys)
    return deleted
