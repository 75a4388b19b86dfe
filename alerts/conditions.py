"""What a rule asks of a signal. Every condition answers with one of four verdicts, never with a bare yes or no."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal, Protocol, TypeAlias

from alerts.durations import DAY, HOUR, MINUTE, SECOND
from alerts.signal import Signal
from alerts.week import Slot, Slots, add_silence, add_to_mean, busy_hours, last_week, usual_silence

Figure: TypeAlias = Literal["statistic", "effect", "low", "high", "p_value", "evidence", "n"]
FIGURES: Final = ("statistic", "effect", "low", "high", "p_value", "evidence", "n")
_UNSAID: Final = frozenset({"insufficient", "withdrawn"})


class Verdict(IntEnum):
    """What a condition says of one signal."""

    UNKNOWN = 0
    """Too little is known: neither for nor against."""
    CLEAR = 1
    BETWEEN = 2
    """Not bad enough to fire, not good enough to resolve."""
    BREACH = 3


class Condition(Protocol):
    """A pure question to one signal."""

    @property
    def remembers(self) -> bool:
        """Whether it compares with earlier hours; ``slots`` are kept only for those that do."""
        ...

    def judge(self, signal: Signal, slots: Slots) -> Verdict:
        """Answer, given what is known of earlier hours."""
        ...

    def learn(self, signal: Signal, slots: Slots) -> tuple[int, Slot] | None:
        """Return what an hour of the week is to be remembered by, called after ``judge``."""
        ...


@dataclass(frozen=True, slots=True)
class Compare:
    """A figure beyond a bound.

    Parameters
    ----------
    value
        The bound, or its distance from what it is measured ``against``.
    clear
        The bound for being well again, on the good side of ``value``; by default ``value`` itself.
    against
        ``absolute``: the bound as it stands. ``reference``: the same figure in the reference. ``threshold``: the
        signal's own threshold. ``last_week``: the mean of the same hour last week; unknown while there is none.
    how
        Whether the bound is ``value`` ``times`` or ``plus`` what it is measured against.
    """

    figure: Figure
    operator: Literal[">", "<"]
    value: float
    clear: float | None = None
    against: Literal["absolute", "reference", "threshold", "last_week"] = "absolute"
    how: Literal["times", "plus"] = "times"

    def __post_init__(self) -> None:
        if self.figure not in FIGURES or self.operator not in {">", "<"}:
            raise ValueError(f"{self.figure} {self.operator} is no comparison")
        if math.isnan(self.value) or (self.clear is not None and math.isnan(self.clear)):
            raise ValueError("a bound is not a number")
        if self.clear is not None and (self.clear > self.value) is (self.operator == ">") and self.clear != self.value:
            raise ValueError(f"{self.figure} {self.operator} {self.value} could never clear at {self.clear}")

    @property
    def remembers(self) -> bool:
        """Whether last week is needed."""
        return self.against == "last_week"

    def judge(self, signal: Signal, slots: Slots) -> Verdict:
        """Compare; a figure or base that is not a number leaves the answer open."""
        figure = float(getattr(signal, self.figure))
        base = self._base(signal, slots)
        if signal.status in _UNSAID or math.isnan(figure) or not math.isfinite(base):
            return Verdict.UNKNOWN
        if self._beyond(figure, self._bound(self.value, base)):
            return Verdict.BREACH
        good = self.value if self.clear is None else self.clear
        return Verdict.BETWEEN if self._beyond(figure, self._bound(good, base)) else Verdict.CLEAR

    def learn(self, signal: Signal, slots: Slots) -> tuple[int, Slot] | None:
        """Remember the figure; a restated window was counted before."""
        figure = float(getattr(signal, self.figure))
        if not self.remembers or not math.isfinite(figure) or signal.revision or signal.status in _UNSAID:
            return None
        return add_to_mean(slots, _hour(signal), figure)

    def _base(self, signal: Signal, slots: Slots) -> float:
        if self.against == "absolute":
            return 0.0
        if self.against == "last_week":
            return last_week(slots, _hour(signal))
        return signal.reference if self.against == "reference" else signal.threshold

    def _bound(self, value: float, base: float) -> float:
        if self.against == "absolute":
            return value
        return base * value if self.how == "times" else base + value

    def _beyond(self, figure: float, bound: float) -> bool:
        return figure > bound if self.operator == ">" else figure < bound


@dataclass(frozen=True, slots=True)
class StatusIs:
    """What the evaluation itself found: it fires on some statuses and clears on others."""

    breach: frozenset[str] = frozenset({"drift"})
    clear: frozenset[str] = frozenset({"ok"})
    remembers: bool = False

    def judge(self, signal: Signal, slots: Slots) -> Verdict:  # noqa: ARG002 - the same signature as all
        """Look the status up."""
        if signal.status in self.breach:
            return Verdict.BREACH
        if signal.status in self.clear:
            return Verdict.CLEAR
        return Verdict.UNKNOWN if signal.status in _UNSAID else Verdict.BETWEEN

    def learn(self, signal: Signal, slots: Slots) -> None:
        """Remember nothing."""


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing came for longer than usual at this hour of the week; ``statistic`` is the silence in seconds.

    The longest silence of every hour is learnt, so that a nightly batch pages nobody by day, and a steady stream is
    missed within ``floor``. Before that hour of the day is known, a model that was busy in three hours may be silent
    for an hour, any other for ``unknown``. Only something that came clears it, never a quieter hour. Before anything
    came at all, ``statistic`` is NaN, and nothing is said.
    """

    floor: int = 15 * MINUTE
    """No shorter silence counts."""
    factor: float = 1.5
    """Over the usual silence."""
    unknown: int = DAY
    remembers: bool = True

    def allowed(self, slots: Slots, at: int) -> float:
        """Return the silence that is still normal, in seconds."""
        usual = usual_silence(slots, at)
        if usual is not None:
            return max(self.floor / SECOND, self.factor * usual)
        steady = busy_hours(slots, at) >= 3
        return max(self.floor, min(HOUR, self.unknown) if steady else self.unknown) / SECOND

    def judge(self, signal: Signal, slots: Slots) -> Verdict:
        """Compare the silence with what is usual."""
        if not math.isfinite(signal.statistic):
            return Verdict.UNKNOWN
        if signal.statistic > self.allowed(slots, signal.at):
            return Verdict.BREACH
        return Verdict.CLEAR if signal.statistic <= self.floor / SECOND else Verdict.BETWEEN

    def learn(self, signal: Signal, slots: Slots) -> tuple[int, Slot] | None:
        """Remember the silence."""
        if not math.isfinite(signal.statistic):
            return None
        return add_silence(slots, signal.at, max(0.0, signal.statistic))


@dataclass(frozen=True, slots=True)
class Always:
    """Every signal fires, as a dead man's switch wants it."""

    remembers: bool = False

    def judge(self, signal: Signal, slots: Slots) -> Verdict:  # noqa: ARG002
        """Say yes."""
        return Verdict.BREACH

    def learn(self, signal: Signal, slots: Slots) -> None:
        """Remember nothing."""


def _hour(signal: Signal) -> int:
    """Return a time within the signal's own hour; a window ends where the next hour begins."""
    return signal.at if signal.end is None else max(0, signal.end - 1)
