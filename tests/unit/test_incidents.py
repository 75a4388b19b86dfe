"""Incidents, what people say of them, events beside them, and a reference made of the stream."""

from __future__ import annotations

import getpass
from contextlib import closing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from monitor.commands.incidents import event, mark, show
from monitor.commands.promote import promote, revert
from monitor.config.load import load
from monitor.events import DAY, HOUR
from monitor.evidence.incidents import find, incidents, meters
from monitor.evidence.known import known_incidents
from monitor.evidence.orders import Order, Orders
from monitor.findings import Finding, WindowResult
from monitor.pipeline import Pipeline
from monitor.promotion import Promotion
from monitor.reference import Reference
from monitor.store.rocks import RocksStore
from monitor.views import EvidenceView
from tests import evidence_labels
from tests.evidence_service import BEGIN, configured, logs, rows, run

NAN = float("nan")
MARK = Order(1, 0, "kim", "noise", "m", "a", 5 * HOUR, "a test")


def window(start: int, *alarmed: tuple[str, str], model: str = "m", name: str = "evidence") -> WindowResult:
    findings = tuple(
        Finding(column, detector, 9.0 + place, NAN, NAN, NAN, NAN, 7.0, "drift", 0, "drift: x")
        for place, (column, detector) in enumerate(alarmed)
    )
    return WindowResult(model, "1", "", name, start, start + HOUR, 0, 10, findings)


RESULTS = [
    window(HOUR, ("a", "evidence")),
    window(5 * HOUR, ("a", "evidence"), ("b", "evidence"), ("b", "evidence_page")),
    window(5 * HOUR, ("a", "evidence"), model="n"),
    window(6 * HOUR, ("a", "psi"), name="hourly"),
]


def test_alarms_of_a_window_and_severity_are_one_incident_and_the_newest_comes_first() -> None:
    found = incidents(RESULTS)
    assert [(one.model, one.severity, one.start // HOUR, len(one.alarms)) for one in found] == [
        ("m", "page", 5, 1), ("m", "warn", 5, 2), ("n", "warn", 5, 1), ("m", "warn", 1, 1),
    ]  # fmt: skip
    assert [finding.column for _, _, finding in found[1].alarms] == ["b", "a"], "strongest first"


def test_the_last_mark_of_its_window_and_column_holds() -> None:
    later = replace(MARK, number=2, kind="useful")
    others = [replace(MARK, model="n", column="z"), replace(MARK, until=HOUR + 1)]
    found = incidents(RESULTS, [MARK, later, *others])
    assert [None if one.mark is None else one.mark.kind for one in found] == [None, "useful", None, None]


def test_events_are_named_beside_what_follows_within_a_day() -> None:
    deploy = replace(MARK, kind="event", column="deploy", model="", until=4 * HOUR)
    others = [replace(deploy, model="n"), replace(deploy, until=-20 * HOUR), replace(deploy, until=6 * HOUR)]
    found = incidents(RESULTS, [deploy, *others])
    assert [len(one.events) for one in found] == [1, 1, 2, 1]


def test_the_meter_holds_marks_against_the_promise() -> None:
    views = [
        EvidenceView("inputs", "warn", HOUR, "", 10.0, 3, windows=20, promised=2.0, incidents=3),
        EvidenceView("outcomes", "warn", HOUR, "", 10.0, 3, windows=20, promised=0.5, incidents=0),
        EvidenceView("inputs", "page", HOUR, "", 1e3, 3, windows=20, promised=0.02, incidents=1),
    ]
    warn, page = meters(views, incidents(RESULTS, [MARK]))
    assert (warn.severity, warn.promised, warn.observed, warn.marked, warn.noise) == ("warn", 2.5, 3, {"noise": 1}, 1)
    assert (page.promised, page.observed, page.marked, page.noise) == (0.02, 1, {}, 0)


def test_find_takes_the_newest_or_the_one_at_a_time() -> None:
    known = incidents(RESULTS)
    newest, at = find(known, "m", "a"), find(known, "m", "a", HOUR + 5)
    assert newest is not None
    assert newest.start == 5 * HOUR
    assert at is not None
    assert at.start == HOUR
    assert find(known, "m", "z") is None
    assert find(known, "m", "a", 9 * HOUR) is None


def higher(value: dict[str, object], time: int) -> None:
    features = value["f"]
    assert isinstance(features, dict)
    if time >= BEGIN + DAY:
        features["b"] += 0.7


@pytest.fixture(scope="module")
def drifted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a service that saw a drift."""
    folder = tmp_path_factory.mktemp("drifted")
    config = configured(folder, per_hour=60)
    with closing(RocksStore.open(folder / "state" / "store", create=True)) as store:
        run(config, folder, logs(rows(BEGIN, BEGIN + 2 * DAY, 60, 3, higher)), store=store).assembly.history.close()
    return folder


def test_an_incident_is_marked_by_command_and_shown(drifted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = drifted / "driftline.yaml"
    assert event(path, {}, "model v7", kind="deploy", model="m", at="2026-11-03T00:00:00Z") == 0
    assert mark(path, {}, "m.b", "useful", "the campaign") == 0
    assert mark(path, {}, "m.c", "noise", "") == 1
    assert mark(path, {}, "x.b", "noise", "") == 1
    assert mark(path, {}, "m.b", "silly", "") == 2
    assert mark(path, {}, "m.b", "noise", "", at="yesterday") == 2
    assert event(path, {}, " ", kind="deploy", model=None, at=None) == 2
    assert event(path, {}, "x", kind="deploy", model="y", at=None) == 1
    capsys.readouterr()
    assert show(path, {}) == 0
    said = capsys.readouterr().out
    assert "1 came (1 useful)" in said
    assert f"warn  m, inputs: useful, says {getpass.getuser()}: the campaign" in said
    assert "2026-11-03T00:00Z deploy: model v7" in said
    (one,) = [one for one in known_incidents(load(path, {}), "m") if one.severity == "warn"]
    assert one.mark is not None


def test_a_mark_changes_nothing_for_the_pipeline(drifted: Path) -> None:
    config = load(drifted / "driftline.yaml", {})
    Orders(drifted / "state").add(at=1, who="kim", model="m", column="b", until=BEGIN, because="", kind="noise")
    with closing(RocksStore.open(drifted / "state" / "store", create=True)) as store:
        again = run(config, drifted, logs(rows(BEGIN, BEGIN + 2 * DAY, 60, 3, higher)), store=store)
        (watch,) = again.evidence.watches["m"]
        assert watch.heard >= 1
        assert watch.orders == []
        again.assembly.history.close()


def test_promoted_rows_become_the_reference(drifted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = drifted / "driftline.yaml"
    before = Reference.load(drifted / "reference.json")
    asked = Promotion("m", "2026-11-03T00:00:00Z", "2026-11-04T00:00:00Z", "prices changed")
    assert promote(path, {}, replace(asked, until=asked.since)) == 2
    assert promote(path, {}, replace(asked, because=" ")) == 2
    assert promote(path, {}, replace(asked, model="x")) == 1
    few = replace(asked, since="2026-12-03T00:00:00Z", until="2026-12-04T00:00:00Z")
    assert promote(path, {}, few) == 65
    assert Reference.load(drifted / "reference.json").checksum == before.checksum
    assert promote(path, {}, replace(asked, since="2026-11-02T00:00:00Z")) == 0
    after = Reference.load(drifted / "reference.json")
    assert after.rows == 2 * 24 * 60
    assert after.days == ("2026-11-02", "2026-11-03")
    assert {name: one.bins.identity for name, one in after.columns.items()} == {
        name: one.bins.identity for name, one in before.columns.items()
    }
    (old,) = drifted.glob("reference.json.*")
    assert Reference.load(old).checksum == before.checksum
    assert "restart the service" in capsys.readouterr().out
    assert [order.kind for order in Orders(drifted / "state").after(0)][-1] == "promote"


def test_a_switch_is_ordered_and_undone_by_its_number(drifted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = drifted / "driftline.yaml"
    asked = Promotion("m", "2026-11-02T00:00:00Z", "2026-11-03T00:00:00Z", "version 2", live=True)
    assert promote(path, {}, replace(asked, out=drifted / "x.json")) == 2
    assert promote(path, {}, replace(asked, model="x")) == 1
    assert promote(path, {}, asked) == 0
    order = Orders(drifted / "state").after(0)[-1]
    assert (order.kind, order.column, order.because) == ("switch", "2026-11-02T00:00:00Z", "version 2")
    assert f"driftline reference revert m {order.number} --because" in capsys.readouterr().out
    for name, number, because, status in (("x", order.number, "y", 1), ("m", order.number + 1, "y", 1),
                                          ("m", order.number, " ", 2)):  # fmt: skip
        assert revert(path, {}, name, number, because) == status
    assert revert(path, {}, "m", order.number, "it was a mistake") == 0
    back = Orders(drifted / "state").after(0)[-1]
    assert (back.kind, back.column, back.because) == ("switch_back", str(order.number), "it was a mistake")


def test_outcomes_learn_anew_when_a_reference_is_promoted(tmp_path: Path) -> None:
    """From the next window on, and evidence begins again after that."""
    cases = evidence_labels.cases(BEGIN, BEGIN + 5 * DAY, 40, 3)
    config = evidence_labels.configured(tmp_path, learn="1d")
    content = evidence_labels.logs(cases, pause_every=300)
    Orders(tmp_path / "state").add(at=1, who="k", model="m", column="", until=BEGIN, because="moved", kind="promote")
    plain = evidence_labels.run(config, tmp_path, content)
    assert evidence_labels.told(plain)[0].start == BEGIN + DAY, "there was nothing learnt to forget"

    def late(point: str) -> None:
        if point == "before_write" and len(orders.after(0)) < 2 and (tmp_path / "state" / "history.sqlite").exists():
            watch = evidence_labels.watch_of(holder[0]) if holder else None
            if watch is not None and watch.next is not None and watch.next >= BEGIN + 2 * DAY:
                orders.add(at=2, who="k", model="m", column="", until=BEGIN, because="moved", kind="promote")

    plain.assembly.history.close()
    (tmp_path / "state" / "history.sqlite").unlink()
    orders, holder = Orders(tmp_path / "state"), list[Pipeline]()
    pipeline = evidence_labels.run(config, tmp_path, content, fault=late, opened=holder.append)
    starts = [result.start for result in evidence_labels.told(pipeline)]
    gap = [(one, other) for one, other in pairwise(starts) if other - one > HOUR]
    assert len(gap) == 1
    assert gap[0][1] - gap[0][0] == DAY + HOUR
    assert any("learns its reference anew: moved" in change for change in pipeline.assembly.models["m"].changes)
