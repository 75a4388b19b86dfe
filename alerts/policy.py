"""What the operator wants: rules, who hears of what and how often, what silences what, and what is on trial."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from alerts.durations import DAY, HOUR, MINUTE, SECOND
from alerts.matchers import Matcher
from alerts.rules import Rule
from alerts.signal import Signal

Mode: TypeAlias = Literal["live", "shadow"]
EVERY_LABEL = "..."
"""As the only label of ``group_by``: every alert is a group of its own."""


class PolicyError(ValueError):
    """Parts of a policy do not fit together."""


@dataclass(frozen=True, slots=True)
class Route:
    """Who hears of which alerts. What is ``None`` is taken from the route above.

    Parameters
    ----------
    group_by
        Labels that must be equal in one message; ``("...",)`` makes every alert a message of its own.
    group_wait
        How long the first message of a group waits for more alerts.
    group_interval
        How long news about a group waits after its last message.
    repeat_interval
        After how long a message is repeated while alerts fire.
    carry_on
        Whether the routes after this one are tried too (Alertmanager's ``continue``).
    """

    receiver: str | None = None
    matchers: tuple[Matcher, ...] = ()
    group_by: tuple[str, ...] | None = None
    group_wait: int | None = None
    group_interval: int | None = None
    repeat_interval: int | None = None
    carry_on: bool = False
    routes: tuple[Route, ...] = ()


@dataclass(frozen=True, slots=True)
class Inhibition:
    """While a source alert fires, target alerts with the same values of ``equal`` are not told."""

    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Receiver:
    """How much one receiver is told.

    Parameters
    ----------
    max_alerts
        Alerts in one message; the rest is counted.
    messages, per
        No more messages than ``messages`` in any ``per``; what is beyond waits and is told together.
    send_resolved
        Whether it hears of what is over.
    give_up_after
        A message that could not be delivered for so long is parked.
    """

    max_alerts: int = 50
    messages: int = 60
    per: int = HOUR
    send_resolved: bool = True
    give_up_after: int = 3 * DAY


@dataclass(frozen=True, slots=True)
class Shadow:
    """A trial without messages: for a model's first days, or until told otherwise; one digest a day instead.

    Parameters
    ----------
    mode
        ``shadow`` keeps everything back but the digest.
    models
        Models with a mode of their own, whatever their age.
    trial
        How long a model is in shadow from its first signal on; 0 for not at all.
    trials
        The same for single models.
    receiver
        Who gets the digest; by default the receiver of the first route.
    digest_at
        Time of day in UTC at which it is sent.
    """

    mode: Mode = "live"
    models: Mapping[str, Mode] = field(default_factory=dict)
    trial: int = 14 * DAY
    trials: Mapping[str, int] = field(default_factory=dict)
    receiver: str | None = None
    digest_at: int = 8 * HOUR


def _nowhere(signal: Signal) -> str:  # noqa: ARG001 - the signature of those that lead somewhere
    return ""


@dataclass(frozen=True, slots=True)
class Policy:
    """All of it. Times are in microseconds.

    Parameters
    ----------
    url
        The service as people reach it.
    page, dashboard
        Where people see what a signal tells of, at that time; empty for nowhere.
    runbooks
        Address under which every rule has a page of its name; empty for none.
    late_delivery
        A receiver with a message that waits longer than this raises ``DeliveryFailing``.
    attempt
        Seconds that one attempt of delivery may take.
    keep
        How long history, audit and delivered messages are kept.

    Raises
    ------
    PolicyError
        When two rules would raise the same alert, or a route has no receiver.
    """

    rules: tuple[Rule, ...]
    route: Route
    inhibitions: tuple[Inhibition, ...] = ()
    receivers: Mapping[str, Receiver] = field(default_factory=dict)
    shadow: Shadow = field(default_factory=Shadow)
    url: str = ""
    page: Callable[[Signal], str] = _nowhere
    dashboard: Callable[[Signal], str] = _nowhere
    runbooks: str = ""
    late_delivery: int = 10 * MINUTE
    attempt: float = 15.0
    keep: int = 90 * DAY

    def __post_init__(self) -> None:
        twice = [key for key, count in Counter(rule.key for rule in self.rules).items() if count > 1]
        if twice:
            raise PolicyError(f"{', '.join(twice)}: two rules of one name, severity and labels cannot be told apart")
        if self.route.receiver is None:
            raise PolicyError("the first route needs a receiver")
        if self.route.matchers:
            raise PolicyError("the first route takes every alert and has no matchers")

    def receiver(self, name: str) -> Receiver:
        """Return how much a receiver is told."""
        return self.receivers.get(name) or Receiver()


DEFAULT_WAIT = 30 * SECOND
DEFAULT_INTERVAL = 5 * MINUTE
DEFAULT_REPEAT = 12 * HOUR
DEFAULT_GROUP_BY = ("model", "alertname")
