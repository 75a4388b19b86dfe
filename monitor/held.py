"""Rows whose time runs ahead of event time, kept until other rows confirm or deny it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from monitor.events import Batch, Column, Headers, Records, Reject

_DETAILS = {
    "future_time": "the event time runs further ahead than skew allows, and no other rows confirm it",
    "too_late": "the row came later than any window is restated for",
}


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A batch of one row, and the reject that it turns into when its time is denied."""

    batch: Batch
    reject: Reject

    @classmethod
    def of(cls, batch: Batch, row: int, records: Records | None, reason: str = "future_time") -> HeldRow:
        """Take one row out of a batch; ``records`` is what the batch was decoded from, where still at hand."""
        single = batch.take(np.array([row]))
        key, value, topic, partition = None, None, "", 0
        headers: Headers = ()
        if records is not None:
            place = int(single.sources[0]) if single.sources is not None else row
            key, value = records.keys[place], records.values[place]
            headers = tuple(records.headers[place]) if records.headers else ()
            topic, partition = records.topic, records.partition
        offset = int(batch.offsets[row])
        first = int(np.searchsorted(batch.offsets, offset))
        exploded = first != row or (row + 1 < len(batch) and int(batch.offsets[row + 1]) == offset)
        reject = Reject(
            topic=topic,
            partition=partition,
            offset=offset,
            row=row - first if exploded else None,
            reason=reason,
            detail=_DETAILS[reason],
            model=batch.model,
            log_time=int(batch.log_times[row]),
            key=key,
            value=value,
            headers=headers,
        )
        return cls(single, reject)


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
            name: column[0] if isinstance(column, list) else float(column[0]) for name, column in batch.columns.items()
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
