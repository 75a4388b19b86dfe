"""The reference after a success: it switches to rows of the new version, and back when that version does not hold.

What is decided here is only written down; the service gives the order that ``learn_from`` and ``switch`` ask for.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Final

from alerts.durations import DAY
from alerts.receivers.times import rfc3339
from alerts.retraining import ledger
from alerts.retraining.states import Proposal, Switch
from alerts.retraining.turn import Turn

PENDING: Final[frozenset[Switch]] = frozenset({"asked", "switched"})
"""It is not decided yet whether the new reference stays."""


def ask(turn: Turn, proposal: Proposal) -> Proposal:
    """Have the rows of the first whole days of a version that went live become the reference, if that is configured."""
    learn, at = turn.policy.learn, turn.facts.at
    if learn is None or at is None or proposal.switch in PENDING:
        return proposal
    begin = -(-at // DAY) * DAY
    detail = f"to rows of version {turn.facts.version} from {rfc3339(begin)} to {rfc3339(begin + learn)}"
    return _decided(turn, proposal, "asked", "reference_asked", detail, learn_from=begin, learn_until=begin + learn)


def follow(turn: Turn, proposal: Proposal) -> Proposal:
    """Return a proposal after one look at its reference.

    A version that is no longer live takes its reference with it, until it has been compared with it for ``settle``.
    """
    if proposal.switch not in PENDING:
        return proposal
    if turn.facts.version and not has_come(turn, proposal):
        detail = f"version {turn.facts.version} is live and no longer {proposal.new_version}"
        return _decided(turn, proposal, "undone", "reference_undone", detail)
    if proposal.switch == "asked":
        return _asked(turn, proposal)
    if turn.now - (proposal.switched_at or 0) < turn.policy.guardrails.settle:
        return proposal
    return _decided(turn, proposal, "holds", "reference_settled", f"version {proposal.new_version} held")


def _asked(turn: Turn, proposal: Proposal) -> Proposal:
    if has_switched(turn, proposal):
        return _decided(turn, proposal, "switched", "reference_switched", reference_of(turn), switched_at=turn.now)
    at = turn.facts.at
    if at is not None and at > (proposal.learn_until or 0) + turn.policy.guardrails.settle:
        detail = "it has not switched in time: too few rows, or the service could not"
        return _decided(turn, proposal, "undone", "reference_undone", detail)
    return proposal


def has_switched(turn: Turn, proposal: Proposal) -> bool:
    """Tell whether what is live is compared with another reference than the one that the proposal rests on."""
    known: dict[str, str] = json.loads(proposal.evidence).get("references", {})
    before = known.get(proposal.version, "")
    return bool(reference_of(turn)) and reference_of(turn) != before


def reference_of(turn: Turn) -> str:
    """Return the reference that the live version is compared with, empty while none is known."""
    return turn.facts.references.get(turn.facts.version, "")


def has_come(turn: Turn, proposal: Proposal) -> bool:
    """Tell whether the version that was asked for is live."""
    live = turn.facts.version
    if not live or not (proposal.version or proposal.new_version):
        return False
    return live == proposal.new_version if proposal.new_version else live != proposal.version


def _decided(turn: Turn, proposal: Proposal, switch: Switch, decision: str, detail: str, **times: int) -> Proposal:
    changed = dataclasses.replace(proposal, switch=switch, **times)  # type: ignore[arg-type]  # all are times
    ledger.update(turn.connection, changed)
    ledger.decide(turn.connection, turn.now, changed, decision, detail)
    return changed
