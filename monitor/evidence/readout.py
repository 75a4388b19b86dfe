"""What evidence reads of the table of judged predictions, whatever the task."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import prod
from typing import Final

import numpy as np

from detectors.calibration.distribution import DistributionTable
from detectors.performance.layout import Layout
from monitor.events import FloatArray, IntArray
from monitor.outcomes.judges import BinaryJudge, Judge, MulticlassJudge, RankingJudge, RegressionJudge

ROWS: Final = 0
"""Place of the number of judged rows."""


@dataclass(frozen=True, eq=False)
class Readout:
    """Places in a table ``[size]``, block by block; a vector has these cells in this order, then those of claims.

    Claims are what a regression says of its own error: misses and hits of its interval, and of each quantile.
    """

    judge: Judge
    places: IntArray = field(init=False)
    spans: dict[str, tuple[int, int]] = field(init=False)
    """Block → where its cells begin and end."""

    def __post_init__(self) -> None:
        parts, spans, size = [np.zeros(1, np.int64)], {"rows": (0, 1)}, 1
        for name, first, cells in _blocks(self.judge):
            parts.append(np.arange(first, first + cells))
            spans[name] = (size, size + cells)
            size += cells
        if self.claims is not None:
            spans["claims"] = (size, size + 2 * len(self.claims.rate_names))
        object.__setattr__(self, "places", np.concatenate(parts))
        object.__setattr__(self, "spans", spans)

    @property
    def size(self) -> int:
        """Cells of a vector."""
        return max(last for _, last in self.spans.values())

    @property
    def claims(self) -> DistributionTable | None:
        """What predictions claim of their own error, if they do."""
        return self.judge.claims if isinstance(self.judge, RegressionJudge) else None

    def read(self, tables: IntArray) -> IntArray:
        """Return the vectors of tables ``[..., size]``."""
        vectors: IntArray = tables[..., self.places]
        if self.claims is None or not isinstance(self.judge, RegressionJudge):
            return vectors
        rates = self.claims.rates(tables[..., self.judge.table.size :])
        return np.concatenate([vectors, rates.reshape(*vectors.shape[:-1], -1)], axis=-1)

    def block(self, name: str, *shape: int) -> IntArray:
        """Return the places of a block's cells in a vector, in this shape."""
        first, last = self.spans[name]
        return np.arange(first, last).reshape(shape)

    @property
    def edges(self) -> FloatArray | None:
        """Edges of the score's bins, where rows with a score are counted by bin."""
        scores = _scores(self.judge)
        return None if scores is None else scores.table.edges


def _scores(judge: Judge) -> BinaryJudge | None:
    if isinstance(judge, MulticlassJudge):
        return judge.confidence
    return judge if isinstance(judge, BinaryJudge) else None


def _blocks(judge: Judge) -> list[tuple[str, int, int]]:
    """Return name, first cell and cells of the blocks that are read."""
    if isinstance(judge, BinaryJudge):
        return [_block("confusion", judge.table.layout), _block("bins", judge.table.layout)]
    if isinstance(judge, MulticlassJudge):
        found = [_block("confusion", judge.table.layout)]
        if judge.confidence is not None:
            found.append(_block("bins", judge.confidence.table.layout, judge.table.size))
        return found
    if isinstance(judge, RegressionJudge):
        return [_block("errors", judge.table.layout)]
    if isinstance(judge, RankingJudge):
        return []  # figures of lists are no rates; they are judged as windows are
    raise TypeError(f"nothing to read of a {type(judge).__name__}")


def _block(name: str, layout: Layout, offset: int = 0) -> tuple[str, int, int]:
    return name, offset + layout.starts[name], prod(layout.blocks[name])
