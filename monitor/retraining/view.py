"""From proposals to what page, metrics and API may read."""

from __future__ import annotations

import json
from typing import Any, Final

from alerts.receivers.times import rfc3339
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
        switch=one.switch,
        reference=reference_words(one),
        decided=decided,
    )


def reference_words(one: Proposal) -> str:
    """Return where the reference of a new version stands, empty where none was to switch."""
    if not one.switch or one.learn_from is None or one.learn_until is None:
        return ""
    rows = f"its rows from {rfc3339(one.learn_from)} to {rfc3339(one.learn_until)}"
    if one.switch == "asked":
        return f"Version {one.new_version[:100]} is to be compared with {rows}, once they are all in."
    if one.switch == "undone":
        return f"The reference was to become {rows}; that is undone, the one before stands."
    since = "" if one.switched_at is None else f" since {rfc3339(one.switched_at)}"
    rest = ", and held" if one.switch == "holds" else "; if it does not stay live, that is undone"
    return f"Version {one.new_version[:100]} is compared with {rows}{since}{rest}."


def _document(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(text)
    return document
