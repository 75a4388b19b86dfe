"""``driftline demo``: watch a loan model drift."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from typing import Self

from rich.console import Console
from rich.live import Live

from monitor.commands.run import fingerprint
from monitor.config.root import Config, LogConfig
from monitor.demo.epilogue import epilogue, latest_proposal, proposal
from monitor.demo.folder import DemoFolder
from monitor.demo.ledger import Ledger
from monitor.demo.output import create_topic
from monitor.demo.parts import LABELS, TOPIC
from monitor.demo.play import Play
from monitor.demo.screen import clock, closing, live, sentence
from monitor.demo.stream import DemoStream
from monitor.events import DAY
from monitor.logs import configure
from monitor.metrics import make_registry
from monitor.past import KnownPast
from monitor.pipeline import Pipeline
from monitor.retraining.keeper import RetrainingKeeper
from monitor.server import Server
from monitor.snapshot import Snapshots
from monitor.sources.build import build_source
from monitor.sources.memory import MemorySource
from monitor.views import AlertsView, View, ViewHolder

NOT_FOUND = 1
_SECONDS_A_FRAME = 0.25
_SECONDS_A_VIEW = 1.0
_WIDTH = 140
"""Columns of what is not printed on a terminal."""


def demo(*, bootstrap: str | None, seed: int, serve: bool | None = None, port: int = 0) -> int:
    """Run the demo, through a broker if one is given; return 0 when it showed all that it should.

    Parameters
    ----------
    bootstrap
        The broker's address; ``None`` for an embedded source.
    seed
        Another seed makes another stream.
    serve
        Whether the page stays up after the run; ``None``: on a terminal.
    port
        Of the page; 0 takes any free one.
    """
    console = Console(width=None if sys.stdout.isatty() else _WIDTH)
    configure(LogConfig(level="error"))
    with DemoFolder() as folder:
        stream = DemoStream(seed)
        days = f"{stream.days} days of stream time, {len(stream):,} records"
        console.print(f"A loan model, {days}. Building its reference …")
        screen = Screen(console)
        play = Play(stream, folder.path, screen.show, port=port, bootstrap=bootstrap or "localhost:9092")
        if bootstrap is None:
            play.begin()
        config = play.prepare()
        source = MemorySource()
        if bootstrap is None:
            pipeline = play.embedded(config, source)
        else:
            for topic in (TOPIC, LABELS):
                create_topic([bootstrap], topic)
            pipeline = play.attach(config, build_source(config))
        site = Site(config, pipeline, lambda: None if play.desk is None else play.desk.view)
        if play.desk is not None:
            site.keep_proposals(
                RetrainingKeeper(config, play.folder, play.desk.engine.store, site.view, clock=play.clock)
            )
            play.desk.beside.append(site.turn)
        console.print(f"Page: http://127.0.0.1:{site.server.port}/  metrics: /metrics", highlight=False)
        play.frames, play.ending = site.showing(screen), site.keep
        try:
            with screen:
                if bootstrap is None:
                    play.feed(pipeline, source)
                else:
                    play.through(pipeline)
            console.print(closing(play.ledger))
            for part in () if play.desk is None else epilogue(play.desk):
                console.print(part)
            waits = sys.stdout.isatty() if serve is None else serve
            proposed = folder.keeps = site.conclude(console, play)
            seconds = time.monotonic() - play.began
            console.print(f"{play.records:,} records in {seconds:.0f} s, {play.rate:,.0f} a second.")
            if waits:
                console.print(f"Look at http://127.0.0.1:{site.server.port}/ – Ctrl-C ends it.", highlight=False)
                folder.keeps = site.stay(play)
        finally:
            site.close()
            play.close()
            pipeline.close()
    # Through a broker, what is read together depends on the machine, and so does what is seen in between.
    return verdict(play.ledger, proposed=proposed or bootstrap is not None)


def verdict(ledger: Ledger, *, proposed: bool) -> int:
    """Return the exit status: 0 when evidence and thresholds both found every change, and it ends proposed."""
    found = all(change.name in ledger.alarms.found and change.name in ledger.found for change in ledger.injections)
    return 0 if found and proposed else NOT_FOUND


class Screen:
    """A live table on a terminal; elsewhere a line a day and a line a drift."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._drawn = 0.0
        self._day = -1
        self._told = 0
        self._crossed = 0

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
            frame = live(play.ledger, play.latest, play.stream.start, play.rate, play.records)
            self._live.update(frame, refresh=True)

    def _tell(self, play: Play) -> None:
        alarms = list(play.ledger.alarms.found.values())
        for found in alarms[self._told :]:
            finding = found.finding
            self._console.print(
                f"  alarm: {clock(found.result.end)}  {finding.column} {finding.explanation}", highlight=False
            )
        self._told = len(alarms)
        crossed = list(play.ledger.found.values())
        for found in crossed[self._crossed :]:
            self._console.print(f"  found: {sentence(found.result, found.finding)}", highlight=False)
        self._crossed = len(crossed)
        if play.latest is None:
            return
        day = (play.latest.end - play.stream.start) // DAY
        if day > self._day:
            self._day = day
            self._console.print(f"day {day:2d}  {clock(play.latest.end)}  {play.records:,} records", highlight=False)


class Site:
    """The demo's port: the same page, metrics and health that the service has."""

    heartbeat = float("inf")
    not_ready: str | None = None

    def __init__(self, config: Config, pipeline: Pipeline, alerts: Callable[[], AlertsView | None]) -> None:
        self._pipeline = pipeline
        self._holder = ViewHolder()
        self._snapshots = Snapshots(build=version("driftline"), config_hash=fingerprint(config), alerts=alerts)
        self._alerts = alerts
        self._keeper: RetrainingKeeper | None = None
        self._refreshed = 0.0
        registry, _ = make_registry(self._holder, config.limits.max_series, config.metrics.export)
        self.server = Server(config.http, registry, self._holder, self)
        self.server.site.past = KnownPast.of(pipeline.assembly.history)
        self.server.start()

    def showing(self, screen: Screen) -> Callable[[Play], None]:
        """Return what shows how far the run is, on the screen and, now and then, on the page."""

        def show(play: Play) -> None:
            screen.show(play)
            if time.monotonic() - self._refreshed >= _SECONDS_A_VIEW:
                self._refreshed = time.monotonic()
                self.refresh()

        return show

    def keep(self) -> None:
        """Show the pipeline as it is now, and stay with that: windows that are cut short would hide the drift."""
        self.refresh()
        self._refreshed = float("inf")

    def refresh(self) -> None:
        """Show the pipeline as it is now."""
        self._holder.swap(self._snapshots.take(self._pipeline))

    def refresh_alerts(self) -> None:
        """Show the alerts and proposals as they are now, beside what is shown of the pipeline."""
        shown = self._holder.current
        if shown is not None:
            retraining = None if self._keeper is None else self._keeper.picture
            self._holder.swap(replace(shown, alerts=self._alerts(), retraining=retraining))

    def view(self) -> View | None:
        """Return what is shown now."""
        return self._holder.current

    def keep_proposals(self, keeper: RetrainingKeeper) -> None:
        """Show proposals to retrain, and let them be decided on over HTTP."""
        self._keeper = keeper
        self._snapshots.retraining = lambda: keeper.picture
        self.server.retraining.open(keeper)

    def turn(self) -> None:
        """Let proposals have their turn."""
        if self._keeper is not None:
            self._keeper.turn()

    def conclude(self, console: Console, play: Play) -> bool:
        """Print the proposal that the alerts led to; return whether it awaits a decision."""
        if self._keeper is None:
            return False
        self._keeper.engine.hurry()
        play.judge()
        found = latest_proposal(self._keeper)
        if found is not None:
            for part in proposal(found, self._keeper.desk.latest(found), play.folder / "state"):
                console.print(part, highlight=False, soft_wrap=True)
        self.refresh_alerts()
        return self.waits()

    def waits(self) -> bool:
        """Return whether a proposal awaits a decision."""
        found = None if self._keeper is None else latest_proposal(self._keeper)
        return found is not None and found.state == "awaiting_approval"

    def stay(self, play: Play) -> bool:
        """Wait for Ctrl-C; meanwhile proposals may be decided on. Return whether one still awaits it."""
        try:
            while True:
                time.sleep(1)
                play.judge()
                self.refresh_alerts()
        except KeyboardInterrupt:
            return self.waits()

    def close(self) -> None:
        """Let go of the port and of what requests."""
        self.server.stop()
        if self._keeper is not None:
            self._keeper.close()
