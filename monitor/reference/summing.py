"""From bins and counts that are already summed to a reference."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from detectors.bins import NumericBins
from detectors.embeddings.projection import Projection
from monitor.config.decision import Decision
from monitor.events import DAY, HOUR, IntArray
from monitor.reference.document import FLAGGED, Reference
from monitor.reference.fitting import SCORE, Bins, flag_counts, flagged_cells
from monitor.reference.parts import (
    HOURS_OF_WEEK,
    ReferenceColumn,
    ReferenceCross,
    ReferenceFlag,
    Tally,
    Volume,
    merged,
)
from monitor.reference.summary import Summary
from monitor.reference.wire import moment_text
from monitor.slices import Cross, Key

MOST_VERSIONS: Final = 16
MOST_DAYS: Final = 92
_THURSDAY: Final = 3
"""The weekday of 1 January 1970, Monday being 0."""

Cells = Mapping[str, IntArray]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a reference beside its counts."""

    model: str
    source: str
    """Where the rows came from, for people."""
    decision: Decision | None = None
    """The operating threshold in force."""
    importance: Mapping[str, float] = field(default_factory=dict)
    """Column → its weight; 1 by default."""
    summaries: Mapping[str, Summary] = field(default_factory=dict)
    """Column → figures for display; by default they are worked out from the counts."""
    created: int | None = None
    first: int | None = None
    last: int | None = None
    notes: tuple[str, ...] = ()
    projections: Mapping[str, Projection] = field(default_factory=dict)
    """Vector → what its columns are made by."""


def reference_of_counts(
    *,
    model: str,
    source: str,
    bins: Mapping[str, Bins],
    total: Cells,
    by_day: Mapping[int, Cells] | None = None,
    by_version: Mapping[str, Cells] | None = None,
    by_hour: Mapping[int, int] | None = None,
    hourly: Cells | None = None,
    crosses: Mapping[Key, Cross] | None = None,
    slices: Mapping[Key, IntArray] | None = None,
    slices_by_version: Mapping[str, Mapping[Key, IntArray]] | None = None,
    decision: Decision | None = None,
    importance: Mapping[str, float] | None = None,
    created: int | None = None,
    notes: tuple[str, ...] = (),
    projections: Mapping[str, Projection] | None = None,
    sums: Cells | None = None,
    sums_by_version: Mapping[str, Cells] | None = None,
) -> Reference:
    """Return the reference that these counts make up.

    Rows counted here must not be those that the bins were made from, or be so many more that it does not matter: how
    often a live value is unseen or out of range is read from the same counts.

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
        The same for each UTC day (its first microsecond) and for each model version. They need not add up to ``total``;
        the last 92 days and the 16 versions with most rows are kept. Versions are put in the order of the numbers in
        their names.
    by_hour
        Hour (its first microsecond) → rows, for what volume to expect.
    hourly
        Column → rows of the last days by hour and coarse cell, ``[D, 24, cells]``.
    crosses, slices, slices_by_version
        What is counted by slice; the counts, in all and by version.
    decision
        The operating threshold in force.
    importance
        Column → its weight; 1 by default.
    created
        When, if that should be told; a reference learnt from a log does not, so that it is a function of the log.
    notes
        What a reader should know.
    projections
        Vector → what its columns are made by.
    sums, sums_by_version
        What is added up of the rows, in all and by version.
    """
    tallies = {
        version: Tally(
            rows_of(cells),
            cells,
            crosses=(slices_by_version or {}).get(version, {}),
            sums=(sums_by_version or {}).get(version, {}),
        )
        for version, cells in (by_version or {}).items()
    }
    return assemble(
        Facts(
            model=model,
            source=source,
            decision=decision,
            importance=importance or {},
            created=created,
            notes=notes,
            projections=projections or {},
        ),
        bins,
        Tally(rows_of(total), total, crosses=slices or {}, sums=sums or {}),
        by_version={name: tallies[name] for name in sorted(tallies, key=natural)},
        by_day={
            day: {name: merged(bins[name], counts) if name in bins else counts for name, counts in cells.items()}
            for day, cells in _with_flagged_days(by_day or {}, bins, decision).items()
        },
        by_hour=by_hour or {},
        hourly=hourly or {},
        crosses=crosses,
    )


def assemble(
    facts: Facts,
    bins: Mapping[str, Bins],
    total: Tally,
    *,
    by_version: Mapping[str, Tally],
    by_day: Mapping[int, Cells],
    by_hour: Mapping[int, int],
    hourly: Cells | None = None,
    crosses: Mapping[Key, Cross] | None = None,
) -> Reference:
    """Return the reference that these counts make up; see ``reference_of_counts``.

    Parameters
    ----------
    by_version
        Oldest first.
    by_day
        Day → column → rows by coarse cell, see ``coarse`` of the bins.
    hourly
        Column → rows of the last days by hour and coarse cell.
    crosses
        What the counts by slice in ``total`` and ``by_version`` were counted by.
    """
    days = {str(moment_text(start))[:10]: cells for start, cells in sorted(by_day.items())[-MOST_DAYS:]}
    cells = with_flagged(total.cells, bins, facts.decision)
    hours = hourly or {}
    most = sorted(by_version, key=lambda name: -by_version[name].rows)[:MOST_VERSIONS]
    versions = {
        name: replace(tally, cells=with_flagged(tally.cells, bins, facts.decision))
        for name, tally in by_version.items()
        if name in most
    }
    return Reference(
        model=facts.model,
        source=facts.source,
        rows=total.rows,
        columns={
            name: replace(_column(name, column, cells[name], total, days, facts), by_hour=hours.get(name))
            for name, column in bins.items()
        },
        flag_columns={
            name: ReferenceFlag(
                counts, {day: found[name] for day, found in days.items() if name in found}, hours.get(name)
            )
            for name, counts in cells.items()
            if name not in bins
        },
        versions=versions,
        created=facts.created,
        first=facts.first,
        last=facts.last,
        days=tuple(days),
        decision=facts.decision,
        volume=volume_of(by_hour) if by_hour else None,
        crosses={key: ReferenceCross((crosses or {})[key].identity, counts) for key, counts in total.crosses.items()},
        notes=facts.notes,
        projections=facts.projections,
        sums=total.sums,
    )


def _column(
    name: str, bins: Bins, counts: IntArray, total: Tally, days: Mapping[str, Cells], facts: Facts
) -> ReferenceColumn:
    summary = facts.summaries.get(name)
    if summary is None and isinstance(bins, NumericBins):
        summary = Summary.of_counts(bins, counts)
    return ReferenceColumn(
        bins=bins,
        counts=counts,
        by_day={day: cells[name] for day, cells in days.items() if name in cells},
        apart=total.apart.get(name),
        summary=summary,
        importance=facts.importance.get(name, 1.0),
    )


def _with_flagged_days(
    by_day: Mapping[int, Cells], bins: Mapping[str, Bins], decision: Decision | None
) -> dict[int, dict[str, IntArray]]:
    return {day: with_flagged(cells, bins, decision) for day, cells in by_day.items()}


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
    starts, counts = np.array(list(by_hour), np.int64) // HOUR, np.array(list(by_hour.values()), np.int64)
    np.add.at(rows, _slots(starts), counts)
    begin = max(first, last + 1 - MOST_DAYS * DAY // HOUR)
    recent = np.zeros(last + 1 - begin, np.int64)
    np.add.at(recent, starts[starts >= begin] - begin, counts[starts >= begin])
    return Volume(rows, hours, begin * HOUR, recent)


def natural(name: str) -> tuple[tuple[int, str], ...]:
    """Return a key that sorts ``v9`` before ``v10``.

    >>> sorted(["v10", "v9"], key=natural)
    ['v9', 'v10']
    """
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name) if part)


def _slots(hours: IntArray) -> IntArray:
    return (hours + _THURSDAY * DAY // HOUR) % HOURS_OF_WEEK


def rows_of(cells: Cells) -> int:
    """Return how many rows were counted; every column counts each once."""
    return max((int(counts.sum()) for counts in cells.values()), default=0)
