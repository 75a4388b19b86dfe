"""Champion against challenger: which is better on the same ids, how sure that is, and how it came about."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np

from dashboards.charts.forest import forest
from dashboards.figures import clock, count, figure, moment
from dashboards.html import Child, Html, join, name, tag
from dashboards.page import events, judged
from dashboards.page.correctness import with_interval
from dashboards.page.parts import badge, card, link, nothing, series, table
from dashboards.page.scene import DUEL, Scene
from monitor.labels import label
from monitor.sheets import Sheet
from monitor.views import ChallengerView, FigureView, ModelView, PerformanceView

_HOURS: Final = 24 * 14
"""Hours that are drawn when no range is asked for."""
_MOST: Final = 2000
_SEQUENCE: Final = "confidence_sequence"
VERDICTS: Final = {
    "better": ("ok", "the challenger is better"),
    "worse": ("drift", "the challenger is worse"),
    "open": ("insufficient", "not decided yet"),
}
"""Verdict → the status whose shape it takes, and its words."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The challenger's figure less the champion's."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Point:
    """All rows up to the end of an hour."""

    end: datetime | None
    rows: int
    loss: Difference


@dataclass(frozen=True, slots=True)
class Pairing:
    """One version of a challenger beside one of its champion."""

    champion: str
    champion_version: str
    challenger: str
    challenger_version: str
    verdict: str
    rows: int
    unmatched: int
    accuracy: Difference
    loss: Difference
    p_value: float | None
    course: list[Point]
    figures: dict[str, list[FigureView | None]]
    """Figure → the champion's and the challenger's in the latest judged window of each."""


def has(scene: Scene) -> bool:
    """Return whether the model challenges another or is challenged."""
    return bool(_views(scene))


def read(scene: Scene) -> list[Pairing] | None:
    """Return the pairings, those with most rows first; ``None`` without any."""
    found = _views(scene)
    if not found:
        return None
    pairings = [_pairing(scene, model, view) for model, view in found]
    return sorted(pairings, key=lambda one: -one.rows)


def _views(scene: Scene) -> list[tuple[ModelView, ChallengerView]]:
    """Return the comparisons in which the model takes part, with the challenger of each."""
    mine = scene.model.name
    return [
        (model, view) for model in scene.view.models for view in model.challenger if mine in {model.name, view.champion}
    ]


def _pairing(scene: Scene, challenger: ModelView, view: ChallengerView) -> Pairing:
    champion = next((one for one in scene.view.models if one.name == view.champion), None)
    both = [_judged(champion, view.versions[0]), _judged(challenger, view.versions[1])]
    names = dict.fromkeys(metric for figures in both for metric in figures)
    return Pairing(
        label(view.champion), label(view.versions[0]), label(challenger.name), label(view.versions[1]),
        "better" if view.loss_high < 0 else "worse" if view.loss_low > 0 else "open",
        view.rows, view.unmatched, _difference(view.accuracy, view.accuracy_low, view.accuracy_high),
        _difference(view.loss, view.loss_low, view.loss_high), _finite(view.p_value),
        _course(scene, challenger.name, view),
        {metric: [figures.get(metric) for figures in both] for metric in names},
    )  # fmt: skip


def _judged(model: ModelView | None, version: str) -> Mapping[str, FigureView]:
    """Return a model's figures in its latest window that was judged for good."""
    views = [] if model is None else [one for one in model.performance if not one.result.slice]
    own = [one for one in views if one.result.version == version] or views
    latest: PerformanceView | None = max(own, key=lambda one: one.result.end, default=None)
    return {} if latest is None else latest.final or latest.running


def _course(scene: Scene, challenger: str, view: ChallengerView) -> list[Point]:
    against = f"champion={view.versions[0]}" if view.versions[0] else "champion"
    first, last = scene.ask.range(scene.newest)
    limit = _HOURS if first is None and last is None else _MOST
    sheets = scene.past.sheets(challenger, view.versions[1], DUEL, first, last, limit=limit, slice_=against)
    return [point for sheet in sheets if (point := _point(sheet)) is not None]


def _point(sheet: Sheet) -> Point | None:
    block = sheet.blocks.get(_SEQUENCE)
    if block is None or not block.names:
        return None
    value, _, low, high, _, _ = block.figures[0].tolist()
    return Point(moment(sheet.end), sheet.n, _difference(value, low, high))


def show(found: list[Pairing], scene: Scene) -> Html:
    """Return a card a pairing."""
    return join(_card(one, place, scene) for place, one in enumerate(found))


def _card(one: Pairing, place: int, scene: Scene) -> Html:
    challenger = join(link(scene.links.labels(one.challenger), name(one.challenger)), _version(one.challenger_version))
    champion = join(link(scene.links.labels(one.champion), name(one.champion)), _version(one.champion_version))
    title = join(challenger, " against ", champion)
    if not one.rows:
        words = "No id has a label and a prediction of both yet. Both must log the same ids within a day."
        return card(title, nothing(words), id_=f"duel-{place}")
    return card(
        title, _lead(one), tag("div", _picture(one), _table(one), class_="beside-each-other"),
        _drawn(one, place, scene), _side_by_side(one), id_=f"duel-{place}", note=_note(one),
    )  # fmt: skip


def _version(version: str) -> Html | None:
    return tag("span", "version ", name(version), class_="chip") if version else None


def _note(one: Pairing) -> str:
    unmatched = f"; {count(one.unmatched)} that only one of them had are left out" if one.unmatched else ""
    return (
        f"The same {count(one.rows)} ids, predicted by both and labelled{unmatched}. "
        "Differences are the challenger's less the champion's."
    )


def _lead(one: Pairing) -> Html:
    status, words = VERDICTS[one.verdict]
    loss = one.loss
    figures = f": loss {_signed(loss.value)}, within {_signed(loss.low)} and {_signed(loss.high)}"
    next_ = {
        "better": "You may promote it; the verdict holds however often you looked.",
        "worse": "Do not promote it.",
        "open": "Wait for more labels, or accept that they are alike if the interval is narrow enough for you.",
    }[one.verdict]
    return join(tag("p", badge(status, words), figures, ".", class_="lead"), tag("p", next_, class_="note"))


def _picture(one: Pairing) -> Html | None:
    rows = [("loss", one.loss), ("error rate", _negated(one.accuracy))]
    drawn = [(words, *_floats(difference)) for words, difference in rows]
    summary = "; ".join(f"{words} {_signed(d.value)}, {_signed(d.low)} to {_signed(d.high)}" for words, d in rows)
    picture = forest(drawn, "challenger better", "worse", f"Differences with intervals: {summary}")
    return None if picture is None else tag("figure", picture, class_="reliability")


def _table(one: Pairing) -> Html:
    p_value = "" if one.p_value is None else f"p {figure(one.p_value)}"
    rows: list[tuple[Child, ...]] = [
        ("loss", _told(one.loss), f"holds however often one looks; {p_value}".rstrip("; ")),
        ("accuracy", _told(one.accuracy), "McNemar's interval, for one look"),
    ]
    return table(
        ("Difference", "with its 95 % interval", "how sure"), rows, caption="Differences of the two", words=True
    )


def _drawn(one: Pairing, place: int, scene: Scene) -> Html | None:
    if not one.course:
        return None
    lines: list[tuple[str, str, list[float | None]]] = [
        ("always-valid interval, lower", "low", [point.loss.low for point in one.course]),
        ("always-valid interval, upper", "high", [point.loss.high for point in one.course]),
        ("difference of losses", "value", [point.loss.value for point in one.course]),
        ("no difference", "threshold", [0.0 for _ in one.course]),
    ]
    spec: dict[str, Any] = {
        "t": [None if point.end is None else int(point.end.timestamp()) for point in one.course],
        "lines": [{"label": words, "kind": kind, "values": [_short(value) for value in values]}
                  for words, kind, values in lines],
        "drift": [], "unit": "", "free": True, "events": events.drawn(scene),
    }  # fmt: skip
    heads = ("Hour end (UTC)", "Ids so far", "Difference of losses", "always-valid interval")
    rows = [
        (clock(point.end), count(point.rows), _signed(point.loss.value),
         f"{_signed(point.loss.low)} to {_signed(point.loss.high)}")
        for point in one.course[: -scene.table_rows - 1 : -1]
    ]  # fmt: skip
    return series("Difference of losses as ids came; decided once the band leaves the dashed line", spec, rows, heads,
                  f"duel-course-{place}")  # fmt: skip


def _side_by_side(one: Pairing) -> Html | None:
    if not one.figures:
        return None
    heads = ("Figure", "Champion", "Challenger")
    rows = [(judged.figure_name(metric), with_interval(first), with_interval(second))
            for metric, (first, second) in one.figures.items()]  # fmt: skip
    shown = table(heads, rows[:12], caption="Figures of both")
    return join(tag("h3", "Each on all of its own rows, in its latest judged window"), shown)


def _told(difference: Difference) -> Html:
    interval = f" {_signed(difference.low)} to {_signed(difference.high)}"
    return join(tag("b", _signed(difference.value)), tag("span", interval, class_="beside n"))


def _negated(difference: Difference) -> Difference:
    """Return the difference of the share of wrong answers, so that left is better in all of the picture."""
    value, low, high = _floats(difference)
    return _difference(-value, -high, -low)


def _floats(difference: Difference) -> tuple[float, float, float]:
    value, low, high = (math.nan if one is None else one for one in (difference.value, difference.low, difference.high))
    return value, low, high


def _difference(value: float, low: float, high: float) -> Difference:
    return Difference(_finite(value), _finite(low), _finite(high))


def _signed(value: float | None) -> str:
    return f"{'+' if value is not None and value > 0 else ''}{figure(value)}"


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")
