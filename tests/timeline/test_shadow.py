"""A trial without messages, and its digest."""

from __future__ import annotations

from pathlib import Path

from alerts.durations import DAY, SECOND
from alerts.policy import Route, Shadow
from tests.timeline.timeline import EACH, EPOCH, Timeline, between, policy, rule

DIGEST = 86_400
"""Second 0 is eight in the morning; so is the first digest, a day later."""
QUALITY = rule("QualityProblem", "quality", severity="page")


def test_nothing_is_told_but_one_digest_a_day(tmp_path: Path) -> None:
    line = Timeline(tmp_path, policy(rule(), QUALITY, shadow=Shadow(), route=Route("ops", group_wait=0)), step=300.0)
    for start in (600, 12_000, 24_000):
        line.at(start).drift("age", "income")
        line.at(start + 3000).fine("age", "income")
    line.at(30_000).signal("quality", model="m", column="city", status="drift")
    line.at(30_300).signal("quality", model="m", column="city", status="ok")
    line.expect(between(DIGEST, DIGEST), firing="ShadowDigest")
    line.expect(between(2 * DIGEST, 2 * DIGEST), firing="ShadowDigest")
    first, second = (told.group.alerts[0].annotations for told in line.run(until=2 * DIGEST + 3600))
    assert first["summary"] == "would have paged once and warned 3 times, for FeatureDrift (3), QualityProblem (1)"
    assert "m: 4 times" in first["description"]
    assert second["summary"] == "would have paged 0 times"
    assert "Nothing for m." in second["description"]


def test_the_digest_counts_messages_not_alerts(tmp_path: Path) -> None:
    line = Timeline(tmp_path, policy(rule(severity="page"), shadow=Shadow(), route=EACH), step=300.0)
    line.at(600).drift(*[f"c{number}" for number in range(30)])
    line.at(1200).fine(*[f"c{number}" for number in range(30)])
    line.wind(DIGEST)
    assert line.told[0].group.alerts[0].annotations["summary"] == "would have paged once, for FeatureDrift (1)"


def test_what_still_fires_is_told_when_the_trial_ends(tmp_path: Path) -> None:
    line = Timeline(tmp_path, policy(shadow=Shadow(trial=30 * SECOND, digest_at=EPOCH % DAY - SECOND)))
    line.at(1).drift("age")
    line.at(5).drift("gone")
    line.at(9).fine("gone")
    line.at(60).fine("age")
    line.expect(between(31, 42), firing="age", reason="new")
    line.expect(between(60, 65), resolved="age")
    line.run(until=90)


def test_one_model_may_be_in_shadow_while_another_is_live(tmp_path: Path) -> None:
    modes = Shadow(trial=0, models={"m": "shadow"})
    line = Timeline(tmp_path, policy(shadow=modes))
    line.at(1).drift("age")
    line.at(1).drift("income", model="live")
    line.expect(between(2, 2.25), firing="income")
    line.run(until=30)


def test_the_alerting_itself_is_never_in_shadow(tmp_path: Path) -> None:
    line = Timeline(tmp_path, policy(rule("Watchdog", "heartbeat"), shadow=Shadow(mode="shadow")))
    line.at(1).signal("heartbeat", status="drift")
    line.expect(between(2, 2.25), firing="Watchdog")
    line.run(until=10)
