"""KSWIN: the last values differ from a sample of those before them, by the Kolmogorov-Smirnov test."""

from __future__ import annotations

import random
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar, Final, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from detectors.concept.kernel import Change, Field, Memory

FloatArray: TypeAlias = NDArray[np.float64]

_WORDS: Final = 625
_AT_ONCE: Final = 1 << 16
_VERSION: Final = 3
"""Of the state of Python's generator."""


@dataclass(frozen=True, slots=True)
class KSWIN:
    """Kolmogorov-Smirnov windowing on errors or losses, as in River with the same seed.

    At each row the last ``stat_size`` of ``window_size`` values are compared with as many drawn from those before them.
    A drift is a p-value of ``alpha`` at most with a distance above 0.1. A test at every row alarms often without any
    drift. It sees changes of spread as well; ``direction`` is that of the means. ``before`` is the mean of what stands
    before the last values, ``after`` theirs.

    The p-value depends on the distance alone, so the least distance that is a drift is found once, with scipy's own
    test, and then compared as a whole number. The generator belongs to the memory, so restarts change nothing.

    References
    ----------
    Raab, Heusinger, Schleif (2020), "Reactive Soft Prototype Computing for Concept Drift Streams", Neurocomputing 416.
    """

    alpha: float = 0.005
    window_size: int = 100
    stat_size: int = 30
    seed: int = 1

    fields: ClassVar[Mapping[str, Field]] = {}

    @property
    def largest_window(self) -> int:
        """Most bytes that the window of a memory can have."""
        return 4 * _WORDS + 8 * (self.window_size - 1)

    def initial(self) -> Memory:
        """Return the memory of a stream that has not begun."""
        return _remember(random.Random(self.seed), np.empty(0))  # noqa: S311 -- a sample, not a secret

    def run(self, memory: Memory, values: list[float]) -> tuple[Memory, list[Change]]:
        """Feed values; see :class:`Kernel`."""
        generator, window = _recall(memory)
        stream = np.asarray(values, np.float64)
        changes: list[Change] = []
        start, block = 0, max(1, _AT_ONCE // self.window_size)
        while start < len(stream):
            joined = np.concatenate([window, stream[start : start + block]])
            change = self._first(joined, generator)
            if change is None:
                start += len(joined) - len(window)
                window = joined[len(joined) - min(len(joined), self.window_size - 1) :]
                continue
            end, before, after = change
            start += end - len(window)
            direction = (after > before) - (after < before)
            changes.append(Change(start - 1, "drift", direction, before, after, self.stat_size))
            generator, window = _recall(self.initial())
        return _remember(generator, window), changes

    def _first(self, joined: FloatArray, generator: random.Random) -> tuple[int, float, float] | None:
        """Return the end of the first window with a drift, and its means before and after."""
        if len(joined) < self.window_size:
            return None
        windows = sliding_window_view(joined, self.window_size)
        older = self.window_size - self.stat_size
        samples = np.array([generator.sample(range(older), self.stat_size) for _ in range(len(windows))])
        drawn = np.take_along_axis(windows, samples, axis=1)
        drifts = _distances(drawn, windows[:, older:]) >= _critical(self.stat_size, self.alpha)
        if not drifts.any():
            return None
        first = int(np.argmax(drifts))
        means = windows[first, :older].mean(), windows[first, older:].mean()
        return first + self.window_size, float(means[0]), float(means[1])

    def makes_sense(self, memory: Memory) -> bool:
        """Return whether the window holds a state of the generator and finite values."""
        place = 4 * _WORDS
        if len(memory.window) < place or len(memory.window) % 8 != place % 8:
            return False
        position = int(np.frombuffer(memory.window, "<u4", _WORDS)[-1])
        return position < _WORDS and bool(np.isfinite(np.frombuffer(memory.window, "<f8", offset=place)).all())


def _remember(generator: random.Random, window: FloatArray) -> Memory:
    words = np.array(generator.getstate()[1], "<u4")
    return Memory((), words.tobytes() + window.astype("<f8").tobytes())


def _recall(memory: Memory) -> tuple[random.Random, FloatArray]:
    generator = random.Random()  # noqa: S311 -- a sample, not a secret
    words = np.frombuffer(memory.window, "<u4", _WORDS)
    generator.setstate((_VERSION, tuple(words.tolist()), None))
    return generator, np.frombuffer(memory.window, "<f8", offset=4 * _WORDS).astype(np.float64)


def _distances(first: FloatArray, second: FloatArray) -> NDArray[np.int64]:
    """Return the Kolmogorov-Smirnov distance of each pair of rows, times the length of a row."""
    size = first.shape[1]
    both = np.concatenate([first, second], axis=1)
    order = np.argsort(both, axis=1, kind="stable")
    ranked = np.take_along_axis(both, order, axis=1)
    ahead = np.cumsum(np.where(order < size, 1, -1), axis=1)
    tied = ranked[:, :-1] == ranked[:, 1:]
    distances: NDArray[np.int64] = np.abs(np.where(tied, 0, ahead[:, :-1])).max(axis=1)
    return distances


@lru_cache(maxsize=64)
def _critical(size: int, alpha: float) -> int:
    """Return the least distance, times ``size``, that is a drift; ``size`` + 1 when there is none."""
    low, high = size // 10, size + 1
    with warnings.catch_warnings():
        # Where rounding takes the exact p-value above 1, scipy falls back on the asymptotic one; River lets it.
        warnings.simplefilter("ignore", RuntimeWarning)
        while high - low > 1:
            middle = (low + high) // 2
            shifted = np.arange(size) + middle
            low, high = (low, middle) if ks_2samp(np.arange(size), shifted).pvalue <= alpha else (middle, high)
    return high
