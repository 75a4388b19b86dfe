"""From repetitions to the figures that the tables and the pass marks need."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from benchmarks.detection.matched import OURS, OURS_ALL
from benchmarks.detection.measure import PEERS

CAP: Final = 100.0
FEWEST: Final = 10
"""Repetitions below which a figure says nothing."""
_AT_LEAST: Final = 0.4
_ADVERSARIAL: Final = 0.3
_CLEAR: Final = 1.96


@dataclass(frozen=True, slots=True)
class Mark:
    """A pass mark."""

    asked: str
    found: str
    kept: bool


@dataclass(frozen=True, slots=True)
class Delay:
    """Delays of one method on one cell; misses count as ``CAP``."""

    mean: float
    error: float
    """Standard error of the mean."""
    high: float
    """90th percentile."""
    missed: float

    @classmethod
    def of(cls, delays: Sequence[int | None]) -> Self:
        """Return the figures of delays, ``None`` being a miss."""
        values = np.array([CAP if one is None else float(one) for one in delays])
        missed = float(np.mean([one is None for one in delays]))
        error = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("inf")
        return cls(float(values.mean()), error, float(np.quantile(values, 0.9)), missed)

    @property
    def words(self) -> str:
        """Return mean / 90th percentile (share missed).

        >>> Delay.of([1, 2, None, 1]).words
        '26.0 / 71 (25 %)'
        """
        missed = f" ({100 * self.missed:.0f} %)" if self.missed else ""
        return f"{self.mean:.1f} / {self.high:.0f}{missed}"

    @property
    def ends(self) -> tuple[float, float, float]:
        """Return the mean and its 95 % interval."""
        return self.mean, max(self.mean - _CLEAR * self.error, 1.0), self.mean + _CLEAR * self.error


@dataclass(frozen=True, slots=True)
class Beside:
    """Ours and the oracle on the same repetitions."""

    ours: Delay
    oracle: Delay
    ratio: float
    error: float
    """Half of the 95 % interval of the ratio, by the delta method."""
    count: int
    missed: int


def beside(one: Mapping[str, Any], times: float) -> Beside:
    """Return the figures over repetitions that are judged and whose PSI is so many times what they are blind below."""
    blind, judged = np.array(one["blind"]), np.array(one["judged"]) > 0
    some = judged & (one["index"] >= times * blind)
    ours = [delay for delay, kept in zip(one["ours"], some, strict=True) if kept]
    oracle = [delay for delay, kept in zip(one["oracle"], some, strict=True) if kept]
    if not ours:
        nothing = Delay(CAP, 0.0, CAP, 1.0)
        return Beside(nothing, nothing, float("nan"), float("nan"), 0, 0)
    x, y = (np.array([CAP if delay is None else float(delay) for delay in part]) for part in (ours, oracle))
    ratio = float(y.mean() / x.mean())
    spread = float(np.std(y - ratio * x) / x.mean() / np.sqrt(len(x)))
    return Beside(Delay.of(ours), Delay.of(oracle), ratio, _CLEAR * spread, len(x), sum(one is None for one in ours))


def promise(found: Iterable[Mapping[str, Any]]) -> Mark:
    """Return whether the promise is kept wherever it is given."""
    covered = [one for one in found if one["covered"] and one["tolerance"] == "auto"]
    worst = max(covered, key=lambda one: one["incidents"] / one["promised"])
    return Mark(
        "the promised rate in every row that the model covers",
        f"{sum(one['kept'] for one in covered)} of {len(covered)}; the most is {worst['incidents']} incidents where "
        f"{worst['promised']:.1f} are allowed ({worst['name']})",
        all(one["kept"] for one in covered),
    )


def efficiency(found: Sequence[Mapping[str, Any]]) -> list[Mark]:
    """Return the marks of the delay beside the honest oracle, and of what is missed."""
    known = [one for one in found if one["tolerance"] == "auto" and not one["sparse"]]
    made = []
    for adversarial, least in ((False, _AT_LEAST), (True, _ADVERSARIAL)):
        ratios = {
            one["cell"]: beside(one, 1.5)
            for one in known
            if one["cell"].startswith("zigzag") is adversarial and beside(one, 1.5).count >= FEWEST
        }
        if ratios:
            worst = min(ratios, key=lambda cell: ratios[cell].ratio)
            low = sum(one.ratio < least for one in ratios.values())
            words = f"{len(ratios) - low} of {len(ratios)} cells; the least is {ratios[worst].ratio:.2f} ± "
            words += f"{ratios[worst].error:.2f} ({worst})"
            name = "the adversarial zigzag" if adversarial else "every drift of 1.5 × the dead zone"
            made.append(Mark(f"oracle's delay ÷ ours ≥ {least} for {name}", words, not low))
    far = {one["cell"]: beside(one, 2.0) for one in known}
    missed = {cell: one for cell, one in far.items() if one.missed}
    words = "; ".join(
        f"{cell}: {one.missed} of {one.count}, the oracle {100 * one.oracle.missed:.0f} %"
        for cell, one in missed.items()
    )
    some = f"none of {sum(one.count for one in far.values()):,} repetitions; the zone is that of the widest direction"
    made.append(Mark("nothing missed at 2 × the dead zone, in 100 windows", words or some, not missed))
    return made


def outcomes(folder: Path, ours: Mapping[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Return what came of every method, by cell and method."""
    known: dict[str, dict[str, Any]] = {}
    for one in ours["found"] if ours is not None else ():
        known.setdefault(one["cell"], {})[one["method"]] = one
    for peer in PEERS:
        path = folder / f"{peer}.json"
        if path.exists():
            for one in json.loads(path.read_text())["found"]:
                if not one["not_run"] and one["cell"] in known:
                    known[one["cell"]][one["method"]] = one
    return known


def best_of_others(methods: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Return the method with the smallest mean delay that is not ours."""
    others = [name for name in methods if name not in {OURS, OURS_ALL} and methods[name]["delays"]]
    return min(others, key=lambda name: Delay.of(methods[name]["delays"]).mean) if others else None


def smallest(known: Mapping[str, Mapping[str, Mapping[str, Any]]], name: str) -> list[Mark]:
    """Return the mark of the smallest delay at equal false-alarm rates, beside the best on each cell, read twice.

    Whatever everybody finds in the first window cannot be won: ties are counted for ours once, and for nobody once.
    """
    pairs = {cell: (methods[name], best_of_others(methods), methods) for cell, methods in known.items()}
    won, tied, lost = 0, 0, []
    for cell, (ours, best, methods) in pairs.items():
        if best is None:
            continue
        found = compared(ours["delays"], methods[best]["delays"])
        won, tied = won + (found < 0), tied + (found == 0)
        if found > 0:
            means = [Delay.of(one["delays"]).mean for one in (ours, methods[best])]
            lost.append(f"{cell}: {means[0]:.1f}, {best} {means[1]:.1f}")
    some = won + tied + len(lost)
    words = f"{won} won, {tied} tied, {len(lost)} lost" + (f" ({'; '.join(lost)})" if lost else "")
    asked = f"smallest delay at equal false-alarm rate in ≥ 80 % of cells, {name}"
    sooner = won / (won + len(lost)) if won or lost else 0.0
    nobody = (won + tied) / some if some else 0.0
    return [
        Mark(f"{asked}: nobody is sooner, ties count", f"{100 * nobody:.0f} %: {words}", nobody >= 0.8),
        Mark(f"{asked}: sooner than all others, ties are left out", f"{100 * sooner:.0f} %", sooner >= 0.8),
    ]


def compared(ours: Sequence[int | None], others: Sequence[int | None]) -> int:
    """Return -1 where ours is sooner, 1 where it is later, and 0 where chance may have decided.

    >>> compared([1, 1, 1, 2], [9, 8, 9, 7]), compared([1, 9], [2, 5])
    (-1, 0)
    """
    here, there = Delay.of(ours), Delay.of(others)
    if abs(here.mean - there.mean) <= max(_CLEAR * float(np.hypot(here.error, there.error)), 1e-9):
        return 0
    return -1 if here.mean < there.mean else 1


def duels(known: Mapping[str, Mapping[str, Mapping[str, Any]]], name: str) -> dict[str, tuple[int, int, int]]:
    """Return the cells won, tied and lost against each method on its own."""
    found: dict[str, list[int]] = {}
    for methods in known.values():
        for other, outcome in methods.items():
            if other not in {OURS, OURS_ALL} and outcome["delays"]:
                place = 1 + compared(methods[name]["delays"], outcome["delays"])
                found.setdefault(other, [0, 0, 0])[place] += 1
    return {other: (won, tied, lost) for other, (won, tied, lost) in found.items()}
