"""The order in which sequential detectors take rows: a function of the log, not of how it was read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
Hashes: TypeAlias = NDArray[np.uint64]


def hash_ids(ids: Sequence[str]) -> Hashes:
    """Return a 64-bit hash of each id, the same in every process and release: BLAKE2b of its UTF-8.

    >>> hash_ids(["a", "b"]).tolist()
    [3405396810240292928, 8453121595177857668]
    """
    parts = (hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest() for text in ids)
    return np.frombuffer(b"".join(parts), "<u8").astype(np.uint64)


def order(log_times: IntArray, ids: Sequence[str] | Hashes, values: FloatArray | None = None) -> IntArray:
    """Return the places of rows by log time, then hash of the id, then value.

    Parameters
    ----------
    log_times
        ``[N]``, timestamps of the records in the log, in any unit.
    ids
        ``[N]`` ids, or their hashes by :func:`hash_ids`.
    values
        ``[N]``, finite; tells apart rows with the same id and log time. Rows that agree in all three can change places
        without any effect.

    Examples
    --------
    >>> order(np.array([7, 5, 7]), ["b", "c", "a"]).tolist()
    [1, 2, 0]
    """
    hashes = ids if isinstance(ids, np.ndarray) else hash_ids(ids)
    keys = (hashes, log_times) if values is None else (values, hashes, log_times)
    return np.lexsort(keys).astype(np.int64)
