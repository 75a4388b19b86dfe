"""Retraining under crashes, failing targets, people and clocks: a plan, its run, and what must hold after it."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeAlias

from alerts.durations import DAY, HOUR, MINUTE
from alerts.notification import Deadline
from alerts.retraining.desk import DeskError
from alerts.retraining.guardrails import Past
from alerts.retraining.policy import Blackout, Guardrails
from alerts.retraining.targets.port import Answer, NotStarted, Refused, Started, Unknown
from tests.property.alert_machine import Fuse, FusedStore, Killed
from tests.retraining_ground import FREE, MODEL, Ground, Pipeline, policy_of

LIMITS = replace(
    FREE,
    cooldown=6 * HOUR, max_per_day=2, max_per_30d=5, min_matured_labels=100, min_label_coverage=0.5, approval=True,
    clean_for=HOUR, blackouts=(Blackout(begin=10 * 60, end=16 * 60),), cost_per_run=1.0, monthly_budget=4.0,
    result_within=DAY, lapses_after=2 * DAY, adopted_within=2 * DAY,
)  # fmt: skip
Step: TypeAlias = tuple[str, int]
"""What happens, and a figure that says how."""


@dataclass
class Leaving:
    """What the target got, and how the world was just then."""

    key: str
    at: int
    paused: bool
    fault: bool
    approved: bool
    labels: int
    coverage: float


@dataclass
class Trying(Pipeline):
    """A target that fails and kills as it is told."""

    mood: str = "ok"
    kill: str = ""
    ground: World | None = None
    left: list[Leaving] = field(default_factory=list)

    def send(self, key: str, body: bytes, deadline: Deadline) -> Answer:  # noqa: ARG002
        kill, self.kill = self.kill, ""
        if kill == "before":
            raise Killed
        if self.mood == "down":
            return NotStarted("down")
        if self.mood == "refuses":
            return Refused("no")
        assert self.ground is not None
        if not (self.idempotent and key in self.runs):
            self.runs.append(key)
            self.left.append(self.ground.seen(key))
        if kill:
            raise Killed
        return Unknown("hung up") if self.mood == "lost" else Started(f"run-{key}")


class World(Ground):
    """A service whose process may die at every statement."""

    def __init__(self, folder: Path, limits: Guardrails = LIMITS, *, idempotent: bool = True) -> None:
        self.fuse = Fuse()
        self.fault = False
        self.trying = Trying(idempotent, ground=self)
        super().__init__(folder, policy_of(limits), self.trying, self._make)
        self.know(matured_labels=10_000)

    def _make(self, path: Path) -> FusedStore:
        store = FusedStore.__new__(FusedStore)
        store.fuse = self.fuse
        store.__init__(path)  # type: ignore[misc]
        return store

    def reopen(self) -> None:
        """Start the process anew; what it had in memory is gone."""
        self.fuse.left = None
        self.requester.close()
        self.store.close()
        self.open()

    def seen(self, key: str) -> Leaving:
        """Return how the world is now, read from the store without the code under test."""
        with sqlite3.connect(self.folder / "alerts.sqlite") as connection:
            paused = connection.execute("SELECT count(*) FROM retraining_pauses").fetchone()[0] > 0
            row = connection.execute(
                "SELECT approved_by FROM retraining WHERE id = ?", (key.removeprefix("driftline-"),)
            ).fetchone()
        return Leaving(
            key, self.now, paused, self.fault, bool(row[0]), self.facts.matured_labels or 0, self.facts.coverage
        )

    def play(self, plan: list[Step]) -> None:
        """Do what a plan says; a crash is followed by a start."""
        for name, figure in plan:
            try:
                getattr(self, f"do_{name}")(figure)
            except Killed:
                self.reopen()
                if name in {"signal", "bad", "good"}:
                    getattr(self, f"do_{name}")(figure)

    def settle(self) -> None:
        """Let everything that is under way come to an end."""
        self.trying.mood, self.trying.kill, self.fuse.left = "ok", "", None
        for _ in range(6):
            self.wait(7 * HOUR)

    def do_signal(self, figure: int) -> None:
        kind = ("performance", "performance", "drift", "estimate", "quality")[figure % 5]
        bad = (figure // 5) % 2 == 0
        if kind == "quality" and bad:
            self.fault = True
        self.tell(kind, "drift" if bad else "ok")
        if kind == "quality":
            self.fault = bad

    def do_bad(self, figure: int) -> None:  # noqa: ARG002
        self.do_signal(0)

    def do_good(self, figure: int) -> None:  # noqa: ARG002
        self.do_signal(5)

    def do_wait(self, figure: int) -> None:
        self.wait((3_000_000, MINUTE, 20 * MINUTE, HOUR, 5 * HOUR, DAY, 9 * DAY)[figure % 7])

    def do_approve(self, figure: int) -> None:
        self._person(figure, lambda name: self.desk.approve(name, actor="ana"))

    def do_reject(self, figure: int) -> None:
        self._person(figure, lambda name: self.desk.reject(name, actor="ana", because="no"))

    def _person(self, figure: int, act: Callable[[str], object]) -> None:
        waiting = [each for each in self.all() if each.state == "awaiting_approval"]
        if waiting:
            try:
                act(waiting[figure % len(waiting)].id)
            except DeskError:
                return

    def do_pause(self, figure: int) -> None:
        if figure % 2:
            self.desk.pause(actor="ana", because="x", model=MODEL if figure % 4 == 1 else "")
        else:
            self.desk.resume(actor="ana")
            self.desk.resume(actor="ana", model=MODEL)

    def do_mood(self, figure: int) -> None:
        self.trying.mood = ("ok", "lost", "down", "refuses", "lost")[figure % 5]

    def do_kill(self, figure: int) -> None:
        self.trying.kill = ("before", "after")[figure % 2]

    def do_fuse(self, figure: int) -> None:
        self.fuse.left, self.fuse.after = 1 + figure % 40, figure % 3 == 0

    def do_crash(self, figure: int) -> None:  # noqa: ARG002
        self.reopen()

    def do_know(self, figure: int) -> None:
        self.know(
            coverage=(0.9, 0.2, 0.9)[figure % 3],
            matured_labels=(self.facts.matured_labels or 0) + (0, 50, 400)[1 + figure // 3 % 2],
        )

    def do_version(self, figure: int) -> None:
        running = [each for each in self.all() if each.state in {"running", "succeeded"}]
        self.know(version=f"v{self.now}" if running or figure % 5 == 0 else self.facts.version)

    def do_clock(self, figure: int) -> None:
        self.now -= (MINUTE, HOUR)[figure % 2]


_ROUND = ("bad", "wait", "approve", "wait", "version", "wait", "know", "good", "wait")
"""An episode as it should be."""
_TROUBLE = ("signal", "reject", "pause", "mood", "kill", "fuse", "fuse", "crash", "clock", "wait", "approve")


def plan_of(seed: int, rounds: int = 9) -> list[Step]:
    """Return a plan by chance: episodes one after the other, with trouble in between."""
    source = random.Random(seed)
    plan: list[Step] = []
    for _ in range(rounds):
        for name in _ROUND:
            if source.random() < 0.25:
                plan.append((source.choice(_TROUBLE), source.randrange(1_000)))
            plan.append(
                (name, source.choice((0, 1, 2, 3, 3, 4, 4, 5, 6)) if name == "wait" else source.randrange(1_000))
            )
        if source.random() < 0.7:
            # What was paused, broken or pending does not stay so for ever.
            plan += [("pause", 0), ("mood", 0), ("signal", 9), ("wait", 4), ("wait", 4), ("approve", 0)]
    return plan


def broken_promises(world: World) -> list[str]:
    """Return what does not hold of all that left."""
    limits, left = world.policy.models[MODEL].guardrails, world.trying.left
    wrong = [f"{each.key} left {world.trying.runs.count(each.key)} times" for each in left
             if world.trying.runs.count(each.key) > 1]  # fmt: skip
    with sqlite3.connect(world.folder / "alerts.sqlite") as connection:
        rows = connection.execute("SELECT id, model, episode, requested_at, state FROM retraining").fetchall()
        twice = connection.execute("SELECT 1 FROM retraining GROUP BY model, episode HAVING count(*) > 1").fetchall()
    wrong += ["an episode has two proposals"] * len(twice)
    known = {f"driftline-{name}": at for name, _, _, at, _ in rows}
    for place, each in enumerate(left):
        if each.paused:
            wrong.append("left while paused")
        if each.fault:
            wrong.append("left during a fault")
        if limits.approval and not each.approved:
            wrong.append("left without approval")
        if any(blackout.covers(each.at) for blackout in limits.blackouts):
            wrong.append("left in a blackout")
        if known.get(each.key) is None:
            wrong.append("left without being requested")
        wrong += _too_soon(limits, [known[other.key] for other in left[: place + 1]])
    return wrong


def _too_soon(limits: Guardrails, decided: list[int]) -> list[str]:
    *before, at = (Past(each, limits.cost_per_run) for each in decided)
    if not before:
        return []
    wrong = []
    if any(abs(at.at - each.at) < limits.cooldown for each in before):
        wrong.append("left within the cooldown")
    if sum(abs(at.at - each.at) < DAY for each in before) >= limits.max_per_day:
        wrong.append("too many in a day")
    month = sum(abs(at.at - each.at) < 30 * DAY for each in before)
    if month >= limits.max_per_30d or (month + 1) * limits.cost_per_run > (limits.monthly_budget or 1e9):
        wrong.append("too many in 30 days")
    return wrong
