"""What every peer's script shares: timing, memory, and how the result is handed back.

It runs in the peers' environments too, so it imports nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import gc
import json
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TypeAlias

SHOWN = "amount"
"""The shifted column whose figures are printed side by side."""
Figures: TypeAlias = Mapping[str, float]
_ROUNDS = 3
_MOST_ROUNDS = 9
_ENOUGH = 5.0


def main(packages: Sequence[str], statistics: str, load: Callable[[Path], int], work: Callable[[], Figures]) -> None:
    """Time a peer and write what came out to the file that the command line names.

    Parameters
    ----------
    packages
        Distributions whose versions are reported.
    statistics
        What the peer computes, in words.
    load
        Reads the frames from a folder and makes ready whatever belongs to the reference alone; returns the number of
        rows in the window. Not timed.
    work
        From the window's frame in memory to the statistics of every column; returns those of ``SHOWN``.

    Notes
    -----
    At least three rounds, and more until five seconds have passed; all are handed back, in seconds on the clock and in
    seconds of the processor over all threads, which a busy machine disturbs less. The peak is that of the rounds
    alone where the kernel lets us start it anew.
    """
    folder, out = map(Path, sys.argv[1:3])
    rows = load(folder)
    held = _restart_peak()
    wall: list[float] = []
    cpu: list[float] = []
    figures: Figures = {}
    while len(wall) < _ROUNDS or (sum(wall) < _ENOUGH and len(wall) < _MOST_ROUNDS):
        begin, used = time.perf_counter(), time.process_time()
        figures = work()
        wall.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - used)
    result = {
        "versions": {package: version(package) for package in packages},
        "statistics": statistics,
        "rows": rows,
        "wall": wall,
        "cpu": cpu,
        "held": held,
        "peak": _peak(),
        "figures": {name: float(value) for name, value in figures.items()},
    }
    out.write_text(json.dumps(result))


def _restart_peak() -> int:
    """Return the resident bytes now, from which the peak starts again.

    What loading has let go of is handed back first; otherwise the rounds would live in it and seem to need nothing.
    """
    gc.collect()
    arrow = sys.modules.get("pyarrow")
    if arrow is not None:
        arrow.default_memory_pool().release_unused()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except AttributeError:
        sys.stderr.write("no malloc_trim here: memory beyond the frames is understated\n")
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return _peak()
    return _status("VmRSS:")


def _peak() -> int:
    """Return the most resident bytes; the status file's figure leaves out what the parent process held before exec."""
    if Path("/proc/self/status").exists():
        return _status("VmHWM:")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))
