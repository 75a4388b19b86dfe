"""What follows an alarm: a provisional reference, the effect, and recovery."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.evidence.effect import Effect
from detectors.evidence.null import FloatArray, IntArray
from detectors.fleet.sizes import Sizes
from detectors.fleet.state import FollowUp, Mode

SETTLE: Final = 3
"""Windows after an alarm that become the provisional reference."""
QUIET: Final = 3
"""How often in a row an effect must be tolerable before a monitor has recovered."""
LONGEST: Final = 64
"""Windows after which an effect that is neither clear nor gone is judged afresh."""


@dataclass(frozen=True, slots=True, eq=False)
class Aftermath:
    """What one window says of the monitors ``rows`` that drifted earlier."""

    rows: IntArray
    effect: Effect
    recovered: IntArray
    """Those that have recovered."""


def followed(
    sizes: Sizes, state: FollowUp, rows: IntArray, counts: FloatArray, slot: int
) -> tuple[FollowUp, Aftermath]:
    """Return the state after a window with counts ``[R, K]`` of the drifted monitors ``rows``.

    The effect is judged on rows since it was last judged: as soon as its interval lies inside or outside of what cannot
    be told from the reference. Three times inside in a row is recovery.
    """
    if not len(rows):
        return state, Aftermath(rows, Effect(*np.zeros((3, 0))), rows)
    some = state.take(rows)
    here = np.zeros_like(some.base_rows)
    here[:, slot if here.shape[1] > 1 else 0] = counts.sum(axis=1)
    some.block[:] += counts
    some.block_rows[:] += here
    some.waited[:] += 1
    settling = some.mode == Mode.SETTLING
    some.base[settling] += counts[settling]
    some.base_rows[settling] += here[settling]
    some.settled[settling] += 1
    some.mode[some.settled >= SETTLE] = Mode.DRIFTED
    effect = sizes.effect(some.block, some.block_rows, rows)
    inside, outside = sizes.judged(effect, some.block, some.block_rows, rows)
    judged = inside | outside | (some.waited >= LONGEST)
    some.quiet[:] = np.where(inside, some.quiet + 1, np.where(judged, 0, some.quiet))
    some.block[judged] = 0.0
    some.block_rows[judged] = 0.0
    some.waited[judged] = 0
    return state.put(rows, some), Aftermath(rows, effect, rows[some.quiet >= QUIET])
