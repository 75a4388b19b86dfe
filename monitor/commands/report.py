"""``driftline report``: the views of the page as one file, from a running service or from a state directory."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

import httpx2

from dashboards.report import FAIL_ON, Report
from monitor.config.types import parse_moment
from monitor.findings import WindowResult
from monitor.history_reader import HistoryReader
from monitor.inspection import Content, inspect_state
from monitor.past import KnownPast
from monitor.store.port import StateError
from monitor.views import ClockView, InputView, ModelView, View, WindowView

FOUND: Final = 3
CANNOT_READ: Final = 69
STATE_ERROR: Final = 74
USAGE: Final = 2
_PATIENCE: Final = 120.0
_MOST: Final = 64 << 20


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What the command line said."""

    state: Path = Path("driftline-state")
    url: str | None = None
    """A running service, such as ``http://localhost:9464``; its report has the distributions too."""
    html: Path | None = None
    md: Path | None = None
    json: Path | None = None
    start: str | None = None
    end: str | None = None
    fail_on: str | None = None


class CannotReportError(Exception):
    """There is nothing to report from; says why."""


def report(options: ReportOptions) -> int:
    """Write a report.

    Returns
    -------
    int
        3 when ``fail_on`` asks for it and something was found, 2 where the options make no sense, 69 when the service
        does not answer, 74 when the state cannot be read, else 0.
    """
    if options.fail_on is not None and options.fail_on not in FAIL_ON:
        return _failed(f"--fail-on: {options.fail_on!r} is not one of: {', '.join(FAIL_ON)}", USAGE)
    try:
        if options.url is not None:
            return _from_service(options, options.url)
        first = None if options.start is None else parse_moment(options.start)
        last = None if options.end is None else parse_moment(options.end)
        past = _history(options.state)
        return write(Report(view_of(options.state, past), KnownPast.of(past), first, last), options)
    except ValueError as error:
        return _failed(f"--from, --to: {error}", USAGE)
    except CannotReportError as error:
        return _failed(str(error), CANNOT_READ)
    except StateError as error:
        return _failed(str(error), STATE_ERROR)


def write(found: Report, options: ReportOptions) -> int:
    """Write a report in the formats that are asked for, Markdown to the terminal when none is; return the status."""
    if options.html is not None:
        _put(options.html, found.html())
    if options.json is not None:
        _put(options.json, found.json())
    if options.md is not None or (options.html is None and options.json is None):
        _put(options.md or Path("-"), found.markdown().encode())
    return FOUND if options.fail_on is not None and found.fails(options.fail_on) else 0


def view_of(state: Path, past: HistoryReader) -> View:
    """Return what a state directory says of now; beside a running service too. Counts of columns are not in it."""
    inspection = inspect_state(state)
    live = inspection.live
    now = time.time_ns() // 1000
    return View(
        taken_at=now,
        started_at=now,
        build=version("driftline"),
        config_hash="",
        models=tuple(_models(past, live)),
        inputs=() if live is None else tuple(_inputs(live)),
        counters={} if live is None else _counters(live),
    )


def _history(state: Path) -> HistoryReader:
    path = state / "history.sqlite"
    if not path.exists():
        raise CannotReportError(
            f"{path}: there is no history; name the folder of state.path with --state, or use --url"
        )
    return HistoryReader(path)


def _models(past: HistoryReader, live: Content | None) -> list[ModelView]:
    clocks = () if live is None else live.clocks
    names = sorted({*(result.model for result in past.latest()), *(clock.model for clock in clocks)})
    windows = {}
    models = []
    for name in names:
        times = [clock.event_time for clock in clocks if clock.model == name and clock.event_time is not None]
        windows[name] = _whole(past, name, max(times, default=None))
        models.append(
            ModelView(
                name=name,
                versions=tuple(sorted({result.version for result in windows.get(name, ())})),
                last_prediction=max(times, default=None),
                clocks=tuple(
                    ClockView(clock.partition, clock.event_time, clock.idle, clock.held)
                    for clock in clocks
                    if clock.model == name
                ),
                windows=tuple(WindowView(result) for result in windows.get(name, ())),
            )
        )
    return models


def _whole(past: HistoryReader, model: str, at: int | None) -> list[WindowResult]:
    """Return the latest windows of a model that its rows filled; where none did, the latest.

    The end of an input closes windows that have not all of their rows.
    """
    latest = past.latest(model)
    if at is None:
        return latest
    whole = {_place(result): result for result in past.latest(model, filled_by=at)}
    return [whole.get(_place(result), result) for result in latest]


def _place(result: WindowResult) -> tuple[str, str, str]:
    return result.version, result.slice, result.window


def _inputs(live: Content) -> Iterable[InputView]:
    for name, offset in live.offsets.items():
        topic, _, partition = name.removesuffix("]").rpartition("[")
        yield InputView(topic, int(partition), offset)


def _counters(live: Content) -> dict[tuple[str, str], int]:
    found = {}
    for name, number in live.counters.items():
        model, _, what = name.rpartition("/")
        found[model, what] = number
    return found


def _from_service(options: ReportOptions, url: str) -> int:
    asked = [
        (kind, path) for kind, path in (("html", options.html), ("json", options.json), ("md", options.md)) if path
    ]
    query = {key: value for key, value in (("from", options.start), ("to", options.end)) if value is not None}
    worst = ""
    for kind, path in asked or [("md", Path("-"))]:
        try:
            answer = httpx2.get(f"{url.rstrip('/')}/report.{kind}", params=query, timeout=_PATIENCE)
        except httpx2.TransportError as error:
            raise CannotReportError(f"{url} does not answer: {error}") from error
        if answer.status_code != 200 or len(answer.content) > _MOST:
            raise CannotReportError(f"{url}: {answer.status_code} {answer.text[:200]}")
        worst = answer.headers.get("driftline-worst", "")
        _put(path, answer.content)
    least = None if options.fail_on is None else FAIL_ON[options.fail_on]
    return FOUND if least is not None and worst in {least, "drift"} else 0


def _put(path: Path, data: bytes) -> None:
    if str(path) == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
    else:
        path.write_bytes(data)


def _failed(message: str, status: int) -> int:
    sys.stderr.write(f"{message}\n")
    return status
