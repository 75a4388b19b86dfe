"""Which predictions evidence counts, and when their counts are final: a function of each row alone."""

from __future__ import annotations

from typing import Final

from monitor.events import DAY
from monitor.model import Model

_PART: Final = 4


def grace(model: Model) -> int:
    """Return by how much the join time of a prediction may lie behind its own time so that it is in time.

    A quarter of the age at which it is judged, a day at most, and never less than windows wait for late rows. A
    prediction that reaches the log later is judged and shown like all others, but is no evidence.
    """
    return max(model.windows.lateness, min(DAY, model.config.matures_after // _PART))


def final_before(model: Model, watermark: int) -> int:
    """Return the time before which every prediction in time has been judged, once the join has come to a watermark."""
    return watermark - model.config.matures_after - grace(model)
