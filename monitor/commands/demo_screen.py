"""A run over a person's own file on the terminal, while it goes on."""

from __future__ import annotations

import time
from typing import Final, Self

from rich.console import Console
from rich.live import Live

from monitor.demo.own.play import Play
from monitor.demo.own.screen import live, sentence
from monitor.demo.own.tally import Tally

_SECONDS_A_FRAME: Final = 0.25
_TENTHS: Final = 10


class FileScreen:
    """A live table on a terminal; elsewhere a line a tenth of the rows and a line a drift."""

    def __init__(self, console: Console, tally: Tally, what: str) -> None:
        self._console = console
        self._tally = tally
        self._what = what
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._drawn = 0.0
        self._told = 0
        self._tenth = 0

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, play: Play) -> None:
        """Show how far the run is."""
        if self._live is None:
            self._tell(play)
        elif time.monotonic() - self._drawn >= _SECONDS_A_FRAME:
            self._drawn = time.monotonic()
            self._live.update(live(play, self._tally), refresh=True)

    def _tell(self, play: Play) -> None:
        timeline = play.rows.timeline
        sightings = list(self._tally.sightings.values())
        for sighting in sightings[self._told :]:
            self._console.print(f"  drift: {sentence(timeline, *sighting.first)}", markup=False, highlight=False)
        self._told = len(sightings)
        tenth = play.records * _TENTHS // max(1, len(timeline.live))
        if tenth > self._tenth and play.latest is not None:
            self._tenth = tenth
            when = timeline.when(play.latest.end)
            self._console.print(f"{self._what}: {play.records:,} rows, {when}", markup=False, highlight=False)
