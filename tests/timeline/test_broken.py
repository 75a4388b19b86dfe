"""Each stage matters: without it, the test that speaks of it fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from alerts import flush, groups, stages
from alerts.durations import SECOND
from alerts.entry import Entry
from alerts.memory import GroupState
from alerts.policy import Receiver
from alerts.stages import Stage
from tests.timeline import test_groups, test_mutes, test_shadow
from tests.timeline.timeline import Timeline, between, policy
from tests.unit import test_alert_engine


def fifty_of_sixty(tmp_path: Path) -> None:
    line = Timeline(tmp_path, policy(receivers={"ops": Receiver(max_alerts=50)}))
    line.at(1).drift(*[f"c{number:02}" for number in range(60)])
    line.wind(3)
    assert [(len(told.group.alerts), told.group.truncated) for told in line.told] == [(50, 10)]


CASES: tuple[tuple[Stage, Callable[[Path], None]], ...] = (
    (stages.inhibit, test_mutes.test_a_broken_feed_silences_the_forty_drifts_that_follow),
    (stages.silence, test_mutes.test_a_silence_holds_from_its_beginning_to_its_end),
    (stages.dedup, test_groups.test_one_alert_is_told_once_and_once_again_when_it_is_over),
    (stages.limit, test_groups.test_too_many_messages_wait_and_are_told_together),
    (stages.order, test_alert_engine.test_the_likely_cause_comes_first),
    (stages.cut, fifty_of_sixty),
)


@pytest.mark.parametrize(("stage", "case"), CASES, ids=[stage.__name__ for stage, _ in CASES])
def test_a_stage_left_out_is_found(
    stage: Stage, case: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case(tmp_path / "whole")
    monkeypatch.setattr(flush, "MESSAGE", tuple(each for each in stages.MESSAGE if each is not stage))
    with pytest.raises(AssertionError):
        case(tmp_path / "broken")


def test_groups_that_do_not_wait_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def hurried(self: groups.Groups, state: GroupState, now: int) -> None:
        state.due = now
        self._changed.add(state.group.key)

    monkeypatch.setattr(groups.Groups, "_schedule", hurried)
    for case in (
        test_groups.test_what_comes_within_the_wait_is_one_message,
        test_groups.test_what_began_and_ended_within_the_wait_is_not_told,
        test_groups.test_the_time_of_turns_outlives_a_crash,
    ):
        with pytest.raises(AssertionError):
            case(tmp_path / case.__name__)


def test_a_shadow_that_leaks_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alerts.engine.in_shadow", lambda *_: False)
    with pytest.raises(AssertionError):
        test_shadow.test_one_model_may_be_in_shadow_while_another_is_live(tmp_path)


def test_mutes_that_swallow_the_end_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silence = stages.silence

    def greedy(context: stages.Context, entries: tuple[Entry, ...]) -> tuple[Entry, ...]:
        gone, context.gone = context.gone, frozenset()
        left = silence(context, entries)
        context.gone = gone & {entry.fingerprint for entry in left}
        return left

    monkeypatch.setattr(flush, "MESSAGE", tuple(greedy if each is silence else each for each in stages.MESSAGE))
    with pytest.raises(AssertionError):
        test_mutes.test_the_end_of_what_was_told_passes_a_silence(tmp_path)


def test_a_timeline_fails_when_something_is_told_too_early(tmp_path: Path) -> None:
    line = Timeline(tmp_path)
    line.at(1).drift("age")
    line.expect(between(2.5, 3), firing="age")
    with pytest.raises(AssertionError):
        line.run(until=5)
    assert line.now() > 5 * SECOND
