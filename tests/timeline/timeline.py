"""Alerts on a hand-wound clock: what happens when, and what a receiver must be told within which time.

A timeline counts in seconds from 0. ``at(1).drift("age")`` makes something happen; ``expect(between(2, 2.5), …)``
says what is told. ``run`` winds the clock, and fails when anything else is told, or at another time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from alerts.conditions import StatusIs
from alerts.delivery import Courier
from alerts.durations import SECOND
from alerts.engine import AlertEngine
from alerts.notification import AlertGroup, Deadline, Delivered, Outcome
from alerts.policy import Policy, Receiver, Route, Shadow
from alerts.rules import Rule
from alerts.signal import Signal
from alerts.store import Store

EPOCH = 1_800_000_000 * SECOND
"""Second 0: some Friday in 2027."""
DRIFT = Rule("FeatureDrift", frozenset({"drift"}), StatusIs(), damping=None)
EACH = Route("ops", group_by=("model", "alertname"), group_wait=SECOND, group_interval=5 * SECOND,
             repeat_interval=3600 * SECOND)  # fmt: skip
LIVE = Shadow(trial=0)


def rule(name: str = "FeatureDrift", kind: str = "drift", **changes: Any) -> Rule:
    """Return a rule that fires at once on what the evaluation found, with changes."""
    return Rule(**{"name": name, "kinds": frozenset({kind}), "condition": StatusIs(), "damping": None, **changes})


def policy(*rules: Rule, **changes: Any) -> Policy:
    """Return a policy without trial and with one receiver, with changes."""
    return Policy(**{"rules": rules or (DRIFT,), "route": EACH, "shadow": LIVE, **changes})


@dataclass
class Recorder:
    """A receiver that keeps what it was sent, and answers as it is told."""

    name: str
    answer: Callable[[str], Outcome] = lambda _: Delivered()
    attempts: list[tuple[str, bytes]] = field(default_factory=list)
    heard: list[tuple[str, AlertGroup]] = field(default_factory=list)
    """Ids and messages that it answered well to."""

    def body(self, group: AlertGroup) -> bytes:
        return msgspec.msgpack.encode(group)

    def send(self, message_id: str, body: bytes, deadline: Deadline) -> Outcome:  # noqa: ARG002
        self.attempts.append((message_id, body))
        outcome = self.answer(message_id)
        if isinstance(outcome, Delivered):
            self.heard.append((message_id, msgspec.msgpack.decode(body, type=AlertGroup)))
        return outcome


@dataclass(frozen=True)
class Told:
    """What was told at one moment."""

    at: float
    receiver: str
    firing: frozenset[str]
    resolved: frozenset[str]
    group: AlertGroup


def between(first: float, last: float) -> tuple[float, float]:
    return first, last


class Moment:
    """Something happens at one second."""

    def __init__(self, timeline: Timeline, second: float) -> None:
        self._timeline = timeline
        self._second = second

    def signal(self, kind: str, **fields: Any) -> None:
        self._timeline.add(self._second, lambda: self._timeline.feed([(kind, fields)]))

    def drift(self, *columns: str, **fields: Any) -> None:
        self._found("drift", columns, fields)

    def fine(self, *columns: str, **fields: Any) -> None:
        self._found("ok", columns, fields)

    def do(self, action: Callable[[AlertEngine], object]) -> None:
        self._timeline.add(self._second, lambda: action(self._timeline.engine))

    def crash(self) -> None:
        self._timeline.add(self._second, self._timeline.restart)

    def _found(self, status: str, columns: Iterable[str], fields: dict[str, Any]) -> None:
        values = [("drift", {"model": "m", "column": column, "status": status, **fields}) for column in columns]
        self._timeline.add(self._second, lambda: self._timeline.feed(values))


class Timeline:
    """One run."""

    def __init__(self, path: Path, rules: Policy | None = None, step: float = 0.25, **receivers: Recorder) -> None:
        self.policy = rules or policy()
        self.step = step
        self.receivers = receivers or {"ops": Recorder("ops")}
        self.seconds = 0.0
        self.told: list[Told] = []
        self._events: list[tuple[float, int, Callable[[], object]]] = []
        self._expected: list[tuple[tuple[float, float], str, frozenset[str], frozenset[str], dict[str, Any]]] = []
        self._number = 0
        self._path = path / "alerts.db"
        self._open()

    def now(self) -> int:
        return EPOCH + round(self.seconds * SECOND)

    def at(self, second: float) -> Moment:
        return Moment(self, second)

    def expect(
        self, when: tuple[float, float], firing: str = "", resolved: str = "", to: str = "ops", **fields: Any
    ) -> None:
        self._expected.append((when, to, frozenset(firing.split()), frozenset(resolved.split()), fields))

    def add(self, second: float, action: Callable[[], object]) -> None:
        self._events.append((second, len(self._events), action))

    def feed(self, values: list[tuple[str, dict[str, Any]]]) -> None:
        signals: list[Signal] = []
        for kind, fields in values:
            self._number += 1
            signals.append(Signal(**{"number": self._number, "kind": kind, "observed_at": self.now(), **fields}))
        self.engine.apply(signals, self.now())

    def restart(self) -> None:
        self._close()
        self._open()

    def run(self, until: float) -> list[Told]:
        """Wind the clock to a second, and compare what was told with what was expected."""
        self.wind(until)
        found = [(told.at, told.receiver, sorted(told.firing), sorted(told.resolved)) for told in self.told]
        wanted = sorted(self._expected, key=lambda each: each[0])
        assert len(found) == len(wanted), found
        for told, ((first, last), receiver, firing, resolved, fields) in zip(self.told, wanted, strict=True):
            assert (told.receiver, told.firing, told.resolved) == (receiver, firing, resolved), found
            assert first <= told.at <= last, found
            assert {name: getattr(told.group, name) for name in fields} == fields
        return self.told

    def wind(self, until: float) -> None:
        events = sorted(self._events)
        while self.seconds <= until:
            while events and events[0][0] <= self.seconds:
                events.pop(0)[2]()
            self.engine.tick(self.now())
            for courier in self._couriers:
                while courier.step() == 0:
                    pass
            self._collect()
            self.seconds += self.step
        self._close()

    def _collect(self) -> None:
        for name, receiver in self.receivers.items():
            for _, group in receiver.heard[sum(told.receiver == name for told in self.told) :]:
                self.told.append(Told(self.seconds, name, _names(group, "firing"), _names(group, "resolved"), group))

    def _open(self) -> None:
        self.store = Store(self._path)
        self.engine = AlertEngine(self.store, self.policy, self.receivers, self.now, dispatch=False)
        self._couriers = [
            Courier(name, receiver, self.policy.receivers.get(name, Receiver()), self.store.connect(), self.now,
                    source=random.Random(7))
            for name, receiver in self.receivers.items()
        ]  # fmt: skip

    def _close(self) -> None:
        for courier in self._couriers:
            courier.close()
        self.engine.close()
        self.store.close()


def _names(group: AlertGroup, state: str) -> frozenset[str]:
    """Return what tells the alerts apart: the column, or else the name."""
    return frozenset(a.labels.get("column") or a.name for a in group.alerts if a.state == state)
