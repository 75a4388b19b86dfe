"""One signal through all rules: a pure function of the signal and of what is in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

from alerts.conditions import Verdict
from alerts.durations import SECOND
from alerts.entry import Entry, limits_of
from alerts.labels import fingerprint
from alerts.lifecycle import Change, Limits, Mark, Track, advance, ended, is_quiet
from alerts.memory import Memory
from alerts.records import Transition
from alerts.rules import Rule
from alerts.signal import Signal
from alerts.week import Slots

_NAMES_KEPT: Final = 100_000
_NOTES_KEPT: Final = 3
_NOTHING: Final[Slots] = {}


class _Heard(NamedTuple):
    """A rule that listens to a signal, and the alert that it is about."""

    rule: Rule
    limits: Limits
    name: str
    labels: dict[str, str]


class Judge:
    """Knows the rules by the kinds that they listen to."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules: Mapping[str, Rule] = {rule.key: rule for rule in rules}
        self._heard: dict[tuple[object, ...], tuple[_Heard, ...]] = {}

    def judge(self, memory: Memory, signal: Signal) -> list[Transition]:
        """Take a signal in; return what began or ceased to fire."""
        memory.see(signal.model, signal.observed_at)
        front = ""
        if signal.end is not None:
            front = f"{signal.kind}/{signal.model}/{signal.version}/{signal.window}"
        transitions = [
            transition for heard in self._hearing(signal) for transition in self._one(memory, heard, signal, front)
        ]
        if signal.end is not None:
            memory.reach(front, signal.end)
        return transitions

    @staticmethod
    def _one(memory: Memory, heard: _Heard, signal: Signal, front: str) -> list[Transition]:
        rule, limits, name, labels = heard
        verdict = _verdict(memory, rule, name, signal)
        entry = memory.entries.get(name)
        if verdict != Verdict.BREACH and (entry is None or is_quiet(limits, entry.track, signal.at)):
            return []
        track = Track() if entry is None else entry.track
        mark = Mark(signal.at, verdict, signal.length)
        restated = signal.revision > 0 or signal.status == "withdrawn"
        newest = not track.marks or mark.at >= track.marks[-1].at or not mark.length
        track, change = advance(limits, track, mark, signal.number, restated=restated)
        if entry is None and restated and memory.fronts.get(front, mark.at) > mark.at:
            # Later windows were judged and none of them was bad, or something would be remembered.
            track, change = (
                advance(limits, track, Mark(memory.fronts[front], Verdict.CLEAR), 0, restated=False)[0],
                None,
            )
        entry = _updated(entry, rule, name, labels, track, signal, verdict, newest=newest, restated=restated)
        entry = _resolved(entry, change, signal)
        if entry.episode or not is_quiet(limits, track, signal.at):
            memory.put(entry)
        else:
            memory.drop(name)
        return [] if change is None else [transition(entry, change, signal)]

    def _hearing(self, signal: Signal) -> tuple[_Heard, ...]:
        """Return the rules that listen to signals with this identity."""
        key = (
            signal.kind, signal.model, signal.owner, signal.version, signal.slice, signal.column, signal.detector,
            signal.window, tuple(signal.labels.items()),
        )  # fmt: skip
        found = self._heard.get(key)
        if found is None:
            if len(self._heard) >= _NAMES_KEPT:
                self._heard.clear()
            found = self._heard[key] = tuple(
                _Heard(rule, limits_of(rule), fingerprint(labels), labels)
                for rule in self.rules.values()
                if rule.hears(signal)
                for labels in (rule.alert_labels(signal),)
            )
        return found


def transition(entry: Entry, change: Change, signal: Signal) -> Transition:
    """Return the line of history for a change."""
    return Transition(
        at=signal.at,
        observed_at=signal.observed_at,
        number=signal.number,
        fingerprint=entry.fingerprint,
        rule=entry.rule,
        model=entry.model,
        state=change.state,
        because=change.because,
        labels=entry.labels,
        explanation=entry.signal.explanation if change.state == "firing" else signal.explanation,
    )


def end(memory: Memory, entry: Entry, at: int, because: str) -> Transition:
    """End a firing alert that no signal ended, and return the line of history for it."""
    ended_entry = msgspec.structs.replace(entry, track=ended(entry.track), ends_at=at, because=because)
    memory.put(ended_entry)
    signal = msgspec.structs.replace(entry.signal, number=0, observed_at=at)
    return transition(ended_entry, Change("resolved", because), signal)


def _verdict(memory: Memory, rule: Rule, name: str, signal: Signal) -> Verdict:
    if not rule.condition.remembers:
        return Verdict.UNKNOWN if signal.n < rule.min_n else rule.condition.judge(signal, _NOTHING)
    slots = memory.slots.get(name, _NOTHING)
    verdict = Verdict.UNKNOWN if signal.n < rule.min_n else rule.condition.judge(signal, slots)
    learnt = rule.condition.learn(signal, slots)
    if learnt is not None:
        memory.learn(name, *learnt)
    return verdict


def _updated(
    entry: Entry | None,
    rule: Rule,
    name: str,
    labels: dict[str, str],
    track: Track,
    signal: Signal,
    verdict: Verdict,
    *,
    newest: bool,
    restated: bool,
) -> Entry:
    bad = _latest_bad(entry, signal, verdict)
    if entry is None:
        return Entry(name, rule.key, labels, track, signal, signal.observed_at, bad=bad)
    shown = signal if newest and verdict != Verdict.UNKNOWN else entry.signal
    notes = entry.notes
    if restated and not rule.withdraws and entry.firing and verdict != Verdict.BREACH:
        seconds = (signal.at - (signal.start or signal.at)) // SECOND
        said = signal.explanation or f"a window of {seconds} s was restated and no longer supports it"
        notes = (*notes, f"Restated: {said}")[-_NOTES_KEPT:]
    return msgspec.structs.replace(entry, track=track, signal=shown, heard_at=signal.observed_at, notes=notes, bad=bad)


def _latest_bad(entry: Entry | None, signal: Signal, verdict: Verdict) -> Signal | None:
    """Return the latest signal in breach; one of a window that is restated and no longer in breach is none."""
    known = None if entry is None else entry.bad
    if verdict == Verdict.BREACH:
        return signal if known is None or signal.at >= known.at else known
    return None if known is not None and known.at == signal.at else known


def _resolved(entry: Entry, change: Change | None, signal: Signal) -> Entry:
    if change is None:
        return entry
    if change.state == "firing":
        return msgspec.structs.replace(entry, ends_at=None, because="", notes=(), signal=entry.bad or signal)
    return msgspec.structs.replace(entry, ends_at=signal.at, because=change.because)
