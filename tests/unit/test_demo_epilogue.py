"""The alerts that the demo ends with."""

from __future__ import annotations

import pytest
from rich.console import Console

from monitor.demo.epilogue import lines, timeline
from monitor.events import HOUR
from monitor.views import AlertChangeView


def change(
    hour: int, state: str, name: str = "FeatureDrift", column: str = "age", window: str = "hourly"
) -> AlertChangeView:
    """Return a transition of a warning."""
    about = f"column {column}, window {window}"
    return AlertChangeView(
        hour * HOUR, hour * HOUR, f"{name}{about}", name, "warn", "m", state, "", about, f"{column} moved, since x"
    )


def test_alerts_of_one_name_and_column_are_one_line() -> None:
    past = [
        change(1, "firing"), change(2, "firing", window="daily"), change(3, "resolved"),
        change(4, "firing", column="car"), change(5, "resolved", window="daily"),
        change(6, "resolved", column="car"), change(7, "firing", column="car"),
    ]  # fmt: skip
    age, car = lines(past[::-1])
    assert (age.column, age.first.at, age.ended) == ("age", HOUR, 5 * HOUR)
    assert (car.column, car.first.at, car.ended) == ("car", 4 * HOUR, None)
    console = Console(width=200, record=True, file=None)
    with console.capture() as shown:
        console.print(timeline(past[::-1]))
    text = shown.get()
    assert "age moved" in text
    assert "still fires" in text


def test_rates_and_groups_of_a_column_are_one_line_in_the_order_of_telling() -> None:
    late = AlertChangeView(HOUR, 9 * HOUR, "f", "PerformanceDrop", "page", "m", "firing", "", "column recall", "fell")
    past = [change(2, "firing", column="age.high"), change(3, "firing", column="age.[0; 1)"), late]
    assert [(line.column, line.ended) for line in lines(past[::-1])] == [("age", None), ("recall", None)]
    assert len(lines([change(4, "resolved", column="age.high"), *past[::-1]])) == 2


@pytest.mark.parametrize("width", [80, 200])
def test_every_alert_takes_one_row(width: int) -> None:
    console = Console(width=width)
    past = [change(hour, "firing", name="PredictionsStopped", column=f"column_{hour}" * 5) for hour in range(1, 40)]
    with console.capture() as shown:
        console.print(timeline(past[::-1]))
    rows = shown.get().splitlines()
    assert len(rows) == 1 + 1 + 24 + 1, "title, head, rows, and what is left out"
    assert "15 more are on the page" in rows[-1]
    assert all(len(row) <= width for row in rows)


def test_nothing_is_an_empty_table() -> None:
    assert lines([]) == []
    timeline([])
