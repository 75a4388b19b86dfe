"""One look at one model: what fires, what of it counts, and what holds the model back."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from alerts.durations import DAY
from alerts.entry import Entry
from alerts.retraining import ledger
from alerts.retraining.expression import FAULTS, Support, started
from alerts.retraining.facts import Facts, OwnChange
from alerts.retraining.guardrails import Block, Situation, blocks
from alerts.retraining.ledger import ModelState, Pause
from alerts.retraining.policy import ModelPolicy
from alerts.retraining.states import Proposal
from alerts.retraining.topics import topic_of
from alerts.silences import Silence

_MONTH: Final = 30 * DAY


@dataclass(slots=True)
class Turn:
    """What is the same for everything that is decided about a model at one moment.

    Parameters
    ----------
    state
        What is remembered of the model; changed by decisions and written at the end.
    support
        Why its condition holds, ``None`` when it does not.
    blamed
        The own change that explains why it would hold otherwise.
    faults
        Names of the alerts of data and pipeline that fire.
    """

    connection: sqlite3.Connection
    now: int
    policy: ModelPolicy
    facts: Facts
    state: ModelState
    support: Support | None
    blamed: OwnChange | None
    faults: tuple[str, ...]
    pauses: tuple[Pause, ...]

    def blocks(self, proposal: Proposal) -> tuple[Block, ...]:
        """Return why a proposal may not leave now."""
        limits = self.policy.guardrails
        lookback = self.now - max(_MONTH, limits.cooldown)
        past = ledger.past_requests(
            self.connection, proposal.model, lookback, dry_run=proposal.dry_run, but=proposal.id
        )
        return blocks(
            limits,
            Situation(
                now=self.now,
                facts=self.facts,
                pauses=tuple(f"by {pause.author}: {pause.because}" for pause in self.pauses),
                faults=self.faults,
                fault_at=self.state.fault_at,
                in_flight=ledger.in_flight(self.connection, proposal.model, proposal.id),
                past=past,
                labels_before=self.state.labels_before,
                holding_since=self.state.episode_since if proposal.trigger == "condition" else None,
            ),
        )


def support_of(
    policy: ModelPolicy, facts: Facts, firing: Sequence[Entry], silences: Sequence[Silence]
) -> tuple[Support | None, OwnChange | None]:
    """Return why the condition holds, and the own change that explains why it would hold otherwise.

    What does not count: alerts of versions that are not live, alerts that a person silenced, and those that began
    within ``settle`` after an own change.
    """
    if policy.when is None:
        return None, None
    counted = [entry for entry in firing if entry.model == policy.model and _is_live(entry, facts)]
    counted = [entry for entry in counted if not any(silence.silences(entry.labels) for silence in silences)]
    blame = {entry.fingerprint: _blame(entry, facts, policy.guardrails.settle) for entry in counted}
    support = policy.when.support([entry for entry in counted if blame[entry.fingerprint] is None])
    if support is not None:
        return support, None
    otherwise = policy.when.support(counted)
    if otherwise is None:
        return None, None
    return None, next(change for each in otherwise.entries if (change := blame[each.fingerprint]) is not None)


def open_faults(model: str, firing: Sequence[Entry]) -> tuple[str, ...]:
    """Return the names of the alerts of data and pipeline that fire, of a model or of the service; silenced or not."""
    names = {
        entry.labels.get("alertname", entry.rule)
        for entry in firing
        if topic_of(entry.signal) in FAULTS and entry.model in {"", model}
    }
    return tuple(sorted(names))


def _is_live(entry: Entry, facts: Facts) -> bool:
    return not facts.version or entry.signal.version in {"", facts.version}


def _blame(entry: Entry, facts: Facts, settle: int) -> OwnChange | None:
    """Return the own change that an alert follows from: its window may have begun before, its onset did not."""
    signal = entry.signal
    began = signal.onset if signal.onset is not None else started(entry)
    slack = signal.length
    return next((each for each in facts.changes if each.at - slack <= began <= each.at + settle), None)
