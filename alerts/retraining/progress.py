"""What becomes of a proposal at each look: it waits, leaves, ends by time, or follows what the stream shows."""

from __future__ import annotations

import dataclasses
from typing import Any

import structlog

from alerts.durations import spoken
from alerts.retraining import ledger
from alerts.retraining.freeze import begin_freeze, end_freeze
from alerts.retraining.guardrails import REASONS, Block
from alerts.retraining.states import NO_LONGER, UNDER_WAY, WAITING, Proposal, State, move
from alerts.retraining.switch import PENDING, ask, follow, has_come, has_switched, reference_of
from alerts.retraining.turn import Turn

log = structlog.get_logger(__name__)


def advance(turn: Turn, proposal: Proposal) -> Proposal:
    """Return a proposal after one look, with all that was decided written down."""
    if proposal.state in WAITING:
        return _waiting(turn, proposal)
    if proposal.state in UNDER_WAY:
        return _under_way(turn, proposal)
    if proposal.state == "succeeded":
        return _succeeded(turn, proposal)
    if proposal.state == "failed":
        return _cool(turn, proposal, "")
    return _cooling(turn, proposal) if proposal.state == "cooldown" else proposal


def hold(turn: Turn, proposal: Proposal | str, found: tuple[Block, ...]) -> None:
    """Write down why nothing happens, once for each change of reasons."""
    held = ",".join(block.reason for block in found)
    if held == turn.state.held:
        return
    turn.state = dataclasses.replace(turn.state, held=held)
    if found:
        detail = "; ".join(f"{REASONS[block.reason]}: {block.detail}" for block in found)
        ledger.decide(turn.connection, turn.now, proposal, found[0].reason, detail)


def _waiting(turn: Turn, proposal: Proposal) -> Proposal:
    void = _why_void(turn, proposal)
    if void:
        return _to(turn, proposal, "withdrawn", "withdrawn", void, outcome=void)
    found = turn.blocks(proposal)
    hold(turn, proposal, found)
    if found:
        return proposal
    if turn.policy.guardrails.approval and not proposal.approved_by:
        if proposal.state == "awaiting_approval":
            return proposal
        return _to(turn, proposal, "awaiting_approval", "awaiting_approval", proposal.because)
    return depart(turn, proposal)


def depart(turn: Turn, proposal: Proposal) -> Proposal:
    """Let a proposal leave; a dry run goes no further."""
    leaving = dataclasses.replace(
        proposal, requested_at=turn.now, cost=turn.policy.guardrails.cost_per_run, target=turn.policy.target
    )
    if proposal.dry_run:
        return _cool(turn, leaving, "dry_run", "dry_run", "nothing was sent; dry_run is on")
    matured = turn.facts.matured_labels
    if matured is not None:
        turn.state = dataclasses.replace(turn.state, labels_before=matured)
    return _to(turn, leaving, "requested", "fired", f"to {turn.policy.target}: {proposal.because}")


def _why_void(turn: Turn, proposal: Proposal) -> str:
    live = turn.facts.version
    if proposal.version and live and live != proposal.version:
        return f"version {live} is live and no longer {proposal.version}"
    if proposal.trigger == "condition" and (turn.support is None or turn.state.episode != proposal.episode):
        return NO_LONGER
    if turn.now - proposal.created_at > turn.policy.guardrails.lapses_after:
        return f"nobody approved it within {spoken(turn.policy.guardrails.lapses_after)}"
    return ""


def _under_way(turn: Turn, proposal: Proposal) -> Proposal:
    if proposal.state != "requested" and has_come(turn, proposal):
        proposal = dataclasses.replace(proposal, new_version=turn.facts.version)
        return succeed(turn, proposal, f"version {turn.facts.version} is in the stream")
    limit = turn.policy.guardrails.result_within
    if proposal.state == "running" and turn.now - proposal.since > limit:
        problem = f"no result within {spoken(limit)}"
        return _to(turn, proposal, "failed", "failed", problem, outcome="failed", problem=problem)
    return proposal


def succeed(turn: Turn, proposal: Proposal, because: str) -> Proposal:
    """Note a success and keep back the warnings that follow from it."""
    until = turn.now + turn.policy.guardrails.adopted_within
    freeze = begin_freeze(turn.connection, proposal, turn.now, until)
    return _to(turn, proposal, "succeeded", "succeeded", because, outcome="succeeded", freeze=freeze, until=until)


def _succeeded(turn: Turn, proposal: Proposal) -> Proposal:
    if not proposal.freeze:
        until = turn.now + turn.policy.guardrails.adopted_within
        freeze = begin_freeze(turn.connection, proposal, turn.now, until)
        proposal = _kept(turn, dataclasses.replace(proposal, freeze=freeze, until=until))
    if not has_come(turn, proposal):
        if proposal.adopted_at is not None:
            detail = f"version {proposal.new_version} is no longer live"
            ledger.decide(turn.connection, turn.now, proposal, "adoption_lost", detail)
            proposal = follow(turn, _kept(turn, dataclasses.replace(proposal, adopted_at=None)))
        if turn.now >= (proposal.until or 0):
            end_freeze(turn.connection, proposal, turn.now)
            limit = spoken(turn.policy.guardrails.adopted_within)
            proposal = dataclasses.replace(proposal, freeze="")
            return _cool(turn, proposal, "not_adopted", "not_adopted", f"no new version came within {limit}")
        return proposal
    adopted_at = proposal.adopted_at
    if adopted_at is None:
        return _adopted(turn, proposal)
    proposal = follow(turn, proposal)
    if turn.now - adopted_at < turn.policy.guardrails.settle:
        return proposal
    return _cooling(turn, _cool(turn, proposal, "succeeded"))


def _adopted(turn: Turn, proposal: Proposal) -> Proposal:
    version, reference = turn.facts.version, reference_of(turn)
    detail = f"version {version} is live" + (f", compared with reference {reference}" if reference else "")
    ledger.decide(turn.connection, turn.now, proposal, "adopted", detail)
    return ask(turn, _kept(turn, dataclasses.replace(proposal, adopted_at=turn.now, new_version=version)))


def _cooling(turn: Turn, proposal: Proposal) -> Proposal:
    """End the cooldown by time, and the freeze once the reference has switched or it was waited for long enough."""
    proposal = follow(turn, proposal)
    if proposal.freeze and proposal.switch == "undone":
        end_freeze(turn.connection, proposal, turn.now)
        proposal = _kept(turn, dataclasses.replace(proposal, freeze=""))
    if proposal.freeze:
        waited = proposal.adopted_at is None or turn.now - proposal.adopted_at > turn.policy.guardrails.adopted_within
        if not waited and not has_switched(turn, proposal):
            return proposal
        end_freeze(turn.connection, proposal, turn.now)
        decision = "reference_kept" if waited else "reference_holds"
        detail = f"version {turn.facts.version} is compared with {reference_of(turn) or 'no reference'}"
        ledger.decide(turn.connection, turn.now, proposal, decision, detail)
        proposal = _kept(turn, dataclasses.replace(proposal, freeze=""))
    if turn.now >= (proposal.until or 0) and proposal.switch not in PENDING:
        return _to(turn, proposal, "done", "cooldown_over", "", until=None)
    return proposal


def _cool(turn: Turn, proposal: Proposal, outcome: str, decision: str = "", detail: str = "") -> Proposal:
    begun = proposal.requested_at if proposal.requested_at is not None else turn.now
    until = begun + turn.policy.guardrails.cooldown
    changes: dict[str, Any] = {"until": until} | ({"outcome": outcome} if outcome else {})
    return _to(turn, proposal, "cooldown", decision, detail, **changes)


def _to(turn: Turn, proposal: Proposal, state: State, decision: str, detail: str, **changes: Any) -> Proposal:
    moved = _kept(turn, move(proposal, state, turn.now, **changes))
    if decision:
        ledger.decide(turn.connection, turn.now, moved, decision, detail)
        log.info("retraining", model=moved.model, proposal=moved.id, decision=decision, detail=detail)
    return moved


def _kept(turn: Turn, proposal: Proposal) -> Proposal:
    ledger.update(turn.connection, proposal)
    return proposal
