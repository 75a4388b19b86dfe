"""From alerts to a run and back, on a hand-wound clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from alerts.durations import DAY, HOUR, MINUTE, SECOND
from alerts.retraining.desk import DeskError
from alerts.retraining.facts import OwnChange
from alerts.retraining.ledger import read_changes
from alerts.retraining.policy import Blackout, Guardrails
from alerts.retraining.targets.port import Answer, NotStarted, Refused, Started, Unknown
from alerts.silences import read_silences
from tests.retraining_ground import FREE, MODEL, Ground, Pipeline, policy_of


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """Return a service without limits."""
    made = Ground(tmp_path, policy_of())
    yield made
    made.close()


def limited(tmp_path: Path, *, dry_run: bool = False, target: Pipeline | None = None, **limits: object) -> Ground:
    """Return a service with some limits."""
    return Ground(tmp_path, policy_of(replace(FREE, **limits), dry_run=dry_run), target)  # type: ignore[arg-type]


def test_a_drop_in_performance_starts_one_run(ground: Ground) -> None:
    ground.tell("performance")
    ground.wait()
    found = ground.one()
    assert (found.state, found.run, found.version, found.trigger) == ("running", f"run-{found.key}", "7", "condition")
    assert ground.target.runs == [found.key]
    for _ in range(50):
        ground.wait(HOUR)
    assert ground.target.runs == [found.key]
    assert ground.decisions()[:3] == ["proposed", "fired", "running"]


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (["performance"], 1), (["drift"], 0), (["estimate"], 0), (["drift", "estimate"], 1), (["evidence"], 0),
        (["evidence", "estimate"], 1), (["score"], 0), (["calibration"], 0), (["quality"], 0),
    ],
)  # fmt: skip
def test_the_condition_decides(kinds: list[str], expected: int, ground: Ground) -> None:
    for kind in kinds:
        ground.tell(kind)
    ground.wait()
    assert len(ground.target.runs) == expected


def test_drift_of_a_slice_or_another_model_is_no_reason(ground: Ground) -> None:
    ground.tell("performance", slice="country=DE")
    ground.tell("performance", model="other")
    ground.tell("performance", version="6")
    ground.wait()
    assert ground.all() == []
    ground.tell("performance", version="7")
    ground.wait()
    assert len(ground.target.runs) == 1


@pytest.mark.parametrize("kind", ["quality", "last_prediction", "shard", "coverage", "late"])
def test_a_fault_blocks_though_performance_drops(kind: str, tmp_path: Path) -> None:
    ground = limited(tmp_path, clean_for=HOUR)
    ground.tell(kind, model="" if kind == "shard" else MODEL)
    ground.tell("performance")
    ground.wait()
    assert (ground.one().state, ground.target.runs) == ("proposed", [])
    assert ground.decisions() == ["proposed", "fault"]
    ground.wait()
    ground.wait()
    assert ground.decisions() == ["proposed", "fault"]
    ground.tell(kind, "ok", model="" if kind == "shard" else MODEL)
    ground.wait(HOUR - MINUTE)
    assert ground.target.runs == []
    ground.wait(2 * MINUTE)
    assert len(ground.target.runs) == 1


def test_evidence_counts_as_what_it_is_gathered_of(ground: Ground) -> None:
    ground.tell("evidence", column="amount.missing", window="evidence")
    ground.tell("evidence", column="recall", window="evidence:outcomes")
    ground.wait()
    assert (ground.one().state, ground.decisions()) == ("proposed", ["proposed", "fault"])
    ground.tell("evidence", "ok", column="amount.missing", window="evidence")
    ground.wait()
    assert ground.one().state == "running"


def test_a_fault_that_comes_after_approval_still_blocks(tmp_path: Path) -> None:
    ground = limited(tmp_path, approval=True)
    ground.tell("performance")
    ground.wait()
    ground.desk.approve(ground.one().id, actor="ana")
    ground.tell("quality")
    ground.wait()
    assert (ground.one().state, ground.target.runs) == ("awaiting_approval", [])
    ground.tell("quality", "ok")
    ground.wait()
    assert (ground.one().state, ground.one().approved_by) == ("running", "ana")


def test_what_follows_from_a_change_of_ones_own_is_no_reason(ground: Ground) -> None:
    ground.know(changes=(OwnChange(ground.now, "the decision threshold changed"),))
    ground.now += MINUTE
    ground.tell("performance")
    ground.wait()
    assert (ground.all(), ground.decisions()) == ([], ["policy_change"])
    ground.wait(DAY)
    assert ground.all() == []
    ground.tell("performance", column="precision")
    ground.wait()
    assert len(ground.target.runs) == 1


def test_a_reference_that_switches_is_a_change_of_ones_own(ground: Ground) -> None:
    ground.know(at=ground.now)
    ground.wait()
    ground.know(at=ground.now, references={"7": "ghi"})
    ground.wait()
    ground.know(references={})
    ground.tell("performance")
    ground.wait()
    assert (ground.all(), ground.decisions()) == ([], ["policy_change"])
    assert "another reference, ghi" in ground.audit()[0][2]
    ground.know(at=ground.now, references={"7": "ghi"})
    ground.wait(2 * HOUR)
    ground.tell("performance", column="precision")
    ground.wait()
    assert len(ground.target.runs) == 1, "what it did not know meanwhile was no switch"


def test_what_began_before_the_reference_switched_is_a_reason(ground: Ground) -> None:
    ground.know(at=ground.now)
    ground.wait()
    ground.now += HOUR
    ground.tell("performance", onset=ground.now - HOUR)
    ground.know(at=ground.now, references={"7": "ghi"})
    ground.wait()
    assert len(ground.target.runs) == 1


def test_a_second_change_does_not_take_the_blame_from_the_first(ground: Ground) -> None:
    ground.know(at=ground.now)
    ground.wait()
    ground.know(at=ground.now, version="8")
    ground.wait()
    ground.tell("performance")
    for day in range(1, 4):
        ground.know(at=ground.now, terms=f"t{day}", references={"8": f"r{day}"})
        ground.wait(DAY)
        ground.close()
        ground.open()
    assert ground.all() == [], "it began with version 8"
    ground.tell("performance", column="precision")
    ground.wait()
    assert len(ground.target.runs) == 1


def test_changes_of_ones_own_are_bounded(ground: Ground) -> None:
    for number in range(150):
        ground.know(at=ground.now, terms=f"t{number}")
        ground.wait()
    with ground.store.reading() as connection:
        kept = read_changes(connection, MODEL)
    assert len(kept) == 100
    assert kept[-1].at > ground.now - MINUTE


def test_what_began_before_a_change_is_a_reason(ground: Ground) -> None:
    ground.tell("performance", onset=ground.now - DAY)
    ground.know(changes=(OwnChange(ground.now - MINUTE, "a deploy"),))
    ground.wait()
    assert len(ground.target.runs) == 1


def test_what_a_person_silenced_is_no_reason(ground: Ground) -> None:
    ground.tell("performance")
    ground.alerts.silences.add("alertname=PerformanceDrop", ground.now + DAY, author="ana", comment="a campaign")
    ground.wait()
    assert ground.all() == []
    ground.wait(DAY)
    assert len(ground.target.runs) == 1


def test_a_dry_run_sends_nothing_and_keeps_to_the_limits(tmp_path: Path) -> None:
    ground = limited(tmp_path, dry_run=True, cooldown=DAY, approval=True)
    ground.tell("performance")
    ground.wait()
    found = ground.one()
    assert (found.state, found.dry_run) == ("awaiting_approval", True)
    ground.desk.approve(found.id[:8], actor="ana")
    ground.wait()
    assert (ground.one().state, ground.one().outcome, ground.target.bodies) == ("cooldown", "dry_run", [])
    ground.wait(DAY)
    assert (ground.one().state, ground.target.bodies) == ("done", [])


def test_a_model_on_trial_only_has_dry_runs(ground: Ground) -> None:
    ground.know(shadow=True)
    ground.tell("performance")
    ground.wait()
    assert (ground.one().outcome, ground.target.bodies) == ("dry_run", [])


def test_a_second_episode_waits_for_the_cooldown(tmp_path: Path) -> None:
    ground = limited(tmp_path, cooldown=3 * DAY)
    ground.tell("performance")
    ground.wait()
    ground.tell("performance", "ok")
    finish(ground, version="8")
    ground.tell("performance", version="8")
    ground.wait(DAY)
    assert ground.states() == ["cooldown", "proposed"]
    assert ground.decisions()[-1] == "cooldown"
    ground.wait(3 * DAY)
    assert ground.states() == ["done", "running"]


def test_limits_of_day_month_and_money(tmp_path: Path) -> None:
    ground = limited(tmp_path, max_per_day=2, max_per_30d=3, cost_per_run=10.0, monthly_budget=35.0)
    sent = []
    for day in range(40):
        for _ in range(3):
            ground.wait(HOUR)
            before = len(ground.target.runs)
            ground.tell("performance")
            ground.wait()
            if len(ground.target.runs) > before:
                sent.append(ground.now)
                finish(ground, version=f"v{ground.now}")
            ground.tell("performance", "ok")
            ground.wait()
        ground.now += 20 * HOUR - day
    assert [sum(0 <= later - at < DAY for later in sent) for at in sent].count(3) == 0
    assert max(sum(0 <= later - at < 30 * DAY for later in sent) for at in sent) == 3
    assert len(sent) >= 4


def test_too_few_labels_since_the_last_request(tmp_path: Path) -> None:
    ground = limited(tmp_path, min_matured_labels=1_000)
    ground.know(matured_labels=999)
    ground.tell("performance")
    ground.wait()
    assert ground.decisions() == ["proposed", "labels"]
    ground.know(matured_labels=1_500)
    ground.wait()
    assert len(ground.target.runs) == 1
    finish(ground, version="8")
    ground.know(version="8", matured_labels=2_499)
    ground.wait()
    ground.wait(2 * HOUR)
    ground.tell("performance", "ok")
    ground.wait()
    ground.tell("performance")
    ground.wait()
    assert len(ground.target.runs) == 1
    ground.know(matured_labels=2_500)
    ground.wait()
    assert len(ground.target.runs) == 2


def test_nothing_known_of_labels_blocks(tmp_path: Path) -> None:
    ground = limited(tmp_path, min_matured_labels=1, min_label_coverage=0.5)
    ground.know(matured_labels=None, coverage=float("nan"))
    ground.tell("performance")
    ground.wait()
    assert (ground.one().state, ground.decisions()) == ("proposed", ["proposed", "labels"])
    assert "nothing is known" in ground.audit()[-1][2]
    ground.know(matured_labels=10, coverage=0.4)
    ground.wait()
    assert ground.decisions()[-1] == "coverage"


def test_blackout(tmp_path: Path) -> None:
    friday = Blackout(days=frozenset({4}))
    ground = limited(tmp_path, blackouts=(friday,))
    ground.tell("performance")
    ground.wait()
    assert ground.decisions() == ["proposed", "blackout"]
    ground.wait(DAY)
    assert len(ground.target.runs) == 1


def test_the_condition_must_hold_for_a_while(tmp_path: Path) -> None:
    ground = limited(tmp_path, holds_for=HOUR)
    ground.tell("performance")
    ground.wait()
    ground.wait(HOUR - MINUTE)
    assert ground.target.runs == []
    ground.tell("performance", "ok")
    ground.wait()
    assert ground.one().state == "withdrawn"
    ground.tell("performance")
    ground.wait()
    ground.wait(HOUR + SECOND)
    assert len(ground.target.runs) == 1


def test_pauses_of_all_and_of_one_model(ground: Ground) -> None:
    ground.desk.pause(actor="ana", because="freeze before the holidays")
    ground.tell("performance")
    ground.wait()
    assert (ground.one().state, ground.decisions()) == ("proposed", ["paused", "proposed", "paused"])
    assert ground.desk.resume(actor="ana")
    ground.desk.pause(actor="ben", because="hands off", model=MODEL)
    ground.wait()
    assert ground.target.runs == []
    assert ground.desk.resume(actor="ben", model=MODEL)
    assert not ground.desk.resume(actor="ben", model=MODEL)
    ground.wait()
    assert len(ground.target.runs) == 1


def test_a_pause_stops_attempts_that_are_still_to_come(tmp_path: Path) -> None:
    target = Pipeline(answer=lambda _: NotStarted("no"))
    ground = limited(tmp_path, target=target)
    ground.tell("performance")
    ground.wait()
    tried = len(target.bodies)
    ground.desk.pause(actor="ana", because="stop")
    for _ in range(20):
        ground.wait(MINUTE)
    assert (len(target.bodies), ground.one().state) == (tried, "requested")
    ground.desk.resume(actor="ana")
    target.answer = Started
    ground.wait(2 * MINUTE)
    assert ground.one().state == "running"


def test_approval_by_a_person(tmp_path: Path) -> None:
    ground = limited(tmp_path, approval=True)
    ground.tell("performance")
    for _ in range(5):
        ground.wait()
    found = ground.one()
    assert (found.state, ground.target.runs) == ("awaiting_approval", [])
    with pytest.raises(DeskError, match="author"):
        ground.desk.approve(found.id, actor=" ")
    ground.desk.approve(found.id[:6], actor="ana", because="looked at it")
    with pytest.raises(DeskError, match="waits for no approval"):
        ground.desk.approve(found.id, actor="ben")
    ground.wait()
    assert (ground.one().state, ground.one().approved_by) == ("running", "ana")
    actor, decision, detail = next(line for line in ground.audit() if line[1] == "approved")
    assert (actor, decision) == ("ana", "approved")
    assert "looked at it" in detail


def test_what_restated_figures_take_up_again_is_the_same_proposal(tmp_path: Path) -> None:
    ground = limited(tmp_path, approval=True)
    ground.tell("performance")
    ground.wait(HOUR)
    before = ground.one()
    window = {"start": ground.now - 1, "end": ground.now}
    ground.tell("performance", "ok", **window)
    ground.wait()
    assert (ground.one().state, ground.one().outcome) == ("withdrawn", "its condition no longer holds")
    ground.tell("performance", "drift", **window, revision=3, explanation="It never got better.")
    ground.wait()
    again = ground.one()
    assert (again.id, again.episode, again.state) == (before.id, before.episode, "awaiting_approval")
    assert (again.created_at > before.created_at, again.outcome, again.approved_by) == (True, "", "")
    assert "It never got better." in again.because
    assert "It never got better." in again.evidence
    assert ground.decisions() == ["proposed", "awaiting_approval", "withdrawn", "proposed", "awaiting_approval"]
    ground.desk.approve(again.id, actor="ana")
    ground.wait()
    assert len(ground.target.runs) == 1
    for status in ("ok", "drift", "ok", "drift"):
        ground.tell("performance", status, **window, revision=4)
        ground.wait()
    assert len(ground.target.runs) == 1, "what has left is not asked for again"


@pytest.mark.parametrize("ended", ["rejected", "lapsed"])
def test_what_ended_otherwise_is_not_proposed_again_by_restated_figures(tmp_path: Path, ended: str) -> None:
    ground = limited(tmp_path, approval=True, lapses_after=2 * DAY)
    ground.tell("performance")
    ground.wait(HOUR)
    if ended == "rejected":
        ground.desk.reject(ground.one().id, actor="ana", because="known")
    else:
        ground.wait(2 * DAY)
    state = ground.one().state
    window = {"start": ground.now - 1, "end": ground.now}
    for status in ("ok", "drift"):
        ground.tell("performance", status, **window, revision=3)
        ground.wait()
    assert (len(ground.all()), ground.one().state) == (1, state)


def test_a_rejected_episode_stays_rejected(tmp_path: Path) -> None:
    ground = limited(tmp_path, approval=True)
    ground.tell("performance")
    ground.wait()
    with pytest.raises(DeskError, match="reason"):
        ground.desk.reject(ground.one().id, actor="ana", because="")
    ground.desk.reject(ground.one().id, actor="ana", because="known cause")
    for _ in range(10):
        ground.wait(DAY)
    assert (ground.states(), ground.target.runs) == (["rejected"], [])


def test_nobody_approves(tmp_path: Path) -> None:
    ground = limited(tmp_path, approval=True, lapses_after=2 * DAY)
    ground.tell("performance")
    ground.wait()
    ground.wait(2 * DAY + SECOND)
    assert ground.states() == ["withdrawn"]


def test_the_condition_ends_or_another_version_comes_before_approval(tmp_path: Path) -> None:
    ground = limited(tmp_path, approval=True)
    ground.tell("performance")
    ground.wait()
    ground.tell("performance", "ok")
    ground.wait()
    ground.tell("performance")
    ground.wait()
    ground.know(version="8")
    ground.wait()
    assert ground.states() == ["withdrawn", "withdrawn"]
    assert ground.all()[1].outcome == "version 8 is live and no longer 7"
    for _ in range(5):
        ground.wait(HOUR)
    assert len(ground.all()) == 2, "the alert that began with version 7 is the same episode"
    ground.tell("performance", "ok")
    ground.wait()
    ground.tell("performance", version="8")
    ground.wait()
    assert (ground.states()[-1], ground.all()[-1].version) == ("awaiting_approval", "8")


def test_evidence_rests_on_the_alerts(ground: Ground) -> None:
    ground.tell("performance", statistic=0.81, reference=0.9, low=-0.12, high=-0.06, p_value=1e-9, window="daily")
    ground.wait()
    document = json.loads(ground.one().evidence)
    (alert,) = document["alerts"]
    assert (alert["rule"], alert["statistic"], alert["reference"], alert["n"]) == ("PerformanceDrop", 0.81, 0.9, 1_000)
    assert (alert["low"], alert["high"], alert["window"]["name"]) == (-0.12, -0.06, "daily")
    assert document["labels"] == {"matured": 50_000, "coverage": 0.9}
    assert document["versions"] == {"live": "7", "rows": {"7": 5_000}}
    assert document["references"] == {"7": "abc", "8": "def"}


def test_a_request_that_is_refused_has_failed_and_is_not_repeated(tmp_path: Path) -> None:
    target = Pipeline(answer=lambda _: Refused("no such DAG"))
    ground = limited(tmp_path, target=target)
    ground.tell("performance")
    for _ in range(20):
        ground.wait(HOUR)
    assert (len(target.bodies), ground.one().problem, ground.one().outcome) == (1, "no such DAG", "failed")


def test_a_target_that_is_down_is_asked_again_with_the_same_bytes(tmp_path: Path) -> None:
    for idempotent in (True, False):
        target = Pipeline(idempotent, lambda _: NotStarted("refused the connection"))
        ground = limited(tmp_path / str(idempotent), target=target)
        ground.tell("performance")
        for _ in range(10):
            ground.wait(MINUTE)
        target.answer = Started
        ground.wait(MINUTE)
        assert ground.one().state == "running"
        assert len(target.bodies) > 5
        assert len(set(target.bodies)) == 1


def test_a_lost_answer_is_asked_again_only_where_the_key_is_known(tmp_path: Path) -> None:
    known = Pipeline(True, lambda _: Unknown("did not answer in time"))
    ground = limited(tmp_path / "known", target=known)
    ground.tell("performance")
    ground.wait()
    known.answer = Started
    ground.wait(MINUTE)
    assert (ground.one().state, len(known.bodies), len(known.runs)) == ("running", 2, 1)

    other = Pipeline(False, lambda _: Unknown("did not answer in time"))
    ground = limited(tmp_path / "other", target=other)
    ground.tell("performance")
    for _ in range(10):
        ground.wait(HOUR)
    assert (ground.one().state, len(other.runs)) == ("parked", 1)
    assert "approve to send it again" in ground.audit()[-1][2]


@pytest.mark.parametrize("say", ["started", "again", "give up"])
def test_a_parked_request_asks_a_person(say: str, tmp_path: Path) -> None:
    target = Pipeline(False, lambda _: Unknown("hung up"))
    ground = limited(tmp_path, target=target)
    ground.tell("performance")
    ground.wait()
    target.answer = Started
    if say == "started":
        ground.desk.started(ground.one().id, actor="ana", run="ci/12")
        assert (ground.one().state, ground.one().run, len(target.runs)) == ("running", "ci/12", 1)
    elif say == "again":
        ground.desk.approve(ground.one().id, actor="ana")
        ground.wait()
        assert (ground.one().state, len(target.runs)) == ("running", 2)
    else:
        ground.desk.reject(ground.one().id, actor="ana", because="it did not start, and need not")
        ground.wait()
        assert (ground.one().state, len(target.runs)) == ("rejected", 1)


def test_an_unknown_outcome_is_never_called_a_failure(tmp_path: Path) -> None:
    answers: Iterator[Answer] = iter([Unknown("hung up"), Refused("401")])
    target = Pipeline(True, lambda _: next(answers))
    ground = limited(tmp_path, target=target)
    ground.tell("performance")
    ground.wait()
    ground.wait(MINUTE)
    assert (ground.one().state, ground.one().outcome) == ("parked", "unknown")


def test_given_up_after_hours(tmp_path: Path) -> None:
    answers: list[tuple[Answer, str]] = [(NotStarted("down"), "failed"), (Unknown("down"), "parked")]
    for answer, state in answers:
        target = Pipeline(True, always(answer))
        ground = Ground(tmp_path / state, policy_of(replace(FREE, cooldown=DAY), give_up_after=HOUR), target)
        ground.tell("performance")
        for _ in range(90):
            ground.wait(MINUTE)
        assert ground.one().outcome == ("failed" if state == "failed" else "unknown")
        assert state in ground.decisions()


def finish(ground: Ground, version: str) -> None:
    """Let the run that is under way bring a version, and have its reference hold."""
    assert "running" in ground.states()
    ground.know(version=version)
    ground.wait()
    ground.wait()
    ground.wait(FREE.settle + SECOND)
    assert "succeeded" not in ground.states()


def always(answer: Answer) -> Callable[[str], Answer]:
    return lambda _: answer


def frozen(ground: Ground) -> list[str]:
    with ground.store.reading() as connection:
        found = [silence for silence in read_silences(connection, ground.now) if silence.active(ground.now)]
    return [silence.id for silence in found]


def test_the_new_version_closes_the_loop_and_thaws_the_warnings(tmp_path: Path) -> None:
    ground = limited(tmp_path, cooldown=DAY, settle=HOUR)
    ground.tell("performance")
    ground.wait()
    assert frozen(ground) == []
    ground.know(version="8", rows={"7": 10, "8": 400})
    ground.wait()
    found = ground.one()
    assert (found.state, found.new_version) == ("succeeded", "8")
    assert frozen(ground) == [found.freeze]
    ground.wait()
    ground.wait(HOUR - MINUTE)
    assert frozen(ground) == [found.freeze]
    ground.wait(2 * MINUTE)
    assert (ground.one().state, frozen(ground)) == ("cooldown", [])
    assert ground.decisions()[-3:] == ["succeeded", "adopted", "reference_holds"]
    assert "reference def" in ground.audit()[-2][2]


def test_the_freeze_lasts_until_the_reference_switches(tmp_path: Path) -> None:
    ground = limited(tmp_path, cooldown=DAY, settle=HOUR, adopted_within=10 * DAY)
    ground.know(references={"7": "abc", "8": "abc"})
    ground.tell("performance")
    ground.wait()
    for _ in range(3):
        ground.know(version="8")
        ground.wait()
        ground.wait(2 * HOUR)
    assert ground.one().state == "cooldown"
    ground.wait(3 * DAY)
    assert len(frozen(ground)) == 1
    ground.tell("performance", "ok")
    ground.wait()
    ground.tell("performance", version="8", column="precision")
    ground.wait()
    assert len(ground.target.runs) == 2, "a freeze holds nothing else back"
    ground.know(references={"7": "abc", "8": "def"})
    ground.wait()
    assert (frozen(ground), ground.states()) == ([], ["done", "running"])
    assert "reference_holds" in ground.decisions()


def test_a_reference_that_never_switches_thaws_by_time(tmp_path: Path) -> None:
    ground = limited(tmp_path, adopted_within=2 * DAY)
    ground.know(references={"7": "abc", "8": "abc"})
    ground.tell("performance")
    ground.wait()
    ground.know(version="8")
    for _ in range(60):
        ground.wait(HOUR)
    assert (ground.one().state, frozen(ground)) == ("done", [])
    assert "reference_kept" in ground.decisions()


def test_new_settings_are_a_change_of_ones_own(ground: Ground) -> None:
    ground.know(terms="score >= 0.9", at=ground.now)
    ground.wait()
    ground.know(terms="score >= 0.5", at=ground.now)
    ground.tell("performance")
    ground.wait()
    assert (ground.all(), ground.decisions()) == ([], ["policy_change"])
    assert "settings" in ground.audit()[-1][2]


def test_only_warnings_about_features_are_frozen(ground: Ground) -> None:
    ground.tell("performance")
    ground.wait()
    ground.know(version="8")
    ground.wait()
    with ground.store.reading() as connection:
        (silence,) = read_silences(connection, ground.now)

    def hushed(**labels: str) -> bool:
        return silence.silences({"model": MODEL, "severity": "warn", **labels})

    assert hushed(alertname="FeatureDrift", column="amount")
    assert hushed(alertname="EvidenceAlarm", column="amount")
    assert not hushed(alertname="EvidenceAlarm", column="score")
    assert not hushed(alertname="EvidenceAlarm", column="amount.missing")
    assert not hushed(alertname="EvidenceAlarm", column="recall", window="evidence:outcomes")
    assert not hushed(alertname="EvidenceAlarm", column="amount", severity="page")
    assert not hushed(alertname="FeatureDrift", column="amount", model="other")
    for name in ("PerformanceDrop", "ScoreDrift", "QualityProblem", "CalibrationOff", "ConceptDrift"):
        assert not hushed(alertname=name, column="amount")


def test_a_version_that_never_comes_or_goes_back_thaws_too(tmp_path: Path) -> None:
    ground = limited(tmp_path, adopted_within=2 * DAY)
    ground.tell("performance")
    ground.wait()
    ground.know(version="8")
    ground.wait()
    ground.wait()
    ground.know(version="7")
    ground.wait()
    assert ground.decisions()[-1] == "adoption_lost"
    assert len(frozen(ground)) == 1
    ground.wait(2 * DAY)
    assert (ground.one().outcome, frozen(ground)) == ("not_adopted", [])


def test_a_run_that_reports_nothing_has_failed(tmp_path: Path) -> None:
    ground = limited(tmp_path, result_within=DAY, cooldown=3 * DAY)
    ground.tell("performance")
    ground.wait()
    ground.wait(DAY + MINUTE)
    ground.wait()
    assert (ground.one().state, ground.one().outcome) == ("cooldown", "failed")


def test_one_run_at_a_time_and_one_proposal_for_an_occasion(ground: Ground) -> None:
    ground.tell("performance")
    ground.wait()
    assert ground.retraining.propose(MODEL, ground.facts, "manual", "manual@1", "I want it", "ana") is None
    assert ground.decisions()[-1] == "in_flight"
    finish(ground, "8")
    ground.tell("performance", "ok")
    ground.wait()
    assert ground.retraining.propose(MODEL, ground.facts, "schedule", "schedule@1", "every Sunday") is not None
    ground.wait()
    assert len(ground.target.runs) == 2
    finish(ground, "9")
    assert ground.retraining.propose(MODEL, ground.facts, "schedule", "schedule@1", "every Sunday") is None
    ground.wait()
    assert len(ground.target.runs) == 2


def test_what_is_scheduled_keeps_to_the_limits(tmp_path: Path) -> None:
    ground = Ground(tmp_path, policy_of(replace(FREE, min_matured_labels=10), when=None))
    ground.know(matured_labels=5)
    ground.tell("quality")
    ground.retraining.propose(MODEL, ground.facts, "schedule", "schedule@1", "every Sunday")
    ground.wait()
    assert (ground.one().state, ground.decisions()) == ("proposed", ["proposed", "fault"])
    ground.tell("quality", "ok")
    ground.wait()
    assert ground.decisions()[-1] == "labels"
    ground.know(matured_labels=50)
    ground.wait()
    assert len(ground.target.runs) == 1


def test_a_damaged_store_pauses_everything(tmp_path: Path) -> None:
    ground = limited(tmp_path)
    ground.wait()
    ground.close()
    (tmp_path / "alerts.sqlite").write_bytes(b"nothing of that kind" * 1_000)
    ground.open()
    ground.tell("performance")
    ground.wait()
    assert ground.target.runs == []
    (pause,) = ground.desk.pauses()
    assert "damaged" in pause.because
    ground.close()
    ground.open()
    ground.desk.resume(actor="ana", because="nothing runs")
    ground.wait()
    assert len(ground.target.runs) == 1


def test_the_same_state_asks_by_the_same_name(tmp_path: Path) -> None:
    keys = []
    for life in ("first", "second"):
        ground = limited(tmp_path / life)
        ground.tell("performance")
        ground.wait(3 * SECOND if life == "first" else 5 * HOUR)
        keys += ground.target.runs
    assert len(keys) == 2
    assert keys[0] == keys[1]
    assert Guardrails().approval
