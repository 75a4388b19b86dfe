"""The service's own alerting as signals: what cannot be delivered is said where it can be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from alerts.durations import SECOND, spoken
from alerts.outbox import Health
from alerts.signal import Signal


def delivery_signals(healths: Iterable[Health], number: int, now: int, late: int) -> Iterator[Signal]:
    """Yield a signal for each receiver: in drift while it is disabled, gave a message up, or keeps one for too long.

    Parameters
    ----------
    number
        Names what may begin to fire by them.
    late
        How long a message may wait, in microseconds.
    """
    for health in healths:
        waits = 0 if health.oldest is None else max(0, now - health.oldest)
        problem = _problem(health, waits, late)
        yield Signal(
            number=number,
            kind="delivery",
            observed_at=now,
            statistic=waits / SECOND,
            threshold=late / SECOND,
            n=health.open,
            status="drift" if problem else "ok",
            explanation=problem,
            labels={"receiver": health.receiver},
        )


def _problem(health: Health, waits: int, late: int) -> str:
    reason = f": {health.problem}" if health.problem else ""
    if health.disabled_at is not None:
        return f"The receiver wants to hear nothing any more{reason}"
    if health.parked:
        return f"A message was given up{reason}"
    if waits > late:
        return f"{health.open} messages wait, the oldest for {spoken(waits)}{reason}"
    return ""
