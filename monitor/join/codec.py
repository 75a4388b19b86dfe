"""Entries as bytes: almost all as rows of one fixed width, a page of them at a time; the few richer ones one by one.

A row holds one prediction at most and one label at most; if both, they belong together. Pages and richer entries begin
with a format byte and the number of the layout of their payload; richer entries have a CRC-32C too. Pages rely on that
of the store: to look at a whole page twice for the sake of one row costs as much as finding it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from crc32c import crc32c

from monitor.events import IntArray
from monitor.join.entry import Entry, Label, Prediction, Session
from monitor.join.payload import Payload, Rows
from monitor.join.rules import Rules
from monitor.store.port import CorruptStateError

PAGE: Final = 32
"""Rows of a page."""
PREDICTED: Final = 1
LABELLED: Final = 2
RETRACTED: Final = 4
_RICH: Final = 2
_ROWS: Final = 3
_HEAD: Final = struct.Struct("<BBHHI")
_PAGE_HEAD: Final = struct.Struct("<BBH")
_PLACE: Final = (("time", "<i8"), ("offset", "<i8"), ("input", "<i4"), ("row", "<i4"))
_LABEL: Final = np.dtype([*_PLACE, ("retract", "?"), ("value", "<f8")])


class Codec:
    """Encodes and decodes entries whose predictions carry one payload; reads older layouts of it too.

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

    def empty(self, number: int) -> Rows:
        """Return rows that hold nothing yet."""
        return np.zeros(number, self.dtype)

    def encode_pages(self, rows: Rows) -> list[bytes]:
        """Return rows as pages, full ones but for the last."""
        return [
            _PAGE_HEAD.pack(_ROWS, self.layout, len(part)) + part.tobytes()
            for part in np.split(rows, range(PAGE, len(rows), PAGE))
        ]

    def decode_pages(self, keys: Sequence[bytes], pages: Sequence[bytes], owners: IntArray, places: IntArray) -> Rows:
        """Return some rows of some pages.

        Parameters
        ----------
        owners
            Of each row wanted, which of these pages has it.
        places
            Where it stands there.

        Raises
        ------
        CorruptStateError
            When these are not the bytes that were encoded.
        """
        alike: dict[tuple[bytes, int], list[int]] = {}
        for number, data in enumerate(pages):
            alike.setdefault((data[: _PAGE_HEAD.size], len(data)), []).append(number)
        if len(alike) == 1:
            return self._rows(keys, pages, owners, places)
        found = self.empty(len(owners))
        for members in alike.values():
            own = np.full(len(pages), -1, np.int64)
            own[members] = np.arange(len(members))
            mine = np.flatnonzero(own[owners] >= 0)
            some = [keys[number] for number in members], [pages[number] for number in members]
            found[mine] = self._rows(*some, own[owners[mine]], places[mine])
        return found

    def _rows(self, keys: Sequence[bytes], pages: Sequence[bytes], owners: IntArray, places: IntArray) -> Rows:
        """Return rows of pages that begin alike and are of one length."""
        size = len(pages[0])
        if size < _PAGE_HEAD.size:
            raise CorruptStateError(keys[0], f"{size} bytes are too few for a page of entries")
        form, layout, number = _PAGE_HEAD.unpack_from(pages[0])
        if form != _ROWS or layout >= len(self.payloads):
            raise CorruptStateError(keys[0], f"a page of format {form}, layout {layout} is not known")
        dtype = self._dtypes[layout]
        if size != _PAGE_HEAD.size + number * dtype.itemsize:
            raise CorruptStateError(keys[0], "a page is not as long as it says")
        if len(places) and int(places.max()) >= number:
            raise CorruptStateError(keys[0], f"a page has {number} rows, not {int(places.max()) + 1}")
        whole = np.dtype([("head", f"V{_PAGE_HEAD.size}"), ("rows", dtype, (number,))])
        rows: Rows = np.frombuffer(b"".join(pages), whole)["rows"][owners, places]
        return rows if layout == self.layout else self._newer(layout, rows)

    def _newer(self, layout: int, rows: Rows) -> Rows:
        """Carry rows of an older layout over."""
        newer = self.empty(len(rows))
        for name in rows.dtype.names or ():
            if name != "payload":
                newer[name] = rows[name]
        newer["payload"] = self.payload.convert(rows["payload"], self.payloads[layout])
        return newer

    def encode_rich(self, entry: Entry) -> bytes:
        """Return an entry of any shape as bytes."""
        sessions = np.zeros(len(entry.sessions), _session_dtype(self.payload))
        for place, session in enumerate(entry.sessions):
            lead = session.leader
            payload = np.frombuffer(lead.payload, self.payload.dtype)[0]
            sessions[place] = (lead.time, lead.offset, lead.input, lead.row, session.last, payload)
        labels = np.array([(la.time, la.offset, la.input, la.row, la.retract, la.value) for la in entry.labels], _LABEL)
        return self._seal(len(sessions), len(labels), sessions.tobytes() + labels.tobytes())

    def decode_rich(self, key: bytes, data: bytes) -> Entry:
        """Return an entry.

        Raises
        ------
        CorruptStateError
            When these are not the bytes that were encoded.
        """
        layout, sessions, labels, body = self._unseal(key, data)
        older = self.payloads[layout]
        dtype = _session_dtype(older)
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
            entry.sessions.append(Session(Prediction(*_position(row), row["payload"].tobytes()), int(row["last"])))
        if row["flags"] & LABELLED:
            place = _position(row, "l_")
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

    def _seal(self, first: int, second: int, body: bytes) -> bytes:
        head = _HEAD.pack(_RICH, self.layout, first, second, 0)[:-4]
        return head + crc32c(body, crc32c(head)).to_bytes(4, "little") + body

    def _unseal(self, key: bytes, data: bytes) -> tuple[int, int, int, bytes]:
        if len(data) < _HEAD.size:
            raise CorruptStateError(key, f"{len(data)} bytes are too few for an entry")
        form, layout, first, second, check = _HEAD.unpack_from(data)
        body = data[_HEAD.size :]
        if form != _RICH or layout >= len(self.payloads):
            raise CorruptStateError(key, f"an entry of format {form}, layout {layout} is not known")
        if crc32c(body, crc32c(data[: _HEAD.size - 4])) != check:
            raise CorruptStateError(key, "an entry's checksum does not match")
        return layout, first, second, body


def row_dtype(payload: Payload) -> np.dtype[np.void]:
    """Return the layout of a row."""
    label: list[Any] = [(f"l_{name}", kind) for name, kind in _PLACE]
    head: list[Any] = [("key", "<u8"), ("proof", "<u8"), *_PLACE, ("last", "<i8"), *label, ("value", "<f8")]
    return np.dtype([*head, ("flags", "u1"), ("payload", payload.dtype)])


def leaving(rows: Rows, rules: Rules) -> IntArray:
    """Return the time after which each row is no longer needed; see ``entry.leaves``."""
    cell = rules.label_cell
    spans = np.where(rows["flags"] & LABELLED > 0, rows["l_time"] // cell * cell + cell - 1, rows["last"])
    paired: IntArray = np.maximum(rows["last"] + rules.wait, spans)
    return np.where(rows["flags"] & PREDICTED > 0, paired, rows["l_time"] + rules.wait)


def _session_dtype(payload: Payload) -> np.dtype[np.void]:
    return np.dtype([*_PLACE, ("last", "<i8"), ("payload", payload.dtype)])


def _position(row: Any, side: str = "") -> tuple[int, int, int, int]:
    return int(row[side + "time"]), int(row[side + "input"]), int(row[side + "offset"]), int(row[side + "row"])
