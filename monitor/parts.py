"""Parts of the traffic that an expression says: one column a part, made from the features of each row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from monitor.config.model import ModelConfig, SliceConfig
from monitor.config.where import Where
from monitor.events import Batch


def parts_of(config: ModelConfig) -> dict[str, Where]:
    """Return column → expression of a model's slices."""
    return parts_of_slices(config.slices)


def parts_of_slices(slices: Iterable[SliceConfig]) -> dict[str, Where]:
    """Return column → expression of those slices that have one."""
    return {sliced.columns[0]: Where.parse(sliced.where) for sliced in slices if sliced.where is not None}


def with_parts(batch: Batch, parts: Mapping[str, Where]) -> Batch:
    """Return the rows with a column a part: 1 inside, 0 outside, NaN where that is not known."""
    if not parts:
        return batch
    made = {name: where.of(batch.columns, batch.bad, len(batch)) for name, where in parts.items()}
    return replace(batch, columns={**batch.columns, **made})
