"""The results file: sections are replaced one by one, goals are judged from what was measured."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from benchmarks.counting import Timing, body, middle, scatter
from benchmarks.pace import Clock, Pace, rate, ratio
from benchmarks.report import Section, circumstances, merge, table, write
from benchmarks.run import SECTIONS, main


def timing(name: str, cpu: float) -> Timing:
    return Timing(name, {name: "1.0"}, "something", 1_000_000, cpu, cpu, 3, 2 << 20, 1 << 20, {"ks": 0.5})


def test_a_section_replaces_its_own_text_only(tmp_path: Path) -> None:
    path = tmp_path / "RESULTS.md"
    for letter, text in (("b", "old b"), ("a", "old a\n\n### more\n\nof a"), ("c", "old c"), ("a", "new a")):
        write(Section(letter, f"Title {letter}", text), "Today.", path)
    found = path.read_text()
    assert [line for line in found.splitlines() if line.startswith("#")] == [
        "# Results",
        "## (a) Title a",
        "## (b) Title b",
        "## (c) Title c",
    ]
    assert "old a" not in found
    assert "of a" not in found
    assert all(text in found for text in ("new a", "old b", "old c"))


def test_merging_nothing_changes_nothing() -> None:
    once = merge("", [Section("a", "One", "x"), Section("b", "Two", "y")], "Today.")
    assert merge(once, [], "Tomorrow.") == once
    assert "Today." in once


def test_tables_have_one_rule_and_equal_widths() -> None:
    lines = table(["a", "b", "c"], [["1", "2", "3"], ["4", "5", "6"]]).splitlines()
    assert lines[1] == "|---|---:|---:|"
    assert {line.count("|") for line in lines} == {4}


@pytest.mark.parametrize(("cpu", "verdict"), [(20.0, "met"), (19.0, "not met")])
def test_goals_are_judged_by_the_measured_ratio(cpu: float, verdict: str) -> None:
    text = body([timing("driftline", 1.0), timing("nannyml", cpu)])
    line = next(line for line in text.splitlines() if line.startswith("| nannyml 1.0"))
    assert f"| {cpu:.1f} × | 20 ×, {verdict} |" in line


def test_turns_are_shown_by_their_median_and_by_every_pair() -> None:
    ours, theirs = ([timing("driftline", cpu) for cpu in (2.0, 1.0, 4.0)], [timing("nannyml", 40.0)] * 3)
    assert middle(ours).cpu == 2.0
    assert "in order: 10.0, 20.0, 40.0; median 20.0." in scatter(ours, theirs)


def test_the_load_is_that_of_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    load = iter([1.5, 9.9, 9.9])
    monkeypatch.setattr("os.getloadavg", lambda: (next(load), 0, 0))
    monkeypatch.setattr("benchmarks.run.write", lambda section, before: write(section, before, tmp_path / "R.md"))

    def measured() -> Section:
        assert circumstances().endswith("load before the run 9.9.")
        return Section("z", "Work", "It took a while.")

    monkeypatch.setitem(SECTIONS, "z", measured)
    assert main(["z"]) == 0
    assert "load before the run 1.5." in (tmp_path / "R.md").read_text()


def test_a_pace_is_free_of_others() -> None:
    alone, crowded = Pace(100, 2.0, 2.0, 1.5, 0.0), Pace(100, 9.0, 2.0, 1.5, 7.0)
    assert ratio([alone] * 3, [crowded, alone, crowded], lambda one: one.every) == 1.0
    assert ratio([alone] * 3, [crowded] * 3, lambda one: one.undisturbed) == 1.0
    assert rate([crowded], lambda one: one.wall) == pytest.approx(100 / 9)
    begin = time.perf_counter()
    clock = Clock.start()
    busy = threading.Thread(target=lambda: sum(range(2_000_000)))
    busy.start()
    time.sleep(0.05)
    busy.join()
    found = clock.stop(10)
    assert 0.05 <= found.wall <= time.perf_counter() - begin
    assert found.own < found.every
    assert 0 <= found.queued <= time.perf_counter() - begin


def test_an_unknown_section_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["a", "zz"]) == 2
    assert "no section zz" in capsys.readouterr().err
