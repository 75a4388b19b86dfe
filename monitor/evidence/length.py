"""How long an evidence window is: as short as the traffic and the reference's own ups and downs allow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from monitor.config.types import format_duration
from monitor.events import DAY, HOUR, IntArray
from monitor.evidence.spans import LENGTHS, evidence_length, hours_of, slots_of
from monitor.evidence.stream import Source, Stream
from monitor.evidence.terms import Asked, terms_of
from monitor.model import Model

ENOUGH_ROWS: Final = 500
_TYPICAL_TOLERANCE: Final = 0.02
_MOST_UNSTABLE: Final = 0.1
_ALPHA: Final = 1e-4
_DAY_ALPHA: Final = 1e-3
_MOST_LOOKED_AT: Final = 64


def choose_length(model: Model, source: Source, streams: Sequence[Stream], offset: int) -> tuple[int, str]:
    """Return the length of a model's evidence windows and, in a sentence, why.

    ``auto`` is the shortest of 15 min, 1 h, 6 h and 1 day in which the reference has 500 rows in the median, and whose
    windows differ little enough: in the median monitor no more than PSI .02 must be tolerated, and one in ten is
    unstable at most. It does not depend on the budget, so that a changed budget restarts nothing.
    """
    configured = evidence_length(model.config)
    if configured is not None:
        if configured % source.grain:
            return source.grain, f"as configured, but no shorter than {format_duration(source.grain)}"
        return configured, "as configured"
    why = "the reference knows no hours"
    for length in LENGTHS[:-1]:
        if length % source.grain:
            continue
        rows = median_rows(source.rows_by_hour(model), length)
        if rows is None:
            break
        if rows < ENOUGH_ROWS:
            why = f"{format_duration(length)} would have {rows:,.0f} rows"
            continue
        if not _is_calm(streams, model, length, offset):
            why = f"within {format_duration(length)} the reference differs too much from itself"
            continue
        return length, f"{rows:,.0f} rows in the median"
    return DAY, why


def median_rows(hours: IntArray | None, length: int) -> float | None:
    """Return the rows of the reference's median window, ``None`` when it does not know hours."""
    if hours is None or not len(hours):
        return None
    span = hours_of(length)
    whole = hours[: len(hours) // span * span].reshape(-1, span).sum(axis=1) if len(hours) >= span else hours[:0]
    if not len(whole):
        return None
    return float(np.median(whole)) * min(length / HOUR, 1.0)


def _is_calm(streams: Sequence[Stream], model: Model, length: int, offset: int) -> bool:
    season = "auto" if model.config.reference is None else model.config.reference.season
    asked = Asked(length, season, "auto", offset)
    known = [stream for stream in streams if not stream.slice and len(stream.past.days)]
    shapes = [stream for stream in known if not stream.is_rate] or known
    if not shapes or (slots_of(length) > 1 and any(stream.past.hours is None for stream in shapes)):
        return False
    step = -(-len(shapes) // _MOST_LOOKED_AT)
    tolerances = [terms_of(stream, asked, _ALPHA, _DAY_ALPHA).tolerance for stream in shapes[::step]]
    stable = [tolerance for tolerance in tolerances if tolerance is not None]
    few = len(tolerances) - len(stable) <= _MOST_UNSTABLE * len(tolerances)
    return few and bool(np.median(stable or [np.inf]) <= _TYPICAL_TOLERANCE)
