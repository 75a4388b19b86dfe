"""``docs/reference/alert-rules.md``, written from the built-in rules so that it cannot go stale."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Final

from alerts.annotations import DESCRIPTION, NEXT_STEP, SUMMARY
from alerts.builtin import INHIBITIONS, RULES
from alerts.conditions import Always, Compare, Condition, Silent
from alerts.durations import SECOND, spoken
from alerts.policy import DEFAULT_GROUP_BY, DEFAULT_INTERVAL, DEFAULT_REPEAT, DEFAULT_WAIT
from alerts.rules import Persistence, Rule
from alerts.signal import KINDS

_HEAD: Final = """\
# Built-in alerts

Written by `python -m monitor.alerting.document` from the code; do not edit. How to use them: [alerts](../alerts.md).

`page` wakes somebody, `warn` is for office hours, `info` for machines. A rule of one's own with the same name replaces
a built-in one; `alerts.without` leaves it out.
"""
_NAMED: Final = re.compile(r"\{(\w+)[^}]*\}")


def render() -> str:
    """Return the page."""
    parts = [_HEAD, *("\n".join(_rule(rule)) for rule in RULES)]
    parts.append("\n".join(_inhibitions()))
    parts.append("\n".join(_kinds()))
    wait, news, again = (spoken(span) for span in (DEFAULT_WAIT, DEFAULT_INTERVAL, DEFAULT_REPEAT))
    parts.append(
        f"Without a word on it, alerts are grouped by `{'` and `'.join(DEFAULT_GROUP_BY)}`; the first message of a "
        f"group waits {wait} for more, news {news}, and what still fires is told again after {again}.\n"
    )
    return "\n".join(parts)


def _rule(rule: Rule) -> Iterator[str]:
    yield f"## {rule.name} ({rule.severity})"
    yield ""
    yield f"{_plain(rule.annotations[SUMMARY])}."
    yield ""
    yield f"- Listens to: {', '.join(f'`{kind}`' for kind in sorted(rule.kinds))}{_which(rule)}"
    yield f"- Fires: {_condition(rule.condition)}{_persistence(rule.fire)}{_support(rule)}"
    yield f"- Is over: {_clear(rule.condition)}{_persistence(rule.clear)}"
    yield f"- Says: {_plain(rule.annotations[DESCRIPTION])}"
    yield f"- Next step: {rule.annotations[NEXT_STEP]}"
    yield ""


def _which(rule: Rule) -> str:
    return f" with {', '.join(f'`{matcher}`' for matcher in rule.matchers)}" if rule.matchers else ""


def _condition(condition: Condition) -> str:
    if isinstance(condition, Compare):
        against = "" if condition.against == "absolute" else f" times the {condition.against.replace('_', ' ')}"
        return f"when the {condition.figure} is {_side(condition)} {condition.value:g}{against}"
    if isinstance(condition, Silent):
        return (
            f"when nothing came for {condition.factor:g} times as long as is usual at this hour of the week, never "
            f"before {spoken(condition.floor)}; within {spoken(condition.unknown)} while little is known"
        )
    return "always" if isinstance(condition, Always) else "when the finding is in drift"


def _clear(condition: Condition) -> str:
    if isinstance(condition, Compare):
        other = "below" if condition.operator == ">" else "above"
        return f"when it is {other} {condition.value if condition.clear is None else condition.clear:g}"
    if isinstance(condition, Silent):
        return "as soon as something comes"
    return "never" if isinstance(condition, Always) else "when the finding is in order"


def _side(condition: Compare) -> str:
    return "above" if condition.operator == ">" else "below"


def _persistence(persistence: Persistence) -> str:
    words = ""
    if persistence.of > 1:
        words += f", in {persistence.times} of the last {persistence.of} windows"
    if persistence.during >= SECOND:
        words += f", for {spoken(persistence.during)}"
    return words


def _support(rule: Rule) -> str:
    return f"; says nothing of fewer than {rule.min_n} rows" if rule.min_n else ""


def _inhibitions() -> Iterator[str]:
    yield "## What silences what"
    yield ""
    yield "While the first fires, the others are not told; they are shown, with what explains them."
    yield ""
    yield "| while | are not told | if equal |"
    yield "|---|---|---|"
    for one in INHIBITIONS:
        source, target = (", ".join(matcher.value for matcher in side) for side in (one.source, one.target))
        yield f"| {source} | {target.replace('|', ', ')} | {', '.join(one.equal)} |"
    yield ""


def _kinds() -> Iterator[str]:
    yield "## Kinds of signals"
    yield ""
    yield "What rules of one's own can listen to."
    yield ""
    yield "| kind | what it is |"
    yield "|---|---|"
    for kind, words in KINDS.items():
        yield f"| `{kind}` | {words} |"
    yield ""


def _plain(template: str) -> str:
    """Return a template for people: names of figures in italics, brackets of optional parts left out.

    >>> _plain("{column} of {model} is broken[: {explanation}]")
    '*column* of *model* is broken: *explanation*'
    """
    return _NAMED.sub(r"*\1*", template.replace("[", "").replace("]", "")).strip()


if __name__ == "__main__":
    sys.stdout.write(render())
