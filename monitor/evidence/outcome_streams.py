"""What is judged of outcomes: errors among those they concern, the rate of truth by bin of the score, losses, claims.

Of a rare class the overall error says nothing. So a binary model has three rates: how many positives it found, how many
negatives it flagged, how many flagged ones are positive. Each is a rate among its own rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np

from monitor.config.root import Kind
from monitor.events import FloatArray, IntArray
from monitor.evidence.learnt import Learnt
from monitor.evidence.readout import ROWS, Readout
from monitor.evidence.stream import Stream
from monitor.evidence.table import Table
from monitor.outcomes.judges import BinaryJudge, MulticlassJudge, RegressionJudge

CUTS: Final = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
"""Shares of the reference's rows below the edges of the bins that scores and errors are judged in."""
COMMON: Final = 0.01
"""Classes of a smaller share have no rates of their own."""
MERIT, ERROR = -1, 1
"""Of a rate: which way is worse, see ``Stream.worse``."""


def outcome_streams(readout: Readout, learnt: Learnt, version: str) -> Iterator[Stream]:
    """Yield all streams of one version."""
    found = _Outcomes(readout, learnt, version)
    judge = readout.judge
    if isinstance(judge, BinaryJudge):
        yield from found.decisions()
    elif isinstance(judge, MulticlassJudge):
        yield from found.classes(judge.table.classes)
    elif isinstance(judge, RegressionJudge):
        yield from found.errors(judge.table.error_edges)
        yield from found.claims()
    if readout.edges is not None:
        yield from found.calibration(readout.edges)


def groups_of(counts: IntArray) -> IntArray:
    """Return the group of each fine bin, so that groups hold about the shares between ``CUTS``; numbered from 0.

    A fine bin goes where the middle of its rows lies; neighbours stay neighbours.

    >>> groups_of(np.array([1, 0, 4, 5, 10, 80])).tolist()
    [0, 1, 1, 2, 3, 4]
    """
    total = max(int(counts.sum()), 1)
    middle = (np.cumsum(counts) - counts / 2) / total
    _, groups = np.unique(np.searchsorted(CUTS, middle, side="right"), return_inverse=True)
    return groups.astype(np.int64)


@dataclass(frozen=True, eq=False)
class _Outcomes:
    readout: Readout
    learnt: Learnt
    version: str

    @cached_property
    def hours(self) -> IntArray:
        return self.learnt.table

    @cached_property
    def total(self) -> IntArray:
        total: IntArray = self.hours.sum(axis=0)
        return total

    def decisions(self) -> Iterator[Stream]:
        """Yield the rates of a decision; labels by flags."""
        ((_, flagged_negative), (missed, found)) = negative, positive = self.readout.block("confusion", 2, 2).tolist()
        yield from self._rate("recall", [missed], [found], MERIT, ("missed", "found"))
        yield from self._rate("false_positive_rate", [negative[0]], [flagged_negative], ERROR, ("passed", "flagged"))
        yield from self._rate("precision", [flagged_negative], [positive[1]], MERIT, ("wrong", "right"))

    def classes(self, names: Sequence[str]) -> Iterator[Stream]:
        """Yield the overall error, and for each common class how many were found and how many of those named right."""
        table = self.readout.block("confusion", len(names), len(names) + 1)
        right = np.diag(table[:, :-1])
        wrong = np.setdiff1d(table, right)
        yield from self._rate("accuracy", wrong, right, MERIT, ("wrong", "right"))
        for place, name in enumerate(names):
            row, column = table[place], table[:, place]
            if self.total[row].sum() >= COMMON * self.total[ROWS]:
                others = np.delete(row, place)
                yield from self._rate(f"recall[{name}]", others, row[[place]], MERIT, ("missed", "found"))
                others = np.delete(column, place)
                yield from self._rate(f"precision[{name}]", others, column[[place]], MERIT, ("wrong", "right"))

    def errors(self, edges: FloatArray) -> Iterator[Stream]:
        """Yield the shape of the error, predicted less true."""
        places = self.readout.block("errors", len(edges) + 1)
        groups = groups_of(self.total[places])
        if groups.max(initial=0) < 1:
            return
        whole = self._stream("error", "", "performance", places, groups, names_of(edges, groups))
        yield from Table(whole, whole.names).streams()

    def claims(self) -> Iterator[Stream]:
        """Yield how often the interval holds, and each quantile; holding more often than it did is off as well."""
        claims = self.readout.claims
        if claims is None:
            return
        places = self.readout.block("claims", len(claims.rate_names), 2).tolist()
        for name, (missed, hit) in zip(claims.rate_names, places, strict=True):
            names = ("outside", "inside") if name == "interval_coverage" else ("above", "at or below")
            yield from self._rate(name, [missed], [hit], 0, names, kind="calibration")

    def calibration(self, edges: FloatArray) -> Iterator[Stream]:
        """Yield the rate of positives in each bin of the score."""
        negative, positive = self.readout.block("bins", 2, len(edges) + 1)
        groups = groups_of(self.total[negative] + self.total[positive])
        for group, name in enumerate(names_of(edges, groups)):
            some = groups == group
            names = ("negative", "positive")
            yield from self._rate("calibration", negative[some], positive[some], 0, names, name, kind="calibration")

    def _rate(
        self,
        column: str,
        rest: Sequence[int] | IntArray,
        hits: Sequence[int] | IntArray,
        worse: int,
        names: tuple[str, str],
        part: str = "",
        kind: Kind = "performance",
    ) -> Iterator[Stream]:
        """Yield a rate of rows among others, unless the reference has none of either."""
        places = np.concatenate([np.asarray(rest, np.int64), np.asarray(hits, np.int64)])
        groups = np.repeat(np.arange(2), [len(rest), len(hits)])
        if self.total[places].any():
            yield self._stream(column, part, kind, places, groups, names, is_rate=True, worse=worse)

    def _stream(
        self,
        column: str,
        part: str,
        kind: Kind,
        places: IntArray,
        groups: IntArray,
        names: tuple[str, ...],
        *,
        is_rate: bool = False,
        worse: int = 0,
    ) -> Stream:
        member = (groups[:, np.newaxis] == np.arange(int(groups.max()) + 1)).astype(np.int64)
        reference, past = self.learnt.past(self.hours[:, places] @ member)
        digest = hashlib.blake2b(self.learnt.identity.encode(), digest_size=8)
        digest.update(places.astype("<i8").tobytes() + groups.astype("<i8").tobytes())
        return Stream(
            column=column,
            part=part,
            version=self.version,
            slice="",
            kind=kind,
            is_rate=is_rate,
            reference=reference,
            places=places,
            groups=groups,
            past=past,
            meaning=digest.hexdigest(),
            names=names,
            worse=worse,
        )


def names_of(edges: FloatArray, groups: IntArray) -> tuple[str, ...]:
    """Return the range of each group of fine bins; an edge belongs to the bin above it."""
    inside = edges[np.flatnonzero(np.diff(groups))].tolist()
    if not inside:
        return ("all",)
    cuts = [f"{edge:.4g}" for edge in inside]
    if len(set(cuts)) < len(cuts):
        cuts = list(map(repr, inside))
    return (f"< {cuts[0]}", *(f"[{low}; {high})" for low, high in pairwise(cuts)), f">= {cuts[-1]}")
