"""From the configuration to what retraining works by: the policy, and the targets."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Final

from alerts.durations import SECOND
from alerts.net.secret import Secret
from alerts.receivers.kafka import Producer
from alerts.receivers.parts import Parts
from alerts.receivers.settings import ReceiverSettings
from alerts.retraining.expression import parse_expression
from alerts.retraining.policy import Blackout, Guardrails, ModelPolicy, RetrainingPolicy
from alerts.retraining.targets.build import build_targets
from alerts.retraining.targets.port import Target
from monitor.config.model import ModelConfig
from monitor.config.retraining import (
    DAYS,
    BlackoutConfig,
    GuardrailsConfig,
    ModelRetrainingConfig,
    RetrainingConfig,
    TargetConfig,
)
from monitor.config.root import Config

_FILES: Final = ("ca_file", "cert_file", "key_file")


def policy_of(config: Config) -> RetrainingPolicy:
    """Return what retraining works by.

    Raises
    ------
    ValueError
        When a condition or a blackout makes no sense; the configuration's checks say where.
    """
    shared, timezone = config.retraining, config.calendar.timezone
    models = {
        model.name: model_policy(model.name, model.owner or "", model.retraining, timezone)
        for model in config.models
        if model.retraining is not None
    }
    return RetrainingPolicy(models, shared.url.rstrip("/"), shared.attempt_timeout / SECOND, shared.give_up_after)


def model_policy(name: str, owner: str, config: ModelRetrainingConfig, timezone: str) -> ModelPolicy:
    """Return the policy of one model; its target bears the model's name."""
    when = None if config.when is None else parse_expression(config.when)
    limits = guardrails_of(config.guardrails, timezone)
    learn = None if config.reference is None else config.reference.learn
    return ModelPolicy(name, owner, when, config.when or "", name, config.dry_run, limits, learn)


def guardrails_of(config: GuardrailsConfig, timezone: str) -> Guardrails:
    """Return the limits of one model."""
    plain = {
        name: getattr(config, name) for name in GuardrailsConfig.model_fields if name not in {"approval", "blackouts"}
    }
    blackouts = tuple(blackout_of(one, timezone) for one in config.blackouts)
    return Guardrails(**plain, approval=config.approval == "required", blackouts=blackouts)


def blackout_of(config: BlackoutConfig, timezone: str) -> Blackout:
    """Return one blackout."""
    days = frozenset(DAYS.index(day) for day in config.days)
    first, last = (None if day is None else date.fromisoformat(day) for day in (config.first, config.last))
    return Blackout(days, _minutes(config.from_), _minutes(config.to), first, last, timezone)


def settings_of(name: str, target: TargetConfig, base: Path) -> ReceiverSettings:
    """Return the keys of a target that were given; relative files start at ``base``."""
    options: dict[str, object] = {}
    for key in TargetConfig.model_fields:
        value = getattr(target, key)
        if key != "kind" and value is not None:
            options[key] = base / value if key in _FILES else value
    return ReceiverSettings(name, target.kind, options)


def targets_of(models: Sequence[ModelConfig], base: Path, producer: Producer | None) -> Mapping[str, Target]:
    """Return model → its target; nothing is connected yet.

    Raises
    ------
    ReceiversError
        With all that is wrong, by the place among the models that have one.
    """
    named = [(model.name, model.retraining) for model in models if model.retraining is not None]
    settings = [settings_of(name, config.target, base) for name, config in named]
    return build_targets(settings, Parts(producer=producer))


def secrets_of(config: RetrainingConfig) -> list[Secret]:
    """Return what results may be signed with."""
    return [secret for secret in (config.secret, config.previous_secret) if secret is not None]


def terms_of(model: ModelConfig) -> str:
    """Return the identity of the settings by which a model is judged: a change of these is a change of one's own.

    Who is told, where state lives and how a retraining is requested judge nothing.
    """
    judged = model.model_dump_json(exclude={"owner", "alerts", "retraining", "lost_records", "idle_timeout"})
    return hashlib.blake2b(judged.encode(), digest_size=8).hexdigest()


def _minutes(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)
