"""What ``driftline validate`` says: everything that is wrong, or what will be watched."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from alerts.policy import Route
from monitor.alerting.policy import mode_of, route_of
from monitor.config.alerts import AlertsConfig, ReceiverConfig
from monitor.config.checks import Complaint
from monitor.config.complain import place_of
from monitor.config.load import Examined, examine, folder_of
from monitor.config.model import DetectorConfig, ModelConfig, ReferenceConfig, StreamConfig, WindowConfig, stream_names
from monitor.config.problem import NOT_FOUND, UNREACHABLE, WARNING, WRONG_VALUE, Problem, Steps
from monitor.config.root import Config, KafkaConfig
from monitor.config.stream_checks import champion_of, unlike_topics, untold_layout
from monitor.config.tree import Node
from monitor.config.types import format_duration
from monitor.redaction import redact
from monitor.sources.port import Source, SourceUnavailableError

_SECRETS: Final = frozenset(
    {"secret", "previous_secret", "bearer_token", "password", "token", "routing_key"}
)  # addresses are secrets of some kinds only


def validate(
    path: Path, environ: Mapping[str, str], *, check_broker: Callable[[Config], Iterable[Complaint]] | None
) -> tuple[list[Problem], str]:
    """Examine a configuration and, with ``check_broker``, what surrounds it.

    Parameters
    ----------
    path : Path
        A file or a folder.
    environ : Mapping[str, str]
        Where variables are looked up.
    check_broker : callable, optional
        Returns what is wrong with the inputs; see ``check_source``. Without it, nothing beyond the files is looked at.

    Returns
    -------
    problems : list[Problem]
        Errors and warnings, in the order of the files.
    summary : str
        What will be watched, empty when there are errors. Secrets are masked.
    """
    found = examine(path, environ)
    config, tree = found.config, found.tree
    if config is None or tree is None:
        return found.problems, ""
    more = list(_doubts(config, tree))
    if check_broker is not None:
        more += [*check_state_path(config, folder_of(path)), *check_broker(config)]
    problems = sorted({*found.problems, *(_placed(complaint, tree) for complaint in more)})
    broken = any(not problem.is_warning for problem in problems)
    return problems, "" if broken else redact(summarise(config, found, path))


def check_source(config: Config, source: Source) -> Iterator[Complaint]:
    """Check that every input can be reached and exists."""
    streams = [stream for model in config.models for stream in (model.predictions, model.labels) if stream is not None]
    names = dict.fromkeys(name for stream in streams for name in stream_names(stream))
    letters = config.kafka.dead_letters
    topic = None if letters is None else letters.topic
    try:
        counts = source.partitions(names)
    except SourceUnavailableError as error:
        yield Complaint(("kafka", "bootstrap_servers"), redact(str(error)), "is the broker up?", UNREACHABLE)
        return
    shards = config.state.shards.count
    for place, model in enumerate(config.models):
        for side, stream in (("predictions", model.predictions), ("labels", model.labels)):
            if stream is not None:
                yield from _check_stream(("models", place, side), stream, counts, shards)
        unlike = unlike_topics(model, counts, shards, champion_of(config.models, model))
        untold = untold_layout(model, shards)
        if unlike is not None:
            yield Complaint(("models", place, "labels"), unlike, code=WRONG_VALUE)
        elif untold is not None:
            hint = "orphan and expired rows in driftline_join_rows tell when it is not so"
            yield Complaint(("models", place, "labels"), untold, hint, WARNING)
    if topic is not None and "topic" in {_kind(model) for model in config.models}:
        yield from _check_letters(topic, source)


def _check_stream(steps: Steps, stream: StreamConfig, counts: Mapping[str, int], shards: int) -> Iterator[Complaint]:
    kind = "topic" if stream.file is None else "file"
    pair = stream.pair
    for name in stream_names(stream):
        at: Steps = (*steps, kind)
        if pair is not None and name in (pair.request.topic, pair.response.topic):
            at = (*steps, "pair", "request" if name == pair.request.topic else "response", "topic")
        if name not in counts:
            yield Complaint(at, f"no such {kind}", code=NOT_FOUND)
        elif counts[name] < shards:
            yield Complaint(at, f"has {counts[name]} partitions, fewer than shards.count", code=WARNING)


def _kind(model: ModelConfig) -> str:
    return "topic" if model.predictions.file is None else "file"


def _check_letters(topic: str, source: Source) -> Iterator[Complaint]:
    try:
        found = source.partitions([topic])
    except (SourceUnavailableError, KeyError):
        return
    if topic not in found:
        yield Complaint(("kafka", "dead_letters", "topic"), "no such topic", "create it", NOT_FOUND)


def check_state_path(config: Config, base: Path) -> Iterator[Complaint]:
    """Check that the state can be written; a relative path starts where the command was called."""
    path = Path(config.state.path)
    try:
        standing = next(folder for folder in (path.absolute(), *path.absolute().parents) if folder.exists())
        writable = standing.is_dir() and os.access(standing, os.W_OK | os.X_OK)
    except (OSError, ValueError):
        writable = False
    if not writable:
        yield Complaint(("state", "path"), "cannot be written by this user", "mend its owner or mode", WARNING)
    if base.resolve() == path.resolve():
        yield Complaint(("state", "path"), "is the configuration's own folder", "use a folder of its own", WARNING)


def _doubts(config: Config, tree: Node) -> Iterator[Complaint]:
    if config.kafka.dead_letters is None:
        yield Complaint(("kafka",), "rejected records are counted and not kept", "set kafka.dead_letters", WARNING)
    secrets: list[Steps] = [("kafka", "security", "password"), ("kafka", "security", "key_password")]
    for place, receiver in enumerate(config.alerts.receivers):
        given = (name for name in ReceiverConfig.model_fields if getattr(receiver, name) is not None)
        secrets += [("alerts", "receivers", place, name) for name in given if name in _SECRETS]
    secrets += [("http", "tokens", place, "token") for place in range(len(config.http.tokens))]
    for steps in secrets:
        node = tree.find(steps)
        if node is not None and node.value is not None and node.text is None:
            hint = "write ${file:/run/secrets/x} or a variable"
            yield Complaint(steps, "a secret stands in the file", hint, WARNING)
    if config.state.shards.count > 1 and config.alerts.receivers:
        message = "every shard alerts on its own partitions alone"
        yield Complaint(("state", "shards", "count"), message, "give each model's rows to one shard", WARNING)


def _placed(complaint: Complaint, tree: Node) -> Problem:
    place = place_of(complaint.steps, tree)
    return Problem.at(place, complaint.steps, complaint.message, complaint.hint, complaint.code)


def summarise(config: Config, found: Examined, path: Path) -> str:
    """Return what will be watched, for people."""
    warnings = len(found.problems)
    lines = [f"{path} is sound" + (f", with {warnings} warnings" if warnings else ""), *_service(config)]
    for model in config.models:
        lines += ["", *_model(model)]
    return "\n".join(lines) + "\n"


def _service(config: Config) -> Iterator[str]:
    state, letters = config.state, config.kafka.dead_letters
    if any(model.predictions.file is None for model in config.models):
        yield f"  cluster   {_cluster(config.kafka)}"
    shards = f", shard {state.shards.index} of {state.shards.count}" if state.shards.count > 1 else ""
    yield f"  state     {state.path}, written every {format_duration(state.checkpoint)}{shards}"
    kept = "counted, not kept" if letters is None else f"kept in {letters.topic or letters.file}"
    yield f"  rejected  {kept}"
    writers = ", ".join(token.name for token in config.http.tokens)
    yield f"  serves    {config.http.listen}{', changed by ' + writers if writers else ''}"
    yield from _alerts(config.alerts)


def _alerts(alerts: AlertsConfig) -> Iterator[str]:
    """Yield who hears of alerts."""
    modes = {
        "builtin": "told to the receivers below",
        "alertmanager": "told to an Alertmanager, which routes them",
        "prometheus_only": "shown and exported, not sent",
        "shadow": "on trial: a daily digest at most",
    }
    trial = f", after a model's first {format_duration(alerts.shadow_for)}" if mode_of(alerts) == "builtin" else ""
    yield f"  alerts    {modes[mode_of(alerts)]}{trial}"
    for receiver in alerts.receivers:
        yield f"  receiver  {receiver.name}: {receiver.kind}"
    if alerts.receivers and mode_of(alerts) != "prometheus_only":
        yield from _routes(route_of(alerts), 0)
    for rule in alerts.rules:
        yield f"  rule      {rule.name}: {rule.severity}, on {', '.join(rule.kinds)}"


def _routes(route: Route, depth: int) -> Iterator[str]:
    fitting = " and ".join(map(str, route.matchers)) or "everything"
    to = f" to {route.receiver}" if route.receiver is not None else ""
    yield f"  route     {'  ' * depth}{fitting}{to}{', and on' if route.carry_on else ''}"
    for below in route.routes:
        yield from _routes(below, depth + 1)


def _cluster(kafka: KafkaConfig) -> str:
    login = f", {kafka.security.mechanism}" if kafka.security.mechanism else ""
    begin = kafka.start if isinstance(kafka.start, str) else "a time"
    return f"{', '.join(kafka.bootstrap_servers)} ({kafka.security.protocol}{login}), first start at {begin}"


def _model(model: ModelConfig) -> Iterator[str]:
    owner = f", owner {model.owner}" if model.owner else ""
    yield f"{model.name}: {model.task}{owner}"
    yield f"  reads     {_stream(model.predictions)}"
    yield f"  columns   {_columns(model)}"
    yield f"  reference {_reference(model.reference)}"
    for name, window in (model.windows or {}).items():
        yield f"  window    {name}: {_window(window)}"
    for detector in model.detectors or ():
        yield f"  detector  {_detector(detector, model)}"
    for sliced in model.slices:
        if sliced.where is not None:
            yield f"  slices    {sliced.name}: {sliced.where}, from {sliced.min_samples} rows on"
            continue
        yield f"  slices    by {' and '.join(sliced.by)}: {sliced.top_k} values, from {sliced.min_samples} rows on"
    for sentence in blind_spots(model):
        yield f"  blind to  {sentence}"


def _stream(stream: StreamConfig) -> str:
    text = f"topic {stream.topic}" if stream.topic is not None else f"file {stream.file}"
    text += f" where {', '.join(stream.where)} fits" if stream.where else ""
    return f"{text}, times in {stream.time_format}" + (f", {stream.sample:.3g} of the ids" if stream.sample < 1 else "")


def _columns(model: ModelConfig) -> str:
    mapped, names = model.predictions.map, model.predictions.feature_names
    if mapped.features is None:
        features = "no features"
    elif names is not None or isinstance(mapped.features, dict):
        features = f"{len(names or mapped.features)} features"
    else:
        features = f"features of {mapped.features}"
    roles = [name for name in ("score", "prediction", "version", "latency", "error") if getattr(mapped, name)]
    flagged = [f"flagged at {model.decision}"] if model.decision else []
    return ", ".join([features, *roles, *flagged])


def _reference(reference: ReferenceConfig | None) -> str:
    if reference is not None and reference.source is not None:
        return reference.source
    learn = None if reference is None else reference.learn
    return f"learnt from the first {format_duration(learn)}" if learn is not None else "none"


def _window(window: WindowConfig) -> str:
    every = format_duration(window.slide or window.size)
    return (
        f"{format_duration(window.size)} every {every}, closes {format_duration(window.lateness)} late, "
        f"from {window.min_samples} rows on"
    )


def _detector(detector: DetectorConfig, model: ModelConfig) -> str:
    if detector.is_concept:
        settings = [f"{name} {value}" for name, value in detector.parameters.items()]
        return f"{detector.kind} on {', '.join(model.streams_of(detector))}: {', '.join(settings) or 'its defaults'}"
    limits = [
        f"{name} {getattr(detector, name):g}" for name in ("warn", "alert") if getattr(detector, name) is not None
    ]
    where = f"window {detector.window}" if detector.window else "every window"
    return f"{detector.kind} on {', '.join(detector.on)} in {where}: {', '.join(limits) or 'beyond chance'}"


def blind_spots(model: ModelConfig) -> list[str]:
    """Return, one phrase each, what cannot be found with this configuration."""
    mapped, found = model.predictions.map, []
    if model.reference is None or model.reference.source is None:
        found.append("drift and volume, until the reference is learnt")
    if mapped.features is None:
        found.append("drift of the inputs: map.features is not set")
    elif isinstance(mapped.features, dict) or model.predictions.feature_names is not None:
        found.append("fields that records begin to carry: the features are named one by one")
    if mapped.score is None:
        found.append("drift of the score: map.score is not set")
    if model.decision is None and model.task != "regression":
        found.append("the flagged share: decision is not set")
    if mapped.version is None:
        found.append("differences between versions: map.version is not set")
    if not model.is_labelled:
        found.append("whether the model is right: labels are not set")
    what = "anything"
    if model.detectors_on("volume"):
        what = "anything but their number of rows"
        found.append("a stream that stops, by volume, until rows come again: the alert PredictionsStopped tells of it")
    else:
        found.append("the number of rows: no detector is on volume, as it can be where the reference holds all rows")
    smallest = min((window.min_samples for window in (model.windows or {}).values()), default=0)
    found.append(f"{what} in windows of fewer than {smallest} rows")
    return found
