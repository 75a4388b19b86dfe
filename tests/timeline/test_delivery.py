"""Receivers that fail: what is sent again, when, and what becomes of the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from alerts import outbox
from alerts.builtin import RULES
from alerts.durations import HOUR, MINUTE, SECOND
from alerts.notification import AlertGroup, Delivered, Outcome, Rejected, Retry
from alerts.policy import Receiver, Route
from tests.timeline.timeline import Recorder, Timeline, between, policy, rule

FAILING = next(each for each in RULES if each.name == "DeliveryFailing")
SOON = Route("ops", group_wait=0, group_interval=5 * SECOND, repeat_interval=HOUR)


class Broken:
    """Answers badly until a second of the timeline."""

    def __init__(self, until: float, answer: Outcome) -> None:
        self.until, self.answer = until, answer
        self.line: Timeline | None = None
        self.times: list[float] = []

    def __call__(self, _: str) -> Outcome:
        assert self.line is not None
        self.times.append(self.line.seconds)
        return Delivered() if self.line.seconds >= self.until else self.answer


def broken_line(path: Path, until: float, answer: Outcome, **changes: object) -> tuple[Timeline, Broken]:
    broken = Broken(until, answer)
    step = float(changes.pop("step", 0.25))  # type: ignore[arg-type]
    line = Timeline(path, policy(rule(), FAILING, **{"route": SOON, **changes}), step, ops=Recorder("ops", broken))
    broken.line = line
    return line, broken


def test_ten_minutes_of_errors_end_in_one_message_within_a_minute(tmp_path: Path) -> None:
    line, broken = broken_line(tmp_path, 600, Retry("500"), step=1.0, late_delivery=HOUR)
    line.at(1).drift("age")
    line.expect(between(600, 660), firing="age")
    line.run(until=700)
    recorder = line.receivers["ops"]
    assert len({name for name, _ in recorder.attempts}) == 1
    assert len(set(recorder.attempts)) == 1
    gaps = [b - a for a, b in zip(broken.times, broken.times[1:], strict=False)]
    assert max(gaps) <= 41
    assert len(gaps) < 60
    assert gaps[0] < gaps[3] < max(gaps)


def test_what_the_receiver_asks_for_is_waited_for(tmp_path: Path) -> None:
    line, broken = broken_line(tmp_path, 5, Retry("429", after=120.0), step=1.0)
    line.at(1).drift("age")
    line.at(10).crash()
    line.expect(between(121, 122), firing="age")
    line.run(until=200)
    assert broken.times[1] - broken.times[0] >= 120


def test_while_it_is_down_its_outbox_does_not_grow_and_the_last_state_wins(tmp_path: Path) -> None:
    line, _ = broken_line(tmp_path, 86_400, Retry("down"), step=300.0, late_delivery=48 * HOUR)
    largest = [0]
    for second in range(0, 86_400, 1200):
        line.at(second).drift("age", "income")
        line.at(second + 600).fine("age")
        line.at(second + 601).do(lambda engine: largest.append(engine.deliveries()["ops"].open))
    line.at(86_000).fine("age", "income")
    line.wind(87_200)
    assert max(largest) <= 2
    believed = {alert.labels["column"]: alert.state for told in line.told for alert in told.group.alerts}
    assert believed == {"age": "resolved", "income": "resolved"}
    assert len(line.told) <= 3


def test_what_is_rejected_is_parked_and_said_elsewhere(tmp_path: Path) -> None:
    pager = Recorder("pager")
    ops = Recorder("ops", lambda _: Rejected("404"))
    line = Timeline(tmp_path, policy(rule(), FAILING, route=SOON), ops=ops, pager=pager)
    line.at(1).drift("age")
    line.expect(between(1, 15), firing="DeliveryFailing", to="pager")
    told = line.run(until=60)
    assert len(ops.attempts) == 1
    assert told[0].group.alerts[0].labels["receiver"] == "ops"
    assert told[0].group.alerts[0].annotations["description"] == "A message was given up: 404"


def test_a_receiver_that_is_gone_is_disabled_until_it_is_enabled(tmp_path: Path) -> None:
    answers: list[Outcome] = [Delivered(), Rejected("410", disable=True)]
    ops = Recorder("ops", lambda _: answers.pop(0) if answers else Delivered())
    line = Timeline(tmp_path, policy(route=SOON), ops=ops)
    line.at(1).drift("age")
    line.at(10).drift("income")
    line.at(20).drift("city")
    line.at(25).fine("age")
    line.at(40).do(lambda engine: engine.enable("ops", author="ada", because="new address"))
    line.expect(between(1, 1), firing="age")
    line.expect(between(40, 41), firing="income city", resolved="age")
    line.run(until=60)
    assert len(ops.attempts) == 3


def test_a_receiver_that_hears_again_ends_the_alert(tmp_path: Path) -> None:
    line = Timeline(
        tmp_path, policy(rule(), FAILING, route=SOON, late_delivery=MINUTE), 1.0,
        ops=Recorder("ops"), pager=Recorder("pager"),
    )  # fmt: skip
    line.receivers["ops"].answer = lambda _: Delivered() if line.seconds > 300 else Retry("down")
    line.at(1).drift("age")
    line.expect(between(62, 75), firing="DeliveryFailing", to="pager")
    line.expect(between(301, 345), firing="age")
    line.expect(between(305, 360), resolved="DeliveryFailing", to="pager")
    line.run(until=400)


def test_after_days_it_is_given_up(tmp_path: Path) -> None:
    line, broken = broken_line(tmp_path, 1e9, Retry("down"), step=60.0, receivers={"ops": Receiver(give_up_after=HOUR)})
    line.at(1).drift("age")
    gave_up: list[str] = []
    line.at(4000).do(lambda engine: gave_up.extend(f"{x.subject.split()[0]} {x.action}" for x in engine.audit()))
    line.wind(4100)
    assert max(time for time in broken.times if time <= 3700) >= 3600
    assert gave_up == ["ops park"]


def test_a_body_that_cannot_be_made_is_parked_and_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder("ops")
    body = recorder.body

    def fragile(group: AlertGroup) -> bytes:
        if group.labels["model"] == "bad":
            raise RuntimeError("no such field")
        return body(group)

    monkeypatch.setattr(recorder, "body", fragile)
    line = Timeline(tmp_path, policy(route=SOON), ops=recorder)
    line.at(1).drift("age", model="bad")
    line.at(2).drift("income", model="good")
    line.expect(between(2, 2), firing="income")
    line.run(until=20)


def test_code_that_raises_is_tried_again(tmp_path: Path) -> None:
    line = Timeline(tmp_path, policy(route=SOON), ops=Recorder("ops"))

    def answer(_: str) -> Outcome:
        if line.seconds < 5:
            raise RuntimeError("bug")
        return Delivered()

    line.receivers["ops"].answer = answer
    line.at(1).drift("age")
    line.expect(between(5, 10), firing="age")
    line.run(until=20)


def test_a_large_body_loses_alerts_until_it_fits(tmp_path: Path) -> None:
    line = Timeline(tmp_path, policy(route=SOON, receivers={"ops": Receiver(max_alerts=500)}))
    line.at(1).drift(*[f"column-{number:04}" for number in range(400)])
    line.wind(3)
    (told,) = line.told
    assert len(line.receivers["ops"].attempts[0][1]) <= 20_000
    assert 10 < len(told.group.alerts) < 400
    assert len(told.group.alerts) + told.group.truncated == 400


def test_parked_messages_are_kept_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "PARKED_KEPT", 3)
    line = Timeline(
        tmp_path,
        policy(route=Route("ops", group_by=("...",), group_wait=0)),
        ops=Recorder("ops", lambda _: Rejected("400")),
    )
    line.at(1).drift(*"abcdefgh")
    counted: list[int] = []
    line.at(3).do(lambda _: counted.extend(line.store.look("SELECT count(*) FROM outbox")[0]))
    line.wind(4)
    assert counted == [3]
