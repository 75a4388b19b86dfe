"""Outcomes of the slices that somebody declared: what is read of each, its reference, and its monitors."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

import numpy as np

from monitor.events import HOUR, FloatArray, IntArray
from monitor.evidence.learnt import is_enough
from monitor.evidence.outcome_streams import ERROR, MERIT, names_of
from monitor.evidence.readout import Readout
from monitor.evidence.stream import Past, Stream
from monitor.evidence.table import Table
from monitor.outcomes.judges import BinaryJudge, MulticlassJudge, RegressionJudge
from monitor.outcomes.outcomes import HOURLY
from monitor.outcomes.parts import MATURED, SlicedPart
from monitor.panes import Shelf

FEWEST: Final = 30
"""Rows of the reference that a rate within a slice is among, at least."""
_CUTS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Shares of a slice's reference below the edges of the bins that its errors are judged in."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Two cells of a slice: rows that count against a rate, and rows that count for it."""

    column: str
    rest: int
    hits: int
    worse: int
    names: tuple[str, str]


@dataclass(frozen=True, eq=False)
class Cells:
    """What is read of one slicing: a few cells a slice, sums of what its tables hold."""

    part: SlicedPart

    @cached_property
    def readout(self) -> Readout:
        """What is read of one slice's table, before it is added up."""
        return Readout(self.part.judge)

    @cached_property
    def rates(self) -> tuple[Rate, ...]:
        """The rates of a slice."""
        judge = self.part.judge
        if isinstance(judge, BinaryJudge) and not judge.top:
            return (
                Rate("recall", 2, 3, MERIT, ("missed", "found")),
                Rate("false_positive_rate", 0, 1, ERROR, ("passed", "flagged")),
                Rate("precision", 1, 3, MERIT, ("wrong", "right")),
            )
        if isinstance(judge, BinaryJudge | MulticlassJudge):
            return (Rate("accuracy", 0, 1, MERIT, ("wrong", "right")),)
        if self.errors and self.readout.claims is not None and self.readout.claims.nominal is not None:
            return (Rate("interval_coverage", self.errors, self.errors + 1, 0, ("outside", "inside")),)
        return ()

    @cached_property
    def errors(self) -> int:
        """Bins of the error of a regression, which come first."""
        judge = self.part.judge
        return len(judge.table.error_edges) + 1 if isinstance(judge, RegressionJudge) else 0

    @cached_property
    def _member(self) -> IntArray:
        """Which cell each place of the readout belongs to, ``[places, cells]`` of zeros and ones."""
        judge, readout = self.part.judge, self.readout
        groups: list[IntArray] = []
        if isinstance(judge, RegressionJudge):
            groups = [np.array([place]) for place in readout.block("errors", self.errors)]
            if self.rates:
                first = readout.spans["claims"][0]
                groups += [np.array([first]), np.array([first + 1])]
        elif isinstance(judge, MulticlassJudge):
            number = len(judge.table.classes)
            table = readout.block("confusion", number, number + 1)
            right = np.diag(table[:, :-1])
            groups = [np.setdiff1d(table, right), right]
        elif isinstance(judge, BinaryJudge):
            table = readout.block("confusion", 2, 2)
            groups = [np.array([place]) for place in (table[:, 1] if judge.top else table.ravel())]
        member = np.zeros((readout.size, len(groups)), np.int64)
        for cell, places in enumerate(groups):
            member[places, cell] = 1
        return member

    @property
    def width(self) -> int:
        """Cells of a slice."""
        return self._member.shape[1]

    @property
    def size(self) -> int:
        """Cells of all slices."""
        return self.part.slicing.size * self.width

    def read(self, shelf: Shelf, version: str, first: int, last: int) -> IntArray:
        """Return what was judged in time of a window's predictions, ``[size]``."""
        blocks = np.zeros((self.part.blocks, self.part.size), np.int64)
        for block, name in enumerate(self.part.names()):
            for key in shelf.keys(name, version, HOURLY, first, last):
                pane = shelf.find(key)
                if pane is not None:
                    blocks[block] += pane.on_time
        slices = self.part.slices(blocks).reshape(-1, self.part.slice_size)[: self.part.slicing.size]
        cells: IntArray = self.readout.read(self.part.table(slices, MATURED)) @ self._member
        return cells.ravel()

    def starts(self, shelf: Shelf, first: int, last: int) -> list[int]:
        """Return the hours of a range that have panes, in order."""
        names = list(self.part.names())
        return sorted(
            {
                key.start
                for name in names
                for version in shelf.versions(name) - {""}
                for key in shelf.keys(name, version, HOURLY, first, last)
            }
        )


@dataclass(slots=True)
class Declared:
    """The reference of one slicing, learnt hour by hour from its own first rows."""

    identity: str
    """Of what the cells mean."""
    begin: int | None = None
    at: int | None = None
    """The first hour that was not taken in."""
    end: int | None = None
    """Set once it is the reference."""
    is_judged: bool = False
    """Whether the windows that come next are behind the reference."""
    counts: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))

    def take(self, hour: IntArray, period: int) -> None:
        """Take in the counts of the next hour; after whole periods it may be enough."""
        if self.begin is None or self.at is None:
            raise ValueError("learning has not begun")
        self.counts = hour.copy() if not len(self.counts) else self.counts + hour
        self.at += HOUR
        if is_enough(self.at - self.begin, period, int(self.counts.sum())):
            self.end = self.at

    def state(self) -> list[Any]:
        """Return plain values."""
        packed = zlib.compress(self.counts.astype("<i8").tobytes(), 1)
        return [self.identity, self.begin, self.at, self.end, self.is_judged, packed]

    @classmethod
    def restore(cls, state: list[Any]) -> Declared:
        """Return what ``state`` took apart."""
        *plain, packed = state
        return cls(*plain, np.frombuffer(zlib.decompress(packed), "<i8").astype(np.int64))


def slice_streams(
    cells: Cells, learnt: Declared, first: int, whole: Mapping[str, Stream], errors: tuple[FloatArray, Past] | None
) -> Iterator[Stream]:
    """Yield the streams of every slice with enough rows in the reference.

    Parameters
    ----------
    first
        Place of the slicing's first cell in a vector of counts.
    whole
        Name → stream of all rows; a slice is taken to differ between days as all rows do.
    errors
        Edges of the errors' bins of all rows, and these bins' past.
    """
    table = learnt.counts.reshape(-1, cells.width)
    rows = table[:, : cells.errors or cells.width].sum(axis=1)
    labels = cells.part.slicing.labels
    for place in np.flatnonzero(rows >= cells.part.slicing.min_samples).tolist():
        start, counts = first + place * cells.width, table[place]
        for rate in cells.rates:
            own, known = [rate.rest, rate.hits], whole.get(rate.column)
            if known is not None and counts[own].sum() >= FEWEST:
                yield replace(
                    known,
                    slice=labels[place],
                    kind="slices",
                    reference=counts[own],
                    places=start + np.array(own),
                    groups=np.arange(2),
                    meaning=_meaning(learnt.identity, place, np.array(own)),
                    names=rate.names,
                    worse=rate.worse,
                )
        if errors is not None and "error" in {stream.column for stream in whole.values()}:
            base = next(stream for stream in whole.values() if stream.column == "error")
            base = replace(
                base, slice=labels[place], kind="slices", meaning=_meaning(learnt.identity, place, counts[:0])
            )
            yield from _errors(cells, counts[: cells.errors], base, start, errors)


def _errors(
    cells: Cells, counts: IntArray, base: Stream, start: int, errors: tuple[FloatArray, Past]
) -> Iterator[Stream]:
    judge = cells.part.judge
    if not isinstance(judge, RegressionJudge):
        return
    edges, (fine, past) = judge.table.error_edges, errors
    middle = (np.cumsum(counts) - counts / 2) / max(int(counts.sum()), 1)
    _, groups = np.unique(np.searchsorted(_CUTS, middle, side="right"), return_inverse=True)
    if groups.max(initial=0) < 1:
        return
    coarse = np.searchsorted(edges, np.append(-np.inf, fine), side="right")
    whole = replace(
        base,
        part="",
        is_rate=False,
        worse=0,
        reference=np.bincount(groups, counts).astype(np.int64),
        places=start + np.arange(cells.errors),
        groups=groups.astype(np.int64),
        past=past.merged(groups[coarse]),
        meaning=base.meaning + _meaning("", 0, groups),
        names=names_of(edges, groups),
    )
    yield from Table(whole, whole.names).streams()


def _meaning(identity: str, place: int, cells: IntArray) -> str:
    text = repr((identity, place, cells.tolist()))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
