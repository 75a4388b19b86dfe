"""Space-Saving: the commonest of any number of keys, and how often these were wrong, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappush, heapreplace
from typing import Final, NamedTuple

MOST: Final = 1000


class Heavy(NamedTuple):
    """What is held of one key. Its true number of rows lies between ``rows - over`` and ``rows``."""

    rows: int
    errors: int
    """Since the key was taken up."""
    over: int
    """By how much ``rows`` may be too many."""


@dataclass(slots=True)
class SpaceSaving:
    """At most ``most`` keys. Any key with more than rows / most of all rows is among them.

    Keys of a batch are added up first and taken in the order of their names, so that the order of rows does not matter.

    References
    ----------
    Metwally, Agrawal and El Abbadi (2005), Efficient computation of frequent and top-k elements in data streams.
    """

    most: int = MOST
    total: int = 0
    held: dict[str, Heavy] = field(default_factory=dict)

    def add(self, counts: Mapping[str, tuple[int, int]]) -> None:
        """Take in key → (rows, errors) of a batch.

        Raises
        ------
        ValueError
            When a key has no rows, or more errors than rows.
        """
        if any(not 0 <= errors <= rows or rows < 1 for rows, errors in counts.values()):
            raise ValueError("a key has at least one row, and no more errors than rows")
        fresh = []
        for key in sorted(counts):
            rows, errors = counts[key]
            self.total += rows
            known = self.held.get(key)
            if known is None:
                fresh.append((-rows, key))
            else:
                self.held[key] = Heavy(known.rows + rows, known.errors + errors, known.over)
        least = [(one.rows, key) for key, one in self.held.items()] if fresh else []
        heapify(least)
        for _, key in sorted(fresh):
            rows, errors = counts[key]
            over = 0
            if len(least) < self.most:
                heappush(least, (rows, key))
            else:
                over, gone = least[0]
                del self.held[gone]
                heapreplace(least, (over + rows, key))
            self.held[key] = Heavy(over + rows, errors, over)

    def certain(self, least: int) -> Iterator[tuple[str, Heavy]]:
        """Yield the keys that surely have so many rows since they were taken up, the commonest first."""
        for key in sorted(self.held, key=lambda name: (-self.held[name].rows, name)):
            if self.held[key].rows - self.held[key].over >= least:
                yield key, self.held[key]
