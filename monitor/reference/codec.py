"""Between the parts of a reference and the fields of its file."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping

import msgspec
import numpy as np

from detectors.embeddings.projection import Projection
from detectors.packing import pack, unpack
from monitor.config.types import parse_moment
from monitor.events import HOUR, IntArray
from monitor.reference.fitting import Bins, bins_from_dict
from monitor.reference.parts import (
    FLAG_CELLS,
    HOURS,
    HOURS_OF_WEEK,
    ReferenceColumn,
    ReferenceCross,
    ReferenceFlag,
    Tally,
    Volume,
    coarse_size,
    kinds_beyond,
)
from monitor.reference.summary import QUANTILES, Summary
from monitor.reference.wire import (
    Counts,
    WireColumn,
    WireFlag,
    WireSlices,
    WireSummary,
    WireVersion,
    WireVolume,
    moment_text,
)
from monitor.slices import Key
from monitor.vectors import sum_column


def pack_column(column: ReferenceColumn) -> WireColumn:
    """Return a column's fields."""
    return WireColumn(
        importance=float(column.importance),
        summary=None if column.summary is None else _pack_summary(column.summary),
        bins=column.bins.to_dict(),
        counts=column.counts.tolist(),
        apart=None if column.apart is None else _pack_apart(column.bins, column.apart),
        by_day=_pack_days(column.by_day),
        by_hour=_pack_hours(column.by_hour),
    )


def unpack_column(wire: WireColumn, days: Iterable[str]) -> ReferenceColumn:
    """Return the column of some fields.

    Raises
    ------
    ValueError, KeyError, TypeError
        When the bins make no sense or counts do not fit them.
    """
    bins = bins_from_dict(wire.bins)
    return ReferenceColumn(
        bins=bins,
        counts=_unpack_counts(wire.counts, bins.cells),
        by_day=_unpack_days(wire.by_day, days, coarse_size(bins)),
        by_hour=_unpack_hours(wire.by_hour, coarse_size(bins)),
        apart=None if wire.apart is None else _unpack_apart(bins, wire.apart),
        summary=None if wire.summary is None else _unpack_summary(wire.summary),
        importance=wire.importance,
    )


def pack_flag(flag: ReferenceFlag) -> WireFlag:
    """Return a flag's fields."""
    return WireFlag(counts=flag.counts.tolist(), by_day=_pack_days(flag.by_day), by_hour=_pack_hours(flag.by_hour))


def unpack_flag(wire: WireFlag, days: Iterable[str]) -> ReferenceFlag:
    """Return the flag of some fields, or raise ``ValueError``."""
    return ReferenceFlag(
        _unpack_counts(wire.counts, FLAG_CELLS),
        _unpack_days(wire.by_day, days, FLAG_CELLS),
        _unpack_hours(wire.by_hour, FLAG_CELLS),
    )


def pack_slices(crosses: Mapping[Key, ReferenceCross]) -> list[WireSlices]:
    """Return the fields of what was counted by slice."""
    return [
        WireSlices(list(by), target, cross.identity, cross.counts.tolist()) for (by, target), cross in crosses.items()
    ]


def unpack_slices(wires: Iterable[WireSlices]) -> dict[Key, ReferenceCross]:
    """Return what was counted by slice."""
    return {(tuple(w.by), w.target): ReferenceCross(w.identity, np.array(w.counts, np.int64)) for w in wires}


def pack_version(
    tally: Tally, columns: Mapping[str, ReferenceColumn], crosses: Iterable[Key], *, sole: bool
) -> WireVersion:
    """Return a version's fields; the counts of a ``sole`` version are those of the columns."""
    if sole:
        return WireVersion(rows=tally.rows)
    return WireVersion(
        rows=tally.rows,
        counts={name: cells.tolist() for name, cells in tally.cells.items()},
        apart={name: _pack_apart(columns[name].bins, apart) for name, apart in tally.apart.items()} or None,
        slices=[tally.crosses[key].tolist() for key in crosses] or None,
        sums={name: sums.tolist() for name, sums in tally.sums.items()} or None,
    )


def unpack_sums(wires: Mapping[str, list[int]], projections: Mapping[str, Projection]) -> dict[str, IntArray]:
    """Return what was added up of vectors, or raise ``ValueError``."""
    sizes = {sum_column(name): one.fourier.cells for name, one in projections.items() if one.fourier is not None}
    if strangers := wires.keys() - sizes.keys():
        raise ValueError(f"sums of what is not there: {', '.join(sorted(strangers))}")
    return {name: _unpack_counts(sums, sizes[name]) for name, sums in wires.items()}


def unpack_version(
    wire: WireVersion,
    columns: Mapping[str, ReferenceColumn],
    flags: Mapping[str, ReferenceFlag],
    crosses: Mapping[Key, ReferenceCross],
    sums: Mapping[str, IntArray],
) -> Tally:
    """Return the counts of a version, or raise ``ValueError``."""
    if wire.counts is None:
        return sole_tally(wire.rows, columns, flags, crosses, sums)
    sizes = {name: column.bins.cells for name, column in columns.items()} | dict.fromkeys(flags, FLAG_CELLS)
    if strangers := set(wire.counts) - set(sizes) | set(wire.apart or {}) - set(columns):
        raise ValueError(f"a version counts columns that are not there: {', '.join(sorted(strangers))}")
    return Tally(
        rows=wire.rows,
        cells={name: _unpack_counts(counts, sizes[name]) for name, counts in wire.counts.items()},
        apart={name: _unpack_apart(columns[name].bins, apart) for name, apart in (wire.apart or {}).items()},
        crosses={
            key: _unpack_counts(counts, len(cross.counts))
            for (key, cross), counts in zip(crosses.items(), wire.slices or [], strict=True)
        },
        sums={name: _unpack_counts(own, len(sums[name])) for name, own in (wire.sums or {}).items()},
    )


def sole_tally(
    rows: int,
    columns: Mapping[str, ReferenceColumn],
    flags: Mapping[str, ReferenceFlag],
    crosses: Mapping[Key, ReferenceCross],
    sums: Mapping[str, IntArray],
) -> Tally:
    """Return the counts of the only version: those of all rows."""
    cells = {name: column.counts for name, column in columns.items()}
    return Tally(
        rows=rows,
        cells=cells | {name: flag.counts for name, flag in flags.items()},
        apart={name: column.apart for name, column in columns.items() if column.apart is not None},
        crosses={key: cross.counts for key, cross in crosses.items()},
        sums=sums,
    )


def pack_volume(volume: Volume) -> WireVolume:
    """Return the volume's fields."""
    by_hour = None if volume.by_hour is None else volume.by_hour.tolist()
    return WireVolume(volume.rows.tolist(), volume.hours.tolist(), moment_text(volume.first), by_hour)


def unpack_volume(wire: WireVolume) -> Volume:
    """Return the volume of some fields, or raise ``ValueError``."""
    first = None if wire.first is None else parse_moment(wire.first)
    by_hour = None if wire.by_hour is None else np.array(wire.by_hour, np.int64)
    if (first is None) != (by_hour is None) or (first is not None and first % HOUR):
        raise ValueError("the rows by hour need a first hour")
    return Volume(_unpack_counts(wire.rows, HOURS_OF_WEEK), _unpack_counts(wire.hours, HOURS_OF_WEEK), first, by_hour)


def _pack_summary(summary: Summary) -> WireSummary:
    quantiles = {f"{share:g}": value for share, value in zip(QUANTILES, summary.quantiles, strict=False)}
    return WireSummary(mean=summary.mean, sd=summary.sd, quantiles=quantiles)


def _unpack_summary(wire: WireSummary) -> Summary:
    return Summary(wire.mean, wire.sd, tuple(wire.quantiles.values()))


def _pack_apart(bins: Bins, apart: IntArray) -> dict[str, int]:
    return dict(zip(("rows", *kinds_beyond(bins)), apart.tolist(), strict=True))


def _unpack_apart(bins: Bins, wire: Mapping[str, int]) -> IntArray:
    names = ("rows", *kinds_beyond(bins))
    if set(wire) != set(names):
        raise ValueError(f"apart must hold exactly {', '.join(names)}")
    return np.array([wire[name] for name in names], np.int64)


def _pack_days(by_day: Mapping[str, IntArray]) -> dict[str, Counts]:
    return {day: counts.tolist() for day, counts in by_day.items()}


def _unpack_days(wire: Mapping[str, Counts], days: Iterable[str], size: int) -> dict[str, IntArray]:
    if set(wire) - set(days):
        message = "a column counts a day that is not listed"
        raise ValueError(message)
    return {day: _unpack_counts(counts, size) for day, counts in wire.items()}


def _pack_hours(by_hour: IntArray | None) -> str | msgspec.UnsetType:
    if by_hour is None:
        return msgspec.UNSET
    return base64.b64encode(pack("", by_hour.ravel())).decode("ascii")


def _unpack_hours(wire: str | msgspec.UnsetType, cells: int) -> IntArray | None:
    if isinstance(wire, msgspec.UnsetType):
        return None
    _, flat = unpack(base64.b64decode(wire, validate=True))
    if len(flat) % (HOURS * cells) or flat.min(initial=0) < 0:
        raise ValueError(f"{len(flat)} counts by hour for {cells} cells")
    return flat.reshape(-1, HOURS, cells)


def _unpack_counts(counts: Counts, size: int) -> IntArray:
    if len(counts) != size:
        raise ValueError(f"{len(counts)} counts for {size} cells")
    return np.array(counts, np.int64)
