"""Checks of ``alerts`` and of tokens: receivers exist, routes lead to them, rules make sense."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from alerts.conditions import Compare, Silent
from alerts.matchers import MatcherError, match_all
from alerts.net.errors import DeliveryError
from alerts.receivers.settings import ReceiversError
from monitor.alerting.policy import NOBODY, build_notifiers, mode_of, policy_from
from monitor.alerting.rules import condition_of, matchers_of, names, rule_of
from monitor.config.alerts import AlertsConfig, HeartbeatConfig, RouteConfig, TokenConfig
from monitor.config.checks import Complaint
from monitor.config.model import ModelConfig
from monitor.config.problem import NOT_FOUND, WARNING, WRONG_VALUE, Steps, did_you_mean

_RECEIVERS: Final = (("receivers",),)
_FILES: Final = re.compile(
    r",? (?:or |\(or )?(?:url|secret|previous_secret|bearer_token|password|token|routing_key)_file\)?"
)
"""Keys that hold a secret's file; here that is written ``${file:…}``."""
_SHORTEST: Final = 16
_SECOND: Final = 1_000_000


def check_alerts(alerts: AlertsConfig, models: Mapping[int, ModelConfig], base: Path) -> Iterator[Complaint]:
    """Check everything about alerts that a type cannot say; steps start at ``alerts``."""
    before = list(_check_parts(alerts, base))
    yield from before
    if any(complaint.code != WARNING for complaint in before):
        return
    try:
        policy_from(alerts, list(models.values()))
    except ValueError as error:
        yield Complaint((), str(error), needs=((),))


def check_tokens(tokens: Sequence[TokenConfig], models: Mapping[int, ModelConfig]) -> Iterator[Complaint]:
    """Check who may change something; steps start at ``http``."""
    owners = {model.owner for model in models.values()}
    seen: dict[str, int] = {}
    for place, token in enumerate(tokens):
        if seen.setdefault(token.name, place) != place:
            yield Complaint(("tokens", place, "name"), "used by another token", "names stand in the audit", WRONG_VALUE)
        try:
            short = len(token.token.reveal()) < _SHORTEST
        except DeliveryError as error:
            yield Complaint(("tokens", place, "token"), error.reason, code=NOT_FOUND)
            continue
        if short:
            yield Complaint(("tokens", place, "token"), f"shorter than {_SHORTEST} characters", code=WRONG_VALUE)
        if token.owner is not None and token.owner not in owners:
            yield Complaint(("tokens", place, "owner"), "no model has this owner", code=WARNING)


def _check_parts(alerts: AlertsConfig, base: Path) -> Iterator[Complaint]:
    yield from _check_receivers(alerts, base)
    yield from _check_mode(alerts)
    known = [receiver.name for receiver in alerts.receivers]
    if alerts.route is not None:
        yield from _check_route(alerts.route, ("route",), known)
        if alerts.route.matchers:
            yield Complaint(("route", "matchers"), "the first route takes every alert", "put them on a route below")
        if alerts.route.receiver is None and len(known) > 1:
            yield Complaint(("route",), "needs a receiver, since there are several", needs=_RECEIVERS)
    elif len(known) > 1 and mode_of(alerts) == "builtin":
        yield Complaint(("receivers",), "several receivers and no route", "set route.receiver")
    if alerts.digest_to is not None:
        yield from _known(("digest_to",), alerts.digest_to, known)
    yield from _check_heartbeat(alerts.heartbeat, known)
    yield from _check_inhibitions(alerts)
    yield from _check_rules(alerts)
    for place, silence in enumerate(alerts.silences):
        steps: Steps = ("silences", place)
        yield from _check_matchers(silence.matchers, (*steps, "matchers"))
        if _matches_everything(silence.matchers):
            yield Complaint((*steps, "matchers"), "would silence everything", "name a label", WRONG_VALUE)
        if silence.from_ is not None and silence.from_ >= silence.until:
            yield Complaint((*steps, "until"), "must be after from", code=WRONG_VALUE)
    for name in ("late_delivery", "keep", "attempt_timeout"):
        if getattr(alerts, name) < _SECOND:
            yield Complaint((name,), "must be at least 1s", code=WRONG_VALUE)


def _check_receivers(alerts: AlertsConfig, base: Path) -> Iterator[Complaint]:
    try:
        build_notifiers(alerts.model_copy(update={"mode": "builtin"}), base, NoBroker())
    except ReceiversError as error:
        for problem in error.problems:
            steps: Steps = ("receivers", problem.index, *([problem.key] if problem.key else []))
            hint = _FILES.sub("", problem.hint)
            yield Complaint(steps, problem.message, hint, WRONG_VALUE)
    for place, receiver in enumerate(alerts.receivers):
        if receiver.name == NOBODY:
            message = "stands for having no receiver"
            yield Complaint(("receivers", place, "name"), message, "take another name", WRONG_VALUE)


def _check_mode(alerts: AlertsConfig) -> Iterator[Complaint]:
    kinds = [receiver.kind for receiver in alerts.receivers]
    if alerts.mode == "alertmanager":
        if kinds.count("alertmanager") != 1:
            yield Complaint(("mode",), "needs exactly one receiver of kind alertmanager", needs=_RECEIVERS)
        for place, kind in enumerate(kinds):
            if kind != "alertmanager":
                yield Complaint(("receivers", place), "is not used in mode alertmanager, which routes", code=WARNING)
    elif mode_of(alerts) == "builtin":
        if not kinds:
            yield Complaint(("mode",), "needs a receiver", "set receivers, or mode: shadow", needs=_RECEIVERS)
        if "alertmanager" in kinds and len(kinds) > 1:
            message = "an Alertmanager beside other receivers: both may page for the same alert"
            yield Complaint(("receivers", kinds.index("alertmanager")), message, "set mode: alertmanager", WARNING)
    elif alerts.mode == "prometheus_only" and kinds:
        yield Complaint(("receivers",), "are not told anything in mode prometheus_only", code=WARNING)


def _check_route(route: RouteConfig, steps: Steps, known: Sequence[str]) -> Iterator[Complaint]:
    if route.receiver is not None:
        yield from _known((*steps, "receiver"), route.receiver, known)
    yield from _check_matchers(route.matchers, (*steps, "matchers"))
    for name in ("group_interval", "repeat_interval"):
        value = getattr(route, name)
        if value is not None and value < _SECOND:
            yield Complaint((*steps, name), "must be at least 1s", code=WRONG_VALUE)
    if route.group_by is not None and "..." in route.group_by and len(route.group_by) > 1:
        yield Complaint((*steps, "group_by"), "... stands alone", code=WRONG_VALUE)
    for place, below in enumerate(route.routes):
        yield from _check_route(below, (*steps, "routes", place), known)
        if not below.matchers and place < len(route.routes) - 1 and not below.continue_:
            message = "takes every alert; the routes after it are never reached"
            yield Complaint((*steps, "routes", place), message, "set matchers, or continue: true", WARNING)


def _check_heartbeat(heartbeat: HeartbeatConfig | None, known: Sequence[str]) -> Iterator[Complaint]:
    if heartbeat is None:
        return
    yield from _known(("heartbeat", "receiver"), heartbeat.receiver, known)
    if heartbeat.every < 60 * _SECOND:
        yield Complaint(("heartbeat", "every"), "must be at least 1m", code=WRONG_VALUE)


def _check_inhibitions(alerts: AlertsConfig) -> Iterator[Complaint]:
    for place, inhibition in enumerate(alerts.inhibit):
        yield from _check_matchers(inhibition.source, ("inhibit", place, "source"))
        yield from _check_matchers(inhibition.target, ("inhibit", place, "target"))


def _check_rules(alerts: AlertsConfig) -> Iterator[Complaint]:
    for place, rule in enumerate(alerts.rules):
        steps: Steps = ("rules", place)
        found = list(_check_matchers(rule.matchers, (*steps, "matchers")))
        yield from found
        try:
            condition = condition_of(rule.when)
        except ValueError as error:
            yield Complaint((*steps, "when"), str(error), code=WRONG_VALUE)
            continue
        try:
            made = None if found else rule_of(rule)
        except ValueError as error:
            yield Complaint(steps, str(error), code=WRONG_VALUE)
            continue
        if made is not None and isinstance(condition, Compare) and not isinstance(made.condition, Silent):
            yield from _check_reference(rule.kinds, condition, steps)
    known = list(names())
    for place, name in enumerate(alerts.without):
        if name not in known:
            yield Complaint(("without", place), "no built-in rule has this name", did_you_mean(name, known), NOT_FOUND)


def _check_reference(kinds: Sequence[str], condition: Compare, steps: Steps) -> Iterator[Complaint]:
    without = {"drift", "score", "volume", "concept", "evidence", "fairness", "estimate"}
    if condition.against == "reference" and set(kinds) <= without:
        message = "signals of this kind hold no figure of the reference, so this never fires"
        yield Complaint((*steps, "when", "against"), message, "use absolute, threshold or last_week", WRONG_VALUE)


def _check_matchers(texts: Sequence[str], steps: Steps) -> Iterator[Complaint]:
    for place, text in enumerate(texts):
        try:
            matchers_of([text])
        except MatcherError:
            hint = 'write for example severity="page" or alertname=~"A|B"'
            yield Complaint((*steps, place), "is no matcher", hint, WRONG_VALUE)


def _matches_everything(texts: Sequence[str]) -> bool:
    try:
        return match_all(matchers_of(texts), {})
    except MatcherError:
        return False


def _known(steps: Steps, name: str, known: Sequence[str]) -> Iterator[Complaint]:
    if name not in known:
        yield Complaint(steps, "no receiver has this name", did_you_mean(name, known), NOT_FOUND, _RECEIVERS)


class NoBroker:
    """Stands for Kafka while receivers and targets are only checked."""

    def publish(self, topic: str, key: bytes, value: bytes, headers: object, seconds: float) -> None:
        """Refuse: nothing is sent by a check."""
        raise NotImplementedError
