"""Entries as bytes: almost all as rows of one fixed width, packed a batch at a time; the few that are richer, by hand.

A row holds one prediction at most and one label at most; if both, they belong together. It begins with a format byte,
the number of its payload's layout, and a checksum over the row. Richer entries begin with another format byte and a
CRC-32C.

References
----------
The checksum of rows is multilinear hashing (Lemire, Kaser (2014), "Strongly universal string hashing is fast", The
Computer Journal 57(11)): it needs one multiplication a word, so numpy does it for all rows at once. Two rows that
differ collide with probability 2**-32. The store adds a CRC-32C of its own over key and value.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from crc32c import crc32c
from numpy.typing import NDArray

from monitor.join.entry import Entry, Label, Prediction, Session
from monitor.join.payload import Payload, Rows
from monitor.join.rules import Rules
from monitor.store.port import CorruptStateError

ROW: Final = 1
RICH: Final = 2
PREDICTED: Final = 1
LABELLED: Final = 2
RETRACTED: Final = 4
_HEAD: Final = struct.Struct("<BBHHI")
_PLACE: Final = (("time", "<i8"), ("offset", "<i8"), ("input", "<i4"), ("row", "<i4"))
_LABEL: Final = np.dtype([*_PLACE, ("retract", "?"), ("value", "<f8")])
_SEED: Final = 0x0D81F711


class Codec:
    """Encodes and decodes entries whose predictions carry one payload; reads rows of its older layouts too.

    Parameters
    ----------
    payloads
        Every layout that stored entries may have, oldest first; the last one is written.
    """

    def __init__(self, payloads: Sequence[Payload]) -> None:
        self.payloads = list(payloads)
        self.payload = self.payloads[-1]
        self.layout = len(self.payloads) - 1
        self._dtypes = [row_dtype(payload) for payload in self.payloads]
        self.dtype = self._dtypes[-1]
        self._session = np.dtype([*_PLACE, ("last", "<i8"), ("payload", self.payload.dtype)])

    def empty(self, number: int) -> Rows:
        """Return rows that hold nothing yet."""
        rows = np.zeros(number, self.dtype)
        rows["format"] = ROW
        rows["layout"] = self.layout
        return rows

    def encode_rows(self, rows: Rows) -> list[bytes]:
        """Return each row as bytes."""
        rows = rows.copy()
        rows["check"] = checksums(rows)
        data = rows.tobytes()
        size = self.dtype.itemsize
        return [data[start : start + size] for start in range(0, len(data), size)]

    def decode(self, keys: Sequence[bytes], values: Sequence[bytes]) -> tuple[Rows, list[int], dict[int, Entry]]:
        """Return what is stored as rows, the index of each among the values, and index → entry for the richer ones.

        Raises
        ------
        CorruptStateError
            When a value is not what was encoded.
        """
        by_layout: dict[int, list[int]] = {}
        rich: dict[int, Entry] = {}
        for index, value in enumerate(values):
            if len(value) > 1 and value[0] == ROW:
                by_layout.setdefault(value[1], []).append(index)
            else:
                rich[index] = self._decode_rich(keys[index], value)
        parts: list[Rows] = []
        places: list[int] = []
        for layout, indices in by_layout.items():
            parts.append(self._decode_rows(layout, [keys[i] for i in indices], [values[i] for i in indices]))
            places.extend(indices)
        return (np.concatenate(parts) if parts else np.zeros(0, self.dtype)), places, rich

    def _decode_rows(self, layout: int, keys: list[bytes], values: list[bytes]) -> Rows:
        if layout >= len(self._dtypes):
            raise CorruptStateError(keys[0], f"payload layout {layout} is not known")
        dtype = self._dtypes[layout]
        for key, value in zip(keys, values, strict=True):
            if len(value) != dtype.itemsize:
                raise CorruptStateError(key, f"an entry of {len(value)} bytes, not {dtype.itemsize}")
        rows = np.frombuffer(b"".join(values), dtype).copy()
        wrong = np.flatnonzero(rows["check"] != checksums(rows))
        if len(wrong):
            raise CorruptStateError(keys[int(wrong[0])], "an entry's checksum does not match")
        if layout == self.layout:
            return rows
        newer = self.empty(len(rows))
        for name in dtype.names or ():
            if name not in ("layout", "check", "payload", "pad"):
                newer[name] = rows[name]
        newer["payload"] = self.payload.convert(rows["payload"], self.payloads[layout])
        return newer

    def encode_rich(self, entry: Entry) -> bytes:
        """Return an entry of any shape as bytes."""
        sessions = np.zeros(len(entry.sessions), self._session)
        for place, session in enumerate(entry.sessions):
            lead = session.leader
            payload = np.frombuffer(lead.payload, self.payload.dtype)[0]
            sessions[place] = (lead.time, lead.offset, lead.input, lead.row, session.last, payload)
        labels = np.array([(la.time, la.offset, la.input, la.row, la.retract, la.value) for la in entry.labels], _LABEL)
        body = sessions.tobytes() + labels.tobytes()
        head = _HEAD.pack(RICH, self.layout, len(sessions), len(labels), 0)
        return head[:-4] + crc32c(body, crc32c(head[:-4])).to_bytes(4, "little") + body

    def _decode_rich(self, key: bytes, data: bytes) -> Entry:
        if len(data) < _HEAD.size:
            raise CorruptStateError(key, f"{len(data)} bytes are too few for an entry")
        form, layout, sessions, labels, check = _HEAD.unpack_from(data)
        body = data[_HEAD.size :]
        if form != RICH or layout >= len(self.payloads):
            raise CorruptStateError(key, f"an entry of format {form}, layout {layout} is not known")
        if crc32c(body, crc32c(data[: _HEAD.size - 4])) != check:
            raise CorruptStateError(key, "an entry's checksum does not match")
        older = self.payloads[layout]
        dtype = np.dtype([*_PLACE, ("last", "<i8"), ("payload", older.dtype)])
        if len(body) != sessions * dtype.itemsize + labels * _LABEL.itemsize:
            raise CorruptStateError(key, "an entry is not as long as it says")
        found = np.frombuffer(body, dtype, sessions)
        payloads = found["payload"] if layout == self.layout else self.payload.convert(found["payload"], older)
        return Entry(
            [
                Session(Prediction(*_position(row), payload.tobytes()), int(row["last"]))
                for row, payload in zip(found, payloads, strict=True)
            ],
            [
                Label(*_position(row), bool(row["retract"]), float(row["value"]))
                for row in np.frombuffer(body, _LABEL, labels, sessions * dtype.itemsize)
            ],
        )

    def to_entry(self, row: Any) -> Entry:
        """Return one row as an entry."""
        entry = Entry()
        if row["flags"] & PREDICTED:
            place = (int(row["time"]), int(row["input"]), int(row["offset"]), int(row["row"]))
            entry.sessions.append(Session(Prediction(*place, row["payload"].tobytes()), int(row["last"])))
        if row["flags"] & LABELLED:
            place = (int(row["l_time"]), int(row["l_input"]), int(row["l_offset"]), int(row["l_row"]))
            entry.labels.append(Label(*place, bool(row["flags"] & RETRACTED), float(row["value"])))
        return entry

    def to_row(self, entry: Entry, rules: Rules) -> Rows | None:
        """Return an entry as one row, ``None`` when it does not fit into one."""
        if len(entry.sessions) > 1 or len(entry.labels) > 1:
            return None
        rows = self.empty(1)
        row = rows[0]
        if entry.sessions:
            lead = entry.sessions[0].leader
            if entry.labels and abs(entry.labels[0].time - lead.time) > rules.wait:
                return None
            row["time"], row["input"], row["offset"], row["row"] = lead[:4]
            row["last"] = entry.sessions[0].last
            row["payload"] = np.frombuffer(lead.payload, self.payload.dtype)[0]
            row["flags"] |= PREDICTED
        if entry.labels:
            label = entry.labels[0]
            row["l_time"], row["l_input"], row["l_offset"], row["l_row"] = label[:4]
            row["value"] = label.value
            row["flags"] |= LABELLED | (RETRACTED if label.retract else 0)
        return rows


def row_dtype(payload: Payload) -> np.dtype[np.void]:
    """Return the layout of a stored row, a multiple of four bytes wide."""
    fields: list[Any] = [("format", "u1"), ("layout", "u1"), ("flags", "u1"), ("spare", "u1"), ("check", "<u4")]
    fields += [*_PLACE, ("last", "<i8"), *((f"l_{name}", kind) for name, kind in _PLACE), ("value", "<f8")]
    fields.append(("payload", payload.dtype))
    if rest := -payload.dtype.itemsize % 4:
        fields.append(("pad", f"V{rest}"))
    return np.dtype(fields)


def checksums(rows: Rows) -> NDArray[np.uint32]:
    """Return the checksum of every row, whose own checksum field counts as zero."""
    words = np.frombuffer(rows.tobytes(), "<u4").reshape(len(rows), rows.dtype.itemsize // 4).copy()
    words[:, 1] = 0
    factors = _factors(words.shape[1] + 1)
    found: NDArray[np.uint64] = words.astype(np.uint64) @ factors[1:] + factors[0]
    return (found >> np.uint64(32)).astype(np.uint32)


@cache
def _factors(number: int) -> NDArray[np.uint64]:
    return np.random.default_rng(_SEED).integers(1, 2**63, number, dtype=np.uint64) * np.uint64(2) + np.uint64(1)


def _position(row: Any) -> tuple[int, int, int, int]:
    return int(row["time"]), int(row["input"]), int(row["offset"]), int(row["row"])
