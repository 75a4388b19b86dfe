"""From the engine to what page, metrics and API may read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from alerts import annotations as names
from alerts.engine import AlertEngine
from alerts.listing import Listed
from alerts.records import Transition
from monitor.alerting.policy import NOBODY
from monitor.views import AlertChangeView, AlertsView, AlertView, AuditView, ReceiverView, SilenceView

MOST_ALERTS: Final = 500
MOST_CHANGES: Final = 500
_MOST_LINES: Final = 200
_PLAIN: Final = frozenset({"alertname", "severity", "model", "owner"})


def alerts_view(engine: AlertEngine, mode: str, now: int) -> AlertsView:
    """Return what may be shown now.

    Raises
    ------
    StoreUnavailableError
        When the alerts' store cannot be read.
    """
    listed = engine.alerts(limit=MOST_ALERTS)
    named = {one.alert.fingerprint: one.alert.name for one in listed}
    receivers = [health for name, health in engine.deliveries().items() if name != NOBODY]
    return AlertsView(
        mode=mode,
        taken_at=now,
        alerts=tuple(_alert(one, named) for one in listed),
        counts=engine.tally(),
        changes=tuple(map(_change, engine.history(limit=MOST_CHANGES))),
        silences=tuple(
            SilenceView(one.id, ", ".join(map(str, one.matchers)), one.starts_at, one.ends_at, one.author, one.comment)
            for one in engine.silences.list()
        ),
        receivers=tuple(
            ReceiverView(
                one.receiver, one.open, one.oldest, one.failures, one.delivered_at, one.disabled_at is not None,
                one.problem, one.deliveries, one.retries, one.parkings,
            )
            for one in receivers
        ),
        audit=tuple(
            AuditView(line.at, line.actor, line.action, line.subject, line.detail)
            for line in engine.audit(_MOST_LINES)
        ),
        shadowed=engine.shadowed(),
        totals=engine.counted(),
    )  # fmt: skip


def _alert(one: Listed, named: Mapping[str, str]) -> AlertView:
    alert, texts = one.alert, one.alert.annotations
    return AlertView(
        fingerprint=alert.fingerprint,
        name=alert.name,
        severity=alert.severity,
        model=alert.labels.get("model", ""),
        labels=dict(alert.labels),
        phase=one.phase,
        since=alert.starts_at if one.since is None else one.since,
        heard_at=one.heard_at,
        summary=texts.get(names.SUMMARY, alert.name),
        description=texts.get(names.DESCRIPTION, ""),
        next_step=texts.get(names.NEXT_STEP, ""),
        silenced_by=one.silenced_by,
        inhibited_by=named.get(one.inhibited_by, one.inhibited_by),
        shadow=one.shadow,
    )


def _change(one: Transition) -> AlertChangeView:
    return AlertChangeView(
        at=one.at,
        observed_at=one.observed_at,
        fingerprint=one.fingerprint,
        name=one.labels.get("alertname", ""),
        severity=one.labels.get("severity", ""),
        model=one.model,
        state=one.state,
        because=one.because,
        about=about(one.labels),
        explanation=one.explanation,
    )


def about(labels: Mapping[str, str]) -> str:
    """Return what tells an alert from others of its name and model, in a few words.

    >>> about({"alertname": "FeatureDrift", "model": "m", "column": "age", "window": "daily", "severity": "warn"})
    'column age, window daily'
    """
    return ", ".join(f"{name} {value}" for name, value in sorted(labels.items()) if name not in _PLAIN)
