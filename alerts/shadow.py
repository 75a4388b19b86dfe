"""The trial: which models are in it, and the daily digest of what would have been sent."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from alerts.durations import DAY, SECOND
from alerts.labels import digest, fingerprint
from alerts.notification import Alert, AlertGroup
from alerts.policy import Shadow

NEVER: Final = frozenset({"DeliveryFailing", "Watchdog"})
"""Alerts about the alerting itself are never held back."""
_LISTED: Final = 20


def in_shadow(shadow: Shadow, labels: Mapping[str, str], first_seen: Mapping[str, int], now: int) -> bool:
    """Tell whether an alert is held back.

    >>> labels = {"alertname": "FeatureDrift", "model": "m"}
    >>> in_shadow(Shadow(), labels, {"m": 0}, 13 * DAY), in_shadow(Shadow(), labels, {"m": 0}, 14 * DAY)
    (True, False)
    """
    if labels.get("alertname") in NEVER:
        return False
    model = labels.get("model", "")
    own = shadow.models.get(model)
    if own is not None:
        return own == "shadow"
    if shadow.mode == "shadow":
        return True
    trial = shadow.trials.get(model, shadow.trial)
    return bool(model and trial) and now < first_seen.get(model, now) + trial


def ends_at(shadow: Shadow, model: str, first_seen: Mapping[str, int]) -> int | None:
    """Return when the shadow of a model in it ends; ``None`` when it does not end by itself."""
    if shadow.mode == "shadow" or model in shadow.models or model not in first_seen:
        return None
    return first_seen[model] + shadow.trials.get(model, shadow.trial)


def next_digest(shadow: Shadow, now: int) -> int:
    """Return when the next digest is due."""
    today = now - now % DAY + shadow.digest_at
    return today if today > now else today + DAY


def daily_digest(
    connection: sqlite3.Connection, receiver: str, models: frozenset[str], since: int, now: int, url: str
) -> AlertGroup | None:
    """Return the digest of what would have been sent since a time; ``None`` when no model was in shadow."""
    rows = connection.execute(
        "SELECT model, severity, alertname FROM shadow WHERE at > ? AND at <= ? ORDER BY seq", (since, now)
    ).fetchall()
    if not rows and not models:
        return None
    labels = {"alertname": "ShadowDigest", "severity": "info"}
    summary = _summary(rows)
    texts = {"summary": summary, "description": _description(rows, models, since, now)}
    key = f"digest/{receiver}"
    alert = Alert(labels, texts, "firing", since, None, fingerprint(labels), url)
    message = f"msg_{digest([key, since, now], 32)}"
    return AlertGroup(receiver, key, labels, (alert,), message, now, url=url, reason="new")


def _summary(rows: list[tuple[str, str, str]]) -> str:
    pages = [row for row in rows if row[1] == "page"]
    others = len(rows) - len(pages)
    names = Counter(name for row in rows for name in row[2].split(", "))
    listed = ", ".join(f"{name} ({count})" for name, count in names.most_common(_LISTED))
    text = f"would have paged {_times(len(pages))}"
    text += f" and warned {_times(others)}" if others else ""
    return f"{text}, for {listed}" if listed else text


def _description(rows: list[tuple[str, str, str]], models: frozenset[str], since: int, now: int) -> str:
    counts = Counter(row[0] or "the service" for row in rows)
    lines = [f"{model}: {_times(count)}" for model, count in counts.most_common(_LISTED)]
    if len(counts) > _LISTED:
        lines.append(f"{len(counts) - _LISTED} more")
    quiet = sorted(models - {model for names in counts for model in names.split(", ")})
    if quiet:
        rest = f" and {len(quiet) - _LISTED} more" if len(quiet) > _LISTED else ""
        lines.append(f"Nothing for {', '.join(quiet[:_LISTED])}{rest}.")
    return f"From {_day(since)} to {_day(now)} nothing was sent for models in shadow.\n" + "\n".join(lines)


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _day(at: int) -> str:
    return datetime.fromtimestamp(max(0, at) // SECOND, UTC).strftime("%Y-%m-%d %H:%M UTC")
