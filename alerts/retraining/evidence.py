"""What a proposal rests on, as one JSON document: figures of windows, versions, reference, counts. Aggregates only."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any, Final

from alerts.entry import Entry, likely_cause
from alerts.receivers.times import rfc3339
from alerts.retraining.expression import started
from alerts.retraining.facts import Facts
from alerts.retraining.policy import ModelPolicy

FORMAT: Final = 1
SHOWN: Final = 20
"""Alerts in one document; the rest is counted."""
_FIGURES: Final = ("statistic", "reference", "effect", "low", "high", "threshold", "p_value", "evidence")
_NAMES: Final = ("column", "detector", "slice", "version", "status", "explanation")
_LONGEST: Final = 300


def bundle(policy: ModelPolicy, facts: Facts, entries: Sequence[Entry], now: int) -> str:
    """Return the document; what is not known is absent from it.

    Examples
    --------
    >>> document = json.loads(bundle(ModelPolicy("fraud"), Facts(version="7", matured_labels=12), (), 0))
    >>> document["model"], document["versions"], document["labels"]
    ('fraud', {'live': '7'}, {'matured': 12})
    """
    ranked = sorted(entries, key=likely_cause)
    labels = {"matured": facts.matured_labels, "coverage": _finite(facts.coverage)}
    document = {
        "format": FORMAT,
        "model": policy.model,
        "owner": policy.owner,
        "observed_at": rfc3339(now),
        "condition": policy.condition,
        "alerts": [_alert(entry) for entry in ranked[:SHOWN]],
        "alerts_left_out": max(0, len(ranked) - SHOWN),
        "versions": _known({"live": facts.version, "rows": dict(facts.rows)}),
        "references": dict(facts.references),
        "labels": _known(labels),
        "own_changes": [{"at": rfc3339(each.at), "what": each.what[:_LONGEST]} for each in facts.changes[-SHOWN:]],
    }
    return json.dumps(_known(document), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _alert(entry: Entry) -> dict[str, Any]:
    signal = entry.signal
    window = {
        "name": signal.window,
        "start": None if signal.start is None else rfc3339(signal.start),
        "end": None if signal.end is None else rfc3339(signal.end),
    }
    figures = {name: _finite(getattr(signal, name)) for name in _FIGURES}
    names = {name: getattr(signal, name)[:_LONGEST] for name in _NAMES}
    facts = {
        "rule": entry.labels.get("alertname", entry.rule),
        "severity": entry.labels.get("severity", ""),
        "kind": signal.kind,
        "since": rfc3339(started(entry)),
        "onset": None if signal.onset is None else rfc3339(signal.onset),
        "window": _known(window),
        "n": signal.n or None,
        "direction": signal.direction or None,
        "revision": signal.revision or None,
        "importance": signal.importance or None,
        "labels": dict(list(entry.labels.items())[:SHOWN]),
    }
    return _known(facts | names | figures)


def _known(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value not in (None, "", {}, [])}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
