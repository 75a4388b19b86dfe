"""``driftline reference promote`` and ``revert``: rows that the service counted become the reference, and back."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from monitor.config.load import folder_of, load
from monitor.config.root import Config, LogConfig
from monitor.logs import configure
from monitor.promotion import Promotion, RefusedError, order_switch, promote_rows, undo_switch
from monitor.store.port import StateUnavailableError

CANNOT_WRITE: Final = 73


def promote(config_path: Path, environ: Mapping[str, str], asked: Promotion) -> int:
    """Make the rows between two event times the reference of a model: in its file, or in the running service.

    Returns
    -------
    int
        0; 1 where there is no such model; 2 where what was said makes no sense; 65 where there are too few rows; 73
        where nothing can be written.
    """
    base = folder_of(config_path)
    return _said(config_path, environ, lambda config: _promoted(config, base, asked))


def revert(config_path: Path, environ: Mapping[str, str], name: str, number: int, because: str) -> int:
    """Undo a switch of a model's reference, by the number of its order; return the exit status as ``promote`` does."""

    def undone(config: Config) -> str:
        undo_switch(config, name, number, because, getpass.getuser())
        return f"{name} is compared with what it was before order {number}, from the next window on\n"

    return _said(config_path, environ, undone)


def _said(config_path: Path, environ: Mapping[str, str], act: Callable[[Config], str]) -> int:
    config = load(config_path, environ)
    configure(LogConfig(level="error", format="console"))
    try:
        sys.stdout.write(act(config))
    except RefusedError as error:
        sys.stderr.write(f"{error}\n")
        return error.status
    except (OSError, StateUnavailableError) as error:
        sys.stderr.write(f"cannot write: {error}\n")
        return CANNOT_WRITE
    return 0


def _promoted(config: Config, base: Path, asked: Promotion) -> str:
    model = asked.model
    if asked.live:
        number, until = order_switch(config, base, asked, getpass.getuser())
        return (
            f"order {number}: {model} is compared with the rows until {until} once event time has passed them\n"
            f"undo it with: driftline reference revert {model} {number} --because …\n"
        )
    done = promote_rows(config, base, asked, getpass.getuser())
    rows, days = done.reference.rows, len(done.reference.days)
    lines = [f"{done.target}: {rows:,} rows of {days} days are the reference of {model}"]
    if done.old is not None:
        lines.append(f"{done.old}: the old one")
    if not done.configured:
        lines.append(f"set reference: {{source: {done.target}}}; the old one was learnt from the stream")
    return "\n".join([*lines, "restart the service to take it up", ""])
