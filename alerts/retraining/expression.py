"""When to retrain: ``performance drop or (drift and estimated drop)``. Words for alerts, ``and``, ``or``, brackets.

A word holds while an alert of its kind fires for the whole population of the model; so it has the hysteresis and the
restatements of alerts. ``performance.roc_auc`` asks for one column or metric, ``estimated.effect < -0.02`` for a
figure as well. There is no ``not``: the absence of an alert is never a reason to retrain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from alerts.conditions import FIGURES, Compare, Verdict
from alerts.entry import Entry
from alerts.receivers.options import near
from alerts.retraining.topics import topic_of
from alerts.signal import Signal

WORDS: Final = {
    "performance": "performance",
    "calibration": "calibration",
    "concept": "concept",
    "estimated": "estimate",
    "drift": "drift",
    "score": "score",
    "evidence": "evidence",
}
"""Word → the kind of signals that it speaks of; evidence counts as what it is gathered of, see ``topic_of``."""
FAULTS: Final = frozenset(
    {"quality", "volume", "last_prediction", "last_label", "rejected", "late", "lag", "coverage", "shard"}
)
"""Kinds that speak of data or of the pipeline. They block a retraining and are never a reason for one."""
_TOKEN: Final = re.compile(
    r'\s*(?:(?P<word>[A-Za-z_][A-Za-z0-9_]*)|(?P<number>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)'
    r'|(?P<text>"[^"]*")|(?P<sign>[().<>\[\]]))'
)  # fmt: skip
_LONGEST: Final = 1_000
_DEEPEST: Final = 20


class ExpressionError(ValueError):
    """A condition's text cannot be understood."""


class Support(NamedTuple):
    """Why a condition holds."""

    since: int
    """When it began to hold, in the signals' time."""
    entries: tuple[Entry, ...]
    """The alerts that make it hold."""


@dataclass(frozen=True, slots=True)
class Term:
    """One word.

    Parameters
    ----------
    column
        Column, metric or detector that it asks for; empty for any.
    compare
        What the latest figure must be beyond.
    """

    word: str
    column: str = ""
    compare: Compare | None = None

    def support(self, entries: Sequence[Entry]) -> Support | None:
        """Return the alerts that speak for it, ``None`` when there are none."""
        found = tuple(entry for entry in entries if self._hears(entry))
        return Support(min(map(started, found)), found) if found else None

    def _hears(self, entry: Entry) -> bool:
        signal = entry.signal
        if not entry.firing or signal.slice or not self._means(signal):
            return False
        if self.column and self.column not in {signal.column, signal.labels.get("metric"), signal.detector}:
            return False
        return self.compare is None or self.compare.judge(signal, {}) is Verdict.BREACH

    def _means(self, signal: Signal) -> bool:
        if self.word == "evidence":
            return signal.kind == "evidence" and topic_of(signal) not in FAULTS
        return topic_of(signal) == WORDS[self.word]


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; since the last of them does."""

    parts: tuple[Expression, ...]

    def support(self, entries: Sequence[Entry]) -> Support | None:
        """Return the alerts of all parts, ``None`` when a part does not hold."""
        found = [part.support(entries) for part in self.parts]
        held = [each for each in found if each is not None]
        return Support(max(each.since for each in held), _union(held)) if len(held) == len(found) else None


@dataclass(frozen=True, slots=True)
class Any:
    """One part holds; since the first of them does."""

    parts: tuple[Expression, ...]

    def support(self, entries: Sequence[Entry]) -> Support | None:
        """Return the alerts of the parts that hold, ``None`` when none does."""
        held = [each for part in self.parts if (each := part.support(entries)) is not None]
        return Support(min(each.since for each in held), _union(held)) if held else None


Expression: TypeAlias = Term | All | Any


def started(entry: Entry) -> int:
    """Return when an alert began to fire, in the signals' time."""
    at = entry.track.machine.started
    return entry.signal.at if at is None else at


def parse_expression(text: str) -> Expression:
    """Return the condition that a text describes.

    Raises
    ------
    ExpressionError
        When it describes none, or names a fault of the data or the pipeline.

    Examples
    --------
    >>> parse_expression("drift and estimated drop").parts[1].word
    'estimated'
    >>> parse_expression("quality")
    Traceback (most recent call last):
    alerts.retraining.expression.ExpressionError: quality: a fault of the data or the pipeline is no reason to retrain
    """
    if len(text) > _LONGEST:
        raise ExpressionError(f"a condition of {len(text)} characters is too long")
    parser = _Parser(list(_tokens(text)))
    found = parser.any_of(0)
    if parser.peek():
        raise ExpressionError(f"{parser.peek()!r} is not expected there; write and, or, or nothing")
    return found


class _Parser:
    """Recursive descent over the tokens of one text."""

    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self._tokens = tokens
        self._place = 0

    def peek(self) -> str:
        return self._tokens[self._place][1] if self._place < len(self._tokens) else ""

    def any_of(self, depth: int) -> Expression:
        parts = [self.all_of(depth)]
        while self._takes("or"):
            parts.append(self.all_of(depth))
        return parts[0] if len(parts) == 1 else Any(tuple(parts))

    def all_of(self, depth: int) -> Expression:
        parts = [self.one(depth)]
        while self._takes("and"):
            parts.append(self.one(depth))
        return parts[0] if len(parts) == 1 else All(tuple(parts))

    def one(self, depth: int) -> Expression:
        if depth > _DEEPEST:
            raise ExpressionError("brackets are nested too deep")
        if self._takes("("):
            inner = self.any_of(depth + 1)
            if not self._takes(")"):
                raise ExpressionError("a bracket is not closed")
            return inner
        return self._term()

    def _term(self) -> Term:
        kind, word = self._next("a word such as performance")
        if kind != "word" or word not in WORDS:
            raise ExpressionError(_unknown(word))
        self._takes("drop")
        column, figure = self._path()
        operator = self.peek()
        if operator not in {"<", ">"}:
            if figure and not column:
                raise ExpressionError(f"{word}.{figure} needs a bound, as in {word}.{figure} > 0.1")
            return Term(word, f"{column}.{figure}" if figure else column)
        self._place += 1
        kind, number = self._next("a number")
        if kind != "number":
            raise ExpressionError(f"{number!r} is no number")
        if not figure:
            raise ExpressionError(f"{word} {operator} {number}: say which figure, one of {', '.join(FIGURES)}")
        sign: Literal["<", ">"] = "<" if operator == "<" else ">"
        return Term(word, column, Compare(figure, sign, float(number)))  # type: ignore[arg-type]  # one of FIGURES

    def _path(self) -> tuple[str, str]:
        """Return column and figure; the last of the parts is a figure when it is called like one."""
        parts: list[str] = []
        while True:
            if self._takes("["):
                kind, text = self._next("a name in quotes")
                if kind != "text" or not self._takes("]"):
                    raise ExpressionError('a name in square brackets is written ["like this"]')
                parts.append(text[1:-1])
            elif self._takes("."):
                kind, text = self._next("a name")
                if kind != "word":
                    raise ExpressionError(f"{text!r} is no name")
                parts.append(text)
            else:
                break
        figure = parts.pop() if parts and parts[-1] in FIGURES else ""
        return ".".join(parts), figure

    def _takes(self, token: str) -> bool:
        if self.peek() != token:
            return False
        self._place += 1
        return True

    def _next(self, wanted: str) -> tuple[str, str]:
        if self._place >= len(self._tokens):
            raise ExpressionError(f"{wanted} is missing at the end")
        self._place += 1
        return self._tokens[self._place - 1]


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    place, end = 0, len(text.rstrip())
    while place < end:
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise ExpressionError(f"{text[place:].strip()[:20]!r} cannot be understood")
        yield match.lastgroup, match[match.lastgroup]
        place = match.end()


def _unknown(word: str) -> str:
    if word in FAULTS:
        return f"{word}: a fault of the data or the pipeline is no reason to retrain"
    if word == "not":
        return "not: the absence of an alert is no reason to retrain"
    return f"{word!r} is no word for alerts; {near(word, tuple(WORDS))}"


def _union(supports: Iterable[Support]) -> tuple[Entry, ...]:
    return tuple({entry.fingerprint: entry for each in supports for entry in each.entries}.values())
