"""Runs every part and keeps what came out as JSON beside the tables that are made of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.detection import fleets, nulls
from benchmarks.detection.cells import Cell, FleetCell, NullCell, Plan, read
from benchmarks.detection.matched import Calm, calm_of, counted, measured
from benchmarks.detection.ours import Tolerance, shipped
from benchmarks.detection.series import f1_of_peers
from benchmarks.detection.streams import changing_runs, quiet_key, quiet_runs
from benchmarks.peers import HERE
from benchmarks.peers.environments import python_of

RESULTS: Final = Path(__file__).with_name("results")
SEED: Final = 20261121
PEERS: Final = {
    "river": "river",
    "evidently": "evidently",
    "nannyml": "nannyml",
    "frouros": "frouros",
    "alibi": "alibi-detect",
    "menelaus": "menelaus",
}
SCRIPTS: Final = PEERS | {"evidently_fleet": "evidently"}
"""Scripts and the environments they run in; the last is of fleets."""
_TIMEOUT: Final = 4 * 3600


@dataclass(frozen=True, slots=True)
class Size:
    """How much is simulated."""

    shipped: int
    """Repetitions of a drift at shipped defaults."""
    fleets: int
    windows: int
    quiet: int
    """Runs without a change, on which ours and the classical rules are tuned."""
    changing: int
    fewer: int
    """Peers have so many times fewer runs."""


FULL: Final = Size(shipped=300, fleets=3, windows=500, quiet=20, changing=24, fewer=1)
SMALL: Final = Size(shipped=10, fleets=1, windows=50, quiet=3, changing=3, fewer=0)


def parts(size: Size) -> dict[str, Callable[[], Any]]:
    """Return every part by the name of its file."""
    plan = read()
    return {
        "shipped": lambda: [one for cell in plan.cells for one in _shipped(cell, plan, size)],
        "nulls": lambda: [one for null in plan.nulls for one in _null(null, plan, size)],
        "fleets": lambda: {cell.name: _fleet(cell, plan, size) for cell in plan.fleets},
        "matched": lambda: _matched(plan, size),
        "series": f1_of_peers,
    }


def run(size: Size, folder: Path, wanted: Iterable[str] = (), peers: Iterable[str] = tuple(SCRIPTS)) -> None:
    """Run the parts that are wanted, all by default, and every peer in its own environment, one after the other."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in parts(size).items():
        if not wanted or name in wanted:
            began = time.process_time()
            made = part()
            kept = {"seconds": round(time.process_time() - began, 1), "size": asdict(size), "seed": SEED, "found": made}
            (folder / f"{name}.json").write_text(json.dumps(kept, ensure_ascii=False, separators=(",", ":")) + "\n")
            print(f"{name}: {kept['seconds']} s", flush=True)
    if size.fewer and (not wanted or "peers" in wanted):
        for peer in peers:
            run_peer(peer, folder / f"{peer}.json", size.fewer)


def run_peer(peer: str, out: Path, fewer: int) -> None:
    """Run one peer's script in its environment, on one thread."""
    quiet = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [str(python_of(SCRIPTS[peer])), "-W", "ignore", "-m", f"benchmarks.peers.detect_{peer}"]
    subprocess.run(
        [*command, str(out), str(fewer)],
        cwd=HERE.parent.parent,
        env=os.environ | quiet | {"PYTHONPATH": str(HERE.parent.parent)},
        stdout=subprocess.DEVNULL,
        stderr=sys.stderr,
        timeout=_TIMEOUT,
        check=True,
    )


def _shipped(cell: Cell, plan: Plan, size: Size) -> list[dict[str, Any]]:
    made = []
    tolerances: tuple[Tolerance, ...] = ("auto", "zero")
    for tolerance in tolerances:
        found = shipped(cell, plan.protocol, tolerance, size.shipped, SEED)
        made.append(
            {
                "cell": cell.key,
                "tolerance": tolerance,
                "index": cell.law.index,
                "sparse": cell.reference < 20 * cell.rows,
                "ours": _kept(found.ours),
                "oracle": _kept(found.oracle),
                "blind": [float(f"{one:.4g}") for one in found.watched.blind_below],
                "judged": [int(one) for one in found.watched.stable],
            }
        )
    return made


def _kept(delays: np.ndarray) -> list[int | None]:
    return [None if np.isnan(one) else int(one) for one in delays]


def _null(null: NullCell, plan: Plan, size: Size) -> list[dict[str, Any]]:
    made = []
    tolerances: tuple[Tolerance, ...] = ("auto", "zero")
    for tolerance in tolerances:
        seen = nulls.observe(null, plan.protocol, tolerance, size.fleets, size.windows, SEED)
        low, high = seen.interval
        facts = {"name": null.name, "covered": null.covered, "tolerance": tolerance}
        made.append(facts | asdict(seen) | {"low": low, "high": high, "kept": seen.kept})
    return made


def _fleet(cell: FleetCell, plan: Plan, size: Size) -> dict[str, Any]:
    count = max(1, 2000 // cell.monitors * size.fleets // 10)
    told = fleets.run(cell, plan.protocol, count, SEED)
    return {"fleets": count, "told": {name: asdict(one) for name, one in told.items()}}


def _matched(plan: Plan, size: Size) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    known: dict[str, Calm] = {}
    for cell in plan.cells:
        if cell.peers:
            key = quiet_key(cell)
            if key not in known:
                quiet = counted(cell, plan.protocol.days, quiet_runs(cell, size.quiet))
                known[key] = calm_of(cell, plan.protocol, quiet)
            changing = counted(cell, plan.protocol.days, changing_runs(cell, plan.protocol, size.changing))
            found = measured(cell, plan.protocol, known[key], changing)
            made.extend({"method": name, "cell": cell.key} | asdict(one) for name, one in found.items())
    return made
