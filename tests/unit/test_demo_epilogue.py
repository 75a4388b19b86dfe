"""The alerts that the demo ends with."""

from __future__ import annotations

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
        hour * HOUR, 0, f"{name}{about}", name, "warn", "m", state, "", about, f"{column} moved, since x"
    )


def test_alerts_of_one_name_and_column_are_one_line() -> None:
    past = [
        change(1, "firing"), change(2, "firing", window="daily"), change(3, "resolved"),
        change(4, "firing", column="car"), change(5, "resolved", window="daily"),
        change(6, "resolved", column="car"), change(7, "firing", column="car"),
    ]  # fmt: skip
    age, car = lines(past[::-1])
    assert (age.column, age.began, age.ended, age.times) == ("age", HOUR, 5 * HOUR, 2)
    assert (car.column, car.began, car.ended, car.times) == ("car", 4 * HOUR, None, 2)
    console = Console(width=200, record=True, file=None)
    with console.capture() as shown:
        console.print(timeline(past[::-1]))
    text = shown.get()
    assert "age moved" in text
    assert "still fires" in text


def test_nothing_is_an_empty_table() -> None:
    assert lines([]) == []
    timeline([])
