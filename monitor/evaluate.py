"""Closed windows → results: counts summed over partitions and tiers, judged, and shown.

Windows are taken a few at a time, so that those alike are judged in one go.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, TypeAlias

import numpy as np

from monitor.closing import restated_rows
from monitor.coverage import covered_since
from monitor.discrepancies import discrepancies
from monitor.events import HOUR, IntArray
from monitor.figures import window_view
from monitor.findings import Finding, WindowResult
from monitor.frames import Frame
from monitor.judging import Bench
from monitor.model import Model
from monitor.new_columns import new_column_findings
from monitor.panes import PaneKey
from monitor.partition import Partition
from monitor.peers import peer_findings
from monitor.slice_monitors import SliceCounts
from monitor.vanished import vanished_findings
from monitor.views import WindowView
from monitor.volumes import VOLUME, volume_findings
from monitor.windows import Window

Due: TypeAlias = tuple[str, str, int]
"""Name of the window, version, start."""
_BLOCK_BYTES: Final = 64 << 20
_SHOWN_WINDOWS: Final = 7
"""Lengths of a window after which what has no rows any more is no longer shown."""
_CELLS_AT_ONCE: Final = 1 << 17
"""Counts that are judged in one go: enough that calls cost little, few enough that their working space does."""
_MOST_BENCHES: Final = 256


class _Judged(NamedTuple):
    """The counts of a window, and what the detectors say of them."""

    counts: IntArray
    findings: list[Finding]
    slices: list[tuple[SliceCounts, dict[int, list[Finding]]]]


@dataclass(slots=True)
class Evaluator:
    """Evaluates windows over all partitions. Pure in the counts: the same counts give the same result.

    But for unknown fields, of which the model remembers the first window that told of them.
    """

    partitions: Mapping[int, Partition]
    latest: dict[tuple[str, str, str, str], WindowView] = field(default_factory=dict)
    """(model, version, slice, window) → the last window that was evaluated, with what is shown beside it."""
    _blocks: OrderedDict[tuple[str, str, int, tuple[int, ...]], IntArray] = field(default_factory=OrderedDict)
    _bytes: int = 0
    _benches: dict[tuple[str, str], Bench] = field(default_factory=dict)
    _frames: dict[tuple[str, str], Frame | None] = field(default_factory=dict)

    def evaluate(self, model: Model, due: Sequence[Due]) -> Iterator[WindowResult]:
        """Yield the results of windows in their order: each of the whole population, then of every slice with rows.

        The revision is the number of rows that came after the window's end.
        """
        at_once = max(1, _CELLS_AT_ONCE // model.layout.size)
        for first in range(0, len(due), at_once):
            part = due[first : first + at_once]
            judged = self._judged(model, part)
            for window in part:
                yield from self._assembled(model, window, judged[window])

    def _judged(self, model: Model, due: Sequence[Due]) -> dict[Due, _Judged]:
        """Return the counts of windows with what the detectors say; those alike are judged side by side."""
        alike: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for name, version, start in due:
            alike[name, version].append(start)
        judged = {}
        for (name, version), starts in alike.items():
            window = model.windows.named(name)
            tables = np.stack([self.sum(model, version, window, start) for start in starts])
            bench = self._bench(model, version)
            findings = bench.findings(window, tables)
            parts: list[list[tuple[SliceCounts, dict[int, list[Finding]]]]] = [[] for _ in starts]
            for slicing in model.layout.slicings:
                counts = [SliceCounts.of(model, slicing, table) for table in tables]
                rows = np.stack([one.rows for one in counts])
                sliced = bench.slice_findings(window, slicing, tables, rows)
                for mine, one, found in zip(parts, counts, sliced, strict=True):
                    mine.append((one, found))
            for start, *rest in zip(starts, tables, findings, parts, strict=True):
                judged[name, version, start] = _Judged(*rest)
        return judged

    def _bench(self, model: Model, version: str) -> Bench:
        key = (model.config.name, version)
        if key not in self._benches:
            if len(self._benches) >= _MOST_BENCHES:
                self._benches.clear()
            self._benches[key] = Bench(model, version)
        return self._benches[key]

    def _assembled(self, model: Model, due: Due, judged: _Judged) -> Iterator[WindowResult]:
        name, version, start = due
        window, counts = model.windows.named(name), judged.counts
        rows = int(counts[0])
        whole = (
            *judged.findings,
            *discrepancies(model, version, window, counts),
            *peer_findings(model, version, window, counts),
            *vanished_findings(model, version, window, counts),
            *new_column_findings(model, version, window, start, rows, self.partitions.values()),
            *self._of_all_versions(model, version, window, start, rows),
        )
        result = WindowResult(
            model=model.config.name,
            version=version,
            slice="",
            window=name,
            start=start,
            end=start + window.size,
            revision=restated_rows(self.partitions, model.config.name, version, name, start),
            n=rows,
            findings=whole,
        )
        self.show(self._framed(model, window_view(result, model.layout, counts), counts))
        yield result
        for part, found in judged.slices:
            for place, findings in found.items():
                label = part.slicing.labels[place]
                sliced = replace(result, slice=label, n=int(part.rows[place]), findings=tuple(findings))
                self.show(part.view(model, sliced, place))
                yield sliced

    def _framed(self, model: Model, view: WindowView, counts: IntArray) -> WindowView:
        """Return the view with the counts that are drawn."""
        key = (view.result.model, view.result.version)
        if key not in self._frames:
            if len(self._frames) >= _MOST_BENCHES:
                self._frames.clear()
            self._frames[key] = Frame.of(model, view.result.version)
        frame = self._frames[key]
        return view if frame is None else replace(view, frame=frame.view, counts=frame.fold(counts))

    def show(self, view: WindowView) -> None:
        """Take a window as the latest of its version and slice, if it is."""
        result = view.result
        key = (result.model, result.version, result.slice, result.window)
        shown = self.latest.get(key)
        if shown is None or shown.result.start <= result.start:
            self.latest[key] = view

    def forget_old(self, model: str, windows: Collection[str]) -> None:
        """Show no more of versions and slices that the newest windows of these names do not have."""
        own = {key: view.result for key, view in self.latest.items() if key[0] == model and key[3] in windows}
        newest: dict[str, int] = {}
        for key, result in own.items():
            newest[key[3]] = max(newest.get(key[3], result.end), result.end)
        for key, result in own.items():
            if result.end <= newest[key[3]] - _SHOWN_WINDOWS * (result.end - result.start):
                del self.latest[key]

    def _of_all_versions(self, model: Model, version: str, window: Window, start: int, rows: int) -> Iterable[Finding]:
        """Return the findings on volume, in the results of the versions that have rows; in all when none has any."""
        if not model.config.detectors_on(VOLUME) or not self._is_whole(model, start, start + window.size):
            return ()
        names = {name for partition in self.partitions.values() for name in partition.shelf.versions(model.config.name)}
        others = sum(int(self.sum(model, name, window, start)[0]) for name in names - {version})
        return volume_findings(model, window, start, rows + others) if rows or not others else ()

    def _is_whole(self, model: Model, start: int, end: int) -> bool:
        """Return whether reading had begun before a window and event time has passed its end."""
        since = covered_since(model.config.name, self.partitions.values())
        return since is not None and since <= start and model.last_time is not None and end <= model.last_time

    def sum(self, model: Model, version: str, window: Window, start: int) -> IntArray:
        """Return the counts of a window over all partitions and tiers."""
        levels = model.windows.tiers.of_window(window)
        total = np.zeros(model.layout.size, np.int64)
        if window.grain() % HOUR:
            return self._add(total, model, version, levels, start, start + window.size)
        for hour in range(start, start + window.size, HOUR):
            if (block := self._hour(model, version, hour, levels)) is not None:
                total += block
        return total

    def forget(self, panes: Iterable[PaneKey]) -> None:
        """Drop the sums over panes that changed."""
        changed = {(key.model, key.version, key.start // HOUR * HOUR) for key in panes}
        for block in [block for block in self._blocks if block[:3] in changed]:
            self._bytes -= self._blocks.pop(block).nbytes

    def clear(self, model: str) -> None:
        """Drop all sums of a model, and what it was compared with."""
        for version in [key for key in self._benches if key[0] == model]:
            del self._benches[version]
        for version in [key for key in self._frames if key[0] == model]:
            del self._frames[version]
        for block in [block for block in self._blocks if block[0] == model]:
            self._bytes -= self._blocks.pop(block).nbytes

    def _hour(self, model: Model, version: str, hour: int, levels: tuple[int, ...]) -> IntArray | None:
        key = (model.config.name, version, hour, levels)
        block = self._blocks.get(key)
        if block is None:
            block = self._add(np.zeros(model.layout.size, np.int64), model, version, levels, hour, hour + HOUR)
            self._keep(key, block, model.windows.longest)
            while self._bytes > _BLOCK_BYTES and len(self._blocks) > 1:
                self._bytes -= self._blocks.popitem(last=False)[1].nbytes
        else:
            self._blocks.move_to_end(key)
        return block

    def _keep(self, key: tuple[str, str, int, tuple[int, ...]], block: IntArray, longest: int) -> None:
        """Keep a sum, and none of the same model and version that the newest windows do not hold."""
        alike = [other for other in self._blocks if other[:2] == key[:2]]
        oldest = max(key[2], *(other[2] for other in alike)) - longest if alike else key[2]
        for old in alike:
            if old[2] < oldest:
                self._bytes -= self._blocks.pop(old).nbytes
        if key[2] < oldest:
            return
        self._blocks[key] = block
        self._bytes += block.nbytes

    def _add(
        self, total: IntArray, model: Model, version: str, levels: tuple[int, ...], first: int, last: int
    ) -> IntArray:
        for partition in self.partitions.values():
            for level in levels:
                for key in partition.shelf.keys(model.config.name, version, level, first, last):
                    pane = partition.shelf.find(key)
                    if pane is not None:
                        total += pane.on_time
                        if pane.late is not None:
                            total += pane.late
        return total
