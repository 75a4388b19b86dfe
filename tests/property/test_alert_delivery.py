"""Whatever the order of crashes and failures: nothing is lost, nothing is invented, and the last word is true."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alerts import outbox
from alerts.delivery import Courier
from alerts.memory import Memory
from alerts.notification import Delivered
from alerts.store import transacting
from tests.property.alert_machine import Step, outcome, random_plan, run, undisturbed

SEEDS = st.integers(0, 2**32 - 1)
TRIED = 60
"""Plans within which a broken variant must be found."""


def holds(plan: list[Step], folder: Path, group_by: tuple[str, ...] = ("...",)) -> None:
    """Run a plan with and without its faults; both must end alike."""
    name = uuid.uuid4().hex
    run(plan, folder / f"{name}.db", group_by)
    run(undisturbed(plan), folder / f"{name}-calm.db", group_by)
    assert outcome(folder / f"{name}.db") == outcome(folder / f"{name}-calm.db")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(seed=SEEDS)
def test_each_alert_alone(seed: int, tmp_path: Path) -> None:
    holds(random_plan(seed), tmp_path)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(seed=SEEDS)
def test_all_in_one_group(seed: int, tmp_path: Path) -> None:
    holds(random_plan(seed), tmp_path, ("model",))


def forgets_what_was_applied(patch: pytest.MonkeyPatch) -> None:
    keep = Memory.set
    patch.setattr(Memory, "set", lambda self, key, value: None if key == "last_applied" else keep(self, key, value))


def forgets_what_was_pending(patch: pytest.MonkeyPatch) -> None:
    load = Memory.load.__func__  # type: ignore[attr-defined]

    def forgetful(cls: type[Memory], connection: Any) -> Memory:
        memory: Memory = load(cls, connection)
        memory.entries = {name: entry for name, entry in memory.entries.items() if entry.episode}
        return memory

    patch.setattr(Memory, "load", classmethod(forgetful))


def notes_before_it_sends(patch: pytest.MonkeyPatch) -> None:
    send = Courier._send

    def hasty(self: Courier, message: outbox.Message) -> Any:
        with transacting(self._connection):
            outbox.delivered(self._connection, self.name, message, 0)
        return send(self, message)

    patch.setattr(Courier, "_send", hasty)


def makes_an_id_for_every_attempt(patch: pytest.MonkeyPatch) -> None:
    send = Courier._send
    patch.setattr(Courier, "_send", lambda self, each: send(self, dataclasses.replace(each, id=uuid.uuid4().hex)))


def counts_as_told_what_only_waits(patch: pytest.MonkeyPatch) -> None:
    put = outbox.put

    def early(connection: Any, content: Any, firing: Any) -> None:
        put(connection, content, firing)
        outbox.write_told(connection, content.key, firing, content.sent_at)

    patch.setattr(outbox, "put", early)


def sends_the_newest_first(patch: pytest.MonkeyPatch) -> None:
    newest = outbox._NEXT[: outbox._NEXT.index("AND NOT EXISTS")] + "ORDER BY seq DESC LIMIT 1"
    patch.setattr(outbox, "_NEXT", newest)


def gives_up_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outbox, "failed", lambda *arguments: outbox.parked(*arguments[:5]))


def counts_every_answer_as_good(patch: pytest.MonkeyPatch) -> None:
    note = Courier._note
    patch.setattr(Courier, "_note", lambda self, message, _, failures: note(self, message, Delivered(), failures))


def many_hold(folder: Path) -> None:
    for seed in range(TRIED):
        holds(random_plan(seed), folder)


BROKEN = (
    forgets_what_was_applied, forgets_what_was_pending, notes_before_it_sends, makes_an_id_for_every_attempt,
    counts_as_told_what_only_waits, sends_the_newest_first, gives_up_at_once, counts_every_answer_as_good,
)  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.__name__)
def test_a_broken_variant_is_found(
    broken: Callable[[pytest.MonkeyPatch], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)

    with pytest.raises(AssertionError):
        many_hold(tmp_path)
