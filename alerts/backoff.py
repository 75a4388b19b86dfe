"""How long to leave a receiver alone after it failed."""

from __future__ import annotations

import math
import random
from typing import Final

from alerts.durations import DAY, SECOND

FIRST: Final = 1.0
"""Seconds after the first failure."""
LONGEST: Final = 40.0
"""Seconds at most between two attempts, so that with an attempt's 15 s a receiver hears within a minute of its
recovery."""
_DOUBLINGS: Final = 10


def pause(failures: int, asked: float | None, source: random.Random) -> int:
    """Return the pause after so many failures in a row, in microseconds.

    It doubles with each failure, and chance takes up to half of it away, so that many senders do not come back at
    once. What the receiver asked for (``Retry-After``) is waited for, up to a day.

    >>> [pause(n, None, random.Random(1)) // SECOND for n in (1, 4, 100)]
    [0, 4, 22]
    """
    seconds = min(LONGEST, FIRST * 2.0 ** min(max(failures, 1) - 1, _DOUBLINGS)) * source.uniform(0.5, 1.0)
    if asked is not None and math.isfinite(asked):
        seconds = max(seconds, asked)
    return min(math.ceil(seconds * SECOND), DAY)
