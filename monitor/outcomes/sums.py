"""Sums of outcomes over windows, over everything of a version, and over what the baseline is learnt from."""

from __future__ import annotations

from typing import Final

import numpy as np

from monitor.events import DAY, IntArray
from monitor.outcomes.outcomes import BASELINE, DAILY, HOURLY, ModelOutcomes
from monitor.outcomes.parts import SlicedPart, WholePart
from monitor.panes import PaneKey

_EVER: Final = 1 << 62


def total(
    outcomes: ModelOutcomes, name: str, size: int, version: str, first: int = -_EVER, last: int = _EVER
) -> IntArray:
    """Return the sum of a part's panes within ``[first, last)``; days count that lie within as a whole."""
    vector = np.zeros(size, np.int64)
    shelf = outcomes.shelf
    keys = shelf.keys(name, version, HOURLY, first, last)
    keys += shelf.keys(name, version, DAILY, first, last - DAY + 1)
    for key in keys:
        pane = shelf.find(key)
        if pane is not None:
            vector += pane.total()
    return vector


def of_slices(
    outcomes: ModelOutcomes, part: SlicedPart, version: str, first: int = -_EVER, last: int = _EVER
) -> IntArray:
    """Return the same of every slice of a slicing, ``[slices, slice_size]``."""
    blocks = [total(outcomes, name, part.size, version, first, last) for name in part.names()]
    return part.slices(np.array(blocks)).reshape(-1, part.slice_size)[: part.slicing.size]


def baseline_of(outcomes: ModelOutcomes, name: str, size: int) -> IntArray | None:
    """Return the learnt baseline of a part, ``None`` where there is none."""
    pane = outcomes.shelf.find(PaneKey(name, "", BASELINE, 0)) if name in outcomes.layouts else None
    return None if pane is None else pane.on_time[:size]


def baseline_of_slices(outcomes: ModelOutcomes, part: SlicedPart) -> IntArray | None:
    """Return the learnt baseline of every slice, ``None`` where there is none."""
    if not outcomes.baselines.get(part.identity, (0, False))[1]:
        return None
    blocks = [baseline_of(outcomes, name, part.size) for name in part.names()]
    vectors = [np.zeros(part.size, np.int64) if block is None else block for block in blocks]
    return part.slices(np.array(vectors)).reshape(-1, part.slice_size)[: part.slicing.size]


def baseline_of_versions(outcomes: ModelOutcomes, part: SlicedPart, version: str) -> IntArray | None:
    """Return what the slices of a version are compared with: what was learnt, or the version before."""
    if outcomes.model.config.performance.baseline != "previous_version":
        return baseline_of_slices(outcomes, part)
    before = previous(outcomes, version)
    return None if before is None else of_slices(outcomes, part, before)


def learn_baselines(outcomes: ModelOutcomes, watermark: int, period: int, age: int) -> None:
    """Learn the baseline of every part whose first predictions are old enough.

    Parameters
    ----------
    watermark
        No record has a join time before it that was not read yet.
    period
        How long predictions are learnt from, from a part's first hour on.
    age
        When a prediction is judged, with the lateness that its time may have.
    """
    parts: list[WholePart | SlicedPart] = [*outcomes.sliced.values()]
    if outcomes.whole is not None:
        parts.append(outcomes.whole)
    for part in parts:
        start, learnt = outcomes.baselines.get(part.identity, (None, False))
        names = [part.name] if isinstance(part, WholePart) else list(part.names())
        if learnt:
            continue
        if start is None:
            known = [first for name in names if (first := outcomes.shelf.earliest(name)) is not None]
            if not known:
                continue
            start = min(known)
            outcomes.set_baseline(part.identity, start, learnt=False)
        if watermark < start + period + age:
            continue
        if isinstance(part, SlicedPart):
            outcomes.settle()
        for name in names:
            _learn(outcomes, name, part.size, start, start + period)
        outcomes.set_baseline(part.identity, start, learnt=True)


def _learn(outcomes: ModelOutcomes, name: str, size: int, first: int, last: int) -> None:
    versions = outcomes.shelf.versions(name) - {""}
    vectors = [total(outcomes, name, size, version, first, last) for version in sorted(versions)]
    if vectors:
        outcomes.shelf.add(PaneKey(name, "", BASELINE, 0), np.sum(vectors, axis=0), late=False)


def previous(outcomes: ModelOutcomes, version: str) -> str | None:
    """Return the version that came before this one, by the first hour of each."""
    if outcomes.whole is None:
        return None
    first: dict[str, int] = {}
    for tier in (HOURLY, DAILY):
        for name in outcomes.shelf.versions(outcomes.whole.name):
            starts = outcomes.shelf.keys(outcomes.whole.name, name, tier, -_EVER, _EVER)
            if starts:
                first[name] = min(first.get(name, _EVER), starts[0].start)
    own = first.get(version)
    earlier = [(start, name) for name, start in first.items() if own is not None and (start, name) < (own, version)]
    return max(earlier)[1] if earlier else None


def roll_up(outcomes: ModelOutcomes, watermark: int, keep: int, history: int, unread: int | None = None) -> None:
    """Roll hours up into days that nothing can change any more, and drop days after ``history``."""
    limit = watermark - keep if unread is None else min(watermark - keep, unread)
    limit = limit // DAY * DAY
    if limit <= outcomes.rolled:
        return
    outcomes.set_rolled(limit)
    for name in list(outcomes.layouts):
        for version in outcomes.shelf.versions(name) - {""}:
            for key in outcomes.shelf.keys(name, version, HOURLY, -_EVER, limit):
                outcomes.shelf.move(key, DAILY, key.start // DAY * DAY)
            for key in outcomes.shelf.keys(name, version, DAILY, -_EVER, limit - history + 1):
                outcomes.shelf.drop(key)
