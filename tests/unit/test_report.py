"""The report: one file that needs nobody, in three formats; from a state directory or a running service."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from benchmarks.end_to_end import values
from benchmarks.from_memory import prepare
from dashboards.page.past import NoPast
from dashboards.report import Report
from monitor.commands.report import CANNOT_READ, FOUND, USAGE, ReportOptions, report, view_of
from monitor.findings import worst_status
from monitor.history import History
from monitor.history_reader import HistoryReader
from monitor.opening import open_pipeline
from monitor.past import KnownPast
from monitor.sources.memory import MemorySource
from monitor.sources.port import TopicPartition
from tests.browser import scenes


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, History]]:
    view, past = scenes.crowd(2, 100, 40)
    history = History(tmp_path_factory.mktemp("state") / "history.sqlite")
    history.upsert(past)
    yield view, history
    history.close()


def test_one_file_of_a_hundred_columns_stays_small_and_needs_nobody(crowd: tuple[Any, History]) -> None:
    page = Report(crowd[0], KnownPast.of(crowd[1])).html()
    assert len(page) <= 1_000_000
    text = page.decode()
    outside = re.sub(r"<(script|style)>.*?</\1>", "", text, flags=re.DOTALL)
    assert not re.findall(r"(?:src|href)=\"(?!#)", outside)
    assert "default-src 'none'" in unescape(text)
    assert "unsafe" not in outside
    anchors = set(re.findall(r' id="([^"]+)"', outside))
    links = set(re.findall(r'href="#([^"]+)"', outside))
    assert links <= anchors
    assert len(re.findall(r' id="', outside)) == len(anchors), "an anchor stands once"


def test_the_formats_say_the_same(crowd: tuple[Any, History]) -> None:
    found = Report(crowd[0], KnownPast.of(crowd[1]))
    told = json.loads(found.json())
    assert told["worst"] == "drift"
    moved = told["models"][0]["moved"]["rows"]
    words = found.markdown()
    for row in moved:
        assert f"| {row['column'].replace('_', chr(92) + '_')} |" in words
    assert found.fails("warn")
    assert found.fails("page")


def test_markdown_shows_hostile_names_as_they_are() -> None:
    view, _ = scenes.hostile()
    words = Report(view, NoPast()).markdown()
    assert "<script" not in words
    assert "<img" not in words
    words.encode()


def test_from_a_state_directory(crowd: tuple[Any, History], tmp_path: Path) -> None:
    state = crowd[1].path.parent
    target = tmp_path / "out.html"
    options = ReportOptions(state=state, html=target, json=tmp_path / "out.json", fail_on="page")
    assert report(options) == FOUND
    assert b"model-00" in target.read_bytes()
    assert {row["name"] for row in json.loads((tmp_path / "out.json").read_bytes())["overview"]["models"]} == {
        "model-00", "model-01"}  # fmt: skip


def test_a_state_alone_says_the_last_windows_that_rows_filled(tmp_path: Path) -> None:
    records = list(values(6_050))  # ten minutes and five seconds
    config = prepare(tmp_path / "service", records)
    source = MemorySource({TopicPartition("bench", 0): list(records)})
    pipeline = open_pipeline(config, source, base=tmp_path / "service")
    while pipeline.step(0):
        pass
    pipeline.finish()
    pipeline.close()
    state = Path(config.state.path)
    past = HistoryReader(state / "history.sqlite")
    cut = [result for result in past.latest() if result.window == "minute"]
    assert [result.n for result in cut] == [50]
    (shown,) = [window.result for window in view_of(state, past).models[0].windows if window.result.window == "minute"]
    assert (shown.end, shown.n) == (cut[0].start, 600)


def test_a_range_begins_with_what_it_held(tmp_path: Path) -> None:
    view, past = scenes.crowd(2, 4, 40)
    starts = sorted({one.start for one in past if one.window == "daily"})
    first, last = starts[5], starts[25]
    with closing(History(tmp_path / "history.sqlite")) as history:
        history.upsert(past)
        found = Report(view, KnownPast.of(history), first, last)
        told = json.loads(found.json())["range"]
        words, text = found.markdown(), found.html().decode()
        assert json.loads(Report(view, KnownPast.of(history)).json())["range"] is None
        assert "What the time held" not in Report(view, KnownPast.of(history)).markdown()
    (one,) = [row for row in told["models"] if row["model"] == "model-00"]
    inside = [each for each in past if each.model == "model-00" and not each.slice and first <= each.start < last
              and ":" not in each.window and each.window not in {"evidence", "concept", "challenger"}]  # fmt: skip
    assert sum(one["windows"].values()) == len(inside) > 0
    worst = {status: sum(worst_status(each.findings) == status for each in inside) for status in one["windows"]}
    assert one["windows"] == worst
    judged = [each for each in past if each.model == "model-00" and not each.slice and first <= each.start < last
              and each.window.endswith(":outcomes") and not each.window.startswith("evidence")]  # fmt: skip
    assert one["judged"] == len(judged) > 0
    drops = [f.statistic / f.threshold for each in judged for f in each.findings if f.detector == "performance_change"
             and f.status != "insufficient"]  # fmt: skip
    assert one["drop"] == (pytest.approx(max(drops)) if drops else None)
    assert "## What the time held" in words
    assert text.count("What the time held") == 1


def test_from_a_running_service(crowd: tuple[Any, History], tmp_path: Path) -> None:
    with scenes.Stage(tmp_path, crowd[0], list(crowd[1].results())) as stage:
        options = ReportOptions(url=stage.address, html=tmp_path / "a.html", md=tmp_path / "a.md", fail_on="warn")
        assert report(options) == FOUND
        assert b'class="histogram"' in (tmp_path / "a.html").read_bytes()
        assert "feature" in (tmp_path / "a.md").read_text()
        unanswered = stage.address
    assert report(ReportOptions(url=unanswered)) == CANNOT_READ


def test_what_cannot_be_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(ReportOptions(state=tmp_path)) == CANNOT_READ
    assert "no history" in capsys.readouterr().err
    assert report(ReportOptions(state=tmp_path, fail_on="never")) == USAGE
    assert report(ReportOptions(state=tmp_path, start="soon")) == USAGE


def test_a_calm_service_fails_nothing(tmp_path: Path) -> None:
    view, past = scenes.little()
    history = History(tmp_path / "history.sqlite")
    history.upsert(past)
    history.close()
    assert not Report(view, NoPast()).fails("warn")
    assert report(ReportOptions(state=tmp_path, md=tmp_path / "out.md", fail_on="warn")) == 0


def test_incidents_events_and_challengers_are_in_every_format(tmp_path: Path) -> None:
    view, results = scenes.crowd(2, 6, 12)
    with scenes.Stage(tmp_path, view, results, scenes.said("model-00", results, "version 8", "summer sale")) as stage:
        found = Report(view, KnownPast.of(stage.history))
        page, words, told = found.html().decode(), found.markdown(), json.loads(found.json())
    first = next(model for model in told["models"] if model["summary"]["model"] == "model-00")
    assert [row["verdict"] for row in first["incidents"]["rows"]] == ["useful"]
    assert [row["what"] for row in first["events"]["rows"]] == ["version 8", "summer sale"]
    second = next(model for model in told["models"] if model["summary"]["model"] == "model-01")
    assert second["duel"][0]["verdict"] == "better"
    for text in ("summer sale", "the challenger is better"):
        assert text in page
    assert "useful kim" in words
    assert "the challenger is better: loss -0.02" in words
    assert 'method="post"' not in page, "a file can change nothing"
