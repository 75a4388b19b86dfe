"""Checks of retraining: conditions, schedules, targets, blackouts, and where results come back to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from alerts.net.errors import DeliveryError
from alerts.receivers.settings import ReceiversError
from alerts.receivers.standard_webhooks import signing_key
from alerts.retraining.expression import ExpressionError, parse_expression
from monitor.calendar import next_after
from monitor.config.alert_checks import NoBroker
from monitor.config.checks import Complaint
from monitor.config.model import ModelConfig
from monitor.config.problem import NOT_FOUND, WARNING, WRONG_VALUE, Steps
from monitor.config.retraining import ModelRetrainingConfig, RetrainingConfig
from monitor.config.root import CalendarConfig, ReportConfig
from monitor.retraining.policy import blackout_of, targets_of

_SECOND: Final = 1_000_000


def check_retraining(
    shared: RetrainingConfig, models: Mapping[int, ModelConfig], calendar: CalendarConfig, base: Path
) -> Iterator[tuple[Steps, Complaint]]:
    """Check everything about retraining that a type cannot say, with the way to the section of each complaint."""
    asked = {place: model for place, model in models.items() if model.retraining is not None}
    for place, model in asked.items():
        if model.retraining is not None:
            found = _check_model(model, model.retraining, shared, calendar)
            yield from ((("models", place, "retraining"), complaint) for complaint in found)
    yield from _check_targets(asked, base)
    yield from ((("retraining",), complaint) for complaint in _check_shared(shared))


def check_reports(reports: Mapping[int, ReportConfig], calendar: CalendarConfig) -> Iterator[tuple[Steps, Complaint]]:
    """Check when reports are written and by which names, with the way to the section of each complaint."""
    known: dict[tuple[str, str, str], int] = {}
    for place, report in reports.items():
        files = (report.folder, report.name, report.format)
        if known.setdefault(files, place) != place:
            hint = "give it a name, a folder or a format of its own"
            yield ("reports", place), Complaint(("name",), "another report has such files there", hint, WRONG_VALUE)
        for complaint in _check_schedule(report.schedule, ("schedule",), calendar):
            yield ("reports", place), complaint


def _check_model(
    model: ModelConfig, config: ModelRetrainingConfig, shared: RetrainingConfig, calendar: CalendarConfig
) -> Iterator[Complaint]:
    if config.when is None and config.schedule is None:
        yield Complaint((), "neither when nor schedule: only people will ask", code=WARNING)
    if config.when is not None:
        try:
            parse_expression(config.when)
        except ExpressionError as error:
            yield Complaint(("when",), str(error), code=WRONG_VALUE)
    if config.schedule is not None:
        yield from _check_schedule(config.schedule, ("schedule",), calendar)
    limits = config.guardrails
    if not model.is_labelled and (limits.min_matured_labels or limits.min_label_coverage):
        hint = "configure labels, or set min_matured_labels and min_label_coverage to 0"
        yield Complaint(("guardrails",), "the model has no labels, so no limit on them is ever met", hint)
    if config.reference is not None and config.reference.learn >= limits.adopted_within:
        hint = "make guardrails.adopted_within longer, or learn from fewer days"
        yield Complaint(("reference", "learn"), "warnings are no longer held back when the reference switches", hint)
    for place, blackout in enumerate(limits.blackouts):
        try:
            blackout_of(blackout, "UTC")
        except ValueError as error:
            yield Complaint(("guardrails", "blackouts", place), str(error), code=WRONG_VALUE)
    if not config.dry_run and limits.approval == "none" and shared.secret is None:
        message = "nobody approves, and no results are taken: runs are only known to end by the stream"
        yield Complaint((), message, "set retraining.secret and retraining.url", WARNING)


def _check_schedule(text: str, steps: Steps, calendar: CalendarConfig) -> Iterator[Complaint]:
    try:
        next_after(text, calendar.timezone, 0)
    except (ValueError, LookupError, OSError) as error:
        yield Complaint(steps, f"no schedule: {error}", 'write five fields of cron, such as "0 3 * * sun"', WRONG_VALUE)


def _check_targets(asked: Mapping[int, ModelConfig], base: Path) -> Iterator[tuple[Steps, Complaint]]:
    try:
        targets_of(list(asked.values()), base, NoBroker())
    except ReceiversError as error:
        places = list(asked)
        for problem in error.problems:
            steps: Steps = ("models", places[problem.index], "retraining", "target")
            key = (problem.key,) if problem.key else ()
            hint = problem.hint.replace(f" or {problem.key}_file", "")
            yield steps, Complaint(key, problem.message, hint, WRONG_VALUE)


def _check_shared(shared: RetrainingConfig) -> Iterator[Complaint]:
    for key in ("secret", "previous_secret"):
        secret = getattr(shared, key)
        if secret is None:
            continue
        try:
            signing_key(secret.reveal())
        except DeliveryError as error:
            yield Complaint((key,), error.reason, code=NOT_FOUND if "file" in error.reason else WRONG_VALUE)
    if shared.url and not shared.url.startswith(("https://", "http://")):
        yield Complaint(("url",), "not a web address", code=WRONG_VALUE)
    for key in ("attempt_timeout", "give_up_after"):
        if getattr(shared, key) < _SECOND:
            yield Complaint((key,), "must be at least 1s", code=WRONG_VALUE)
