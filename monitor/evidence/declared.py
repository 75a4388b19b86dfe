"""Outcomes of the slices that somebody declared: what is read of each, and its monitors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np

from monitor.events import FloatArray, IntArray
from monitor.evidence.outcome_streams import ERROR, MERIT, names_of
from monitor.evidence.readout import Readout
from monitor.evidence.stream import Past, Stream
from monitor.evidence.table import Table
from monitor.outcomes.judges import BinaryJudge, MulticlassJudge, RegressionJudge
from monitor.outcomes.outcomes import HOURLY
from monitor.outcomes.parts import BLOCK, MATURED, SlicedPart
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
        return int(self._member.shape[1])

    @property
    def size(self) -> int:
        """Cells of all slices."""
        return self.part.slicing.size * self.width

    def read(self, shelf: Shelf, version: str, first: int, last: int) -> IntArray:
        """Return what was judged in time of a window's predictions, ``[size]``; one block of slices at a time."""
        part = self.part
        found = np.zeros((part.blocks, BLOCK, self.width), np.int64)
        for block, name in enumerate(part.names()):
            panes = [shelf.find(key) for key in shelf.keys(name, version, HOURLY, first, last)]
            known = [pane.on_time for pane in panes if pane is not None]
            if known:
                tables = part.table(part.slices(np.sum(known, axis=0)), MATURED)
                found[block] = self.readout.read(tables) @ self._member
        return found.reshape(-1, self.width)[: part.slicing.size].ravel()

    def rows(self, counts: IntArray) -> IntArray:
        """Return the rows of each slice, ``[slices]``."""
        table = counts.reshape(-1, self.width)
        rows: IntArray = table[:, : self.errors or self.width].sum(axis=1)
        return rows

    def versions(self, shelf: Shelf) -> list[str]:
        """Return the versions that have panes."""
        return sorted({version for name in self.part.names() for version in shelf.versions(name)} - {""})

    def starts(self, shelf: Shelf, first: int, last: int) -> list[int]:
        """Return the hours of a range that have panes, in order."""
        keys = (
            key
            for version in self.versions(shelf)
            for name in self.part.names()
            for key in shelf.keys(name, version, HOURLY, first, last)
        )
        return sorted({key.start for key in keys})


def slice_streams(
    cells: Cells,
    reference: IntArray,
    own: Past,
    first: int,
    whole: Sequence[Stream],
    errors: tuple[FloatArray, Past] | None,
) -> Iterator[Stream]:
    """Yield the streams of every slice with enough rows in the reference.

    Parameters
    ----------
    reference
        What was learnt, ``[size]``.
    own
        The same by day, ``[D, size]``.
    first
        Place of the slicing's first cell in a vector of counts.
    whole
        The streams of all rows. A slice has their hours; its days are its own.
    errors
        Edges of the errors' bins of all rows, and these bins' past.
    """
    shape = next((stream for stream in whole if stream.column == "error"), None)
    for place in np.flatnonzero(cells.rows(reference) >= cells.part.slicing.min_samples).tolist():
        one = _Slice(cells, reference, own, first, place)
        yield from one.rates({stream.name: stream for stream in whole})
        if shape is not None and errors is not None:
            yield from one.shape(shape, errors)


@dataclass(frozen=True, eq=False)
class _Slice:
    cells: Cells
    reference: IntArray
    own: Past
    first: int
    place: int

    @property
    def label(self) -> str:
        return self.cells.part.slicing.labels[self.place]

    def rates(self, whole: Mapping[str, Stream]) -> Iterator[Stream]:
        for rate in self.cells.rates:
            places = self.place * self.cells.width + np.array([rate.rest, rate.hits])
            known = whole.get(rate.column)
            if known is not None and int(self.reference[places].sum()) >= FEWEST:
                yield replace(
                    known,
                    slice=self.label,
                    kind="slices",
                    reference=self.reference[places],
                    places=self.first + places,
                    groups=np.arange(2),
                    own=self._days(places),
                    meaning=self._meaning([rate.rest, rate.hits]),
                    names=rate.names,
                    worse=rate.worse,
                )

    def shape(self, base: Stream, errors: tuple[FloatArray, Past]) -> Iterator[Stream]:
        """Yield the shape of the errors; its bins are those of all rows, put together."""
        judge, (fine, past) = self.cells.part.judge, errors
        if not isinstance(judge, RegressionJudge):
            return
        places = self.place * self.cells.width + np.arange(self.cells.errors)
        counts = self.reference[places]
        middle = (np.cumsum(counts) - counts / 2) / max(int(counts.sum()), 1)
        _, inverse = np.unique(np.searchsorted(_CUTS, middle, side="right"), return_inverse=True)
        groups = inverse.astype(np.int64)
        if groups.max(initial=0) < 1:
            return
        edges = judge.table.error_edges
        coarse = np.searchsorted(edges, np.append(-np.inf, fine), side="right")
        found = replace(
            base,
            part="",
            slice=self.label,
            kind="slices",
            is_rate=False,
            worse=0,
            reference=np.bincount(groups, counts).astype(np.int64),
            places=self.first + places,
            groups=groups,
            past=past.merged(groups[coarse]),
            own=self._days(places).merged(groups),
            meaning=self._meaning(groups.tolist()),
            names=names_of(edges, groups),
        )
        yield from Table(found, found.names).streams()

    def _days(self, places: IntArray) -> Past:
        return Past(self.own.days[:, places], None, self.own.weekdays)

    def _meaning(self, cells: list[int]) -> str:
        text = repr((self.cells.part.identity, self.place, cells))
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
