"""Between a new version's training and its reference's holding, features drift from a reference that is out of date.

Only these warnings are kept back, by a silence that everybody sees; pages, scores, performance and quality are not.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from alerts.matchers import Matcher
from alerts.retraining.ledger import SYSTEM
from alerts.retraining.states import Proposal
from alerts.silences import Silence, end_silence, write_silence

FROZEN: Final = (
    Matcher("alertname", "=~", "FeatureDrift|EvidenceAlarm"),
    Matcher("severity", "=", "warn"),
    Matcher("column", "!~", "score|prediction|flagged|.*[.](missing|bad|unseen|low|high)"),
    Matcher("window", "!=", "evidence:outcomes"),
)
"""Which alerts of the model are kept back."""


def begin_freeze(connection: sqlite3.Connection, proposal: Proposal, now: int, until: int) -> str:
    """Keep warnings back until a time at most; return the silence's id. Beginning twice does no harm."""
    name = f"retrain-{proposal.id[:12]}"
    if connection.execute("SELECT 1 FROM silences WHERE id = ?", (name,)).fetchone() is None:
        matchers = (Matcher("model", "=", proposal.model), *FROZEN)
        comment = f"a new version was trained ({proposal.id[:12]}); its reference does not hold yet"
        write_silence(connection, Silence(name, matchers, now, until, SYSTEM, comment, now))
    return name


def end_freeze(connection: sqlite3.Connection, proposal: Proposal, now: int) -> None:
    """Let warnings through again; ending twice does no harm."""
    if proposal.freeze:
        end_silence(connection, proposal.freeze, now, SYSTEM)
