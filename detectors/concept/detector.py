"""Detectors of concept drift over many streams at once, with states that can be stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from detectors.concept.guard import FloatArray, acceptable
from detectors.concept.kernel import Kernel, Level
from detectors.concept.kinds import KINDS
from detectors.concept.parameters import complete
from detectors.concept.ranges import Value
from detectors.concept.states import States, pack, unpack

IntArray: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Alarm:
    """A warning or a drift in the stream of one monitor."""

    monitor: int
    index: int
    """Index, within what the step was given, of the value that raised it."""
    rows: int
    """How many values the detector of this monitor has ever taken, this one included."""
    level: Level
    direction: int
    """1 when errors or losses rise, -1 when they fall, 0 when their mean is the same."""
    before: float
    after: float
    """Mean before and after the change, where the detector puts it: error rates, or mean losses."""
    width: int
    """How many values, the last included, ``after`` rests on; the change began about so many values ago."""


@dataclass(frozen=True, slots=True)
class ConceptDetector:
    """A detector of River's by its kind, with River's parameter names, over J independent streams.

    The alarms of a stream are those of River's detector fed value by value, at the same values, but for two defects of
    River's that are put right: see :class:`detectors.concept.ddm.DDM` and :class:`detectors.concept.fhddm.FHDDM`. How
    the values are cut into steps changes nothing.

    Parameters
    ----------
    kind
        A name of :data:`detectors.concept.kinds.KINDS`.
    parameters
        Those that differ from the defaults.

    Raises
    ------
    ParameterError
        When the kind or a parameter is unknown, of the wrong type or out of range.

    Examples
    --------
    >>> detector = ConceptDetector("adwin", {"delta": 0.01})
    >>> errors = np.repeat([0.0, 1.0], [500, 100])
    >>> states, alarms = detector.step(detector.initial(1), errors)
    >>> [(alarm.index, alarm.level, alarm.direction, alarm.before, alarm.after) for alarm in alarms]
    [(511, 'drift', 1, 0.0, 0.09375)]
    """

    kind: str
    parameters: Mapping[str, Value] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", complete(self.kind, self.parameters))

    @property
    def kernel(self) -> Kernel:
        """The recursion of one stream."""
        return KINDS[self.kind].make(**self.parameters)

    @property
    def largest_state(self) -> int:
        """Most bytes that one monitor can ever take."""
        kernel = self.kernel
        return 8 * len(kernel.fields) + kernel.largest_window

    @property
    def identity(self) -> str:
        """Kind and parameters; states of another identity are of no use here."""
        return " ".join([self.kind, *(f"{name}={value}" for name, value in self.parameters.items())])

    def initial(self, monitors: int) -> States:
        """Return the states of J monitors that have seen nothing."""
        none = np.zeros(monitors, np.int64)
        return States((self.kernel.initial(),) * monitors, none, none, none, none)

    def step(self, states: States, values: FloatArray, monitors: IntArray | None = None) -> tuple[States, list[Alarm]]:
        """Feed values to their monitors, each monitor's in the order given.

        Parameters
        ----------
        states
            Of J monitors, left as they are.
        values
            ``[N]``: errors (1) and successes (0), or losses. What the guard refuses is counted and passed over.
        monitors
            ``[N]``, the monitor of each value; None means monitor 0.

        Returns
        -------
        tuple
            The states after the values, and the alarms in the order of ``index``.

        Raises
        ------
        ValueError
            When the arrays differ in length, or a monitor does not exist.
        """
        owners = np.zeros(len(values), np.int64) if monitors is None else monitors
        if len(owners) != len(values) or np.any((owners < 0) | (owners >= len(states))):
            raise ValueError(f"{len(owners)} owners for {len(values)} values of {len(states)} monitors")
        fine = np.flatnonzero(acceptable(values, KINDS[self.kind].bits))
        taken = np.bincount(owners[fine], minlength=len(states))
        alarms, memories = [], list(states.memories)
        kernel = self.kernel
        for monitor, rows in _runs(owners, fine):
            memories[monitor], changes = kernel.run(memories[monitor], values[rows].tolist())
            fed = int(states.rows[monitor]) + 1
            alarms += [
                Alarm(monitor, int(rows[c.place]), fed + c.place, c.level, c.direction, c.before, c.after, c.width)
                for c in changes
            ]
        alarms.sort(key=lambda alarm: alarm.index)
        after = States(
            tuple(memories),
            states.rows + taken,
            states.refused + np.bincount(owners, minlength=len(states)) - taken,
            states.drifts + _count(alarms, "drift", len(states)),
            states.warnings + _count(alarms, "warning", len(states)),
        )
        return after, alarms

    def restarted(self, states: States, monitors: Sequence[int]) -> States:
        """Return the states with the memories of some monitors as new; their counts go on."""
        fresh = set(monitors)
        new = self.kernel.initial()
        memories = (new if place in fresh else memory for place, memory in enumerate(states.memories))
        return replace(states, memories=tuple(memories))

    def pack(self, states: States) -> bytes:
        """Return the states as bytes: versioned, checked, without pickle; equal states give equal bytes."""
        return pack(self.identity, states)

    def unpack(self, data: bytes) -> States:
        """Return the states that ``pack`` made into bytes.

        Raises
        ------
        OtherDetectorError
            When a detector of another kind or with other parameters left them.
        CorruptStateError
            When these are no such bytes.
        """
        return unpack(self.identity, self.kernel, data)


def _runs(owners: IntArray, fine: IntArray) -> Iterator[tuple[int, IntArray]]:
    """Yield each monitor that has values with their places, in the order given."""
    order = fine[np.argsort(owners[fine], kind="stable")]
    borders = np.flatnonzero(np.diff(owners[order], prepend=-1, append=-1))
    for start, end in pairwise(borders.tolist()):
        yield int(owners[order[start]]), order[start:end]


def _count(alarms: list[Alarm], level: Level, monitors: int) -> IntArray:
    return np.bincount([alarm.monitor for alarm in alarms if alarm.level == level], minlength=monitors).astype(np.int64)
