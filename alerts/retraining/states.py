"""One proposal to retrain, and the states that it may go through. Pure: time is an argument."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, get_args

State: TypeAlias = Literal[
    "proposed", "awaiting_approval", "requested", "parked", "running", "succeeded", "failed", "cooldown",
    "done", "rejected", "withdrawn",
]  # fmt: skip
Switch: TypeAlias = Literal["", "asked", "switched", "holds", "undone"]
"""What becomes of the reference after a success, where it switches by itself: it is to, it has, the new version held
for long enough, or it is no longer live."""
Trigger: TypeAlias = Literal["condition", "schedule", "manual"]
STATES: Final[tuple[State, ...]] = get_args(State)
OPEN: Final[frozenset[State]] = frozenset(
    {"proposed", "awaiting_approval", "requested", "parked", "running", "succeeded", "failed"}
)
"""States in which a model has no room for another proposal."""
WAITING: Final[frozenset[State]] = frozenset({"proposed", "awaiting_approval"})
"""Nothing has left yet; guardrails still decide."""
UNDER_WAY: Final[frozenset[State]] = frozenset({"requested", "parked", "running"})
"""Something has left, or is about to."""

NEXT: Final[dict[State, frozenset[State]]] = {
    "proposed": frozenset({"awaiting_approval", "requested", "cooldown", "rejected", "withdrawn"}),
    "awaiting_approval": frozenset({"requested", "cooldown", "rejected", "withdrawn"}),
    "requested": frozenset({"running", "failed", "parked", "succeeded", "rejected"}),
    "parked": frozenset({"requested", "running", "failed", "succeeded", "rejected"}),
    "running": frozenset({"succeeded", "failed"}),
    "succeeded": frozenset({"cooldown"}),
    "failed": frozenset({"cooldown"}),
    "cooldown": frozenset({"done"}),
    "done": frozenset(),
    "rejected": frozenset(),
    "withdrawn": frozenset({"proposed"}),
}
"""State → those that may follow. ``proposed`` goes straight to ``cooldown`` in a dry run, where nothing is sent; what
was withdrawn because its condition ended is proposed again when that turns out not to have ended."""
NO_LONGER: Final = "its condition no longer holds"
"""The outcome of a proposal that may come again."""


class TransitionError(ValueError):
    """A proposal cannot go from its state to another."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One proposal. Times are wall clock in microseconds.

    Parameters
    ----------
    id
        32 hexadecimal digits, a function of model, version and episode alone: a service that lost its state asks for
        the same run by the same name.
    episode
        Names what it is about; a model has at most one proposal for each.
    dry_run
        Whether nothing is sent, whatever is approved.
    evidence
        JSON document with the figures that it rests on.
    request
        The bytes that are sent, once they are fixed; the same at every attempt.
    sending
        An attempt began and its outcome was not written down.
    run
        What the target calls the run.
    freeze
        Silence that keeps back warnings against the old reference.
    until
        End of the state that ends by time.
    learn_from, learn_until
        Event times between which the new version's rows become the reference.
    """

    id: str
    model: str
    owner: str
    version: str
    episode: str
    trigger: Trigger
    because: str
    state: State
    since: int
    created_at: int
    dry_run: bool
    target: str
    evidence: str
    approved_by: str = ""
    approved_at: int | None = None
    requested_at: int | None = None
    request: bytes | None = None
    attempts: int = 0
    sending: bool = False
    not_before: int = 0
    run: str = ""
    url: str = ""
    new_version: str = ""
    adopted_at: int | None = None
    freeze: str = ""
    outcome: str = ""
    problem: str = ""
    cost: float = 0.0
    until: int | None = None
    switch: Switch = ""
    learn_from: int | None = None
    learn_until: int | None = None
    switched_at: int | None = None

    @property
    def key(self) -> str:
        """The name under which a target knows it: fit for a Kubernetes object, 42 characters."""
        return f"driftline-{self.id}"


def move(proposal: Proposal, state: State, now: int, **changes: Any) -> Proposal:
    """Return a proposal in its next state.

    Raises
    ------
    TransitionError
        When that state cannot follow.

    Examples
    --------
    >>> one = Proposal("a", "m", "", "1", "e", "manual", "", "rejected", 0, 0, True, "t", "{}")
    >>> move(one, "requested", 1)
    Traceback (most recent call last):
    alerts.retraining.states.TransitionError: a is rejected and cannot become requested
    """
    if state not in NEXT[proposal.state]:
        raise TransitionError(f"{proposal.id} is {proposal.state} and cannot become {state}")
    return dataclasses.replace(proposal, state=state, since=now, **changes)
