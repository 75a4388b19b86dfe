"""Bettors that learn the shape from recent windows: decayed counts, turned into a law before a window is seen."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.evidence.null import BoolArray, FloatArray, Null, log_bet

DECAYS: Final = (0.5, 0.8, 0.95)
"""Memory of about 2, 5 and 20 windows."""
PRIOR_ROWS: Final = 50.0
"""Rows of the reference mixed in, so that no cell is 0 and little data says little."""


def recent_laws(counts: FloatArray, rows: FloatArray, smooth: FloatArray, slot: int) -> FloatArray:
    """Return what recent windows make one expect in a slot, ``[J, 3, K]``.

    Each cell's share in the slot is multiplied by observed / expected rows of the recent windows. With one slot this
    is (counts + 50·smooth) / (rows + 50).

    Parameters
    ----------
    counts
        Decayed counts of past windows, ``[J, 3, K]``.
    rows
        Decayed rows of past windows by slot, ``[J, 3, S]``.
    smooth
        Reference shares, ``[S, J, K]``, none of them 0.
    """
    here = smooth[slot][:, np.newaxis, :]
    expected = rows[:, :, 0, np.newaxis] * smooth[0][:, np.newaxis, :]
    for other in range(1, len(smooth)):
        expected = expected + rows[:, :, other, np.newaxis] * smooth[other][:, np.newaxis, :]
    prior = PRIOR_ROWS * here
    laws: FloatArray = here * (counts + prior) / (expected + prior)
    laws /= laws.sum(axis=2, keepdims=True)
    return laws


def log_factors(
    counts: FloatArray, recent: FloatArray, rows: FloatArray, null: Null, slot: int
) -> tuple[FloatArray, BoolArray]:
    """Return the log factors ``[J, 3]`` of this window's ``counts`` and which bets were on.

    ``recent`` and ``rows`` hold past windows only, else the bets would know their outcome.
    """
    laws = recent_laws(recent, rows, null.smooth, slot)
    nearest, live = null.project(laws, slot)
    bets = log_bet(laws, nearest)
    bets *= counts[:, np.newaxis, :]
    return np.where(live, bets.sum(axis=2), 0.0), live


def remember(counts: FloatArray, recent: FloatArray, rows: FloatArray, slot: int) -> tuple[FloatArray, FloatArray]:
    """Return the decayed counts and rows with this window in them."""
    decay = np.array(DECAYS)[:, np.newaxis]
    recent = recent * decay + counts[:, np.newaxis, :]
    rows = rows * decay
    rows[:, :, slot] += counts.sum(axis=1)[:, np.newaxis]
    return recent, rows
