"""Fields beside the known features that a window's records begin to carry.

Parsing skips what no column is for, so only one record in 64 is looked at, chosen by its offset; shares are those of
the records looked at. A new field does no harm to a model that does not read it, but it tells of a change upstream,
often beside a column that vanished. So it warns where it begins and is ``ok`` from then on; it is never drift.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

import numpy as np

from detectors.rate import wilson
from monitor.decoding.looking import LOOK_EVERY
from monitor.findings import Finding
from monitor.model import Model
from monitor.partition import Partition
from monitor.reference.wire import moment_text
from monitor.sightings import MOST_NAMES, Sightings
from monitor.windows import Window

NEW: Final = "new_column"
"""The finding's detector."""
_BOUND: Final = 0.01
"""Share from which on a field is told of, if the detector has no ``warn``."""


def new_column_findings(
    model: Model, version: str, window: Window, start: int, rows: int, partitions: Collection[Partition]
) -> Iterator[Finding]:
    """Yield a finding for every unknown field whose share of the records is surely above the bound.

    Judged where a detector is on ``quality``, in windows with enough rows, once there is a reference. The status is
    ``warn`` in the first such window of its kind and in those that overlap it; ``model.appeared`` remembers which it
    was.
    """
    watching = model.config.detectors_on("quality", window.name)
    name = model.config.name
    if not watching or model.reference is None or rows < window.min_samples:
        return
    if not any(partition.strangers.names.get(name) for partition in partitions):
        return
    seen = sightings(model, version, window, start, partitions)
    bound = _BOUND if watching[0].warn is None else watching[0].warn
    known = model.features or {}
    fields = [(field, number) for field, number in seen.rows.items() if field not in known]
    for field, number in sorted(fields, key=lambda found: (-found[1], found[0]))[:MOST_NAMES]:
        share = number / seen.looked
        low, high = (float(end[0]) for end in wilson(np.array([share]), np.array([float(seen.looked)])))
        low, high = min(low, share), max(high, share)
        if low >= bound:
            status = "warn" if model.appears(field, window.name, start) + window.size > start else "ok"
            yield Finding(
                column=field, detector=NEW, statistic=share, effect=share, low=low, high=high, p_value=float("nan"),
                threshold=float("inf"), status=status, direction=1,
                explanation=f"in {number:,} of {seen.looked:,} records looked at, 1 in {LOOK_EVERY}"
                f"{_first(name, field, partitions)}",
            )  # fmt: skip


def sightings(model: Model, version: str, window: Window, start: int, partitions: Collection[Partition]) -> Sightings:
    """Return what was seen beside the known features in a window, over all partitions and tiers."""
    total = Sightings()
    for partition in partitions:
        for level in model.windows.tiers.of_window(window):
            for key in partition.shelf.keys(model.config.name, version, level, start, start + window.size):
                pane = partition.shelf.find(key)
                if pane is not None:
                    total.add(pane.seen)
    return total


def _first(model: str, field: str, partitions: Collection[Partition]) -> str:
    found = [
        (seen.time, partition.number, seen.offset)
        for partition in partitions
        if (seen := partition.strangers.names.get(model, {}).get(field)) is not None
    ]
    if not found:
        return ""
    time, number, offset = min(found)
    return f"; first at {moment_text(time)}, partition {number}, offset {offset}"
