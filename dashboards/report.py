"""The views of the page as one file: HTML that needs nothing else, Markdown, or JSON."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from types import ModuleType
from typing import Any, Final

import msgspec

from dashboards.figures import clock, count, figure, moment, share
from dashboards.html import Html, join, name, tag
from dashboards.page import (
    alert_timeline,
    alerts,
    assets,
    concepts,
    confused,
    correctness,
    course,
    delivery,
    distribution,
    duel,
    events,
    found,
    frame,
    gathered_column,
    health,
    heat,
    incidents,
    judged_slices,
    lateness,
    moved,
    overview,
    promises,
    reliability,
    restated,
    retraining,
    risk,
    silences,
    slices,
    summary,
    verdict,
)
from dashboards.page import versions as versions_of
from dashboards.page.ask import Ask
from dashboards.page.past import Past
from dashboards.page.scene import Scene, current, findings_now
from monitor.findings import STATUSES, worst_status
from monitor.labels import label
from monitor.views import ModelView, View

FORMATS: Final = ("html", "md", "json")
FAIL_ON: Final = {"warn": "warn", "page": "drift"}
"""What ``--fail-on`` says → the least status of a finding that counts."""
_MODELS: Final = 100
_HEAT_MODELS: Final = 20
"""Models, the worst first, whose columns are drawn over time; of the others there are words."""
_COLUMNS: Final = 12
"""Columns in drift or warning that are shown in full, over all models."""
_ROWS: Final = 12
"""Windows in the table behind a chart."""
_IDS: Final = re.compile(r' id="[^"]*"')


@dataclass(frozen=True, slots=True)
class ReportLinks:
    """Anchors within the report; a view that is not in it has no address."""

    anchors: dict[tuple[str, str], str]
    """(model, column or empty) → anchor."""

    def model(self, model: str, version: str | None = None, window: str | None = None) -> str | None:
        """Return the anchor of a model."""
        del version, window
        return self._to(label(model), "")

    def column(self, model: str, column: str, version: str | None = None, window: str | None = None) -> str | None:
        """Return the anchor of a column of a model."""
        del version, window
        return self._to(label(model), label(column))

    def labels(self, model: str, version: str | None = None) -> str | None:
        """Return the anchor of a model: what labels say stands there too."""
        return self.model(model, version)

    def alerts(self) -> str | None:
        """Return nothing: alerts stand once, at the end."""
        return None

    def here(self, ask: Ask, **changes: str | None) -> str | None:
        """Return nothing: a report cannot be asked for anything else."""
        del ask, changes
        return None

    def _to(self, model: str, column: str) -> str | None:
        anchor = self.anchors.get((model, column))
        return None if anchor is None else f"#{anchor}"


@dataclass(frozen=True)
class Report:
    """What a report is made from.

    Parameters
    ----------
    view
        What is true now.
    past
        The windows before.
    first, last
        The range of time over which columns are drawn; without one the latest windows.
    """

    view: View
    past: Past
    first: int | None = None
    last: int | None = None

    def worst(self) -> str:
        """Return the worst status among the current windows of all models."""
        found = (
            finding for model in self.view.models for window in current(self._scene(model).windows_of(model))
            for finding in window.result.findings
        )  # fmt: skip
        return worst_status(found)

    def fails(self, on: str) -> bool:
        """Return whether there is something at least as bad as ``--fail-on`` says."""
        return STATUSES.index(self.worst()) >= STATUSES.index(FAIL_ON[on])

    def html(self) -> bytes:
        """Return one HTML file with everything in it; it asks nobody for anything."""
        parts = self._parts()
        anchors = {(part.scene.model_name, ""): f"m{number}" for number, part in enumerate(parts)}
        for number, part in enumerate(parts):
            for place, column in enumerate(part.columns):
                anchors[part.scene.model_name, column] = f"m{number}c{place}"
        links = ReportLinks(anchors)
        body = join(
            _without_ids(overview.show(overview.read(self._scene(None, links)), self._scene(None, links))),
            _risk(self._scene(None, links)),
            (_model(replace(part, scene=_linked(part.scene, links)), links) for part in parts),
            _alerts(self._scene(None, links)),
            _retraining(self._scene(None, links)),
            _pipeline(self._scene(None, links)),
        )
        return _document(self._title(), body)

    def _title(self) -> str:
        """Return what the report is of: a range, or the moment at which it was taken."""
        if self.first is None or self.last is None:
            return f"Driftline report, {clock(moment(self.view.taken_at))} UTC"
        return f"Driftline report, {clock(moment(self.first))} to {clock(moment(self.last))} UTC"

    def json(self) -> bytes:
        """Return what every view shows as plain data."""
        scene = self._scene(None)
        models = [
            {section.__name__.rsplit(".", 1)[1]: section.read(part.scene) for section in _SECTIONS}
            | {"columns": [_column_data(part, column) for column in part.columns]}
            for part in self._parts()
        ]
        whole: dict[str, Any] = {
            "taken_at": moment(self.view.taken_at), "worst": self.worst(), "overview": overview.read(scene),
            "models": models, "pipeline": health.read(scene),
            "alerts": {section.__name__.rsplit(".", 1)[1]: section.read(scene) for section in _ALERTS},
            "retraining": retraining.read(scene), "range": risk.read(scene),
        }  # fmt: skip
        return msgspec.json.format(msgspec.json.encode(whole), indent=1)

    def markdown(self) -> str:
        """Return the words and figures without the pictures, fit for a pull request."""
        lines = [f"# {self._title()}", ""]
        rows = overview.read(self._scene(None)).models
        lines += _table(
            ["Model", "Status", "Columns", "In drift", "Warning", "Rows", "Last row"],
            [[_cell(row.name), row.status, count(row.columns), count(row.drift), count(row.warn), count(row.rows),
              clock(row.last_prediction)] for row in rows],
        )  # fmt: skip
        held = risk.read(self._scene(None))
        if held is not None:
            lines += ["", "## What the time held", ""]
            lines += _table(list(risk.HEADS), [[_cell(text) for text in risk.words(one)] for one in held.models])
        for part in self._parts():
            found = moved.read(part.scene)
            if found is None or not found.rows:
                continue
            told = summary.read(part.scene)
            lines += ["", f"## {_cell(told.model)}", "", _sentence(told), ""]
            lines += _table(
                ["Column", "Statistic", "Status", "Value", "Threshold", "Since", "In words"],
                [[_cell(row.column or "volume of rows"), moved.statistic_name(row.detector), row.status,
                  figure(row.statistic), figure(row.threshold),
                  clock(row.drifting_since) if row.drifting_since else "", _cell(row.explanation)]
                 for row in found.rows],
            )  # fmt: skip
        return "\n".join([*lines, *self._incidents(), *self._told()]) + "\n"

    def _incidents(self) -> Iterator[str]:
        """Yield the incidents of evidence with what people said of them, and the verdicts on challengers."""
        for part in self._parts():
            found = incidents.read(part.scene)
            if found is not None and found.rows:
                yield from ("", f"## Incidents of {_cell(found.model)}", "")
                yield from _table(
                    ["Window", "Alarm", "What moved", "What else happened", "Mark"],
                    [[clock(row.start), row.severity,
                      "; ".join(f"{_cell(alarm.monitor)} {_cell(alarm.explanation)}" for alarm in row.alarms[:5]),
                      "; ".join(f"{clock(event.at)} {_cell(event.kind)}: {_cell(event.what)}" for event in row.events),
                      _cell(f"{row.verdict} {row.marked_by}") if row.verdict else "not marked"]
                     for row in found.rows],
                )  # fmt: skip
            for pairing in duel.read(part.scene) or ():
                if pairing.challenger != part.scene.model_name:
                    continue
                yield from ("", f"## {_cell(pairing.challenger)} against {_cell(pairing.champion)}", "")
                loss = pairing.loss
                yield (
                    f"{duel.VERDICTS[pairing.verdict][1]}: loss {figure(loss.value)}, within {figure(loss.low)} and "
                    f"{figure(loss.high)}, over {count(pairing.rows)} ids."
                )

    def _told(self) -> Iterator[str]:
        """Yield the alerts of the past."""
        found = alert_timeline.read(self._scene(None))
        if found is None or not found.episodes:
            return
        yield from ("", "## Alerts", "")
        yield from _table(
            ["Severity", "Alert", "Model", "About", "Began", "Ended", "In words"],
            [[one.severity, _cell(one.name), _cell(one.model), _cell(one.about), clock(one.began),
              clock(one.ended) if one.ended else "fires", _cell(one.explanation)] for one in found.episodes],
        )  # fmt: skip

    def _scene(self, model: ModelView | None, links: ReportLinks | None = None) -> _ReportScene:
        first, last = (None if time is None else _text(moment(time)) for time in (self.first, self.last))
        ask = Ask(model=None if model is None else label(model.name), from_=first, to=last)
        return _ReportScene(self.view, self.past, ask, links or ReportLinks({}), table_rows=_ROWS)

    def _parts(self) -> list[_Part]:
        """Return the models, the worst first, and of the worst columns those that are shown in full."""
        order = [row.name for row in overview.read(self._scene(None)).models][:_MODELS]
        by_name = {label(model.name): model for model in self.view.models}
        parts, room = [], _COLUMNS
        for number, named in enumerate(order):
            scene = self._scene(by_name[named])
            chosen = scene.chosen
            found = [] if chosen is None else [finding.column for _, finding in findings_now([chosen])]
            columns = [column for column in dict.fromkeys(found) if column][:room]
            room -= len(columns)
            parts.append(_Part(scene, tuple(label(column) for column in columns), drawn=number < _HEAT_MODELS))
        return parts


@dataclass(frozen=True)
class _ReportScene(Scene):
    """A scene that knows its model's name as it is asked for."""

    @property
    def model_name(self) -> str:
        return self.ask.model or ""


@dataclass(frozen=True)
class _Part:
    scene: _ReportScene
    columns: tuple[str, ...]
    drawn: bool


_OF_LABELS: Final = (correctness, restated, reliability, confused, judged_slices, found, concepts, lateness)
_SECTIONS: Final = (summary, moved, heat, events, slices, versions_of, *_OF_LABELS, duel, incidents, promises)
_ALERTS: Final = (alerts, alert_timeline, silences, delivery)
_IN_FULL: Final = (verdict, distribution, course, gathered_column)


def _linked(scene: _ReportScene, links: ReportLinks) -> _ReportScene:
    return _ReportScene(scene.view, scene.past, scene.ask, links, table_rows=scene.table_rows)


def _model(part: _Part, links: ReportLinks) -> Html:
    scene = part.scene
    shown = [_without_ids(one) for one in _sections(part)]
    columns = [_column(part, column, links) for column in part.columns]
    anchor = links.anchors[scene.model_name, ""]
    return tag("section", tag("h1", name(scene.model.name)), shown, columns, id=anchor, class_="part")


def _sections(part: _Part) -> Iterator[Html]:
    scene = part.scene
    for section in _SECTIONS:
        if section is versions_of and not versions_of.has(scene):
            continue
        if section is heat and not part.drawn:
            continue
        found: Any = section.read(scene)
        shown: Html | None = None if found is None else section.show(found, scene)
        if shown is not None:
            yield shown


def _of_column(scene: _ReportScene, column: str) -> _ReportScene:
    ask = replace(scene.ask, column=column)
    return _ReportScene(scene.view, scene.past, ask, scene.links, table_rows=scene.table_rows)


def _column(part: _Part, column: str, links: ReportLinks) -> Html:
    scene = _of_column(part.scene, column)
    shown = []
    for section in _IN_FULL:
        found: Any = section.read(scene)
        if found is not None:
            shown.append(_without_ids(section.show(found, scene)))
    anchor = links.anchors[scene.model_name, column]
    return tag("section", tag("h2", name(scene.model.name), " / ", name(column)), shown, id=anchor, class_="part")


def _column_data(part: _Part, column: str) -> dict[str, Any]:
    scene = _of_column(part.scene, column)
    return {"column": column} | {section.__name__.rsplit(".", 1)[1]: section.read(scene) for section in _IN_FULL}


def _pipeline(scene: Scene) -> Html:
    shown = _without_ids(health.show(health.read(scene), scene))
    return tag("section", tag("h1", "Pipeline"), shown, id="pipeline", class_="part")


def _risk(scene: Scene) -> Html | None:
    found = risk.read(scene)
    return None if found is None else _without_ids(risk.show(found, scene))


def _alerts(scene: Scene) -> Html | None:
    if not alerts.has(scene):
        return None
    shown = [
        _without_ids(section.show(found, scene)) for section in _ALERTS if (found := _read(section, scene)) is not None
    ]
    return tag("section", tag("h1", "Alerts"), shown, id="alerts", class_="part")


def _retraining(scene: Scene) -> Html | None:
    found = retraining.read(scene)
    if found is None or not retraining.has(scene):
        return None
    shown = _without_ids(retraining.show(found, scene))
    return tag("section", tag("h1", "Retraining"), shown, id="retraining", class_="part")


def _read(section: ModuleType, scene: Scene) -> Any:
    return section.read(scene)


def _without_ids(html: Html) -> Html:
    """Return a section without its anchors: a report has many of a kind. Texts hold no plain quotes, so none is hit."""
    return Html(_IDS.sub("", html))


def _document(title: str, body: Html) -> bytes:
    styles = [assets.read(one).decode() for one in ("page.css", "uplot.css")]
    scripts = [assets.read(one).decode() for one in ("page.js", "uplot.js")]
    policy = (
        f"default-src 'none'; style-src {' '.join(map(_hash, styles))}; script-src {' '.join(map(_hash, scripts))}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        (tag("style", Html(style)) for style in styles),
        (tag("script", Html(script)) for script in scripts),
    )
    side = tag("div", tag("button", "Dark", id="theme", type="button", hidden=True), class_="side")
    top = tag("header", tag("div", tag("span", frame.logo(), "Driftline", class_="brand"), side))
    main = tag("main", frame.place(title), body, id="content")
    foot = tag("footer", tag("p", "All times are UTC."))
    return f"<!doctype html>\n{tag('html', head, tag('body', top, main, foot), lang='en')}\n".encode()


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _sentence(told: summary.Summary) -> str:
    flagged = f", {share(told.flagged)} flagged" if told.flagged is not None else ""
    window = f"{told.window} window to {clock(told.end)}, {count(told.rows)} rows{flagged}"
    return f"{told.status}; {_cell(window)}."


def _table(heads: list[str], rows: list[list[str]]) -> list[str]:
    rule = "|".join("---" for _ in heads)
    return [f"| {' | '.join(heads)} |", f"|{rule}|", *(f"| {' | '.join(row)} |" for row in rows)]


def _cell(text: str) -> str:
    r"""Return a text that Markdown shows as it is.

    >>> _cell("a|b <i>*x*")
    'a\\|b &lt;i>\\*x\\*'
    """
    escaped = re.sub(r"([\\`*_{}\[\]|#!~])", r"\\\1", text.replace("&", "&amp;").replace("<", "&lt;"))
    return re.sub(r"\s+", " ", escaped.encode("utf-8", "backslashreplace").decode())


def _text(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()
