"""What travels down the pipeline: raw records, decoded batches of rows, rejects.

Every time is an ``int64`` of microseconds since the epoch, UTC. *Event time* is the time the row itself states; *log
time* is the timestamp of the Kafka record that carried it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

IntArray: TypeAlias = NDArray[np.int64]
FloatArray: TypeAlias = NDArray[np.float64]
Column: TypeAlias = "FloatArray | list[str | None]"
Kind: TypeAlias = Literal["prediction", "label", "request", "response"]
Headers: TypeAlias = Sequence[tuple[str, bytes | None]]

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Records:
    """Consecutive raw records of one topic-partition, as columns of equal length.

    ``next_offset`` is where reading goes on; it may lie beyond ``offsets[-1] + 1`` where the log holds transaction
    markers. ``headers`` is empty when the source was told that nobody reads headers; otherwise it has one entry a
    record.
    """

    topic: str
    partition: int
    next_offset: int
    offsets: list[int]
    log_times: list[int]
    """Record timestamps in microseconds."""
    broker_stamped: bool
    """Whether the broker wrote the timestamps (``LogAppendTime``) and so bounds every event time."""
    keys: list[bytes | None]
    values: list[bytes | None]
    headers: list[Headers] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.offsets)

    def part(self, first: int, last: int) -> Records:
        """Return the records with ``first <= index < last``; reading goes on at the record after them."""
        return Records(
            topic=self.topic,
            partition=self.partition,
            next_offset=self.offsets[last] if last < len(self) else self.next_offset,
            offsets=self.offsets[first:last],
            log_times=self.log_times[first:last],
            broker_stamped=self.broker_stamped,
            keys=self.keys[first:last],
            values=self.values[first:last],
            headers=self.headers[first:last],
        )


@dataclass(frozen=True, slots=True)
class Reject:
    """One record, or one row of it, that cannot be counted, with the reason and where it stands in the log."""

    topic: str
    partition: int
    offset: int
    row: int | None
    """Index within the exploded message; ``None`` when the whole record is rejected."""
    reason: str
    """A short, stable code: ``not_json``, ``missing_id``, ``bad_time``, ``too_large`` …"""
    detail: str
    """One sentence for people; never holds the record's values."""
    model: str | None
    log_time: int
    key: bytes | None = None
    value: bytes | None = None
    headers: Headers = ()

    @property
    def stable_key(self) -> str:
        """The key under which the record is dead-lettered, the same at every attempt."""
        row = "" if self.row is None else f":{self.row}"
        return f"{self.topic}:{self.partition}:{self.offset}{row}"


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one model and kind, in log order, as columns of equal length.

    Numeric columns are ``float64`` with NaN for a missing cell; categorical ones are lists of ``str`` with ``None`` for
    a missing cell. A cell of the wrong type, or not finite, is missing in its column and listed in ``bad``.
    """

    model: str
    kind: Kind
    ids: list[str]
    versions: list[str]
    times: IntArray
    log_times: IntArray
    offsets: IntArray
    columns: Mapping[str, Column]
    bad: Mapping[str, IntArray] = field(default_factory=dict)
    """Row indices of the bad cells of a column; a column without any is absent."""
    weights: IntArray | None = None
    """Fixed point, scale 2**20; ``None`` means that every row weighs one."""
    looked: Mapping[int, tuple[str, ...]] | None = None
    """Row → the fields it has that no column is for, of the few rows that were looked at for such; ``None`` where the
    features are named one by one or still being learnt."""
    sources: IntArray | None = None
    """Index of each row's record within its ``Records``; ``None`` means one row a record, in order, none left out."""
    numbers: IntArray | None = None
    """Index of each row within its exploded record, refused ones counted too; ``None`` when a record is a row."""
    coded: dict[str, tuple[object, IntArray]] = field(default_factory=dict, repr=False, compare=False)
    """Column of texts → a coder, and the codes that it gave: who codes one early leaves them for who comes later."""

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: IntArray) -> Batch:
        """Return the rows at ``index`` (unique), in that order, as a batch of their own."""
        chosen = index.tolist()
        columns: dict[str, Column] = {
            name: [column[i] for i in chosen] if isinstance(column, list) else column[index]
            for name, column in self.columns.items()
        }
        bad: dict[str, IntArray] = {}
        for name, rows in self.bad.items():
            kept = np.flatnonzero(np.isin(index, rows))
            if len(kept):
                bad[name] = kept
        return Batch(
            model=self.model,
            kind=self.kind,
            ids=[self.ids[i] for i in chosen],
            versions=[self.versions[i] for i in chosen],
            times=self.times[index],
            log_times=self.log_times[index],
            offsets=self.offsets[index],
            columns=columns,
            bad=bad,
            weights=None if self.weights is None else self.weights[index],
            looked=None if self.looked is None else self._looked(chosen),
            sources=index if self.sources is None else self.sources[index],
            numbers=None if self.numbers is None else self.numbers[index],
        )

    def _looked(self, chosen: Sequence[int]) -> dict[int, tuple[str, ...]]:
        looked = self.looked or {}
        return {row: looked[old] for row, old in enumerate(chosen) if old in looked} if looked else {}


@dataclass(frozen=True, slots=True)
class Chunk:
    """All that decoding made of one ``Records``; applied whole or not at all."""

    topic: str
    partition: int
    next_offset: int
    records: Records
    batches: tuple[Batch, ...]
    rejects: tuple[Reject, ...]
    counts: Mapping[tuple[str, str], int]
    """``(model or "", outcome) → rows or records``: ``decode_fallback``, ``unmatched``, ``unsampled``, ``tombstone`` …

    Keyed by the empty model where the record belongs to none. ``unmatched``, ``unsampled``, ``tombstone`` are
    dispositions of their own (conservation: records = decoded + unmatched + unsampled + tombstone + rejected);
    ``decode_fallback``, ``unknown_field`` and the like are remarks on rows that are decoded all the same.
    """


JsonValue: TypeAlias = Any
"""A decoded JSON value; narrowed where it is read."""
