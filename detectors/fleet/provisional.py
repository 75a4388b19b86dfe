"""What monitors are judged against after they drifted."""

from __future__ import annotations

import numpy as np

from detectors.evidence.ball import smoothed
from detectors.evidence.null import FloatArray


def transported(reference: FloatArray, base: FloatArray, base_rows: FloatArray) -> FloatArray:
    """Return provisional reference counts, ``[S, J, K]``.

    With one slot they are the rows after the alarm. With several, each slot's reference is changed in the proportion in
    which those rows differ from what was expected of their slots, and weighs as many rows as make the radius the sum of
    what both leave open.

    Parameters
    ----------
    reference
        Reference counts, ``[S, J, K]``.
    base, base_rows
        Rows after the alarm by cell, ``[J, K]``, and by slot, ``[J, S]``.
    """
    if len(reference) == 1:
        return base[np.newaxis].copy()
    smooth = smoothed(reference)
    expected = np.einsum("js,sjk->jk", base_rows, smooth)
    shares = smooth * base / expected
    shares /= shares.sum(axis=2, keepdims=True)
    sizes = np.stack([reference.sum(axis=2), np.broadcast_to(base.sum(axis=1), reference.shape[:2])])
    with np.errstate(divide="ignore"):
        size = 1 / np.square((1 / np.sqrt(sizes)).sum(axis=0))
    moved: FloatArray = shares * size[..., np.newaxis]
    return moved
