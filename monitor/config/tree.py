"""A YAML file as a tree in which every value knows where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from monitor.config.problem import Place, Step, Steps

Scalar: TypeAlias = str | int | float | bool | None

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT: Final = re.compile(r"[-+]?[0-9][0-9_]*")
_OTHER_INT: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_MOST_DIGITS: Final = 400


@dataclass(slots=True)
class Node:
    """A value of the file: a scalar, a list of nodes, or a mapping of nodes."""

    place: Place
    value: Scalar | list[Node] | dict[str, Node]
    key: Place | None = None
    """Where the key stands under which the value stands, if it stands under one."""
    plain: bool = False
    """Whether the scalar was written without quotes."""
    text: str | None = None
    """What was interpolated into the scalar, before it got its type."""

    @property
    def data(self) -> Any:
        """The value without its places."""
        if isinstance(self.value, dict):
            return {name: node.data for name, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.data for node in self.value]
        return self.value

    def child(self, step: Step) -> Node | None:
        """Return the node one step down, ``None`` where there is none."""
        if isinstance(self.value, dict) and isinstance(step, str):
            return self.value.get(step)
        if isinstance(self.value, list) and isinstance(step, int) and 0 <= step < len(self.value):
            return self.value[step]
        return None

    def find(self, steps: Steps) -> Node | None:
        """Return the node at the end of the way, ``None`` where there is none."""
        node: Node | None = self
        for step in steps:
            node = None if node is None else node.child(step)
        return node

    def nearest(self, steps: Steps) -> Node:
        """Return the node at the end of the way, or the last one on it."""
        node = self
        for step in steps:
            below = node.child(step)
            if below is None:
                break
            node = below
        return node

    def scalars(self, steps: Steps = ()) -> Iterator[tuple[Steps, Node]]:
        """Yield every scalar with its way."""
        if isinstance(self.value, dict):
            for name, node in self.value.items():
                yield from node.scalars((*steps, name))
        elif isinstance(self.value, list):
            for place, node in enumerate(self.value):
                yield from node.scalars((*steps, place))
        else:
            yield steps, self


def typed(text: str) -> Scalar:
    """Return what an unquoted scalar means in YAML 1.2; dates stay texts.

    >>> typed("12"), typed("5_000"), typed("1e3"), typed("true"), typed("~"), typed("yes"), typed("2026-12-25")
    (12, 5000, 1000.0, True, None, 'yes', '2026-12-25')
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    return text if len(text) > _MOST_DIGITS else _number(text)


def _number(text: str) -> int | float | str:
    if _INT.fullmatch(text):
        return int(text.replace("_", ""))
    if _OTHER_INT.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text.replace("_", ""))
    return float(text.replace(".", "", 1)) if _SPECIAL.fullmatch(text) else text
