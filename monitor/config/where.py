"""A small language for parts of the traffic: comparisons of features with constants, and, or, not."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.decoding.cells import category
from monitor.events import Column, FloatArray, IntArray

WHERE: Final = "where:"
"""Begins the name of the column that says whether a row is in such a part."""
_MOST_NODES: Final = 200
_ORDER: Final[Mapping[type[ast.cmpop], Callable[[FloatArray, float], NDArray[np.bool_]]]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
}  # fmt: skip
_TURNED: Final[Mapping[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE, ast.Eq: ast.Eq, ast.NotEq: ast.NotEq,
}  # fmt: skip
Constant: TypeAlias = "str | int | float | bool"
Columns: TypeAlias = Callable[[str], "Column | None"]
Test: TypeAlias = Callable[[Columns, int], FloatArray]
"""Returns 1, 0, or NaN where a cell is missing, of each row."""


class WhereError(ValueError):
    """The text is no such expression; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Where:
    """Which rows are in a part of the traffic.

    Features are compared with numbers, texts, ``true`` or ``false`` by ``<``, ``<=``, ``>``, ``>=``, ``==``, ``!=``,
    ``in`` and ``not in`` a list; ``and``, ``or``, ``not`` and brackets combine. A feature whose name is no plain word
    stands in backticks. A row in which the answer hangs on a missing or bad cell is in neither part.

    Examples
    --------
    >>> where = Where.parse('amount > 1000 and country in ["de", "fr"]')
    >>> columns = {"amount": np.array([2000.0, 2000.0, 10.0]), "country": ["de", None, None]}
    >>> where.of(columns, {}, 3).tolist()
    [1.0, nan, 0.0]
    """

    text: str
    names: tuple[str, ...]
    test: Test

    @classmethod
    def parse(cls, text: str) -> Where:
        """Read an expression.

        Raises
        ------
        WhereError
            When it is none.
        """
        quoted: list[str] = []
        parts = text.split("`")
        if len(parts) % 2 == 0:
            raise WhereError("a backtick without its partner")
        for place in range(1, len(parts), 2):
            quoted.append(parts[place])
            parts[place] = f"_quoted_{len(quoted) - 1}"
        try:
            tree = ast.parse("".join(parts).strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise WhereError('not an expression; such as: amount > 1000 and country in ["de", "fr"]') from None
        if sum(1 for _ in ast.walk(tree)) > _MOST_NODES:
            raise WhereError("too long")
        names: dict[str, None] = {}
        return cls(text, *_named(_compiled(tree, quoted, names), names))

    def of(self, columns: Mapping[str, Column], bad: Mapping[str, IntArray], rows: int) -> FloatArray:
        """Return 1 for rows in the part, 0 for others, NaN where that is not known."""
        del bad  # a bad cell is missing in its column
        return self.test(columns.get, rows)


def where_column(name: str) -> str:
    """Return the column that says whether a row is in a part of this name."""
    return f"{WHERE}{name}"


def _named(test: Test, names: Mapping[str, None]) -> tuple[tuple[str, ...], Test]:
    return tuple(names), test


def _compiled(node: ast.expr, quoted: list[str], names: dict[str, None]) -> Test:
    match node:
        case ast.BoolOp(op=op, values=values):
            parts = [_compiled(value, quoted, names) for value in values]
            return _all(parts) if isinstance(op, ast.And) else _any(parts)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            inner = _compiled(operand, quoted, names)
            return lambda columns, rows: 1 - inner(columns, rows)
        case ast.Compare(left=left, ops=ops, comparators=others):
            sides = [left, *others]
            links = [_comparison(sides[place], op, sides[place + 1], quoted, names) for place, op in enumerate(ops)]
            return links[0] if len(links) == 1 else _all(links)
    raise WhereError("compare a feature with a constant, such as: amount > 1000")


def _comparison(left: ast.expr, op: ast.cmpop, right: ast.expr, quoted: list[str], names: dict[str, None]) -> Test:
    if isinstance(right, ast.Name) and not isinstance(left, ast.Name) and type(op) in _TURNED:
        left, op, right = right, _TURNED[type(op)](), left
    if not isinstance(left, ast.Name) or _word(left.id) is not None:
        raise WhereError("a feature must stand on one side of each comparison")
    name = quoted[int(left.id.removeprefix("_quoted_"))] if left.id.startswith("_quoted_") else left.id
    names[name] = None
    if isinstance(op, ast.In | ast.NotIn):
        if not isinstance(right, ast.List | ast.Tuple):
            raise WhereError('in needs a list, such as ["de", "fr"]')
        return _among(name, [_constant(item) for item in right.elts], turned=isinstance(op, ast.NotIn))
    value = _constant(right)
    if isinstance(op, ast.Eq | ast.NotEq):
        return _among(name, [value], turned=isinstance(op, ast.NotEq))
    if type(op) not in _ORDER:
        raise WhereError("compare by < <= > >= == != in")
    if isinstance(value, str | bool):
        raise WhereError("only numbers have an order")
    return _ordered(name, _ORDER[type(op)], float(value))


def _constant(node: ast.expr) -> Constant:
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    inner = node.operand if isinstance(node, ast.UnaryOp) and negative else node
    word = _word(inner.id) if isinstance(inner, ast.Name) else None
    value: Any = inner.value if isinstance(inner, ast.Constant) else word
    if isinstance(value, str | bool) and not negative:
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return -value if negative else value
    raise WhereError("a feature is compared with a number, a text in quotes, true or false")


def _word(name: str) -> bool | None:
    return {"true": True, "false": False, "True": True, "False": False}.get(name)


def _ordered(name: str, compare: Callable[[FloatArray, float], NDArray[np.bool_]], value: float) -> Test:
    def test(columns: Columns, rows: int) -> FloatArray:
        column = columns(name)
        if not isinstance(column, np.ndarray):
            return np.full(rows, np.nan)
        return np.where(np.isnan(column), np.nan, compare(column, value))

    return test


def _among(name: str, values: list[Constant], *, turned: bool) -> Test:
    numbers = [float(value) for value in values if not isinstance(value, str | bool)]
    texts = {category(value) for value in values}

    def test(columns: Columns, rows: int) -> FloatArray:
        column = columns(name)
        if column is None:
            return np.full(rows, np.nan)
        if isinstance(column, np.ndarray):
            found = np.where(np.isnan(column), np.nan, np.isin(column, numbers))
        else:
            found = np.array([np.nan if text is None else text in texts for text in column], np.float64)
        return 1 - found if turned else found

    return test


def _all(parts: list[Test]) -> Test:
    """Return Kleene's conjunction: no where one says no, else unknown where one is, else yes."""

    def test(columns: Columns, rows: int) -> FloatArray:
        found = np.stack([part(columns, rows) for part in parts])
        return np.where((found == 0).any(axis=0), 0.0, np.where(np.isnan(found).any(axis=0), np.nan, 1.0))

    return test


def _any(parts: list[Test]) -> Test:
    def test(columns: Columns, rows: int) -> FloatArray:
        found = np.stack([part(columns, rows) for part in parts])
        return np.where((found == 1).any(axis=0), 1.0, np.where(np.isnan(found).any(axis=0), np.nan, 0.0))

    return test
