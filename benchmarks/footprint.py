"""Section (c): memory and disk, and that neither grows with time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any, Final

from benchmarks.report import Section, table

_MIB: Final = 2**20
_DAY: Final = 86_400_000_000
_LONG: Final = 10_000_000
_SHORT: Final = 2_000_000
_WIDE: Final[Mapping[str, dict[str, Any]]] = {
    "20 features": {"records": 300_000},
    "200 features": {"records": 100_000, "features": 200},
    "1,000 features": {"records": 30_000, "features": 1_000},
    "20 features, and one with 10⁶ values": {"records": 1_000_000, "distinct": 1_000_000},
    "20 features, 1,000 slices": {"records": 300_000, "slices": 1_000},
}


def run() -> Section:
    """Measure each load in a process of its own."""
    month = measure(records=600_000, features=200, slices=20, step=30 * _DAY // 600_000)
    brisk = measure(records=500_000, features=200, slices=20, step=1_000)
    wide = {name: measure(**options) for name, options in _WIDE.items()}
    long = measure(records=_LONG, step=30 * _DAY // _SHORT, marks=[_SHORT, _LONG])
    return Section("c", "Memory and disk", body(long, wide, brisk, month))


def measure(**options: Any) -> dict[str, Any]:
    """Return the footprint of one load."""
    command = [sys.executable, "-m", "benchmarks.endless", json.dumps(options)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def body(
    long: Mapping[str, Any], wide: Mapping[str, Mapping[str, Any]], brisk: Mapping[str, Any], month: Mapping[str, Any]
) -> str:
    """Return the section's tables."""
    short, whole = (long["resident"][str(mark)] for mark in (_SHORT, _LONG))
    goals = table(
        ["", "measured", "goal"],
        [
            [
                f"resident after 10 M records ÷ after 2 M ({whole / _MIB:,.0f} and {short / _MIB:,.0f} MiB)",
                f"{whole / short:.3f}",
                _goal("1.05", met=whole <= 1.05 * short),
            ],
            [
                f"largest of {brisk['checkpoints']} checkpoints, 200 features × 20 slices",
                f"{brisk['largest'] / 1e6:.2f} MB",
                _goal("5 MB", met=brisk["largest"] <= 5e6),
            ],
            [
                "state and history after 30 replayed days, 200 features × 20 slices",
                f"{month['state'] / 1e6:,.0f} MB",
                _goal("2 GB", met=month["state"] <= 2e9),
            ],
        ],
    )
    memory = table(
        ["", "peak memory", "before the first record", "CPU µs a record", "usual checkpoint"],
        [
            [
                name,
                f"{found['peak'] / _MIB:,.0f} MiB",
                f"{found['idle'] / _MIB:,.0f} MiB",
                f"{found['cpu'] / _WIDE[name]['records'] * 1e6:,.1f}",
                f"{found['usual'] / 1e3:,.0f} kB",
            ]
            for name, found in wide.items()
        ],
    )
    return (
        "The whole pipeline from the source's port on: decode, count, checkpoints in RocksDB, every window evaluated "
        "into history. Records are made up one by one and kept nowhere; each line is a process of its own.\n\n"
        f"{goals}\n\nThe 10 M records span 150 days of event time in one partition, the 2 M the first 30 of them; "
        f"{long['windows']:,} windows were evaluated. The checkpoints cover 50,000 records or one second each; the 30 "
        f"days hold 600,000 records and {month['windows']:,} windows, slices included.\n\n{memory}"
    )


def _goal(text: str, *, met: bool) -> str:
    return f"≤ {text}, {'met' if met else 'not met'}"
