"""``driftline incidents``, ``driftline mark`` and ``driftline event``: what came, and what people know of it."""

from __future__ import annotations

import getpass
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from monitor.commands.explain import opened, split
from monitor.config.load import folder_of, load
from monitor.config.problem import did_you_mean
from monitor.config.root import Config, LogConfig
from monitor.config.types import parse_moment
from monitor.evidence.findings import moment
from monitor.evidence.incidents import Incident, Meter, find, meters
from monitor.evidence.known import known_incidents
from monitor.evidence.orders import MARKS, OrderKind, Orders
from monitor.logs import configure

REFUSED: Final = 1
WRONG: Final = 2
_SHOWN: Final = 20
_MOST_NAMED: Final = 3


def show(config_path: Path, environ: Mapping[str, str], model: str | None = None) -> int:
    """Print what was promised beside what came, and the newest incidents; return 0."""
    config = load(config_path, environ)
    configure(LogConfig(level="error", format="console"))
    _, keeper = opened(config, folder_of(config_path))
    known = known_incidents(config, model)
    views = [view for name in keeper.watches if model in {None, name} for view in keeper.views(name)]
    sys.stdout.writelines(f"{line}\n" for line in _lines(known, meters(views, known)))
    return 0


def mark(
    config_path: Path, environ: Mapping[str, str], target: str, verdict: str, because: str, at: str | None = None
) -> int:
    """Write down what an incident turned out to be.

    Returns
    -------
    int
        0; 1 where there is no such model or incident; 2 where what was said makes no sense.
    """
    config = load(config_path, environ)
    kind = next((one for one in MARKS if one == verdict), None)
    if kind is None:
        sys.stderr.write(f"{verdict}: say one of {', '.join(MARKS)}\n")
        return WRONG
    name, column = split(target, [model.name for model in config.models])
    if name is None or not column:
        hint = did_you_mean(target.partition(".")[0], [model.name for model in config.models])
        sys.stderr.write(f"{target}: no such model{'; ' + hint if hint else ''}\n")
        return REFUSED
    start = None
    if at is not None:
        try:
            start = parse_moment(at)
        except ValueError as error:
            sys.stderr.write(f"--at: {error}\n")
            return WRONG
    found = find(known_incidents(config, name), name, column, start)
    if found is None:
        sys.stderr.write(f"{target}: no incident{' at ' + at if at else ''}; see driftline incidents\n")
        return REFUSED
    number = marked(config, found, column, kind, getpass.getuser(), because)
    sys.stdout.write(f"order {number}: the {found.severity} of {moment(found.start)} is {kind}\n")
    return 0


def marked(config: Config, incident: Incident, column: str, kind: OrderKind, who: str, because: str) -> int:
    """Write down what an incident turned out to be; return the number of the order. For page and API alike.

    Raises
    ------
    StateUnavailableError
        When it cannot be written.
    """
    return Orders(Path(config.state.path)).add(
        at=_now(), who=who, model=incident.model, column=column, until=incident.start, because=because, kind=kind
    )


def event(
    config_path: Path, environ: Mapping[str, str], words: str, *, kind: str, model: str | None, at: str | None
) -> int:
    """Write down that something happened: a deploy, a flag, a campaign; it is named beside incidents near it."""
    config = load(config_path, environ)
    names = [one.name for one in config.models]
    if model is not None and model not in names:
        hint = did_you_mean(model, names)
        sys.stderr.write(f"{model}: no such model{'; ' + hint if hint else ''}\n")
        return REFUSED
    if not words.strip():
        sys.stderr.write("say what happened, for whoever is on call next\n")
        return WRONG
    try:
        when = _now() if at is None else parse_moment(at)
    except ValueError as error:
        sys.stderr.write(f"--at: {error}\n")
        return WRONG
    number = happened(config, words, kind=kind, model=model or "", at=when, who=getpass.getuser())
    sys.stdout.write(f"event {number}: {kind} at {moment(when)}\n")
    return 0


def happened(config: Config, words: str, *, kind: str, model: str, at: int, who: str) -> int:
    """Write an event down; return its number. ``model`` is empty where it concerns all. For page and API alike."""
    return Orders(Path(config.state.path)).add(
        at=_now(), who=who, model=model, column=kind, until=at, because=words, kind="event"
    )


def _lines(known: list[Incident], told: list[Meter]) -> Iterator[str]:
    for one in told:
        marks = ", ".join(f"{number} {name}" for name, number in sorted(one.marked.items())) or "none marked"
        yield f"{one.severity}: {one.promised:.2f} promised by chance at most, {one.observed} came ({marks})"
    for incident in known[:_SHOWN]:
        yield ""
        yield from _incident(incident)
    if len(known) > _SHOWN:
        yield f"and {len(known) - _SHOWN} earlier ones"


def _incident(incident: Incident) -> Iterator[str]:
    said = "not marked"
    if incident.mark is not None:
        reason = f": {incident.mark.because}" if incident.mark.because else ""
        said = f"{incident.mark.kind}, says {incident.mark.who}{reason}"
    of = "outcomes" if incident.window.endswith(":outcomes") else "inputs"
    yield f"{moment(incident.start)}  {incident.severity}  {incident.model}, {of}: {said}"
    for version, piece, finding in incident.alarms[:_MOST_NAMED]:
        place = ", ".join(part for part in (f"version {version}" if version else "", piece) if part)
        yield f"  {finding.column}{f' ({place})' if place else ''} {finding.explanation}"
    if len(incident.alarms) > _MOST_NAMED:
        yield f"  and {len(incident.alarms) - _MOST_NAMED} more"
    for one in incident.events:
        yield f"  {moment(one.until)} {one.column}: {one.because} ({one.who})"


def _now() -> int:
    return time.time_ns() // 1000
