"""Checks of one stream of records: where it comes from, and every path into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from monitor.config.checks import Complaint
from monitor.config.model import ModelConfig, PairConfig, StreamConfig, stream_name, stream_names
from monitor.config.problem import WRONG_VALUE, Steps
from monitor.decoding.halves import HalfError, halves
from monitor.decoding.paths import parse_path, parse_template


def check_stream(stream: StreamConfig) -> Iterator[Complaint]:
    """Check where records come from and every path into them."""
    apart = stream.pair is not None and None not in (stream.pair.request.topic, stream.pair.response.topic)
    if (stream.topic is None) == (stream.file is None) and not (apart and stream.topic is None):
        yield Complaint((), "needs exactly one of topic and file", needs=(("topic",), ("file",)))
    if stream.pair is not None:
        yield from _check_pair(stream, stream.pair)
        return
    for steps, text in paths_of(stream):
        yield from _check_path(steps, text)
    yield from _check_path(("map", "id"), stream.map.id, template=True)
    names = stream.feature_names
    if names is not None and not isinstance(stream.map.features, str):
        yield Complaint(("feature_names",), "needs map.features to be the path of a list", needs=(("map", "features"),))
    if names is not None and len(set(names)) < len(names):
        yield Complaint(("feature_names",), "a name is given twice", code=WRONG_VALUE)


def _check_pair(stream: StreamConfig, pair: PairConfig) -> Iterator[Complaint]:
    """Check each half as a stream of its own; what both have is told once."""
    if stream.explode is not None:
        yield Complaint(("explode",), "say it of request and response", "move it to pair", WRONG_VALUE)
        return
    if pair.timeout <= 0:
        yield Complaint(("pair", "timeout"), "must be above 0", code=WRONG_VALUE)
    yield from _check_topics(stream, pair)
    if len(stream_names(stream)) == 1 and pair.request.where == pair.response.where:
        hint = "set where, or topic, of each"
        yield Complaint(("pair",), "nothing tells requests from responses", hint, WRONG_VALUE)
    try:
        both = halves(stream)
    except HalfError as error:
        about, _, reason = str(error).partition(": ")
        yield Complaint(tuple(about.split(".")), reason, code=WRONG_VALUE)
        return
    told: set[tuple[Steps, str]] = set()
    for half in both:
        for found in check_stream(half.model_copy(update={"topic": "pair", "file": None})):
            if (found.steps, found.message) not in told:
                told.add((found.steps, found.message))
                yield found


def _check_topics(stream: StreamConfig, pair: PairConfig) -> Iterator[Complaint]:
    """Check that requests and responses are logged where they can meet."""
    own = [name for name, half in (("request", pair.request), ("response", pair.response)) if half.topic is not None]
    if stream.file is not None:
        for name in own:
            message = "a file states no log times, so its halves meet in that file only"
            yield Complaint(("pair", name, "topic"), message, "leave it out, or log both to topics", WRONG_VALUE)
        if stream.map.time.startswith(("request.", "response.")):
            hint = "say where it stands in both, without request. or response."
            yield Complaint(("map", "time"), "a file states no log times, so both halves need one", hint, WRONG_VALUE)
    elif len(own) == 2 and stream.topic is not None and stream.topic not in stream_names(stream):
        hint = "leave it out, or the topic of the half that is in it"
        yield Complaint(("topic",), "neither requests nor responses are in it", hint, WRONG_VALUE)


def paths_of(stream: StreamConfig) -> list[tuple[Steps, str]]:
    """Return every path of a stream with the way to it, apart from the id's template."""
    mapped = stream.map
    paths: list[tuple[Steps, str]] = [(("where", text), text) for text in stream.where]
    paths += [(("map", "decode", text), text) for text in mapped.decode]
    for name in (
        "time",
        "version",
        "score",
        "prediction",
        "label",
        "latency",
        "error",
        "retract",
        "entity",
        "lower",
        "upper",
        "deviation",
        "items",
        "action",
        "propensity",
        "item",
    ):
        if (text := getattr(mapped, name)) is not None:
            paths.append((("map", name), text))
    paths += [(("map", "quantiles", level), text) for level, text in (mapped.quantiles or {}).items()]
    for name, text in mapped.scores.items() if isinstance(mapped.scores, dict) else ():
        paths.append((("map", "scores", name), text))
    if isinstance(mapped.scores, str):
        paths.append((("map", "scores"), mapped.scores))
    if isinstance(mapped.features, str):
        paths.append((("map", "features"), mapped.features))
    elif mapped.features is not None:
        paths += [(("map", "features", name), text) for name, text in mapped.features.items()]
    if stream.explode is not None:
        paths.append((("explode",), stream.explode))
    return paths


def _check_path(steps: Steps, text: str, *, template: bool = False) -> Iterator[Complaint]:
    try:
        if template:
            parse_template(text)
        else:
            parse_path(text)
    except ValueError as error:
        reason = str(error).rpartition(": ")[2]
        yield Complaint(steps, f"not a path: {reason}", code=WRONG_VALUE)


def below(name: str, found: Complaint) -> Complaint:
    """Return a complaint about a part as one about the whole."""
    needs = tuple((name, *steps) for steps in found.needs)
    return Complaint((name, *found.steps), found.message, found.hint, found.code, needs)


def unlike_topics(
    model: ModelConfig, counts: Mapping[str, int], shards: int, champion: ModelConfig | None = None
) -> str | None:
    """Return why several processes cannot join a model's topics, ``None`` when they can as far as counts tell.

    One process joins any two topics. Of several each has its share of the partitions of every topic, and joins these
    with each other alone.
    """
    if shards == 1:
        return None
    one, *apart = stream_names(model.predictions)
    others = dict.fromkeys(apart, "a request would not meet its response")
    if model.labels is not None:
        others[stream_name(model.labels)] = "a label would not meet its prediction"
    if model.labels is not None and champion is not None:
        others[stream_name(champion.predictions)] = "what both models predicted would not meet"
    for other, effect in others.items():
        if counts.get(one) != counts.get(other):
            return (
                f"{model.name}: {one} has {counts.get(one)} partitions, {other} has {counts.get(other)}; with "
                f"shards.count {shards} {effect}; repartition one of them by the id, or run one process"
            )
    return None


def champion_of(models: Sequence[ModelConfig], model: ModelConfig) -> ModelConfig | None:
    """Return the model that another one challenges."""
    if model.challenger_of is None:
        return None
    name = model.challenger_of.model
    return next((other for other in models if other.name == name), None)


def untold_layout(model: ModelConfig, shards: int) -> str | None:
    """Return what several processes rely on though no count of partitions tells it, ``None`` where there is nothing."""
    if shards == 1:
        return None
    if model.predictions.pair is not None:
        names = dict.fromkeys(stream_names(model.predictions))
        paired = (
            f"with shards.count {shards} requests meet responses only where both are keyed by the id and put into "
            f"partitions by one rule; of {' and '.join(names)} that cannot be told from here"
        )
    if model.labels is None:
        return None if model.predictions.pair is None else paired
    what = "entity" if model.labels.match == "last_before" else "id"
    names = dict.fromkeys((stream_name(model.predictions), stream_name(model.labels)))
    return (
        f"with shards.count {shards} labels meet predictions only where records are keyed by the {what} and put into "
        f"partitions by one rule; of {' and '.join(names)} that cannot be told from here"
    )
