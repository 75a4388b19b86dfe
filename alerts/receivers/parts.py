"""What receivers share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from alerts.net.guard import Policy
from alerts.net.resolve import Resolve, resolve
from alerts.receivers.kafka import Producer
from alerts.receivers.slack_threads import RecentThreads, Threads


@dataclass(frozen=True, slots=True)
class Parts:
    """What receivers share.

    Parameters
    ----------
    policy
        What may be reached, unless a receiver's own keys allow more.
    producer
        Publishes to Kafka; without one the kind ``kafka`` cannot be built.
    threads
        Remembers Slack's threads; by default in memory only.
    resolver
        Finds addresses.
    clock
        Seconds since the epoch.
    """

    policy: Policy = field(default_factory=Policy)
    producer: Producer | None = None
    threads: Threads = field(default_factory=RecentThreads)
    resolver: Resolve = resolve
    clock: Callable[[], float] = time.time
