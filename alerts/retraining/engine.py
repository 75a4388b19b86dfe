"""What the service calls: it looks at each model now and then, and decides. Everything it knows is in the store.

One look is one transaction, so a crash at any point leaves what stood before it or what stands after it. What is
decided follows from the alerts that fire, the facts that the service hands over, and what was decided before.
"""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import structlog

from alerts.durations import DAY, HOUR, SECOND
from alerts.entry import Entry
from alerts.labels import digest
from alerts.memory import read_firing
from alerts.retraining import ledger
from alerts.retraining.evidence import bundle
from alerts.retraining.facts import NOTHING_KNOWN, Facts, OwnChange
from alerts.retraining.guardrails import Block
from alerts.retraining.ledger import SYSTEM, ModelState, Pause
from alerts.retraining.policy import ModelPolicy, RetrainingPolicy
from alerts.retraining.progress import advance, hold
from alerts.retraining.states import NO_LONGER, OPEN, WAITING, Proposal, Trigger, move
from alerts.retraining.turn import Turn, open_faults, support_of
from alerts.silences import Silence, read_silences
from alerts.store import Store

log = structlog.get_logger(__name__)
_LOOKS: Final = 2 * SECOND
_PRUNES: Final = HOUR
_LONGEST: Final = 500


class Retraining:
    """Proposes retraining and carries proposals on.

    Parameters
    ----------
    store
        The alerts' store.
    clock
        Wall clock in microseconds.

    Raises
    ------
    StoreUnavailableError
        From every call, when the store cannot be read or written now. Nothing was changed; call again later.
    """

    def __init__(self, store: Store, policy: RetrainingPolicy, clock: Callable[[], int]) -> None:
        self.policy = policy
        self._store = store
        self._clock = clock
        self._looked_at = 0
        self._decided = 0
        self._prune_at = 0

    def tick(self, now: int, facts: Mapping[str, Facts]) -> bool:
        """Look at every model that is due; return whether something is to be requested.

        Call it about once a second. Looks are two seconds apart; one follows at once when a person decided something,
        or the clock was set back.
        """
        ((decided,),) = self._store.look("SELECT ifnull(sum(decisions), 0) FROM retraining_counts")
        if 0 <= now - self._looked_at < _LOOKS and decided == self._decided:
            return False
        with self._store.transaction() as connection:
            self._mistrust(connection, now)
            firing = read_firing(connection)
            silences = [silence for silence in read_silences(connection, now) if silence.active(now)]
            pauses = ledger.read_pauses(connection)
            opened = ledger.read_open(connection)
            for model in sorted(self.policy.models.keys() | {proposal.model for proposal in opened}):
                mine = [proposal for proposal in opened if proposal.model == model]
                self._look(connection, now, model, facts.get(model, NOTHING_KNOWN), firing, silences, pauses, mine)
            if now >= self._prune_at or now < self._prune_at - DAY:
                self._prune_at = now + _PRUNES
                ledger.prune(connection, now)
            waiting = ledger.next_requested(connection, now) is not None
            self._decided = sum(ledger.read_counts(connection).values())
        self._looked_at = now
        return waiting

    def hurry(self) -> None:
        """Look at the next tick, however short after the last that is."""
        self._decided = -1

    def propose(self, model: str, facts: Facts, trigger: Trigger, episode: str, because: str,
                actor: str = SYSTEM) -> Proposal | None:  # fmt: skip
        """Propose a retraining that no condition asks for; limits hold all the same.

        Parameters
        ----------
        episode
            Names the occasion, such as the time of a schedule; a second proposal for it is none.

        Returns
        -------
        Proposal or None
            ``None`` when there was one, or another of the model is open.

        Raises
        ------
        KeyError
            When no retraining is configured for the model.
        """
        policy, now = self.policy.models[model], self._clock()
        with self._store.transaction() as connection:
            busy = [each.id for each in ledger.read_open(connection) if each.model == model and each.state in OPEN]
            if busy:
                ledger.decide(connection, now, model, "in_flight", f"{trigger}: {', '.join(busy)} is open", actor)
                return None
            proposal = _proposal(policy, facts, now, episode, trigger, because, bundle(policy, facts, (), now))
            if not ledger.insert(connection, proposal):
                return None
            ledger.decide(connection, now, proposal, "proposed", because, actor)
        return proposal

    def _look(
        self,
        connection: sqlite3.Connection,
        now: int,
        model: str,
        facts: Facts,
        firing: Sequence[Entry],
        silences: Sequence[Silence],
        pauses: Sequence[Pause],
        opened: Sequence[Proposal],
    ) -> None:
        policy = self.policy.models.get(model)
        known = policy or ModelPolicy(model)
        before = ledger.read_model(connection, model)
        state, changes = _changed(before, facts, now)
        for change in changes:
            ledger.note_change(connection, model, change)
        facts = dataclasses.replace(facts, changes=(*facts.changes, *ledger.read_changes(connection, model)))
        support, blamed = support_of(known, facts, firing, silences)
        faults = open_faults(model, firing)
        held = tuple(pause for pause in pauses if pause.model in {"", model})
        turn = Turn(connection, now, known, facts, state, support, blamed, faults, held)
        turn.state = _seen(turn)
        if policy is None:
            opened = [_unconfigured(turn, proposal) for proposal in opened]
        opened = [advance(turn, proposal) for proposal in opened]
        if policy is not None:
            _consider(turn, opened)
        if turn.state != before:
            ledger.write_model(connection, turn.state)

    def _mistrust(self, connection: sqlite3.Connection, now: int) -> None:
        """Pause when a damaged store was put aside: what was requested before is not known any more."""
        damaged = self._store.path.with_name(f"{self._store.path.name}.damaged")
        mark = _mark(damaged)
        query = "SELECT value FROM meta WHERE key = 'retraining_damage'"
        row = connection.execute(query).fetchone()
        if mark == (row[0] if row is not None else ""):
            return
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('retraining_damage', ?)", (mark,))
        if mark:
            because = "the store was damaged; what was requested before is not known. See what runs, then resume"
            ledger.write_pause(connection, Pause("", now, SYSTEM, because))
            ledger.decide(connection, now, "", "paused", because)
            log.error("retraining is paused", because=because)


def _changed(state: ModelState, facts: Facts, now: int) -> tuple[ModelState, list[OwnChange]]:
    """Return what is remembered of a model, and what its operator changed since; what is seen first is no change."""
    seen = {"version": facts.version, "terms": facts.terms, "reference": facts.references.get(facts.version, "")}
    words = {
        "version": f"version {facts.version} went live",
        "terms": "the model's settings were changed",
        "reference": f"it is compared with another reference, {seen['reference']}",
    }
    at = now if facts.at is None else facts.at
    before = {"version": state.version, "terms": state.terms, "reference": state.reference}
    after = {name: seen[name] or before[name] for name in seen}
    changes = [OwnChange(at, words[name]) for name in seen if before[name] and before[name] != after[name]]
    now_known = dataclasses.replace(
        state, version=after["version"], terms=after["terms"], reference=after["reference"]
    )  # fmt: skip
    return now_known, changes


def _seen(turn: Turn) -> ModelState:
    """Return what is remembered of a model, with what is seen now."""
    state, now = turn.state, turn.now
    if turn.faults:
        state = dataclasses.replace(state, fault_at=now)
    if turn.support is None:
        return dataclasses.replace(state, episode="") if state.episode else state
    if state.episode:
        return state
    return dataclasses.replace(state, episode=f"{state.version}@{turn.support.since}", episode_since=now)


def _consider(turn: Turn, opened: Sequence[Proposal]) -> None:
    """Open a proposal for an episode that has none; or write down why not."""
    busy = [proposal for proposal in opened if proposal.state in OPEN]
    if turn.support is None:
        if turn.blamed is not None and not busy:
            block = Block("policy_change", f"{turn.blamed.what}; what began within a while after it does not count")
            hold(turn, turn.policy.model, (block,))
        elif not busy:
            hold(turn, turn.policy.model, ())
        return
    known = ledger.read_episode(turn.connection, turn.policy.model, turn.state.episode)
    if known is not None and (known.state != "withdrawn" or known.outcome != NO_LONGER):
        return
    if busy:
        names = ", ".join(f"{proposal.id} is {proposal.state}" for proposal in busy)
        hold(turn, turn.policy.model, (Block("in_flight", names),))
        return
    entries = turn.support.entries
    because = "; ".join(
        entry.signal.explanation or f"{entry.labels.get('alertname', entry.rule)} of {entry.signal.column} fires"
        for entry in entries[:3]
    )
    evidence = bundle(turn.policy, turn.facts, entries, turn.now)
    proposal = _proposal(turn.policy, turn.facts, turn.now, turn.state.episode, "condition", because, evidence)
    if known is not None:
        _again(turn, known, proposal)
    elif ledger.insert(turn.connection, proposal):
        _opened(turn, proposal, because)


def _again(turn: Turn, known: Proposal, proposal: Proposal) -> None:
    """Propose again what was withdrawn: by the figures as they are now, its condition never ended. Nothing has left."""
    fresh = {name: getattr(proposal, name) for name in ("because", "evidence", "created_at", "dry_run", "target")}
    again = move(known, "proposed", turn.now, **fresh, approved_by="", approved_at=None, outcome="")
    ledger.update(turn.connection, again)
    _opened(turn, again, f"again, since by restated figures it went on: {proposal.because}")


def _opened(turn: Turn, proposal: Proposal, because: str) -> None:
    turn.state = dataclasses.replace(turn.state, held="")
    ledger.decide(turn.connection, turn.now, proposal, "proposed", because)
    advance(turn, proposal)


def _proposal(
    policy: ModelPolicy, facts: Facts, now: int, episode: str, trigger: Trigger, because: str, evidence: str
) -> Proposal:
    return Proposal(
        id=digest([policy.model, facts.version, episode], 32),
        model=policy.model,
        owner=policy.owner,
        version=facts.version,
        episode=episode,
        trigger=trigger,
        because=because if len(because) <= _LONGEST else f"{because[: _LONGEST - 1]}…",
        state="proposed",
        since=now,
        created_at=now,
        dry_run=policy.dry_run or facts.shadow,
        target=policy.target,
        evidence=evidence,
    )


def _unconfigured(turn: Turn, proposal: Proposal) -> Proposal:
    """Withdraw what waits of a model whose retraining is no longer configured."""
    if proposal.state not in WAITING:
        return proposal
    gone = move(proposal, "withdrawn", turn.now, outcome="retraining of the model is no longer configured")
    ledger.update(turn.connection, gone)
    ledger.decide(turn.connection, turn.now, gone, "withdrawn", gone.outcome)
    return gone


def _mark(path: Path) -> str:
    try:
        return str(path.stat().st_mtime_ns)
    except FileNotFoundError:
        return ""
