"""Rows that the service has counted become what the next ones are compared with."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from monitor.assembly import build_models
from monitor.config.problem import did_you_mean
from monitor.config.root import Config
from monitor.config.types import parse_moment
from monitor.evidence.orders import Orders
from monitor.keys import parse, prefix
from monitor.learnt import reference_between
from monitor.model import Model
from monitor.panes import Reader, Shelf
from monitor.partition import PARTITIONS
from monitor.progress import restore_model
from monitor.reference import Reference
from monitor.store.peek import peek
from monitor.store.port import StateUnavailableError
from monitor.store.recovery import LIVE
from monitor.switching import FEWEST_ROWS

REFUSED: Final = 1
WRONG: Final = 2
NO_STATE: Final = 65


class RefusedError(Exception):
    """What was asked for cannot be done; ``status`` says what kind of reason the sentence is."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


@dataclass(frozen=True, slots=True)
class Promotion:
    """Which rows, and why."""

    model: str
    since: str
    until: str
    because: str
    out: Path | None = None
    live: bool = False
    """Whether the running service is to switch by itself, without a file."""


@dataclass(frozen=True, slots=True)
class Promoted:
    """What came of it."""

    reference: Reference
    target: Path
    old: Path | None
    """Where the reference is that was replaced, if there was one."""
    configured: bool
    """Whether the configuration names the file."""
    number: int
    """Of the order."""


def promote_rows(config: Config, base: Path, asked: Promotion, who: str) -> Promoted:
    """Make the rows between two event times the reference of a model, in the bins that it has now.

    The file that the configuration names is replaced; the old one stays beside it. The service takes it up when it
    starts again. Of outcomes and of slices that were found, the reference is learnt anew by the running service.

    Raises
    ------
    RefusedError
        When there is no such model, what was said makes no sense, or there are too few rows.
    OSError, StateUnavailableError
        When something cannot be written.
    """
    first, last = _range(asked)
    model = _model(config, base, asked.model)
    reference = _counted(config, model, first, last)
    target, old = _write(config, base, asked, reference)
    number = Orders(Path(config.state.path)).add(
        at=time.time_ns() // 1000, who=who, model=asked.model, column="", until=last, because=asked.because,
        kind="promote",
    )  # fmt: skip
    return Promoted(reference, target, old, _source(config, asked.model) is not None, number)


def order_switch(config: Config, base: Path, asked: Promotion, who: str) -> tuple[int, str]:
    """Ask the running service to switch once the last of the rows is in; return the order's number and that time.

    Raises
    ------
    RefusedError
        When there is no such model, or what was said makes no sense.
    StateUnavailableError
        When the order cannot be written.
    """
    first, last = _range(asked)
    _model(config, base, asked.model)
    if asked.out is not None:
        raise RefusedError("--out: with --live nothing is written but the state", WRONG)
    number = Orders(Path(config.state.path)).add(
        at=time.time_ns() // 1000, who=who, model=asked.model, column=_text(first), until=last,
        because=asked.because, kind="switch",
    )  # fmt: skip
    return number, _text(last)


def undo_switch(config: Config, name: str, number: int, because: str, who: str) -> int:
    """Ask the running service to undo a switch of a model's reference, by the number of its order.

    Raises
    ------
    RefusedError
        When there was no such switch, or nobody says why.
    StateUnavailableError
        When the order cannot be written.
    """
    orders = Orders(Path(config.state.path))
    if not because.strip():
        raise RefusedError("because: say why, for whoever is on call next", WRONG)
    found = next((order for order in orders.after(number - 1) if order.number == number), None)
    if found is None or found.kind != "switch" or found.model != name:
        raise RefusedError(f"order {number} is no switch of the reference of {name}", REFUSED)
    return orders.add(
        at=time.time_ns() // 1000, who=who, model=name, column=str(number), until=found.until,
        because=because, kind="switch_back",
    )  # fmt: skip


def _range(asked: Promotion) -> tuple[int, int]:
    if not asked.because.strip():
        raise RefusedError("because: say why, for whoever is on call next", WRONG)
    try:
        first, last = parse_moment(asked.since), parse_moment(asked.until)
    except ValueError as error:
        raise RefusedError(str(error), WRONG) from None
    if first >= last:
        raise RefusedError("since must lie before until", WRONG)
    return first, last


def _model(config: Config, base: Path, name: str) -> Model:
    names = [model.name for model in config.models]
    if name not in names:
        hint = did_you_mean(name, names)
        raise RefusedError(f"{name}: no such model{'; ' + hint if hint else ''}", REFUSED)
    return build_models(config, base)[name]


def _counted(config: Config, model: Model, first: int, last: int) -> Reference:
    """Return the reference that the state's counts of a range make up."""

    def read(reader: Reader) -> Reference:
        restore_model(model, reader)
        name = model.config.name
        layouts, lengths = {name: model.layout}, {name: model.windows.tiers.lengths}
        numbers = [int(parse(key)[1]) for key, _ in reader.scan(prefix(PARTITIONS))]
        shelves = [Shelf(number, reader, layouts, lengths) for number in sorted(numbers)]
        source = f"promoted from the stream, {_text(first)} to {_text(last)}"
        return reference_between(model, shelves, first, last, source, time.time_ns() // 1000)

    try:
        reference = peek(Path(config.state.path) / "store" / LIVE, read)
    except StateUnavailableError as error:
        raise RefusedError(str(error), NO_STATE) from error
    if reference.rows < FEWEST_ROWS:
        raise RefusedError(f"there are {reference.rows:,} rows in that time; {FEWEST_ROWS:,} are needed", NO_STATE)
    return reference


def _write(config: Config, base: Path, asked: Promotion, reference: Reference) -> tuple[Path, Path | None]:
    """Return where the reference was written, and where the old one is, if there was one."""
    source = _source(config, asked.model)
    target = asked.out or (Path(f"{asked.model}.reference.json") if source is None else base / source)
    old = None
    if target.exists():
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        old = target.with_name(f"{target.name}.{stamp}")
        os.link(target, old)
    fresh = target.with_name(f"{target.name}.new")
    reference.save(fresh)
    fresh.replace(target)
    return target, old


def _source(config: Config, name: str) -> str | None:
    found = next(model.reference for model in config.models if model.name == name)
    return None if found is None else found.source


def _text(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
