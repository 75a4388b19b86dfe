"""Checks of a model's labels and of what says which labels there are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from monitor.config.checks import Complaint
from monitor.config.model import LabelsConfig, ModelConfig
from monitor.config.problem import WARNING, WRONG_VALUE, Steps
from monitor.config.score_checks import check_distribution, check_ranking, check_scores, check_selection
from monitor.config.stream_checks import below, check_stream, paths_of
from monitor.decoding.cells import category
from monitor.decoding.plan import compile_plan
from monitor.decoding.schema import Schema
from monitor.truth import Truth

_OTHERS: Final = (
    *("version", "features", "score", "scores", "lower", "upper", "deviation", "quantiles", "prediction", "latency"),
    *("error", "entity", "items", "action", "propensity"),
)


def check_labels(model: ModelConfig) -> Iterator[Complaint]:
    """Check where labels come from, what they can be, and when predictions are judged."""
    yield from _check_classes(model)
    yield from check_scores(model)
    yield from check_distribution(model)
    yield from check_ranking(model)
    yield from check_selection(model)
    labels = model.labels
    if labels is None:
        if model.predictions.map.retract is not None:
            yield Complaint(
                ("predictions", "map", "retract"), "only labels are retracted", "map it under labels", WRONG_VALUE
            )
        return
    if model.predictions.map.label is not None:
        steps: Steps = ("predictions", "map", "label")
        yield Complaint(steps, "predictions carry their labels, and there are labels besides", "keep one", WRONG_VALUE)
    stream = tuple(check_stream(labels))
    yield from (below("labels", complaint) for complaint in stream)
    yield from (below("labels", complaint) for complaint in _check_roles(labels))
    if not stream:
        yield from _check_plan(model, labels)
    yield from _check_times(model, labels)
    yield from _check_match(model, labels)
    if labels.absent_means is not None and not _is_label(model, labels.absent_means):
        kind = {"regression": "a number", "ranking": "0, that nothing was relevant"}.get(model.task, "one of classes")
        yield Complaint(("labels", "absent_means"), f"must be {kind}", code=WRONG_VALUE)


def _check_classes(model: ModelConfig) -> Iterator[Complaint]:
    classes, positive = model.classes, model.positive_class
    if classes is not None and model.task == "regression":
        yield Complaint(("classes",), "a regression has none", code=WRONG_VALUE)
    elif classes is not None:
        names = [category(name) for name in classes]
        if len(set(names)) < len(names):
            yield Complaint(("classes",), "a class is given twice", code=WRONG_VALUE)
        if model.task == "binary_classification" and len(names) != 2:
            yield Complaint(("classes",), "a binary model has two", "or set task: multiclass", WRONG_VALUE)
        if positive is not None and category(positive) not in names:
            yield Complaint(("positive_class",), "must be one of classes", needs=(("classes",),), code=WRONG_VALUE)
    if model.is_labelled and model.task == "binary_classification" and positive is None:
        hint = "name the class that the score is the probability of"
        yield Complaint(("labels",), "labels of a binary model need positive_class", hint, needs=(("positive_class",),))
    if model.is_labelled and model.task == "multiclass" and classes is None:
        yield Complaint(("labels",), "labels of a multiclass model need classes", "name all", needs=(("classes",),))


def _check_roles(labels: LabelsConfig) -> Iterator[Complaint]:
    if labels.map.label is None and labels.map.item is None:
        yield Complaint(("map", "label"), "labels need one", code=WRONG_VALUE)
    for name in _OTHERS:
        if getattr(labels.map, name) is not None:
            yield Complaint(("map", name), "is not read from labels", "map it under predictions", WRONG_VALUE)
    if labels.file is not None and labels.map.time == "timestamp":
        hint = "say where the time of the label stands"
        yield Complaint(("map", "time"), "a file states no log times", hint, needs=(("map", "time"),))
    if labels.pair is not None:
        yield Complaint(("pair",), "labels are single records", code=WRONG_VALUE)
    if labels.feature_names is not None:
        yield Complaint(("feature_names",), "labels have no features", code=WRONG_VALUE)


def _check_plan(model: ModelConfig, labels: LabelsConfig) -> Iterator[Complaint]:
    try:
        compile_plan(Schema.of_labels(model), 1)
    except ValueError as error:
        about, _, reason = str(error).rpartition(": ")
        at = next((way for way, text in paths_of(labels) if about and text in about), ("map",))
        yield Complaint(("labels", *at), reason, needs=(("labels",),))


def _check_match(model: ModelConfig, labels: LabelsConfig) -> Iterator[Complaint]:
    entity = model.predictions.map.entity
    if labels.match == "last_before" and entity is None:
        needs: tuple[Steps, ...] = (("predictions", "map", "entity"),)
        yield Complaint(("labels", "match"), "needs the entity", "set predictions.map.entity", WRONG_VALUE, needs)
    if labels.match == "last_before" and "id" not in labels.map.model_fields_set:
        yield Complaint(("labels", "match"), "needs the entity that labels name", "set labels.map.id", WRONG_VALUE)
    if labels.match == "id" and entity is not None:
        hint = "set labels.match: last_before, or leave it out"
        yield Complaint(("predictions", "map", "entity"), "is not used: labels name predictions", hint, WARNING)


def _check_times(model: ModelConfig, labels: LabelsConfig) -> Iterator[Complaint]:
    if model.join.wait <= 0:
        yield Complaint(("join", "wait"), "must be above 0", code=WRONG_VALUE)
    elif labels.matures_after is not None and not 0 < labels.matures_after <= model.join.wait:
        hint = "raise join.wait, or judge earlier"
        yield Complaint(("labels", "matures_after"), "must lie above 0 and not above join.wait", hint, WRONG_VALUE)


def _is_label(model: ModelConfig, value: str | float | bool) -> bool:
    if model.task == "ranking":
        return not isinstance(value, bool | str) and value == 0
    if model.task == "regression":
        return isinstance(value, int | float) and not isinstance(value, bool)
    return math.isfinite(Truth.of(model).value(value))
