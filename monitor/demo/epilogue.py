"""What the demo ends with: its alerts, in the order in which they came, and the retraining that they led to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from alerts.engine import AlertEngine
from alerts.retraining.states import Proposal
from monitor.alerting.desk import Desk
from monitor.demo.screen import clock
from monitor.retraining.keeper import RetrainingKeeper
from monitor.views import AlertChangeView

_SHOWN = 24
_ALERTS = 4
_REPAIRED = frozenset({"hvalue", "car"})
_SHORT = 12
_RANKS = {"page": 0, "warn": 1, "info": 2}
_STYLES = {"page": "bold red", "warn": "yellow", "info": "dim"}


def epilogue(desk: Desk) -> Iterator[RenderableType]:
    """Yield what is printed after the closing table."""
    yield timeline(desk.view.changes)


def repaired(engine: AlertEngine) -> Iterator[str]:
    """End the alerts that still speak of the feeds that were broken on purpose, as whoever repaired them would."""
    for listed in engine.alerts():
        labels = listed.alert.labels
        if listed.phase == "firing" and labels.get("column", "").partition(".")[0] in _REPAIRED:
            engine.resolve(listed.alert.fingerprint, author="demo", because="the feed is repaired")
            yield f"{listed.alert.name} of {labels['column']}"


def latest_proposal(keeper: RetrainingKeeper) -> Proposal | None:
    """Return the proposal that waits for a person, otherwise the latest; ``None`` when there is none."""
    found = keeper.desk.proposals()
    return next((one for one in found if one.state == "awaiting_approval"), found[0] if found else None)


def proposal(one: Proposal, decided: str, state: Path) -> Iterator[RenderableType]:
    """Yield what was proposed, what it rests on, and how it is approved."""
    evidence = json.loads(one.evidence)
    labels, alerts = evidence.get("labels", {}), evidence.get("alerts", [])
    yield Text(f"Proposed on {clock(one.created_at)}, as a dry run: retrain {one.model}.", style="bold")
    for alert in alerts[:_ALERTS]:
        yield Text(f"  {alert['rule']}: {alert.get('explanation') or alert.get('column', '')}")
    if labels.get("matured") is not None:
        yield Text(f"  {labels['matured']:,} labels have matured.")
    if one.state == "awaiting_approval":
        yield Text(f"  driftline retrain approve {one.id[:_SHORT]} --state {state}")
    else:
        yield Text(f"  It is {one.state.replace('_', ' ')}: {one.outcome or decided}.")


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
