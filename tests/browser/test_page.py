"""Every view in a real browser: complete, quiet, harmless, usable without eyes or mouse."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest

from dashboards.page.pages import FEATURE, PAGES
from dashboards.report import Report
from monitor.events import DAY, HOUR
from monitor.history import History
from monitor.labels import label
from monitor.past import KnownPast
from tests.browser import scenes
from tests.browser.chromium import Chromium, Tab
from tests.example_view import NOW

AXE = Path(__file__).parent / "vendor" / "axe.min.js"


def addresses(model: str, column: str) -> dict[str, str]:
    """Return the address of every page, for one model and column."""
    ask = urlencode({"model": label(model)})
    column_ask = urlencode({"model": label(model), "column": label(column)})
    return {path: path if not page.of_model else f"{path}?{column_ask if path == FEATURE else ask}"
            for path, page in PAGES.items()}  # fmt: skip


def quiet(tab: Tab, stage: scenes.Stage) -> None:
    """Check that nothing went wrong and nothing was asked of anybody else."""
    assert tab.complaints == []
    strangers = [one for one in tab.requests if not one.startswith(stage.address) and one != "about:blank"]
    assert strangers == []


def faults(tab: Tab) -> list[str]:
    """Return what axe finds seriously wrong for people who see, hear or move differently."""
    tab.run(AXE.read_text() + "; true")
    found = tab.run(
        "axe.run(document, {resultTypes: ['violations']}).then(r => r.violations"
        ".filter(v => ['serious', 'critical'].includes(v.impact))"
        ".map(v => v.id + ': ' + v.nodes.slice(0, 3).map(n => n.html.slice(0, 200) + n.failureSummary).join(' | ')))"
    )
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_view_with_much_data(much: scenes.Stage, tab: Tab, dark: bool) -> None:
    tab.look(dark=dark)
    for path, address in addresses("model-00", "feature_000").items():
        tab.go(much.address + address)
        assert tab.run("document.querySelectorAll('main h1').length") == 1
        assert tab.run("document.querySelector('main').innerText.length") > 200
        if PAGES[path].charts:
            assert tab.run("[...document.querySelectorAll('.plot')].every(p => p.querySelector('canvas'))")
            least = 1 if path in {"/evidence", "/challenger"} else 3
            assert tab.run("document.querySelectorAll('.plot canvas').length") >= least
        assert faults(tab) == [], path
    quiet(tab, much)


def test_nothing_is_wider_than_a_telephone(much: scenes.Stage, tab: Tab) -> None:
    tab.look(width=360, height=740)
    for path, address in addresses("model-00", "feature_002").items():
        tab.go(much.address + address)
        assert tab.run("document.documentElement.scrollWidth") <= 360, path
    quiet(tab, much)


@pytest.mark.parametrize("model", ["small", "new", "idle"])
def test_every_view_with_little_data(little: scenes.Stage, tab: Tab, model: str) -> None:
    tab.look()
    for path, address in addresses(model, "amount").items():
        if model == "small" or path != FEATURE:
            tab.go(little.address + address)
            assert tab.run("document.querySelector('main').innerText.length") > 30, path
    assert faults(tab) == []
    quiet(tab, little)


@pytest.mark.parametrize("path", ["/", "/pipeline"])
def test_every_view_with_no_data(empty: scenes.Stage, tab: Tab, path: str) -> None:
    tab.go(empty.address + path)
    assert faults(tab) == []
    quiet(tab, empty)


@pytest.mark.parametrize(
    "text", [scenes.HOSTILE[place] for place in (0, 4, -8, -7, -6, -4)], ids=lambda t: ascii(t)[:24]
)
def test_hostile_names_are_only_names(hostile: scenes.Stage, tab: Tab, text: str) -> None:
    column = next(name for name in scenes.HOSTILE if 0 < len(name) < 300)
    for path, address in addresses(text, column).items():
        tab.go(hostile.address + address)
        title, markup, bad, size = tab.run(
            "[document.title, document.querySelectorAll('main img, main iframe, main object').length,"
            " [...document.querySelectorAll('a')].filter(a => /^javascript:/i.test(a.href)).length,"
            " document.documentElement.outerHTML.length]"
        )
        assert not PAGES[path].of_model or "Not found" not in title, address
        assert title != "owned"
        assert (markup, bad) == (0, 0)
        assert size < 2_000_000
    quiet(tab, hostile)


def test_links_lead_from_a_model_to_a_column_and_back(much: scenes.Stage, tab: Tab) -> None:
    tab.go(f"{much.address}/")
    tab.run("document.querySelector('.model h2 a').click()")
    tab.until("location.pathname === '/model' && document.readyState === 'complete'")
    tab.run("document.querySelector('#heat tbody a').click()")
    tab.until("location.pathname === '/feature' && document.readyState === 'complete'")
    assert tab.run("document.querySelector('h1').innerText").startswith("feature_")
    tab.run("[...document.querySelectorAll('.crumbs a')].at(-1).click()")
    tab.until("location.pathname === '/model' && document.readyState === 'complete'")
    quiet(tab, much)


def test_the_page_can_be_used_without_a_mouse(much: scenes.Stage, tab: Tab) -> None:
    tab.go(f"{much.address}/")
    reached = []
    for _ in range(8):
        for kind in ("keyDown", "keyUp"):
            tab.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)
        reached.append(tab.run("document.activeElement.innerText.trim()"))
        assert tab.run("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert reached[0] == "Skip to the content"
    assert {"Driftline", "Models", "Pipeline"} <= set(reached)


def test_a_range_of_time_is_part_of_the_address(much: scenes.Stage, tab: Tab) -> None:
    tab.go(f"{much.address}/model?model=model-00&from=2026-10-31T00:00Z&to=2026-10-31T06:00Z")
    cells = tab.run("document.querySelector('td.time[data-ratios]').dataset.ratios.split(',').length")
    assert cells == len([start for start in range(NOW - 40 * HOUR - DAY, NOW, HOUR)
                         if NOW - DAY <= start < NOW - 18 * HOUR and start <= NOW - DAY])  # fmt: skip
    assert "from=2026-10-31T00%3A00Z" in tab.run("document.querySelector('#heat tbody a').href")


def test_dragging_over_a_chart_leads_to_that_range(much: scenes.Stage, tab: Tab) -> None:
    tab.look()
    tab.go(f"{much.address}/feature?model=model-00&column=feature_000")
    tab.run("document.querySelector('.u-over').scrollIntoView({block: 'center'})")
    box = tab.run(
        "(b => [b.left, b.top, b.width, b.height])(document.querySelector('.u-over').getBoundingClientRect())"
    )
    height = box[1] + box[3] / 2
    for kind, share in (("mouseMoved", 0.25), ("mousePressed", 0.25), ("mouseMoved", 0.6), ("mouseReleased", 0.6)):
        tab.call("Input.dispatchMouseEvent", type=kind, x=box[0] + box[2] * share, y=height, button="left",
                 buttons=1, clickCount=1)  # fmt: skip
    tab.until("location.search.includes('from=') && document.readyState === 'complete'")
    assert tab.until("document.querySelectorAll('.plot canvas').length") >= 3
    quiet(tab, much)


def test_the_pointer_tells_what_a_cell_is(much: scenes.Stage, tab: Tab) -> None:
    tab.look()
    tab.go(f"{much.address}/model?model=model-00")
    tab.run("document.querySelector('td.time[data-ratios]').scrollIntoView({block: 'center'})")
    box = tab.run(
        "(b => [b.left, b.top, b.width])(document.querySelector('td.time[data-ratios] svg').getBoundingClientRect())"
    )
    tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0] + box[2] - 3, y=box[1] + 5)
    told = tab.until("document.querySelector('.tip:not([hidden])')?.innerText")
    assert "2026-11-01 00:00 UTC" in told
    assert "drift ratio" in told


def test_what_happened_is_drawn_and_told(much: scenes.Stage, tab: Tab) -> None:
    tab.look()
    tab.go(f"{much.address}/feature?model=model-00&column=feature_000")
    spec = json.loads(tab.run("document.querySelector('#course .plot script').textContent"))
    assert [words for _, _, words in spec["events"]] == ["summer sale", "version 8"]
    tab.run("document.querySelector('#course .u-over').scrollIntoView({block: 'center'})")
    box = tab.run(
        "(b => [b.left, b.top, b.width, b.height])(document.querySelector('#course .u-over').getBoundingClientRect())"
    )
    share = (spec["events"][1][0] - spec["t"][0]) / (spec["t"][-1] - spec["t"][0])
    tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0] + box[2] * share, y=box[1] + box[3] / 2)
    assert "version 8" in tab.until("document.querySelector('.tip:not([hidden])')?.innerText")
    tab.call("Input.dispatchMouseEvent", type="mouseMoved", x=box[0] + 3, y=box[1] + box[3] / 2)
    tab.until("document.querySelector('.tip').hidden")
    quiet(tab, much)


def test_who_wins_is_told_on_the_page_of_both(much: scenes.Stage, tab: Tab) -> None:
    for model in ("model-00", "model-01"):
        tab.go(f"{much.address}/challenger?model={model}")
        told = tab.run("document.querySelector('#duel-0').innerText")
        assert "the challenger is better" in told
        assert "5,400 ids" in told
    assert tab.run("document.querySelectorAll('.forest .side-left').length") == 1, "only the loss is decided"
    tab.go(f"{much.address}/model?model=model-02")
    assert not tab.run("[...document.querySelectorAll('.tabs a')].some(a => a.innerText === 'Challenger')")
    quiet(tab, much)


def test_it_updates_by_itself_and_keeps_what_is_open(browser: Chromium, tmp_path: Path) -> None:
    shown, past = scenes.crowd(2, 6, 8)
    with scenes.Stage(tmp_path, shown, past) as stage, browser.tab() as tab:
        tab.go(f"{stage.address}/pipeline")
        tab.until("document.getElementById('live').innerText === 'live'")
        tab.run("document.querySelector('#inputs').dataset.kept = 'yes'")
        counters = dict(shown.counters) | {("", "records"): 987_654}
        stage.holder.swap(scenes.view(shown.models))
        stage.holder.swap(type(shown)(shown.taken_at, shown.started_at, shown.build, shown.config_hash, shown.models,
                                      shown.inputs, counters, 2))  # fmt: skip
        tab.until("document.querySelector('#counters').innerText.includes('987,654')")
        assert tab.run("document.querySelector('#inputs').dataset.kept") == "yes", "what is the same stays"
        stage.server.stop()
        tab.until("document.getElementById('live').className === 'lost'")


def test_the_theme_can_be_switched_and_is_remembered(much: scenes.Stage, tab: Tab) -> None:
    tab.look(dark=False)
    tab.go(f"{much.address}/")
    light = tab.run("getComputedStyle(document.body).backgroundColor")
    tab.run("document.getElementById('theme').click()")
    assert tab.run("getComputedStyle(document.body).backgroundColor") != light
    tab.go(f"{much.address}/pipeline")
    assert tab.run("document.documentElement.dataset.theme") == "dark"
    quiet(tab, much)


def test_without_scripts_the_page_is_complete(much: scenes.Stage, tab: Tab) -> None:
    tab.call("Emulation.setScriptExecutionDisabled", value=True)
    tab.call("Page.navigate", url=f"{much.address}/feature?model=model-00&column=feature_000")
    tab.browser.wait(lambda: tab.session in tab.browser.loaded, "does not load")
    tab.call("Emulation.setScriptExecutionDisabled", value=False)
    assert tab.run("document.querySelectorAll('#course table tbody tr').length") > 40
    assert tab.run("document.querySelectorAll('svg.histogram path').length") >= 3


def test_before_the_state_is_open_the_page_says_so_and_goes_on(browser: Chromium, tmp_path: Path) -> None:
    shown, past = scenes.crowd(1, 4, 4)
    with scenes.Stage(tmp_path, None, past) as stage, browser.tab() as tab:
        tab.go(f"{stage.address}/")
        assert "Starting" in tab.run("document.title")
        stage.holder.swap(shown)
        tab.until("document.title.startsWith('Models') && document.querySelectorAll('.model').length === 1")


def test_the_report_is_complete_and_asks_nobody(tab: Tab, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    view, past = scenes.crowd(1, 8, 12)
    with closing(History(tmp_path / "history.sqlite")) as history:
        history.upsert(past)
        file.write_bytes(Report(view, KnownPast.of(history)).html())
    tab.look()
    tab.go(file.as_uri())
    assert tab.run("document.querySelectorAll('.plot canvas').length") >= 3
    assert tab.run("document.querySelectorAll('svg.histogram').length") >= 1
    assert tab.run("[...document.querySelectorAll('a')].every(a => document.getElementById(a.hash.slice(1)))")
    assert faults(tab) == []
    assert tab.complaints == []
    assert [one for one in tab.requests if not one.startswith("file:")] == []
