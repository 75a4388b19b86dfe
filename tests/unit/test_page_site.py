"""The page as the service answers for it: addresses, data, caching, sizes, what a browser is told."""

from __future__ import annotations

import gzip
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dashboards.page import scene as scene_module
from dashboards.page.ask import Ask, BadQueryError
from dashboards.page.gathered_outcomes import WINDOW
from dashboards.page.grid import grid_of
from dashboards.page.pages import PAGES
from dashboards.page.past import NoPast
from dashboards.page.site import API, SECURITY, Answer, Site, render
from monitor.concept.keys import WINDOW as CONCEPT_WINDOW
from monitor.findings import STATUSES
from monitor.history import History
from monitor.labels import label
from monitor.outcomes.told import OF_WINDOW
from monitor.past import KnownPast
from tests.browser import scenes
from tests.example_view import NOW, finding, window

MODEL = [("model", "model-00")]
COLUMN = [*MODEL, ("column", "feature_001")]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, History]]:
    view, past = scenes.crowd(3, 30, 30)
    history = History(tmp_path_factory.mktemp("history") / "history.sqlite")
    history.upsert(past)
    yield view, history
    history.close()


def data(answer: Answer) -> Any:
    assert answer.status == 200, answer.body
    return json.loads(answer.body)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Tags(HTMLParser):
    """Notes every element and attribute."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_every_page_is_found_as_data_too(crowd: tuple[Any, History]) -> None:
    view, history = crowd
    for path, page in PAGES.items():
        query = COLUMN if page.charts else MODEL if page.of_model else []
        assert render(path, query, view, KnownPast.of(history)).headers["Content-Type"].startswith("text/html")
        found = data(render(f"{API}{page.name}", query, view, KnownPast.of(history)))
        assert found.keys() == {section.__name__.rsplit(".", 1)[1] for section in page.sections}


def test_the_map_says_what_the_findings_say(crowd: tuple[Any, History]) -> None:
    view, history = crowd
    heat = data(render(f"{API}model", [*MODEL, ("rows", "all"), ("version", "7")], view, KnownPast.of(history)))["heat"]
    results = [one for one in history.results(model="model-00") if one.version == "7"]
    assert len(heat["starts"]) == len(results) == 30
    for row in heat["rows"]:
        for ratio, drift, result in zip(row["ratios"], row["in_drift"], results, strict=True):
            findings = [one for one in result.findings if one.column == row["column"]]
            assert ratio == pytest.approx(max(one.statistic / one.threshold for one in findings), abs=6e-4)
            assert drift == any(one.status == "drift" for one in findings)


def test_a_vector_without_bins_has_a_column_page_and_moves(tmp_path: Path) -> None:
    view, past = scenes.crowd(1, 3, 4)
    moved = finding("text", "mmd", "drift", statistic=0.07, threshold=0.05, explanation="")
    first = view.models[0].windows[0]
    results = [replace(one, findings=(*one.findings, moved)) for one in past if not one.slice]
    shown = tuple(
        replace(one, result=replace(one.result, findings=(*one.result.findings, moved)))
        if not one.result.slice
        else one
        for one in view.models[0].windows
    )
    view = replace(view, models=(replace(view.models[0], windows=shown),))
    history = History(tmp_path / "history.sqlite")
    history.upsert(results)
    model = ("model", first.result.model)
    drift = render("/model", [model], view, KnownPast.of(history)).body.decode()
    assert "MMD²" in drift
    page = render("/feature", [model, ("column", "text")], view, KnownPast.of(history))
    assert page.status == 200
    assert "MMD²" in page.body.decode()
    course = data(render(f"{API}feature", [model, ("column", "text")], view, KnownPast.of(history)))["course"]
    line = next(one for one in course["statistics"] if one["detector"] == "mmd")
    assert {point["value"] for point in line["points"]} == {0.07}
    history.close()


def test_a_grid_that_is_pooled_keeps_the_worst(crowd: tuple[Any, History]) -> None:
    _, history = crowd
    grid = grid_of(history.sheets("model-00", "7", "daily", limit=29))
    pooled = grid.pooled(7)
    assert len(pooled.starts) == 6
    assert pooled.starts[0] == grid.starts[0]
    assert pooled.ends[-1] == grid.ends[-1]
    assert sum(pooled.rows) == sum(grid.rows)
    for at in range(6):
        part = slice(at * 5, at * 5 + 5)
        np.testing.assert_array_equal(pooled.ratios[:, at], np.nanmax(grid.ratios[:, part], axis=1))
        np.testing.assert_array_equal(pooled.statuses[:, at], grid.statuses[:, part].max(axis=1))


def test_drift_is_told_since_its_unbroken_run_began(crowd: tuple[Any, History]) -> None:
    _, history = crowd
    sheets = history.sheets("model-00", "7", "daily", limit=30)
    grid = grid_of(sheets)
    for name, row, since in zip(grid.names, grid.statuses, grid.drifting_since, strict=True):
        run = 0
        for status in row[::-1]:
            if STATUSES[status] != "drift":
                break
            run += 1
        assert since == (sheets[-run].start if run else None), name


def test_the_course_has_the_figures_of_the_history(crowd: tuple[Any, History]) -> None:
    view, history = crowd
    found = data(render(f"{API}feature", [*COLUMN, ("version", "7")], view, KnownPast.of(history)))["course"]
    psi = next(line for line in found["statistics"] if line["detector"] == "psi")
    told = history.series("model-00", "7", "feature_001", "psi", "daily")
    assert [point["value"] for point in psi["points"]] == [one.finding.statistic for one in told]
    assert [point["threshold"] for point in psi["points"]] == [one.finding.threshold for one in told]
    missing = next(line for line in found["quality"] if line["detector"] == "missing_rate")
    wanted = [0.01 + one.finding.statistic
              for one in history.series("model-00", "7", "feature_001", "missing_rate", "daily")]  # fmt: skip
    assert [point["value"] for point in missing["points"]] == pytest.approx(wanted)


def test_both_distributions_are_the_counts_of_the_view(crowd: tuple[Any, History]) -> None:
    view, history = crowd
    found = data(render(f"{API}feature", [*COLUMN, ("version", "7")], view, KnownPast.of(history)))["distribution"]
    window = next(one for one in view.models[0].windows if one.result.version == "7" and not one.result.slice)
    frame = window.frame.columns["feature_001"]
    assert [one["window"] for one in found["bins"]] == frame.of(window.counts)[: frame.bins].tolist()
    assert [one["reference"] for one in found["bins"]] == frame.of(window.frame.reference)[: frame.bins].tolist()


def test_ranges_of_time(crowd: tuple[Any, History]) -> None:
    view, history = crowd
    everything = data(render(f"{API}model", MODEL, view, KnownPast.of(history)))["heat"]["starts"]
    some = [*MODEL, ("from", everything[3]), ("to", everything[9])]
    assert data(render(f"{API}model", some, view, KnownPast.of(history)))["heat"]["starts"] == everything[3:9]
    last = data(render(f"{API}model", [*MODEL, ("last", "30h")], view, KnownPast.of(history)))["heat"]["starts"]
    assert last == everything[-7:]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ([("model", "nobody")], 404, "nobody"),
        ([], 404, "no model is named"),
        ([*MODEL, ("version", "99")], 404, "no such window"),
        ([*MODEL, ("from", "yesterday")], 400, "not a time"),
        ([*MODEL, ("from", "2026-11-02"), ("to", "2026-11-01")], 400, "before"),
        ([*MODEL, ("last", "7 days")], 400, "span"),
        ([*MODEL, ("last", "7d"), ("from", "2026-11-02")], 400, "either"),
        ([*MODEL, *MODEL], 400, "twice"),
        ([("modle", "x")], 400, "modle"),
        ([("model", "x" * 1000)], 400, "longer"),
        ([("model", "\ud800")], 404, "no model"),
    ],
)  # fmt: skip
def test_a_query_without_sense_is_told_so(
    crowd: tuple[Any, History], query: list[tuple[str, str]], status: int, words: str
) -> None:
    page, api = (render(path, query, crowd[0], KnownPast.of(crowd[1])) for path in ("/model", f"{API}model"))
    assert page.status == api.status == status
    assert words in json.loads(api.body)["error"]
    assert b"<h1>" in page.body


@pytest.mark.parametrize("text", ["0d", "99999999d", "7x", "", "-1d", "7"])
def test_spans(text: str) -> None:
    with pytest.raises(BadQueryError):
        Ask(last=text).range(NOW)


def test_a_page_of_the_same_view_is_made_once_and_not_sent_twice(crowd: tuple[Any, History]) -> None:
    shown = {"now": crowd[0]}
    site = Site(lambda: shown["now"], KnownPast.of(crowd[1]), Clock())
    first = site.answer("/", [])
    assert site.answer("/", []) is first
    again = site.answer("/", [], etag=first.headers["ETag"])
    assert (again.status, again.body) == (304, b"")
    packed = site.answer("/", [], compress=True)
    assert gzip.decompress(packed.body) == first.body
    shown["now"] = replace(crowd[0], dead_letters_pending=77)
    site.monotonic.now += 5  # type: ignore[attr-defined]  # the clock of this test
    assert site.answer("/", [], etag=first.headers["ETag"]).status == 200


def test_rendering_takes_a_small_share_of_the_time(crowd: tuple[Any, History]) -> None:
    clock = Clock()
    made: list[float] = []

    def view() -> Any:
        return replace(crowd[0], taken_at=NOW + len(made))

    class Slow(NoPast):
        def marks(self, *_: Any, **__: Any) -> list[Any]:
            made.append(clock.now)
            clock.now += 0.1
            return []

    site = Site(view, Slow(), clock)
    end = clock.now + 600
    while clock.now < end:
        site.answer("/", [])
        clock.now += 0.2
    spent = 0.1 * len(made)
    assert 0.02 * 600 < spent < 0.06 * 600 + 1


def test_an_address_nobody_asked_for_is_answered_at_once_however_busy(crowd: tuple[Any, History]) -> None:
    site = Site(lambda: crowd[0], KnownPast.of(crowd[1]), Clock())
    site._paid_until = 1e9
    assert site.answer("/pipeline", []).status == 200


def test_what_is_kept_is_bounded(crowd: tuple[Any, History]) -> None:
    site = Site(lambda: crowd[0], KnownPast.of(crowd[1]), Clock())
    for place in range(300):
        site.answer("/model", [*MODEL, ("find", f"x{place}")], compress=True)
    assert len(site._kept) <= 256
    assert site._bytes == sum(kept.size for kept in site._kept.values()) <= 33 << 20


def test_browsers_are_told_to_trust_nobody(crowd: tuple[Any, History]) -> None:
    policy = SECURITY["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    for path, page in PAGES.items():
        query = COLUMN if page.charts else MODEL if page.of_model else []
        answer = render(path, query, crowd[0], KnownPast.of(crowd[1]))
        assert answer.headers.items() >= SECURITY.items()
        tags = Tags()
        tags.feed(answer.body.decode())
        for kind, attributes in tags.seen:
            assert not any(name.startswith("on") or name == "style" for name in attributes), (kind, attributes)
            assert kind != "style"
            for name in ("src", "href"):
                address = attributes.get(name)
                assert address is None or re.match(r"[/#](?!/)", address), (kind, address)


def test_hostile_names_are_text() -> None:
    view, _ = scenes.hostile()
    for path, page in PAGES.items():
        for name in scenes.HOSTILE:
            if "\ud800" in name:
                continue
            query = [("model", label(name)), ("column", label(scenes.HOSTILE[-8]))] if page.of_model else []
            answer = render(path, query, view, NoPast())
            assert answer.status == 200
            tags = Tags()
            tags.feed(answer.body.decode())
            assert not {kind for kind, _ in tags.seen} & {"img", "iframe", "object", "embed"}
            assert [a.get("type") for kind, a in tags.seen if kind == "script" and "src" not in a] == [
                "application/json"
            ] * sum(kind == "script" and "src" not in a for kind, a in tags.seen)
            assert not any("\u202e" in (value or "") for _, a in tags.seen for value in a.values())
            assert "\u202e" not in answer.body.decode()
            assert len(answer.body) < 2_000_000


def test_fifty_models_of_five_hundred_columns(tmp_path: Path) -> None:
    view, past = scenes.crowd(50, 500, 3)
    history = History(tmp_path / "history.sqlite")
    history.upsert(past)
    began = time.process_time()
    overview = render("/", [], view, KnownPast.of(history))
    model = render("/model", MODEL, view, KnownPast.of(history))
    spent = time.process_time() - began
    history.close()
    assert len(overview.body) <= 300_000
    assert len(model.body) <= 300_000
    assert spent < 1.0


def test_before_there_is_anything(crowd: tuple[Any, History]) -> None:
    site = Site(lambda: None)
    assert site.answer("/", []).status == 503
    assert b"Starting" in site.answer("/", []).body
    assert json.loads(site.answer(f"{API}overview", []).body)["error"]


def test_right_after_a_start_the_past_is_shown(crowd: tuple[Any, History]) -> None:
    view, history = crowd
    bare = replace(view, models=tuple(replace(model, windows=()) for model in view.models))
    found = data(render(f"{API}overview", [], bare, KnownPast.of(history)))["overview"]
    assert {row["status"] for row in found["models"]} <= {"drift", "warn", "ok"}
    assert data(render(f"{API}model", MODEL, bare, KnownPast.of(history)))["moved"]["judged"] == 30


def test_what_rests_on_labels_counts_for_the_status_but_is_no_window_of_inputs(crowd: tuple[Any, History]) -> None:
    assert scene_module.OF_LABELS == OF_WINDOW
    assert scene_module.CONCEPT == CONCEPT_WINDOW
    calm, _ = scenes.crowd(1, 1, 1, seed=2)
    first = calm.models[0]
    alarm = finding("error", "adwin", "drift")
    hours = window(alarm, model=first.name, version="8", name=CONCEPT_WINDOW, n=10)
    shown = replace(calm, models=(replace(first, windows=(*first.windows, hours)),))
    found = data(render(f"{API}model", MODEL, shown, NoPast()))
    assert found["summary"]["status"] == "drift"
    assert found["summary"]["window"] == "daily"
    row = data(render(f"{API}overview", [], shown, NoPast()))["overview"]["models"][0]
    assert "error" in {moved["column"] for moved in row["worst"]}
    assert row["window"] == "daily"


def test_slices_are_ranked_by_drift_or_by_lift(crowd: tuple[Any, History]) -> None:
    view, past = crowd[0], KnownPast.of(crowd[1])
    lifts = {}
    for by in (None, "lift"):
        query = [*MODEL, *([("by", by)] if by else [])]
        lifts[by] = [row["lift"] for row in data(render(f"{API}slices", query, view, past))["slices"]["rows"]]
        assert render("/slices", query, view, past).status == 200
    assert lifts["lift"] == sorted(lifts[None], reverse=True)
    assert lifts[None] != lifts["lift"]
    assert render("/slices", [*MODEL, ("by", "luck")], view, past).status == 400


def test_evidence_in_slices_is_told_with_the_slice_the_worst_first() -> None:
    calm, _ = scenes.crowd(1, 1, 1, seed=2)
    first = calm.models[0]
    told = [
        window(
            finding("recall", "evidence", status, statistic=held, threshold=6.0),
            finding("recall", "psi"),
            model=first.name, version="8", name=WINDOW, slice=slice_,
        )
        for slice_, status, held in (
            ("", "drift", 9.0), ("c=de", "ok", -2.0), ("c=fr", "drift", 7.0), ("c=it", "ok", 3.0)
        )
    ]  # fmt: skip
    older = replace(told[1], result=replace(told[1].result, slice="c=old", start=0, end=told[1].result.start))
    shown = replace(calm, models=(replace(first, windows=(*first.windows, *told, older)),))
    found = data(render(f"{API}slices", MODEL, shown, NoPast()))["judged_in_slices"]
    rows = [(row["slice"], row["monitor"], row["status"]) for row in found["monitors"]]
    assert rows == [("c=fr", "recall", "drift"), ("c=it", "recall", "ok"), ("c=de", "recall", "ok")]
    page = render("/slices", MODEL, shown, NoPast()).body.decode()
    assert "Evidence of outcomes in slices" in page
    assert "7.00 / 6.00" in page or "7 / 6" in page
    assert data(render(f"{API}slices", [*MODEL, ("version", "7")], shown, NoPast()))["judged_in_slices"] is None
