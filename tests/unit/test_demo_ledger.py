"""Injected against found: what counts as told of, what as false, and what the benchmark of many seeds makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.quiet_demo import Run, keep, kept, summed
from monitor.commands.demo import NOT_FOUND, verdict
from monitor.demo.ledger import Found, Ledger
from monitor.demo.stream import MODEL, DemoStream
from monitor.events import DAY, HOUR
from monitor.evidence.windows import OF_OUTCOMES
from monitor.findings import Finding, WindowResult

STREAM = DemoStream(1, quiet_days=7)
CHANGES = {change.name: change for change in STREAM.injections}
SURE, TURN = CHANGES["scores too sure"], CHANGES["one segment turns"]


def alarm(window: str, start: int, column: str, status: str = "drift", slice_: str = "") -> WindowResult:
    """Return a window of six hours in which evidence says one thing."""
    found = Finding(column, "evidence", 9.0, 0.1, 0.0, 0.2, 1e-4, 7.0, status, 1, "more")
    return WindowResult(MODEL, "1", slice_, window, start, start + 6 * HOUR, 0, 900, (found,))


def ledger(*told: tuple[WindowResult, int | None]) -> Ledger:
    """Return what windows add up to, each with how far the labels had come."""
    told_of = Ledger(STREAM.injections, quiet_until=STREAM.injections[0].start)
    for result, now in told:
        told_of.add([result], now)
    return told_of


def test_a_change_is_found_by_evidence_about_it_while_it_lasts() -> None:
    salaries = CHANGES["salaries rise"]
    begin = salaries.start - 3 * HOUR
    told_of = ledger(
        (alarm("evidence", begin, "loan"), None),
        (alarm("evidence", begin, "salary", "ok"), None),
        (alarm("evidence", begin, "salary.missing"), None),
        (alarm("evidence", begin + 6 * HOUR, "salary"), None),
    )
    found = told_of.alarms.found
    assert {name: one.delay for name, one in found.items()} == {"salaries rise": 3 * HOUR}
    assert found["salaries rise"].finding.column == "salary.missing"
    assert [finding.column for _, finding in told_of.alarms.false] == ["loan"]


def test_a_change_that_labels_show_is_told_of_when_they_have_come() -> None:
    judged = TURN.start + 8 * DAY
    told_of = ledger((alarm(OF_OUTCOMES, TURN.start + 3 * HOUR, "miss_rate"), judged))
    assert {name: one.delay for name, one in told_of.alarms.found.items()} == {"one segment turns": 8 * DAY}
    assert told_of.alarms.false == []


def test_what_comes_between_two_changes_finds_neither_and_is_false() -> None:
    told_of = ledger((alarm(OF_OUTCOMES, SURE.end, "calibration[3]"), TURN.end))
    assert SURE.end + 6 * HOUR < TURN.start
    assert told_of.alarms.found == {}
    assert [finding.column for _, finding in told_of.alarms.false] == ["calibration[3]"]


def test_false_alarms_of_the_quiet_days_are_told_apart_and_break_the_promise() -> None:
    first = STREAM.injections[0]
    told_of = ledger(
        (alarm("evidence", STREAM.start, "age"), None),
        (alarm("evidence", first.end, "loan"), None),
        (alarm(OF_OUTCOMES, SURE.start, "calibration[1]"), SURE.end + 7 * DAY),
    )
    run = Run.of(1, told_of, 2.0)
    assert (run.quiet, run.after, run.by) == (("age",), ("loan",), {SURE.name: "calibration[1]"})
    assert set(run.missed) == {*CHANGES} - {SURE.name}
    assert run.broken
    assert "1 false in the quiet month (age), 1 after (loan); scores too sure 207 h by calibration[1]" in run.words
    told = dict(line.split(": ") for line in summed([run]))
    assert told[SURE.name] == "told of in 1 of 1, after 207 h at the median, 207 h at most"
    assert told[TURN.name] == "told of in 0 of 1"
    assert told["1 seeds"] == "1 with a false incident in the quiet month, 5 changes missed"


def test_a_run_that_keeps_its_promise() -> None:
    told = [(alarm("evidence", change.start, change.column), None) for change in STREAM.injections[:4]]
    late = [(alarm(OF_OUTCOMES, change.start, "recall"), change.end) for change in (SURE, TURN)]
    run = Run.of(1, ledger(*told, *late), 2.0)
    assert (run.quiet, run.missed, run.broken) == ((), (), False)
    assert list(summed([run]))[-1] == "1 seeds: 0 with a false incident in the quiet month, 0 changes missed"


def test_a_demo_succeeds_when_evidence_and_thresholds_both_found_every_change() -> None:
    told_of, found = ledger(), {}
    for change in STREAM.injections:
        result = alarm("day", change.start, change.column)
        found[change.name] = Found(change, result, result.findings[0], result.end)
    told_of.found.update(found)
    assert verdict(told_of, proposed=True) == NOT_FOUND
    told_of.alarms.found.update(found)
    assert verdict(told_of, proposed=True) == 0
    assert verdict(told_of, proposed=False) == NOT_FOUND
    for missing in (told_of.found, told_of.alarms.found):
        for name in CHANGES:
            one = missing.pop(name)
            assert verdict(told_of, proposed=True) == NOT_FOUND, name
            missing[name] = one


def test_a_seed_is_kept_in_place_of_what_was_kept_of_it(tmp_path: Path) -> None:
    path = tmp_path / "runs.json"
    two, one = (Run(seed, (), ("age",), {"salaries rise": 3}, {"salaries rise": "salary"}, (), 90) for seed in (2, 1))
    for run in (two, one, replace(two, missed=("scores shift",))):
        keep(run, path)
    assert [run.words for run in kept(path)] == [one.words, replace(two, missed=("scores shift",)).words]
    assert kept(tmp_path / "nothing.json") == []
