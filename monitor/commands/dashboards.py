"""``driftline dashboards``: Grafana's dashboards as files, in Grafana, and incidents as annotations."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dashboards.grafana import annotate as writing
from dashboards.grafana import push as pushing
from dashboards.grafana.connection import Connection, GrafanaProblemError
from dashboards.grafana.incidents import incidents
from dashboards.grafana.render import render as write_files
from monitor.config.types import parse_duration
from monitor.history_reader import HistoryReader
from monitor.store.port import StateError

FOUND: Final = 3
STATE_ERROR: Final = 74
USAGE: Final = 2
_SHOWN: Final = 20
"""Differences of a dashboard that are told."""


@dataclass(frozen=True, slots=True)
class Grafana:
    """Where Grafana is and how we get in."""

    url: str
    token_file: Path | None = None
    """Instead of ``GRAFANA_TOKEN``; read again each time."""

    def connect(self, environ: Mapping[str, str]) -> Connection:
        """Return a connection; its errors say what to do."""
        if self.token_file is not None:
            try:
                token = self.token_file.read_text(encoding="utf-8").strip()
            except OSError as error:
                raise GrafanaProblemError(f"--token-file: {self.token_file}: {error.strerror}", USAGE) from error
        else:
            token = environ.get("GRAFANA_TOKEN", "").strip()
        if not token:
            raise GrafanaProblemError("no token: set GRAFANA_TOKEN, or name a file with --token-file", USAGE)
        return Connection(self.url, token)


def render(out: Path, folder: str, path: str | None, prometheus: str | None) -> int:
    """Write files for Grafana's provisioning; return 0."""
    for file in write_files(out, folder=folder, path=path, prometheus=prometheus):
        sys.stdout.write(f"{file}\n")
    return 0


def push(grafana: Grafana, environ: Mapping[str, str], folder: str) -> int:
    """Bring dashboards into Grafana.

    Returns
    -------
    int
        0; 69 when Grafana cannot be reached, 76 when it is too old, 77 when it does not let us, 65 when it refuses.
    """
    try:
        for name, what in pushing.push(grafana.connect(environ), folder).items():
            sys.stdout.write(f"{name}: {what}\n")
    except GrafanaProblemError as error:
        return _failed(error)
    return 0


def diff(grafana: Grafana, environ: Mapping[str, str]) -> int:
    """Say what Grafana has that differs; return 3 when something does, else as ``push``."""
    try:
        found = pushing.diff(grafana.connect(environ))
    except GrafanaProblemError as error:
        return _failed(error)
    for name, differences in found.items():
        sys.stdout.write(f"{name}: {'differs' if differences else 'same'}\n")
        for one in differences[:_SHOWN]:
            sys.stdout.write(f"  {one}\n")
        if len(differences) > _SHOWN:
            sys.stdout.write(f"  and {len(differences) - _SHOWN} more\n")
    return FOUND if any(found.values()) else 0


def annotate(grafana: Grafana, environ: Mapping[str, str], state: Path, since: str, every: str | None) -> int:
    """Write incidents of the history as annotations, once or for ever.

    Returns
    -------
    int
        0; 74 when the state cannot be read, 2 where the options make no sense, else as ``push``.
    """
    try:
        back, pause = parse_duration(since), None if every is None else parse_duration(every)
    except ValueError as error:
        sys.stderr.write(f"--since, --every: {error}\n")
        return USAGE
    while True:
        status = _annotate_once(grafana, environ, state, back)
        if pause is None or status == USAGE:
            return status
        time.sleep(pause / 1e6)


def _annotate_once(grafana: Grafana, environ: Mapping[str, str], state: Path, back: int) -> int:
    path = state / "history.sqlite"
    if not path.exists():
        sys.stderr.write(f"{path}: there is no history; name the folder of state.path with --state\n")
        return STATE_ERROR
    try:
        results = HistoryReader(path).results(time.time_ns() // 1000 - back, None)
        done = writing.annotate(grafana.connect(environ), incidents(results))
    except StateError as error:
        sys.stderr.write(f"{error}\n")
        return STATE_ERROR
    except GrafanaProblemError as error:
        return _failed(error)
    sys.stdout.write(", ".join(f"{number} {what}" for what, number in done.items()) + "\n")
    sys.stdout.flush()
    return 0


def _failed(error: GrafanaProblemError) -> int:
    sys.stderr.write(f"{error}\n")
    return error.status
