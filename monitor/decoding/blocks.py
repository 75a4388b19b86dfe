"""Large chunks are decoded a block at a time: parsed objects stay in the cache, and their memory is bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

import numpy as np

from monitor.events import Batch, Chunk, Column, IntArray, Records

BLOCK: Final = 500
"""Records; their objects fit into the second-level cache, which saves a fifth of the time of 10,000 at once."""
_BLOCK_BYTES: Final = 4 << 20


def blocks(records: Records, lengths: IntArray) -> Iterator[tuple[Records, IntArray]]:
    """Yield consecutive parts of some records, each with the bytes of its values."""
    parts = list(_slices(lengths))
    if len(parts) == 1:
        yield records, lengths
        return
    for first, last in parts:
        yield records.part(first, last), lengths[first:last]


def _slices(lengths: IntArray) -> Iterator[tuple[int, int]]:
    for start in range(0, len(lengths), BLOCK):
        stop = min(start + BLOCK, len(lengths))
        size = int(lengths[start:stop].sum())
        step = max(1, (stop - start) * _BLOCK_BYTES // max(size, _BLOCK_BYTES))
        for at in range(start, stop, step):
            yield at, min(at + step, stop)


def join_chunks(records: Records, parts: Sequence[Chunk]) -> Chunk:
    """Return what the parts of ``records`` gave as one chunk."""
    counts: Counter[tuple[str, str]] = Counter()
    grouped: dict[tuple[str, str], list[tuple[int, Batch]]] = {}
    start = 0
    for part in parts:
        counts.update(part.counts)
        for batch in part.batches:
            grouped.setdefault((batch.model, batch.kind), []).append((start, batch))
        start += len(part.records)
    return Chunk(
        topic=records.topic,
        partition=records.partition,
        next_offset=records.next_offset,
        records=records,
        batches=tuple(_join(group, len(records)) for group in grouped.values()),
        rejects=tuple(reject for part in parts for reject in part.rejects),
        counts=dict(counts),
    )


def _join(group: Sequence[tuple[int, Batch]], total: int) -> Batch:
    """Return batches of one model as one; ``group`` says at which record each part starts."""
    batches = [batch for _, batch in group]
    starts = np.cumsum([0, *map(len, batches[:-1])])
    names = dict.fromkeys(name for batch in batches for name in batch.columns)
    whole = all(batch.sources is None for batch in batches) and sum(map(len, batches)) == total
    return Batch(
        model=batches[0].model,
        kind=batches[0].kind,
        ids=list(chain.from_iterable(batch.ids for batch in batches)),
        versions=list(chain.from_iterable(batch.versions for batch in batches)),
        times=np.concatenate([batch.times for batch in batches]),
        log_times=np.concatenate([batch.log_times for batch in batches]),
        offsets=np.concatenate([batch.offsets for batch in batches]),
        columns={name: _column([batch.columns.get(name) for batch in batches], batches) for name in names},
        bad=_bad(batches, starts),
        looked=_looked(batches, starts),
        sources=None if whole else np.concatenate([_sources(batch, start) for start, batch in group]),
        numbers=_numbers(batches),
    )


def _sources(batch: Batch, start: int) -> IntArray:
    return start + (np.arange(len(batch)) if batch.sources is None else batch.sources)


def _numbers(batches: Sequence[Batch]) -> IntArray | None:
    numbers = [batch.numbers for batch in batches if batch.numbers is not None]
    return np.concatenate(numbers) if len(numbers) == len(batches) else None


def _column(parts: Sequence[Column | None], batches: Sequence[Batch]) -> Column:
    """Return one column; while types are learnt, it is missing from parts before its first value."""
    if any(isinstance(part, list) for part in parts):
        cells: list[str | None] = []
        for part, batch in zip(parts, batches, strict=True):
            cells += part if isinstance(part, list) else [None] * len(batch)
        return cells
    return np.concatenate(
        [
            part if isinstance(part, np.ndarray) else np.full(len(batch), np.nan)
            for part, batch in zip(parts, batches, strict=True)
        ]
    )


def _looked(batches: Sequence[Batch], starts: IntArray) -> dict[int, tuple[str, ...]] | None:
    parts = [(int(start), batch.looked) for batch, start in zip(batches, starts, strict=True)]
    if all(looked is None for _, looked in parts):
        return None
    return {start + row: names for start, looked in parts for row, names in (looked or {}).items()}


def _bad(batches: Sequence[Batch], starts: IntArray) -> dict[str, IntArray]:
    found: dict[str, list[IntArray]] = {}
    for batch, start in zip(batches, starts, strict=True):
        for name, rows in batch.bad.items():
            found.setdefault(name, []).append(rows + start)
    return {name: np.concatenate(rows) for name, rows in found.items()}
