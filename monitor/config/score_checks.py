"""Checks of the scores of several classes, and of the intervals of a regression."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from detectors.calibration.distribution import DistributionTable
from monitor.config.checks import Complaint
from monitor.config.model import ModelConfig
from monitor.config.problem import WARNING, WRONG_VALUE, Steps
from monitor.decoding.cells import category

MOST_SCORED: Final = 100
MOST_WEIGHTED: Final = 50
"""Classes up to which explored rows are weighted: each pair of classes needs six cells."""
"""Classes that may have scores of their own: a prediction carries them until its label comes."""
_MAPPED: Final[Steps] = ("predictions", "map", "scores")
_NAMES: Final[Steps] = ("predictions", "score_names")


def check_scores(model: ModelConfig) -> Iterator[Complaint]:
    """Check that every class has exactly one score, and that there is a use for them."""
    mapped, names = model.predictions.map.scores, model.predictions.score_names
    if names is not None and not isinstance(mapped, str):
        needs: tuple[Steps, ...] = (_MAPPED,)
        yield Complaint(_NAMES, "needs map.scores to be the path of a list", needs=needs)
        return
    if mapped is None:
        return
    if model.task != "multiclass":
        yield Complaint(_MAPPED, "only several classes have scores", "map the one score as score", WRONG_VALUE)
        return
    if model.classes is None:
        yield Complaint(_MAPPED, "needs classes", "name all", needs=(("classes",),))
        return
    known = [str(category(name)) for name in model.classes]
    if len(known) > MOST_SCORED:
        yield Complaint(_MAPPED, f"at most {MOST_SCORED} classes can have scores", code=WRONG_VALUE)
    given = list(mapped) if isinstance(mapped, dict) else [str(category(name)) for name in names or model.classes]
    where = _MAPPED if names is None else _NAMES
    if sorted(given) != sorted(known):
        missing = ", ".join(sorted(set(known) - set(given)))
        hint = f"left out: {missing}" if missing else "each once"
        yield Complaint(where, "must be the classes", hint, WRONG_VALUE, needs=(("classes",),))


def check_distribution(model: ModelConfig) -> Iterator[Complaint]:
    """Check what predictions claim of their own error."""
    mapped, place = model.predictions.map, ("predictions", "map")
    given = [name for name in ("lower", "upper", "deviation", "quantiles") if getattr(mapped, name) is not None]
    if given and model.task != "regression":
        for name in given:
            yield Complaint((*place, name), "only a regression has intervals", code=WRONG_VALUE)
        return
    if (mapped.lower is None) != (mapped.upper is None):
        lacking = "upper" if mapped.upper is None else "lower"
        yield Complaint(place, f"an interval needs {lacking}", f"set map.{lacking}", needs=((*place, lacking),))
    if mapped.deviation is not None and mapped.prediction is None:
        needs: tuple[Steps, ...] = ((*place, "prediction"),)
        yield Complaint((*place, "deviation"), "needs the mean", "set map.prediction", needs=needs)
    if "interval" in model.performance.model_fields_set and mapped.lower is None:
        hint = "set map.lower and map.upper"
        yield Complaint(("performance", "interval"), "there is no interval", hint, WARNING)
    for level in mapped.quantiles or {}:
        if _level(level) is None:
            hint = 'such as "0.05"'
            yield Complaint((*place, "quantiles", level), "a quantile lies between 0 and 1", hint, WRONG_VALUE)
    levels = [_level(level) for level in mapped.quantiles or {}]
    if len(set(levels)) < len(levels):
        yield Complaint((*place, "quantiles"), "a quantile is given twice", code=WRONG_VALUE)


def check_ranking(model: ModelConfig) -> Iterator[Complaint]:
    """Check what says which items were relevant."""
    items, labels = model.predictions.map.items, model.labels
    item = None if labels is None else labels.map.item
    if model.predictions.map.item is not None:
        yield Complaint(("predictions", "map", "item"), "is not read from predictions", "map items", WRONG_VALUE)
    if model.task != "ranking":
        for steps, given in ((("predictions", "map", "items"), items), (("labels", "map", "item"), item)):
            if given is not None:
                yield Complaint(steps, "only a ranking has items", "set task: ranking", WRONG_VALUE)
        return
    for name in ("classes", "positive_class", "decision"):
        if getattr(model, name) is not None:
            yield Complaint((name,), "a ranking has none", code=WRONG_VALUE)
    if item is not None and items is None:
        needs: tuple[Steps, ...] = (("predictions", "map", "items"),)
        yield Complaint(("labels", "map", "item"), "needs the items that were shown", "set map.items", needs=needs)
    if items is not None and item is None:
        hint = "set labels.map.item, or leave it out"
        yield Complaint(("predictions", "map", "items"), "is not used: labels name no item", hint, WARNING)


def check_selection(model: ModelConfig) -> Iterator[Complaint]:
    """Check what decides which predictions can have a label."""
    mapped, when = model.predictions.map, model.performance.labelled_when
    if when is not None and mapped.action is None:
        needs: tuple[Steps, ...] = (("predictions", "map", "action"),)
        yield Complaint(("performance", "labelled_when"), "needs the action", "set map.action", needs=needs)
    if mapped.action is not None and when is None:
        hint = "set performance.labelled_when"
        yield Complaint(("predictions", "map", "action"), "is not used", hint, WARNING)
    many = model.task == "multiclass" and len(model.classes or ()) > MOST_WEIGHTED
    if mapped.propensity is not None and (when is None or model.task == "ranking" or many):
        hint = "figures are weighted with performance.labelled_when, of a ranking or of more than 50 classes never"
        yield Complaint(("predictions", "map", "propensity"), "is not used", hint, WARNING)


def levels_of(model: ModelConfig) -> dict[str, float]:
    """Return the predicted quantiles as they are named, in increasing order.

    >>> from monitor.config.model import ModelConfig
    >>> low, high = {"0.9": "value.b"}, {"0.1": "value.a"}
    >>> predictions = {"topic": "t", "map": {"quantiles": low | high}}
    >>> levels_of(ModelConfig(name="m", task="regression", predictions=predictions))
    {'0.1': 0.1, '0.9': 0.9}
    """
    named = {text: level for text in model.predictions.map.quantiles or {} if (level := _level(text)) is not None}
    return dict(sorted(named.items(), key=lambda item: item[1]))


def distribution_of(model: ModelConfig, unit: float = 1.0) -> DistributionTable | None:
    """Return how what predictions claim of their own error is counted; ``None`` where they claim nothing.

    Where the mapping has no interval, the outermost quantiles are one.
    """
    mapped, levels = model.predictions.map, tuple(levels_of(model).values())
    if mapped.lower is not None and mapped.upper is not None:
        nominal: float | None = model.performance.interval
    else:
        nominal = levels[-1] - levels[0] if len(levels) > 1 else None
    if model.task != "regression" or (nominal is None and not levels and mapped.deviation is None):
        return None
    return DistributionTable(nominal, levels, unit, mapped.deviation is not None)


def _level(text: str) -> float | None:
    try:
        level = float(text)
    except ValueError:
        return None
    return level if 0 < level < 1 else None
