"""Checks of how a model is judged by its labels."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache
from typing import Final

import numpy as np

from detectors.performance import BinaryTable, Costs, MulticlassTable, RankingTable, RegressionTable
from detectors.performance.propensity import BY
from monitor.config.checks import Complaint
from monitor.config.model import ModelConfig, OutcomeCosts
from monitor.config.problem import NOT_FOUND, WARNING, WRONG_VALUE, Steps, did_you_mean
from monitor.config.score_checks import MOST_WEIGHTED, distribution_of
from monitor.decoding.cells import category
from monitor.decoding.schema import MOST_LISTED
from monitor.events import HOUR

MOST_SLICINGS: Final = 56
"""Slicings that a prediction can carry until its label comes."""
_RANKS: Final = (3, 5)
WEIGHTED_FIGURES: Final = ("accuracy", "precision", "recall", "specificity", "flagged_share")
"""Figures that explored rows tell of all rows."""
WEIGHTED_AVERAGES: Final = (
    *("accuracy", "precision_macro", "recall_macro", "f1_macro"),
    *("precision_weighted", "recall_weighted", "f1_weighted"),
)
WEIGHTED_ERRORS: Final = ("mae", "mse", "rmse", "bias")
_LISTED: Final = (5, 10)
SHARES: Final = (0.01, 0.05, 0.1)
_PLACE: Final = ("performance",)


def check_performance(model: ModelConfig, resolved: ModelConfig) -> Iterator[Complaint]:
    """Check figures, window, baseline, amount and costs; ``resolved`` is the model with defaults filled in."""
    settings = model.performance
    if not model.is_labelled:
        if settings.model_fields_set:
            yield Complaint(_PLACE, "needs labels", "say where labels come from, under labels", WARNING)
        return
    names = figures_of(model)
    yield from _check_tops(model)
    yield from _check_thresholds(model)
    yield from _check_names(settings.metrics or (), names, "metrics")
    yield from _check_names(settings.alert_when, names, "alert_when")
    if isinstance(settings.baseline, dict):
        yield from _check_names(settings.baseline, names, "baseline")
    yield from _check_window(model, resolved)
    yield from _check_amount(model)
    if len(model.slices) > MOST_SLICINGS:
        yield Complaint(("slices",), f"with labels at most {MOST_SLICINGS} slicings are judged", code=WRONG_VALUE)


def classes_of(model: ModelConfig) -> tuple[str, ...]:
    """Return the names of a model's classes, as figures of single classes bear them."""
    return tuple(str(category(name)) for name in model.classes or ())


def figures_of(model: ModelConfig) -> frozenset[str]:
    """Return the figures that a model has."""
    settings = model.performance
    table = distribution_of(model)
    claimed = () if table is None else tuple(table.figures(np.zeros((1, table.size), np.int64)))
    return (
        frozenset(claimed)
        | frozenset(weighted_figures(model))
        | _at_thresholds(model)
        | figure_names(
            model.task,
            classes_of(model),
            amount=settings.amount is not None,
            tops=ranks_of(model) if model.task in {"multiclass", "ranking"} else tuple(settings.tops or ()),
        )
    )


def is_weighted(model: ModelConfig) -> bool:
    """Whether explored rows are weighted, so that figures of all rows can be told."""
    given = model.performance.labelled_when is not None and model.predictions.map.propensity is not None
    return given and model.task != "ranking" and len(model.classes or ()) <= MOST_WEIGHTED


def weighted_figures(model: ModelConfig) -> tuple[str, ...]:
    """Return the figures of all rows that explored ones tell; those of several classes are weighted by labels, too.

    >>> from monitor.config.model import ModelConfig
    >>> predictions = {"topic": "t", "map": {"action": "value.a", "propensity": "value.p"}}
    >>> given = {"name": "m", "predictions": predictions, "performance": {"labelled_when": ["yes"]}}
    >>> weighted_figures(ModelConfig(**given, task="regression"))
    ('mae_by_propensity', 'mse_by_propensity', 'rmse_by_propensity', 'bias_by_propensity')
    """
    if not is_weighted(model):
        return ()
    if model.task == "binary_classification":
        return tuple(f"{name}_weighted" for name in WEIGHTED_FIGURES)
    return tuple(f"{name}{BY}" for name in (WEIGHTED_ERRORS if model.task == "regression" else WEIGHTED_AVERAGES))


def ranks_of(config: ModelConfig) -> tuple[int, ...]:
    """Return the k of top-k accuracy, or of the figures of ranked lists.

    >>> from monitor.config.model import ModelConfig
    >>> scores = {"topic": "t", "map": {"scores": "value.p"}}
    >>> ranks_of(ModelConfig(name="m", task="multiclass", classes=["a", "b", "c", "d"], predictions=scores))
    (3,)
    """
    if config.task == "ranking" and config.performance.tops is None:
        return _LISTED
    if not config.has_scores and config.task != "ranking":
        return ()
    if config.performance.tops is not None:
        return tuple(int(top) for top in config.performance.tops)
    return tuple(top for top in _RANKS if top < len(config.classes or ()))


def at_threshold(figure: str, threshold: float) -> str:
    """Return the name of a figure of flagging scores from a threshold on.

    >>> at_threshold("recall", 0.3)
    'recall[score>=0.3]'
    """
    return f"{figure}[score>={threshold:g}]"


def _at_thresholds(model: ModelConfig) -> frozenset[str]:
    settings = model.performance
    if model.task != "binary_classification" or not settings.thresholds:
        return frozenset()
    table = BinaryTable(np.array([0.5]), None, 0.01 if settings.amount is not None else None, Costs((0.0,) * 4))
    found = table.at(np.zeros((1, table.size), np.int64), 0.5)
    return frozenset(at_threshold(name, threshold) for name in found for threshold in settings.thresholds)


def _check_thresholds(model: ModelConfig) -> Iterator[Complaint]:
    thresholds, steps = model.performance.thresholds, (*_PLACE, "thresholds")
    if thresholds and model.task != "binary_classification":
        yield Complaint(steps, "only a binary model has a threshold", code=WRONG_VALUE)
    elif thresholds and model.predictions.map.score is None:
        needs: tuple[Steps, ...] = (("predictions", "map", "score"),)
        yield Complaint(steps, "a threshold needs a score", "set map.score", needs=needs)
    elif len({f"{threshold:g}" for threshold in thresholds}) < len(thresholds):
        yield Complaint(steps, "a threshold is given twice", code=WRONG_VALUE)


def _check_tops(model: ModelConfig) -> Iterator[Complaint]:
    tops, steps = model.performance.tops, (*_PLACE, "tops")
    if tops is None:
        return
    if model.task == "multiclass" and not model.has_scores:
        yield Complaint(steps, "needs the scores of all classes", "set map.scores", WRONG_VALUE)
    elif model.task == "multiclass" and not all(top >= 1 and top == int(top) for top in tops):
        yield Complaint(steps, "must be whole numbers of classes", code=WRONG_VALUE)
    elif model.task == "ranking" and not all(1 <= top <= MOST_LISTED and top == int(top) for top in tops):
        yield Complaint(steps, f"must be whole numbers from 1 to {MOST_LISTED}", code=WRONG_VALUE)
    elif model.task == "binary_classification" and not all(0 < top <= 1 for top in tops):
        yield Complaint(steps, "must be shares above 0 and at most 1", code=WRONG_VALUE)
    elif model.task == "regression":
        yield Complaint(steps, "a regression has none", code=WRONG_VALUE)
    elif len(set(tops)) < len(tops):
        yield Complaint(steps, "one is given twice", code=WRONG_VALUE)


@cache
def figure_names(
    task: str, classes: tuple[str, ...] = (), *, amount: bool = False, tops: tuple[float, ...] = ()
) -> frozenset[str]:
    """Return the figures that a task has.

    >>> "recall" in figure_names("binary_classification"), "recall" in figure_names("regression")
    (True, False)
    """
    edges = np.array([0.5])
    if task == "binary_classification":
        costs = Costs((0.0, 0.0, 0.0, 0.0))
        binary = BinaryTable(edges, None, 0.01 if amount else None, costs, tops or SHARES)
        return frozenset(binary.metrics(np.zeros((1, binary.size), np.int64)))
    if task == "multiclass":
        several = MulticlassTable(classes if len(set(classes)) > 1 else ("a", "b"), tuple(int(top) for top in tops))
        return frozenset(several.metrics(np.zeros((1, several.size), np.int64)))
    if task == "ranking":
        lists = RankingTable(tuple(int(top) for top in tops) or _LISTED)
        return frozenset(lists.metrics(np.zeros((1, lists.size), np.int64)))
    numbers = RegressionTable(0.0, 1.0, 1.0, edges)
    return frozenset(numbers.metrics(np.zeros((1, numbers.size), np.int64)))


def _check_names(given: Collection[str], known: Collection[str], where: str) -> Iterator[Complaint]:
    for place, name in enumerate(given):
        if name not in known:
            steps: Steps = (*_PLACE, where, place if isinstance(given, list) else name)
            yield Complaint(steps, f"no figure {name!r} of this task", did_you_mean(name, sorted(known)), NOT_FOUND)


def _check_window(model: ModelConfig, resolved: ModelConfig) -> Iterator[Complaint]:
    windows, name = resolved.windows or {}, model.performance.window
    steps = (*_PLACE, "window")
    if name is not None and name not in windows:
        yield Complaint(steps, f"no window {name!r}", did_you_mean(name, list(windows)), NOT_FOUND)
    elif name is not None and (windows[name].slide or windows[name].size) % HOUR:
        yield Complaint(steps, "outcomes are counted by the hour", "name a window of whole hours", WRONG_VALUE)
    elif name is None and all((window.slide or window.size) % HOUR for window in windows.values()):
        yield Complaint(("windows",), "labels are judged in windows of whole hours", "add such a window", WARNING)


def _check_amount(model: ModelConfig) -> Iterator[Complaint]:
    settings, task = model.performance, model.task
    features = model.predictions.map.features
    named = set(features) if isinstance(features, dict) else set(model.features)
    amount, cost = settings.amount, settings.cost
    for key, value in (("amount", amount), ("cost", cost)):
        if value is not None and task != "binary_classification":
            yield Complaint((*_PLACE, key), "only decisions of a binary model have outcomes", code=WRONG_VALUE)
            return
    if amount is not None and isinstance(features, dict) and amount not in named:
        yield Complaint((*_PLACE, "amount"), f"no feature {amount!r}", did_you_mean(amount, sorted(named)), NOT_FOUND)
    elif amount is not None and amount in model.features and model.features[amount].type not in {None, "numeric"}:
        yield Complaint((*_PLACE, "amount"), f"{amount!r} is no numeric feature", code=WRONG_VALUE)
    if cost is not None and amount is None and cost.per_amount != OutcomeCosts():
        yield Complaint((*_PLACE, "cost", "per_amount"), "needs performance.amount", code=WRONG_VALUE)
