"""Incidents of evidence: what alarmed together, what else happened then, and whether it was worth waking somebody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dashboards.figures import clock, count, moment, when
from dashboards.html import Child, Html, join, name, tag
from dashboards.page.alerts import field, severity_badge, token_field
from dashboards.page.events import EventRow, sentence_of
from dashboards.page.events import row as event_row
from dashboards.page.parts import badge, card, link, more, nothing, sentence, table
from dashboards.page.scene import Scene
from monitor.labels import label
from monitor.views import AlarmView, IncidentView

_SHOWN: Final = 30
_AT_ONCE: Final = 8
_NAMED: Final = 3
VERDICTS: Final = {
    "useful": ("ok", "useful", "I had to know this"),
    "expected": ("insufficient", "expected", "real, but known before"),
    "noise": ("warn", "noise", "nothing had changed"),
}
"""Verdict → the status whose shape it takes, its word, and what it means."""


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """One monitor that raised an alarm."""

    monitor: str
    version: str
    slice: str
    explanation: str


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One incident."""

    severity: str
    fleet: str
    start: datetime | None
    end: datetime | None
    alarms: list[AlarmRow]
    verdict: str
    marked_by: str
    because: str
    events: list[EventRow]


@dataclass(frozen=True, slots=True)
class Incidents:
    """The newest incidents of a model, newest first."""

    model: str
    rows: list[IncidentRow]
    marked: dict[str, int]
    """Verdict → incidents among these rows."""


def read(scene: Scene) -> Incidents | None:
    """Return the incidents, ``None`` where no evidence is gathered."""
    found = scene.incidents
    if not found and not scene.model.evidence:
        return None
    rows = [_row(one) for one in found[:_SHOWN]]
    return Incidents(label(scene.model.name), rows, dict(Counter(row.verdict for row in rows if row.verdict)))


def _row(one: IncidentView) -> IncidentRow:
    return IncidentRow(
        severity=one.severity,
        fleet=one.fleet,
        start=moment(one.start),
        end=moment(one.end),
        alarms=[_alarm(alarm) for alarm in one.alarms],
        verdict=one.verdict,
        marked_by=label(one.marked_by),
        because=sentence(one.because, 300),
        events=[event_row(event) for event in one.events],
    )


def _alarm(one: AlarmView) -> AlarmRow:
    return AlarmRow(label(one.column), label(one.version), label(one.slice), sentence(one.explanation, 300))


def show(found: Incidents, scene: Scene) -> Html:
    """Return the table, with a form beside each incident."""
    if not found.rows:
        words = "No alarm of evidence was raised yet. When one is, say here whether it was worth it."
        return card("Incidents", nothing(words), id_="incidents")
    forms = scene.links.here(scene.ask) is not None
    rows = [_cells(row, found.model, scene, form=forms) for row in found.rows]
    heads = ("When (UTC)", "Alarm", "What moved", "What else happened", "Was it worth it?")
    first = table(heads, rows[:_AT_ONCE], caption="Incidents, newest first", words=True)
    rest = None
    if len(rows) > _AT_ONCE:
        rest = more(
            f"{len(rows) - _AT_ONCE} earlier", table(heads, rows[_AT_ONCE:], caption="Earlier incidents", words=True)
        )
    return card("Incidents", first, rest, id_="incidents", note=_note(found.rows))


def _note(rows: Sequence[IncidentRow]) -> str:
    told = Counter(row.verdict for row in rows if row.verdict)
    open_ = sum(not row.verdict for row in rows)
    parts = [f"{count(told[verdict])} {verdict}" for verdict in VERDICTS if told[verdict]]
    parts += [f"{count(open_)} not marked"] if open_ else []
    return (
        f"Alarms of one severity in one window, newest first: {', '.join(parts)}. "
        "Only noise counts against the promise below."
    )


def _cells(row: IncidentRow, model: str, scene: Scene, *, form: bool) -> tuple[Child, ...]:
    mark = _mark(row)
    ask = _form(row, model) if form and row.alarms and row.start is not None else None
    return (
        join(when(row.start), tag("p", f"to {clock(row.end)[11:]}, {row.fleet}", class_="note")),
        severity_badge(row.severity),
        _moved(row.alarms, model, scene),
        [tag("p", sentence_of(event), class_="note") for event in row.events] or "nothing noted",
        join(mark, ask),
    )


def _moved(alarms: Sequence[AlarmRow], model: str, scene: Scene) -> Html:
    shown = [_told(alarm, model, scene) for alarm in alarms]
    rest = more(f"{count(len(shown) - _NAMED)} more", shown[_NAMED:]) if len(shown) > _NAMED else None
    return join(shown[:_NAMED], rest)


def _told(alarm: AlarmRow, model: str, scene: Scene) -> Html:
    versions = {one.result.version for one in scene.whole}
    where = [f"version {alarm.version}" if alarm.version and len(versions) > 1 else "", alarm.slice]
    address = scene.links.column(model, alarm.monitor.partition(".")[0], alarm.version or None)
    known = alarm.monitor.partition(".")[0] in scene.columns
    return tag(
        "p", link(address if known else None, name(alarm.monitor)), " ",
        tag("span", name(", ".join(filter(None, where))), class_="of") if any(where) else None, " ",
        tag("span", alarm.explanation, class_="note"),
    )  # fmt: skip


def _mark(row: IncidentRow) -> Html | None:
    if not row.verdict:
        return None
    status, word, _ = VERDICTS.get(row.verdict, ("insufficient", row.verdict, ""))
    said = join("by ", name(row.marked_by), f": {row.because}" if row.because else "")
    return join(badge(status, word), tag("p", said, class_="note"))


def _form(row: IncidentRow, model: str) -> Html:
    at = "" if row.start is None else row.start.isoformat().replace("+00:00", "Z")
    hidden = {"model": model, "column": row.alarms[0].monitor, "at": at}
    buttons = [
        tag("button", word, name="verdict", value=verdict, title=meaning)
        for verdict, (_, word, meaning) in VERDICTS.items()
    ]
    form = tag(
        "form",
        [tag("input", type="hidden", name=key, value=value) for key, value in hidden.items()],
        field("Because", "because", maxlength=300, needed=False),
        token_field(),
        tag("div", buttons, class_="buttons"),
        method="post", action="/evidence/mark",
    )  # fmt: skip
    meanings = "; ".join(f"{word}: {meaning}" for _, word, meaning in VERDICTS.values())
    return more("Change the mark" if row.verdict else "Mark it", tag("p", f"{meanings}.", class_="note"), form)
