"""Section (a): from one frame in memory to drift statistics, beside the peers."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.peers import HERE
from benchmarks.peers.environments import python_of
from benchmarks.peers.frame import write_frames
from benchmarks.report import Section, table

WINDOW: Final = 1_000_000
REFERENCE: Final = 1_000_000
OURS: Final = "driftline"
PEERS: Final = ("evidently", "nannyml", "whylogs")
NEAREST: Final = "nannyml"
TURNS: Final = 7
"""Times that ours and the nearest peer run by turns, so that both meet the same moods of the machine."""
GOALS: Final = {"evidently": 100, "nannyml": 20}
_ROOT: Final = HERE.parent.parent
_TIMEOUT: Final = 1800
_WHY: Final = """\
NannyML comes closest because it too fits fixed edges to the reference beforehand and reads every value once or twice,
with numpy's vectorised sort; most of its time goes into sorting text. Ours takes the Arrow table that Parquet is read
into, NannyML and Evidently the pandas frame of the same file, with texts as objects, as they ask for. NannyML computes
no PSI, p-value, noise band or interval, and keeps no counts that a late row could be added to. Evidently keeps nothing
of the reference and starts from its raw rows every time. Ours is bound by memory, so its time scatters more than
theirs, on a machine that others share above all."""
_FIGURES: Final = {
    "psi": "PSI",
    "ks": "KS",
    "ks_p_value": "KS p-value",
    "jensen_shannon": "JS divergence, base e",
    "jensen_shannon_distance": "JS distance",
}


@dataclass(frozen=True, slots=True)
class Timing:
    """What one peer's run came to."""

    name: str
    versions: dict[str, str]
    statistics: str
    rows: int
    wall: float
    """Median seconds on the clock."""
    cpu: float
    """Median seconds of the processor."""
    rounds: int
    peak: int
    """Most resident bytes."""
    extra: int
    """Those beyond what was resident when the clock started: the frames and the libraries."""
    figures: dict[str, float]

    @property
    def rate(self) -> float:
        """Rows a second of the processor."""
        return self.rows / self.cpu


def run() -> Section:
    """Time ourselves and the nearest peer by turns, then the others, on the same frame."""
    pythons = {OURS: Path(sys.executable), **{peer: python_of(peer) for peer in PEERS}}
    with tempfile.TemporaryDirectory(prefix="driftline-bench-") as folder:
        frames = Path(folder)
        write_frames(frames, window=WINDOW, reference=REFERENCE)
        turns = [[time_one(name, pythons[name], frames) for name in (OURS, NEAREST)] for _ in range(TURNS)]
        ours, nearest = ([pair[place] for pair in turns] for place in (0, 1))
        others = [time_one(name, pythons[name], frames) for name in PEERS if name != NEAREST]
    timings = [middle(ours), *sorted([middle(nearest), *others], key=lambda timing: timing.name)]
    return Section("a", "From a frame to statistics", f"{body(timings)}\n\n{scatter(ours, nearest)}")


def middle(timings: list[Timing]) -> Timing:
    """Return the run whose processor time is the median of an odd number of them."""
    return sorted(timings, key=lambda timing: timing.cpu)[len(timings) // 2]


def scatter(ours: list[Timing], nearest: list[Timing]) -> str:
    """Return what the single pairs came to, so that nobody takes one run for the truth."""
    ratios = sorted(other.cpu / own.cpu for own, other in zip(ours, nearest, strict=True))
    each = ", ".join(f"{ratio:.1f}" for ratio in ratios)
    return (
        f"{OURS} and {NEAREST} ran {len(ratios)} times by turns, each time in a new process; the table has the run of "
        f"median processor time of each. The pairs' ratios, in order: {each}; median {median(ratios):.1f}."
    )


def time_one(name: str, python: Path, frames: Path) -> Timing:
    """Run one peer's script in its environment."""
    out = frames / f"{name}.json"
    command = [str(python), "-m", f"benchmarks.peers.run_{name}", str(frames), str(out)]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} failed:\n{done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(out.read_text())
    return Timing(
        name=name,
        versions=result["versions"],
        statistics=result["statistics"],
        rows=result["rows"],
        wall=median(result["wall"]),
        cpu=median(result["cpu"]),
        rounds=len(result["wall"]),
        peak=result["peak"],
        extra=result["peak"] - result["held"],
        figures=result["figures"],
    )


def body(timings: list[Timing]) -> str:
    """Return the section's tables."""
    ours = timings[0]
    speed = table(
        ["", "CPU s", "wall s", "rows/s", "ours is", "goal", "peak memory", "beyond the frames"],
        [
            [
                f"{timing.name} {timing.versions.get(timing.name, '')}".strip(),
                f"{timing.cpu:.2f}",
                f"{timing.wall:.2f}",
                f"{timing.rate:,.0f}",
                "" if timing is ours else f"{ours.rate / timing.rate:.1f} ×",
                _goal(timing, ours),
                f"{timing.peak / 2**20:,.0f} MiB",
                f"{timing.extra / 2**20:,.0f} MiB",
            ]
            for timing in timings
        ],
    )
    figures = table(
        ["the shifted column as each sees it", *_FIGURES.values()],
        [
            [timing.name, *(f"{timing.figures[key]:.4g}" if key in timing.figures else "" for key in _FIGURES)]
            for timing in timings
        ],
    )
    computed = "\n".join(
        f"- **{timing.name}** ({', '.join(f'{name} {number}' for name, number in timing.versions.items())}; median of "
        f"{timing.rounds}): {timing.statistics}."
        for timing in timings
    )
    return (
        f"One frame of {WINDOW:,} rows × 20 columns (16 numeric, 4 categorical) against a reference of {REFERENCE:,} "
        "rows, from the frame in memory to the statistics of every column. Whatever belongs to the reference alone "
        "(fitting, profiling, counting it) is done before the clock starts. Rates are rows a second of processor time, "
        "all threads together, since a busy machine disturbs that less.\n\n"
        f"{speed}\n\n{_WHY}\n\nWhat each computes:\n\n{computed}\n\n{figures}"
    )


def _goal(timing: Timing, ours: Timing) -> str:
    goal = GOALS.get(timing.name)
    if goal is None:
        return ""
    return f"{goal} ×, {'met' if ours.rate / timing.rate >= goal else 'not met'}"
