"""From bins and counts that are already summed to a reference."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import numpy as np

from detectors.bins import NumericBins
from monitor.config.decision import Decision
from monitor.events import DAY, HOUR, IntArray
from monitor.reference.document import FLAGGED, Reference
from monitor.reference.fitting import SCORE, Bins, flagged_cells
from monitor.reference.parts import (
    HOURS_OF_WEEK,
    ReferenceColumn,
    ReferenceFlag,
    Tally,
    Volume,
    merged,
)
from monitor.reference.summary import Summary
from monitor.reference.wire import moment_text

MOST_VERSIONS: Final = 16
MOST_DAYS: Final = 92
_THURSDAY: Final = 3
"""The weekday of 1 January 1970, Monday being 0."""

Cells = Mapping[str, IntArray]


def reference_of_counts(
    *,
    model: str,
    source: str,
    bins: Mapping[str, Bins],
    total: Cells,
    by_day: Mapping[int, Cells] | None = None,
    by_version: Mapping[str, Cells] | None = None,
    by_hour: Mapping[int, int] | None = None,
    decision: Decision | None = None,
    importance: Mapping[str, float] | None = None,
    created: int | None = None,
    notes: tuple[str, ...] = (),
) -> Reference:
    """Return the reference that these counts make up.

    Rows counted here must not be those that the bins were made from, or must be so many more that it does not matter:
    how often a live value is unseen or out of range is read from the same counts.

    Parameters
    ----------
    model, source
        The model's name; where the rows came from, for people.
    bins
        Column → its bins.
    total
        Column → rows by cell. A name without bins is a flag: rows that are no, yes, missing. Without ``flagged`` among
        them, it follows from the score where ``decision`` is given and its threshold is an edge.
    by_day, by_version
        The same for each UTC day (its first microsecond) and for each model version. Sums of ``total`` over days need
        not be complete; the last 92 days and the 16 versions with most rows are kept. Versions are put in the order of
        the numbers in their names.
    by_hour
        Hour (its first microsecond) → rows, for what volume to expect.
    decision
        The operating threshold in force.
    importance
        Column → its weight; 1 by default.
    created
        When, if that should be told; a reference learnt from a log does not, so that it is a function of the log.
    notes
        What a reader should know.
    """
    kept = dict(sorted((by_day or {}).items())[-MOST_DAYS:])
    labels = {start: str(moment_text(start))[:10] for start in kept}
    columns = {
        name: ReferenceColumn(
            bins=column,
            counts=total[name],
            by_day={labels[start]: merged(column, cells[name]) for start, cells in kept.items() if name in cells},
            summary=Summary.of_counts(column, total[name]) if isinstance(column, NumericBins) else None,
            importance=(importance or {}).get(name, 1.0),
        )
        for name, column in bins.items()
    }
    flags = with_flagged(total, bins, decision)
    flags_by_day = {labels[start]: with_flagged(cells, bins, decision) for start, cells in kept.items()}
    return Reference(
        model=model,
        source=source,
        rows=_rows(total),
        columns=columns,
        flag_columns={
            name: ReferenceFlag(counts, {day: cells[name] for day, cells in flags_by_day.items() if name in cells})
            for name, counts in flags.items()
            if name not in bins
        },
        versions=ordered_versions(
            {
                version: Tally(rows=_rows(cells), cells=with_flagged(cells, bins, decision))
                for version, cells in (by_version or {}).items()
            }
        ),
        created=created,
        days=tuple(labels.values()),
        decision=decision,
        volume=None if not by_hour else volume_of(by_hour),
        notes=notes,
    )


def with_flagged(cells: Cells, bins: Mapping[str, Bins], decision: Decision | None) -> dict[str, IntArray]:
    """Return the cells with ``flagged`` (no, yes, missing) beside them where the score's bins tell it exactly."""
    found = dict(cells)
    score = bins.get(SCORE)
    if decision is None or FLAGGED in found or SCORE not in found or not isinstance(score, NumericBins):
        return found
    flagged = flagged_cells(score, decision)
    if flagged is not None:
        found[FLAGGED] = flag_counts(score, found[SCORE], flagged)
    return found


def flag_counts(score: NumericBins, cells: IntArray, flagged: IntArray) -> IntArray:
    """Return how many scores are not flagged, are flagged, are missing or bad."""
    unknown = int(cells[score.quality["missing"]] + cells[score.quality["bad"]])
    yes = int(cells[flagged == 1].sum())
    return np.array([int(cells.sum()) - yes - unknown, yes, unknown], np.int64)


def volume_of(by_hour: Mapping[int, int]) -> Volume:
    """Return rows by hour of the week; an hour between the first and the last without rows counts as seen.

    >>> volume_of({0: 5}).rows.tolist().index(5)  # Thursday 00:00
    72
    """
    rows, hours = np.zeros(HOURS_OF_WEEK, np.int64), np.zeros(HOURS_OF_WEEK, np.int64)
    first, last = min(by_hour) // HOUR, max(by_hour) // HOUR
    span = last - first + 1
    hours += span // HOURS_OF_WEEK
    hours[_slots(first + np.arange(span % HOURS_OF_WEEK))] += 1
    starts = np.array(list(by_hour), np.int64) // HOUR
    np.add.at(rows, _slots(starts), np.array(list(by_hour.values()), np.int64))
    return Volume(rows, hours)


def ordered_versions(versions: Mapping[str, Tally]) -> dict[str, Tally]:
    """Return the versions with most rows, 16 at most, in the order of the numbers in their names."""
    most = sorted(versions, key=lambda name: (-versions[name].rows, name))[:MOST_VERSIONS]
    return {name: versions[name] for name in sorted(most, key=natural)}


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """Return a key that sorts ``v9`` before ``v10``.

    >>> sorted(["v10", "v9"], key=natural)
    ['v9', 'v10']
    """
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name) if part)


def _slots(hours: IntArray) -> IntArray:
    return (hours + _THURSDAY * DAY // HOUR) % HOURS_OF_WEEK


def _rows(cells: Cells) -> int:
    return max((int(counts.sum()) for counts in cells.values()), default=0)
