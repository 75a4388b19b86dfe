"""What the detectors said of each hour, until history has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

import numpy as np

from detectors.concept.detector import Alarm
from monitor.concept.keys import WINDOW
from monitor.events import HOUR, FloatArray
from monitor.findings import Finding, WindowResult

MOST_ALARMS: Final = 32
"""Alarms of one detector that an hour keeps one by one."""
Watch: TypeAlias = tuple[str, str]
"""What is watched (``error`` or ``loss``), and the kind of the detector."""
_WORDS: Final = {1: "rose", 0: "changed", -1: "fell"}


@dataclass(frozen=True, slots=True)
class Heard:
    """One alarm of one detector."""

    time: int
    """The moment at which the prediction that raised it and its label were both there, by join time."""
    position: int
    """How many values the detector had taken, this one included."""
    level: str
    """``warning`` or ``drift``."""
    direction: int
    """1 when errors or losses rise, -1 when they fall."""
    before: float
    after: float
    width: int
    """How many predictions ``after`` rests on."""

    @classmethod
    def of(cls, alarm: Alarm, time: int) -> Heard:
        """Take over what a detector reported."""
        return cls(time, alarm.rows, alarm.level, alarm.direction, alarm.before, alarm.after, alarm.width)

    def state(self) -> list[Any]:
        """Return plain values, in the order of the constructor's."""
        return [self.time, self.position, self.level, self.direction, self.before, self.after, self.width]

    def say(self, watch: Watch) -> str:
        """Tell it in a sentence."""
        name, kind = watch
        when = datetime.fromtimestamp(self.time / 1e6, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        what = "warning" if self.level == "warning" else "alarm"
        change = f"{_WORDS[self.direction]} from {self.before:.4g} to {self.after:.4g} over the last {self.width}"
        return f"{kind} {what} at {when}, value {self.position}: mean {name} {change}"


@dataclass(slots=True)
class Hour:
    """One hour of one version, by the moments at which pairs were complete."""

    rows: int = 0
    sums: dict[str, list[float]] = field(default_factory=dict)
    """What is watched → how many values there were, and their sum."""
    heard: dict[Watch, list[Heard]] = field(default_factory=dict)
    over: bool = False
    due: bool = False
    """Whether history has yet to be told."""

    def add(self, values: Mapping[str, FloatArray], rows: int) -> None:
        """Add rows; sums are taken row after row, so that it makes no difference how rows were handed over."""
        self.rows += rows
        for name, column in values.items():
            found = self.sums.setdefault(name, [0, 0.0])
            finite = column[np.isfinite(column)]
            found[0] += len(finite)
            found[1] = float(np.add.accumulate(np.concatenate([[found[1]], finite]))[-1])

    def note(self, watch: Watch, heard: Sequence[Heard]) -> None:
        """Note alarms, which history has to hear of."""
        if heard:
            known = self.heard.setdefault(watch, [])
            known.extend(heard[: MOST_ALARMS - len(known)])
            self.due = True

    def result(self, model: str, version: str, start: int, watches: Sequence[Watch]) -> WindowResult:
        """Return what history is told."""
        findings = tuple(self._finding(watch) for watch in watches)
        return WindowResult(model, version, "", WINDOW, start, start + HOUR, 0, self.rows, findings)

    def state(self) -> list[Any]:
        """Return plain values for the store."""
        heard = [[*watch, [one.state() for one in alarms]] for watch, alarms in sorted(self.heard.items())]
        return [self.rows, sorted(self.sums.items()), heard, self.over, self.due]

    @classmethod
    def restore(cls, state: Sequence[Any]) -> Hour:
        """Return what ``state`` took apart."""
        rows, sums, heard, over, due = state
        alarms = {(name, kind): [Heard(*one) for one in found] for name, kind, found in heard}
        return cls(rows, {name: list(found) for name, found in sums}, alarms, over, due)

    def _finding(self, watch: Watch) -> Finding:
        name, kind = watch
        number, total = self.sums.get(name, [0, 0.0])
        alarms = self.heard.get(watch, [])
        drifts = [one for one in alarms if one.level == "drift"]
        worst = (drifts or alarms)[-1] if alarms else None
        quiet = "ok" if number else "insufficient"
        nan = float("nan")
        return Finding(
            column=name,
            detector=kind,
            statistic=total / number if number else nan,
            effect=nan if worst is None else worst.after - worst.before,
            low=nan,
            high=nan,
            p_value=nan,
            threshold=nan,
            status="drift" if drifts else "warn" if alarms else quiet,
            direction=0 if worst is None else worst.direction,
            explanation="" if worst is None else worst.say(watch),
        )
