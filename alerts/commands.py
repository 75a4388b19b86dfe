"""What people ask of the service: written by any process, done by the service at its next tick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from alerts.store import Store


@dataclass(frozen=True, slots=True)
class Command:
    """One request."""

    at: int
    actor: str
    action: Literal["resolve", "enable", "drill"]
    subject: str
    """An alert's fingerprint, or a receiver's name."""
    because: str
    seq: int = 0


def submit(store: Store, command: Command) -> None:
    """Ask for something.

    Raises
    ------
    ValueError
        When nobody asks.
    StoreUnavailableError
        When it cannot be written down now.
    """
    if not command.actor.strip():
        raise ValueError("a command needs an author")
    row = (command.at, command.actor, command.action, command.subject, command.because)
    with store.transaction() as connection:
        connection.execute("INSERT INTO commands (at, actor, action, subject, because) VALUES (?, ?, ?, ?, ?)", row)


def read_commands(store: Store) -> list[Command]:
    """Return what was asked for and is not done, the oldest first."""
    rows = store.look("SELECT at, actor, action, subject, because, seq FROM commands ORDER BY seq")
    return [Command(*row) for row in rows]
