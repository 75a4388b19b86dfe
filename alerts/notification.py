"""What leaves for people: alerts that are told together, and what became of telling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

State: TypeAlias = Literal["firing", "resolved"]


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert as a receiver sees it; times are microseconds since the epoch."""

    labels: Mapping[str, str]
    """``alertname``, ``severity``, ``model``, ``owner`` and what else tells it from the others."""
    annotations: Mapping[str, str]
    """``summary``, ``description``, ``runbook_url`` and figures that may change while it fires."""
    state: State
    starts_at: int
    ends_at: int | None
    """``None`` while it fires."""
    fingerprint: str
    """Hash of the labels, the same for the alert's whole life."""
    url: str = ""
    """The page that shows it at that time."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """``statistic``, ``effect``, ``low``, ``high``, ``threshold``, ``p_value``, …: those that exist."""
    onset: int | None = None
    """Since when the change is likely there."""
    importance: float = 0.0
    """Weight of the column in the model's predictions."""
    because: str = ""
    """Why it is resolved: ``cleared``, ``withdrawn: …``, ``forgotten``, or by whom."""

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.labels.get("alertname", "")

    @property
    def severity(self) -> str:
        """``page``, ``warn`` or ``info``."""
        return self.labels.get("severity", "warn")


@dataclass(frozen=True, slots=True)
class AlertGroup:
    """The alerts of one message. Body and id are made of it once, at the first attempt."""

    receiver: str
    key: str
    """Names the group: the route and its labels. The same for every message about it."""
    labels: Mapping[str, str]
    """The labels that the group was formed by."""
    alerts: tuple[Alert, ...]
    """Those that most likely caused the others first; firing before resolved."""
    message_id: str
    """The same at every attempt, another for every message."""
    sent_at: int
    """When the message was formed."""
    truncated: int = 0
    """Alerts of the group that are left out."""
    url: str = ""
    """The service as people reach it."""
    reason: str = ""
    """Why there is a message now: ``new``, ``changed``, ``repeat``, ``resolved``."""
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """``firing`` while any alert of it fires."""
        return "firing" if any(alert.state == "firing" for alert in self.alerts) else "resolved"


@dataclass(frozen=True, slots=True)
class Deadline:
    """By when an attempt must be over, on the monotonic clock, in seconds."""

    at: float


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver has it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """It may get through later."""

    reason: str
    """One sentence without secrets."""
    after: float | None = None
    """Seconds that the receiver asked to wait, ``None`` when it did not say."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """It will never get through as it is."""

    reason: str
    disable: bool = False
    """Whether the receiver wants to hear nothing any more."""


Outcome: TypeAlias = Delivered | Retry | Rejected


class Notifier(Protocol):
    """One configured receiver."""

    def body(self, group: AlertGroup) -> bytes:
        """Return the bytes to be stored and sent, the same at every attempt; at most 20 kB."""
        ...

    def send(self, message_id: str, body: bytes, deadline: Deadline) -> Outcome:
        """Try once to deliver a stored body. Never raises for what a receiver or the network does."""
        ...
