"""``driftline validate``: is the configuration sound, and what will be watched."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from monitor.config.checks import Complaint
from monitor.config.problem import UNREACHABLE
from monitor.config.report import check_source
from monitor.config.report import validate as examine
from monitor.config.root import Config, LogConfig
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
    return CONFIG_ERROR if any(not problem.is_warning for problem in problems) else 0


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
