"""Whether a proposal may leave: a pure function of limits, past requests and what is known now."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from alerts.durations import DAY, spoken
from alerts.retraining.facts import NOTHING_KNOWN, Facts
from alerts.retraining.policy import Guardrails

REASONS: Final = {
    "paused": "retraining is paused",
    "fault": "a fault of the data or the pipeline is open, or was lately",
    "policy_change": "it follows a change of one's own",
    "in_flight": "another run of the model is under way",
    "cooldown": "the last request was too recent",
    "budget": "the requests or the money of the day or of 30 days are used up",
    "labels": "too few labels have matured since the last request",
    "coverage": "too few of the mature predictions have a label",
    "blackout": "nothing is requested at this time",
    "too_short": "the condition has not held for long enough",
}
"""Why a proposal is held back, by the word that metrics and audit use."""


class Block(NamedTuple):
    """One reason why a proposal may not leave now."""

    reason: str
    """A key of ``REASONS``."""
    detail: str


class Past(NamedTuple):
    """One request that was made before."""

    at: int
    cost: float


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the limits are compared with.

    Parameters
    ----------
    pauses
        Who paused what, in words; none when nothing is paused.
    faults
        Names of the alerts of data and pipeline that fire.
    fault_at
        When one of them fired last.
    in_flight
        Ids of the model's other proposals that are under way.
    past
        Requests of the last 30 days, of dry runs for a dry run.
    labels_before
        ``matured_labels`` at the last request.
    holding_since
        Since when the condition holds; ``None`` for what has no condition.
    """

    now: int
    facts: Facts = NOTHING_KNOWN
    pauses: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    fault_at: int | None = None
    in_flight: tuple[str, ...] = ()
    past: Sequence[Past] = field(default_factory=tuple)
    labels_before: int = 0
    holding_since: int | None = None


def blocks(limits: Guardrails, situation: Situation) -> tuple[Block, ...]:
    """Return every reason why nothing may leave now; none when it may.

    Examples
    --------
    >>> from alerts.retraining.facts import NOTHING_KNOWN, Facts
    >>> enough = Facts(matured_labels=5_000, coverage=0.9)
    >>> blocks(Guardrails(), Situation(now=0, facts=enough))
    ()
    >>> [block.reason for block in blocks(Guardrails(), Situation(now=0, facts=Facts()))]
    ['labels', 'coverage']
    """
    return tuple(
        Block(reason, detail)
        for reason, detail in (
            ("paused", "; ".join(situation.pauses)),
            ("fault", _fault(limits, situation)),
            ("in_flight", ", ".join(situation.in_flight)),
            ("cooldown", _cooldown(limits, situation)),
            ("budget", _budget(limits, situation)),
            ("labels", _labels(limits, situation)),
            ("coverage", _coverage(limits, situation.facts)),
            ("blackout", "now" if any(each.covers(situation.now) for each in limits.blackouts) else ""),
            ("too_short", _too_short(limits, situation)),
        )
        if detail
    )


def standing_blocks(limits: Guardrails, situation: Situation) -> tuple[Block, ...]:
    """Return what forbids to send at this moment what was decided earlier: a pause, a fault, a blackout.

    The other limits were looked at when it was decided, and would count the request itself.
    """
    standing = {"paused", "fault", "blackout"}
    return tuple(block for block in blocks(limits, situation) if block.reason in standing)


def _fault(limits: Guardrails, situation: Situation) -> str:
    if situation.faults:
        return f"{', '.join(situation.faults)} fires"
    if situation.fault_at is None:
        return ""
    # A clock that was set back counts as no time passed.
    passed = max(0, situation.now - situation.fault_at)
    return "" if passed >= limits.clean_for else f"the last was {spoken(passed)} ago, of {spoken(limits.clean_for)}"


def _cooldown(limits: Guardrails, situation: Situation) -> str:
    if not situation.past:
        return ""
    passed = max(0, situation.now - max(each.at for each in situation.past))
    return "" if passed >= limits.cooldown else f"{spoken(passed)} of {spoken(limits.cooldown)} have passed"


def _budget(limits: Guardrails, situation: Situation) -> str:
    today = sum(each.at > situation.now - DAY for each in situation.past)
    month = [each for each in situation.past if each.at > situation.now - 30 * DAY]
    spent = math.fsum(each.cost for each in month)
    if today >= limits.max_per_day:
        return f"{today} of {limits.max_per_day} in 24 hours"
    if len(month) >= limits.max_per_30d:
        return f"{len(month)} of {limits.max_per_30d} in 30 days"
    if limits.monthly_budget is not None and spent + limits.cost_per_run > limits.monthly_budget:
        return f"{spent:g} of {limits.monthly_budget:g} are spent, a run costs {limits.cost_per_run:g}"
    return ""


def _labels(limits: Guardrails, situation: Situation) -> str:
    if limits.min_matured_labels <= 0:
        return ""
    matured = situation.facts.matured_labels
    if matured is None:
        return "nothing is known of labels"
    fresh = max(0, matured - situation.labels_before)
    return "" if fresh >= limits.min_matured_labels else f"{fresh} of {limits.min_matured_labels}"


def _coverage(limits: Guardrails, facts: Facts) -> str:
    if limits.min_label_coverage <= 0 or facts.coverage >= limits.min_label_coverage:
        return ""
    known = "nothing is known of it" if math.isnan(facts.coverage) else f"{facts.coverage:.1%}"
    return f"{known}, at least {limits.min_label_coverage:.1%} are asked for"


def _too_short(limits: Guardrails, situation: Situation) -> str:
    if situation.holding_since is None:
        return ""
    held = max(0, situation.now - situation.holding_since)
    return "" if held >= limits.holds_for else f"{spoken(held)} of {spoken(limits.holds_for)}"
