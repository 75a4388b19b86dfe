"""Texts with figures in them: ``{column} moved by {effect:.2g}``. Names of a fixed list and short formats, no more.

A part in square brackets is left out when a figure within it does not exist: ``{n:,} rows[, p = {p_value:.2g}]``.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping
from typing import Final, TypeAlias

Value: TypeAlias = str | int | float | None

_FORMAT: Final = re.compile(r"(?:[+,]?(?:\.\d)?[a-z%]?)")
_OPTIONAL: Final = re.compile(r"\[([^\[\]{}]*(?:\{[^{}]*\}[^\[\]{}]*)+)\]")
_LONGEST: Final = 2_000


class TemplateError(ValueError):
    """A template names what does not exist or formats what cannot be formatted."""


def check_template(template: str, names: frozenset[str]) -> None:
    """Refuse a template that could not be rendered.

    Raises
    ------
    TemplateError
        When it is malformed, or names or formats something unknown.

    Examples
    --------
    >>> check_template("{column.__class__}", frozenset({"column"}))
    Traceback (most recent call last):
    alerts.templates.TemplateError: '{column.__class__}': there is no 'column.__class__'; there are: column
    """
    if len(template) > _LONGEST:
        raise TemplateError(f"a template of {len(template)} characters is too long")
    for name, specification, conversion in _fields(template):
        if name not in names:
            raise TemplateError(f"{template!r}: there is no {name!r}; there are: {', '.join(sorted(names))}")
        if conversion or not _FORMAT.fullmatch(specification):
            raise TemplateError(f"{template!r}: {specification or conversion!r} is no format; write for example .3g")


def render(template: str, values: Mapping[str, Value]) -> str:
    """Return a checked template with its values; empty when none of those that it names exists.

    >>> render("{column}: {effect:.2f} of {n:,} rows {{sic}}", {"column": "age", "effect": 0.5, "n": 12345})
    'age: 0.50 of 12,345 rows {sic}'
    >>> render("{effect:.2f}", {"effect": float("nan")})
    ''
    >>> render("{n} rows[, p = {p:.2g}]", {"n": 5}), render("{n} rows[, p = {p:.2g}]", {"n": 5, "p": 0.01})
    ('5 rows', '5 rows, p = 0.01')
    """
    named = [name for name, *_ in _fields(template)]
    if named and all(_missing(values.get(name)) for name in named):
        return ""
    template = _OPTIONAL.sub(lambda part: _kept(part[1], values), template)
    parts: list[str] = []
    for literal, name, specification, _ in string.Formatter().parse(template):
        parts.append(literal)
        if name is not None:
            parts.append(_shown(values.get(name), specification or ""))
    return "".join(parts)


def _kept(part: str, values: Mapping[str, Value]) -> str:
    return "" if any(_missing(values.get(name)) for name, *_ in _fields(part)) else part


def _missing(value: Value) -> bool:
    return value is None or value == "" or value != value  # noqa: PLR0124 - NaN alone differs from itself


def _fields(template: str) -> list[tuple[str, str, str]]:
    try:
        parsed = list(string.Formatter().parse(template))
    except ValueError as error:
        raise TemplateError(f"{template!r}: {error}") from error
    return [
        (name, specification or "", conversion or "")
        for _, name, specification, conversion in parsed
        if name is not None
    ]


def _shown(value: Value, specification: str) -> str:
    if _missing(value):
        return "n/a"
    if isinstance(value, str):
        return value
    try:
        return format(value, specification)
    except ValueError:
        return str(value)
