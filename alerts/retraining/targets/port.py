"""What a target is, and what may become of a request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from alerts.net.errors import DeliveryError
from alerts.notification import Deadline


@dataclass(frozen=True, slots=True)
class Order:
    """What a target is asked for.

    Parameters
    ----------
    id
        The proposal's id, 32 hexadecimal digits.
    key
        The same as a name that every target takes: lower case, 42 characters.
    evidence
        The document of ``evidence.bundle``.
    callback
        Address that takes the result; empty when there is none.
    created_at
        RFC 3339.
    """

    id: str
    key: str
    model: str
    owner: str
    version: str
    trigger: str
    because: str
    evidence: dict[str, Any]
    callback: str
    created_at: str

    def document(self) -> dict[str, Any]:
        """Return it as a JSON object with eight keys."""
        return {
            "id": self.id,
            "model": self.model,
            "owner": self.owner,
            "version": self.version,
            "trigger": self.trigger,
            "because": self.because,
            "evidence": self.evidence,
            "callback": self.callback,
        }


@dataclass(frozen=True, slots=True)
class Started:
    """The target has it."""

    run: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class NotStarted:
    """It certainly did not start; it may at another attempt."""

    reason: str
    after: float | None = None
    """Seconds that the target asked to wait."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It certainly did not start, and will not as it is."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """It may have started."""

    reason: str
    after: float | None = None


Answer: TypeAlias = Started | NotStarted | Refused | Unknown


class Target(Protocol):
    """One configured target."""

    @property
    def idempotent(self) -> bool:
        """Whether a second request with the same key starts nothing."""
        ...

    def body(self, order: Order) -> bytes:
        """Return the bytes that are stored and sent, the same at every attempt."""
        ...

    def send(self, key: str, body: bytes, deadline: Deadline) -> Answer:
        """Try once. Never raises for what a target or the network does."""
        ...


def answer_of(attempt: Callable[[], Answer]) -> Answer:
    """Return what an attempt came to; whether anything was sent decides what a failure means.

    >>> def hang_up() -> Answer:
    ...     raise DeliveryError("ci.example hung up", sent=True)
    >>> answer_of(hang_up)
    Unknown(reason='ci.example hung up', after=None)
    """
    try:
        return attempt()
    except DeliveryError as error:
        if error.sent:
            return Unknown(error.reason)
        return Refused(error.reason) if error.lasting else NotStarted(error.reason)
