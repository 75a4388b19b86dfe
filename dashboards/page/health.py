"""The pipeline itself: inputs, event time, what was set aside and why."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dashboards.figures import count, moment, when
from dashboards.html import Html, join, name, tag
from dashboards.page.parts import badge, card, link, nothing, table, tiles
from dashboards.page.scene import Scene
from monitor.labels import label

_REJECTED: Final = "rejected:"
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True)
class InputRow:
    """One input log."""

    topic: str
    partition: int
    next_offset: int
    end_offset: int | None
    lag: int | None


@dataclass(frozen=True, slots=True)
class ClockRow:
    """Event time of one model in one partition."""

    model: str
    partition: int
    watermark: datetime | None
    idle: bool
    held: int


@dataclass(frozen=True, slots=True)
class Counter:
    """One count since the state began."""

    model: str
    name: str
    number: int


@dataclass(frozen=True, slots=True)
class Health:
    """The pipeline."""

    build: str
    config_hash: str
    started_at: datetime | None
    taken_at: datetime | None
    dead_letters_pending: int
    inputs: list[InputRow]
    clocks: list[ClockRow]
    rejected: list[Counter]
    counters: list[Counter]


def read(scene: Scene) -> Health:
    """Return how the pipeline is."""
    view = scene.view
    counters = [Counter(label(model), label(name), number) for (model, name), number in sorted(view.counters.items())]
    return Health(
        build=label(view.build),
        config_hash=label(view.config_hash),
        started_at=moment(view.started_at),
        taken_at=moment(view.taken_at),
        dead_letters_pending=view.dead_letters_pending,
        inputs=[InputRow(label(one.topic), one.partition, one.next_offset, one.end_offset, one.lag)
                for one in view.inputs],
        clocks=[ClockRow(label(model.name), clock.partition, moment(clock.watermark), clock.idle, clock.held)
                for model in view.models for clock in model.clocks],
        rejected=[one for one in counters if one.name.startswith(_REJECTED)],
        counters=[one for one in counters if not one.name.startswith(_REJECTED)],
    )  # fmt: skip


def show(health: Health, scene: Scene) -> Html:
    """Return the tables."""
    head = tiles([
        ("Started", when(health.started_at, age=True), None),
        ("Version", health.build, None),
        ("Configuration", tag("code", health.config_hash), None),
        ("Waiting", count(health.dead_letters_pending), "dead letters to be sent"),
    ])  # fmt: skip
    return join(tag("section", head, id="build", aria_label="Service"), _inputs(health), _clocks(health, scene),
                _rejected(health), _counters(health))  # fmt: skip


def _inputs(health: Health) -> Html:
    if not health.inputs:
        return card("Inputs", nothing("Nothing is read yet."), id_="inputs")
    rows = [
        (name(one.topic), count(one.partition), count(one.next_offset), count(_end(one)), count(one.lag))
        for one in sorted(health.inputs, key=lambda one: (-(one.lag or 0), one.topic, one.partition))[:_SHOWN]
    ]
    heads = ("Topic", "Partition", "Next offset", "End", "Not yet read")
    return card("Inputs", table(heads, rows, caption="Inputs", numbers=range(1, 5)), _cut(len(health.inputs)),
                id_="inputs")  # fmt: skip


def _end(one: InputRow) -> int | None:
    """Return the end of the log as it is known by now: it was asked for before the latest records came."""
    return None if one.end_offset is None else max(one.end_offset, one.next_offset)


def _clocks(health: Health, scene: Scene) -> Html | None:
    if not health.clocks:
        return None
    rows = [
        (
            link(scene.links.model(one.model), name(one.model)), count(one.partition),
            when(one.watermark, age=True),
            badge("insufficient", "idle") if one.idle else badge("ok", "live") if one.watermark else "no rows",
            count(one.held),
        )
        for one in health.clocks[:_SHOWN]
    ]  # fmt: skip
    heads = ("Model", "Partition", "Watermark (UTC)", "State", "Rows held")
    note = "Rows older than the watermark are late. Held rows wait until others confirm their time."
    return card("Event time", table(heads, rows, caption="Event time", numbers=(1, 4)), _cut(len(health.clocks)),
                id_="clocks", note=note)  # fmt: skip


def _rejected(health: Health) -> Html:
    rows = [
        (one.name.removeprefix(_REJECTED).replace("_", " "), name(one.model or "any"), count(one.number))
        for one in sorted(health.rejected, key=lambda one: -one.number)
        if one.number
    ]
    if not rows:
        return card("Set aside", nothing("No record was set aside."), id_="rejected")
    return card("Set aside", table(("Reason", "Model", "Records"), rows[:_SHOWN], caption="Records set aside",
                                   numbers=(2,)), _cut(len(rows)), id_="rejected",
                note="Records that could not be counted, by reason.")  # fmt: skip


def _counters(health: Health) -> Html | None:
    rows = [(one.name.replace("_", " "), name(one.model or "service"), count(one.number)) for one in health.counters]
    if not rows:
        return None
    return card("Counts", table(("What", "Of", "Number"), rows[:_SHOWN], caption="Counts since the state began",
                                numbers=(2,)), _cut(len(rows)), id_="counters",
                note="Exact, since the state began.")  # fmt: skip


def _cut(rows: int) -> Html | None:
    return tag("p", f"The first {_SHOWN} of {count(rows)}.", class_="note") if rows > _SHOWN else None
