"""Known changes to a copy of a person's rows: a number shifts, cells go missing, a category is new."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
import numpy as np
from numpy.random import default_rng

from detectors.bins import CategoricalBins, NumericBins
from monitor.demo.injections import Change, Injection
from monitor.demo.own.spool import encode
from monitor.demo.own.timeline import Timeline
from monitor.events import IntArray
from monitor.reference import Reference
from monitor.reference.fitting import SCORE
from monitor.reference.parts import ReferenceColumn

MISSING_SHARE: Final = 0.3
NEW_SHARE: Final = 0.1
NEW: Final = "new in the demo"
_BEGIN: Final = (0.4, 0.5, 0.6)
"""Each change begins after this share of the stream, and lasts."""
_QUARTILES: Final = (2, 4)
"""Places of the quartiles in a summary."""
_PER_SD: Final = 1.349
"""Distance of the quartiles of a normal distribution, in standard deviations."""
_SHAPE: Final = ("psi", "ks", "high_rate", "low_rate")
_decode = msgspec.json.Decoder().decode


def changes(reference: Reference, timeline: Timeline, drifted: Collection[str]) -> tuple[Injection, ...]:
    """Choose up to three changes, each in a column of its own where there are enough.

    A column that drifted of itself is taken last: what is found in it would prove nothing.

    Parameters
    ----------
    reference
        What the rows are compared with; says which columns there are.
    timeline
        When the stream begins and ends.
    drifted
        Columns with real drift.
    """
    features = {name: c for name, c in reference.columns.items() if name not in {"prediction", "latency", "label"}}
    numbers = sorted(
        (n for n, c in features.items() if _spread(c) > 0), key=lambda n: (n == SCORE, -_detail(features[n]))
    )
    categories = sorted(name for name, column in features.items() if _has_categories(column))
    begins = [int(timeline.live[int(share * len(timeline.live))]) for share in _BEGIN]
    end = int(timeline.times[-1]) + 1
    found: list[Injection] = []

    def choose(names: Iterable[str]) -> str | None:
        known = list(names)
        taken = {change.column for change in found}
        return next(iter(sorted(known, key=lambda name: (name in taken, name in drifted))), None)

    def add(column: str | None, kind: Change, name: str, description: str, expect: Iterable[str]) -> None:
        if column is not None:
            expected = frozenset((column, detector) for detector in expect)
            found.append(
                Injection(name, column, kind, begins[len(found)], end, description, expected, frozenset({column}))
            )

    shifted = choose(numbers)
    step = _spread(features[shifted]) if shifted is not None else 0.0
    add(shifted, "covariate shift", "a number shifts", f"{step:+.4g}, one standard deviation", _SHAPE)
    renewed = choose(categories)
    add(renewed, "new category", "a new category", f"{NEW_SHARE:.0%} of the rows", ("unseen_rate",))
    present = [name for name, column in features.items() if _mostly_there(column)]
    add(choose(present), "missing values", "cells go missing", f"{MISSING_SHARE:.0%} of the rows", ("missing_rate",))
    return tuple(found)


class Changer:
    """Makes the changes in records of the stream; what is drawn at random is the same every time.

    Parameters
    ----------
    injections
        What to change.
    reference
        Says by how much a number shifts.
    rows
        How many records the stream has.
    """

    def __init__(self, injections: Sequence[Injection], reference: Reference, rows: int) -> None:
        self._injections = injections
        self._begin = min((change.start for change in injections), default=0)
        self._steps = [_spread(reference.columns[change.column]) for change in injections]
        self._draws = default_rng(7).random((rows, len(injections)))

    def lines(self, lines: Iterable[bytes], times: IntArray, first: int) -> Iterator[bytes]:
        """Yield records with the changes made; ``first`` is the number of the first of them in the stream."""
        for number, (line, time) in enumerate(zip(lines, times.tolist(), strict=True), start=first):
            yield line if time < self._begin else self._changed(line, time, self._draws[number].tolist())

    def _changed(self, line: bytes, time: int, draws: Sequence[float]) -> bytes:
        try:
            record: Any = _decode(line)
        except msgspec.DecodeError:
            record = json.loads(line)
        for change, step, draw in zip(self._injections, self._steps, draws, strict=True):
            holder = record if change.column == SCORE else record["features"]
            value = holder[change.column]
            if not change.start <= time < change.end:
                continue
            if change.kind == "missing values" and draw < MISSING_SHARE:
                holder[change.column] = None
            elif change.kind == "new category" and draw < NEW_SHARE:
                holder[change.column] = NEW
            elif change.kind == "covariate shift" and isinstance(value, int | float):
                holder[change.column] = value + step
        return encode(record)


def _spread(column: ReferenceColumn) -> float:
    """Return a standard deviation that a few huge values do not move; 0 without spread."""
    summary = column.summary
    if not isinstance(column.bins, NumericBins) or summary is None or not summary.quantiles:
        return 0.0
    low, high = (summary.quantiles[place] for place in _QUARTILES)
    robust = (high - low) / _PER_SD
    spread = robust if robust > 0 else (summary.sd or 0.0)
    return float(spread) if np.isfinite(spread) else 0.0


def _detail(column: ReferenceColumn) -> int:
    """Return how many bins hold rows: the more, the finer a number is."""
    return int(np.count_nonzero(column.counts[: column.bins.size]))


def _has_categories(column: ReferenceColumn) -> bool:
    return isinstance(column.bins, CategoricalBins) and len(column.bins.categories) > 0


def _mostly_there(column: ReferenceColumn) -> bool:
    return bool(column.counts[column.bins.quality["missing"]] <= 0.3 * max(int(column.counts.sum()), 1))
