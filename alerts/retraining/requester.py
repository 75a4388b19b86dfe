"""Sends what was decided, one attempt at a time. No thread and no clock of its own: ``step`` is told the time.

The order of every attempt: 1 look at the limits again, fix the body, and note that an attempt begins, in one
transaction; 2 send; 3 note the outcome. Whoever finds the note of 1 without that of 3 does not know whether 2 took
place. A target that knows the key is then asked again, any other is not: its proposal is parked, and a person asked.
"""

from __future__ import annotations

import dataclasses
import json
import random
import sqlite3
import time
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from alerts.backoff import pause
from alerts.durations import MINUTE
from alerts.memory import read_firing
from alerts.notification import Deadline
from alerts.receivers.times import rfc3339
from alerts.retraining import ledger
from alerts.retraining.guardrails import REASONS, Situation, standing_blocks
from alerts.retraining.policy import ModelPolicy, RetrainingPolicy
from alerts.retraining.states import Proposal, State, move
from alerts.retraining.targets.port import Answer, NotStarted, Order, Refused, Started, Target, Unknown
from alerts.retraining.turn import open_faults
from alerts.store import transacting

log = structlog.get_logger(__name__)
LARGEST_BODY: Final = 60_000
"""Bytes; GitHub takes no more than 64 KiB."""


class Requester:
    """Requests of all models, one after the other.

    Parameters
    ----------
    connection
        One of its own.
    targets
        Name → target.
    clock
        Wall clock in microseconds.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        policy: RetrainingPolicy,
        targets: Mapping[str, Target],
        clock: Callable[[], int],
        source: random.Random | None = None,
    ) -> None:
        self._connection = connection
        self._policy = policy
        self._targets = targets
        self._clock = clock
        self._source = source or random.Random()  # noqa: S311 - it spreads retries, it hides nothing

    def step(self) -> bool:
        """Try to make one request; return whether there was one to look at."""
        now = self._clock()
        with transacting(self._connection) as connection:
            proposal = ledger.next_requested(connection, now)
            if proposal is None:
                return False
            target = self._targets.get(proposal.target)
            ready = self._ready(connection, proposal, target, now)
        if ready is None or target is None:
            return True
        answer = self._send(target, ready)
        with transacting(self._connection) as connection:
            self._note(connection, ready, target, answer)
        return True

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def _ready(
        self, connection: sqlite3.Connection, proposal: Proposal, target: Target | None, now: int
    ) -> Proposal | None:
        """Return a proposal whose attempt may begin, as it was written down; ``None`` when it may not."""
        if proposal.sending:
            proposal = dataclasses.replace(proposal, outcome="unknown")
        if target is None:
            self._fail(connection, proposal, f"there is no target {proposal.target}", now)
            return None
        if proposal.sending and not target.idempotent:
            self._park(connection, proposal, "the service stopped while it was sent", now)
            return None
        held = self._held(connection, proposal, now)
        if held:
            if proposal.problem != held:
                ledger.decide(connection, now, proposal, "held", held)
            ledger.update(connection, dataclasses.replace(proposal, problem=held, not_before=now + MINUTE))
            return None
        body = proposal.request
        if body is None:
            body = self._body(target, proposal)
        if body is None:
            self._fail(connection, proposal, "no request could be made of it", now)
            return None
        ready = dataclasses.replace(proposal, request=body, sending=True, attempts=proposal.attempts + 1)
        ledger.update(connection, ready)
        return ready

    def _held(self, connection: sqlite3.Connection, proposal: Proposal, now: int) -> str:
        """Return why nothing may be sent at this moment, which may come long after the decision."""
        policy = self._policy.models.get(proposal.model, ModelPolicy(proposal.model))
        pauses = [each for each in ledger.read_pauses(connection) if each.model in {"", proposal.model}]
        situation = Situation(
            now=now,
            pauses=tuple(f"by {each.author}: {each.because}" for each in pauses),
            faults=open_faults(proposal.model, read_firing(connection)),
            fault_at=ledger.read_model(connection, proposal.model).fault_at,
        )
        found = standing_blocks(policy.guardrails, situation)
        return "; ".join(f"{REASONS[block.reason]}: {block.detail}" for block in found)

    def _body(self, target: Target, proposal: Proposal) -> bytes | None:
        try:
            body = target.body(order_of(proposal, self._policy.url))
        except Exception:
            log.exception("a target's code failed; the request has failed", proposal=proposal.id)
            return None
        return body if len(body) <= LARGEST_BODY else None

    def _send(self, target: Target, proposal: Proposal) -> Answer:
        deadline = Deadline(time.monotonic() + self._policy.attempt)
        try:
            return target.send(proposal.key, proposal.request or b"", deadline)
        except Exception as error:
            log.exception("a target's code failed", proposal=proposal.id)
            return Unknown(f"{type(error).__name__} in the target's code")

    def _note(self, connection: sqlite3.Connection, sent: Proposal, target: Target, answer: Answer) -> None:
        now = self._clock()
        found = ledger.read_proposal(connection, sent.id)
        if found is None or found.state != "requested":
            # A callback was faster than the answer.
            return
        if isinstance(answer, Started):
            url = answer.url or found.url
            self._to(connection, found, "running", "running", answer.run, now, run=answer.run, url=url, problem="",
                     outcome="")  # fmt: skip
        elif isinstance(answer, Refused):
            self._fail(connection, found, answer.reason, now)
        elif isinstance(answer, Unknown) and not target.idempotent:
            self._park(connection, found, answer.reason, now)
        else:
            self._again(connection, found, answer, now)

    def _again(self, connection: sqlite3.Connection, found: Proposal, answer: NotStarted | Unknown, now: int) -> None:
        doubtful = isinstance(answer, Unknown) or found.outcome == "unknown"
        if now - (found.requested_at or now) >= self._policy.give_up_after:
            (self._park if doubtful else self._fail)(connection, found, f"given up: {answer.reason}", now)
            return
        wait = pause(found.attempts, answer.after, self._source)
        outcome = "unknown" if doubtful else ""
        if found.problem != answer.reason:
            ledger.decide(connection, now, found, "retried", answer.reason)
        ledger.update(
            connection,
            dataclasses.replace(found, sending=False, not_before=now + wait, problem=answer.reason, outcome=outcome),
        )

    def _park(self, connection: sqlite3.Connection, proposal: Proposal, reason: str, now: int) -> None:
        """Ask a person: nobody here knows whether the run started."""
        log.error("whether a retraining started is not known", proposal=proposal.id, problem=reason)
        detail = f"{reason}. Look at {proposal.target}, then say: started, approve to send it again, or reject"
        self._to(connection, proposal, "parked", "parked", detail, now, problem=reason, outcome="unknown")

    def _fail(self, connection: sqlite3.Connection, proposal: Proposal, reason: str, now: int) -> None:
        if proposal.outcome == "unknown":
            # An earlier attempt may have been heard.
            self._park(connection, proposal, reason, now)
            return
        log.error("a retraining could not be requested", proposal=proposal.id, problem=reason)
        self._to(connection, proposal, "failed", "failed", reason, now, problem=reason, outcome="failed")

    @staticmethod
    def _to(connection: sqlite3.Connection, proposal: Proposal, state: State, decision: str, detail: str, now: int,
            **changes: str) -> None:  # fmt: skip
        moved = move(proposal, state, now, sending=False, not_before=0, **changes)
        ledger.update(connection, moved)
        ledger.decide(connection, now, moved, decision, detail)


def order_of(proposal: Proposal, url: str) -> Order:
    """Return what a target is asked for.

    Parameters
    ----------
    url
        The service as targets reach it; empty when it cannot be reached.
    """
    callback = f"{url.rstrip('/')}/api/v1/retraining/{proposal.id}/result" if url else ""
    return Order(
        id=proposal.id,
        key=proposal.key,
        model=proposal.model,
        owner=proposal.owner,
        version=proposal.version,
        trigger=proposal.trigger,
        because=proposal.because,
        evidence=json.loads(proposal.evidence),
        callback=callback,
        created_at=rfc3339(proposal.created_at),
    )
