"""What the demo ends with: its alerts, in the order in which they came, and the retraining that they led to."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from alerts.retraining.states import Proposal
from monitor.alerting.desk import Desk
from monitor.demo.screen import clock
from monitor.retraining.keeper import RetrainingKeeper
from monitor.views import AlertChangeView

_SHOWN = 24
_ALERTS = 4
_SHORT = 12
_RANKS = {"page": 0, "warn": 1, "info": 2}
_STYLES = {"page": "bold red", "warn": "yellow", "info": "dim"}


def epilogue(desk: Desk) -> Iterator[RenderableType]:
    """Yield what is printed after the closing table."""
    yield timeline(desk.view.changes)


def latest_proposal(keeper: RetrainingKeeper) -> Proposal | None:
    """Return the proposal that waits for a person, otherwise the latest; ``None`` when there is none."""
    found = keeper.desk.proposals()
    return next((one for one in found if one.state == "awaiting_approval"), found[0] if found else None)


def proposal(one: Proposal, decided: str, state: Path) -> Iterator[RenderableType]:
    """Yield what was proposed, what it rests on, and how it is approved."""
    evidence = json.loads(one.evidence)
    labels, alerts = evidence.get("labels", {}), evidence.get("alerts", [])
    yield Text(f"Proposed on {clock(one.created_at)}: retrain {one.model}, version {one.version}.", style="bold")
    for alert in alerts[:_ALERTS]:
        words = alert.get("explanation", "").partition(", since ")[0]
        yield Text(f"  {alert['rule']} of {alert.get('column', '')}" + (f": {words}" if words else ""))
    if labels.get("matured") is not None:
        yield Text(f"  {labels['matured']:,} labels have matured.")
    if one.state == "awaiting_approval":
        yield Text("It awaits approval. It is a dry run, so nothing is sent. Approve it now or when this is over:")
        yield Text(f"  {_program()} retrain approve {one.id[:_SHORT]} --state {state}")
    else:
        yield Text(f"  It is {one.state.replace('_', ' ')}: {one.outcome or decided}.")


def _program() -> str:
    """Return how the command is called in this shell."""
    return "driftline" if shutil.which("driftline") else os.path.relpath(sys.argv[0])


@dataclass(slots=True)
class Line:
    """All alerts of one name and severity about one column, its rates and slices included."""

    name: str
    severity: str
    column: str
    first: AlertChangeView
    ended: int | None = None
    """In event time; ``None`` while one of them fires."""
    firing: int = 0

    @property
    def words(self) -> str:
        """What the first of them said."""
        return self.first.explanation.partition(", since ")[0]


def lines(changes: Sequence[AlertChangeView]) -> list[Line]:
    """Return alerts by name and column, in the order in which they were first told; ``changes`` are newest first."""
    found: dict[tuple[str, str, str], Line] = {}
    for change in reversed(changes):
        column = next((part[7:] for part in change.about.split(", ") if part.startswith("column ")), "")
        key = (change.name, change.severity, column.partition(".")[0])
        line = found.setdefault(key, Line(*key, change))
        if change.state == "firing":
            line.firing, line.ended = line.firing + 1, None
        else:
            line.firing = max(0, line.firing - 1)
            line.ended = change.at if not line.firing else None
    return sorted(found.values(), key=lambda line: line.first.observed_at)


def timeline(changes: Sequence[AlertChangeView]) -> RenderableType:
    """Return the table: from when until when the data showed each, what about, and the first words on it."""
    every = lines(changes)
    table = Table(title="Its alerts, as they came", title_justify="left", box=None, pad_edge=False, expand=True)
    for name, width in (("from", 12), ("until", 12), ("", 4), ("alert", 15), ("about", 17)):
        table.add_column(name, width=width, no_wrap=True)
    table.add_column("the first said", no_wrap=True, ratio=1)
    chosen = sorted(every, key=lambda line: (_RANKS.get(line.severity, 3), line.first.observed_at))[:_SHOWN]
    for line in sorted(chosen, key=lambda line: line.first.observed_at):
        table.add_row(
            clock(line.first.at), clock(line.ended) if line.ended is not None else "still fires",
            Text(line.severity, style=_STYLES.get(line.severity, "")), line.name, line.column, line.words,
        )  # fmt: skip
    if len(every) > len(chosen):
        table.caption = f"{len(every) - len(chosen)} more are on the page, under Alerts."
        table.caption_justify = "left"
    return table
