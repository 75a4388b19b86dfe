"""The demo's quiet month over many seeds: false incidents of evidence, and what became of the injected changes.

    python -m benchmarks.quiet_demo --seeds 20 --processes 2 --save

Each seed is another stream and another reference. The demo promises no false incident in its quiet month, and that
evidence tells of every change; the command fails where it does not. ``--save`` keeps each seed as it ends beside the
other results, in place of what was kept of it; ``--lacking`` plays only seeds that are not kept. When the demo changes,
play all of them.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Final

from monitor.config.root import LogConfig
from monitor.demo.ledger import Ledger
from monitor.demo.play import Play
from monitor.demo.stream import DemoStream
from monitor.events import HOUR
from monitor.logs import configure
from monitor.sources.memory import MemorySource

SAVED: Final = Path(__file__).parent / "detection" / "results" / "quiet_demo.json"


@dataclass(frozen=True, slots=True)
class Run:
    """One seed."""

    seed: int
    quiet: Sequence[str]
    """False alarms in the quiet days."""
    after: Sequence[str]
    """False alarms among the changes."""
    hours: dict[str, int]
    """Change → hours of the stream until evidence told of it."""
    by: dict[str, str]
    """Change → the monitor that told of it first."""
    missed: Sequence[str]
    seconds: int
    """Of the clock on the wall, the reference included."""

    @classmethod
    def of(cls, seed: int, ledger: Ledger, seconds: float) -> Run:
        """Return what a ledger says."""
        alarms = ledger.alarms
        early = [finding for result, finding in alarms.false if result.end <= ledger.quiet_until]
        late = [finding for result, finding in alarms.false if result.end > ledger.quiet_until]
        return cls(
            seed,
            tuple(finding.column for finding in early),
            tuple(finding.column for finding in late),
            {name: round(found.delay / HOUR) for name, found in alarms.found.items()},
            {name: found.finding.column for name, found in alarms.found.items()},
            tuple(one.name for one in ledger.injections if one.name not in alarms.found),
            round(seconds),
        )

    @property
    def broken(self) -> bool:
        """Whether a promise was broken. Alarms between the changes are told, but no promise speaks of them."""
        return bool(self.quiet or self.missed)

    @property
    def words(self) -> str:
        """The run in one line."""
        told = ", ".join(f"{name} {hours} h by {self.by[name]}" for name, hours in self.hours.items())
        return (
            f"seed {self.seed}: {len(self.quiet)} false in the quiet month{_listed(self.quiet)}, {len(self.after)} "
            f"after{_listed(self.after)}; {told}; {len(self.missed)} missed{_listed(self.missed)}; {self.seconds} s"
        )


def _listed(names: Sequence[str]) -> str:
    return f" ({', '.join(names)})" if names else ""


def play(seed: int) -> Run:
    """Play the demo with one seed."""
    configure(LogConfig(level="error"))
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="driftline-quiet-") as folder:
        run = Play(DemoStream(seed), Path(folder), lambda _: None)
        source = MemorySource()
        pipeline = run.embedded(run.prepare(), source)
        try:
            run.feed(pipeline, source)
        finally:
            pipeline.close()
    return Run.of(seed, run.ledger, time.monotonic() - began)


def summed(runs: Sequence[Run]) -> Iterator[str]:
    """Yield the sum of all runs, a line at a time: how long each change took to be told of, then what went wrong."""
    for name in dict.fromkeys(name for run in runs for name in (*run.hours, *run.missed)):
        hours = [run.hours[name] for run in runs if name in run.hours]
        told = f", after {median(hours):.0f} h at the median, {max(hours)} h at most" if hours else ""
        yield f"{name}: told of in {len(hours)} of {len(runs)}{told}"
    quiet = sum(bool(run.quiet) for run in runs)
    missed = sum(len(run.missed) for run in runs)
    yield f"{len(runs)} seeds: {quiet} with a false incident in the quiet month, {missed} changes missed"


def kept(path: Path = SAVED) -> list[Run]:
    """Return the runs that were kept, by seed."""
    return [Run(**one) for one in json.loads(path.read_text(encoding="utf-8"))] if path.exists() else []


def keep(run: Run, path: Path = SAVED) -> None:
    """Keep a run, in place of what was kept of its seed."""
    runs = sorted([*(one for one in kept(path) if one.seed != run.seed), run], key=lambda one: one.seed)
    path.write_text(json.dumps([asdict(one) for one in runs], indent=1) + "\n", encoding="utf-8")


def main() -> int:
    """Play the seeds, print a line for each, then the sum; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--save", action="store_true")
    parser.add_argument("--lacking", action="store_true")
    said = parser.parse_args()
    seeds = range(said.first, said.first + said.seeds)
    known = [run for run in kept() if run.seed in seeds] if said.lacking else []
    runs = list(known)
    with ProcessPoolExecutor(said.processes, get_context("spawn")) as players:
        for run in players.map(play, sorted(set(seeds) - {run.seed for run in known})):
            runs.append(run)
            print(run.words, flush=True)
            if said.save:
                keep(run)
    print("\n".join(summed(runs)))
    return int(any(run.broken for run in runs))


if __name__ == "__main__":
    sys.exit(main())
