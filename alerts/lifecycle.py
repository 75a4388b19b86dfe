"""Pending, firing, resolved: a pure fold over the verdicts on one alert's windows.

No clock is read. Time is the signals' own, so a replay after a crash gives the same answer. A restated window replaces
its verdict and the fold is done again from there; an alert that would then never have fired is withdrawn.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from alerts.conditions import Verdict
from alerts.rules import Damping, Persistence

Phase: TypeAlias = Literal["inactive", "pending", "firing"]
MEMORY: Final = 32
"""Windows that can still be restated."""


class Limits(NamedTuple):
    """What of a rule the lifecycle needs."""

    fire: Persistence
    clear: Persistence
    damping: Damping | None = None
    withdraws: bool = True


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """One judged signal."""

    at: int
    verdict: int
    length: int = 0
    """Of its window; 0 for a fact about a moment."""


class Machine(msgspec.Struct, frozen=True, array_like=True):
    """The state after some verdicts."""

    phase: Phase = "inactive"
    since: int | None = None
    """First breach of this run."""
    started: int | None = None
    """When it began to fire, last."""
    well_since: int | None = None
    """First clear verdict of an unbroken run, while firing."""
    recent: tuple[tuple[int, int], ...] = ()
    """The last known verdicts and their times, as many as ``of`` counts."""
    firings: tuple[int, ...] = ()
    """When it began to fire, lately."""


class Track(msgspec.Struct, frozen=True, array_like=True):
    """One alert's past: the machine before the marks that may still be restated, the marks, the machine after them."""

    base: Machine = Machine()
    marks: tuple[Mark, ...] = ()
    machine: Machine = Machine()
    episode: int = 0
    """Number of the signal that it fired by, last. Names the firing."""
    fired_at: int | None = None
    """Time of the latest window when it was found to fire."""


class Change(NamedTuple):
    """A transition that people may hear of."""

    state: Literal["firing", "resolved"]
    because: str = ""


def step(limits: Limits, machine: Machine, mark: Mark) -> Machine:
    """Return the machine after one more verdict. An unknown one changes nothing."""
    if mark.verdict == Verdict.UNKNOWN:
        return machine
    recent = _recent(limits, machine, mark)
    if machine.phase == "firing":
        return _while_firing(limits, machine, mark, recent)
    breaches = _count(recent, limits.fire, mark, Verdict.BREACH)
    if not breaches:
        return _inactive(machine, recent)
    since = mark.at if machine.since is None else machine.since
    if breaches >= limits.fire.times and mark.at - since >= limits.fire.during:
        firings = (*_lately(limits, machine.firings, mark.at), mark.at)
        return Machine("firing", since, mark.at, None, recent, firings)
    return msgspec.structs.replace(machine, phase="pending", since=since, recent=recent)


def advance(limits: Limits, track: Track, mark: Mark, number: int, *, restated: bool) -> tuple[Track, Change | None]:
    """Return the track with one more verdict, and the transition that came of it.

    Parameters
    ----------
    number
        Of the signal; it names the firing that begins with it.
    restated
        Whether the signal replaces what was said of its window.

    A window older than all that can be restated changes nothing. Facts about moments come in the order of their
    numbers; a clock that was set back does not bring them before what is known.
    """
    before = track.machine
    if not mark.length and track.marks:
        mark = msgspec.structs.replace(mark, at=max(mark.at, track.marks[-1].at + 1))
    if not mark.length or not track.marks or mark.at > track.marks[-1].at:
        track = _appended(limits, track, mark)
    else:
        track = _inserted(limits, track, mark)
    if before.phase == "firing":
        return track, None if track.machine.phase == "firing" else _over(limits, track, restated=restated)
    if track.machine.phase != "firing":
        return track, None
    return msgspec.structs.replace(track, episode=number, fired_at=track.marks[-1].at), Change("firing")


def is_quiet(limits: Limits, track: Track, now: int) -> bool:
    """Tell whether nothing of a track is needed any more: no breach remembered, no flapping, nothing pending."""
    machine = track.machine
    return (
        machine.phase == "inactive"
        and all(verdict != Verdict.BREACH for _, verdict in machine.recent)
        and all(mark.verdict != Verdict.BREACH for mark in track.marks)
        and not _lately(limits, machine.firings, now)
    )


def ended(track: Track) -> Track:
    """Return a track that was ended from outside: nothing of its windows is known any more, its flapping is."""
    machine = Machine(started=track.machine.started, firings=track.machine.firings)
    return Track(base=machine, machine=machine, episode=track.episode)


def needed_hold(limits: Limits, machine: Machine, at: int) -> int:
    """Return for how long an alert must be well to resolve: the rule's span, and longer while it flaps."""
    if limits.damping is None:
        return limits.clear.during
    excess = len(_lately(limits, machine.firings, at)) - limits.damping.firings
    if excess < 0:
        return limits.clear.during
    return max(limits.clear.during, min(limits.damping.hold << excess, limits.damping.within))


def is_flapping(limits: Limits, machine: Machine) -> bool:
    """Tell whether an alert is held because it fired too often."""
    return machine.phase == "firing" and needed_hold(limits, machine, machine.firings[-1]) > limits.clear.during


def _while_firing(limits: Limits, machine: Machine, mark: Mark, recent: tuple[tuple[int, int], ...]) -> Machine:
    after = tuple(item for item in recent if machine.started is None or item[0] > machine.started)
    well = _count(after, limits.clear, mark, Verdict.CLEAR)
    well_since = machine.well_since
    if not well:
        well_since = None
    elif well_since is None:
        well_since = mark.at
    held = well_since is not None and mark.at - well_since >= needed_hold(limits, machine, mark.at)
    if held and well >= limits.clear.times:
        return _inactive(machine, recent)
    return msgspec.structs.replace(machine, well_since=well_since, recent=recent)


def _inactive(machine: Machine, recent: tuple[tuple[int, int], ...]) -> Machine:
    return Machine("inactive", None, machine.started, None, recent, machine.firings)


def _recent(limits: Limits, machine: Machine, mark: Mark) -> tuple[tuple[int, int], ...]:
    kept = max(limits.fire.of, limits.clear.of)
    return (*machine.recent, (mark.at, mark.verdict))[-kept:]


def _count(recent: tuple[tuple[int, int], ...], persistence: Persistence, mark: Mark, verdict: Verdict) -> int:
    """Count a verdict among the last ``of``; windows further back than ``of`` window lengths are out of it too."""
    oldest = mark.at - persistence.of * mark.length if mark.length else None
    last = recent[-persistence.of :]
    return sum(kind == verdict and (oldest is None or at > oldest) for at, kind in last)


def _lately(limits: Limits, firings: tuple[int, ...], at: int) -> tuple[int, ...]:
    if limits.damping is None:
        return ()
    return tuple(firing for firing in firings if firing > at - limits.damping.within)[-31:]


def _appended(limits: Limits, track: Track, mark: Mark) -> Track:
    base, marks = track.base, (*track.marks, mark)
    if len(marks) > (MEMORY if mark.length else 1):
        base, marks = step(limits, base, marks[0]), marks[1:]
    return Track(base, marks, step(limits, track.machine, mark), track.episode, track.fired_at)


def _inserted(limits: Limits, track: Track, mark: Mark) -> Track:
    if len(track.marks) == MEMORY and mark.at < track.marks[0].at:
        return track
    marks = tuple(sorted([*(old for old in track.marks if old.at != mark.at), mark], key=lambda known: known.at))
    base, cut = track.base, max(0, len(marks) - MEMORY)
    for old in marks[:cut]:
        base = step(limits, base, old)
    machine = base
    for later in marks[cut:]:
        machine = step(limits, machine, later)
    if track.machine.phase == "firing" and machine.phase != "firing" and not limits.withdraws:
        machine = track.machine
    return Track(base, marks[cut:], machine, track.episode, track.fired_at)


def _over(limits: Limits, track: Track, *, restated: bool) -> Change:
    """Say whether a firing ended, or should never have begun by the figures as they are now."""
    machine = track.base
    for mark in track.marks:
        if track.fired_at is not None and mark.at <= track.fired_at:
            machine = step(limits, machine, mark)
    withdrawn = restated and limits.withdraws and machine.phase != "firing"
    return Change("resolved", "withdrawn: restated figures no longer support it" if withdrawn else "cleared")
