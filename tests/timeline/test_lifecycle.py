"""Pending, firing, resolved, withdrawn, flapping: in windows and in time."""

from __future__ import annotations

import itertools
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.conditions import Verdict
from alerts.durations import DAY, HOUR, MINUTE
from alerts.lifecycle import MEMORY, Limits, Machine, Mark, Track, advance, is_flapping, is_quiet, step
from alerts.rules import Damping, Persistence

WORDS = {"!": Verdict.BREACH, ".": Verdict.CLEAR, "-": Verdict.BETWEEN, "?": Verdict.UNKNOWN}
ONCE = Limits(Persistence(), Persistence())


def story(limits: Limits, verdicts: str, length: int = HOUR) -> str:
    """Return the phases after each verdict: ``p`` pending, ``F`` firing, ``o`` neither."""
    track, phases = Track(), ""
    for number, word in enumerate(verdicts, 1):
        track, _ = advance(limits, track, Mark(number * HOUR, WORDS[word], length), number, restated=False)
        phases += {"inactive": "o", "pending": "p", "firing": "F"}[track.machine.phase]
    return phases


@pytest.mark.parametrize(
    ("limits", "verdicts", "phases"),
    [
        (ONCE, ".!!.!.", "oFFoFo"),
        (ONCE, "!-.-!", "FFooF"),
        (ONCE, "!???.", "FFFFo"),
        (ONCE, "??-.", "oooo"),
        (Limits(Persistence(2, 3), Persistence()), "!..!.!", "pppppF"),
        (Limits(Persistence(2, 3), Persistence()), "!...!!", "pppopF"),
        (Limits(Persistence(3, 3), Persistence(3, 3)), "!!!..!...", "ppFFFFFFo"),
        (Limits(Persistence(2, 2), Persistence(2, 3)), "!!.-..", "pFFFoo"),
        (Limits(Persistence(2, 2), Persistence(2, 3)), "!!.-.!", "pFFFop"),
        (Limits(Persistence(during=2 * HOUR), Persistence(during=HOUR)), "!!!!..", "ppFFFo"),
        (Limits(Persistence(during=2 * HOUR), Persistence(during=HOUR)), "!!.!!!", "ppoppF"),
        (Limits(Persistence(during=2 * HOUR), Persistence(during=2 * HOUR)), "!!!.-...", "ppFFFFFo"),
        (Limits(Persistence(during=2 * HOUR), Persistence()), "!?!", "ppF"),
        (ONCE, "", ""),
    ],
)
def test_stories(limits: Limits, verdicts: str, phases: str) -> None:
    assert story(limits, verdicts) == phases


def fold(limits: Limits, marks: list[Mark]) -> Machine:
    machine = Machine()
    for mark in marks:
        machine = step(limits, machine, mark)
    return machine


LIMITS = st.builds(
    lambda m, n, a, b, hours: Limits(
        Persistence(min(m, n), n, hours * HOUR), Persistence(min(a, b), b), Damping(3, DAY, HOUR)
    ),
    st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2),
)  # fmt: skip


@given(LIMITS, st.lists(st.sampled_from(list(WORDS.values())), max_size=20), st.randoms(use_true_random=False))
def test_restating_windows_in_any_order_equals_the_final_figures(
    limits: Limits, verdicts: list[Verdict], chance: Random
) -> None:
    final = [Mark(number * HOUR, verdict, HOUR) for number, verdict in enumerate(verdicts, 1)]
    events = [*final, *(Mark(mark.at, chance.choice(list(WORDS.values())), HOUR) for mark in final)]
    chance.shuffle(events)
    track = Track()
    for number, mark in enumerate([*events, *final], 1):
        track, _ = advance(limits, track, mark, number, restated=True)
    assert track.machine == fold(limits, final)


@given(st.lists(st.sampled_from(list(WORDS.values())), min_size=1, max_size=3 * MEMORY))
def test_a_long_past_is_folded_exactly(verdicts: list[Verdict]) -> None:
    limits = Limits(Persistence(2, 3), Persistence(2, 2), Damping(3, DAY, 2 * HOUR))
    marks = [Mark(number * HOUR, verdict, HOUR) for number, verdict in enumerate(verdicts, 1)]
    track = Track()
    for number, mark in enumerate(marks, 1):
        track, _ = advance(limits, track, mark, number, restated=False)
    assert track.machine == fold(limits, marks)
    assert len(track.marks) <= MEMORY


def restated(limits: Limits, verdicts: str, place: int, now: str) -> tuple[Track, str]:
    """Return the track and why it resolved, after one window of a story is restated."""
    track = Track()
    for number, word in enumerate(verdicts, 1):
        track, _ = advance(limits, track, Mark(number * HOUR, WORDS[word], HOUR), number, restated=False)
    track, change = advance(limits, track, Mark(place * HOUR, WORDS[now], HOUR), 99, restated=True)
    return track, "" if change is None else f"{change.state} {change.because}".split(":")[0].strip()


def test_what_restated_figures_no_longer_support_is_withdrawn() -> None:
    limits = Limits(Persistence(2, 2), Persistence(2, 2))
    assert restated(limits, ".!!", 2, ".")[1] == "resolved withdrawn"
    assert restated(limits, ".!!", 2, "?")[1] == "resolved withdrawn"
    assert restated(limits, ".!!.", 1, "!")[1] == ""
    assert restated(limits, ".!!-.", 4, ".")[1] == "resolved cleared"
    assert restated(limits, ".!.", 3, "!")[1] == "firing"


def test_evidence_is_not_withdrawn() -> None:
    track, change = restated(Limits(Persistence(2, 2), Persistence(), withdraws=False), ".!!", 2, ".")
    assert (track.machine.phase, change) == ("firing", "")


def test_windows_far_apart_do_not_add_up() -> None:
    limits = Limits(Persistence(2, 3), Persistence())
    track, _ = advance(limits, Track(), Mark(HOUR, Verdict.BREACH, HOUR), 1, restated=False)
    near, _ = advance(limits, track, Mark(3 * HOUR, Verdict.BREACH, HOUR), 2, restated=False)
    far, _ = advance(limits, track, Mark(4 * HOUR, Verdict.BREACH, HOUR), 2, restated=False)
    assert (near.machine.phase, far.machine.phase) == ("firing", "pending")


def test_an_alert_that_flaps_is_held() -> None:
    limits = Limits(Persistence(), Persistence(), Damping(3, DAY, 3 * HOUR))
    assert story(limits, "!.!.!.!.!....!") == "FoFoFFFFFFFFoF"
    assert story(limits._replace(damping=None), "!.!.!.!.!....!") == "FoFoFoFoFooooF"


def test_holding_doubles_and_ends() -> None:
    limits = Limits(Persistence(), Persistence(), Damping(2, DAY, HOUR))
    track, number = Track(), itertools.count(1)
    held: list[int] = []
    now = HOUR
    for _ in range(5):
        track, _ = advance(limits, track, Mark(now, Verdict.BREACH), next(number), restated=False)
        assert is_flapping(limits, track.machine) is bool(held)
        quiet = 0
        while track.machine.phase == "firing":
            now, quiet = now + MINUTE, quiet + 1
            track, _ = advance(limits, track, Mark(now, Verdict.CLEAR), next(number), restated=False)
        held.append(quiet - 1)
        now += MINUTE
    assert held == [0, 60, 120, 240, 480]
    assert not is_quiet(limits, track, now)
    assert is_quiet(limits, track, now + 2 * DAY)


def test_moments_go_on_when_the_clock_is_set_back() -> None:
    track, _ = advance(ONCE, Track(), Mark(10 * HOUR, Verdict.BREACH), 1, restated=False)
    track, change = advance(ONCE, track, Mark(9 * HOUR, Verdict.CLEAR), 2, restated=False)
    assert change is not None
    assert change.state == "resolved"


def test_a_window_too_old_to_be_restated_changes_nothing() -> None:
    track = Track()
    for number in range(1, MEMORY + 10):
        track, _ = advance(ONCE, track, Mark(number * HOUR, Verdict.BREACH, HOUR), number, restated=False)
    assert advance(ONCE, track, Mark(2 * HOUR, Verdict.CLEAR, HOUR), 999, restated=True) == (track, None)
