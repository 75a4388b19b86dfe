"""Ids as 128-bit hashes: two numbers of 64 bits each, worked out for a batch at a time.

Ids that share a hash share their fate. For two given ids the probability is about 2**-120, and below 2**-80 at worst.
No id is stored.

References
----------
Carter, Wegman (1979), "Universal classes of hash functions", JCSS 18(2); Lemire, Kaser (2014), "Strongly universal
string hashing is fast", The Computer Journal 57(11). The finaliser is that of SplitMix64 (Steele, Lea, Flood 2014).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ids: TypeAlias = NDArray[np.uint64]
"""Shape (n, 2). The first column finds an entry, the second confirms it."""
LEAST: Final = 2
"""The first column's smallest number; those below mean something else to the index."""
_LONGEST: Final = 128
_SEED: Final = 0x0D81F711
_STEPS: Final = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def identify(ids: Sequence[str]) -> Ids:
    """Return the hashes of some ids.

    >>> [hex(part) for part in identify(["a"])[0].tolist()]
    ['0x35cffd4271fc0306', '0x1159b1b12cf0b9fa']
    """
    if not len(ids):
        return np.zeros((0, 2), np.uint64)
    lengths = np.fromiter(map(len, ids), np.int64, len(ids))
    long = np.flatnonzero(lengths > _LONGEST).tolist()
    texts = list(ids)
    for place in long:
        texts[place] = ""
    letters = np.array(texts)
    width = max(1, letters.dtype.itemsize // 4)
    points = np.zeros((len(ids), width), "<u4") if letters.dtype.itemsize == 0 else letters.view("<u4")
    factors = _factors()
    sums = points.reshape(len(ids), width).astype(np.uint64) @ factors[1 : width + 1]
    sums += lengths.astype(np.uint64)[:, None] * factors[0]
    for shift, factor in _STEPS:
        sums = (sums ^ (sums >> np.uint64(shift))) * np.uint64(factor)
    sums ^= sums >> np.uint64(31)
    for place in long:
        digest = hashlib.blake2b(ids[place].encode("utf-8", "surrogatepass"), digest_size=16).digest()
        sums[place] = np.frombuffer(digest, "<u8")
    sums[:, 0] = np.maximum(sums[:, 0], np.uint64(LEAST))
    return sums


@cache
def _factors() -> NDArray[np.uint64]:
    random = np.random.default_rng(_SEED).integers(0, 2**63, (_LONGEST + 1, 2), dtype=np.uint64)
    return random * np.uint64(2) + np.uint64(1)
