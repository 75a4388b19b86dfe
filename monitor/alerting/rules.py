"""The rules of a configuration: built-in ones, and those that are written there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from alerts.annotations import DESCRIPTION, SUMMARY
from alerts.builtin import RULES
from alerts.conditions import Compare, Condition, StatusIs
from alerts.durations import WEEK
from alerts.matchers import Matcher, parse_matcher
from alerts.rules import Persistence, Rule
from monitor.config.alerts import AlertsConfig, RuleConfig, WhenConfig

WATCHDOG: Final = "Watchdog"
_SUMMARY: Final = "{kind} of {model}[, {column}][ in {slice}]: {statistic:.4g}"
_DESCRIPTION: Final = "[{explanation}]"


class RuleError(ValueError):
    """A rule that makes no sense; the message says why."""


def rules_of(config: AlertsConfig) -> tuple[Rule, ...]:
    """Return all rules, the built-in ones first.

    ``Watchdog`` is among them only where somebody waits for it: with a heartbeat, or for an Alertmanager.

    Raises
    ------
    RuleError, ValueError
        When a rule makes no sense.
    """
    own = [rule_of(rule) for rule in config.rules]
    replaced = {rule.name for rule in own} | set(config.without)
    if config.heartbeat is None and config.mode != "alertmanager":
        replaced.add(WATCHDOG)
    return (*(rule for rule in RULES if rule.name not in replaced), *own)


def rule_of(config: RuleConfig) -> Rule:
    """Return one rule of a configuration.

    >>> written = {"name": "X", "kinds": ["drift"], "when": {"above": 0.3, "clear": 0.2}}
    >>> rule = rule_of(RuleConfig.model_validate(written))
    >>> rule.condition.value, rule.condition.clear, rule.severity
    (0.3, 0.2, 'warn')
    """
    return Rule(
        name=config.name,
        kinds=frozenset(config.kinds),
        condition=condition_of(config.when),
        severity=config.severity,
        matchers=matchers_of(config.matchers),
        fire=_persistence(config.times, config.for_),
        clear=_persistence(config.clear_times, config.clear_for),
        min_n=config.min_samples,
        labels=config.labels,
        annotations={SUMMARY: _SUMMARY, DESCRIPTION: _DESCRIPTION} | config.annotations,
        forget_after=config.forget_after or WEEK,
    )


def condition_of(when: WhenConfig) -> Condition:
    """Return what a rule asks.

    Raises
    ------
    RuleError
        Unless exactly one of ``above``, ``below`` and ``status`` is given.
    """
    bounds = [bound for bound in (when.above, when.below) if bound is not None]
    if len(bounds) + (when.status is not None) != 1:
        raise RuleError("give exactly one of above, below and status")
    if when.status is not None:
        if "ok" in when.status:
            raise RuleError("ok is no status to fire on")
        return StatusIs(breach=frozenset(when.status))
    if not math.isfinite(bounds[0]):
        raise RuleError("the bound must be a number")
    try:
        return Compare(when.figure, "<" if when.above is None else ">", bounds[0], when.clear, when.against, when.as_)
    except ValueError:
        side = "at most" if when.below is None else "at least"
        raise RuleError(f"clear must be {side} the bound, or it is never well again") from None


def matchers_of(texts: Sequence[str]) -> tuple[Matcher, ...]:
    """Return matchers; raises ``MatcherError`` for a text that is none."""
    return tuple(parse_matcher(text) for text in texts)


def names() -> Iterator[str]:
    """Yield the names of the built-in rules."""
    yield from dict.fromkeys(rule.name for rule in RULES)


def _persistence(times: str | None, during: int) -> Persistence:
    if times is None:
        return Persistence(during=during)
    number, _, windows = times.partition("of")
    try:
        return Persistence(int(number), int(windows), during)
    except ValueError:
        raise RuleError(f"{times.strip()}: of at most 32 windows, no more than there are") from None
