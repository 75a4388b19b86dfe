"""Matchers on labels, in Alertmanager's syntax: ``severity="page"``, ``model!="x"``, ``alertname=~"A|B"``, ``!~``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

Operator: TypeAlias = Literal["=", "!=", "=~", "!~"]

_MATCHER: Final = re.compile(
    r'\s*([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)\s*("(?:[^"\\]|\\.)*"|[^\s"{},=!~]*)\s*', re.DOTALL
)
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED: Final = {"n": "\n", '"': '"', "\\": "\\"}
_ATOM: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
_UNBOUNDED: Final = 4
_LONGEST: Final = 1_000


class MatcherError(ValueError):
    """A matcher's text cannot be understood."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One condition on one label. A label that is absent counts as empty.

    Regular expressions must match the whole value. They are kept to those that never run away: no look-around, no
    back-references, no repeated groups, at most four open repetitions.

    Raises
    ------
    MatcherError
        When the operator or the regular expression is not allowed.

    Examples
    --------
    >>> Matcher("alertname", "=~", "Feature.*|ScoreDrift").matches({"alertname": "FeatureDrift"})
    True
    """

    name: str
    operator: Operator
    value: str
    _pattern: re.Pattern[str] | None = field(init=False, repr=False, compare=False, default=None)

    def __post_init__(self) -> None:
        if self.operator not in {"=", "!=", "=~", "!~"}:
            raise MatcherError(f"{self.operator!r} is none of =, !=, =~, !~")
        if self.operator in {"=~", "!~"}:
            object.__setattr__(self, "_pattern", _compiled(self.value))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Tell whether labels satisfy it."""
        value = labels.get(self.name, "")
        if self._pattern is None:
            return (value == self.value) is (self.operator == "=")
        return (self._pattern.fullmatch(value) is not None) is (self.operator == "=~")

    def __str__(self) -> str:
        value = self.value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return f'{self.name}{self.operator}"{value}"'


def parse_matcher(text: str) -> Matcher:
    """Return the matcher that a text describes.

    Raises
    ------
    MatcherError
        When it describes none.

    Examples
    --------
    >>> str(parse_matcher("severity = page"))
    'severity="page"'
    """
    match = _MATCHER.fullmatch(text)
    if match is None:
        raise MatcherError(f'{text!r} is no matcher; write for example severity="page" or alertname=~"A|B"')
    name, operator, value = match.groups()
    return Matcher(name, operator, _unquoted(value, text) if value.startswith('"') else value)  # type: ignore[arg-type]


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Return the matchers of a list such as ``{model="a", severity!="info"}``; the braces may be absent.

    Raises
    ------
    MatcherError
        When one of them cannot be understood.

    Examples
    --------
    >>> [str(matcher) for matcher in parse_matchers('{model="a,b", severity!=info}')]
    ['model="a,b"', 'severity!="info"']
    """
    inner = text.strip()
    if inner.startswith("{") != inner.endswith("}"):
        raise MatcherError(f"{text!r} has one brace without the other")
    inner = inner[1:-1] if inner.startswith("{") else inner
    found: list[Matcher] = []
    place = 0
    while place < len(inner):
        match = _MATCHER.match(inner, place)
        if match is None or (match.end() < len(inner) and inner[match.end()] != ","):
            raise MatcherError(f"{inner[place:]!r} is no list of matchers")
        found.append(parse_matcher(match.group()))
        place = match.end() + 1
    return tuple(found)


def match_all(matchers: Iterable[Matcher], labels: Mapping[str, str]) -> bool:
    """Tell whether labels satisfy every matcher; no matcher is satisfied by all."""
    return all(matcher.matches(labels) for matcher in matchers)


def _unquoted(value: str, text: str) -> str:
    def unescaped(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPED:
            raise MatcherError(f"{match[0]} in {text!r} is no escape; write \\\\ for a backslash")
        return _ESCAPED[match[1]]

    return _ESCAPE.sub(unescaped, value[1:-1])


def _compiled(pattern: str) -> re.Pattern[str]:
    if len(pattern) > _LONGEST:
        raise MatcherError(f"a regular expression of {len(pattern)} characters is too long")
    try:
        compiled = re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise MatcherError(f"{pattern!r} is no regular expression: {error}") from error
    problem = _problem(pattern)
    if problem:
        raise MatcherError(f"{pattern!r} {problem}, which may take for ever")
    return compiled


def _problem(pattern: str) -> str:
    """Return what may make matching exponential, empty when nothing does."""
    atoms = _ATOM.findall(pattern)
    repeated = 0
    for before, atom, after in zip(["", *atoms], atoms, [*atoms[1:], ""], strict=False):
        if before == "(" and atom == "?" and after not in {":", "i"}:
            return "looks around or back"
        if len(atom) == 2 and atom[1].isdigit():
            return "refers back"
        if atom in {"*", "+", "{"}:
            if before == ")":
                return "repeats a group"
            repeated += 1
    return f"repeats more than {_UNBOUNDED} times" if repeated > _UNBOUNDED else ""
