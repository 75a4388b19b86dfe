"""The demo's quiet month over many seeds: false incidents of evidence, and what became of the injected changes.

    python -m benchmarks.quiet_demo --seeds 20

Each seed is another stream and another reference. The demo promises no false incident in its quiet month.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from monitor.config.root import LogConfig
from monitor.demo.ledger import Ledger
from monitor.demo.play import Play
from monitor.demo.stream import DemoStream
from monitor.logs import configure
from monitor.sources.memory import MemorySource


@dataclass(frozen=True, slots=True)
class Run:
    """One seed."""

    seed: int
    quiet: tuple[str, ...]
    """False alarms in the quiet days."""
    after: tuple[str, ...]
    """False alarms among the changes."""
    hours: dict[str, float]
    """Change → hours until evidence told of it."""
    missed: tuple[str, ...]
    seconds: float

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
            {name: found.delay / 3.6e9 for name, found in alarms.found.items()},
            tuple(one.name for one in ledger.injections if one.name not in alarms.found),
            seconds,
        )


def play(seed: int) -> Run:
    """Play the demo with one seed."""
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


def main() -> None:
    """Play all seeds and print a line for each, then the sum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=1)
    said = parser.parse_args()
    configure(LogConfig(level="error"))
    runs = []
    for seed in range(said.first, said.first + said.seeds):
        run = play(seed)
        runs.append(run)
        told = ", ".join(f"{name} {hours:.0f} h" for name, hours in run.hours.items())
        print(
            f"seed {seed}: {len(run.quiet)} false in the quiet month {list(run.quiet)}, {len(run.after)} after "
            f"{list(run.after)}; {told}; missed {list(run.missed)}; {run.seconds:.0f} s",
            flush=True,
        )
    quiet = sum(bool(run.quiet) for run in runs)
    missed = sum(len(run.missed) for run in runs)
    print(f"{len(runs)} seeds: {quiet} with a false incident in the quiet month, {missed} changes missed")


if __name__ == "__main__":
    main()
