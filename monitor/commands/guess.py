"""What a few hundred records suggest about their mapping. Every guess is for a person to check."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from monitor.commands.fields import Field, scan
from monitor.config.model import TimeFormat
from monitor.decoding.cells import Values
from monitor.decoding.times import parse_times

_IDS: Final = (
    "prediction_id", "predictionid", "inference_id", "inferenceid", "event_id", "eventid", "request_id", "requestid",
    "correlation_id", "trace_id", "uuid", "id",
)  # fmt: skip
_TIMES: Final = (
    "ts", "timestamp", "event_time", "time", "prediction_ts", "prediction_time", "inferencetime", "predicted_at",
    "created_at", "datetime", "date", "ce_time",
)  # fmt: skip
_VERSIONS: Final = ("model_version", "modelversion", "version", "rev", "revision")
_MODELS: Final = ("model", "model_name", "modelname", "model_id", "modelid", "ce_inferenceservicename")
_SCORES: Final = ("score", "probability", "proba", "prob", "prediction_score", "risk_score", "confidence", "p")
_PREDICTIONS: Final = ("prediction", "predicted", "pred", "predicted_label", "predicted_class", "output", "y_pred")
_LATENCIES: Final = ("latency_ms", "latency", "duration_ms", "elapsed_ms")
_ERRORS: Final = ("error", "status_code", "http_status")
_LABELS: Final = ("label", "actual", "target", "ground_truth", "y_true")
_FEATURES: Final = ("features", "inputs", "input", "x", "attributes", "feature_values")
_ROWS: Final = ("instances", "rows", "records", "dataframe_records", "inputs", "data")
_OTHERS: Final = frozenset((*_IDS, *_TIMES, *_VERSIONS, *_MODELS, *_LABELS))
_FORMATS: Final[tuple[TimeFormat, ...]] = ("rfc3339", "epoch_s", "epoch_ms", "epoch_us")
_FIRST, _LAST = 1_000_000_000_000_000, 4_100_000_000_000_000
_ALMOST: Final = 0.95
_MOST_MODELS: Final = 50
_MOST_VERSIONS: Final = 50


@dataclass
class Guess:
    """A mapping with the reasons for it."""

    records: int
    id: str = "{topic}:{partition}:{offset}"
    time: str = "timestamp"
    time_format: TimeFormat = "rfc3339"
    version: str | None = None
    models: dict[str, str] = field(default_factory=dict)
    """Name → value that tells the model's records from others'; empty when one model has the log to itself."""
    where: str | None = None
    roles: dict[str, str] = field(default_factory=dict)
    features: str | dict[str, str] | None = None
    feature_names: list[str] | None = None
    explode: str | None = None
    fields: list[Field] = field(default_factory=list)
    """The features."""
    task: str = "binary_classification"
    notes: dict[str, str] = field(default_factory=dict)
    """Why, by the name of what was guessed."""


def guess(documents: Sequence[object], outer: Mapping[str, Values]) -> Guess:
    """Guess the mapping of records.

    Parameters
    ----------
    documents
        Decoded values.
    outer
        Texts of keys and headers by their path, one a record.
    """
    found = Guess(len(documents))
    rows_at = _rows_of(documents)
    fields = scan(documents, "value") + [Field.of(path, values) for path, values in outer.items()]
    features = fields
    if rows_at is not None:
        found.explode = f"value.{rows_at}[*]"
        rows = [row for d in documents if isinstance(d, dict) for row in d.get(rows_at) or ()]
        features = scan(rows, "row")
        found.notes["explode"] = f"{len(rows)} rows in {len(documents)} records"
    _guess_time(found, fields)
    _guess_id(found, fields, features)
    _guess_model(found, fields)
    _guess_roles(found, features if rows_at is not None else fields)
    _guess_features(found, features, "row" if rows_at is not None else "value")
    _guess_task(found, fields + features)
    return found


def _rows_of(documents: Sequence[object]) -> str | None:
    for name in _ROWS:
        lists = [d[name] for d in documents if isinstance(d, dict) and isinstance(d.get(name), list)]
        if len(lists) >= _ALMOST * len(documents) and all(isinstance(i, dict | list) for rows in lists for i in rows):
            return name
    return None


def _named(fields: Sequence[Field], names: Sequence[str]) -> list[Field]:
    """Return the fields whose last step is one of the names, in the order of the names."""
    order = {name: place for place, name in enumerate(names)}
    return sorted((f for f in fields if f.name.lower() in order), key=lambda f: (order[f.name.lower()], f.depth))


def _guess_time(found: Guess, fields: Sequence[Field]) -> None:
    likely = _named(fields, _TIMES)
    for one in [*likely, *(f for f in fields if f not in likely and re.search(r"(_at|_ts|time)$", f.name.lower()))]:
        for form in _FORMATS:
            times = parse_times(one.numbers if form != "rfc3339" and one.textual else one.values, form)
            fits = np.count_nonzero((times >= _FIRST) & (times < _LAST))
            if one.present >= _ALMOST and fits >= _ALMOST * max(1, len(one.values)):
                found.time, found.time_format = one.path, form
                first = times[times >= _FIRST].min().astype("datetime64[us]").astype("datetime64[s]")
                found.notes["time"] = f"read as {form}, the first is {first}Z; correct it if that is wrong"
                return
    found.notes["time"] = "no field looks like a time; this is the time at which Kafka got the record"


def _guess_id(found: Guess, fields: Sequence[Field], rows: Sequence[Field]) -> None:
    for one in _named([*rows, *fields], _IDS) + [f for f in fields if f.path == "key"]:
        if one.kind in {"text", "integer"} and one.present >= _ALMOST and one.distinct >= _ALMOST * len(one.values):
            found.id = one.path
            found.notes["id"] = f"{one.distinct} different values in {len(one.values)}"
            if found.explode is not None and not one.path.startswith("row"):
                found.id = f"{{{one.path}}}:{{row}}"
            return
    found.id += ":{row}" if found.explode is not None else ""
    found.notes["id"] = "no field is present and unique; labels cannot be joined to this id"


def _guess_model(found: Guess, fields: Sequence[Field]) -> None:
    for one in _named(fields, _VERSIONS):
        if one.kind in {"text", "integer", "number"} and one.distinct <= _MOST_VERSIONS:
            found.version = one.path
            found.notes["version"] = f"{one.distinct} seen"
            break
    for one in _named(fields, _MODELS):
        if one.kind == "text" and one.present >= _ALMOST and 1 <= one.distinct <= _MOST_MODELS:
            texts = sorted({value for value in one.values if isinstance(value, str)})
            found.where = one.path
            for text in texts:
                found.models.setdefault(_model_name(text, set(found.models)), text)
            found.notes["where"] = f"{len(texts)} model{'s' * (len(texts) > 1)} on this log"
            return


def _model_name(text: str, taken: set[str]) -> str:
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:50] or "model"
    return name if name not in taken else f"{name}-{len(taken) + 1}"


def _guess_roles(found: Guess, fields: Sequence[Field]) -> None:
    wanted = (
        ("score", _SCORES, {"number", "integer"}),
        ("prediction", _PREDICTIONS, {"number", "integer", "text", "bool"}),
        ("label", _LABELS, {"number", "integer", "text", "bool"}),
        ("latency", _LATENCIES, {"number", "integer"}),
        ("error", _ERRORS, {"integer", "bool"}),
    )
    for role, names, kinds in wanted:
        for one in _named(fields, names):
            if one.kind in kinds and one.path not in {found.id, found.time, found.version, found.where}:
                found.roles[role] = one.path
                break


def _guess_features(found: Guess, fields: Sequence[Field], root: str) -> None:
    taken = {found.id, found.time, found.version, found.where, *found.roles.values()}
    for name in _FEATURES:
        below = [f for f in fields if f.parent.lower() == f"{root}.{name}" and f.kind != "list"]
        if any(f.is_scalar for f in below):
            found.features = below[0].parent
            found.fields = [f for f in below if f.path not in taken]
            return
    lists = [f for f in fields if f.kind == "list" and (f.path == root or f.name.lower() in _FEATURES)]
    if lists:
        width = lists[0].width
        found.features, found.feature_names = lists[0].path, [f"f{i}" for i in range(width)]
        found.fields = [Field.of(f"f{i}", lists[0].items(i), name=f"f{i}") for i in range(width)]
        found.notes["features"] = "positional: give them their true names, in this order"
        return
    flat = [f for f in fields if f.is_scalar and f.path not in taken and f.path.startswith(root)]
    found.fields = [f for f in flat if f.name.lower() not in _OTHERS]
    names = [f.name for f in found.fields]
    found.features = {f.name if names.count(f.name) == 1 else _spelled(f): f.path for f in found.fields} or None
    found.notes["features"] = "picked from a flat record; remove what is no input of the model"


def _spelled(one: Field) -> str:
    return one.path.partition(".")[2].replace(".", "_")


def _guess_task(found: Guess, fields: Sequence[Field]) -> None:
    by_path = {f.path: f for f in fields}
    prediction = by_path.get(found.roles.get("prediction", ""))
    if prediction is None:
        found.notes["task"] = "a guess: nothing says what the prediction is"
    elif prediction.kind == "number" and prediction.distinct > 20:
        found.task = "regression"
        found.notes["task"] = f"predictions are numbers, {prediction.distinct} different ones"
    elif prediction.distinct > 2:
        found.task = "multiclass"
        found.notes["task"] = f"{prediction.distinct} different predictions"
    else:
        found.notes["task"] = f"{prediction.distinct} different predictions"
