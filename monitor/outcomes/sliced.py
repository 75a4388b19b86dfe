"""What labels say within slices, and between the groups of a protected column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from detectors.performance import compare
from monitor.config.model import ModelConfig
from monitor.events import IntArray
from monitor.findings import Finding, WindowResult
from monitor.outcomes.figures import calibration, figures, scores_of
from monitor.outcomes.groups import fairness_findings
from monitor.outcomes.judging import Judged, metrics_of, predicted, transforms
from monitor.outcomes.outcomes import ModelOutcomes
from monitor.outcomes.parts import MATURED, RUNNING, SlicedPart
from monitor.outcomes.sums import baseline_of_versions, of_slices
from monitor.outcomes.told import change_view, figure_view, told, told_change
from monitor.views import PerformanceView
from monitor.windows import Window


def judge_slices(
    outcomes: ModelOutcomes, part: SlicedPart, window: Window, version: str, judged: Sequence[Judged]
) -> list[PerformanceView]:
    """Return the views of the slices with enough labels; tell each window of differences between groups.

    A slice is compared with the same slice of the baseline. Groups are compared where the slicing is of one protected
    column; its missing values are no group.
    """
    base = baseline_of_versions(outcomes, part, version)
    chosen: list[tuple[WindowResult, int]] = []
    tables: list[IntArray] = []
    for one in judged:
        result = one.view.result
        vectors = of_slices(outcomes, part, version, result.start, result.end)
        one.findings += fairness_findings(part, vectors, outcomes.model.config)
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
