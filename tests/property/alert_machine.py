"""Alerts under crashes and failing receivers: plans, the run of a plan, and what must hold after it."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from alerts.conditions import StatusIs
from alerts.delivery import Courier
from alerts.durations import DAY, SECOND
from alerts.engine import AlertEngine
from alerts.memory import Memory
from alerts.notification import AlertGroup, Deadline, Delivered, Outcome, Retry
from alerts.policy import Policy, Receiver, Route, Shadow
from alerts.rules import Damping, Persistence, Rule
from alerts.signal import Signal
from alerts.store import Store

EPOCH = 1_800_000_000 * SECOND
RULE = Rule(
    "FeatureDrift",
    frozenset({"drift"}),
    StatusIs(),
    fire=Persistence(2, 3),
    clear=Persistence(2, 2),
    damping=Damping(3, DAY, 30 * SECOND),
)
Step: TypeAlias = tuple[str, int, int]
"""What happens, and two figures that say how."""


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Fuse:
    """Kills the process at one of the next statements, before or after it is executed."""

    left: int | None = None
    after: bool = False

    def burn(self, action: Callable[[], Any]) -> Any:
        if self.left is None:
            return action()
        self.left -= 1
        if self.left > 0:
            return action()
        self.left = None
        if self.after:
            action()
        raise Killed


class Fused(sqlite3.Connection):
    """A connection that may kill the process."""

    fuse = Fuse()

    def execute(self, *args: Any) -> Any:
        statement = super().execute
        return statement(*args) if args[0] == "ROLLBACK" else self.fuse.burn(lambda: statement(*args))

    def executemany(self, *args: Any) -> Any:
        statement = super().executemany
        return self.fuse.burn(lambda: statement(*args))


class FusedStore(Store):
    """A store whose connections may kill the process."""

    fuse = Fuse()

    def connect(self) -> sqlite3.Connection:
        kind = type("Fused", (Fused,), {"fuse": self.fuse})
        connection: sqlite3.Connection = sqlite3.connect(
            self.path, check_same_thread=False, isolation_level=None, factory=kind
        )
        connection.execute("PRAGMA synchronous = OFF")
        return connection


@dataclass
class Receiving:
    """A receiver that fails and kills as it is told."""

    name: str = "ops"
    down: bool = False
    lost: bool = False
    """Whether what it gets is answered by a failure all the same."""
    kill: str = ""
    heard: list[tuple[str, bytes]] = field(default_factory=list)

    def body(self, group: AlertGroup) -> bytes:
        return msgspec.msgpack.encode(group)

    def send(self, message_id: str, body: bytes, deadline: Deadline) -> Outcome:  # noqa: ARG002
        kill, self.kill = self.kill, ""
        if kill == "before":
            raise Killed
        if self.down:
            return Retry("down", None)
        self.heard.append((message_id, body))
        if kill:
            raise Killed
        return Retry("it never said so") if self.lost else Delivered()

    def groups(self) -> list[tuple[str, AlertGroup]]:
        return [(name, msgspec.msgpack.decode(body, type=AlertGroup)) for name, body in self.heard]


class World:
    """The service's queue of signals, the engine, one receiver, and a clock; processes may die, the store may not."""

    def __init__(self, path: Path, group_by: tuple[str, ...]) -> None:
        route = Route("ops", group_by=group_by, group_wait=SECOND, group_interval=5 * SECOND, repeat_interval=DAY)
        self.policy = Policy(
            (RULE,), route, shadow=Shadow(trial=0), late_delivery=DAY, receivers={"ops": Receiver(messages=10_000)}
        )
        self.path, self.now = path, EPOCH
        self.queue: list[Signal] = []
        self.receiver, self.fuse = Receiving(), Fuse()
        self.number = 0
        self.open()

    def open(self) -> None:
        while True:
            try:
                self.store = FusedStore.__new__(FusedStore)
                self.store.fuse = self.fuse
                self.store.__init__(self.path)  # type: ignore[misc]
                self.engine = AlertEngine(
                    self.store, self.policy, {"ops": self.receiver}, lambda: self.now, dispatch=False
                )
                self.courier = Courier(
                    "ops", self.receiver, Receiver(), self.store.connect(), lambda: self.now, source=random.Random(3)
                )
            except Killed:
                continue
            return

    def close(self) -> None:
        self.courier.close()
        self.engine.close()
        self.store.close()

    def survive(self, action: Callable[[], object]) -> None:
        """Do something; when the process dies of it, start another."""
        try:
            action()
        except Killed:
            self.close()
            self.open()

    def pump(self) -> None:
        self.engine.apply(self.queue, self.now)
        done = self.engine.last_applied
        self.queue = [signal for signal in self.queue if signal.number > done]

    def wait(self, times: int, seconds: int) -> None:
        for _ in range(times):
            self.now += seconds * SECOND
            self.survive(self.pump)
            self.survive(lambda: self.engine.tick(self.now))
            self.survive(self.deliver)

    def deliver(self) -> None:
        for _ in range(50):
            if self.courier.step() != 0:
                return

    def settle(self) -> None:
        """Everything works, for long enough."""
        self.fuse.left, self.receiver.down, self.receiver.lost, self.receiver.kill = None, False, False, ""
        self.wait(6, 41)

    def do(self, step: Step) -> None:
        what, how, much = step
        if what == "signal":
            self.number += 1
            self.now += SECOND // 10
            status = ("drift", "ok", "insufficient")[much % 3]
            column = "abc"[how % 3]
            self.queue.append(
                Signal(number=self.number, kind="drift", observed_at=self.now, model="m", column=column, status=status)
            )
            self.survive(self.pump)
        elif what == "wait":
            self.wait(1 + how % 4, 1 + much % 7)
        elif what == "fuse":
            self.fuse.left, self.fuse.after = 1 + how, bool(much % 2)
        elif what == "receiver":
            self.receiver.down, self.receiver.lost = how % 3 == 1, how % 3 == 2
        elif what == "kill":
            self.receiver.kill = ("before", "after")[how % 2]
        elif what == "settle":
            self.settle()
            check_told(self)


def random_plan(seed: int) -> list[Step]:
    """Return a plan: alerts that come, go and flap, while processes die and the receiver fails."""
    chance = random.Random(seed)
    plan: list[Step] = []
    for _ in range(chance.randrange(5, 25)):
        kind = chance.choices(
            ("episode", "signal", "wait", "receiver", "kill", "fuse", "settle"), (6, 3, 6, 3, 2, 3, 1)
        )[0]
        if kind == "episode":
            column, status = chance.randrange(2), chance.randrange(2)
            plan += [("signal", column, status)] * chance.randrange(2, 4)
        elif kind == "fuse":
            plan.append((kind, chance.randrange(25), chance.randrange(2)))
        else:
            plan.append((kind, chance.randrange(12), chance.randrange(6)))
    return plan


def run(plan: list[Step], path: Path, group_by: tuple[str, ...] = ("...",)) -> World:
    """Run a plan and let everything settle; the world is closed."""
    world = World(path, group_by)
    try:
        for step in plan:
            world.do(step)
        world.settle()
        check_told(world)
    finally:
        world.close()
    return world


def check_told(world: World) -> None:
    """Compare what the receiver heard last of every alert with the truth; each transition came under one id."""
    with world.store.reading() as connection:
        entries = Memory.load(connection).entries
        (open_messages,) = connection.execute(
            "SELECT count(*) FROM outbox WHERE state IN ('waiting', 'frozen')"
        ).fetchone()
    assert open_messages == 0
    assert len(set(world.receiver.heard)) == len({name for name, _ in world.receiver.heard})
    believed: dict[str, tuple[str, int]] = {}
    ids: dict[tuple[str, str, int], set[str]] = {}
    for name, group in world.receiver.groups():
        for alert in group.alerts:
            believed[alert.fingerprint] = (alert.state, alert.starts_at)
            ids.setdefault((alert.fingerprint, alert.state, alert.starts_at), set()).add(name)
    for fingerprint, entry in entries.items():
        if entry.firing:
            assert believed.get(fingerprint) == ("firing", entry.track.machine.started)
        else:
            assert believed.get(fingerprint, ("resolved", 0))[0] == "resolved"
    if world.policy.route.group_by == ("...",):
        assert all(len(names) == 1 for names in ids.values()), ids


def outcome(path: Path) -> tuple[dict[str, Any], list[tuple[Any, ...]]]:
    """Return what a store remembers of hysteresis, and its transitions."""
    store = Store(path)
    with store.reading() as connection:
        tracks = {name: entry.track for name, entry in Memory.load(connection).entries.items()}
        history = connection.execute(
            "SELECT at, number, fingerprint, state, because FROM history ORDER BY seq"
        ).fetchall()
    store.close()
    return tracks, history


def undisturbed(plan: list[Step]) -> list[Step]:
    """Return a plan without its crashes and failures."""
    return [step for step in plan if step[0] in {"signal", "wait", "settle"}]
