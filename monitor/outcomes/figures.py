"""Figures of tables by task: performance, calibration, estimates before labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from detectors.calibration import error, losses, murphy, slope, squared
from detectors.calibration.reliability import Reliability, bias, reliability
from detectors.calibration.sums import ScoreBins, equal_mass
from detectors.estimate.calibrator import Calibrator
from detectors.estimate.cbpe import cbpe
from detectors.estimate.estimated import Estimates
from detectors.estimate.multiclass import cbpe_classes, class_calibrators
from detectors.estimate.validity import validity
from detectors.performance import Estimate
from monitor.config.performance_checks import WEIGHTED_FIGURES, at_threshold
from monitor.events import FloatArray, IntArray
from monitor.outcomes.judges import WEIGHTED, BinaryJudge, Judge, MulticlassJudge, RankingJudge, RegressionJudge

_UNIT: Final = 1 << 31
USUAL: Final[Mapping[str, tuple[str, ...]]] = {
    "binary_classification": ("accuracy", "precision", "recall", "f1", "roc_auc", "log_loss"),
    "multiclass": ("accuracy", "f1_macro", "kappa"),
    "regression": ("mae", "rmse", "bias", "r2"),
    "ranking": ("map", "mrr"),
}
"""Task → figures that findings are made of when none are named."""
_SMALL_IS_GOOD: Final = (
    *("log_loss", "brier", "fpr", "fnr", "false_positive_rate", "false_negative_rate", "cost", "false_discovery_rate"),
    *("mae", "mse", "rmse", "mape", "smape", "huber", "quantile_loss", "pinball", "interval_below", "interval_above"),
)


def small_is_good(metric: str) -> bool:
    """Return whether a model is the better the smaller the figure.

    >>> small_is_good("log_loss"), small_is_good("quantile_loss_0.9"), small_is_good("recall")
    (True, True, False)
    """
    return metric.startswith(_SMALL_IS_GOOD)


def figures(judge: Judge, tables: IntArray) -> dict[str, Estimate]:
    """Return every figure of tables ``[J, size]`` with 95 % intervals."""
    if isinstance(judge, BinaryJudge):
        found = judge.table.metrics(tables[:, : judge.table.size])
        if judge.top:
            return {"accuracy": found["prevalence"]}
        for threshold in judge.thresholds:
            there = judge.table.at(tables[:, : judge.table.size], threshold)
            found |= {at_threshold(name, threshold): figure for name, figure in there.items()}
        if judge.weighted:
            whole = WEIGHTED.metrics(tables[:, judge.table.size : -1])
            found |= {f"{name}_weighted": whole[f"{name}_by_amount"] for name in WEIGHTED_FIGURES}
        return found
    if isinstance(judge, MulticlassJudge):
        found = judge.table.metrics(tables[:, : judge.table.size])
        weights = judge.by_propensity
        return found if weights is None else found | weights.metrics(tables[:, judge.weights_known])
    if isinstance(judge, RegressionJudge):
        found = judge.table.metrics(tables[:, : judge.table.size])
        if judge.claims is not None:
            found |= judge.claims.figures(tables[:, judge.claims_known])
        errors = judge.by_propensity
        return found if errors is None else found | errors.metrics(tables[:, judge.weights_known])
    if isinstance(judge, RankingJudge):
        return judge.table.metrics(tables)
    raise TypeError(f"no figures of a {type(judge).__name__}")


def confusion(judge: Judge, tables: IntArray) -> IntArray:
    """Return labels by predictions, ``[J, K, K or K + 1]``; of no classes for a regression."""
    if isinstance(judge, BinaryJudge):
        return judge.table.cells(tables[:, : judge.table.size])["confusion"]
    if isinstance(judge, MulticlassJudge):
        return judge.table.cells(tables[:, : judge.table.size])["confusion"]
    return np.zeros((len(tables), 0, 0), np.int64)


def class_names(judge: Judge) -> tuple[str, ...]:
    """Return the names of the true classes in the order of ``confusion``."""
    if isinstance(judge, MulticlassJudge):
        return tuple(map(str, judge.table.classes))
    if isinstance(judge, BinaryJudge):
        return ("wrong", "right") if judge.top else ("negative", "positive")
    return ()


def scores_of(judge: Judge, tables: IntArray) -> tuple[BinaryJudge, IntArray] | None:
    """Return the part of tables that scores are counted in; ``None`` where none are."""
    if isinstance(judge, BinaryJudge):
        return judge, tables
    if isinstance(judge, MulticlassJudge) and judge.confidence is not None:
        first = judge.table.size
        return judge.confidence, tables[:, first : first + judge.confidence.size]
    return None


def fine_bins(judge: BinaryJudge, tables: IntArray) -> ScoreBins:
    """Return the sums in the fine score bins."""
    by_bin = judge.table.by_bin(tables[:, : judge.table.size])
    return ScoreBins.of_sums(
        by_bin.n, by_bin.positives, by_bin.score_sum, by_bin.score_square_sum, by_bin.positive_score_sum
    )


def said_by_bin(judge: BinaryJudge, said: IntArray) -> IntArray:
    """Return predictions by decision and score bin, ``[J, 2, B]``."""
    return said[:, : 2 * judge.bins].reshape(len(said), 2, judge.bins)


def said_of_scores(judge: Judge, said: IntArray) -> IntArray:
    """Return the cells of predictions that belong to ``scores_of``."""
    if not isinstance(judge, MulticlassJudge):
        return said
    return said[:, len(judge.table.classes) + 1 : judge.scores_said.start]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Figures of how scores and rates agree, in bins of equal mass of the baseline."""

    figures: Mapping[str, Estimate]
    diagram: Reliability
    p_value: FloatArray
    """Of Spiegelhalter's test."""


def calibration(judge: BinaryJudge, tables: IntArray, baseline: IntArray | None, count: int) -> Calibration:
    """Return the calibration of tables ``[J, size]``.

    Parameters
    ----------
    baseline
        The table whose rows decide where the bins are cut; ``None``: each table by itself.
    count
        Bins.

    Notes
    -----
    Brier score, its parts and Spiegelhalter's test are exact over the fine bins; slope and intercept carry the bound of
    what bins hide. Intervals are those of each function of ``detectors.calibration``.
    """
    fine = fine_bins(judge, tables)
    groups = equal_mass(fine.n if baseline is None else fine_bins(judge, baseline).n[0], count)
    bins = fine.merge(groups)
    parts = murphy.murphy(fine)
    recalibration = slope.recalibration(slope.LogitBins.of_scores(fine))
    test = losses.spiegelhalter(_losses(fine, tables))
    found = {
        "ece": error.expected(bins),
        "ece_of_chance": error.noise_floor(bins),
        "ece_adaptive": error.adaptive(fine, count),
        "ece_squared_debiased": squared.paired(bins),
        "mce": error.maximal(bins),
        "calibration_bias": bias(bins),
        "brier": parts.brier,
        "brier_reliability": parts.reliability,
        "brier_resolution": parts.resolution,
        "brier_uncertainty": parts.uncertainty,
        "calibration_slope": recalibration.slope,
        "calibration_intercept": recalibration.intercept,
        "spiegelhalter_z": test.z,
    }
    return Calibration(found, reliability(bins), test.p_value)


def calibration_of_classes(judge: Judge, tables: IntArray, count: int) -> dict[str, Estimate]:
    """Return the calibration of the scores of all classes, each against the rest; none where there are none.

    The error is in the fine bins of the scores, the adaptive one in ``count`` bins of equal mass of each class.
    """
    if not isinstance(judge, MulticlassJudge) or judge.scores is None:
        return {}
    fine = judge.scores.calibration(tables[:, judge.scores_known])
    classes = judge.scores.classes
    return {
        "ece_class_wise": error.class_wise(fine, classes),
        "ece_class_wise_adaptive": error.class_wise(fine.merge(equal_mass(fine.n, count)), classes),
    }


def calibrators_of(judge: Judge, matured: IntArray) -> list[Calibrator]:
    """Return an isotonic calibrator a class from one matured table ``[1, size]``; none without labelled scores."""
    if not isinstance(judge, MulticlassJudge) or judge.scores is None or not judge.estimates:
        return []
    labelled = judge.scores.calibration(matured[:, judge.scores_known])
    return class_calibrators(labelled, judge.scores.classes) if labelled.n.any() else []


def estimates_of_classes(judge: MulticlassJudge, said: IntArray, calibrators: Sequence[Calibrator]) -> Estimates:
    """Return what labels would show of the classes, from predictions ``[J, said]`` alone.

    A mean over classes is named as the realised figure, such as ``f1_macro``; a class's own, such as ``recall[fox]``.
    """
    if judge.scores is None:
        raise ValueError("there are no scores of all classes")
    cells = judge.scores
    shape = (len(said), cells.classes, cells.classes, cells.bins)
    found = cbpe_classes(said[:, judge.scores_said].reshape(shape), calibrators)
    named = {("accuracy" if name == "accuracy" else f"{name}_macro"): one for name, one in found.macro.figures.items()}
    for name, own in zip(judge.table.classes, found.per_class, strict=True):
        named |= {f"{metric}[{name}]": figure for metric, figure in own.figures.items()}
    return replace(found.macro, figures=named)


def calibrator_of(judge: BinaryJudge, matured: IntArray) -> Calibrator | None:
    """Return the isotonic calibrator of one matured table ``[1, size]``; ``None`` without labelled scores."""
    bins = fine_bins(judge, matured)
    if not bins.n.sum():
        return None
    return Calibrator.isotonic(bins.n[0], bins.positives[0])


def estimates(judge: BinaryJudge, said: IntArray, calibrator: Calibrator, recent: IntArray) -> Estimates:
    """Return what labels would show if scores still mean what they meant, from predictions ``[J, said]`` alone.

    Parameters
    ----------
    recent
        Matured tables ``[J, size]`` of late, which decide the light.
    """
    bins = judge.bins
    rows = said_by_bin(judge, said).reshape(len(said), 2 * bins)
    flagged = np.repeat([False, True], bins)
    found = cbpe(rows, calibrator, flagged, np.tile(np.arange(bins), 2))
    seen = fine_bins(judge, recent)
    light = validity(seen.n.astype(np.int64), seen.positives.astype(np.int64), calibrator).light
    if judge.top:
        found = Estimates(found.method, {"accuracy": found.figures["precision"]}, found.unsupported, found.light)
    return found.under(light)


def _losses(fine: ScoreBins, tables: IntArray) -> losses.Losses:
    """Return the sums that Spiegelhalter's test needs; the others are zero."""
    none = np.zeros(len(tables))
    positives, score, square = (part.sum(axis=1) for part in (fine.positives, fine.score, fine.score_sq))
    both = none if fine.positive_score is None else fine.positive_score.sum(axis=1)
    lean = positives - score - 2 * both + 2 * square
    return losses.Losses(fine.total, none, none, none, none, none.astype(np.int64), lean, tables[:, -1] / _UNIT)
