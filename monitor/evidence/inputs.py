"""What is judged of predictions as they come: features, score, prediction, quality, flagged share, and slices of these.

A column is a vector of the shares of its evidence bins, and a rate for each thing that can be wrong with its cells.
Bins with less than a hundredth of the reference are too rare for a vector of shares; they are rates as well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Final

import msgspec
import numpy as np

from detectors.bins import CategoricalBins, NumericBins
from monitor.coders import NO, YES, Flags
from monitor.config.root import Kind
from monitor.events import IntArray
from monitor.evidence.names import bin_names
from monitor.evidence.stream import Past, Stream
from monitor.evidence.table import Table
from monitor.model import FLAGGED, Model
from monitor.reference import Bins, Reference
from monitor.reference.parts import coarse_size, kinds_beyond
from monitor.slices import ROWS, Cross
from monitor.vectors import REPEATED

_OUTPUTS: Final[dict[str, Kind]] = {"score": "score", "prediction": "prediction"}
_NOT_JUDGED: Final = frozenset({"latency"})
_IN_SLICES: Final = ("missing", "bad")
"""What is wrong with a cell whatever the bins were made from."""
_OF_FLAGS: Final = np.array([0, 1, -1])


def input_streams(model: Model, version: str) -> list[Stream]:
    """Return all streams of one version of a model; none while it has no reference."""
    reference = model.reference
    if reference is None:
        return []
    return list(_Inputs(model, reference, version).streams())


@dataclass(frozen=True, eq=False)
class _Inputs:
    model: Model
    reference: Reference
    version: str

    def streams(self) -> Iterator[Stream]:
        """Yield the streams of every column, then those of every slice."""
        meanings = _meanings(self.model)
        for name, coder in self.model.layout.coders.items():
            if isinstance(coder, Flags):
                yield from self._flag(name, meanings[name])
            elif isinstance(coder, NumericBins | CategoricalBins) and name not in _NOT_JUDGED:
                yield from self._column(name, coder, meanings[name])
        for key, cross in self.model.layout.crosses.items():
            if cross.target != ROWS:
                yield from self._slices(cross, meanings[key])

    def _column(self, name: str, bins: Bins, meaning: str) -> Iterator[Stream]:
        cells = self.reference.cells(name, self.version)
        known = self.reference.columns.get(name)
        if cells is None or known is None or known.bins.identity != bins.identity:
            return
        first = self.model.layout.spans[name][0]
        whole = Stream(
            column=name,
            part="",
            version=self.version,
            slice="",
            kind=_OUTPUTS.get(name, "features"),
            is_rate=False,
            reference=np.bincount(bins.coarse, cells, minlength=coarse_size(bins)).astype(np.int64),
            places=np.arange(first, first + bins.cells),
            groups=bins.coarse,
            past=self._past(name, coarse_size(bins)),
            meaning=meaning,
            ordered=isinstance(bins, NumericBins),
            importance=known.importance,
        )
        table = Table(whole, bin_names(bins))
        yield from table.streams()
        told = REPEATED if name in self.model.repeating else frozenset()
        computed = name in self.model.computed
        for kind in kinds_beyond(bins):
            counts = self.reference.rate(name, self.version, kind)
            if counts is not None and kind not in told:
                # Far from the reference is where a vector lies, not what is wrong with a field: it warns.
                listen: Kind = "features" if computed and kind not in REPEATED else "quality"
                yield table.quality(kind, int(bins.coarse[bins.quality[kind]]), counts, listen)

    def _flag(self, name: str, meaning: str) -> Iterator[Stream]:
        counts = self.reference.flags(name, self.version, self.model.decision)
        if counts is None or not int(counts.sum()):
            return
        first = self.model.layout.spans[name][0]
        yield Stream(
            column=name,
            part="",
            version=self.version,
            slice="",
            kind="flagged_share" if name == FLAGGED else "quality",
            is_rate=True,
            reference=counts,
            places=np.array([first + NO, first + YES]),
            groups=np.arange(2),
            past=self._past(name, 3).merged(_OF_FLAGS),
            meaning=meaning,
            names=("the rest", name),
        )

    def _slices(self, cross: Cross, meaning: str) -> Iterator[Stream]:
        counts = self.reference.cross(cross, self.version)
        if counts is None:
            return
        table = counts.reshape(cross.slicing.size, cross.compact)
        first = self.model.layout.cross_spans[cross.key][0]
        coder = self.model.layout.coders[cross.target]
        past = self._past_in_slices(cross)
        for place in np.flatnonzero(table.sum(axis=1) >= cross.slicing.min_samples).tolist():
            start = first + place * cross.compact
            whole = Stream(
                column=cross.target,
                part="",
                version=self.version,
                slice=cross.slicing.labels[place],
                kind="slices",
                is_rate=False,
                reference=table[place],
                places=np.arange(start, start + cross.compact),
                groups=np.arange(cross.compact),
                past=past,
                meaning=meaning,
                ordered=isinstance(coder, NumericBins),
            )
            yield from _of_slice(whole, cross, coder)

    def _past(self, name: str, cells: int) -> Past:
        """Return what the reference counted by day; nothing of a flag at another threshold than today's."""
        known = self.reference.columns.get(name) or self.reference.flag_columns.get(name)
        moved = name == FLAGGED and self.model.decision != self.reference.decision
        if known is None or moved or not known.by_day:
            return Past.none(cells)
        weekdays = np.array([date.fromisoformat(day).weekday() for day in known.by_day], np.int64)
        return Past(np.stack(list(known.by_day.values())), known.by_hour, weekdays)

    def _past_in_slices(self, cross: Cross) -> Past:
        """Return the past of the target over all slices: no reference knows the days of each."""
        coder = self.model.layout.coders[cross.target]
        if isinstance(coder, Flags):
            return self._past(cross.target, coder.cells)
        coarse: IntArray = getattr(coder, "coarse", np.arange(coder.cells))
        groups = np.zeros(int(coarse.max(initial=0)) + 1, np.int64)
        groups[coarse] = cross.groups
        return self._past(cross.target, len(groups)).merged(groups)


def _of_slice(whole: Stream, cross: Cross, coder: Any) -> Iterator[Stream]:
    if isinstance(coder, Flags):
        known = whole.reference[[NO, YES]]
        if int(known.sum()):
            yield replace(
                whole,
                is_rate=True,
                reference=known,
                places=whole.places[[NO, YES]],
                groups=np.arange(2),
                past=whole.past.merged(_OF_FLAGS),
                names=("the rest", cross.target),
            )
        return
    bins = cross.compact - (coder.cells - coder.size)
    table = Table(whole, bin_names(coder, bins))
    yield from table.streams()
    for place, kind in enumerate(_IN_SLICES):
        yield table.quality(kind, bins + place)


def _meanings(model: Model) -> dict[Any, str]:
    """Return column, or slicing and target → identity of what decides which row falls into which cell."""
    rows: list[tuple[Any, str, int]] = msgspec.msgpack.decode(model.layout.describe())
    return {name if isinstance(name, str) else (tuple(name[0]), name[1]): identity for name, identity, _ in rows}
