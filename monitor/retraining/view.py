"""From proposals to what page, metrics and API may read."""

from __future__ import annotations

import json
from typing import Any, Final

from alerts.retraining.desk import Desk
from alerts.retraining.engine import Retraining
from alerts.retraining.states import Proposal
from monitor.views import PauseView, ProposalView, RetrainedModelView, RetrainingView

MOST: Final = 100


def retraining_view(engine: Retraining, desk: Desk, now: int) -> RetrainingView:
    """Return what may be shown now.

    Raises
    ------
    StoreUnavailableError
        When the store cannot be read.
    """
    return RetrainingView(
        taken_at=now,
        models=tuple(
            RetrainedModelView(policy.model, policy.owner, policy.condition, policy.dry_run, policy.guardrails.approval)
            for policy in engine.policy.models.values()
        ),
        proposals=tuple(
            proposal_view(one, desk.latest(one) if one.state == "proposed" else "")
            for one in desk.proposals(limit=MOST)
        ),
        pauses=tuple(PauseView(one.model, one.at, one.author, one.because) for one in desk.pauses()),
        counts=desk.counts(),
    )


def proposal_view(one: Proposal, decided: str = "") -> ProposalView:
    """Return one proposal as it is shown, with the latest decision on it."""
    return ProposalView(
        id=one.id,
        model=one.model,
        owner=one.owner,
        version=one.version,
        trigger=one.trigger,
        because=one.because,
        state=one.state,
        since=one.since,
        created_at=one.created_at,
        dry_run=one.dry_run,
        target=one.target,
        evidence=_document(one.evidence),
        approved_by=one.approved_by,
        requested_at=one.requested_at,
        attempts=one.attempts,
        run=one.run,
        url=one.url,
        new_version=one.new_version,
        outcome=one.outcome,
        problem=one.problem,
        frozen=bool(one.freeze),
        decided=decided,
    )


def _document(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    return document
