"""Paths into a record, such as ``value.features.amount``, and templates of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, TypeAlias, cast

Root: TypeAlias = Literal["value", "row", "key", "headers", "topic", "timestamp", "partition", "offset", "index"]

_ROOTS: Final = ("value", "row", "key", "headers", "topic", "timestamp", "partition", "offset")
_BARE: Final = ("topic", "timestamp", "partition", "offset")
_NAME = re.compile(r"[A-Za-z_]+")
_STEP = re.compile(r"""\.([^.\[\]{}"]+)|\[(\d{1,6})\]|\[(\*)\]|\["([^"]+)"\]""")


INNER: Final = frozenset({"value", "row", "index"})
"""Roots within a record's value; the others stand around it."""


class Each(Enum):
    """The step ``[*]``."""

    EACH = "[*]"


class Wrong(Enum):
    """What stands for a cell whose value is of no use."""

    WRONG = "wrong"


EACH: Final = Each.EACH
WRONG: Final = Wrong.WRONG
Step: TypeAlias = str | int | Each


@dataclass(frozen=True, slots=True)
class Path:
    """A place in a record: where to start and the steps from there."""

    root: Root
    steps: tuple[Step, ...] = ()

    def __str__(self) -> str:
        return "row" if self.root == "index" else self.root + "".join(map(_spell, self.steps))

    def child(self, step: Step) -> Path:
        """Return the path one step further."""
        return Path(self.root, (*self.steps, step))

    def within(self, other: Path) -> bool:
        """Whether this path is ``other`` or lies below it."""
        return self.root == other.root and self.steps[: len(other.steps)] == other.steps


Template: TypeAlias = tuple[str | Path, ...]
"""Literal texts and paths, joined in this order."""


def _spell(step: Step) -> str:
    if isinstance(step, str):
        return f'["{step}"]' if set(step) & set('.[]{}"') else f".{step}"
    return EACH.value if step is EACH else f"[{step}]"


def parse_path(text: str) -> Path:
    """Compile a path.

    A path starts at ``value``, ``row`` (under ``explode``), ``key``, ``headers``, ``topic``, ``timestamp``,
    ``partition`` or ``offset`` and goes on with ``.name``, ``["a.name"]``, ``[3]`` or, once, ``[*]``.

    Raises
    ------
    ValueError
        With the position of the first character that does not fit.

    Examples
    --------
    >>> parse_path("value.rows[0].x").steps
    ('rows', 0, 'x')
    >>> parse_path("value..x")
    Traceback (most recent call last):
    ValueError: 'value..x': expected .name, ["name"], [0] or [*] at position 5
    """
    start = _NAME.match(text)
    if start is None or start[0] not in _ROOTS:
        raise ValueError(f"{text!r}: expected one of {', '.join(_ROOTS)} at position 0")
    steps: list[Step] = []
    at = start.end()
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None:
            raise ValueError(f'{text!r}: expected .name, ["name"], [0] or [*] at position {at}')
        name, index, each, quoted = step.groups()
        if each and EACH in steps:
            raise ValueError(f"{text!r}: a second [*] at position {at}")
        steps.append(EACH if each else int(index) if index else name or quoted)
        at = step.end()
    path = Path(cast("Root", start[0]), tuple(steps))
    _check(path, text, start.end())
    return path


def _check(path: Path, text: str, at: int) -> None:
    if path.root in _BARE and path.steps:
        raise ValueError(f"{text!r}: {path.root} has no parts, at position {at}")
    if path.root == "headers" and not (path.steps and isinstance(path.steps[0], str)):
        raise ValueError(f"{text!r}: expected the name of a header at position {at}")


def parse_template(text: str) -> Template:
    """Compile an id: a path, or a text with paths in braces; ``{row}`` is the row's index.

    Raises
    ------
    ValueError
        With the position of the first character that does not fit.

    Examples
    --------
    >>> [str(part) for part in parse_template("{headers.ce_id}:{row}")]
    ['headers.ce_id', ':', 'row']
    """
    if "{" not in text and "}" not in text:
        return (parse_path(text),)
    parts: list[str | Path] = []
    at = 0
    for field in re.finditer(r"\{([^{}]*)\}", text):
        _literal(text, at, field.start(), parts)
        inner = field[1]
        try:
            parts.append(Path("index") if inner == "row" else parse_path(inner))
        except ValueError as error:
            raise ValueError(f"{text!r}: in the braces at position {field.start()}: {error}") from None
        at = field.end()
    _literal(text, at, len(text), parts)
    return tuple(parts)


def _literal(text: str, start: int, end: int, parts: list[str | Path]) -> None:
    literal = text[start:end]
    stray = re.search(r"[{}]", literal)
    if stray:
        raise ValueError(f"{text!r}: a brace without its partner at position {start + stray.start()}")
    if literal:
        parts.append(literal)


def follow(value: object, steps: tuple[Step, ...]) -> object:
    """Walk down a decoded JSON value.

    Returns ``None`` where something is missing or null, ``WRONG`` where a step meets a value of another shape.
    """
    for step in steps:
        if value is None or value is WRONG:
            return value
        if isinstance(step, str):
            if not isinstance(value, dict):
                return WRONG
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int):
            value = value[step] if step < len(value) else None
        else:
            return WRONG
    return value
