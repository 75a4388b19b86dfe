"""Which ids a sample keeps: the same in every process, stream and release."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

_STEPS: Final = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def hash64(ids: Sequence[str]) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each id: CRC-32 of its UTF-8, spread by the finaliser of SplitMix64.

    Ids of equal CRC-32 share their fate, which is harmless for sampling; the finaliser keeps the sample even where the
    producer chose partitions by CRC-32 too.

    References
    ----------
    Steele, Lea, Flood (2014), "Fast splittable pseudorandom number generators", OOPSLA.

    Examples
    --------
    >>> [hex(h) for h in hash64(["a", "b"])]
    ['0x2c3debbc7335b4ee', '0x645f1e1d7a7ff68f']
    """
    z = np.fromiter((zlib.crc32(i.encode()) for i in ids), np.uint64, len(ids))
    z += np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in _STEPS:
        z = (z ^ (z >> np.uint64(shift))) * np.uint64(factor)
    return z ^ (z >> np.uint64(31))


def kept(ids: Sequence[str], rate: float) -> NDArray[np.bool_]:
    """Return which ids a sample of ``rate`` (0 to 1) keeps: those whose hash is below rate times 2**64.

    A smaller sample is part of a larger one.

    >>> kept(["a", "b"], 0.25).tolist()
    [True, False]
    """
    if rate >= 1:
        return np.ones(len(ids), bool)
    return hash64(ids) < np.uint64(int(rate * 2.0**64))
