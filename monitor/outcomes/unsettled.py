"""Changes of the tables that a record not read yet may still undo, until the watermark has passed them.

An earlier prediction or label that is read later changes what was so before it. What lies before the watermark is
final: the changes of an hour are those that one pass in the order of join time makes, whatever the order of reading.
So an hour's revision counts a change when the watermark passes its moment. Until then it waits here, by minute and
hour; one that never was is taken back, and the sum of both is nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from detectors.counts import CorruptCountsError
from monitor.events import MINUTE, IntArray
from monitor.keys import compose, parse, prefix
from monitor.panes import Reader
from monitor.sealed import seal, unseal

UNSETTLED: Final = b"u"
_DAMAGED: Final = "changes that are not settled are damaged"


@dataclass(slots=True)
class Unsettled:
    """Changes by the minute in which they took place and by the number of an hour; a minute is one key in the store."""

    number: int
    model: str
    minutes: dict[int, Counter[int]] = field(default_factory=dict)
    _dirty: set[int] = field(default_factory=set)

    def load(self, store: Reader) -> None:
        """Take up what the store holds.

        Raises
        ------
        CorruptCountsError
            When it is damaged.
        """
        for key, data in store.scan(prefix(UNSETTLED, self.number, self.model)):
            body = unseal(data, _DAMAGED)
            if len(body) % 16:
                raise CorruptCountsError(_DAMAGED)
            hours, changes = np.frombuffer(body, "<i8").reshape(2, -1).tolist()
            self.minutes[parse(key)[3]] = Counter(dict(zip(hours, changes, strict=True)))

    def add(self, moments: IntArray, hours: IntArray, signs: IntArray) -> None:
        """Have changes wait, or take them back where the sign is -1.

        Parameters
        ----------
        moments
            When each took place, microseconds of join time.
        hours
            Number of the hour whose table changed.
        """
        minutes, at = np.unique(moments // MINUTE, return_inverse=True)
        known, place = np.unique(hours, return_inverse=True)
        cells, one = np.unique(at * len(known) + place, return_inverse=True)
        changes = np.zeros(len(cells), np.int64)
        np.add.at(changes, one, signs)
        some = np.flatnonzero(changes)
        rows, columns = np.divmod(cells[some], max(1, len(known)))
        for minute, hour, number in zip(
            minutes[rows].tolist(), known[columns].tolist(), changes[some].tolist(), strict=True
        ):
            waiting = self.minutes.setdefault(minute, Counter())
            waiting[hour] += number
            if not waiting[hour]:
                del waiting[hour]
            self._dirty.add(minute)

    def passed(self, watermark: int) -> tuple[IntArray, IntArray]:
        """Return hours and their changes of which nothing can be undone any more; they wait no longer."""
        settled: Counter[int] = Counter()
        for minute in [minute for minute in self.minutes if (minute + 1) * MINUTE <= watermark]:
            settled.update(self.minutes.pop(minute))
            self._dirty.add(minute)
        found = sorted(hour for hour, number in settled.items() if number)
        return np.array(found, np.int64), np.array([settled[hour] for hour in found], np.int64)

    def clear(self) -> None:
        """Forget all, since tables begin anew."""
        self._dirty.update(self.minutes)
        self.minutes.clear()

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete."""
        puts: dict[bytes, bytes] = {}
        deletes: list[bytes] = []
        for minute in self._dirty:
            key, waiting = compose(UNSETTLED, self.number, self.model, minute), self.minutes.get(minute)
            if waiting:
                puts[key] = seal(np.array([list(waiting), list(waiting.values())], "<i8").tobytes())
            else:
                deletes.append(key)
        return puts, deletes

    def written(self) -> None:
        """Note that the changes are in the store."""
        self._dirty.clear()
