"""What page and report know of the past: incidents with marks and events, from history and orders."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.events import HOUR
from monitor.evidence.incidents import incidents
from monitor.evidence.orders import OrderKind, Orders
from monitor.findings import Finding, WindowResult
from monitor.history import History
from monitor.past import KnownPast

NAN = float("nan")


def window(
    start: int, *columns: str, model: str = "m", version: str = "1", name: str = "evidence", status: str = "drift"
) -> WindowResult:
    """Return a window with alarms of some columns."""
    findings = tuple(
        Finding(column, "evidence", 9.0 + place, NAN, NAN, NAN, NAN, 7.0, status, 0, f"{status}: x")
        for place, column in enumerate(columns)
    )
    return WindowResult(model, version, "", name, start * HOUR, (start + 1) * HOUR, 0, 10, findings)


@pytest.fixture
def past(tmp_path: Path) -> Iterator[KnownPast]:
    with closing(History(tmp_path / "history.sqlite")) as history:
        yield KnownPast.of(history)


def fill(past: KnownPast, results: list[WindowResult]) -> None:
    """Write windows into the history behind a past."""
    with closing(History(past.history.path)) as history:
        history.upsert(results)


def say(
    past: KnownPast, kind: OrderKind, *, model: str = "m", column: str = "a", until: int = HOUR, because: str = ""
) -> None:
    """Say something."""
    past.orders.add(at=0, who="kim", model=model, column=column, until=until, because=because, kind=kind)


def test_incidents_come_newest_first_with_marks_and_events(past: KnownPast) -> None:
    fill(past, [window(1, "a", "b"), window(5, "a"), window(5, "c", model="n"), window(7, "a", status="ok"),
                window(3, "score", name="evidence:outcomes"), window(2, "lift", name="evidence:slices"),
                window(9, "a", name="daily")])  # fmt: skip
    say(past, "noise", until=HOUR, because="a test")
    say(past, "event", column="deploy", until=4 * HOUR, because="v7")
    say(past, "event", model="n", column="deploy", until=4 * HOUR, because="not of m")
    found = past.incidents("m", limit=9)
    assert [(one.start // HOUR, one.fleet, [alarm.column for alarm in one.alarms]) for one in found] == [
        (5, "inputs", ["a"]), (3, "outcomes", ["score"]), (2, "slices", ["lift"]), (1, "inputs", ["b", "a"]),
    ]  # fmt: skip
    assert [(one.verdict, one.marked_by, one.because) for one in found] == [
        *[("", "", "")] * 3, ("noise", "kim", "a test"),
    ]  # fmt: skip
    assert [[event.what for event in one.events] for one in found] == [["v7"], [], [], []]
    assert [event.what for event in past.events("m")] == ["v7"]
    assert [event.what for event in past.events()] == ["v7", "not of m"]


def test_what_was_said_is_told_apart_and_nothing_is_no_mistake(past: KnownPast) -> None:
    assert (past.said(), past.events("m"), past.incidents("m", limit=3)) == (0, [], [])
    assert not past.orders.path.exists(), "looking makes no file"
    before = past.said()
    say(past, "event")
    assert past.said() > before


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 12), st.sampled_from("12")), unique=True, max_size=20), st.integers(1, 5))
def test_the_newest_are_those_of_the_whole_history(
    tmp_path_factory: pytest.TempPathFactory, places: list[tuple[int, str]], limit: int
) -> None:
    """Reading only as many windows as are needed never loses or shortens one of the incidents asked for."""
    results = [window(start, "a", f"b{version}", version=version) for start, version in places]
    folder = tmp_path_factory.mktemp("past")
    with closing(History(folder / "history.sqlite")) as history:
        history.upsert(results)
        found = KnownPast(history, Orders(folder)).incidents("m", limit=limit)
    wanted = incidents(results)[:limit]
    assert [(one.start, len(one.alarms)) for one in found] == [(one.start, len(one.alarms)) for one in wanted]
