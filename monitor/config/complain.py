"""From pydantic's errors to problems that a person can act on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import ValidationError

from monitor.config.fields import known_keys
from monitor.config.model import Section
from monitor.config.problem import (
    MISSING_KEY,
    UNKNOWN_KEY,
    WRONG_TYPE,
    WRONG_VALUE,
    Place,
    Problem,
    Steps,
    did_you_mean,
)
from monitor.config.read import shown
from monitor.config.tree import Node

_TYPES: Final = {
    "string": "needs a text",
    "int": "needs a whole number",
    "float": "needs a number",
    "bool": "needs true or false",
    "list": "needs a list",
    "tuple": "needs a list",
    "dict": "needs a mapping",
    "model": "needs a mapping",
}
_BOUNDS: Final = {
    "greater_than": ("must be above {}", "gt"),
    "greater_than_equal": ("must be at least {}", "ge"),
    "less_than": ("must be below {}", "lt"),
    "less_than_equal": ("must be at most {}", "le"),
    "too_short": ("needs at least {} of them", "min_length"),
    "too_long": ("may have at most {} of them", "max_length"),
}
_WORD: Final = re.compile(r"'([^']*)'|(\d+)")


def complaints(error: ValidationError, root: type[Section], tree: Node) -> dict[Steps, Problem]:
    """Return one problem a place. Alternatives of a union are told together; values are never quoted."""
    told: dict[Steps, list[Problem]] = {}
    for detail in error.errors(include_url=False, include_input=False):
        steps = way(detail["loc"], tree, missing=detail["type"] == "missing")
        told.setdefault(steps, []).append(_problem(detail, steps, root, tree))
    deeper = [
        steps for steps in told if any(len(other) > len(steps) and other[: len(steps)] == steps for other in told)
    ]
    for steps in deeper:
        told[steps] = [problem for problem in told[steps] if problem.code != WRONG_TYPE]
    return {steps: _joined(problems) for steps, problems in told.items() if problems}


def way(loc: tuple[str | int, ...], tree: Node, *, missing: bool) -> Steps:
    """Return the way through the file that an error's ``loc`` means, without the names of a union's alternatives."""
    steps: list[str | int] = []
    node = tree
    for place, step in enumerate(loc):
        below = node.child(step)
        if below is not None:
            node = below
            steps.append(step)
        elif missing and place == len(loc) - 1:
            steps.append(step)
    return tuple(steps)


def place_of(steps: Steps, tree: Node, *, key: bool = False) -> Place:
    """Return where a problem stands: the value (or its key), or the nearest thing above that is in the file."""
    node = tree.nearest(steps)
    found = tree.find(steps)
    if (key or found is None or found.value in (None, {}, [])) and node.key is not None:
        return node.key
    return node.place


def _problem(detail: Mapping[str, Any], steps: Steps, root: type[Section], tree: Node) -> Problem:
    kind, ctx = str(detail["type"]), detail.get("ctx", {})
    if kind == "extra_forbidden":
        name = str(steps[-1])
        hint = did_you_mean(name, known_keys(root, steps[:-1]))
        if shown(steps) != steps:
            hint = "write key: value, with a space after the colon"
        return Problem.at(place_of(steps, tree, key=True), shown(steps), "unknown key", hint, UNKNOWN_KEY)
    place = place_of(steps, tree)
    if kind == "missing":
        return Problem.at(place, shown(steps), "is missing", code=MISSING_KEY)
    message, hint, code = _told(kind, ctx, tree.find(steps))
    return Problem.at(place, shown(steps), message, hint, code)


def _told(kind: str, ctx: Mapping[str, Any], node: Node | None) -> tuple[str, str, str]:
    if kind == "literal_error":
        words = [text or number for text, number in _WORD.findall(str(ctx.get("expected", "")))]
        value = node.value if node is not None else None
        near = did_you_mean(value, words) if isinstance(value, str) else ""
        return f"not one of: {', '.join(words)}", near if near.startswith("did you") else "", WRONG_VALUE
    if kind == "value_error":
        message, _, hint = str(ctx.get("error", "not valid")).partition("; ")
        return message, hint, WRONG_VALUE
    if kind in _BOUNDS:
        form, name = _BOUNDS[kind]
        return form.format(f"{ctx[name]:g}"), "", WRONG_VALUE
    if kind == "string_pattern_mismatch":
        return "not a name", "letters, digits, . _ and -, at most 63, a letter or digit first", WRONG_VALUE
    if kind == "finite_number":
        return "needs a finite number", "", WRONG_VALUE
    return _TYPES.get(kind.partition("_")[0], "not valid here"), "", WRONG_TYPE


def _joined(problems: list[Problem]) -> Problem:
    """Tell the alternatives of a union in one sentence."""
    first = problems[0]
    messages = dict.fromkeys(problem.message for problem in problems)
    hints = dict.fromkeys(problem.hint for problem in problems if problem.hint)
    code = WRONG_TYPE if all(problem.code == WRONG_TYPE for problem in problems) else first.code
    return Problem(
        first.file, first.line, first.column, first.path, ", or ".join(messages), " or ".join(hints), code
    )  # fmt: skip
