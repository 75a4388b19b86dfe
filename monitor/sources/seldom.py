"""Saying the same thing at most every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable


class Seldom:
    """Lets one message through per period and counts those it holds back.

    Examples
    --------
    >>> clock = iter([0.0, 1.0, 2.0, 11.0])
    >>> seldom = Seldom(10.0, clock.__next__)
    >>> [seldom.allow() for _ in range(4)]
    [0, None, None, 2]
    """

    def __init__(self, every: float = 10.0, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._every = every
        self._monotonic = monotonic
        self._next = float("-inf")
        self._held_back = 0

    def allow(self) -> int | None:
        """Return how many messages were held back since the last one, ``None`` when this one must be too."""
        now = self._monotonic()
        if now < self._next:
            self._held_back += 1
            return None
        self._next = now + self._every
        held_back, self._held_back = self._held_back, 0
        return held_back
