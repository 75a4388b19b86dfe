"""Monitors of one kind and size, judged together: evidence, and what follows an alarm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from detectors.evidence.engine import Engine
from detectors.evidence.null import BoolArray, FloatArray, IntArray
from detectors.evidence.state import Evidence
from detectors.fleet.aftermath import Aftermath, followed
from detectors.fleet.alarm import Alarm, Change
from detectors.fleet.monitor import Monitor, null_around, null_of
from detectors.fleet.provisional import transported
from detectors.fleet.sizes import Sizes
from detectors.fleet.state import FollowUp, GroupState, Mode, Provisional

_MEMORY: Final = 0
"""Which of the decayed counts an alarm shows: those of about two windows."""


@dataclass(frozen=True, eq=False)
class Group:
    """J monitors of one kind, K cells and S slots, and their places among the fleet's monitors and cells."""

    monitors: tuple[Monitor, ...]
    places: IntArray
    """Place of each monitor in the fleet, ``[J]``."""
    columns: IntArray
    """Place of each cell in the fleet's vector of counts, ``[J, K]``."""
    sizes: Sizes
    engine: Engine

    @classmethod
    def of(cls, monitors: Sequence[Monitor], places: IntArray, columns: IntArray) -> Self:
        """Return the group with its bets worked out."""
        ordered = np.array([monitor.ordered for monitor in monitors])
        null = null_of(monitors)
        reference = np.stack([monitor.reference for monitor in monitors], axis=1)
        return cls(tuple(monitors), places, columns, Sizes(reference, null), Engine.of(null, ordered))

    def initial(self) -> GroupState:
        """Return the state before the first window."""
        used = np.array([monitor.epoch for monitor in self.monitors], np.int32)
        follow_up = FollowUp.initial(used, self.engine.cells, self.engine.slots)
        return self.state_of(self.engine.initial(), follow_up)

    def state_of(self, evidence: Evidence, follow_up: FollowUp) -> GroupState:
        """Return the state with the bets of drifted monitors worked out."""
        return self.refreshed(GroupState(evidence, follow_up, Provisional(np.zeros(0, np.int64), None)))

    def gathered(
        self, state: GroupState, counts: FloatArray, log_start: FloatArray, window: int, slot: int
    ) -> Evidence:
        """Return the evidence after a window of counts ``[J, K]``, before anything is decided."""
        watching = state.follow_up.mode == Mode.WATCHING
        kept = counts if watching.all() else np.where(watching[:, np.newaxis], counts, 0.0)
        evidence = self.engine.step(state.evidence, kept, log_start, window, slot)
        rows, engine = state.provisional.rows, state.provisional.engine
        if engine is None:
            return evidence
        drifted = engine.step(state.evidence.take(rows), counts[rows], log_start[rows], window, slot)
        return evidence.put(rows, drifted)

    def decided(
        self,
        state: GroupState,
        evidence: Evidence,
        counts: FloatArray,
        alarmed: BoolArray,
        spent: BoolArray,
        window: int,
        slot: int,
    ) -> tuple[GroupState, Aftermath]:
        """Return the state after a decision, and what is known of the monitors that drifted earlier.

        ``alarmed`` monitors drift; the evidence of ``spent`` ones starts afresh. Both ``[J]``.
        """
        waiting = np.flatnonzero((state.follow_up.mode != Mode.WATCHING) & ~alarmed & (counts.sum(axis=1) > 0))
        follow_up, aftermath = followed(self.sizes, state.follow_up, waiting, counts[waiting], slot)
        if len(aftermath.recovered):
            follow_up = follow_up.recovered(aftermath.recovered)
        if alarmed.any():
            follow_up = follow_up.alarmed(np.flatnonzero(alarmed), window)
        afresh = np.union1d(np.flatnonzero(spent | alarmed), aftermath.recovered)
        if len(afresh):
            evidence = evidence.put(afresh, self.engine.initial(len(afresh)))
        return self.refreshed(GroupState(evidence, follow_up, state.provisional)), aftermath

    def refreshed(self, state: GroupState) -> GroupState:
        """Return the state with the bets of those that drifted now, and without those of others."""
        old, follow_up = state.provisional, state.follow_up
        rows = np.flatnonzero(follow_up.mode == Mode.DRIFTED)
        if np.array_equal(rows, old.rows):
            return state
        new = np.setdiff1d(rows, old.rows)
        engine = self._against_provisional(follow_up, new) if len(new) else None
        kept = np.flatnonzero(np.isin(old.rows, rows))
        if old.engine is not None and len(kept):
            before = old.engine.take(kept)
            engine = before if engine is None else before.joined(engine)
        order = np.argsort(np.concatenate([old.rows[kept], new]), kind="stable")
        provisional = Provisional(rows, None if engine is None else engine.take(order))
        return GroupState(state.evidence, follow_up, provisional)

    def alarms(
        self, state: GroupState, evidence: Evidence, rows: IntArray, window: int, log_threshold: float
    ) -> list[Alarm]:
        """Return what is to say about monitors that are alarmed in a window, from the state before it."""
        some = evidence.take(rows)
        counts, by_slot = some.recent[:, _MEMORY], some.rows[:, _MEMORY]
        drifted = state.follow_up.mode[rows] == Mode.DRIFTED
        base = state.follow_up.base[rows]
        expected = np.where(
            drifted[:, np.newaxis], self._judged(state, rows, by_slot), self.sizes.expected(by_slot, rows)[0]
        )
        worse = self.sizes.distance(counts, by_slot, rows) >= self.sizes.distance(
            base, state.follow_up.base_rows[rows], rows
        )
        total = counts.sum(axis=1, keepdims=True)
        now = counts / total
        cell = np.argmax(np.square(now - expected) / (expected + 0.5 / total), axis=1)
        top = np.argmax(some.log, axis=1)
        totals = some.total
        return [
            Alarm(
                monitor=int(self.places[row]),
                change=Change.DRIFT if not drifted[place] else Change.WORSE if worse[place] else Change.EASING,
                shape=self.engine.shapes[top[place]],
                onset=int(some.onset[place, top[place]]),
                window=window,
                log_evidence=float(totals[place]),
                log_threshold=log_threshold,
                cell=int(cell[place]),
                before=float(expected[place, cell[place]]),
                now=float(now[place, cell[place]]),
            )
            for place, row in enumerate(rows.tolist())
        ]

    def _judged(self, state: GroupState, rows: IntArray, by_slot: FloatArray) -> FloatArray:
        """Return the shares that drifted monitors are judged against; zeros for the others."""
        shares = np.zeros((len(rows), self.engine.cells))
        if state.provisional.engine is None:
            return shares
        inside = np.isin(rows, state.provisional.rows)
        places = np.searchsorted(state.provisional.rows, rows[inside])
        parts = by_slot[inside] / by_slot[inside].sum(axis=1, keepdims=True)
        shares[inside] = np.einsum("js,sjk->jk", parts, state.provisional.engine.null.shares[:, places])
        return shares

    def _against_provisional(self, follow_up: FollowUp, rows: IntArray) -> Engine:
        some = [self.monitors[row] for row in rows]
        reference = transported(self.sizes.reference[:, rows], follow_up.base[rows], follow_up.base_rows[rows])
        null = null_around(some, reference, follow_up.references[rows].astype(np.float64))
        return Engine.of(null, np.array([monitor.ordered for monitor in some]))
