"""What the two engines share: their contract, and learning which fields there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from monitor.decoding.assemble import Ledger
from monitor.decoding.outer import Outer
from monitor.decoding.plan import Plan
from monitor.decoding.reasons import Reason
from monitor.events import Batch, Records


@dataclass(slots=True)
class Reading:
    """What one model made of its candidates."""

    batch: Batch | None = None
    unmatched: list[int] = field(default_factory=list)
    """Records of other models."""
    unreadable: list[tuple[int, Reason]] = field(default_factory=list)
    """Records that cannot be parsed, so that nobody knows whose they are unless every record is the model's."""


class Engine(Protocol):
    """Reads the candidates among the records for one model."""

    plan: Plan

    def read(self, records: Records, candidates: Sequence[int], outer: Outer, ledger: Ledger) -> Reading:
        """Return the batch, the records of other models, and what could not be parsed."""
        ...


def learn_fields(plan: Plan, features: object) -> int:
    """Learn types from one object of features. Returns how many fields could not be taken in."""
    if not isinstance(features, dict) or plan.features is None:
        return 0
    known, reserved = plan.learnt.get, plan.reserved
    fresh = [(name, value) for name, value in features.items() if known(name) is None and name not in reserved]
    return sum(plan.learn(name, value, plan.features.child(name)) for name, value in fresh)


def learn_outer(plan: Plan, outer: Outer, records: Sequence[int]) -> None:
    """Learn the types of features that stand in headers or keys."""
    for cell in plan.named or ():
        if cell.path.root not in {"value", "row"} and plan.kind(cell.name) == "unknown":
            values = outer.values(cell.path)
            for index in records:
                plan.learn(cell.name, values[index], cell.path)
