"""What people decide: approve, reject, pause, resume, and say what became of a request that nobody knows about.

Every call is one transaction on the store, so any process may make it, whether or not the service runs. The service
carries on at its next look.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable

from alerts.retraining import ledger
from alerts.retraining.ledger import Pause
from alerts.retraining.states import Proposal, State, move
from alerts.store import Store


class DeskError(ValueError):
    """What was asked for cannot be done; the text says why."""


class Desk:
    """Decisions of people on proposals.

    Parameters
    ----------
    clock
        Wall clock in microseconds.
    """

    def __init__(self, store: Store, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock

    def approve(self, name: str, *, actor: str, because: str = "") -> Proposal:
        """Approve a proposal; of one that is parked, have its request sent again.

        Parameters
        ----------
        name
            Its id, or the beginning of it.

        Raises
        ------
        DeskError
            When there is no such proposal, or it waits for nobody.
        """

        def decide(found: Proposal, now: int) -> Proposal:
            if found.state == "awaiting_approval" and not found.approved_by:
                return dataclasses.replace(found, approved_by=actor, approved_at=now)
            if found.state == "parked":
                return move(found, "requested", now, sending=False, not_before=0, problem="", outcome="")
            raise DeskError(f"{found.id} is {_described(found)} and waits for no approval")

        return self._change(name, "approved", actor, because, decide)

    def reject(self, name: str, *, actor: str, because: str) -> Proposal:
        """Reject a proposal; of one that is parked or not sent yet, give it up.

        Raises
        ------
        DeskError
            When there is no such proposal, it has left already, or no reason is given.
        """
        if not because.strip():
            raise DeskError("a rejection needs a reason")

        def decide(found: Proposal, now: int) -> Proposal:
            if found.state == "requested" and (found.sending or found.attempts):
                raise DeskError(f"{found.id} was sent already; pause retraining, or stop the run at {found.target}")
            if found.state not in {"proposed", "awaiting_approval", "requested", "parked"}:
                raise DeskError(f"{found.id} is {_described(found)} and can no longer be rejected")
            return move(found, "rejected", now, outcome=f"rejected by {actor}", problem=because.strip(), sending=False)

        return self._change(name, "rejected", actor, because, decide)

    def started(self, name: str, *, actor: str, run: str = "") -> Proposal:
        """Say that the run of a parked request did start.

        Raises
        ------
        DeskError
            When there is no such proposal, or it is not parked.
        """

        def decide(found: Proposal, now: int) -> Proposal:
            if found.state != "parked":
                raise DeskError(f"{found.id} is {_described(found)} and not parked")
            return move(found, "running", now, run=run or found.run, sending=False, problem="", outcome="")

        return self._change(name, "running", actor, f"said to have started{f': {run}' if run else ''}", decide)

    def pause(self, *, actor: str, because: str, model: str = "") -> None:
        """Pause all retraining, or one model's. What runs already is not stopped.

        Raises
        ------
        DeskError
            Without author or reason.
        """
        if not actor.strip() or not because.strip():
            raise DeskError("a pause needs an author and a reason")
        now = self._clock()
        with self._store.transaction() as connection:
            ledger.write_pause(connection, Pause(model, now, actor, because))
            ledger.decide(connection, now, model, "paused", because, actor)

    def resume(self, *, actor: str, because: str = "", model: str = "") -> bool:
        """End a pause; return whether there was one."""
        if not actor.strip():
            raise DeskError("to resume needs an author")
        now = self._clock()
        with self._store.transaction() as connection:
            found = ledger.end_pause(connection, model)
            if found:
                ledger.decide(connection, now, model, "resumed", because, actor)
        return found

    def proposals(self, model: str | None = None, limit: int = 100) -> list[Proposal]:
        """Return the latest proposals, newest first."""
        with self._store.reading() as connection:
            return ledger.read_latest(connection, model, limit)

    def pauses(self) -> list[Pause]:
        """Return what is paused."""
        with self._store.reading() as connection:
            return ledger.read_pauses(connection)

    def counts(self) -> dict[tuple[str, str], int]:
        """Return (model, decision) → how often it was taken."""
        with self._store.reading() as connection:
            return ledger.read_counts(connection)

    def latest(self, proposal: Proposal) -> str:
        """Return the latest decision on a proposal, such as which limit holds it back."""
        with self._store.reading() as connection:
            return ledger.read_decision(connection, proposal)

    def decided(self) -> int:
        """Return how many decisions were taken; what was read before it grew may be out of date."""
        ((number,),) = self._store.look("SELECT ifnull(sum(decisions), 0) FROM retraining_counts")
        return int(number)

    def find(self, name: str) -> Proposal:
        """Return one proposal by its id or the beginning of it.

        Raises
        ------
        DeskError
            When there is none, or more than one.
        """
        with self._store.reading() as connection:
            return _only(connection, name)

    def _change(self, name: str, decision: str, actor: str, detail: str,
                decide: Callable[[Proposal, int], Proposal]) -> Proposal:  # fmt: skip
        if not actor.strip():
            raise DeskError("a decision needs an author")
        now = self._clock()
        with self._store.transaction() as connection:
            found = _only(connection, name)
            changed = decide(found, now)
            ledger.update(connection, changed)
            said = f"{_described(found)} → {_described(changed)}" + (f": {detail}" if detail else "")
            ledger.decide(connection, now, changed, decision, said, actor)
        return changed


def _only(connection: sqlite3.Connection, name: str) -> Proposal:
    found = ledger.find_proposal(connection, name)
    if not found:
        raise DeskError(f"there is no proposal {name}")
    if len(found) > 1:
        raise DeskError(f"{name} is the beginning of {len(found)} proposals or more; write more of it")
    return found[0]


def _described(proposal: Proposal) -> str:
    state: State = proposal.state
    words = state.replace("_", " ")
    return f"{words}, approved by {proposal.approved_by}" if proposal.approved_by and state != "rejected" else words
