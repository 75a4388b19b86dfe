"""Rows of one fixed width as pages. Each begins with a format byte, the number of its layout, and how many rows it has.

A page has no checksum of its own, but relies on that of the store.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

import numpy as np

from monitor.events import IntArray
from monitor.join.payload import Rows
from monitor.store.port import CorruptStateError

PAGE: Final = 32
"""Rows of a page."""
_FORMAT: Final = 3
_HEAD: Final = struct.Struct("<BBH")


class PageCodec:
    """Encodes and decodes pages; reads older layouts of their rows too.

    Parameters
    ----------
    dtypes
        Every layout that stored rows may have, oldest first; the last one is written.
    """

    def __init__(self, dtypes: Sequence[np.dtype[np.void]]) -> None:
        self._dtypes = list(dtypes)
        self.dtype = self._dtypes[-1]
        self.layout = len(self._dtypes) - 1

    def empty(self, number: int) -> Rows:
        """Return rows that hold nothing yet."""
        return np.zeros(number, self.dtype)

    def encode_pages(self, rows: Rows) -> list[bytes]:
        """Return rows as pages, full ones but for the last."""
        return [
            _HEAD.pack(_FORMAT, self.layout, len(part)) + part.tobytes()
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
            alike.setdefault((data[: _HEAD.size], len(data)), []).append(number)
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
        if size < _HEAD.size:
            raise CorruptStateError(keys[0], f"{size} bytes are too few for a page of entries")
        form, layout, number = _HEAD.unpack_from(pages[0])
        if form != _FORMAT or layout > self.layout:
            raise CorruptStateError(keys[0], f"a page of format {form}, layout {layout} is not known")
        dtype = self._dtypes[layout]
        if size != _HEAD.size + number * dtype.itemsize:
            raise CorruptStateError(keys[0], "a page is not as long as it says")
        if len(places) and int(places.max()) >= number:
            raise CorruptStateError(keys[0], f"a page has {number} rows, not {int(places.max()) + 1}")
        whole = np.dtype([("head", f"V{_HEAD.size}"), ("rows", dtype, (number,))])
        rows: Rows = np.frombuffer(b"".join(pages), whole)["rows"][owners, places]
        return rows if layout == self.layout else self._newer(layout, rows)

    def _newer(self, layout: int, rows: Rows) -> Rows:
        """Carry rows of an older layout over."""
        newer = self.empty(len(rows))
        for name in self._dtypes[layout].names or ():
            newer[name] = rows[name]
        return newer
