"""Rows whose time runs ahead of event time, kept until other rows confirm or deny it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, TypeAlias

import msgspec
import numpy as np

from monitor.events import Batch, Column, Headers, Records, Reject

RowReason: TypeAlias = Literal["future_time", "too_late"]
"""Why a row that was decoded is not counted."""

_DETAILS: Final[Mapping[RowReason, str]] = {
    "future_time": "the event time runs further ahead than skew allows, and no other rows confirm it",
    "too_late": "the row came later than any window is restated for",
}


@dataclass(frozen=True, slots=True)
class Origins:
    """What rows turn into that were gathered out of several runs of records; ``Batch.sources`` are its places."""

    reject: Callable[[int, RowReason], Reject]
    """(place, reason) → the reject."""


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A batch of one row, and the reject that it turns into when its time is denied."""

    batch: Batch
    reject: Reject

    @classmethod
    def of(cls, batch: Batch, row: int, records: Records | Origins) -> HeldRow:
        """Take one row out of a batch; ``records`` is what the batch was decoded from."""
        return cls(batch.take(np.array([row])), reject_of(batch, row, records, "future_time"))

    def refused(self, reason: RowReason) -> Reject:
        """Return the reject of the row for another reason."""
        return reworded(self.reject, reason)


def reworded(reject: Reject, reason: RowReason) -> Reject:
    """Return a reject for another reason."""
    return replace(reject, reason=reason, detail=_DETAILS[reason])


def reject_of(batch: Batch, row: int, records: Records | Origins, reason: RowReason) -> Reject:
    """Return the reject of one row of a batch; ``records`` is what the batch was decoded from."""
    place = row if batch.sources is None else int(batch.sources[row])
    if isinstance(records, Origins):
        return records.reject(place, reason)
    headers: Headers = tuple(records.headers[place]) if records.headers else ()
    key, value = records.keys[place], records.values[place]
    return row_reject(batch, row, reason, records.topic, records.partition, key, value, headers)


def row_reject(
    batch: Batch,
    row: int,
    reason: RowReason,
    topic: str,
    partition: int,
    key: bytes | None,
    value: bytes | None,
    headers: Headers,
) -> Reject:
    """Return the reject of one row of a batch whose record is known."""
    return Reject(
        topic=topic,
        partition=partition,
        offset=int(batch.offsets[row]),
        row=None if batch.numbers is None else int(batch.numbers[row]),
        reason=reason,
        detail=_DETAILS[reason],
        model=batch.model,
        log_time=int(batch.log_times[row]),
        key=key,
        value=value,
        headers=headers,
    )


def encode_held(row: HeldRow) -> dict[str, Any]:
    """Return the row as plain values."""
    batch = row.batch
    return {
        "model": batch.model,
        "kind": batch.kind,
        "id": batch.ids[0],
        "version": batch.versions[0],
        "time": int(batch.times[0]),
        "log_time": int(batch.log_times[0]),
        "offset": int(batch.offsets[0]),
        "columns": {
            name: column[0] if isinstance(column, list) else column[0].tolist()
            for name, column in batch.columns.items()
        },
        "numeric": [name for name, column in batch.columns.items() if not isinstance(column, list)],
        "looked": None if not batch.looked else list(batch.looked[0]),
        "bad": [name for name, rows in batch.bad.items() if len(rows)],
        "reject": msgspec.to_builtins(row.reject, builtin_types=(bytes,)),
    }


def decode_held(data: dict[str, Any]) -> HeldRow:
    """Return the row that ``encode_held`` took apart."""
    numeric = set(data["numeric"])
    columns: dict[str, Column] = {
        name: np.array([value], np.float64) if name in numeric else [value] for name, value in data["columns"].items()
    }
    batch = Batch(
        model=data["model"],
        kind=data["kind"],
        ids=[data["id"]],
        versions=[data["version"]],
        times=np.array([data["time"]], np.int64),
        log_times=np.array([data["log_time"]], np.int64),
        offsets=np.array([data["offset"]], np.int64),
        columns=columns,
        bad={name: np.zeros(1, np.int64) for name in data["bad"]},
        looked=None if data.get("looked") is None else {0: tuple(data["looked"])},
    )
    return HeldRow(batch, msgspec.convert(data["reject"], Reject))
