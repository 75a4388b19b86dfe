"""Whatever crashes, fails or is asked for: one request for an episode, and no limit is passed."""

from __future__ import annotations

import dataclasses
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from alerts.durations import DAY
from alerts.notification import Deadline
from alerts.retraining import ledger, requester, turn
from alerts.retraining.guardrails import Block, Situation, blocks, standing_blocks
from alerts.retraining.policy import Guardrails
from alerts.retraining.states import Proposal
from alerts.retraining.targets.port import Answer
from tests.property.retraining_machine import LIMITS, Trying, World, broken_promises, plan_of

MUTANT_SEEDS = range(40)


def played(seed: int, limits: Guardrails = LIMITS, *, idempotent: bool = True,
           spoil: Callable[[World], None] = lambda _: None) -> tuple[list[str], int]:  # fmt: skip
    """Return what is broken after a plan, and how many runs began."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder), limits, idempotent=idempotent)
        spoil(world)
        world.play(plan_of(seed))
        world.settle()
        found, runs = broken_promises(world), len(world.trying.runs)
        world.close()
    return found, runs


@hypothesis_settings(max_examples=15, deadline=None)
@given(st.integers(0, 1 << 32), st.booleans())
def test_no_promise_is_broken(seed: int, idempotent: bool) -> None:
    assert played(seed, idempotent=idempotent)[0] == []


def test_plans_reach_what_they_are_to_try() -> None:
    """Most of a promise is empty when nothing leaves."""
    runs = [played(seed, idempotent=seed % 2 == 0)[1] for seed in range(6)]
    assert sum(runs) >= 12


def first_break(limits: Guardrails = LIMITS, **options: Any) -> str:
    """Return the first promise that is broken under a broken variant."""
    for seed in MUTANT_SEEDS:
        found, _ = played(seed, limits, **options)
        if found:
            return found[0]
    return ""


@pytest.mark.parametrize(
    ("reason", "broken"),
    [
        ("paused", "left while paused"), ("fault", "left during a fault"), ("cooldown", "left within the cooldown"),
        ("blackout", "left in a blackout"),
    ],
)  # fmt: skip
def test_without_a_limit_its_promise_breaks(reason: str, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def all_but_one(limits: Guardrails, situation: Situation) -> tuple[Block, ...]:
        return tuple(block for block in blocks(limits, situation) if block.reason != reason)

    monkeypatch.setattr(turn, "blocks", all_but_one)

    def standing_but_one(limits: Guardrails, situation: Situation) -> tuple[Block, ...]:
        return tuple(block for block in standing_blocks(limits, situation) if block.reason != reason)

    monkeypatch.setattr(requester, "standing_blocks", standing_but_one)
    limits = dataclasses.replace(LIMITS, cooldown=2 * DAY) if reason == "cooldown" else LIMITS
    seen = set()
    for seed in MUTANT_SEEDS:
        seen |= set(played(seed, limits)[0])
        if broken in seen:
            return
    pytest.fail(f"nobody noticed: {seen}")


def test_without_a_budget_its_promise_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = dataclasses.replace(LIMITS, cooldown=0, max_per_day=1)
    assert [played(seed, limits)[0] for seed in range(3)] == [[]] * 3
    monkeypatch.setattr(
        turn, "blocks", lambda *given: tuple(each for each in blocks(*given) if each.reason != "budget")
    )
    assert first_break(limits) in {"too many in a day", "too many in 30 days"}


def test_without_approval_its_promise_breaks() -> None:
    def spoil(world: World) -> None:
        free = dataclasses.replace(LIMITS, approval=False)
        (model,) = world.policy.models.values()
        world.retraining.policy = dataclasses.replace(
            world.policy, models={model.model: dataclasses.replace(model, guardrails=free)}
        )

    assert first_break(spoil=spoil) == "left without approval"


class Lying(Trying):
    """A target that starts a run for every request, though it claims to know keys."""

    def send(self, key: str, body: bytes, deadline: Deadline) -> Answer:
        self.idempotent = False
        try:
            return super().send(key, body, deadline)
        finally:
            self.idempotent = True


def test_a_target_that_only_claims_to_know_keys_gets_two_requests() -> None:
    """The guarantee rests on asking no target twice whose outcome is unknown."""

    def spoil(world: World) -> None:
        world.trying.__class__ = Lying

    assert "times" in first_break(idempotent=True, spoil=spoil)


def test_without_the_note_before_sending_a_crash_sends_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    update = ledger.update

    def forgetful(connection: sqlite3.Connection, proposal: Proposal) -> None:
        update(connection, dataclasses.replace(proposal, sending=False))

    monkeypatch.setattr(ledger, "update", forgetful)
    assert "times" in first_break(idempotent=False)
