"""Several files as one tree."""

from __future__ import annotations

from collections.abc import Sequence

from monitor.config.problem import CONFLICT, Problem, Steps
from monitor.config.read import shown
from monitor.config.tree import Node


def merge(trees: Sequence[Node], problems: list[Problem]) -> Node:
    """Return the trees as one: mappings are merged, the lists of ``models`` are joined in the order of the files.

    Everything else may be said twice only if it is the same; otherwise the second place is a problem that names the
    first.
    """
    merged = trees[0]
    for tree in trees[1:]:
        merged = _merge(merged, tree, (), problems)
    return merged


def _merge(first: Node, second: Node, steps: Steps, problems: list[Problem]) -> Node:
    if isinstance(first.value, dict) and isinstance(second.value, dict):
        value = dict(first.value)
        for name, node in second.value.items():
            value[name] = _merge(value[name], node, (*steps, name), problems) if name in value else node
        return Node(first.place, value, first.key)
    if steps == ("models",) and isinstance(first.value, list) and isinstance(second.value, list):
        return Node(first.place, [*first.value, *second.value], first.key)
    if first.data != second.data:
        place = second.key or second.place
        message = f"said otherwise in {first.key or first.place}"
        problems.append(Problem.at(place, shown(steps), message, "keep one of them", CONFLICT))
    return first
