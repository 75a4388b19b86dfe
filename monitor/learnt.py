"""Moving a model from sampled rows to bins, and from counted bins to a reference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import structlog
from detectors.bins import CategoricalBins, NumericBins

from monitor.events import DAY, IntArray
from monitor.learning import Learning
from monitor.model import Model
from monitor.partition import Partition
from monitor.reference import bins_from_dict, fit_bins, reference_of_counts
from monitor.watermark import NEVER

log = structlog.get_logger(__name__)
_NOT_COMPARED = frozenset({"latency", "error", "flagged"})


def advance_learning(model: Model, least: int, partitions: Iterable[Partition]) -> bool:
    """Move the model to its next stage if event time allows; return whether its columns or reference changed.

    Everything counted so far must be written before: panes in memory are laid out anew.
    """
    learning = model.learning
    if learning is None or least == NEVER:
        return False
    parts = list(partitions)
    if learning.edges_due(least):
        _begin_counts(model, learning, parts)
        return True
    if learning.counts_due(least, model.windows.lateness):
        _complete(model, learning, parts)
        return True
    return False


def restore_coders(model: Model) -> None:
    """Count in the learnt bins again after a restart."""
    if model.learning is not None and model.learning.coders is not None:
        model.relayout({name: bins_from_dict(data) for name, data in model.learning.coders.items()})


def _begin_counts(model: Model, learning: Learning, partitions: list[Partition]) -> None:
    columns = {name: column for name, column in learning.columns().items() if name not in _NOT_COMPARED}
    settings = model.config.reference
    features = model.config.features
    bins = fit_bins(
        columns,
        bins=256 if settings is None else settings.bins,
        top_k={name: feature.top_k for name, feature in features.items()},
        ranges={name: feature.range for name, feature in features.items() if feature.range is not None},
        decision=model.decision,
    )
    model.relayout(bins)
    newest = max(
        partition.clocks[model.config.name].greatest
        for partition in partitions
        if model.config.name in partition.clocks
    )
    length = DAY if learning.period >= 2 * DAY else model.windows.tiers.lengths[0]
    learning.begin_counts((newest // length + 1) * length, {name: coder.to_dict() for name, coder in bins.items()})
    log.info("edges learnt", model=model.config.name, columns=len(bins), sampled_from=learning.rows)


def _complete(model: Model, learning: Learning, partitions: list[Partition]) -> None:
    start, end = learning.start, learning.end
    if start is None or end is None:
        return
    total, days, versions = _sums(model, partitions, start, end)
    bins: dict[str, NumericBins | CategoricalBins] = {
        name: coder
        for name, coder in model.layout.coders.items()
        if isinstance(coder, NumericBins | CategoricalBins) and name not in _NOT_COMPARED
    }
    reference = reference_of_counts(
        model=model.config.name,
        source=f"learnt from the stream, {start} to {end}",
        bins=bins,
        total=_split(model, total, bins),
        by_day={day: _split(model, counts, bins) for day, counts in days.items()},
        by_version={version: _split(model, counts, bins) for version, counts in versions.items()},
    )
    model.adopt(reference.to_json())
    log.info("reference learnt", model=model.config.name, rows=int(total[0]), days=len(days))


def _sums(
    model: Model, partitions: list[Partition], start: int, end: int
) -> tuple[IntArray, dict[int, IntArray], dict[str, IntArray]]:
    """Return the counts of the learning period: in all, by day, by version."""
    size = model.layout.size
    total = np.zeros(size, np.int64)
    days: dict[int, IntArray] = {}
    versions: dict[str, IntArray] = {}
    name = model.config.name
    for partition in partitions:
        for version in partition.shelf.versions(name):
            for level in range(len(model.windows.tiers.lengths)):
                for key in partition.shelf.keys(name, version, level, start, end):
                    pane = partition.shelf.find(key)
                    if pane is None:
                        continue
                    counts = pane.total()
                    total += counts
                    for sums, place in ((days, key.start // DAY * DAY), (versions, version)):
                        sums[place] = sums.get(place, 0) + counts  # type: ignore[index,call-overload]  # one loop, two kinds of key
    return total, days, versions


def _split(model: Model, counts: IntArray, bins: Mapping[str, Any]) -> dict[str, IntArray]:
    return {name: counts[first:last] for name in bins for first, last in (model.layout.spans[name],)}
