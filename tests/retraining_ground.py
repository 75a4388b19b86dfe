"""Alerts, proposals and a target on a hand-wound clock, over a real store."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from alerts.conditions import StatusIs
from alerts.durations import DAY, HOUR, SECOND
from alerts.engine import AlertEngine
from alerts.notification import Deadline
from alerts.policy import Policy, Route, Shadow
from alerts.retraining.desk import Desk
from alerts.retraining.engine import Retraining
from alerts.retraining.expression import parse_expression
from alerts.retraining.facts import Facts
from alerts.retraining.policy import Guardrails, ModelPolicy, RetrainingPolicy
from alerts.retraining.requester import Requester
from alerts.retraining.states import Proposal
from alerts.retraining.targets.port import Answer, Order, Started
from alerts.rules import Rule
from alerts.signal import Signal
from alerts.store import Store

EPOCH = 1_800_000_000 * SECOND
MODEL = "fraud"
CONDITION = "performance drop or (drift and estimated drop)"
FREE = Guardrails(
    cooldown=0, max_per_day=1_000, max_per_30d=1_000, min_matured_labels=0, min_label_coverage=0.0, approval=False,
    settle=HOUR, clean_for=0,
)  # fmt: skip
"""No limit but one run at a time."""
ENOUGH = Facts(version="7", rows={"7": 5_000}, matured_labels=50_000, coverage=0.9, references={"7": "abc", "8": "def"})
_KINDS = {
    "PerformanceDrop": "performance", "FeatureDrift": "drift", "EstimatedDrop": "estimate", "ScoreDrift": "score",
    "CalibrationOff": "calibration", "EvidenceAlarm": "evidence", "QualityProblem": "quality", "MissingShard": "shard",
    "PredictionsStopped": "last_prediction", "LabelCoverageLow": "coverage", "LateRows": "late",
}  # fmt: skip
RULES = tuple(
    Rule(name, frozenset({kind}), StatusIs(), "warn", damping=None, forget_after=None) for name, kind in _KINDS.items()
)
ALERTS = Policy(RULES, Route("ops"), shadow=Shadow(trial=0))


class QuickStore(Store):
    """A store that does not wait for the disk."""

    def connect(self) -> sqlite3.Connection:
        connection = super().connect()
        connection.execute("PRAGMA synchronous = OFF")
        return connection


@dataclass
class Pipeline:
    """A target that starts a run for every key it does not know, and answers as it is told."""

    idempotent: bool = True
    answer: Callable[[str], Answer] = lambda key: Started(f"run-{key}")
    runs: list[str] = field(default_factory=list)
    """Keys by which runs were started, in order."""
    bodies: list[bytes] = field(default_factory=list)

    def body(self, order: Order) -> bytes:
        return order.key.encode() + b" " + order.model.encode()

    def send(self, key: str, body: bytes, deadline: Deadline) -> Answer:  # noqa: ARG002
        self.bodies.append(body)
        if not (self.idempotent and key in self.runs):
            self.runs.append(key)
        return self.answer(key)


def policy_of(guardrails: Guardrails = FREE, *, dry_run: bool = False, when: str | None = CONDITION,
              **changes: Any) -> RetrainingPolicy:  # fmt: skip
    """Return the policy of one model."""
    model = ModelPolicy(
        MODEL, "payments", None if when is None else parse_expression(when), when or "", "ci", dry_run, guardrails
    )
    return RetrainingPolicy(**{"models": {MODEL: model}, "url": "https://driftline.example", **changes})


class Ground:
    """Everything of one service, with time wound by hand."""

    def __init__(
        self,
        folder: Path,
        policy: RetrainingPolicy,
        target: Pipeline | None = None,
        make: Callable[[Path], Store] = QuickStore,
    ) -> None:
        self.folder, self.policy, self.make = folder, policy, make
        self.target = target or Pipeline()
        self.now = EPOCH
        self.facts = ENOUGH
        self.number = 0
        self.open()

    def open(self) -> None:
        """Start the service."""
        self.store = self.make(self.folder / "alerts.sqlite")
        self.alerts = AlertEngine(self.store, ALERTS, {"ops": _Silent()}, lambda: self.now, dispatch=False)
        self.retraining = Retraining(self.store, self.policy, lambda: self.now)
        self.requester = Requester(self.store.connect(), self.policy, {"ci": self.target}, lambda: self.now)
        self.desk = Desk(self.store, lambda: self.now)

    def close(self) -> None:
        self.requester.close()
        self.alerts.close()
        self.store.close()

    def tell(self, kind: str, status: str = "drift", **changes: Any) -> None:
        """Give the alerts one signal of a window that ends now."""
        self.number = self.alerts.last_applied + 1
        signal = Signal(
            number=self.number, kind=kind, observed_at=self.now, status=status, n=1_000,
            **{"model": MODEL, "column": "roc_auc" if kind == "performance" else "amount", "start": self.now - 1,
               "end": self.now, "statistic": 0.3, "effect": -0.05, "explanation": f"{kind} is {status}.", **changes},
        )  # fmt: skip
        self.alerts.apply([signal], self.now)

    def wait(self, span: int = 3 * SECOND) -> None:
        """Let time pass, with one look at its end and every request that is due."""
        self.now += span
        self.retraining.tick(self.now, {MODEL: self.facts})
        while self.requester.step():
            pass

    def know(self, **changes: Any) -> None:
        """Change what is known of the model."""
        self.facts = replace(self.facts, **changes)

    def all(self) -> list[Proposal]:
        """Return the proposals, the oldest first."""
        return list(reversed(self.desk.proposals(limit=1_000)))

    def one(self) -> Proposal:
        """Return the only proposal."""
        (found,) = self.desk.proposals()
        return found

    def states(self) -> list[str]:
        return [proposal.state for proposal in self.all()]

    def decisions(self) -> list[str]:
        """Return what was decided, in order."""
        with self.store.reading() as connection:
            rows = connection.execute("SELECT action FROM audit WHERE action LIKE 'retraining %' ORDER BY seq")
            return [action.removeprefix("retraining ") for (action,) in rows]

    def audit(self) -> list[tuple[str, str, str]]:
        """Return actor, decision and detail, in order."""
        return [
            (line.actor, line.action.removeprefix("retraining "), line.detail)
            for line in reversed(self.alerts.audit(1_000))
            if line.action.startswith("retraining ")
        ]


class _Silent:
    """A receiver that is never reached."""

    def body(self, group: Any) -> bytes:  # noqa: ARG002
        return b""

    def send(self, message_id: str, body: bytes, deadline: Deadline) -> Any:
        raise AssertionError(message_id, body, deadline)


NAN = math.nan
MONTH = 30 * DAY
