"""``driftline validate``: is the configuration sound, and what will be watched."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from monitor.commands.explain import opened
from monitor.config.checks import Complaint
from monitor.config.load import folder_of, load
from monitor.config.problem import UNREACHABLE
from monitor.config.report import check_source
from monitor.config.report import validate as examine
from monitor.config.root import Config, LogConfig
from monitor.evidence.explain import blind_below
from monitor.logs import configure
from monitor.redaction import redact
from monitor.sources.build import MissingExtraError, build_source

CONFIG_ERROR: Final = 78


def validate(config: Path, no_environment: bool = False) -> int:
    """Print problems to stderr and, when nothing is wrong, a summary to stdout.

    Returns
    -------
    int
        78 when there are errors, 0 otherwise; warnings do not change it.
    """
    check = None if no_environment else check_inputs
    problems, summary = examine(config, os.environ, check_broker=check)
    for problem in problems:
        sys.stderr.write(f"{'warning: ' if problem.is_warning else ''}{problem}\n")
    sys.stdout.write(summary)
    if summary:
        sys.stdout.writelines(f"{line}\n" for line in blind_zones(config))
    return CONFIG_ERROR if any(not problem.is_warning for problem in problems) else 0


def blind_zones(path: Path) -> Iterator[str]:
    """Yield what evidence cannot see, of the models whose reference is there."""
    config = load(path, os.environ)
    configure(LogConfig(level="error", format="console"))
    models, keeper = opened(config, folder_of(path))
    for name, model in models.items():
        sys.stderr.writelines(f"warning: {name}: {misfit}\n" for misfit in model.misfits())
    for name, watches in keeper.watches.items():
        for watch in watches:
            if watch.copies:
                yield ""
                yield f"{name}: evidence of {watch.source.fleet}"
                yield from (f"  {line}" for line in blind_below(watch))


def check_inputs(config: Config) -> Iterator[Complaint]:
    """Connect, look for every input, disconnect; what clients log on the way says less than the problem does."""
    configure(LogConfig(level="error", format="console"))
    try:
        source = build_source(config, follow=False)
    except (MissingExtraError, OSError, ValueError) as error:
        yield Complaint(("kafka",), redact(str(error)), code=UNREACHABLE)
        return
    try:
        yield from check_source(config, source)
    finally:
        source.close()
