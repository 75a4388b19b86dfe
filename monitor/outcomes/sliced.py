"""What labels say within slices, and between the groups of a protected column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from detectors.fairness import Disparity, demographic_parity, equalised_odds
from detectors.performance import compare
from monitor.config.model import ModelConfig
from monitor.events import IntArray
from monitor.findings import Finding, WindowResult
from monitor.outcomes.figures import calibration, figures, said_by_bin, scores_of
from monitor.outcomes.judges import BinaryJudge
from monitor.outcomes.judging import Judged, metrics_of, predicted, transforms
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
    outcomes: ModelOutcomes, part: SlicedPart, window: Window, version: str, judged: Sequence[Judged]
) -> list[PerformanceView]:
    """Return the views of the slices with enough labels; tell each window of differences between groups.

    A slice is compared with the same slice of the baseline. Groups are compared where the slicing is of one protected
    column; its missing values are no group.
    """
    base = _baseline(outcomes, part, version)
    chosen: list[tuple[WindowResult, int]] = []
    tables: list[IntArray] = []
    for one in judged:
        result = one.view.result
        vectors = of_slices(outcomes, part, version, result.start, result.end)
        one.findings += _fairness(part, vectors, outcomes.model.config)
        enough = np.flatnonzero(part.table(vectors, RUNNING)[:, 0] >= part.slicing.min_samples)
        chosen += [(result, place) for place in enough.tolist()]
        tables.append(vectors[enough])
    if not chosen:
        return []
    vectors = np.concatenate(tables)
    before = None if base is None else part.table(base, MATURED)[[place for _, place in chosen]]
    counts = (part.table(vectors, RUNNING), part.table(vectors, MATURED), before)
    predictions = predicted(part.judge, part.said(vectors)).tolist()
    views = []
    for found, (result, place), number in zip(
        _slices(part, counts, outcomes.model.config), chosen, predictions, strict=True
    ):
        own = replace(result, slice=part.slicing.labels[place], n=number, findings=tuple(found.findings))
        views.append(PerformanceView(own, window.name, number, *found.labelled, 0, **found.shown))
    return views


def _baseline(outcomes: ModelOutcomes, part: SlicedPart, version: str) -> IntArray | None:
    if outcomes.model.config.performance.baseline != "previous_version":
        return baseline_of_slices(outcomes, part)
    before = previous(outcomes, version)
    return None if before is None else of_slices(outcomes, part, before)


@dataclass(frozen=True, slots=True)
class _Slice:
    """What is shown of one slice."""

    labelled: tuple[int, int]
    """Rows with a label now, and rows judged for good."""
    shown: dict[str, Any]
    findings: list[Finding]


def _slices(
    part: SlicedPart, tables: tuple[IntArray, IntArray, IntArray | None], config: ModelConfig
) -> Iterator[_Slice]:
    """Yield the figures of each slice ``[J, size]``; all are computed together."""
    running, matured, base = tables
    now, final = figures(part.judge, running), figures(part.judge, matured)
    before = {} if base is None else figures(part.judge, base)
    metrics = [metric for metric in metrics_of(config) if metric in now]
    against = {metric: compare(final[metric], before[metric]) for metric in metrics if metric in before}
    settings = config.performance.model_copy(update={"min_labels": part.slicing.min_samples})
    scored = scores_of(part.judge, running)
    errors = {} if scored is None else calibration(*scored, None, config.calibration.bins).figures
    pits = dict(enumerate(transforms(part.judge, matured, base, settings.min_labels)))
    for place in range(len(running)):
        known = {name: figure_view(figure, place) for name, figure in now.items()}
        done = {name: figure_view(figure, place) for name, figure in final.items()}
        changes = {metric: change_view(change, place) for metric, change in against.items()}
        found = []
        for metric in metrics:
            found.append(told(metric, "performance", known[metric], settings.min_labels))
            found.append(told(metric, "performance_matured", done[metric], settings.min_labels, "judged for good"))
            if metric in against:
                value = float(before[metric].value[place])
                found.append(told_change(metric, against[metric], done[metric], value, settings, place))
        shown = {name: figure_view(figure, place) for name, figure in errors.items()}
        if "ece" in shown:
            found.append(told("ece", "calibration", shown["ece"], settings.min_labels))
        if place in pits:
            shown["pit"], finding = pits[place]
            found.append(finding)
        figures_of = {"running": known, "final": done, "changes": changes, "calibration": shown}
        yield _Slice((int(running[place, 0]), int(matured[place, 0])), figures_of, found)


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
    tables = part.table(vectors, RUNNING)[kept][:, : judge.table.size]
    confusion = judge.table.cells(tables)["confusion"].reshape(1, len(kept), 4)
    names = [labels[place] for place in kept]
    for name, found in (("demographic_parity", shares), ("equalised_odds", equalised_odds(confusion))):
        yield from _told(columns[0], name, found, names)


def _told(column: str, name: str, found: Disparity, groups: list[str]) -> Iterator[Finding]:
    low, high = (int(place) for place in found.worst[0])
    note = "" if low < 0 else f"between {groups[low]} and {groups[high]}"
    difference, ratio = figure_view(found.difference), figure_view(found.ratio)
    unequal = "warn" if difference.low > _APART else "ok"
    yield told(column, name, difference, 1, note, unequal, threshold=_APART)
    unequal = "warn" if ratio.high < _FOUR_FIFTHS else "ok"
    yield told(column, f"{name}_ratio", ratio, 1, note, unequal, threshold=_FOUR_FIFTHS)
