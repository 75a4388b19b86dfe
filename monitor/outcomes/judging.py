"""One window of one version → findings and what is shown beside them; a function of the counts alone.

Statuses rest on matured predictions, so that labels that come early for one class more than for another raise no alarm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from detectors.estimate.calibrator import Calibrator
from detectors.estimate.estimated import Light
from detectors.performance import Change, Estimate, compare
from monitor.config.model import ModelConfig
from monitor.events import DAY, IntArray
from monitor.findings import Finding, WindowResult
from monitor.outcomes.coverage import coverage_by_score, coverage_of
from monitor.outcomes.figures import (
    USUAL,
    Calibration,
    as_estimate,
    calibration,
    calibrator_of,
    confusion,
    estimates,
    figures,
    said_of_scores,
    scores_of,
)
from monitor.outcomes.judges import BinaryJudge, Judge
from monitor.outcomes.outcomes import ModelOutcomes
from monitor.outcomes.parts import MATURED, RUNNING, WholePart
from monitor.outcomes.sums import baseline_of, previous, total
from monitor.outcomes.told import NAN, OF_WINDOW, change_view, figure_view, told, told_change
from monitor.views import FigureView, PerformanceView, ReliabilityPoint
from monitor.windows import Window

_RECENT: Final = 7 * DAY
"""How far back matured predictions decide whether estimates hold."""
_LIGHTS: Final = {Light.HOLDS: "ok", Light.UNPROVEN: "insufficient", Light.BROKEN: "warn"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a part's figures are compared with: the matured table of a baseline, or numbers."""

    table: IntArray | None
    """``[1, size]``."""
    figures: Mapping[str, Estimate]
    numbers: Mapping[str, float]
    calibrator: Calibrator | None = None

    @classmethod
    def of(cls, judge: Judge, table: IntArray | None, numbers: Mapping[str, float]) -> Comparison:
        """Return it with the figures and the calibrator of the table."""
        if table is None or not table[0, 0]:
            return cls(None, {}, numbers)
        scored = scores_of(judge, table)
        return cls(table, figures(judge, table), numbers, None if scored is None else calibrator_of(*scored))

    def change(self, metric: str, figure: Estimate) -> tuple[Change, float] | None:
        """Return the change of a figure of J tables, and what it is compared with; ``None`` without a baseline."""
        if metric in self.numbers:
            return compare(figure, self.numbers[metric]), self.numbers[metric]
        if metric in self.figures:
            return compare(figure, self.figures[metric]), float(self.figures[metric].value[0])
        return None


def metrics_of(config: ModelConfig) -> tuple[str, ...]:
    """Return the figures that findings are made of."""
    chosen = config.performance.metrics
    return USUAL[config.task] if chosen is None else tuple(chosen)


def numbers_of(config: ModelConfig) -> Mapping[str, float]:
    """Return the numbers that figures are compared with, where the configuration gives them."""
    baseline = config.performance.baseline
    return baseline if isinstance(baseline, dict) else {}


def comparison_of(outcomes: ModelOutcomes, version: str) -> Comparison | None:
    """Return what the whole population of a version is compared with; ``None`` while nothing is counted."""
    part, config = outcomes.whole, outcomes.model.config
    if part is None:
        return None
    vector = baseline_of(outcomes, part.name, part.size)
    if config.performance.baseline == "previous_version":
        before = previous(outcomes, version)
        vector = None if before is None else total(outcomes, part.name, part.size, before)
    table = None if vector is None else part.table(vector[np.newaxis], MATURED)
    return Comparison.of(part.judge, table, numbers_of(config))


def judge_window(
    outcomes: ModelOutcomes, window: Window, version: str, start: int, against: Comparison
) -> PerformanceView | None:
    """Return what labels say of a window's whole population, with its findings; ``None`` where nothing was predicted.

    The revision is the number of rows (predictions, labels, corrections) that made the counts what they are.
    """
    part, config = outcomes.whole, outcomes.model.config
    if part is None:
        return None
    vector = total(outcomes, part.name, part.size, version, start, start + window.size)[np.newaxis]
    unlabelled, _, taken = (int(count) for count in part.ends(vector)[0])
    said = part.said(vector)
    predictions = _predicted(part, said)
    if not taken:
        return None
    running, matured = part.table(vector, RUNNING), part.table(vector, MATURED)
    result = WindowResult(
        config.name, version, "", window.name + OF_WINDOW, start, start + window.size, taken, predictions, ()
    )
    view = PerformanceView(
        result, window.name, predictions, int(running[0, 0]), int(matured[0, 0]), unlabelled,
        confusion=tuple(tuple(row) for row in confusion(part.judge, running)[0].tolist()),
    )  # fmt: skip
    view, findings = performance(view, part.judge, (running, matured), against, config)
    view, more = _covered(view, part, said, running)
    findings += more
    scored = scores_of(part.judge, matured if _enough(matured, config) else running)
    if scored is not None:
        view, more = _calibrated(view, scored, against, config)
        findings += more
        if config.performance.estimate_without_labels and against.calibrator is not None:
            since = total(outcomes, part.name, part.size, version, start - _RECENT, start + window.size)
            view, more = _estimated(view, part, said, since, against)
            findings += more
    return replace(view, result=replace(result, findings=tuple(findings)))


def performance(
    view: PerformanceView, judge: Judge, tables: tuple[IntArray, IntArray], against: Comparison, config: ModelConfig
) -> tuple[PerformanceView, list[Finding]]:
    """Return the view with its figures as known now, as matured, and with the change against the baseline."""
    running, final = (figures(judge, table) for table in tables)
    known = {name: figure_view(figure) for name, figure in running.items()}
    matured = {name: figure_view(figure) for name, figure in final.items()}
    changes: dict[str, FigureView] = {}
    findings: list[Finding] = []
    enough, share = config.performance.min_labels, f"{view.labelled} of {view.predictions} predictions labelled"
    for metric in metrics_of(config):
        if metric not in running:
            continue
        findings.append(told(metric, "performance", known[metric], enough, share))
        findings.append(told(metric, "performance_matured", matured[metric], enough, "judged for good"))
        found = against.change(metric, final[metric])
        if found is not None:
            change, base = found
            changes[metric] = change_view(change)
            findings.append(told_change(metric, change, matured[metric], base, config.performance))
    return replace(view, running=known, final=matured, changes=changes), findings


def calibration_findings(
    found: Calibration, config: ModelConfig, metrics: tuple[str, ...] = (), place: int = 0
) -> Iterator[Finding]:
    """Yield the figures of calibration; the error is in drift beyond ``alert_ece`` and beyond chance."""
    enough, limit = config.performance.min_labels, config.calibration.alert_ece
    chance = float(found.figures["ece_of_chance"].high[place])
    for name, figure in found.figures.items():
        if metrics and name not in metrics:
            continue
        view = figure_view(as_estimate(figure), place)
        if name == "ece":
            threshold = chance if limit is None else max(chance, limit)
            status = "drift" if limit is not None and view.value >= threshold else "ok"
            if limit is None and view.low > chance:
                status = "warn"
            yield told(name, "calibration", view, enough, f"{chance:.4g} by chance", status, NAN, threshold)
        elif name == "spiegelhalter_z":
            yield told(name, "calibration", view, enough, p_value=float(found.p_value[place]))
        else:
            yield told(name, "calibration", view, enough)


def _covered(
    view: PerformanceView, part: WholePart, said: IntArray, running: IntArray
) -> tuple[PerformanceView, list[Finding]]:
    covered = figure_view(coverage_of(running[:, 0], np.array([view.predictions])))
    findings = [told("labels", "coverage", covered, 1)]
    scored = scores_of(part.judge, running)
    if scored is not None:
        found = coverage_by_score(*scored, said_of_scores(part.judge, said))
        if found is not None:
            findings.append(found)
    return replace(view, coverage=covered), findings


def _calibrated(
    view: PerformanceView, scored: tuple[BinaryJudge, IntArray], against: Comparison, config: ModelConfig
) -> tuple[PerformanceView, list[Finding]]:
    judge, table = scored
    base = None if against.table is None else scores_of_same(judge, against.table)
    found = calibration(judge, table, base, config.calibration.bins)
    diagram = found.diagram
    points = tuple(
        ReliabilityPoint(
            score=float(diagram.score[0, place]),
            rate=float(diagram.rate[0, place]),
            low=float(diagram.low[0, place]),
            high=float(diagram.high[0, place]),
            n=int(diagram.n[0, place]),
        )
        for place in range(diagram.n.shape[1])
    )
    shown = {name: figure_view(as_estimate(figure)) for name, figure in found.figures.items()}
    return replace(view, calibration=shown, reliability=points), list(calibration_findings(found, config))


def scores_of_same(judge: BinaryJudge, table: IntArray) -> IntArray:
    """Return the part of a whole table that a judge of scores counts: its last cells."""
    return table[:, -judge.size :]


def _estimated(
    view: PerformanceView, part: WholePart, said: IntArray, since: IntArray, against: Comparison
) -> tuple[PerformanceView, list[Finding]]:
    matured = part.table(since[np.newaxis], MATURED)
    scored = scores_of(part.judge, matured)
    if scored is None or against.calibrator is None:
        return view, []
    judge, recent = scored
    found = estimates(judge, said_of_scores(part.judge, said), against.calibrator, recent)
    light = Light(int(found.light[0]))
    shown = {
        name: FigureView(float(one.value[0]), float(one.low[0]), float(one.high[0]), int(one.n[0]))
        for name, one in found.figures.items()
    }
    note = f"estimated before labels, {light.name.lower()}"
    findings = [
        told(name, "estimate", figure, 1, note, _LIGHTS[light])
        for name, figure in shown.items()
        if not name.endswith(("positives", "negatives"))
    ]
    unsupported = float(found.unsupported[0])
    return replace(view, estimated=shown, light=light.name.lower(), unsupported=unsupported), findings


def _predicted(part: WholePart, said: IntArray) -> int:
    """Return how many predictions there are; classes of several are counted once, their scores beside."""
    return int(said[0, : len(said[0]) - scores_said(part.judge)].sum())


def scores_said(judge: Judge) -> int:
    """Return how many cells count predictions a second time."""
    found = getattr(judge, "confidence", None)
    return 0 if found is None else int(found.said)


def _enough(matured: IntArray, config: ModelConfig) -> bool:
    return int(matured[0, 0]) >= config.performance.min_labels
