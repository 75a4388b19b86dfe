"""``python -m benchmarks.detection [--small] [PART ...]``: measure, write ``results/`` and a section of RESULTS.md.

Parts are shipped, nulls, fleets, matched, series, peers or the name of one peer, and report, which measures nothing;
all by default. ``--small`` takes two minutes, runs no peer, and prints its tables instead of writing them.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.detection.measure import FULL, RESULTS, SCRIPTS, SMALL, run, run_peer
from benchmarks.detection.report import publish, text
from benchmarks.report import circumstances


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("parts", nargs="*")
    said, before = parser.parse_args(), circumstances()
    if said.small:
        with tempfile.TemporaryDirectory(prefix="driftline-detection-") as folder:
            run(SMALL, Path(folder), said.parts)
            print(text(Path(folder)))
        return
    for peer in [part for part in said.parts if part in SCRIPTS]:
        run_peer(peer, RESULTS / f"{peer}.json", FULL.fewer)
    rest = [part for part in said.parts if part not in SCRIPTS]
    if rest != ["report"] and (rest or not said.parts):
        run(FULL, RESULTS, rest)
    publish(before)


if __name__ == "__main__":
    main()
