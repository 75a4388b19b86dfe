"""The bound on what one input may bring: counted by that input's own log alone, so that it never depends on others."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitor.events import IntArray

SPANS = 64


@dataclass(slots=True)
class Quota:
    """Rows of one input within the last 64 spans of time up to its greatest join time.

    A row beyond the limit is refused; it does not count. A row from before these spans counts in the first. Which rows
    are refused depends on the order of the input's own log and on nothing else.
    """

    limit: int
    span: int
    counts: Counter[int] = field(default_factory=Counter)
    """Span → rows admitted."""
    top: int | None = None

    def admit(self, times: IntArray) -> NDArray[np.bool_]:
        """Return which of the next rows of the log are admitted.

        Examples
        --------
        >>> quota = Quota(limit=2, span=10)
        >>> quota.admit(np.array([0, 5, 9, 1000])).tolist()
        [True, True, False, True]
        """
        spans = times // self.span
        if not len(spans):
            return np.zeros(0, bool)
        if self.counts.total() + len(spans) > self.limit:
            return np.array([self._admit(span) for span in spans.tolist()])
        if self.top is not None:
            spans = np.maximum(spans, self.top - SPANS + 1)
        spans = np.maximum(spans, np.maximum.accumulate(spans) - SPANS + 1)
        found, rows = np.unique(spans, return_counts=True)
        self.counts.update(dict(zip(found.tolist(), rows.tolist(), strict=True)))
        self._move(int(found[-1]))
        return np.ones(len(spans), bool)

    def state(self) -> list[Any]:
        """Return plain values for the store."""
        return [self.top, sorted(self.counts.items())]

    def restore(self, state: list[Any]) -> None:
        """Take over what ``state`` returned."""
        self.top = state[0]
        self.counts = Counter(dict(state[1]))

    def _admit(self, span: int) -> bool:
        first = self._move(span)
        if self.counts.total() >= self.limit:
            return False
        self.counts[max(span, first)] += 1
        return True

    def _move(self, span: int) -> int:
        """Take a span into account; return the first that counts."""
        if self.top is None or span > self.top:
            self.top = span
            for old in [known for known in self.counts if known <= span - SPANS]:
                del self.counts[old]
        return self.top - SPANS + 1
