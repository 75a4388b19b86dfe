"""Inhibition and silences: what is not told, and that its end is told to who heard its beginning."""

from __future__ import annotations

from pathlib import Path

from alerts.builtin import INHIBITIONS, RULES
from alerts.durations import SECOND
from alerts.engine import AlertEngine
from alerts.matchers import parse_matchers
from alerts.policy import Inhibition, Route
from tests.timeline.timeline import EPOCH, LIVE, Timeline, between, policy, rule

QUALITY = rule("QualityProblem", "quality", severity="page")
BY_MODEL = Inhibition(parse_matchers("alertname=QualityProblem"), parse_matchers("alertname=FeatureDrift"), ("model",))


def silenced(engine: AlertEngine, matchers: str, until: float) -> str:
    """Silence alerts until a second of the timeline; return the id."""
    end = EPOCH + round(until * SECOND)
    return engine.silences.add(matchers, end, author="ada", comment="deploying").id


def test_a_broken_feed_silences_the_forty_drifts_that_follow(tmp_path: Path) -> None:
    columns = [f"c{number}" for number in range(40)]
    line = Timeline(tmp_path, policy(rule(), QUALITY, inhibitions=(BY_MODEL,)))
    line.at(1).signal("quality", model="m", column="feed", status="drift")
    line.at(1.5).drift(*columns)
    line.at(1.5).drift("age", model="other")
    line.at(20).fine(*columns)
    line.at(21).signal("quality", model="m", column="feed", status="ok")
    line.expect(between(2, 2.25), firing="feed")
    line.expect(between(2.5, 2.75), firing="age")
    line.expect(between(21, 27), resolved="feed")
    line.run(until=60)


def test_without_the_inhibition_all_forty_are_told(tmp_path: Path) -> None:
    line = Timeline(tmp_path, policy(rule(), QUALITY))
    line.at(1).signal("quality", model="m", column="feed", status="drift")
    line.at(1.5).drift("a", "b")
    line.expect(between(2, 2.25), firing="feed")
    line.expect(between(2.5, 2.75), firing="a b")
    line.run(until=20)


def test_what_outlasts_its_cause_is_told(tmp_path: Path) -> None:
    line = Timeline(tmp_path, policy(rule(), QUALITY, inhibitions=(BY_MODEL,)))
    line.at(1).signal("quality", model="m", column="feed", status="drift")
    line.at(1.5).drift("age")
    line.at(8).signal("quality", model="m", column="feed", status="ok")
    line.expect(between(2, 2.25), firing="feed")
    line.expect(between(8, 13), resolved="feed")
    line.expect(between(8, 13), firing="age")
    line.wind(60)
    assert [(sorted(each.firing), sorted(each.resolved)) for each in line.told] == [
        (["feed"], []), ([], ["feed"]), (["age"], []),
    ] or [(sorted(each.firing), sorted(each.resolved)) for each in line.told] == [
        (["feed"], []), (["age"], []), ([], ["feed"]),
    ]  # fmt: skip


def test_the_end_of_what_was_told_passes_the_mutes(tmp_path: Path) -> None:
    line = Timeline(tmp_path, policy(rule(), QUALITY, inhibitions=(BY_MODEL,)))
    line.at(1).drift("age")
    line.at(3).signal("quality", model="m", column="feed", status="drift")
    line.at(9).fine("age")
    line.expect(between(2, 2.25), firing="age")
    line.expect(between(4, 4.25), firing="feed")
    line.expect(between(9, 14), resolved="age")
    line.run(until=60)


def test_an_alert_does_not_inhibit_itself(tmp_path: Path) -> None:
    everything = Inhibition(parse_matchers("model=m"), parse_matchers("model=m"), ("model",))
    line = Timeline(tmp_path, policy(inhibitions=(everything,)))
    line.at(1).drift("age", "income")
    line.expect(between(2, 2.25), firing="age income")
    line.run(until=20)


def test_a_silence_holds_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    line = Timeline(tmp_path)
    line.at(0.5).do(lambda engine: silenced(engine, 'column="age"', until=20))
    line.at(1).drift("age", "income")
    line.expect(between(2, 2.25), firing="income")
    line.expect(between(20, 25), firing="age income", reason="changed")
    line.run(until=40)


def test_a_silence_can_be_ended_early_and_its_past_stands_in_the_audit(tmp_path: Path) -> None:
    line = Timeline(tmp_path)
    made: list[str] = []
    line.at(0.5).do(lambda engine: made.append(silenced(engine, "model=m", until=3000)))
    line.at(1).drift("age")
    line.at(10).do(lambda engine: engine.expire(made[0], author="bob"))
    line.expect(between(10, 15.5), firing="age", reason="new")
    line.at(30).do(lambda engine: made.extend(f"{each.actor} {each.action}" for each in engine.audit()))
    line.run(until=40)
    assert made[1:] == ["bob expire", "ada silence"]


def test_the_end_of_what_was_told_passes_a_silence(tmp_path: Path) -> None:
    line = Timeline(tmp_path)
    line.at(1).drift("age")
    line.at(3).do(lambda engine: silenced(engine, "model=m", until=3000))
    line.at(9).fine("age")
    line.expect(between(2, 2.25), firing="age")
    line.expect(between(9, 14), resolved="age")
    line.run(until=60)


def test_a_silence_outlives_a_crash(tmp_path: Path) -> None:
    line = Timeline(tmp_path)
    line.at(0.5).do(lambda engine: silenced(engine, "model=m", until=100))
    line.at(1).crash()
    line.at(2).drift("age")
    line.run(until=30)


def test_listing_says_what_mutes(tmp_path: Path) -> None:
    line = Timeline(tmp_path, policy(rule(), QUALITY, inhibitions=(BY_MODEL,)))
    line.at(0.5).do(lambda engine: silenced(engine, "column=feed", until=100))
    line.at(1).signal("quality", model="m", column="feed", status="drift")
    line.at(1).drift("age")
    listed: list[str] = []
    line.at(2).do(lambda engine: listed.extend(
        f"{each.alert.labels['column']} {len(each.silenced_by)} {bool(each.inhibited_by)}" for each in engine.alerts()
    ))  # fmt: skip
    line.wind(3)
    assert listed == ["feed 1 False", "age 0 True"]


def test_the_built_in_rules_know_their_causes(tmp_path: Path) -> None:
    line = Timeline(
        tmp_path, policy(*RULES, inhibitions=INHIBITIONS, shadow=LIVE, route=Route("ops", group_wait=SECOND))
    )
    for second in (1, 30, 70):
        line.at(second).signal("shard", statistic=100.0, labels={"shard": "2"})
    for number in range(3):
        line.at(200).drift("age", start=EPOCH + number * SECOND, end=EPOCH + (number + 1) * SECOND)
    line.expect(between(71, 72), firing="MissingShard")
    line.run(until=600)
