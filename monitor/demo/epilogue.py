"""What the demo ends with: its alerts, in the order in which they came."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from monitor.alerting.desk import Desk
from monitor.demo.screen import clock
from monitor.views import AlertChangeView

_SHOWN = 24
_RANKS = {"page": 0, "warn": 1, "info": 2}
_STYLES = {"page": "bold red", "warn": "yellow", "info": "dim"}


def epilogue(desk: Desk) -> Iterator[RenderableType]:
    """Yield what is printed after the closing table."""
    yield timeline(desk.view.changes)


@dataclass(slots=True)
class Line:
    """All alerts of one name about one column."""

    name: str
    severity: str
    column: str
    first: AlertChangeView
    began: int
    ended: int | None
    firing: int = 0
    times: int = 0


def lines(changes: Sequence[AlertChangeView]) -> list[Line]:
    """Return alerts by name and column, in the order in which they first fired; ``changes`` are newest first."""
    found: dict[tuple[str, str, str], Line] = {}
    for change in reversed(changes):
        column = next((part[7:] for part in change.about.split(", ") if part.startswith("column ")), "")
        key = (change.name, change.severity, column)
        line = found.get(key)
        if line is None:
            line = found[key] = Line(change.name, change.severity, column, change, change.at, None)
        if change.state == "firing":
            line.firing, line.times, line.ended = line.firing + 1, line.times + 1, None
        else:
            line.firing = max(0, line.firing - 1)
            line.ended = change.at if not line.firing else None
    return sorted(found.values(), key=lambda line: line.began)


def timeline(changes: Sequence[AlertChangeView]) -> RenderableType:
    """Return the table."""
    every = lines(changes)
    table = Table(title="Its alerts", title_justify="left")
    for name in ("began", "ended", "severity", "alert", "about", "times", "in words"):
        table.add_column(name, justify="right" if name == "times" else "left")
    chosen = sorted(every, key=lambda line: (_RANKS.get(line.severity, 3), line.began))[:_SHOWN]
    for line in sorted(chosen, key=lambda line: line.began):
        table.add_row(
            clock(line.began), clock(line.ended) if line.ended is not None else "still fires",
            Text(line.severity, style=_STYLES.get(line.severity, "")), line.name, line.column, str(line.times),
            line.first.explanation.partition(", since ")[0],
        )  # fmt: skip
    if len(every) > len(chosen):
        table.caption = f"{len(every) - len(chosen)} more are on the page, under Alerts."
    return table
