"""What labels say within slices, and between the groups of a protected column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from detectors.fairness import Disparity, demographic_parity, equalised_odds
from detectors.performance import compare
from monitor.config.model import ModelConfig
from monitor.events import IntArray
from monitor.findings import Finding, WindowResult
from monitor.outcomes.figures import as_estimate, calibration, figures, said_by_bin, scores_of
from monitor.outcomes.judges import BinaryJudge
from monitor.outcomes.judging import metrics_of
from monitor.outcomes.outcomes import ModelOutcomes
from monitor.outcomes.parts import MATURED, RUNNING, SlicedPart
from monitor.outcomes.sums import baseline_of_slices, of_slices, previous
from monitor.outcomes.told import change_view, figure_view, told, told_change
from monitor.views import PerformanceView
from monitor.windows import Window

_FOUR_FIFTHS: Final = 0.8
_APART: Final = 0.1
_NO_GROUP: Final = "(missing)"


def judge_slices(
    outcomes: ModelOutcomes, part: SlicedPart, window: Window, version: str, whole: PerformanceView
) -> tuple[list[PerformanceView], list[Finding]]:
    """Return the views of the slices with enough labels, and what the whole says of differences between groups.

    A slice is compared with the same slice of the baseline. Groups are compared where the slicing is of one protected
    column; its missing values are no group.
    """
    start = whole.result.start
    vectors = of_slices(outcomes, part, version, start, start + window.size)
    running, matured = part.table(vectors, RUNNING), part.table(vectors, MATURED)
    config = outcomes.model.config
    findings = list(_fairness(part, vectors, config))
    enough = np.flatnonzero(running[:, 0] >= part.slicing.min_samples)
    if not len(enough):
        return [], findings
    base = _baseline(outcomes, part, version)
    tables = (running[enough], matured[enough], None if base is None else part.table(base, MATURED)[enough])
    predictions = part.said(vectors)[enough].sum(axis=1)
    result = whole.result
    views = []
    for place, (view, found) in enumerate(_slices(part, tables, result, config, window.name)):
        label = part.slicing.labels[int(enough[place])]
        own = replace(result, slice=label, n=int(predictions[place]), findings=tuple(found))
        views.append(replace(view, result=own, predictions=int(predictions[place])))
    return views, findings


def _baseline(outcomes: ModelOutcomes, part: SlicedPart, version: str) -> IntArray | None:
    if outcomes.model.config.performance.baseline != "previous_version":
        return baseline_of_slices(outcomes, part)
    before = previous(outcomes, version)
    return None if before is None else of_slices(outcomes, part, before)


def _slices(
    part: SlicedPart,
    tables: tuple[IntArray, IntArray, IntArray | None],
    result: WindowResult,
    config: ModelConfig,
    window: str,
) -> Iterator[tuple[PerformanceView, list[Finding]]]:
    """Yield the figures of each slice ``[J, size]``; all are computed together."""
    running, matured, base = tables
    now, final = figures(part.judge, running), figures(part.judge, matured)
    before = {} if base is None else figures(part.judge, base)
    settings = config.performance.model_copy(update={"min_labels": part.slicing.min_samples})
    scored = scores_of(part.judge, running)
    errors = None if scored is None else calibration(*scored, None, config.calibration.bins).figures
    for place in range(len(running)):
        known = {name: figure_view(figure, place) for name, figure in now.items()}
        done = {name: figure_view(figure, place) for name, figure in final.items()}
        view = PerformanceView(result, window, 0, int(running[place, 0]), int(matured[place, 0]), 0, known, done)
        found, changes = [], {}
        for metric in metrics_of(config):
            if metric not in now:
                continue
            found.append(told(metric, "performance", known[metric], settings.min_labels))
            if metric in before:
                change = compare(final[metric], before[metric])
                value = float(before[metric].value[place])
                changes[metric] = change_view(change, place)
                found.append(told_change(metric, change, done[metric], value, settings, place))
        if errors is not None:
            shown = {name: figure_view(as_estimate(figure), place) for name, figure in errors.items()}
            view = replace(view, calibration=shown)
            found.append(told("ece", "calibration", shown["ece"], settings.min_labels))
        yield replace(view, changes=changes), found


def _fairness(part: SlicedPart, vectors: IntArray, config: ModelConfig) -> Iterator[Finding]:
    """Yield how far apart the groups of a protected column are: shares flagged, and rates of errors among labelled."""
    columns = part.slicing.columns
    protected = len(columns) == 1 and columns[0] in config.features and config.features[columns[0]].protected
    judge = part.judge
    if not protected or not isinstance(judge, BinaryJudge) or judge.top:
        return
    groups = len(part.slicing.labels)
    labels = part.slicing.labels
    kept = np.array([label for label in range(groups) if not labels[label].endswith(_NO_GROUP)])
    said = part.said(vectors)[kept]
    both = said_by_bin(judge, said).sum(axis=2) + said[:, -3:-1]
    shares = demographic_parity(both[np.newaxis, :, 1], both.sum(axis=1)[np.newaxis])
    confusion = judge.table.cells(part.table(vectors, RUNNING)[kept][:, :-1])["confusion"].reshape(1, len(kept), 4)
    names = [labels[place] for place in kept]
    for name, found in (("demographic_parity", shares), ("equalised_odds", equalised_odds(confusion))):
        yield from _told(columns[0], name, found, names)


def _told(column: str, name: str, found: Disparity, groups: list[str]) -> Iterator[Finding]:
    low, high = (int(place) for place in found.worst[0])
    note = "" if low < 0 else f"between {groups[low]} and {groups[high]}"
    difference, ratio = figure_view(as_estimate(found.difference)), figure_view(as_estimate(found.ratio))
    unequal = "warn" if difference.low > _APART else "ok"
    yield told(column, name, difference, 1, note, unequal, threshold=_APART)
    unequal = "warn" if ratio.high < _FOUR_FIFTHS else "ok"
    yield told(column, f"{name}_ratio", ratio, 1, note, unequal, threshold=_FOUR_FIFTHS)
