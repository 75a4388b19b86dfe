"""Checks of the detectors of concept drift: River's parameters, and whether the model has what they watch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from monitor.config.checks import Complaint
from monitor.config.model import DetectorConfig, ModelConfig, RiverConfig
from monitor.config.problem import WRONG_VALUE, Steps, did_you_mean

STREAMS: Final = ("error", "loss")
COUNTS_ERRORS: Final = frozenset({"ddm", "eddm", "hddm_a", "hddm_w", "fhddm"})
"""Kinds that take no losses."""
_OF_WINDOWS: Final = ("window", "warn", "alert", "correction")


def check_settings(detector: DetectorConfig, where: Steps) -> Iterator[Complaint]:
    """Check that a detector has settings of its own kind only, and that River's are in range."""
    if not detector.is_concept:
        for name in RiverConfig.model_fields:
            if getattr(detector, name) is not None:
                yield Complaint((*where, name), f"{detector.kind} has no such setting", code=WRONG_VALUE)
        if detector.alpha == 1:
            yield Complaint((*where, "alpha"), "must be below 1", code=WRONG_VALUE)
        return
    for name in _OF_WINDOWS:
        if name in detector.model_fields_set:
            message = f"{detector.kind} has no such setting: it watches rows one by one"
            yield Complaint((*where, name), message, "leave it out", WRONG_VALUE)
    # River takes seconds to import, and few configurations need it
    from detectors.concept.parameters import ParameterError, complete  # noqa: PLC0415

    try:
        complete(detector.kind, detector.parameters)
    except ParameterError as error:
        for problem in error.problems:
            yield Complaint((*where, problem.name), f"{detector.kind}: {problem.message}", problem.hint, WRONG_VALUE)


def check_streams(detector: DetectorConfig, model: ModelConfig, where: Steps) -> Iterator[Complaint]:
    """Check that a model has the errors or losses that a detector of concept drift is to watch."""
    if not model.is_labelled:
        message = f"{detector.kind} needs labels to know errors by"
        yield Complaint((*where, "kind"), message, "set labels", WRONG_VALUE, (("labels",),))
        return
    given = "on" in detector.model_fields_set
    for place, name in enumerate(model.streams_of(detector)):
        lacking = _lacking(detector, model, name)
        if lacking is not None:
            yield Complaint((*where, "on", place) if given else (*where, "kind"), *lacking, WRONG_VALUE)


def check_names(model: ModelConfig) -> Iterator[Complaint]:
    """Check that no two detectors of concept drift would report under one name."""
    seen: set[tuple[str, str]] = set()
    for place, detector in enumerate(model.detectors or ()):
        for name in model.streams_of(detector) if detector.is_concept else ():
            if (detector.kind, name) in seen:
                message = f"{detector.kind} on {name} is given twice"
                yield Complaint(("detectors", place), message, "their alarms could not be told apart", WRONG_VALUE)
            seen.add((detector.kind, name))


def _lacking(detector: DetectorConfig, model: ModelConfig, name: str) -> tuple[str, str] | None:
    """Return why there is no such stream of a model, or none that the detector can take, and what helps."""
    if name not in STREAMS:
        return f"{detector.kind} watches error or loss", did_you_mean(name, STREAMS)
    if name == "loss" and detector.kind in COUNTS_ERRORS:
        return f"{detector.kind} counts errors", "take adwin, page_hinkley or kswin for losses"
    return _no_error(model) if name == "error" else _no_loss(model)


def _no_error(model: ModelConfig) -> tuple[str, str] | None:
    if model.task == "ranking":
        return "a list is not right or wrong", "leave the detector out"
    if model.task == "regression":
        return "a regression is not right or wrong", "write on: [loss], the absolute error"
    mapped = model.predictions.map
    scored = mapped.score is not None and model.task == "binary_classification"
    if mapped.prediction is None and not scored and not model.has_scores:
        return "no prediction to be wrong", "set map.prediction, or map.score and decision"
    return None


def _no_loss(model: ModelConfig) -> tuple[str, str] | None:
    mapped = model.predictions.map
    if model.task == "ranking":
        return "a list has no loss", "leave the detector out"
    if model.task == "multiclass":
        needs = "a log loss of several classes needs a score of each"
        return None if model.has_scores else (needs, "set map.scores, or write on: [error]")
    if model.task == "regression":
        return None if mapped.prediction is not None else ("no prediction to be off", "set map.prediction")
    return None if mapped.score is not None else ("a log loss needs a score", "set map.score")
