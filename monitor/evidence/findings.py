"""From a fleet's report on one window to findings that people and programs read."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import numpy as np

from detectors.evidence.dictionary import Kind
from detectors.fleet.alarm import Alarm, Change, Report
from detectors.fleet.state import Mode
from monitor.events import IntArray
from monitor.evidence.copy import Copy
from monitor.evidence.orders import Order, in_slice
from monitor.evidence.stream import Stream
from monitor.findings import Finding

TOGETHER: Final = "(together)"
"""The column of an incident that no monitor causes alone."""
_NAN: Final = float("nan")
_SINCE: Final = re.compile(r", since (\d{4,}-\d\d-\d\dT\d\d:\d\dZ)\)?$")


@dataclass(slots=True)
class Told:
    """Findings of one window by version and slice, and how many rows each of these had."""

    findings: defaultdict[tuple[str, str], list[Finding]]
    rows: defaultdict[tuple[str, str], int]

    @classmethod
    def nothing(cls) -> Told:
        """Return none."""
        return cls(defaultdict(list), defaultdict(int))

    def add(
        self, copy: Copy, report: Report, cells: IntArray, length: int, first: str, accepted: Mapping[str, Order]
    ) -> None:
        """Add what one severity says; ``first`` is the version in whose findings a diffuse drift is told.

        What is ``accepted``, by column or by rate, everywhere or in one slice, is in order unless it gets worse.
        """
        alarms = {alarm.monitor: alarm for alarm in report.alarms}
        starts, since, modes = copy.fleet.offsets[:-1], copy.since().tolist(), report.mode.tolist()
        every = np.add.reduceat(cells, starts).tolist() if len(starts) else []
        figures = np.stack([report.log_evidence, report.effect, report.low, report.high], axis=1).tolist()
        for place, (stream, rows) in enumerate(zip(copy.streams, every, strict=True)):
            where = (stream.version, stream.slice)
            self.rows[where] = max(self.rows[where], rows)
            alarm = alarms.get(place)
            if alarm is not None:
                copy.told[stream.key] = (alarm.window, describe(alarm, stream, length))
            status, words = _status(copy, report, place, alarm, rows, since[place], length)
            order = _accepted(accepted, stream)
            if order is not None and status != "insufficient":
                status, words = _expected(status, words, alarm, order)
            if modes[place] == Mode.WATCHING:
                copy.told.pop(stream.key, None)
            self.findings[where].append(_finding(copy, report, figures[place], alarm, status, words, stream.name))
        if report.incident and not report.alarms:
            self.findings[first, ""].append(_together(copy, report))

    def add_unstable(self, copy: Copy) -> None:
        """Add the monitors that are shown only; those of pages are told as warnings already."""
        words = "its reference differs too much from itself: shown, not judged"
        for stream in copy.unstable:
            seat = copy.roster.seats.get(stream.key)
            if seat is not None and not seat.terms.is_stable:
                figures = (_NAN,) * 6
                finding = Finding(stream.name, copy.severity.detector, *figures, "insufficient", 0, words)
                self.findings[stream.version, stream.slice].append(finding)


def describe(alarm: Alarm, stream: Stream, length: int) -> str:
    """Return what an alarm says: how it changed, what moved, since when."""
    # The bettor on any sudden change sees it within one window; what it held before came of quiet windows.
    onset = alarm.window if alarm.shape.kind == Kind.SUDDEN else alarm.onset
    return f"{alarm.change}: {_clear(alarm, stream).describe(stream.names)}, since {moment(onset * length)}"


def is_better(alarm: Alarm, stream: Stream) -> bool:
    """Return whether a model errs less than its reference did."""
    clear = _clear(alarm, stream)
    return alarm.change == Change.DRIFT and stream.worse * (clear.now - clear.before) < 0


def moment(micros: int) -> str:
    """Return a time to the minute.

    >>> moment(0)
    '1970-01-01T00:00Z'
    """
    return datetime.fromtimestamp(micros / 1e6, UTC).strftime("%Y-%m-%dT%H:%MZ")


def onset_of(words: str) -> int | None:
    """Return since when a drift is there by the words of ``describe``, ``None`` where they do not say.

    >>> onset_of("drift: mean up, since 1970-01-01T00:01Z") == 60_000_000, onset_of("recovered")
    (True, None)
    """
    found = _SINCE.search(words)
    return None if found is None else round(datetime.fromisoformat(found[1]).timestamp()) * 1_000_000


def _clear(alarm: Alarm, stream: Stream) -> Alarm:
    """Tell a rate by its own cell, even where the rest is rarer."""
    if stream.is_rate and alarm.cell == 0:
        return replace(alarm, cell=1, before=1 - alarm.before, now=1 - alarm.now)
    return alarm


def _status(
    copy: Copy, report: Report, place: int, alarm: Alarm | None, rows: int, since: int, length: int
) -> tuple[str, str]:
    key = copy.streams[place].key
    if alarm is not None:
        words = copy.told[key][1]
        if is_better(alarm, copy.streams[place]):
            return "warn", f"better, {words}"
        return "warn" if alarm.change == Change.EASING else "drift", words
    if report.suspects[place]:
        return "warn", f"one of {int(report.suspects.sum())} that drift together, though none alone"
    if report.mode[place] != Mode.WATCHING:
        words = copy.told.get(key, (0, ""))[1]
        return "warn", f"alarmed at {moment((since + 1) * length)}, not recovered ({words})"
    if not rows:
        return "insufficient", "no rows"
    return "ok", "recovered" if report.recovered[place] else ""


def _accepted(orders: Mapping[str, Order], stream: Stream) -> Order | None:
    """Return the order that a stream's drift is expected by: of its slice, or of its column everywhere."""
    names = [in_slice(name, piece) for piece in (stream.slice, "") for name in (stream.name, stream.column)]
    return next((orders[name] for name in names if name in orders), None)


def _expected(status: str, words: str, alarm: Alarm | None, order: Order) -> tuple[str, str]:
    """Return status and words of a monitor whose drift was accepted."""
    if status == "ok" or (alarm is not None and alarm.change == Change.WORSE):
        return status, words
    return "ok", f"accepted until {moment(order.until)} by {order.who}, {order.because}: {words}"


def _finding(
    copy: Copy, report: Report, figures: list[float], alarm: Alarm | None, status: str, words: str, name: str
) -> Finding:
    statistic, effect, low, high = figures
    direction = 0 if alarm is None else _direction(alarm)
    detector, threshold = copy.severity.detector, report.log_threshold
    return Finding(name, detector, statistic, effect, low, high, _NAN, threshold, status, direction, words)


def _direction(alarm: Alarm) -> int:
    size = alarm.shape.size
    if alarm.shape.kind == Kind.MEAN:
        return int(np.sign(size))
    return (1 if size > 1 else -1) if alarm.shape.kind == Kind.RATE else 0


def _together(copy: Copy, report: Report) -> Finding:
    members = [copy.streams[place].name for place in np.flatnonzero(report.suspects).tolist()]
    shown = ", ".join(members[:5]) + (f" and {len(members) - 5} more" if len(members) > 5 else "")
    held = float(np.logaddexp.reduce(report.log_evidence))
    return Finding(
        TOGETHER, copy.severity.detector, held, _NAN, _NAN, _NAN, _NAN, report.log_threshold, "drift", 0,
        f"drift: {shown} together, though none alone",
    )  # fmt: skip


def rows_of(stories: Told) -> Iterator[tuple[tuple[str, str], int, tuple[Finding, ...]]]:
    """Yield version and slice, rows and findings, whole populations first."""
    for where in sorted(stories.findings):
        yield where, stories.rows[where], tuple(stories.findings[where])
