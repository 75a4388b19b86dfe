"""All the join knows of one id, and what follows from it: a pure function of the records, whatever their order.

*Sessions.* Predictions of one id that follow each other within ``wait`` by join time are one session. The least of them
by position leads it; the others are duplicates. An id that comes again after a longer silence begins a new session.

*Pairs.* A label belongs to the first leader that is not more than ``wait`` before or after it: the latest leader at or
before it, or else the first one after it. Among the labels of one leader the policy decides, by position.

*Completion.* The moment at which a label first stands for a leader that is there. Nothing that comes later changes it.

*Course.* What began and ended to stand for a leader, as its records say when they are read in the order of position.

*Bounds.* Of the labels of one id the eight least within a quarter of ``wait`` are kept, the rest is overflow. Positions
decide which, so the order of arrival does not matter.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final, NamedTuple, TypeAlias

from monitor.join.rules import MOST_LABELS, OnDuplicate, Rules

Position: TypeAlias = tuple[int, int, int, int]
"""Join time, input, offset, row within the record."""
Outcomes: TypeAlias = "Counter[tuple[str, str]]"
_POSITION: Final = itemgetter(0, 1, 2, 3)


class Prediction(NamedTuple):
    """A prediction and where it stands."""

    time: int
    input: int
    offset: int
    row: int
    payload: bytes


class Label(NamedTuple):
    """A label, or the retraction of one, and where it stands."""

    time: int
    input: int
    offset: int
    row: int
    retract: bool
    value: float


@dataclass(slots=True)
class Session:
    """The predictions of one id that follow each other within ``wait``."""

    leader: Prediction
    last: int
    """Greatest join time."""


@dataclass(slots=True)
class Account:
    """What an entry comes to at one watermark."""

    outcomes: Outcomes = field(default_factory=Counter)
    leaders: dict[Position, Prediction] = field(default_factory=dict)
    pairs: dict[tuple[Position, Position], tuple[Prediction, Label]] = field(default_factory=dict)
    past: dict[tuple[Position, Position, int, int], tuple[Prediction, Label, int]] = field(default_factory=dict)
    """Changes before the one by which a pair of ``pairs`` began: leader, label and moment, by these and the sign."""


def decide(labels: Sequence[Label], policy: OnDuplicate) -> tuple[Label | None, list[str]]:
    """Return the label that decides and what became of each, for labels of one prediction sorted by position.

    A retraction withdraws what decided before it. The value that decides already, said again, is a duplicate.
    """
    current: int | None = None
    became: list[str] = []
    for place, label in enumerate(labels):
        became.append("retracted" if label.retract else "joined")
        if label.retract:
            if current is not None:
                became[current] = "retracted"
            current = None
        elif current is None:
            current = place
        elif labels[current].value == label.value:
            became[place] = "duplicate"
        elif policy == "last_wins":
            became[current] = "superseded"
            current = place
        else:
            became[place] = "conflict"
    return None if current is None else labels[current], became


def course(labels: Sequence[Label], start: int, policy: OnDuplicate) -> list[tuple[int, int, Label]]:
    """Return what began (1) or ended (-1) to decide, and when, as the labels of a prediction at ``start`` came.

    What stands when the prediction comes begins then; what was said and withdrawn before leaves no trace.

    >>> said = [Label(5, 0, 0, 0, False, 1.0), Label(9, 0, 1, 0, False, 0.0), Label(12, 0, 2, 0, True, 0.0)]
    >>> [(sign, moment, label.value) for sign, moment, label in course(said, 7, "last_wins")]
    [(1, 7, 1.0), (-1, 9, 1.0), (1, 9, 0.0), (-1, 12, 0.0)]
    """
    changes: list[tuple[int, int, Label]] = []
    known = sum(label.time <= start for label in labels)
    standing: Label | None = None
    for place in range(known, len(labels) + 1):
        moment = start if place == known else labels[place - 1].time
        after = decide(labels[:place], policy)[0]
        if after is not standing:
            changes += [] if standing is None else [(-1, moment, standing)]
            changes += [] if after is None else [(1, moment, after)]
        standing = after
    return changes


@dataclass(slots=True)
class Entry:
    """The sessions and labels of one id, both sorted by position."""

    sessions: list[Session] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)

    def add_prediction(self, prediction: Prediction, wait: int) -> None:
        """Take a prediction into the session that it belongs to; it may join two sessions into one."""
        first = last = prediction.time
        leader = prediction
        apart: list[Session] = []
        for session in self.sessions:
            if session.leader.time - wait <= prediction.time <= session.last + wait:
                leader = min(leader, session.leader, key=_POSITION)
                first, last = min(first, session.leader.time), max(last, session.last)
            else:
                apart.append(session)
        apart.append(Session(leader, last))
        self.sessions = sorted(apart, key=lambda session: session.leader.time)

    def add_label(self, label: Label, cell: int) -> bool:
        """Take a label in; return whether one had to be refused for it, the new one itself perhaps."""
        insort(self.labels, label, key=_POSITION)
        same = [other for other in self.labels if other.time // cell == label.time // cell]
        if len(same) <= MOST_LABELS:
            return False
        self.labels.remove(same[-1])
        return True

    def groups(self, wait: int) -> Iterator[tuple[Session | None, list[Label]]]:
        """Yield every session with its labels, and last, under ``None``, the labels that have no prediction."""
        place = 0
        lone: list[Label] = []
        for session in self.sessions:
            start = session.leader.time
            while place < len(self.labels) and self.labels[place].time < start - wait:
                lone.append(self.labels[place])
                place += 1
            end = place
            while end < len(self.labels) and self.labels[end].time <= start + wait:
                end += 1
            yield session, self.labels[place:end]
            place = end
        yield None, lone + self.labels[place:]

    def account(self, rules: Rules, watermark: int) -> Account:
        """Return what the records come to once the watermark is reached."""
        found = Account()
        outcomes = found.outcomes
        for session, labels in self.groups(rules.wait):
            if session is None:
                for label in labels:
                    outcomes["label", "orphan" if watermark > label.time + rules.wait else "pending"] += 1
                continue
            leader = session.leader
            found.leaders[_POSITION(leader)] = leader
            deciding, became = decide(labels, rules.on_duplicate)
            outcomes.update(("label", outcome) for outcome in became)
            if watermark <= leader.time + rules.matures_after:
                outcomes["maturity", "waiting"] += 1
            if deciding is not None:
                outcomes["prediction", "joined"] += 1
                found.pairs[_POSITION(leader), _POSITION(deciding)] = (leader, deciding)
            else:
                outcomes["prediction", "expired" if watermark > leader.time + rules.wait else "pending"] += 1
            if len(labels) > 1:
                changes = course(labels, leader.time, rules.on_duplicate)
                for sign, moment, label in changes if deciding is None else changes[:-1]:
                    found.past[_POSITION(leader), _POSITION(label), moment, sign] = (leader, label, moment)
        return found

    def maturing(self, rules: Rules, start: int, end: int) -> Iterator[tuple[Prediction, Label | None]]:
        """Yield the predictions that come of age before ``end`` but not before ``start``, each with its label then."""
        for session, labels in self.groups(rules.wait):
            if session is not None and start <= session.leader.time + rules.matures_after < end:
                known = [label for label in labels if label.time <= session.leader.time + rules.matures_after]
                yield session.leader, decide(known, rules.on_duplicate)[0]

    def completing(self, rules: Rules) -> Iterator[tuple[int, Prediction, Label]]:
        """Yield the predictions that a label ever stood for: when that was first so, and with which label."""
        for session, labels in self.groups(rules.wait):
            if session is None:
                continue
            start = session.leader.time
            for moment in sorted({start, *(label.time for label in labels if label.time > start)}):
                known = [label for label in labels if label.time <= moment]
                if (standing := decide(known, rules.on_duplicate)[0]) is not None:
                    yield moment, session.leader, standing
                    break

    def due(self, rules: Rules) -> set[int]:
        """Return the times after which something changes by itself."""
        times: set[int] = set()
        for session, labels in self.groups(rules.wait):
            if session is None:
                times.update(label.time + rules.wait for label in labels)
            else:
                age = session.leader.time
                times.update((age + rules.matures_after, age + rules.wait, leaves(session, labels, rules)))
        if rules.completed:
            times.update(moment for moment, _, _ in self.completing(rules))
        return times

    def prune(self, rules: Rules, watermark: int) -> bool:
        """Forget what no later record can meet; return whether anything was."""
        sessions: list[Session] = []
        kept: list[Label] = []
        for session, labels in self.groups(rules.wait):
            if session is None:
                kept.extend(label for label in labels if label.time + rules.wait >= watermark)
            elif leaves(session, labels, rules) >= watermark:
                sessions.append(session)
                kept.extend(labels)
        changed = len(sessions) < len(self.sessions) or len(kept) < len(self.labels)
        self.sessions, self.labels = sessions, sorted(kept, key=_POSITION)
        return changed


def leaves(session: Session, labels: Sequence[Label], rules: Rules) -> int:
    """Return the time after which a session and its labels are no longer needed.

    No later prediction can belong to it, and no later label to the spans of time in which its labels were counted.
    """
    spans = (label.time // rules.label_cell * rules.label_cell + rules.label_cell - 1 for label in labels)
    return max(session.last + rules.wait, max(spans, default=session.last))
