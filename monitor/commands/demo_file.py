"""``driftline demo --from-file``: watch a file of one's own drift."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from monitor.commands.demo_columns import study
from monitor.commands.demo_screen import FileScreen
from monitor.config.root import LogConfig
from monitor.config.types import parse_moment
from monitor.demo.ledger import Ledger
from monitor.demo.own.changes import Changer, changes
from monitor.demo.own.config import CONFIG, PREDICTIONS, REFERENCE, write_config
from monitor.demo.own.mapping import Choice, NoSuchColumnError, Said, choose
from monitor.demo.own.opening import open_table
from monitor.demo.own.play import Play, Rows, build_reference
from monitor.demo.own.screen import counted, elsewhere, injected, summary, understood, warnings
from monitor.demo.own.spool import Spool, Writer
from monitor.demo.own.tally import Tally
from monitor.demo.own.timeline import Timeline, TooFewRowsError, arrange
from monitor.events import IntArray
from monitor.findings import WindowResult
from monitor.logs import configure
from monitor.reference import Reference
from monitor.reference.rows import Report, UnreadableRowsError
from monitor.sources.build import MissingExtraError

USAGE: Final = 2
BAD_DATA: Final = 65
CANNOT_WRITE: Final = 73
_WIDE: Final = 120
_MANY: Final = 50_000


@dataclass(frozen=True, kw_only=True)
class FileOptions:
    """What the command line said."""

    said: Said = field(default_factory=Said)
    day_first: bool | None = None
    reference: float = 0.5
    """Share of the rows, the earliest, that the others are compared with."""
    reference_until: str | None = None
    """Or the time at which these end, RFC 3339."""
    inject: bool | None = None
    """Whether to make changes to a copy; ``None``: only if nothing drifted by itself."""
    save: Path | None = None
    """A folder for the configuration, the reference and the records."""


class UsageError(Exception):
    """What was asked for makes no sense."""


def demo_file(path: Path, options: FileOptions, *, console: Console | None = None) -> int:
    """Watch the later rows of a file, compared with the earlier ones.

    Returns
    -------
    int
        0 when the run came to its end, whatever was found; 2 where the options make no sense; 65 where the file cannot
        be used; 73 where nothing can be written.
    """
    console = console or Console()
    configure(LogConfig(level="error"))
    try:
        with tempfile.TemporaryDirectory(prefix="driftline-demo-") as directory:
            _Run(path, options, console, Path(directory)).run()
    except (UsageError, NoSuchColumnError) as error:
        return _failed(console, str(error), USAGE)
    except (UnreadableRowsError, MissingExtraError) as error:
        return _failed(console, str(error), BAD_DATA)
    except TooFewRowsError as error:
        return _failed(console, f"{path}: {error}", BAD_DATA)
    except OSError as error:
        return _failed(console, f"cannot write: {error}", CANNOT_WRITE)
    return 0


def _failed(console: Console, message: str, status: int) -> int:
    console = Console(stderr=True) if console.file is sys.stdout else console
    console.print(message, markup=False, highlight=False, style="red", soft_wrap=True)
    return status


class _Run:
    """One run of the command, in a temporary folder of its own."""

    def __init__(self, path: Path, options: FileOptions, console: Console, folder: Path) -> None:
        self.path = path
        self.options = options
        self.console = console
        self.folder = folder
        self.until = _until(options)

    def run(self) -> None:
        """Read, tell what was understood, watch, sum up."""
        self._check_save()
        began = time.monotonic()
        rows = self._read()
        reference = self._reference(rows)
        tally = Tally()
        play = self._watch(Play(rows, self.folder, tally.add, lambda _: None, rows.lines), tally, "watching")
        wide = self.console.width >= _WIDE
        title = f"What drifted in {self.path.name}"
        self._say(summary(tally, rows.timeline, len(reference.columns), title=title, wide=wide))
        for reason, count in sorted(play.rejected.items()):
            self._warn(f"{counted(count, 'row')} set aside by the service: {reason.replace('_', ' ')}")
        if self.options.inject or (self.options.inject is None and not tally.sightings and not tally.alarmed):
            self._inject(rows, reference, tally)
        seconds = time.monotonic() - began
        rate = f", {play.rate:,.0f} a second through the service" if play.records >= _MANY else ""
        self._say(f"{len(rows.spool):,} rows in {seconds:.0f} s{rate}.")
        self._save(rows)

    def _read(self) -> Rows:
        table = open_table(self.path)
        sample, guessed = study(table)
        choice = choose(sample, guessed, self.options.said)
        self._check_duplicates(table.names)
        writer = Writer(table, choice, self.folder / "rows.jsonl", self.options.day_first)
        with self._progress(f"reading {self.path.name}", table.size) as report:
            spool = writer.write(report)
        if not len(spool):
            reasons = "; ".join(_reasons(spool)) or "there are column names, but no rows below them"
            raise UnreadableRowsError(self.path, f"holds no rows that can be read: {reasons}", "check the file")
        timeline = self._arrange(spool, choice)
        columns = f"{len(table.names):,} columns"
        self._say(f"{self.path.name}: {len(spool):,} rows, {columns}. What was understood:")
        self._say(understood(choice, spool, timeline))
        for warning in warnings(choice, spool, timeline):
            self._warn(warning)
        if not choice.features and "score" not in choice.roles and "prediction" not in choice.roles:
            problem = "holds no column that could be watched"
            raise UnreadableRowsError(self.path, problem, "see above what was left out and why")
        return Rows(self.path, spool, choice, timeline)

    def _arrange(self, spool: Spool, choice: Choice) -> Timeline:
        times = spool.times
        if times is not None and int((times >= 0).sum()) < len(times) / 2:
            if self.options.said.time is None:
                choice.notes.append(f"most cells of {choice.time} hold no time that can be read; it is not used")
                times = None
            else:
                readable = int((times >= 0).sum())
                problem = f"only {readable:,} of {len(times):,} cells of {choice.time} hold a time"
                raise UnreadableRowsError(self.path, problem, "name another column, or say --time none")
        if times is None and self.until is not None:
            raise UsageError("--reference-until needs a column of times; name it with --time")
        return arrange(times, len(spool), share=self.options.reference, until=self.until)

    def _reference(self, rows: Rows) -> Reference:
        with self._progress("building the reference", 2 * rows.timeline.split) as report:
            return build_reference(rows, self.folder, report)

    def _watch(self, play: Play, tally: Tally, what: str) -> Play:
        with FileScreen(self.console, tally, what) as screen:
            play.frames = screen.show
            play.run(self.folder / what)
        return play

    def _inject(self, rows: Rows, reference: Reference, real: Tally) -> None:
        timeline = rows.timeline
        injections = changes(reference, timeline, real.columns)
        if not injections:
            self._warn("no column can be changed for show: none has a spread, a category or a value")
            return
        self._say("")
        self._say("The same rows again, with changes made to a copy of them, to see how they are found.")
        ledger = Ledger(injections, quiet_until=min(change.start for change in injections))
        tally = Tally()
        changer = Changer(injections, reference, len(timeline.live))

        def lines(places: IntArray, times: IntArray) -> Iterator[bytes]:
            return changer.lines(rows.lines(places, times), times, int(places[0]) - timeline.split)

        def take(results: list[WindowResult]) -> None:
            ledger.add(results)
            tally.add(results)

        self._watch(Play(rows, self.folder, take, lambda _: None, lines), tally, "watching the changed copy")
        self._say(injected(ledger, timeline))
        self._say(elsewhere(ledger, real.columns))

    def _check_duplicates(self, names: tuple[str, ...]) -> None:
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            self._warn(f"columns of the same name, of which the first is taken: {', '.join(map(repr, twice[:10]))}")

    def _check_save(self) -> None:
        folder = self.options.save
        if folder is None:
            return
        there = [name for name in (CONFIG, REFERENCE, PREDICTIONS) if (folder / name).exists()]
        if there:
            raise UsageError(f"{folder / there[0]} exists; move it away, or save into another folder")
        folder.mkdir(parents=True, exist_ok=True)

    def _save(self, rows: Rows) -> None:
        folder = self.options.save
        if folder is None:
            self._say(f"To go on: driftline demo --from-file {self.path} --save FOLDER writes the configuration.")
            return
        text = write_config(self.path, folder, rows.choice, rows.timeline)
        (folder / CONFIG).write_text(text, encoding="utf-8")
        shutil.copyfile(self.folder / REFERENCE, folder / REFERENCE)
        with (folder / PREDICTIONS).open("wb") as out:
            for places, times in rows.blocks(rows.timeline.split, len(rows.timeline.rows), 10_000):
                out.writelines(line + b"\n" for line in rows.lines(places, times))
        self._say(f"Saved, with your rows in {PREDICTIONS}. Next: driftline replay -c {folder / CONFIG}")

    def _say(self, what: RenderableType) -> None:
        self.console.print(what, markup=False, highlight=False)

    def _warn(self, text: str) -> None:
        self.console.print(f"note: {text}", markup=False, highlight=False, style="yellow")

    @contextmanager
    def _progress(self, what: str, total: int) -> Iterator[Report]:
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
        with Progress(*columns, console=self.console, transient=True, disable=not self.console.is_terminal) as progress:
            task = progress.add_task(what.replace("[", r"\["), total=total)
            yield lambda done: progress.update(task, completed=done)


def _until(options: FileOptions) -> int | None:
    if not 0 < options.reference < 1:
        raise UsageError(f"--reference is a share between 0 and 1 of the rows, not {options.reference:g}")
    if options.reference_until is None:
        return None
    try:
        return parse_moment(options.reference_until)
    except ValueError as error:
        raise UsageError(f"--reference-until: {error}") from None


def _reasons(spool: Spool) -> Iterator[str]:
    for reason, count in sorted(spool.rejected.items()):
        line = f", the first in line {spool.first_lines[reason]:,}" if reason in spool.first_lines else ""
        yield f"{counted(count, 'row')} {reason.replace('_', ' ')}{line}"
