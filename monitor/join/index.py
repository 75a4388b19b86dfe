"""Where each entry is: a hash table of numbers, worked on a batch at a time."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.events import IntArray

MISSING: Final = -(1 << 63)
_EMPTY: Final = np.uint64(0)
_DELETED: Final = np.uint64(1)
_LEAST: Final = 1024
_FULL: Final = 0.75
_ROOMY: Final = 0.65

Keys = NDArray[np.uint64]


class Index:
    """64-bit keys to 64-bit values; open addressing with linear probing, 16 bytes a place.

    Keys must be well mixed and neither 0 nor 1; those of one call must be unlike each other, except in ``find``.

    Examples
    --------
    >>> index = Index()
    >>> index.put(np.array([5, 7], np.uint64), np.array([50, 70]))
    >>> index.remove(np.array([7], np.uint64))
    >>> index.find(np.array([5, 7], np.uint64)).tolist() == [50, MISSING], len(index)
    (True, 1)
    """

    def __init__(self) -> None:
        self._live = 0
        self._make(_LEAST)

    def __len__(self) -> int:
        return self._live

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self._keys.nbytes + self._values.nbytes

    def find(self, keys: Keys) -> IntArray:
        """Return the value of each key, ``MISSING`` where there is none."""
        places = self._places(keys)
        found = self._values[places]
        found[places < 0] = MISSING
        return found

    def get(self, key: int) -> int:
        """Return the value of one key, ``MISSING`` if there is none."""
        last = len(self._keys) - 1
        place = key & last
        while (there := int(self._keys[place])) != key:
            if there == 0:
                return MISSING
            place = (place + 1) & last
        return int(self._values[place])

    def put(self, keys: Keys, values: IntArray) -> None:
        """Set values; keys that are new are entered."""
        places = self._places(keys)
        known = places >= 0
        self._values[places[known]] = values[known]
        fresh = np.flatnonzero(~known)
        if not len(fresh):
            return
        if self._used + len(fresh) > _FULL * len(self._keys):
            self._resize(self._live + len(fresh))
        self._insert(keys[fresh], values[fresh])
        self._live += len(fresh)

    def remove(self, keys: Keys) -> None:
        """Forget keys; those that are not there are passed over."""
        places = self._places(keys)
        places = places[places >= 0]
        self._keys[places] = _DELETED
        self._live -= len(places)
        if self._live < len(self._keys) // 16 and len(self._keys) > _LEAST:
            self._resize(self._live)

    def items(self) -> tuple[Keys, IntArray]:
        """Return all keys and their values, in no particular order."""
        live = self._keys > _DELETED
        return self._keys[live], self._values[live]

    def _make(self, places: int) -> None:
        self._keys = np.zeros(places, np.uint64)
        self._values = np.zeros(places, np.int64)
        self._mask = np.uint64(places - 1)
        self._used = 0

    def _resize(self, entries: int) -> None:
        keys, values = self.items()
        size = _LEAST
        while entries > _ROOMY * size:
            size *= 2
        self._make(size)
        self._insert(keys, values)

    def _places(self, keys: Keys) -> IntArray:
        """Return where each key is, -1 where it is not."""
        places = (keys & self._mask).astype(np.int64)
        last = len(self._keys) - 1
        found = self._keys[places]
        open_ = np.flatnonzero((found != keys) & (found != _EMPTY))
        while len(open_):
            places[open_] = (places[open_] + 1) & last
            there = self._keys[places[open_]]
            open_ = open_[(there != keys[open_]) & (there != _EMPTY)]
        places[self._keys[places] != keys] = -1
        return places

    def _insert(self, keys: Keys, values: IntArray) -> None:
        """Enter keys that are not there; there must be room."""
        places = (keys & self._mask).astype(np.int64)
        last = len(self._keys) - 1
        open_ = np.arange(len(keys))
        while len(open_):
            here = places[open_]
            there = self._keys[here]
            free = there <= _DELETED
            # of several keys at one free place the last one stays, the others find it taken
            self._keys[here[free]] = keys[open_[free]]
            won = self._keys[here] == keys[open_]
            self._values[here[won]] = values[open_[won]]
            self._used += int((there[won] == _EMPTY).sum())
            open_ = open_[~won]
            places[open_] = (places[open_] + 1) & last
