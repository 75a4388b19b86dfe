"""A closed window → findings: every configured statistic of every column against the reference.

A column is in drift when its statistic exceeds its threshold and, where the statistic has a p-value, the p-value stands
after the correction over all columns of the same detector. The threshold is the larger of what the operator set and
what chance alone would reach at these sample sizes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Final

import numpy as np

from detectors.correction import benjamini_hochberg, bonferroni
from detectors.registry import STATISTICS
from monitor.closing import restated_rows
from monitor.config.model import DetectorConfig
from monitor.coverage import covered_since
from monitor.events import HOUR, FloatArray, IntArray
from monitor.figures import window_view
from monitor.findings import Finding, WindowResult
from monitor.frames import Frame
from monitor.model import Model
from monitor.monitors import Monitor, monitors_of
from monitor.new_columns import new_column_findings
from monitor.panel import Figures, Panel
from monitor.panes import PaneKey
from monitor.partition import Partition
from monitor.peers import peer_findings
from monitor.slice_monitors import SliceCounts, slice_monitors
from monitor.vanished import vanished_findings
from monitor.views import WindowView
from monitor.volumes import VOLUME, volume_findings
from monitor.windows import Window

_CORRECTIONS: Final = {"benjamini_hochberg": benjamini_hochberg, "bonferroni": bonferroni}
_BLOCK_BYTES: Final = 64 << 20
_SHOWN_WINDOWS: Final = 7
"""Lengths of a window after which what has no rows any more is no longer shown."""
_MOST_PANELS: Final = 256


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
    _panels: dict[tuple[str, str], list[Panel]] = field(default_factory=dict)
    _frames: dict[tuple[str, str], Frame | None] = field(default_factory=dict)

    def evaluate(self, model: Model, version: str, window_name: str, start: int) -> list[WindowResult]:
        """Return the results of one window: of the whole population, then of every slice that has rows.

        The revision is the number of rows that came after the window's end.
        """
        window = next(window for window in model.windows.windows if window.name == window_name)
        counts = self.sum(model, version, window, start)
        rows = int(counts[0])
        panels = self._panels.get((model.config.name, version))
        if panels is None:
            if len(self._panels) >= _MOST_PANELS:
                self._panels.clear()
            panels = self._panels[model.config.name, version] = panels_of(model, version)
        whole = (
            *findings_of(model, version, window, counts, panels),
            *vanished_findings(model, version, window, counts),
            *new_column_findings(model, version, window, start, rows, self.partitions.values()),
            *self._of_all_versions(model, version, window, start, rows),
        )
        result = WindowResult(
            model=model.config.name,
            version=version,
            slice="",
            window=window_name,
            start=start,
            end=start + window.size,
            revision=restated_rows(self.partitions, model.config.name, version, window_name, start),
            n=rows,
            findings=whole,
        )
        self.show(self._framed(model, window_view(result, model.layout, counts), counts))
        results = [result]
        for slicing in model.layout.slicings:
            part = SliceCounts.of(model, slicing, counts)
            for place, findings in slice_findings(model, version, window, counts, part):
                sliced = replace(result, slice=slicing.labels[place], n=int(part.rows[place]), findings=tuple(findings))
                self.show(part.view(model, sliced, place))
                results.append(sliced)
        return results

    def _framed(self, model: Model, view: WindowView, counts: IntArray) -> WindowView:
        """Return the view with the counts that are drawn."""
        key = (view.result.model, view.result.version)
        if key not in self._frames:
            if len(self._frames) >= _MOST_PANELS:
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
        for version in [key for key in self._panels if key[0] == model]:
            del self._panels[version]
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


def panels_of(model: Model, version: str) -> list[Panel]:
    """Return what each of the model's detectors compares for one version; nothing while there is no reference."""
    if model.reference is None:
        return []
    return [Panel(monitors_of(model, version, detector)) for detector in model.config.statistics]


def findings_of(
    model: Model, version: str, window: Window, counts: IntArray, panels: Sequence[Panel] | None = None
) -> tuple[Finding, ...]:
    """Return the findings of one window's counts; none while there is no reference.

    ``panels`` are those of the model and version, if they were made before.
    """
    if model.reference is None:
        return ()
    findings: list[Finding] = []
    chosen = panels_of(model, version) if panels is None else panels
    for detector, panel in zip(model.config.statistics, chosen, strict=True):
        if detector.window in {None, window.name}:
            findings.extend(_detect(panel, detector, window, counts))
    findings.extend(peer_findings(model, version, window, counts))
    return tuple(findings)


def _detect(panel: Panel, detector: DetectorConfig, window: Window, counts: IntArray) -> Sequence[Finding]:
    if not panel.monitors:
        return ()
    if int(counts[0]) < window.min_samples:
        return [insufficient(monitor, detector) for monitor in panel.monitors]
    return judge(panel, detector, counts, window.min_samples)


def slice_findings(
    model: Model, version: str, window: Window, counts: IntArray, part: SliceCounts
) -> Iterator[tuple[int, list[Finding]]]:
    """Yield every slice that has rows with its findings, none where rows or the reference do not suffice.

    P-values are corrected over the slices of one slicing.
    """
    found: dict[int, list[Finding]] = {place: [] for place in np.flatnonzero(part.rows).tolist()}
    for detector in model.config.statistics:
        if detector.window not in {None, window.name}:
            continue
        placed = slice_monitors(model, version, detector, part)
        findings = judge(Panel([monitor for _, monitor in placed]), detector, counts, part.slicing.min_samples)
        for (place, _), finding in zip(placed, findings, strict=True):
            found[place].append(finding)
    yield from found.items()


def judge(panel: Panel, detector: DetectorConfig, counts: IntArray, min_samples: int) -> list[Finding]:
    """Return the finding of every monitor, p-values corrected over all of them."""
    scored = panel.score(detector, counts)
    p_values = _corrected(np.array([figures.p_value for figures in scored]), detector).tolist()
    return [
        _finding(monitor, detector, figures, p_value, min_samples)
        for monitor, figures, p_value in zip(panel.monitors, scored, p_values, strict=True)
    ]


def insufficient(monitor: Monitor, detector: DetectorConfig) -> Finding:
    """Return the finding of a window with too few rows to say anything."""
    nan = float("nan")
    return Finding(monitor.column, monitor.kind, nan, nan, nan, nan, nan, detector.alert or nan, "insufficient", 0, "")


def _corrected(p_values: FloatArray, detector: DetectorConfig) -> FloatArray:
    correct = _CORRECTIONS.get(detector.correction)
    return p_values if correct is None else correct(p_values)


def _finding(
    monitor: Monitor, detector: DetectorConfig, figures: Figures, corrected: float, min_samples: int
) -> Finding:
    value, effect, band = figures.statistic, figures.effect, figures.threshold
    limit = STATISTICS[detector.kind]
    chance = band if limit.grows else value - effect
    alert, warn = (
        band if bound is None or limit.grows else max(band, bound + max(chance, 0.0))
        for bound in (detector.alert, detector.warn if detector.warn is not None else detector.alert)
    )
    if figures.n < min_samples or not isfinite(value):
        status = "insufficient"
    elif (isfinite(corrected) and corrected > detector.alpha) or value < warn:
        status = "ok"
    elif limit.grows and detector.alert is not None and effect < detector.alert:
        status = "warn" if detector.warn is not None and effect >= detector.warn else "ok"
    else:
        status = "drift" if value >= alert else "warn"
    return Finding(
        column=monitor.column,
        detector=monitor.kind,
        statistic=value,
        effect=effect,
        low=figures.low,
        high=figures.high,
        p_value=figures.p_value,
        threshold=alert,
        status=status,
        direction=figures.direction,
        explanation=monitor.explain(value, figures.direction),
    )
