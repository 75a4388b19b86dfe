"""``driftline accept MODEL.COLUMN --until --because``: a drift that is known about and expected."""

from __future__ import annotations

import getpass
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from monitor.commands.explain import split
from monitor.config.load import load
from monitor.config.problem import did_you_mean
from monitor.config.types import parse_moment
from monitor.evidence.orders import Orders, in_slice

REFUSED: Final = 1
_WRONG_WAY: Final = 2


def accept(
    config_path: Path, environ: Mapping[str, str], target: str, until: str, because: str, piece: str = ""
) -> int:
    """Write the order down; the running service takes it up with its next evidence window."""
    config = load(config_path, environ)
    models = [model.name for model in config.models]
    name, column = split(target, models)
    if name is None or not column:
        hint = did_you_mean(target.partition(".")[0], models)
        sys.stderr.write(f"{target}: no such model{'; ' + hint if hint else ''}\n")
        return REFUSED
    try:
        moment = parse_moment(until)
    except ValueError as error:
        sys.stderr.write(f"--until: {error}\n")
        return _WRONG_WAY
    if not because.strip():
        sys.stderr.write("--because: say why, for whoever is on call next\n")
        return _WRONG_WAY
    column = in_slice(column, piece)
    number = Orders(Path(config.state.path)).add(
        at=time.time_ns() // 1000, who=getpass.getuser(), model=name, column=column, until=moment, because=because
    )
    sys.stdout.write(f"accepted as order {number}: {name}.{column} until {until}\n")
    return 0
