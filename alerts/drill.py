"""A trial alarm: one message that says so, through outbox, thread and receiver like any other."""

from __future__ import annotations

import dataclasses

from alerts.annotations import DESCRIPTION, NEXT_STEP, SUMMARY
from alerts.entry import Entry, to_alert
from alerts.labels import digest, fingerprint
from alerts.lifecycle import Machine, Track
from alerts.notification import AlertGroup
from alerts.policy import Policy
from alerts.signal import Signal


def drill_message(receiver: str, author: str, now: int, policy: Policy) -> AlertGroup:
    """Return a message about a drift that nobody measured."""
    labels = {"alertname": "Drill", "severity": "info", "model": "drill", "column": "amount"}
    signal = Signal(
        number=0, kind="drift", observed_at=now, model="drill", column="amount", detector="psi", statistic=0.31,
        threshold=0.2, p_value=1e-9, n=5_000, status="drift",
    )  # fmt: skip
    track = Track(machine=Machine("firing", now, now))
    texts = {
        SUMMARY: "This is a drill: alerts reach you",
        DESCRIPTION: f"{author} asked for it. No model has drifted.",
        NEXT_STEP: "Nothing.",
    }
    alert = to_alert(Entry(fingerprint(labels), "", labels, track, signal, now), None, "firing", policy)
    alert = dataclasses.replace(alert, annotations=texts, url=policy.url)
    key = f"drill/{receiver}/{now}"
    return AlertGroup(receiver, key, labels, (alert,), f"msg_{digest(key, 32)}", now, url=policy.url, reason="new")
