"""Checks of one model across its fields."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Final

from monitor.config.checks import Complaint, is_file
from monitor.config.concept_checks import check_names, check_settings, check_streams
from monitor.config.decision import Decision
from monitor.config.label_checks import check_labels
from monitor.config.model import DetectorConfig, ModelConfig, ReferenceConfig, SliceConfig, WindowConfig
from monitor.config.performance_checks import check_performance
from monitor.config.problem import NOT_FOUND, WARNING, WRONG_VALUE, Steps, did_you_mean
from monitor.config.root import DefaultsConfig
from monitor.config.stream_checks import below, check_stream, paths_of
from monitor.config.types import format_duration
from monitor.config.where import Where, WhereError
from monitor.decoding.plan import compile_plan
from monitor.decoding.schema import Schema
from monitor.events import DAY, HOUR, MINUTE

RESERVED: Final = ("score", "prediction", "latency", "error", "flagged", "volume", "label", "entity")
SELECTORS: Final = ("features", "numeric", "categorical", "score", "prediction", "quality", "flagged", "volume")
EVIDENCE: Final = "evidence"
"""The window under which findings of evidence are told."""
_NOT_SLICED: Final = frozenset({*SELECTORS, *RESERVED} - {"score", "prediction"})
_MOST_OF_PAIR: Final = 50
_WEEK: Final = 7 * DAY
_HUGE: Final = 31 * DAY
_CONCEPT: Final = "concept"
_CHALLENGER: Final = "challenger"
_MOST_PANES: Final = 20_000


def check_model(model: ModelConfig, resolved: ModelConfig, most_features: int, base: Path) -> Iterator[Complaint]:
    """Check one model; ``resolved`` is the same with defaults filled in.

    What comes from ``defaults`` is checked there, except whether detectors find their windows.
    """
    yield from (below("predictions", complaint) for complaint in check_stream(model.predictions))
    yield from _check_plan(model, most_features)
    yield from check_labels(model)
    yield from check_performance(model, resolved)
    yield from _check_features(model, most_features)
    yield from _check_vectors(model, resolved)
    yield from _check_decision(model)
    yield from _check_slices(model)
    if model.reference is not None:
        yield from (below("reference", complaint) for complaint in check_reference(model.reference, base))
    yield from (below("windows", complaint) for complaint in check_windows(model.windows or {}))
    own = model.detectors is not None
    for place, detector in enumerate(resolved.detectors or ()):
        where: Steps = ("detectors", place) if own else ()
        yield from _check_detector(detector, resolved, where)
    if own:
        yield from check_names(resolved)
    if model.idle_timeout <= 0:
        yield Complaint(("idle_timeout",), "must be above 0", code=WRONG_VALUE)


def check_defaults(defaults: DefaultsConfig, base: Path) -> Iterator[Complaint]:
    """Check what every model inherits."""
    if defaults.reference is not None:
        yield from (below("reference", complaint) for complaint in check_reference(defaults.reference, base))
    yield from (below("windows", complaint) for complaint in check_windows(defaults.windows or {}))
    for place, detector in enumerate(defaults.detectors or ()):
        yield from check_settings(detector, ("detectors", place))
        yield from _check_thresholds(detector, ("detectors", place))


def _check_plan(model: ModelConfig, most: int) -> Iterator[Complaint]:
    """Compile the mapping as the decoder will; what is wrong with single paths and names is told elsewhere."""
    if any(check_stream(model.predictions)) or any(name in RESERVED for _, name in _named_features(model)):
        return
    try:
        for schema in Schema.all_of(model):
            compile_plan(schema, most)
    except ValueError as error:
        about, _, reason = str(error).rpartition(": ")
        at = next((way for way, text in paths_of(model.predictions) if about and text in about), ("map",))
        yield Complaint(("predictions", *at), reason, needs=(("predictions",), ("features",)))


def _check_features(model: ModelConfig, most: int) -> Iterator[Complaint]:
    mapped = known_features(model)
    for steps, name in _named_features(model):
        if name in RESERVED:
            yield Complaint(steps, "a reserved name", f"reserved are {', '.join(RESERVED)}", WRONG_VALUE)
    if mapped is not None and len(mapped) > most:
        yield Complaint(
            ("predictions", "map", "features"), f"more features than limits.max_features_per_model ({most})"
        )
    for name, feature in model.features.items():
        if mapped is not None and name not in mapped:
            hint = did_you_mean(name, mapped)
            yield Complaint(
                ("features", name), "no such feature in map.features", hint, needs=(("predictions", "map", "features"),)
            )
        if feature.range is not None and feature.range[0] >= feature.range[1]:
            yield Complaint(("features", name, "range"), "the first number must be below the second", code=WRONG_VALUE)


def _check_vectors(model: ModelConfig, resolved: ModelConfig) -> Iterator[Complaint]:
    for name, feature in model.features.items():
        if (feature.type == "vector") != (feature.size is not None):
            yield Complaint(("features", name), "a vector has a size, and only a vector has one", "set type and size")
        if feature.type != "vector":
            continue
        if resolved.reference is None or resolved.reference.source is None:
            yield Complaint(
                ("features", name, "type"),
                "watched only with a reference file: clusters are not learnt from the stream",
                "build one with driftline reference build, and set reference.source",
                WARNING,
            )
        if model.predictions.pair is not None:
            yield Complaint(("features", name, "type"), "a vector cannot be joined from requests and responses")


def _named_features(model: ModelConfig) -> Iterator[tuple[Steps, str]]:
    yield from ((("features", name), name) for name in model.features)
    if isinstance(model.predictions.map.features, dict):
        yield from ((("predictions", "map", "features", name), name) for name in model.predictions.map.features)
    for place, name in enumerate(model.predictions.feature_names or ()):
        yield ("predictions", "feature_names", place), name


def known_features(model: ModelConfig) -> tuple[str, ...] | None:
    """Return the features that the mapping names one by one, ``None`` when it leads to an object of them."""
    if isinstance(model.predictions.map.features, dict):
        return tuple(model.predictions.map.features)
    return None if model.predictions.feature_names is None else tuple(model.predictions.feature_names)


def _check_decision(model: ModelConfig) -> Iterator[Complaint]:
    if model.decision is None:
        return
    try:
        Decision.parse(model.decision)
    except ValueError as error:
        message, _, hint = str(error).partition("; ")
        yield Complaint(("decision",), message, hint, WRONG_VALUE)
    if model.predictions.map.score is None:
        yield Complaint(
            ("decision",), "a decision needs a score", "set map.score", needs=(("predictions", "map", "score"),)
        )


def _check_slices(model: ModelConfig) -> Iterator[Complaint]:
    """Check that slices are of columns that are counted, and are not too many."""
    seen: set[tuple[str, ...]] = set()
    for place, sliced in enumerate(model.slices):
        if sliced.where is not None or not sliced.by:
            yield from _check_where(sliced, model, ("slices", place))
            if sliced.columns in seen:
                yield Complaint(("slices", place, "name"), "the same name twice", code=WRONG_VALUE)
            seen.add(sliced.columns)
            continue
        steps: Steps = ("slices", place, "by")
        for at, name in enumerate(sliced.by):
            feature = model.features.get(name)
            if name in _NOT_SLICED:
                yield Complaint((*steps, at), "cannot be sliced by", "name a feature or prediction", WRONG_VALUE)
            elif feature is not None and feature.type in {"id", "ignore"}:
                hint = "set its type to categorical"
                yield Complaint((*steps, at), f"is of type {feature.type} and not counted", hint, WRONG_VALUE)
            else:
                yield from _check_column(name, model, (*steps, at))
        if len(set(sliced.by)) < len(sliced.by):
            yield Complaint(steps, "a column is given twice", code=WRONG_VALUE)
        elif tuple(sliced.by) in seen:
            yield Complaint(steps, "the same slices are given twice", code=WRONG_VALUE)
        if len(sliced.by) > 1 and sliced.top_k > _MOST_OF_PAIR:
            message = f"at most {_MOST_OF_PAIR} values of each of two columns"
            yield Complaint(("slices", place, "top_k"), message, code=WRONG_VALUE)
        seen.add(tuple(sliced.by))


def _check_where(sliced: SliceConfig, model: ModelConfig, steps: Steps) -> Iterator[Complaint]:
    """Check an expression and the features that it names."""
    if sliced.where is None:
        yield Complaint(steps, "needs by or where", needs=((*steps, "by"), (*steps, "where")))
        return
    if sliced.by:
        yield Complaint((*steps, "where"), "by and where exclude each other", "keep one", WRONG_VALUE)
    if sliced.name is None:
        yield Complaint((*steps, "where"), "needs a name", "set name", needs=((*steps, "name"),))
    try:
        where = Where.parse(sliced.where)
    except WhereError as error:
        yield Complaint((*steps, "where"), str(error), code=WRONG_VALUE)
        return
    known = {*(known_features(model) or ()), "score", "prediction"}
    for name in where.names:
        if known_features(model) is not None and name not in known:
            yield Complaint((*steps, "where"), f"no feature {name!r}", did_you_mean(name, sorted(known)), NOT_FOUND)


def check_reference(reference: ReferenceConfig, base: Path) -> Iterator[Complaint]:
    """Check that there is one way to get a reference, and that it leads somewhere."""
    if reference.source is not None and reference.learn is not None:
        yield Complaint((), "source and learn exclude each other", "keep one of them")
    if reference.source is not None and not is_file(base, reference.source):
        hint = "build it with driftline reference build"
        yield Complaint(("source",), "no such file", hint, NOT_FOUND)
    if reference.learn is not None and reference.learn <= 0:
        yield Complaint(("learn",), "must be above 0", code=WRONG_VALUE)
    elif reference.learn is not None and reference.learn % _WEEK:
        yield Complaint(("learn",), "not whole weeks: some weekdays count more than others", code=WARNING)


def check_windows(windows: Mapping[str, WindowConfig]) -> Iterator[Complaint]:
    """Check sizes, slides and the panes that follow from them."""
    for name, window in windows.items():
        if name == _CONCEPT:
            yield Complaint((name,), "is the name of the hours of concept detectors", "choose another", WRONG_VALUE)
        if name == _CHALLENGER:
            yield Complaint((name,), "is the name of comparisons with a champion", "choose another", WRONG_VALUE)
        if name == EVIDENCE:
            yield Complaint((name,), "is the name of evidence windows", "choose another", WRONG_VALUE)
        found = tuple(_check_lengths(window))
        yield from (below(name, complaint) for complaint in found)
        if window.size > _HUGE:
            message = f"a window of {format_duration(window.size)}: it moves slowly and is costly to sum"
            yield Complaint((name, "size"), message, code=WARNING)
        elif not found and window.size // (window.slide or window.size) > _MOST_PANES:
            yield Complaint((name, "slide"), f"more than {_MOST_PANES} windows hold each row", "slide further", WARNING)


def _check_lengths(window: WindowConfig) -> Iterator[Complaint]:
    slide = window.size if window.slide is None else window.slide
    steps: Steps = ("size",) if window.slide is None else ("slide",)
    for name, length in (("size", window.size), ("slide", slide)):
        if (length <= 0 or length % MINUTE) and (name == "size" or window.slide is not None):
            yield Complaint((name,), "must be whole minutes, at least 1m", code=WRONG_VALUE)
            return
    if window.size % slide:
        hint = f"such as {format_duration(window.size - window.size % slide or slide)}"
        yield Complaint(("size",), "must be a multiple of slide", hint, WRONG_VALUE)
    if slide % DAY and (DAY % slide if slide % HOUR == 0 else HOUR % slide):
        message = (
            "windows are sums of panes, and a pane, the longest that size and slide are multiples of, must divide 1h "
            "or be hours that divide 1d or whole days"
        )
        yield Complaint(steps, message, "such as 1m, 5m, 15m, 30m, 1h, 6h, 1d", WRONG_VALUE)


def _check_detector(detector: DetectorConfig, model: ModelConfig, where: Steps) -> Iterator[Complaint]:
    if detector.is_concept:
        if where:
            yield from check_settings(detector, where)
            yield from check_streams(detector, model, where)
        return
    inherited = "" if where else f"detector {detector.kind} from defaults: "
    windows = tuple(model.windows or {})
    if detector.window is not None and detector.window not in windows:
        hint = did_you_mean(detector.window, windows)
        steps: Steps = (*where, "window") if where else ()
        yield Complaint(steps, f"{inherited}no such window", hint, needs=(("windows", detector.window),))
    if not where:
        return
    yield from check_settings(detector, where)
    yield from _check_thresholds(detector, where)
    for place, name in enumerate(detector.on):
        yield from _check_column(name, model, (*where, "on", place))
    vectors = {name for name, feature in model.features.items() if feature.type == "vector"}
    if detector.kind == "mmd" and not (vectors and {"features", *vectors} & set(detector.on)):
        yield Complaint((*where, "on"), "mmd looks at vectors only, and there is none here", "", WARNING)


def _check_thresholds(detector: DetectorConfig, where: Steps) -> Iterator[Complaint]:
    if detector.warn is not None and detector.alert is not None and detector.warn > detector.alert:
        yield Complaint((*where, "warn"), "must not be above alert", code=WRONG_VALUE)


def _check_column(name: str, model: ModelConfig, steps: Steps) -> Iterator[Complaint]:
    known: Collection[str] = {*SELECTORS, *RESERVED, *model.features}
    mapped = known_features(model)
    if name in known or (mapped is not None and name in mapped):
        return
    if mapped is not None or model.predictions.map.features is None:
        columns = (*SELECTORS, "latency", "error", *(mapped or ()))
        needs: tuple[Steps, ...] = (("predictions",), ("features",))
        yield Complaint(steps, "no such column", did_you_mean(name, columns), WRONG_VALUE, needs)
    else:
        message = "watched only if the stream has a feature of this name"
        hint = did_you_mean(name, SELECTORS)
        yield Complaint(steps, message, hint if hint.startswith("did you") else "", WARNING)
