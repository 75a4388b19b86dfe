"""What the operator allows: when to retrain which model, through which target, within which limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from alerts.durations import DAY, HOUR, SECOND
from alerts.retraining.expression import Expression

_EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class Blackout:
    """A time in which nothing is requested.

    Parameters
    ----------
    days
        Days of the week on which it begins, 0 for Monday.
    begin, end
        Minutes of the day. When ``end`` is not after ``begin``, it lasts into the next day; both 0 is the whole day.
    first, last
        Dates between which it applies, both included; ``None`` for always.
    timezone
        Whose clock that is.

    Raises
    ------
    ValueError
        When a figure is out of its range.

    Examples
    --------
    >>> night = Blackout(begin=22 * 60, end=6 * 60)
    >>> night.covers(23 * HOUR), night.covers(3 * HOUR), night.covers(6 * HOUR)
    (True, True, False)
    """

    days: frozenset[int] = _EVERY_DAY
    begin: int = 0
    end: int = 0
    first: date | None = None
    last: date | None = None
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        if not self.days or not self.days <= _EVERY_DAY or not 0 <= self.begin < 1440 or not 0 <= self.end <= 1440:
            raise ValueError("a blackout needs days of the week and minutes of a day")
        if self.first is not None and self.last is not None and self.last < self.first:
            raise ValueError("a blackout ends before it begins")
        ZoneInfo(self.timezone)

    def covers(self, now: int) -> bool:
        """Tell whether a time in microseconds falls within it."""
        local = datetime.fromtimestamp(now // SECOND, UTC).astimezone(ZoneInfo(self.timezone))
        minute, today = local.hour * 60 + local.minute, local.date()
        if self.begin < self.end:
            return self._begins(today) and self.begin <= minute < self.end
        yesterday = today - timedelta(days=1)
        return (self._begins(today) and minute >= self.begin) or (self._begins(yesterday) and minute < self.end)

    def _begins(self, day: date) -> bool:
        if day.weekday() not in self.days:
            return False
        return (self.first is None or day >= self.first) and (self.last is None or day <= self.last)


@dataclass(frozen=True, slots=True)
class Guardrails:
    """The limits of one model.

    Parameters
    ----------
    cooldown
        No request so long after the last one, whatever became of it.
    max_per_day, max_per_30d
        No more requests than that in any 24 hours and any 30 days.
    cost_per_run, monthly_budget
        No request that would bring the cost of any 30 days beyond the budget; ``None`` for no such limit.
    min_matured_labels
        Labelled predictions since the last request, at least.
    min_label_coverage
        Share of the mature predictions that have a label, at least.
    approval
        Whether a person must approve.
    holds_for
        How long the condition must have held.
    settle
        What began within this time after an own change is its consequence and no reason to retrain.
    clean_for
        No request so long after the last fault of the data or the pipeline.
    blackouts
        Times in which nothing is requested.
    lapses_after
        A proposal that nobody approved for so long is withdrawn.
    result_within
        A run that reports nothing for so long has failed.
    adopted_within
        Warnings against the old reference are held back no longer than this after a success.
    """

    cooldown: int = 3 * DAY
    max_per_day: int = 1
    max_per_30d: int = 4
    cost_per_run: float = 0.0
    monthly_budget: float | None = None
    min_matured_labels: int = 1_000
    min_label_coverage: float = 0.5
    approval: bool = True
    holds_for: int = 0
    settle: int = DAY
    clean_for: int = HOUR
    blackouts: tuple[Blackout, ...] = ()
    lapses_after: int = 7 * DAY
    result_within: int = 2 * DAY
    adopted_within: int = 14 * DAY


@dataclass(frozen=True, slots=True)
class ModelPolicy:
    """One model's retraining.

    Parameters
    ----------
    when
        The condition; ``None`` leaves it to schedule and people.
    target
        Name of the target.
    learn
        For how long rows of a new version are gathered that then become the reference; ``None`` leaves that to people.
    """

    model: str
    owner: str = ""
    when: Expression | None = None
    condition: str = ""
    """The text of ``when``."""
    target: str = ""
    dry_run: bool = True
    guardrails: Guardrails = field(default_factory=Guardrails)
    learn: int | None = None


@dataclass(frozen=True, slots=True)
class RetrainingPolicy:
    """All models' retraining.

    Parameters
    ----------
    url
        The service as targets reach it, for results; empty for none.
    attempt
        Seconds that one attempt of a request may take.
    give_up_after
        A request that could not be made for so long has failed, or is parked when it may have been heard.
    """

    models: Mapping[str, ModelPolicy] = field(default_factory=dict)
    url: str = ""
    attempt: float = 15.0
    give_up_after: int = 6 * HOUR
