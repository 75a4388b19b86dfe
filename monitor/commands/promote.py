"""``driftline reference promote``: let rows that the service has counted be what the next ones are compared with."""

from __future__ import annotations

import getpass
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from monitor.assembly import build_models
from monitor.config.load import folder_of, load
from monitor.config.problem import did_you_mean
from monitor.config.root import Config, LogConfig
from monitor.config.types import parse_moment
from monitor.evidence.orders import Orders
from monitor.keys import parse, prefix
from monitor.learnt import reference_between
from monitor.logs import configure
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
CANNOT_WRITE: Final = 73


class _RefusedError(Exception):
    """What was asked for cannot be done; the first argument says why, the second is the exit status."""


@dataclass(frozen=True, slots=True)
class Promotion:
    """What the command line said."""

    model: str
    since: str
    until: str
    because: str
    out: Path | None = None
    live: bool = False
    """Whether the running service is to switch by itself, without a file."""


def promote(config_path: Path, environ: Mapping[str, str], asked: Promotion) -> int:
    """Make the rows between two event times the reference of a model, in the bins that it has now.

    The file that the configuration names is replaced; the old one stays beside it. The service takes it up when it
    starts again, and evidence of what changed starts afresh. Of outcomes, the reference is learnt anew by the running
    service, from the next window on.

    Returns
    -------
    int
        0; 1 where there is no such model; 2 where what was said makes no sense; 65 where there are too few rows; 73
        where nothing can be written.
    """
    config = load(config_path, environ)
    configure(LogConfig(level="error", format="console"))
    try:
        first, last = _range(asked)
        model = _model(config, folder_of(config_path), asked.model)
        if asked.live:
            return _order(config, asked, first, last)
        reference = _counted(config, model, first, last)
        target, old = _write(config, folder_of(config_path), asked, reference)
    except _RefusedError as error:
        sys.stderr.write(f"{error.args[0]}\n")
        return int(error.args[1])
    except (OSError, StateUnavailableError) as error:
        sys.stderr.write(f"cannot write: {error}\n")
        return CANNOT_WRITE
    Orders(Path(config.state.path)).add(
        at=time.time_ns() // 1000, who=getpass.getuser(), model=asked.model, column="", until=last,
        because=asked.because, kind="promote",
    )  # fmt: skip
    days = len(reference.days)
    sys.stdout.write(f"{target}: {reference.rows:,} rows of {days} days are the reference of {asked.model}\n")
    if old is not None:
        sys.stdout.write(f"{old}: the old one\n")
    source = _source(config, asked.model)
    if source is None:
        sys.stdout.write(f"set reference: {{source: {target}}}; the old one was learnt from the stream\n")
    sys.stdout.write("restart the service to take it up\n")
    return 0


def _order(config: Config, asked: Promotion, first: int, last: int) -> int:
    """Ask the running service to switch once the last of the rows is in."""
    if asked.out is not None:
        raise _RefusedError("--out: with --live nothing is written but the state", WRONG)
    number = Orders(Path(config.state.path)).add(
        at=time.time_ns() // 1000, who=getpass.getuser(), model=asked.model, column=_text(first), until=last,
        because=asked.because, kind="switch",
    )  # fmt: skip
    sys.stdout.write(
        f"order {number}: {asked.model} is compared with the rows until {_text(last)} once event time has passed them\n"
        f"undo it with: driftline reference revert {asked.model} {number} --because …\n"
    )
    return 0


def revert(config_path: Path, environ: Mapping[str, str], name: str, number: int, because: str) -> int:
    """Undo a switch of a model's reference, by the number of its order; return the exit status as ``promote`` does."""
    config = load(config_path, environ)
    configure(LogConfig(level="error", format="console"))
    try:
        _undo(Orders(Path(config.state.path)), name, number, because)
    except _RefusedError as error:
        sys.stderr.write(f"{error.args[0]}\n")
        return int(error.args[1])
    except (OSError, StateUnavailableError) as error:
        sys.stderr.write(f"cannot write: {error}\n")
        return CANNOT_WRITE
    sys.stdout.write(f"{name} is compared with what it was before order {number}, from the next window on\n")
    return 0


def _undo(orders: Orders, name: str, number: int, because: str) -> None:
    if not because.strip():
        raise _RefusedError("--because: say why, for whoever is on call next", WRONG)
    found = next((order for order in orders.after(number - 1) if order.number == number), None)
    if found is None or found.kind != "switch" or found.model != name:
        raise _RefusedError(f"order {number} is no switch of the reference of {name}", REFUSED)
    orders.add(
        at=time.time_ns() // 1000, who=getpass.getuser(), model=name, column=str(number), until=found.until,
        because=because, kind="switch_back",
    )  # fmt: skip


def _range(asked: Promotion) -> tuple[int, int]:
    if not asked.because.strip():
        raise _RefusedError("--because: say why, for whoever is on call next", WRONG)
    try:
        first, last = parse_moment(asked.since), parse_moment(asked.until)
    except ValueError as error:
        raise _RefusedError(str(error), WRONG) from None
    if first >= last:
        raise _RefusedError("--since must lie before --until", WRONG)
    return first, last


def _model(config: Config, base: Path, name: str) -> Model:
    names = [model.name for model in config.models]
    if name not in names:
        hint = did_you_mean(name, names)
        raise _RefusedError(f"{name}: no such model{'; ' + hint if hint else ''}", REFUSED)
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
        raise _RefusedError(str(error), NO_STATE) from error
    if reference.rows < FEWEST_ROWS:
        raise _RefusedError(f"there are {reference.rows:,} rows in that time; {FEWEST_ROWS:,} are needed", NO_STATE)
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
