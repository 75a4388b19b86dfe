"""From the configuration to what the engine works by: the policy, and the receivers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from alerts.builtin import INHIBITIONS
from alerts.durations import DAY, SECOND
from alerts.matchers import parse_matchers
from alerts.notification import AlertGroup, Deadline, Delivered, Notifier, Outcome
from alerts.policy import Inhibition, Policy, Receiver, Route, Shadow
from alerts.receivers.build import build_receivers
from alerts.receivers.kafka import Producer
from alerts.receivers.parts import Parts
from alerts.receivers.settings import ReceiverSettings
from monitor.alerting.links import dashboard_of, page_of
from monitor.alerting.rules import WATCHDOG, matchers_of, rules_of
from monitor.config.alerts import AlertsConfig, ReceiverConfig, RouteConfig
from monitor.config.model import ModelConfig
from monitor.config.root import Config

NOBODY: Final = "nobody"
"""The receiver where there is none."""
_LIMITS: Final = frozenset({"name", "kind", "send_resolved", "max_alerts", "messages_per_hour", "give_up_after"})
_FILES: Final = ("ca_file", "cert_file", "key_file")


class Nobody:
    """Hears everything and tells nobody."""

    def body(self, group: AlertGroup) -> bytes:
        """Return nothing."""
        del group
        return b""

    def send(self, message_id: str, body: bytes, deadline: Deadline) -> Outcome:
        """Take it."""
        del message_id, body, deadline
        return Delivered()


def mode_of(config: AlertsConfig) -> str:
    """Return the mode, as given or as it follows from the receivers.

    >>> mode_of(AlertsConfig())
    'shadow'
    """
    return config.mode or ("builtin" if config.receivers else "shadow")


def policy_of(config: Config) -> Policy:
    """Return what the engine works by.

    Raises
    ------
    ValueError
        When parts do not fit together; the configuration's checks say where.
    """
    return policy_from(config.alerts, config.models)


def policy_from(alerts: AlertsConfig, models: Sequence[ModelConfig]) -> Policy:
    """Return the policy of a section, for some models."""
    mode = mode_of(alerts)
    return Policy(
        rules=rules_of(alerts),
        route=route_of(alerts),
        inhibitions=inhibitions_of(alerts),
        receivers={one.name: _limits(one, mode) for one in alerts.receivers},
        shadow=Shadow(
            mode="shadow" if mode == "shadow" else "live",
            trial=0 if mode == "prometheus_only" else alerts.shadow_for,
            trials={} if mode == "prometheus_only" else _trials(alerts, models),
            receiver=alerts.digest_to,
            digest_at=alerts.digest_at,
        ),
        url=alerts.external_url.rstrip("/"),
        page=partial(page_of, alerts.external_url.rstrip("/")),
        dashboard=partial(dashboard_of, alerts.dashboards.rstrip("/")),
        runbooks=alerts.runbooks,
        late_delivery=alerts.late_delivery,
        attempt=alerts.attempt_timeout / SECOND,
        keep=alerts.keep,
    )


def route_of(alerts: AlertsConfig) -> Route:
    """Return the first route; the heartbeat has one of its own above all others."""
    mode = mode_of(alerts)
    if mode == "prometheus_only" or not alerts.receivers:
        return Route(receiver=NOBODY)
    if mode == "alertmanager":
        receiver = next(one.name for one in alerts.receivers if one.kind == "alertmanager")
        return Route(
            receiver=receiver, group_by=("model",), group_wait=SECOND, group_interval=15 * SECOND, repeat_interval=DAY
        )
    route = _route(alerts.route or RouteConfig())
    if route.receiver is None:
        route = replace(route, receiver=alerts.receivers[0].name)
    if alerts.heartbeat is not None:
        every = alerts.heartbeat.every
        beat = Route(
            receiver=alerts.heartbeat.receiver, matchers=parse_matchers(f"alertname={WATCHDOG}"),
            group_by=("alertname",), group_wait=SECOND, group_interval=min(every, 60 * SECOND), repeat_interval=every,
        )  # fmt: skip
        route = replace(route, routes=(beat, *route.routes))
    return route


def inhibitions_of(alerts: AlertsConfig) -> tuple[Inhibition, ...]:
    """Return what silences what, the built-in pairs first."""
    own = (Inhibition(matchers_of(one.source), matchers_of(one.target), tuple(one.equal)) for one in alerts.inhibit)
    return (*INHIBITIONS, *own)


def settings_of(receiver: ReceiverConfig, base: Path) -> ReceiverSettings:
    """Return the keys of a receiver that were given; relative files start at ``base``."""
    options: dict[str, object] = {}
    for name, field in ReceiverConfig.model_fields.items():
        value = getattr(receiver, name)
        if name in _LIMITS or value is None:
            continue
        if name in _FILES:
            value = base / value
        elif name == "resend_interval":
            value /= SECOND
        options[field.alias or name] = value
    return ReceiverSettings(receiver.name, receiver.kind, options)


def build_notifiers(alerts: AlertsConfig, base: Path, producer: Producer | None) -> dict[str, Notifier]:
    """Return the receivers that are told anything; nothing is connected yet.

    Raises
    ------
    ReceiversError
        With all that is wrong.
    """
    if mode_of(alerts) == "prometheus_only" or not alerts.receivers:
        return {NOBODY: Nobody()}
    return build_receivers([settings_of(one, base) for one in alerts.receivers], Parts(producer=producer))


def _limits(receiver: ReceiverConfig, mode: str) -> Receiver:
    return Receiver(
        max_alerts=receiver.max_alerts,
        messages=100_000 if mode == "alertmanager" else receiver.messages_per_hour,
        send_resolved=receiver.send_resolved,
        give_up_after=receiver.give_up_after,
    )


def _route(config: RouteConfig) -> Route:
    return Route(
        receiver=config.receiver,
        matchers=matchers_of(config.matchers),
        group_by=None if config.group_by is None else tuple(config.group_by),
        group_wait=config.group_wait,
        group_interval=config.group_interval,
        repeat_interval=config.repeat_interval,
        carry_on=config.continue_,
        routes=tuple(_route(one) for one in config.routes),
    )


def _trials(alerts: AlertsConfig, models: Sequence[ModelConfig]) -> Mapping[str, int]:
    """Return how long each model with a word of its own is in shadow."""
    trials: dict[str, Any] = {}
    for model in models:
        if model.alerts is not None:
            given = model.alerts.shadow_for
            trials[model.name] = 0 if model.alerts.mode == "live" else alerts.shadow_for if given is None else given
    return trials
