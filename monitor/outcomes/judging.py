"""One window of one version → findings and what is shown beside them; a function of the counts alone.

Statuses rest on matured predictions, so that labels that come early for one class more than for another raise no alarm.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from detectors.estimate.calibrator import Calibrator
from detectors.estimate.estimated import Light
from detectors.performance import Change, Estimate, compare
from monitor.config.model import ModelConfig
from monitor.config.performance_checks import at_threshold, is_weighted, ranks_of, weighted_figures
from monitor.config.score_checks import distribution_of
from monitor.events import DAY, IntArray
from monitor.findings import Finding, WindowResult
from monitor.outcomes.coverage import coverage_by_score, coverage_of
from monitor.outcomes.figures import (
    USUAL,
    Calibration,
    calibration,
    calibration_of_classes,
    calibrator_of,
    calibrators_of,
    class_names,
    confusion,
    estimates,
    estimates_of_classes,
    figures,
    said_of_scores,
    scores_of,
)
from monitor.outcomes.judges import SAID_NUMBERS, Judge, MulticlassJudge, RegressionJudge
from monitor.outcomes.outcomes import ModelOutcomes
from monitor.outcomes.parts import MATURED, RUNNING, WholePart
from monitor.outcomes.sums import baseline_of, previous, total
from monitor.outcomes.told import (
    LIGHTS,
    NAN,
    OF_WINDOW,
    SURE,
    change_view,
    figure_view,
    told,
    told_change,
    told_estimate,
)
from monitor.views import FigureView, PerformanceView, ReliabilityPoint
from monitor.windows import Window

_AT_THRESHOLDS: Final = ("precision", "recall", "f1", "flagged_share")
_PIT_APART: Final = 0.1
"""Total variation distance from which on a transform is far from the baseline's."""
_RECENT: Final = 7 * DAY
"""How far back matured predictions decide whether estimates hold."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a part's figures are compared with: the matured table of a baseline, or numbers."""

    table: IntArray | None
    """``[1, size]``."""
    figures: Mapping[str, Estimate]
    numbers: Mapping[str, float]
    calibrator: Calibrator | None = None
    of_classes: Sequence[Calibrator] = ()
    """One a class, where all have scores."""

    @classmethod
    def of(cls, judge: Judge, table: IntArray | None, numbers: Mapping[str, float]) -> Comparison:
        """Return it with the figures and the calibrator of the table."""
        if table is None or not table[0, 0]:
            return cls(None, {}, numbers)
        scored = scores_of(judge, table)
        calibrator = None if scored is None else calibrator_of(*scored)
        return cls(table, figures(judge, table), numbers, calibrator, calibrators_of(judge, table))

    def base(self, metric: str) -> FigureView | None:
        """Return what a figure is compared with; ``None`` without a baseline."""
        if metric in self.numbers:
            return FigureView(self.numbers[metric], NAN, NAN, 0)
        return figure_view(self.figures[metric]) if metric in self.figures else None

    def change(self, metric: str, found: Mapping[str, Estimate]) -> tuple[Change, float] | None:
        """Return the change of a figure of J tables, and what it is compared with; ``None`` without a baseline."""
        figure = found[metric]
        if metric in self.numbers:
            return compare(figure, self.numbers[metric]), self.numbers[metric]
        if metric in self.figures:
            return compare(figure, self.figures[metric]), float(self.figures[metric].value[0])
        return None


def metrics_of(config: ModelConfig) -> tuple[str, ...]:
    """Return the figures that findings are made of."""
    chosen = config.performance.metrics
    return (*USUAL[config.task], *_asked_for(config)) if chosen is None else tuple(chosen)


def _asked_for(config: ModelConfig) -> Iterator[str]:
    """Yield the figures that follow from what the configuration says beside ``metrics``."""
    settings = config.performance
    if config.has_scores:
        yield "log_loss"
        yield from (f"top_{top}_accuracy" for top in ranks_of(config))
    if config.task == "binary_classification":
        yield from ("cost",) if settings.cost is not None else ()
        yield from (f"{name}_at_{top:g}" for top in settings.tops or () for name in ("capture", "lift"))
        for threshold in settings.thresholds:
            yield from (at_threshold(name, threshold) for name in _AT_THRESHOLDS)
            yield from (at_threshold("cost", threshold),) if settings.cost is not None else ()
    if config.task == "ranking":
        yield from (f"{name}_at_{top}" for top in ranks_of(config) for name in ("precision", "recall", "ndcg"))
    if is_weighted(config):
        yield from weighted_figures(config)
    claims = distribution_of(config)
    if claims is not None:
        yield from (name for name in claims.figures(np.zeros((1, claims.size), np.int64)) if name != "interval_excess")


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


@dataclass(slots=True)
class Judged:
    """One window on its way to a view: what is shown of it so far, and its findings."""

    view: PerformanceView
    findings: list[Finding]

    def finished(self) -> PerformanceView:
        """Return the view with the findings."""
        return replace(self.view, result=replace(self.view.result, findings=tuple(self.findings)))


def judge_windows(
    outcomes: ModelOutcomes, window: Window, version: str, starts: Sequence[int], against: Comparison
) -> list[Judged]:
    """Return what labels say of the whole population of some windows; those in which nothing came are left out.

    The revision of a window is the number of its predictions, of the changes that labels and corrections made and that
    nothing can undo any more, and of its judgements.
    """
    part, config = outcomes.whole, outcomes.model.config
    if part is None:
        return []
    sums = [total(outcomes, part.name, part.size, version, start, start + window.size) for start in starts]
    chosen = [place for place, vector in enumerate(sums) if vector.any()]
    if not chosen:
        return []
    vectors, begins = np.array(sums)[chosen], [starts[place] for place in chosen]
    said, running, matured = part.said(vectors), part.table(vectors, RUNNING), part.table(vectors, MATURED)
    predictions, ends = predicted(part.judge, said), part.ends(vectors)
    matrices = confusion(part.judge, running).tolist()
    judged = [
        Judged(
            PerformanceView(
                WindowResult(
                    config.name, version, "", window.name + OF_WINDOW, start, start + window.size,
                    int(ends[place, 2]), int(predictions[place]), (),
                ),
                window.name, int(predictions[place]), int(running[place, 0]), int(matured[place, 0]),
                int(ends[place, 0]), confusion=tuple(tuple(row) for row in matrices[place]),
                classes=class_names(part.judge),
            ),
            [],
        )
        for place, start in enumerate(begins)
    ]  # fmt: skip
    performance(judged, part.judge, (running, matured), against, config)
    _covered(judged, part, said, running, leaning=config.performance.labelled_when is None)
    _transformed(judged, part.judge, matured, against, config)
    scored = scores_of(part.judge, running)
    if scored is not None:
        enough = matured[:, 0] >= config.performance.min_labels
        _calibrated(judged, part, np.where(enough[:, np.newaxis], matured, running), against, config)
        if config.performance.estimate_without_labels and against.calibrator is not None:
            since = [
                total(outcomes, part.name, part.size, version, start - _RECENT, start + window.size) for start in begins
            ]
            _estimated(judged, part, said, part.table(np.array(since), MATURED), against, config)
    return judged


def performance(
    judged: Sequence[Judged], judge: Judge, tables: tuple[IntArray, IntArray], against: Comparison, config: ModelConfig
) -> None:
    """Add the figures as known now, as matured, and the change against the baseline."""
    running, final = (figures(judge, table) for table in tables)
    changes = {name: found for name in metrics_of(config) if name in final and (found := against.change(name, final))}
    enough = config.performance.min_labels
    for place, one in enumerate(judged):
        view = one.view
        known = {name: figure_view(figure, place) for name, figure in running.items()}
        matured = {name: figure_view(figure, place) for name, figure in final.items()}
        share = f"{view.labelled} of {view.predictions} predictions labelled{_only(config)}"
        for metric in metrics_of(config):
            if metric not in running:
                continue
            one.findings.append(told(metric, "performance", known[metric], enough, share))
            one.findings.append(told(metric, "performance_matured", matured[metric], enough, "judged for good"))
            if metric in changes:
                change, base = changes[metric]
                one.findings.append(told_change(metric, change, matured[metric], base, config.performance, place))
        shown = {name: change_view(change, place) for name, (change, _) in changes.items()}
        one.view = replace(view, running=known, final=matured, changes=shown)


def _only(config: ModelConfig) -> str:
    """Return what is said of figures that rest on some actions alone."""
    when = config.performance.labelled_when
    return "" if when is None else f", {' or '.join(map(str, when))} only"


def calibration_findings(found: Calibration, config: ModelConfig, place: int) -> Iterator[Finding]:
    """Yield the figures of calibration; the error is in drift beyond ``alert_ece`` if its interval is beyond chance."""
    enough, limit = config.performance.min_labels, config.calibration.alert_ece
    chance = float(found.figures["ece_of_chance"].high[place])
    for name, figure in found.figures.items():
        view = figure_view(figure, place)
        if name == "ece":
            threshold = chance if limit is None else max(chance, limit)
            status = "ok"
            if view.low > chance:
                status = "warn" if limit is None else "drift" if view.value >= threshold else "ok"
            yield told(name, "calibration", view, enough, f"{chance:.4g} by chance", status, NAN, threshold)
        elif name == "spiegelhalter_z":
            yield told(name, "calibration", view, enough, p_value=float(found.p_value[place]))
        else:
            yield told(name, "calibration", view, enough)


def _covered(judged: Sequence[Judged], part: WholePart, said: IntArray, running: IntArray, *, leaning: bool) -> None:
    """Tell how many predictions have labels and, if asked for, whether that leans by score."""
    predictions = np.array([one.view.predictions for one in judged])
    covered = coverage_of(running[:, 0], predictions)
    scored = scores_of(part.judge, running)
    for place, one in enumerate(judged):
        view = figure_view(covered, place)
        one.view = replace(one.view, coverage=view)
        one.findings.append(told("labels", "coverage", view, 1))
        if scored is not None and leaning:
            judge, table = scored
            some = slice(place, place + 1)
            found = coverage_by_score(judge, table[some], said_of_scores(part.judge, said)[some])
            one.findings += [] if found is None else [found]


def _calibrated(
    judged: Sequence[Judged], part: WholePart, tables: IntArray, against: Comparison, config: ModelConfig
) -> None:
    scored = scores_of(part.judge, tables)
    if scored is None:
        return
    base = None if against.table is None else scores_of(part.judge, against.table)
    found = calibration(*scored, None if base is None else base[1], config.calibration.bins)
    found = replace(
        found, figures={**found.figures, **calibration_of_classes(part.judge, tables, config.calibration.bins)}
    )
    diagram = found.diagram
    for place, one in enumerate(judged):
        points = tuple(
            ReliabilityPoint(
                score=float(diagram.score[place, at]),
                rate=float(diagram.rate[place, at]),
                low=float(diagram.low[place, at]),
                high=float(diagram.high[place, at]),
                n=int(diagram.n[place, at]),
            )
            for at in range(diagram.n.shape[1])
        )
        shown = {name: figure_view(figure, place) for name, figure in found.figures.items()}
        one.view = replace(one.view, calibration=shown, reliability=points)
        one.findings += calibration_findings(found, config, place)


def _transformed(
    judged: Sequence[Judged], judge: Judge, matured: IntArray, against: Comparison, config: ModelConfig
) -> None:
    """Tell where labels fall in the distributions that were predicted, beside where they fell in the baseline."""
    found = transforms(judge, matured, against.table, config.performance.min_labels)
    for one, (figure, finding) in zip(judged, found, strict=False):
        one.findings.append(finding)
        one.view = replace(one.view, calibration={**one.view.calibration, "pit": figure})


def transforms(
    judge: Judge, tables: IntArray, base: IntArray | None, enough: int
) -> Iterator[tuple[FigureView, Finding]]:
    """Yield of each table how far the integral transform is from the baseline's; nothing where predictions claim none.

    Parameters
    ----------
    tables
        Matured, ``[J, size]``.
    base
        ``[1, size]`` or one for each; ``None``: they are compared with the uniform law.
    enough
        Labels from which on the figure is more than insufficient.
    """
    if not isinstance(judge, RegressionJudge) or judge.claims is None:
        return
    before = None if base is None else base[:, judge.table.size :]
    scores = judge.claims.uniformity(tables[:, judge.claims_known], before, SURE)
    if scores is None:
        return
    for place in range(len(tables)):
        size = float(scores.statistic[place])
        figure = FigureView(size, float(scores.low[place]), float(scores.high[place]), int(scores.n[place]))
        p_value = float(scores.p_value[place])
        status = "warn" if size >= _PIT_APART and p_value < SURE else "ok"
        note = "from uniform" if base is None else "from the baseline"
        yield figure, told("pit", "calibration", figure, enough, note, status, p_value, _PIT_APART)


def _estimated(
    judged: Sequence[Judged], part: WholePart, said: IntArray, recent: IntArray, against: Comparison,
    config: ModelConfig,
) -> None:  # fmt: skip
    scored = scores_of(part.judge, recent)
    if scored is None or against.calibrator is None:
        return
    found = estimates(scored[0], said_of_scores(part.judge, said), against.calibrator, scored[1])
    if isinstance(part.judge, MulticlassJudge) and against.of_classes:
        found = replace(estimates_of_classes(part.judge, said, against.of_classes), light=found.light)
    for place, one in enumerate(judged):
        light = Light(int(found.light[place]))
        shown = {
            name: FigureView(
                float(figure.value[place]), float(figure.low[place]), float(figure.high[place]), int(figure.n[place])
            )
            for name, figure in found.figures.items()
            if not name.split("[")[0].removesuffix("_macro").endswith(("positives", "negatives"))
        }
        note = f"estimated before labels, {light.name.lower()}"
        one.findings += [told(name, "estimate", figure, 1, note, LIGHTS[light]) for name, figure in shown.items()]
        for metric in metrics_of(config):
            base = against.base(metric)
            if base is not None and metric in shown:
                one.findings.append(told_estimate(metric, shown[metric], base, config.performance, light))
        unsupported = float(found.unsupported[place])
        one.view = replace(one.view, estimated=shown, light=light.name.lower(), unsupported=unsupported)


def predicted(judge: Judge, said: IntArray) -> IntArray:
    """Return how many predictions there are; classes of several are counted once, their scores and sums beside."""
    named = said.shape[1]
    if isinstance(judge, MulticlassJudge):
        named = len(judge.table.classes) + 1
    elif isinstance(judge, RegressionJudge):
        named = SAID_NUMBERS
    counted: IntArray = said[:, :named].sum(axis=1)
    return counted
