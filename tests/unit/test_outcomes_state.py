"""What outcomes keep over restarts, new bins, roll-up, and how windows fall due."""

from __future__ import annotations

import random

import numpy as np
import pytest

from detectors.bins import CategoricalBins
from monitor.events import DAY, HOUR
from monitor.outcomes.coverage import coverage_by_score
from monitor.outcomes.due import EVERY, MOST, Due
from monitor.outcomes.evaluation import Evaluation
from monitor.outcomes.judges import BinaryJudge
from monitor.outcomes.outcomes import BASELINE, DAILY, HOURLY
from monitor.outcomes.parts import MATURED, RUNNING
from monitor.outcomes.sums import baseline_of, of_slices, previous, roll_up, total
from monitor.windows import WindowSet
from tests.outcomes_ground import BEGIN, Life, Row, config_of, logs_of

EVER = 1 << 60


def whole_of(life: Life, version: str) -> np.ndarray:
    part = life.outcomes.whole
    assert part is not None
    return total(life.outcomes, part.name, part.size, version)


def test_windows_that_are_due_survive_a_restart_and_wait_for_their_closing() -> None:
    life = Life(config_of(), logs_of(100, 1, ugly=False, hours=2))
    life.run()
    waiting = set(life.outcomes.due.waiting)
    assert waiting
    life.start()
    assert life.outcomes.due.waiting == waiting
    evaluation = Evaluation(life.outcomes)
    assert evaluation.judge({"hourly": BEGIN, "half": BEGIN - 6 * HOUR}, 0.0) == []
    first = evaluation.judge({"hourly": BEGIN + HOUR, "half": BEGIN - 6 * HOUR}, 0.0)
    assert {result.start for result in first} == {BEGIN}
    evaluation.done()
    life.checkpoint()
    life.start()
    assert ("hourly", "1", BEGIN) not in life.outcomes.due.waiting
    assert ("hourly", "1", BEGIN + HOUR) in life.outcomes.due.waiting


def test_windows_are_judged_again_at_most_once_a_minute_and_new_ones_at_once() -> None:
    due = Due.of(WindowSet.of(config_of().windows or {}), "hourly")
    due.touch([("1", 0)])
    taken = due.take({"hourly": HOUR}, 100.0)
    assert len(taken) == 1
    due.done(taken)
    due.touch([("1", 0)])
    assert due.take({"hourly": HOUR}, 101.0) == []
    due.touch([("1", HOUR)])
    assert [start for _, _, start in due.take({"hourly": 2 * HOUR}, 102.0)] == [HOUR]
    assert len(due.take({"hourly": 2 * HOUR}, 100.0 + EVERY)) == 2


def test_work_at_once_is_bounded_and_the_newest_comes_first() -> None:
    due = Due.of(WindowSet.of(config_of().windows or {}), "hourly")
    due.touch([("1", hour * HOUR) for hour in range(3 * MOST)])
    taken = due.take({"hourly": EVER}, 0.0)
    assert [start for _, _, start in taken] == [hour * HOUR for hour in range(3 * MOST - 1, 2 * MOST - 1, -1)]
    assert len(due.waiting) == 3 * MOST
    due.done(taken)
    assert len(due.waiting) == 2 * MOST


def test_no_window_starves_while_newer_ones_change_all_the_time() -> None:
    due = Due.of(WindowSet.of(config_of().windows or {}), "hourly")
    hours = [("1", hour * HOUR) for hour in range(3 * MOST)]
    judged = set()
    for minute in range(3):
        due.touch(hours)
        taken = due.take({"hourly": EVER}, minute * EVERY)
        due.done(taken)
        judged |= {start for _, _, start in taken}
    assert len(judged) == 3 * MOST


def test_predictions_made_before_bins_changed_do_not_leave_what_they_never_entered() -> None:
    logs = logs_of(200, 5, ugly=False, hours=2)
    life = Life(config_of(), logs)
    life.feed("p", 100)
    life.feed("l", 40)
    life.checkpoint()
    before = whole_of(life, "1")
    life.model.relayout({**life.model.layout.coders, "country": CategoricalBins(("fr", "xx"))})
    life.run()
    part = next(iter(life.outcomes.sliced.values()))
    assert part.slicing.size == 4
    sliced = np.sum([of_slices(life.outcomes, part, version) for version in "12"], axis=0)
    kind = part.table(sliced, RUNNING)
    assert (kind[:, 0] >= 0).all()
    after = {row.id for row in logs["p"][100:]}
    labelled = {row.id for row in logs["l"] if row.id in after}
    assert kind[:, 0].sum() == len(labelled)
    assert whole_of(life, "1")[:10].sum() >= before[:10].sum()


def test_hours_roll_up_into_days_and_days_are_dropped() -> None:
    life = Life(config_of(), logs_of(300, 2, ugly=False, hours=30))
    life.run()
    part = life.outcomes.whole
    assert part is not None
    before = whole_of(life, "1")
    roll_up(life.outcomes, BEGIN + 3 * DAY, DAY, 100 * DAY)
    assert not life.outcomes.shelf.keys(part.name, "1", HOURLY, 0, BEGIN + DAY)
    assert life.outcomes.shelf.keys(part.name, "1", DAILY, 0, EVER)
    assert np.array_equal(whole_of(life, "1"), before)
    life.checkpoint()
    life.start()
    assert np.array_equal(whole_of(life, "1"), before)
    assert life.outcomes.place(part.name, "1", BEGIN).tier == DAILY
    roll_up(life.outcomes, BEGIN + 30 * DAY, DAY, 5 * DAY)
    life.checkpoint()
    life.start()
    assert not life.outcomes.shelf.keys(part.name, "1", DAILY, 0, EVER)


def test_a_baseline_stays_when_it_is_learnt() -> None:
    life = Life(config_of(performance={"learn": 2 * HOUR}), logs_of(400, 9, ugly=False, hours=6))
    life.run()
    Evaluation(life.outcomes).upkeep(life.joining.join.watermark, EVER)
    part = life.outcomes.whole
    assert part is not None
    learnt = baseline_of(life.outcomes, part.name, part.size)
    assert learnt is not None
    expected = sum(
        (total(life.outcomes, part.name, part.size, v, BEGIN, BEGIN + 2 * HOUR) for v in "12"), np.zeros(part.size)
    )
    assert np.array_equal(learnt, expected)
    life.checkpoint()
    life.start()
    again = baseline_of(life.outcomes, part.name, part.size)
    assert again is not None
    assert np.array_equal(learnt, again)
    assert life.outcomes.shelf.keys(part.name, "", BASELINE, -1, 1)


def test_another_decision_starts_afresh_and_says_so() -> None:
    life = Life(config_of(), logs_of(100, 1, ugly=False))
    life.run()
    life.config = config_of(decision="score >= 0.7")
    life.start()
    assert any("judges predictions anew" in change for change in life.model.changes)
    assert not whole_of(life, "1").any()
    life.checkpoint()
    part = life.outcomes.whole
    assert part is not None
    life.start()
    assert {name.split("\n")[1] for name in life.outcomes.lengths} == {
        part.identity, *(sliced.identity for sliced in life.outcomes.sliced.values())
    }  # fmt: skip


def test_the_version_before_is_the_one_that_came_before() -> None:
    predictions = [Row(f"a{n}", BEGIN + n * HOUR, 0.5, "de", version="b" if n < 3 else "a") for n in range(6)]
    life = Life(config_of(), {"p": predictions, "l": [Row("end", BEGIN + 40 * HOUR, truth="1")]})
    life.run()
    assert previous(life.outcomes, "a") == "b"
    assert previous(life.outcomes, "b") is None


@pytest.mark.parametrize("lean", [0.0, 0.5])
def test_labels_that_come_for_high_scores_first_are_told(lean: float) -> None:
    rng = random.Random(3)
    predictions = [Row(f"i{n}", BEGIN + n * 1_000_000, rng.random(), "de") for n in range(3000)]
    labels = [
        Row(row.id, row.time + HOUR, truth="1") for row in predictions if rng.random() < 0.4 + lean * (row.score - 0.5)
    ]
    life = Life(config_of(), {"p": predictions, "l": labels})
    life.run()
    part = life.outcomes.whole
    assert part is not None
    assert isinstance(part.judge, BinaryJudge)
    vector = whole_of(life, "1")[np.newaxis]
    found = coverage_by_score(part.judge, part.table(vector, RUNNING), part.said(vector))
    assert found is not None
    assert found.status == ("warn" if lean else "ok")
    assert part.table(vector, MATURED).shape == (1, part.judge.size)
