"""What a join gives out: judged predictions, each with a sign, collected until they are drained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.events import FloatArray, IntArray
from monitor.join.payload import Payload, Rows, together

RUNNING: Final = 0
"""A pair as it is known now; one that no longer holds comes again with sign -1."""
MATURED: Final = 1
"""The final judgement of a prediction, once it is old enough; always sign +1."""
COMPLETED: Final = 2
"""A pair as it stood first, given out when the watermark passes that moment; once a prediction, sign +1."""
CHANGED: Final = 3
"""A change that was: a pair that began and gave way to another, or one that ended. Comes again with sign -1 where it
turns out never to have been. With the pairs that are ``RUNNING`` these are all changes, as one pass over the records in
the order of join time would have made them."""
LABEL: Final = 0
ABSENT: Final = 1
UNLABELLED: Final = 2


@dataclass(frozen=True, slots=True)
class Joined:
    """Rows of equal length, in no particular order: only their sum counts."""

    signs: IntArray
    kinds: IntArray
    """``RUNNING``, ``MATURED``, ``COMPLETED`` or ``CHANGED``."""
    bases: IntArray
    """``LABEL``; when matured also ``ABSENT``, the configured value of no label, or ``UNLABELLED``."""
    times: IntArray
    """Join times of the predictions."""
    payloads: Rows
    labels: FloatArray
    """NaN where unlabelled."""
    delays: IntArray
    """Join time of the label minus that of the prediction; negative when the label came first, 0 without a label. Of
    what ``CHANGED``, the moment minus the join time of the prediction."""
    hashes: NDArray[np.uint64]
    """First half of the id's hash where the kind is ``COMPLETED``, 0 elsewhere."""

    @property
    def completions(self) -> IntArray:
        """Join times at which prediction and label were both there, or at which a change took place."""
        found: IntArray = self.times + np.maximum(self.delays, 0)
        return found

    def __len__(self) -> int:
        return len(self.signs)

    def take(self, chosen: NDArray[np.bool_] | IntArray) -> Joined:
        """Return some of the rows."""
        return Joined(
            self.signs[chosen],
            self.kinds[chosen],
            self.bases[chosen],
            self.times[chosen],
            self.payloads[chosen],
            self.labels[chosen],
            self.delays[chosen],
            self.hashes[chosen],
        )


class Output:
    """Rows given out since they were last drained."""

    def __init__(self, payload: Payload) -> None:
        self._payload = payload
        self._parts: list[Joined] = []
        self.rows = 0

    def running(self, sign: int, times: IntArray, payloads: Rows, labels: FloatArray, delays: IntArray) -> None:
        """Give out pairs, or take them back with sign -1."""
        self._signed(RUNNING, sign, times, payloads, labels, delays)

    def changed(self, sign: int, times: IntArray, payloads: Rows, labels: FloatArray, after: IntArray) -> None:
        """Give out changes that were, each so long after its prediction, or take them back with sign -1."""
        self._signed(CHANGED, sign, times, payloads, labels, after)

    def matured(self, bases: IntArray, times: IntArray, payloads: Rows, labels: FloatArray, delays: IntArray) -> None:
        """Give out final judgements."""
        ones = np.ones(len(times), np.int64)
        none = np.zeros(len(times), np.uint64)
        self._add(Joined(ones, ones * MATURED, bases, times, payloads, labels, delays, none))

    def completed(
        self, times: IntArray, payloads: Rows, labels: FloatArray, delays: IntArray, hashes: NDArray[np.uint64]
    ) -> None:
        """Give out pairs as they stood first."""
        zeros = np.zeros(len(times), np.int64)
        self._add(Joined(zeros + 1, zeros + COMPLETED, zeros + LABEL, times, payloads, labels, delays, hashes))

    def drain(self) -> Joined:
        """Return all rows and forget them."""
        parts, self._parts, self.rows = self._parts, [], 0
        if not parts:
            none = np.zeros(0, np.int64)
            payloads = np.zeros(0, self._payload.dtype)
            return Joined(none, none, none, none, payloads, np.zeros(0), none, none.astype(np.uint64))
        if len(parts) == 1:
            return parts[0]
        return Joined(
            np.concatenate([part.signs for part in parts]),
            np.concatenate([part.kinds for part in parts]),
            np.concatenate([part.bases for part in parts]),
            np.concatenate([part.times for part in parts]),
            together([part.payloads for part in parts], self._payload.dtype),
            np.concatenate([part.labels for part in parts]),
            np.concatenate([part.delays for part in parts]),
            np.concatenate([part.hashes for part in parts]),
        )

    def _signed(
        self, kind: int, sign: int, times: IntArray, payloads: Rows, labels: FloatArray, delays: IntArray
    ) -> None:
        zeros = np.zeros(len(times), np.int64)
        none = zeros.astype(np.uint64)
        self._add(Joined(zeros + sign, zeros + kind, zeros + LABEL, times, payloads, labels, delays, none))

    def _add(self, part: Joined) -> None:
        if len(part):
            self._parts.append(part)
            self.rows += len(part)
