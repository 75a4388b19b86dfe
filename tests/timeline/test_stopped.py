"""Nothing comes any more: adaptive to the hour of the week."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from alerts.builtin import RULES
from alerts.conditions import Silent
from alerts.durations import DAY, HOUR, MINUTE, SECOND
from alerts.judging import Judge
from alerts.memory import Memory
from alerts.signal import Signal

STOPPED = next(rule for rule in RULES if rule.name == "PredictionsStopped")
START = 2_900 * 168 * HOUR + 4 * DAY


def fired(arrivals: Callable[[int], bool], days: float, every: int = 5 * MINUTE) -> list[tuple[str, float]]:
    """Return the transitions and their hours while rows come at some ``every``, by a function of the time."""
    judge, memory = Judge((STOPPED,)), Memory()
    last: int | None = None
    found: list[tuple[str, float]] = []
    for number, now in enumerate(range(START, START + round(days * DAY), every), 1):
        last = now if arrivals(now - START) else last
        silence = math.nan if last is None else (now - last) / SECOND
        signal = Signal(number=number, kind="last_prediction", model="m", observed_at=now, statistic=silence)
        found += [(each.state, (now - START) / HOUR) for each in judge.judge(memory, signal)]
    return found


def test_a_steady_stream_is_missed_within_the_floor() -> None:
    found = fired(lambda at: not 250 * HOUR <= at < 260 * HOUR, days=14)
    assert [state for state, _ in found] == ["firing", "resolved"]
    assert 250.25 <= found[0][1] <= 250.5
    assert 260 <= found[1][1] <= 260.1


def nightly(at: int) -> bool:
    """Rows come for ten minutes at three in the night."""
    return at % DAY // MINUTE in range(180, 190)


def test_a_nightly_batch_pages_nobody() -> None:
    assert fired(nightly, days=21) == []


def test_a_nightly_batch_is_missed_when_it_does_not_come() -> None:
    missing = 16 * DAY
    found = fired(lambda at: nightly(at) and not missing <= at < missing + 12 * HOUR, days=21)
    assert [state for state, _ in found] == ["firing", "resolved"]
    assert missing / HOUR + 3 < found[0][1] <= missing / HOUR + 6


def test_a_batch_that_comes_an_hour_later_pages_nobody() -> None:
    assert (
        fired(lambda at: (at - (55 * MINUTE if at // DAY == 15 else 0)) % DAY // MINUTE in range(180, 190), days=21)
        == []
    )


def test_a_model_that_rests_at_the_weekend_pages_nobody_then() -> None:
    def working(at: int) -> bool:
        return at // DAY % 7 < 5 and 8 <= at % DAY // HOUR < 18

    found = fired(working, days=35)
    assert [hour for _, hour in found if hour > 14 * 24] == []
    monday = 21 * 24
    stopped = fired(lambda at: working(at) and not 21 * DAY <= at < 22 * DAY, days=35)
    noticed = min(hour for state, hour in stopped if state == "firing" and hour > 14 * 24)
    assert monday + 8 < noticed < monday + 10


def test_one_failure_does_not_make_the_next_one_normal() -> None:
    def failing(at: int) -> bool:
        return not any(week * 7 * DAY + 10 * HOUR <= at < week * 7 * DAY + 16 * HOUR for week in (3, 4))

    found = [hour for state, hour in fired(failing, days=35) if state == "firing"]
    assert [hour - 168 * week for hour, week in zip(found, (3, 4), strict=True)] == pytest.approx([10.3] * 2, abs=0.2)


def test_what_happens_every_week_becomes_normal() -> None:
    found = fired(lambda at: not (at // DAY >= 14 and at // DAY % 7 == 2 and 10 <= at % DAY // HOUR < 16), days=49)
    assert [round(hour) // 168 for state, hour in found if state == "firing"] == [2, 3]


def test_without_the_hours_of_the_week_a_nightly_batch_pages_every_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Silent, "allowed", lambda self, *_: self.floor / SECOND)
    assert sum(state == "firing" for state, _ in fired(nightly, days=7)) >= 6


def test_a_model_on_its_first_day() -> None:
    assert fired(nightly, days=1) == []
    busy = fired(lambda at: at < 6 * HOUR, days=1)
    assert [state for state, _ in busy] == ["firing"]
    assert 7 <= busy[0][1] <= 7.25
