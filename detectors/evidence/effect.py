"""How large a change is, with its interval, from rows that had no part in finding it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.evidence.null import FloatArray
from detectors.noncentral import noncentrality_interval
from detectors.rate import wilson


@dataclass(frozen=True, slots=True, eq=False)
class Effect:
    """A size and its 95 % interval, arrays of ``[J]``; NaN without rows.

    Of a shape: the population stability index less what chance adds. Of a rate: the rate itself.
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray


def expected_of(reference: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return reference shares and effective reference rows for windows of several slots.

    Parameters
    ----------
    reference
        Reference counts, ``[S, J, K]``.
    rows
        Rows of the windows by slot, ``[J, S]``.

    Returns
    -------
    tuple
        Shares ``[J, K]``, each slot weighed by its rows, and the rows ``[J]`` of a single reference as certain.
    """
    totals = reference.sum(axis=2)
    share = rows / np.maximum(rows.sum(axis=1), 1e-300)[:, np.newaxis]
    size = np.where(totals > 0, totals, 1.0)
    mixed = np.einsum("js,sjk->jk", share, reference / size[:, :, np.newaxis])
    spread = (np.square(share.T) / size).sum(axis=0)
    return mixed, 1 / np.maximum(spread, 1e-300)


def shape_effect(counts: FloatArray, expected: FloatArray, reference_rows: FloatArray) -> Effect:
    """Return the effect of counts ``[J, K]`` against shares ``[J, K]`` that rest on so many rows ``[J]``.

    The index uses (count + ½) / (total + K/2). The interval inverts the non-central chi-square law of its sum.
    """
    cells = counts.shape[1]
    rows = counts.sum(axis=1)
    some = (rows > 0) & (reference_rows > 0)
    size = np.where(some, rows, 1.0)
    known = np.where(some, reference_rows, 1.0)
    q = (counts + 0.5) / (size + cells / 2)[:, np.newaxis]
    p = (expected * known[:, np.newaxis] + 0.5) / (known + cells / 2)[:, np.newaxis]
    index = ((q - p) * np.log(q / p)).sum(axis=1)
    scale = 1 / size + 1 / known
    freedom = np.full(len(counts), cells - 1.0)
    low, high = noncentrality_interval(index / scale, freedom)
    parts = (np.maximum(index - freedom * scale, 0.0), low * scale, high * scale)
    return Effect(*(np.where(some, part, np.nan) for part in parts))


def rate_effect(counts: FloatArray) -> Effect:
    """Return the rate of counts ``[J, 2]`` with Wilson's interval."""
    rows = counts.sum(axis=1)
    some = rows > 0
    size = np.where(some, rows, 1.0)
    share = counts[:, 1] / size
    low, high = wilson(share, size)
    return Effect(*(np.where(some, part, np.nan) for part in (share, low, high)))
