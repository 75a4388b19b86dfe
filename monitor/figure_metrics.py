"""Metrics of what labels say: each figure with its own name, those of one class, threshold or rank with a label."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from monitor.metric import Metric

OUTCOME: Final = ("model", "version", "window", "slice")
OUTCOME_LABELS: Final = (*OUTCOME, "basis")
AT: Final = "at"
"""The label that names the class, the threshold, the rank or the quantile."""
_BRACKET: Final = re.compile(r"(?P<name>.+)\[(?P<score>score>=)?(?P<at>.*)\]")
_SUFFIX: Final = re.compile(r"(?P<name>.+?)_at_(?P<at>[0-9.e+-]+)")
_TOP: Final = re.compile(r"top_(?P<at>[0-9]+)_accuracy")
_LEVEL: Final = re.compile(r"(?P<name>quantile_loss|error_quantile|pinball|quantile_hits)_(?P<at>[0-9.e+-]+)")


def _figures(prefix: str, labels: tuple[str, ...], texts: dict[str, tuple[str, str]]) -> dict[str, Metric]:
    found = {}
    for metric, (name, text) in texts.items():
        unit = "ratio" if name.endswith("_ratio") else ""
        found[metric] = Metric(f"driftline_{prefix}{name}", "gauge", "outcome", text, labels, unit)
    return found


def bounds(metric: Metric) -> tuple[Metric, Metric]:
    """Return the metrics of the lower and the upper end of a figure's 95 % interval."""
    low, high = (
        Metric(f"{metric.name}_{end}", metric.kind, metric.scope, f"The {end} end of the 95 % interval.",
               metric.labels, bound_of=metric.name)
        for end in ("lower", "upper")
    )  # fmt: skip
    return low, high


_OF_DECISIONS: Final = {
    "accuracy": ("accuracy_ratio", "Share of right decisions, or of right classes."),
    "precision": ("precision_ratio", "Share of positives among what was flagged."),
    "recall": ("recall_ratio", "Share of the positives that was flagged."),
    "f1": ("f1_ratio", "Harmonic mean of precision and recall."),
    "specificity": ("specificity_ratio", "Share of the negatives that was not flagged."),
    "roc_auc": ("auc_ratio", "Area under the ROC curve."),
    "average_precision": ("average_precision_ratio", "Average precision, the area under precision and recall."),
}
_OF_CLASSES: Final = {
    "precision_macro": ("precision_macro_ratio", "Mean over the classes of precision."),
    "recall_macro": ("recall_macro_ratio", "Mean over the classes of recall."),
    "f1_macro": ("f1_macro_ratio", "Mean over the classes of F1."),
}
_RATES: Final = {
    "false_positive_rate": ("false_positive_ratio", "Share of the negatives that was flagged."),
    "false_negative_rate": ("false_negative_ratio", "Share of the positives that was not flagged."),
    "flagged_share": ("labelled_flagged_ratio", "Share of the labelled predictions that was flagged."),
}
_COST: Final = {"cost": ("prediction_cost", "Mean cost of a prediction by the configured costs.")}
_BY_AMOUNT: Final = {
    f"{name}_by_amount": (
        f"{metric.removesuffix('_ratio')}_by_amount_ratio",
        f"{text} By the amount at stake.",
    )
    for name, (metric, text) in (_OF_DECISIONS | _RATES).items()
    if name in {"accuracy", "precision", "recall", "specificity", "flagged_share"}
}
_OF_ALL_ROWS: Final = "Of all rows, from explored ones by 1 over the propensity."
_AVERAGES: Final = {
    **_OF_CLASSES,
    "precision_weighted": (
        "precision_weighted_ratio",
        "Mean over the classes of precision, each by its labels; of a binary model by 1 over the propensity."),
    "recall_weighted": (
        "recall_weighted_ratio",
        "Mean over the classes of recall, each by its labels; of a binary model by 1 over the propensity."),
    "f1_weighted": ("f1_weighted_ratio", "Mean over the classes of F1, each by its labels."),
}  # fmt: skip
_ERRORS: Final = {
    "mae": ("mae", "Mean size of the error, in units of the label."),
    "mse": ("mse", "Mean squared error, in units of the label squared."),
    "rmse": ("rmse", "Root of the mean squared error, in units of the label."),
    "bias": ("bias", "Mean of prediction less label."),
}
_BY_PROPENSITY: Final = {
    f"{name}_by_propensity": (
        f"{metric.removesuffix('_ratio')}_by_propensity{'_ratio' if metric.endswith('_ratio') else ''}",
        f"{text.partition(';')[0].removesuffix('.')}. {_OF_ALL_ROWS}",
    )
    for name, (metric, text) in (
        {"accuracy": ("accuracy_ratio", "Share of right classes.")} | _AVERAGES | _ERRORS
    ).items()
}
FIGURES: Final = _figures("", OUTCOME_LABELS, {
    **_OF_DECISIONS,
    "mcc": ("matthews_correlation", "Matthews correlation of decisions or classes with labels."),
    **_RATES,
    "prevalence": ("prevalence_ratio", "Share of positives among the labelled predictions."),
    "ks": ("score_ks_ratio", "Kolmogorov-Smirnov distance of the positives' scores from the negatives'."),
    "gini": ("gini_ratio", "Twice the area under the ROC curve less 1."),
    "log_loss": ("log_loss", "Mean logarithmic loss of the scores, natural logarithm."),
    "brier": ("brier_score", "Mean squared difference of score and label."),
    **_COST,
    **_BY_AMOUNT,
    "mean_amount": ("mean_amount", "Mean amount at stake of a prediction with a label."),
    **_AVERAGES,
    "accuracy_weighted": ("accuracy_weighted_ratio", "Accuracy of all rows from explored ones."),
    "specificity_weighted": ("specificity_weighted_ratio", "Specificity of all rows from explored ones."),
    "flagged_share_weighted": ("labelled_flagged_weighted_ratio", "Flagged share of all rows from explored ones."),
    "kappa": ("cohen_kappa", "Agreement of classes with labels beyond chance."),
    **_ERRORS,
    "huber": ("huber_loss", "Mean of Huber's loss of the error."),
    **_BY_PROPENSITY,
    "r2": ("r2", "Share of the labels' variance that predictions explain."),
    "mape": ("mape_ratio", "Mean size of the error as a share of the label."),
    "smape": ("smape_ratio", "Mean of twice the size of the error as a share of label and prediction together."),
    "map": ("mean_average_precision_ratio", "Mean over lists of the average precision."),
    "mrr": ("mean_reciprocal_rank_ratio", "Mean over lists of 1 over the place of the first relevant item."),
    "interval_coverage": ("interval_coverage_ratio", "Share of the labels inside the intervals that were predicted."),
    "interval_below": ("interval_below_ratio", "Share of the labels below the intervals that were predicted."),
    "interval_above": ("interval_above_ratio", "Share of the labels above the intervals that were predicted."),
    "pit_mean": ("pit_mean_ratio", "Mean place of labels in the distributions that were predicted; one half is right."),
    "pit_dispersion": ("pit_dispersion", "Spread of these places; 1 is right, above 1 predictions are too sure."),
})  # fmt: skip
"""Figure → metric. ``basis`` is ``running`` (labels as known now) or ``matured`` (predictions judged for good)."""
_AT_CLASS: Final = _figures("class_", (*OUTCOME_LABELS, AT), {
    name: (metric, f"{text} Of the class `at` against all others.")
    for name, (metric, text) in _OF_DECISIONS.items() if name in {"precision", "recall", "f1"}
})  # fmt: skip
_AT_THRESHOLD: Final = _figures("threshold_", (*OUTCOME_LABELS, AT), {
    name: (metric, f"{text} As if scores of `at` and above were flagged.")
    for name, (metric, text) in (_OF_DECISIONS | _RATES | _COST | _BY_AMOUNT | {
        "mcc": ("matthews_correlation", "Matthews correlation of decisions with labels."),
    }).items() if name not in {"roc_auc", "average_precision"}
})  # fmt: skip
_AT_RANK: Final = _figures("", (*OUTCOME_LABELS, AT), {
    "capture": ("capture_ratio", "Share of the positives among the share `at` of the highest scores."),
    "lift": ("lift", "Share of positives among the share `at` of the highest scores over their share of all."),
    "precision": ("precision_at_ratio", "Share of relevant items in the first `at` places of a list."),
    "recall": ("recall_at_ratio", "Share of the relevant items that the first `at` places of a list have."),
    "ndcg": ("ndcg_at_ratio", "Normalised discounted cumulative gain of the first `at` places of a list."),
    "top": ("top_accuracy_ratio", "Share of predictions whose true class is among the `at` likeliest."),
})  # fmt: skip
_AT_LEVEL: Final = _figures("", (*OUTCOME_LABELS, AT), {
    "quantile_loss": ("quantile_loss", "Pinball loss of taking the prediction for the quantile `at`."),
    "pinball": ("pinball_loss", "Mean pinball loss of the predicted quantile `at`."),
    "quantile_hits": ("quantile_hits_ratio", "Share of the labels at or below the predicted quantile `at`."),
    "error_quantile": ("error_quantile", "Quantile `at` of prediction less label."),
})  # fmt: skip
CALIBRATION: Final = _figures("", OUTCOME, {
    "ece": ("calibration_ece_ratio", "Expected calibration error in bins of equal mass."),
    "ece_of_chance": ("calibration_ece_chance_ratio", "What a calibrated model would show as that error, by chance."),
    "ece_adaptive": ("calibration_adaptive_ece_ratio", "Expected calibration error in bins of the window's own mass."),
    "ece_class_wise": ("calibration_class_wise_ece_ratio", "Mean over the classes of their calibration error."),
    "ece_class_wise_adaptive": (
        "calibration_class_wise_adaptive_ece_ratio", "The same in bins of each class's own mass in the window."),
    "ece_squared_debiased": ("calibration_squared_ece", "Squared calibration error without the part of chance."),
    "mce": ("calibration_mce_ratio", "Largest calibration error of a bin with 100 rows or more."),
    "calibration_bias": ("calibration_bias", "Share of positives less the mean score."),
    "brier_reliability": ("brier_reliability", "Part of the Brier score that calibration would take away."),
    "brier_resolution": ("brier_resolution", "Part of the uncertainty that the scores resolve."),
    "brier_uncertainty": ("brier_uncertainty", "Brier score of always saying the share of positives."),
    "calibration_slope": ("calibration_slope", "Slope of labels on the scores' log odds; 1 when calibrated."),
    "calibration_intercept": ("calibration_intercept", "Intercept of the same; 0 when calibrated."),
    "pit": ("calibration_pit_distance_ratio", "Distance of labels' places in what was predicted from the baseline's."),
    "spiegelhalter_z": ("spiegelhalter_z", "Spiegelhalter's Z of calibration; beyond 2 in size by chance in 5 %."),
})  # fmt: skip
ESTIMATES: Final = _figures("estimated_", OUTCOME, {
    name: (metric, f"{text} Estimated from scores, before labels come.")
    for name, (metric, text) in (_OF_DECISIONS | _OF_CLASSES).items()
})  # fmt: skip
REWEIGHTED: Final = _figures("reweighted_", OUTCOME, {
    name: (metric, f"{text} Estimated before labels come from the baseline's, weighted by slice and score.")
    for name, (metric, text) in _OF_DECISIONS.items()
})  # fmt: skip
FAMILIES: Final = tuple(
    metric
    for figures in (FIGURES, _AT_CLASS, _AT_THRESHOLD, _AT_RANK, _AT_LEVEL, CALIBRATION, ESTIMATES, REWEIGHTED)
    for metric in figures.values()
)
"""Every metric of a figure, without those of its bounds."""
EXAMPLES: Final[Mapping[str, Metric]] = {
    **{f"{name}[fox]": metric for name, metric in _AT_CLASS.items()},
    **{f"{name}[score>=0.5]": metric for name, metric in _AT_THRESHOLD.items()},
    "capture_at_0.01": _AT_RANK["capture"], "lift_at_0.01": _AT_RANK["lift"],
    **{f"{name}_at_5": _AT_RANK[name] for name in ("precision", "recall", "ndcg")}, "top_3_accuracy": _AT_RANK["top"],
    **{f"{name}_0.9": metric for name, metric in _AT_LEVEL.items()},
}  # fmt: skip
"""A figure of each metric with ``at``."""


def metric_of(figure: str) -> tuple[Metric, str] | None:
    """Return the metric of a figure and its ``at``, empty where the figure has none; ``None`` if it is not exported.

    >>> [(found[0].name, found[1]) for name in ("recall", "recall[fox]", "lift_at_0.01") if (found := metric_of(name))]
    [('driftline_recall_ratio', ''), ('driftline_class_recall_ratio', 'fox'), ('driftline_lift', '0.01')]
    """
    if figure in FIGURES:
        return FIGURES[figure], ""
    if match := _BRACKET.fullmatch(figure):
        family, name = (_AT_CLASS if match["score"] is None else _AT_THRESHOLD), match["name"]
    elif match := _TOP.fullmatch(figure):
        family, name = _AT_RANK, "top"
    elif match := _SUFFIX.fullmatch(figure):
        family, name = _AT_RANK, match["name"]
    elif match := _LEVEL.fullmatch(figure):
        family, name = _AT_LEVEL, match["name"]
    else:
        return None
    return (family[name], match["at"]) if name in family else None
