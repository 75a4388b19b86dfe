"""A fleet: monitors of any kind and size that share one budget of false incidents."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from detectors.evidence.null import FloatArray, IntArray
from detectors.fleet.alarm import Report
from detectors.fleet.decision import Decision, decide
from detectors.fleet.group import Group
from detectors.fleet.monitor import Monitor
from detectors.fleet.state import FleetState, GroupState

_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Fleet:
    """Monitors with one budget. Pure: the state goes in and comes out.

    While nothing drifts, T windows have at most T / patience incidents on average, and the first comes after patience
    windows on average at the earliest, whatever the dependence among monitors; with probability 1 - Σ alpha over the
    references, and for records whose law, given the past, stays within what the monitors tolerate. Each record must
    enter one window of a monitor only.

    Examples
    --------
    >>> fleet = Fleet.of([Monitor("age", "shape", np.array([500.0, 300.0, 200.0]) * 20, alpha=0.05)])
    >>> state = fleet.initial()
    >>> for window, counts in enumerate([[250, 150, 100], [240, 160, 100], [100, 150, 250], [100, 150, 250]]):
    ...     state, report = fleet.step(state, np.array(counts), np.ones(1), patience=100, window=window)
    ...     for alarm in report.alarms:
    ...         print(alarm.window, alarm.change, alarm.describe())
    2 drift mean +0.8 sd (bin 2: 20% → 37%)
    """

    monitors: tuple[Monitor, ...]
    groups: tuple[Group, ...]
    offsets: IntArray
    """Where each monitor's cells begin in the fleet's vector of counts, and its length at the end, ``[J + 1]``."""

    @classmethod
    def of(cls, monitors: Sequence[Monitor]) -> Self:
        """Return the fleet of some monitors, in any order; their names must differ.

        Raises
        ------
        ValueError
            When two monitors have one name.
        """
        if len({monitor.name for monitor in monitors}) < len(monitors):
            raise ValueError("two monitors of a fleet have one name")
        offsets = np.cumsum([0, *(monitor.cells for monitor in monitors)])
        alike: dict[tuple[str, int, int, bool], list[int]] = defaultdict(list)
        for place, monitor in enumerate(monitors):
            alike[monitor.kind, monitor.cells, monitor.slots, monitor.along is None].append(place)
        groups = [
            Group.of(
                [monitors[place] for place in places],
                np.array(places, np.int64),
                offsets[places][:, np.newaxis] + np.arange(cells),
            )
            for (_, cells, _, _), places in alike.items()
        ]
        return cls(tuple(monitors), tuple(groups), offsets)

    def initial(self) -> FleetState:
        """Return the state before the first window."""
        return FleetState(tuple(group.initial() for group in self.groups))

    def step(
        self,
        state: FleetState,
        counts: IntArray | FloatArray,
        weights: FloatArray,
        patience: float,
        window: int,
        slot: int = 0,
    ) -> tuple[FleetState, Report]:
        """Return the state after one tumbling window, and what it says.

        Parameters
        ----------
        state
            The state before it; stays as it is.
        counts
            Rows of the window in every cell of every monitor, in the monitors' order, ``[sum of K]``. A monitor
            without rows is not judged.
        weights
            What each monitor starts with in this window, ``[J]``, at most 1 together, fixed before it is seen. They may
            change from window to window; evidence gathered so far keeps its own.
        patience
            A: windows to the first false incident, on average, at the earliest. May change from window to window.
        window
            Number of the window.
        slot
            Its calendar slot; monitors with one slot ignore it.

        Raises
        ------
        ValueError
            When shapes differ, counts are negative or not finite, weights are above 1 together, or there is no such
            slot.
        """
        self._check(counts, weights, slot)
        parts = [counts[group.columns].astype(np.float64) for group in self.groups]
        with np.errstate(divide="ignore"):
            log_start = np.log(weights)
        log_evidence = np.full(len(self.monitors), -np.inf)
        gathered = []
        for group, before, part in zip(self.groups, state.groups, parts, strict=True):
            evidence = group.gathered(before, part, log_start[group.places], window, slot)
            log_evidence[group.places] = evidence.total
            gathered.append(evidence)
        decision = decide(log_evidence, patience)
        report = _blank(window, decision, log_evidence)
        after: list[GroupState] = []
        for group, before, evidence, part in zip(self.groups, state.groups, gathered, parts, strict=True):
            alarmed, spent = decision.alarmed[group.places], decision.suspects[group.places]
            following, aftermath = group.decided(before, evidence, part, alarmed, spent, window, slot)
            if alarmed.any():
                rows = np.flatnonzero(alarmed)
                report.alarms.extend(group.alarms(before, evidence, rows, window, decision.log_threshold))
            places = group.places[aftermath.rows]
            report.effect[places] = aftermath.effect.value
            report.low[places] = aftermath.effect.low
            report.high[places] = aftermath.effect.high
            report.recovered[group.places[aftermath.recovered]] = True
            report.mode[group.places] = following.follow_up.mode
            after.append(following)
        report.alarms.sort(key=lambda alarm: -alarm.log_evidence)
        return FleetState(tuple(after)), report

    def _check(self, counts: IntArray | FloatArray, weights: FloatArray, slot: int) -> None:
        if counts.shape != (self.offsets[-1],) or weights.shape != (len(self.monitors),):
            raise ValueError(
                f"{len(self.monitors)} monitors of {self.offsets[-1]} cells, but counts of shape {counts.shape} and "
                f"weights of shape {weights.shape}"
            )
        if weights.size and not (weights.min() >= 0 and weights.sum() <= 1 + _ROUNDING):
            raise ValueError("weights must be 0 or more, and 1 at most together")
        slots = max((group.engine.slots for group in self.groups), default=1)
        if any(group.engine.slots > 1 and not 0 <= slot < group.engine.slots for group in self.groups):
            raise ValueError(f"no slot {slot}; there are {slots}")


def _blank(window: int, decision: Decision, log_evidence: FloatArray) -> Report:
    count = len(log_evidence)
    nothing = [np.full(count, np.nan) for _ in range(3)]
    return Report(
        window=window,
        incident=decision.incident,
        alarms=[],
        suspects=decision.suspects,
        recovered=np.zeros(count, bool),
        log_evidence=log_evidence,
        log_threshold=decision.log_threshold,
        mode=np.zeros(count, np.int8),
        effect=nothing[0],
        low=nothing[1],
        high=nothing[2],
    )
