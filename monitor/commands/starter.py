"""A guess written down as a commented configuration."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from monitor.commands.fields import Field
from monitor.commands.guess import Guess
from monitor.config.quoting import key, scalar
from monitor.decoding.schema import is_reserved

_COMMENT_AT: Final = 44
_MOST_FEATURES: Final = 200
_TYPED: Final = {"number": "numeric", "integer": "numeric", "text": "categorical", "bool": "categorical"}


def write(guess: Guess, *, topic: str | None, file: str | None, bootstrap: str) -> str:
    """Return the configuration; exactly one of ``topic`` and ``file`` says where the records are."""
    origin = f"topic {topic}" if topic is not None else f"file {file}"
    lines = [
        f"# Guessed from {guess.records} records of {_comment(origin)}. Check each line, then:",
        "#   driftline validate     says what is wrong and what will be watched",
        "#   driftline tap          shows records beside what was made of them",
        "version: 1",
    ]
    if topic is not None:
        servers = ", ".join(scalar(server) for server in bootstrap.split(","))
        lines.append(f"kafka: {{bootstrap_servers: [{servers}]}}")
    lines += ["defaults:", _line("  reference: {learn: 14d}", "learn from the stream for two whole weeks"), "models:"]
    for name, value in (guess.models or {"my-model": ""}).items():
        lines += _model(guess, name, value, topic, file)
    return "\n".join(lines) + "\n"


def _model(guess: Guess, name: str, value: str, topic: str | None, file: str | None) -> Iterator[str]:
    yield f"  - name: {scalar(name)}"
    yield _line(f"    task: {guess.task}", guess.notes.get("task", "") + "; or multiclass, or regression")
    if "score" in guess.roles and guess.task == "binary_classification":
        yield '    # decision: "score >= 0.5"           # the operating threshold, to watch the flagged share'
    yield "    predictions:"
    yield f"      {'topic' if topic is not None else 'file'}: {scalar(topic or file or '')}"
    if guess.where is not None:
        yield _line(f"      where: {{{key(guess.where)}: {scalar(value)}}}", guess.notes["where"])
    if guess.explode is not None:
        yield _line(f"      explode: {scalar(guess.explode)}", guess.notes["explode"])
    if guess.feature_names is not None:
        names = ", ".join(scalar(name) for name in guess.feature_names)
        yield _line(f"      feature_names: [{names}]", guess.notes["features"])
    if guess.time != "timestamp":
        yield _line(f"      time_format: {guess.time_format}", guess.notes["time"])
    yield from _map(guess)
    yield from _features(guess)


def _map(guess: Guess) -> Iterator[str]:
    yield "      map:"
    yield _line(f"        id: {scalar(guess.id)}", guess.notes["id"])
    yield _line(f"        time: {scalar(guess.time)}", "" if guess.time != "timestamp" else guess.notes["time"])
    if guess.version is not None:
        yield _line(f"        version: {scalar(guess.version)}", guess.notes["version"])
    for role, path in guess.roles.items():
        yield _line(f"        {role}: {scalar(path)}", "a guess by its name")
    if isinstance(guess.features, str):
        yield f"        features: {scalar(guess.features)}"
    elif guess.features:
        yield _line("        features:", guess.notes["features"])
        for name, path in guess.features.items():
            if not is_reserved(name):
                yield f"          {key(name)}: {scalar(path)}"


def _features(guess: Guess) -> Iterator[str]:
    names = list(guess.features) if isinstance(guess.features, dict) else [one.name for one in guess.fields]
    described = [(name, one) for name, one in zip(names, guess.fields, strict=True) if not is_reserved(name)]
    if not described:
        return
    yield "    features:"
    for name, one in described[:_MOST_FEATURES]:
        if one.kind == "empty":
            yield f"      # {_comment(name)}: always null here; its type will be learnt"
        else:
            yield _line(f"      {key(name)}: {{type: {feature_type(one)}}}", _facts(one))


def feature_type(one: Field) -> str:
    """Return the type a field most likely has; texts that hardly ever repeat are ids."""
    many = len(one.values) >= 100 and one.distinct > len(one.values) / 2
    if one.kind == "text" and many:
        return "id"
    return _TYPED.get(one.kind, "ignore")


def _facts(one: Field) -> str:
    missing = 1 - one.present
    lacking = f", {missing:.1%} missing" if missing > 0 else ""
    if one.kind == "mixed":
        return f"values of several types{lacking}"
    return f"{one.distinct} different {'value' if one.distinct == 1 else 'values'}{lacking}"


def _line(text: str, comment: str) -> str:
    comment = _comment(comment.removeprefix("; "))
    return f"{text:<{_COMMENT_AT}} # {comment}" if comment else text


def _comment(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)
