"""Grouping, waiting, repeating, resolving: when a receiver is told what."""

from __future__ import annotations

from pathlib import Path

from alerts.durations import SECOND
from alerts.matchers import parse_matchers
from alerts.policy import Receiver, Route
from tests.timeline.timeline import Recorder, Timeline, between, policy, rule


def test_one_alert_is_told_once_and_once_again_when_it_is_over(tmp_path: Path) -> None:
    line = Timeline(tmp_path)
    line.at(1).drift("age")
    line.at(2.5).drift("age")
    line.at(4).drift("age")
    line.at(6).fine("age")
    line.expect(between(2, 2.25), firing="age", reason="new")
    line.expect(between(7, 7.25), resolved="age", reason="resolved")
    line.run(until=60)


def test_what_comes_within_the_wait_is_one_message(tmp_path: Path) -> None:
    line = Timeline(tmp_path)
    line.at(1).drift("age")
    line.at(1.5).drift("income")
    line.at(3).drift("city")
    line.expect(between(2, 2.25), firing="age income")
    line.expect(between(7, 7.25), firing="age city income", reason="changed")
    line.run(until=30)


def test_what_began_and_ended_within_the_wait_is_not_told(tmp_path: Path) -> None:
    line = Timeline(tmp_path)
    line.at(1).drift("age")
    line.at(1.5).fine("age")
    line.run(until=30)


def test_what_fired_again_within_the_interval_is_told_as_new(tmp_path: Path) -> None:
    line = Timeline(tmp_path)
    line.at(1).drift("age")
    line.at(3).fine("age")
    line.at(4).drift("age")
    line.expect(between(2, 2.25), firing="age")
    line.expect(between(7, 7.25), firing="age", reason="changed")
    line.run(until=30)


def test_it_is_repeated_while_it_fires(tmp_path: Path) -> None:
    line = Timeline(
        tmp_path, policy(route=Route("ops", group_wait=0, group_interval=SECOND, repeat_interval=10 * SECOND))
    )
    line.at(1).drift("age")
    line.at(25).fine("age")
    line.expect(between(1, 1), firing="age", reason="new")
    line.expect(between(11, 12), firing="age", reason="repeat")
    line.expect(between(21, 23), firing="age", reason="repeat")
    line.expect(between(25, 26), resolved="age")
    told = line.run(until=60)
    assert len({each.group.message_id for each in told}) == 4
    assert len({each.group.key for each in told}) == 1


def test_it_is_repeated_also_when_it_fires_again_after_its_group_was_forgotten(tmp_path: Path) -> None:
    line = Timeline(
        tmp_path, policy(route=Route("ops", group_wait=0, group_interval=SECOND, repeat_interval=10 * SECOND))
    )
    for begin in (1, 41):
        line.at(begin).drift("age")
        line.at(begin + 15).fine("age")
        line.expect(between(begin, begin), firing="age", reason="new")
        line.expect(between(begin + 10, begin + 11), firing="age", reason="repeat")
        line.expect(between(begin + 15, begin + 16), resolved="age")
    told = line.run(until=60)
    assert len({one.group.message_id for one in told}) == 6


def test_groups_are_formed_by_their_labels(tmp_path: Path) -> None:
    line = Timeline(tmp_path)
    line.at(1).drift("age", model="a")
    line.at(1).drift("age", model="b")
    line.expect(between(2, 2.25), firing="age")
    line.expect(between(2, 2.25), firing="age")
    told = line.run(until=10)
    assert {each.group.labels["model"] for each in told} == {"a", "b"}
    assert all(each.group.labels["alertname"] == "FeatureDrift" for each in told)


def test_every_alert_may_be_a_group(tmp_path: Path) -> None:
    line = Timeline(tmp_path, policy(route=Route("ops", group_by=("...",), group_wait=0)))
    line.at(1).drift("age", "income")
    line.wind(3)
    assert sorted(sorted(each.firing) for each in line.told) == [["age"], ["income"]]


def test_routes(tmp_path: Path) -> None:
    pages = Route("pager", parse_matchers("severity=page"), group_wait=0, carry_on=True)
    fraud = Route("fraud", parse_matchers('model=~"fraud.*"'))
    rules = (rule(), rule("QualityProblem", "quality", severity="page"))
    route = Route("ops", group_by=("model",), group_wait=SECOND, group_interval=5 * SECOND, routes=(pages, fraud))
    line = Timeline(
        tmp_path, policy(*rules, route=route), ops=Recorder("ops"), pager=Recorder("pager"), fraud=Recorder("fraud")
    )
    line.at(1).drift("age", model="fraud-2")
    line.at(1).signal("quality", model="fraud-2", column="city", status="drift")
    line.at(1).signal("quality", model="churn", column="plan", status="drift")
    line.at(1).drift("tenure", model="churn")
    line.expect(between(1, 1), firing="plan", to="pager")
    line.expect(between(1, 1), firing="city", to="pager")
    line.expect(between(2, 2.25), firing="tenure", to="ops")
    line.expect(between(2, 2.25), firing="age city", to="fraud")
    line.wind(10)
    found = {(each.receiver, each.firing) for each in line.told}
    assert found == {(to, firing) for _, to, firing, _, _ in line._expected}
    assert {each.at for each in line.told if each.receiver == "pager"} == {1}


def test_the_time_of_turns_outlives_a_crash(tmp_path: Path) -> None:
    line = Timeline(tmp_path)
    line.at(1).drift("age")
    line.at(1.5).crash()
    line.at(3).drift("income")
    line.at(3.5).crash()
    line.at(8).fine("age", "income")
    line.at(8.5).crash()
    line.expect(between(2, 2.25), firing="age")
    line.expect(between(7, 7.25), firing="age income")
    line.expect(between(12, 12.5), resolved="age income")
    line.run(until=60)


def test_a_receiver_may_not_want_to_hear_the_end(tmp_path: Path) -> None:
    line = Timeline(tmp_path, policy(receivers={"ops": Receiver(send_resolved=False)}))
    line.at(1).drift("age")
    line.at(4).fine("age")
    line.at(20).drift("age")
    line.expect(between(2, 2.25), firing="age")
    line.expect(between(21, 21.25), firing="age")
    line.run(until=60)


def test_too_many_messages_wait_and_are_told_together(tmp_path: Path) -> None:
    limits = {"ops": Receiver(messages=2, per=20 * SECOND)}
    line = Timeline(
        tmp_path,
        policy(route=Route("ops", group_by=("column",), group_wait=0, group_interval=SECOND), receivers=limits),
    )
    line.at(1).drift("a")
    line.at(2).drift("b")
    line.at(3).drift("c")
    line.at(4).fine("a")
    line.expect(between(1, 1), firing="a")
    line.expect(between(2, 2), firing="b")
    line.expect(between(21, 22.5), firing="c")
    line.expect(between(22, 23), resolved="a")
    line.run(until=60)


def test_a_changed_route_moves_what_fires(tmp_path: Path) -> None:
    line = Timeline(tmp_path)
    line.at(1).drift("age")
    line.expect(between(2, 2.25), firing="age")
    line.run(until=5)
    again = Timeline(
        tmp_path, policy(route=Route("ops", group_by=("column",), group_wait=SECOND, group_interval=5 * SECOND))
    )
    again._number, again.seconds = line._number, line.seconds
    again.at(20).fine("age")
    again.wind(40)
    assert [(sorted(told.firing), sorted(told.resolved)) for told in again.told] == [
        ([], ["age"]), (["age"], []), ([], ["age"]),
    ]  # fmt: skip
    assert again.told[0].group.key == line.told[0].group.key
    assert again.told[1].group.key == again.told[2].group.key != line.told[0].group.key


def test_a_group_that_waits_is_told_soon_after_the_clock_was_set_back(tmp_path: Path) -> None:
    line = Timeline(tmp_path)
    line.seconds = 7200.0
    line.feed([("drift", {"model": "m", "column": "age", "status": "drift"})])
    line.engine.tick(line.now())
    line.seconds = 3600.0
    for _ in range(40):
        line.engine.tick(line.now())
        line.seconds += 0.25
    line.wind(line.seconds)
    assert [told.firing for told in line.told] == [{"age"}]
