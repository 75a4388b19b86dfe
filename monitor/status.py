"""A summary of the View as plain values, for ``/api/v1/status``."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from monitor.findings import Finding
from monitor.labels import label
from monitor.series import drift_ratio
from monitor.views import ModelView, View, WindowView

MOST_WINDOWS: Final = 200
MOST_FINDINGS: Final = 20
_MOST_TEXT: Final = 500
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST: Final = 253_402_300_800_000_000
_WORST_FIRST: Final = {"drift": 0, "warn": 1}


def summarise(view: View) -> dict[str, Any]:
    """Return what a person asks first: what is watched, how far it has been read, what drifts.

    Per model at most 200 windows (whole ones first), per window its 20 worst findings in drift or warning; the totals
    stand beside them. Names are written as the metrics' labels are.
    """
    counters: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for (model, name), number in sorted(view.counters.items()):
        counters[model][name] = number
    return {
        "build": view.build,
        "config_hash": view.config_hash,
        "started_at": rfc3339(view.started_at),
        "taken_at": rfc3339(view.taken_at),
        "counters": counters.get("", {}),
        "dead_letters_pending": view.dead_letters_pending,
        "inputs": [
            {
                "topic": label(position.topic),
                "partition": position.partition,
                "next_offset": position.next_offset,
                "end_offset": position.end_offset,
                "lag": position.lag,
            }
            for position in view.inputs
        ],
        "models": [_model(model, counters.get(model.name, {})) for model in view.models],
    }


def rfc3339(micros: int | None) -> str | None:
    """Return a time as text, ``None`` when there is none or it lies outside the years that can be written.

    >>> rfc3339(1_793_491_200_000_000)
    '2026-11-01T00:00:00Z'
    """
    if micros is None or not 0 <= micros < _LAST:
        return None
    return (_EPOCH + timedelta(microseconds=micros)).isoformat().replace("+00:00", "Z")


def _model(model: ModelView, counters: dict[str, int]) -> dict[str, Any]:
    shown = sorted(model.windows, key=lambda window: bool(window.result.slice))[:MOST_WINDOWS]
    learning = model.learning
    return {
        "name": label(model.name),
        "owner": None if model.owner is None else label(model.owner),
        "versions": [label(version) for version in model.versions],
        "references": {label(version): label(name) for version, name in model.references.items()},
        "learning": None
        if learning is None
        else {
            "stage": learning.stage,
            "rows": learning.rows,
            "progress": learning.progress,
            "until": rfc3339(learning.until),
        },
        "last_prediction": rfc3339(model.last_prediction),
        "counters": counters,
        "clocks": [
            {
                "partition": clock.partition,
                "watermark": rfc3339(clock.watermark),
                "idle": clock.idle,
                "held": clock.held,
            }
            for clock in model.clocks
        ],
        "configuration_changes": [change[:_MOST_TEXT] for change in model.changes],
        "windows_total": len(model.windows),
        "windows": [_window(window) for window in shown],
    }


def _window(window: WindowView) -> dict[str, Any]:
    result = window.result
    moved = [finding for finding in result.findings if finding.status in _WORST_FIRST]
    moved.sort(key=lambda finding: (_WORST_FIRST[finding.status], -(drift_ratio(finding) or 0.0)))
    return {
        "version": label(result.version),
        "slice": label(result.slice),
        "window": result.window,
        "start": rfc3339(result.start),
        "end": rfc3339(result.end),
        "n": result.n,
        "revision": result.revision,
        "statuses": dict(Counter(finding.status for finding in result.findings)),
        "flagged": window.flagged,
        "errors": window.errors,
        "latency_seconds": {f"{quantile:g}": seconds for quantile, seconds in window.latency.items()},
        "findings": [_finding(finding) for finding in moved[:MOST_FINDINGS]],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "column": label(finding.column),
        "detector": finding.detector,
        "status": finding.status,
        "statistic": finding.statistic,
        "threshold": finding.threshold,
        "ratio": drift_ratio(finding),
        "effect": finding.effect,
        "low": finding.low,
        "high": finding.high,
        "p_value": finding.p_value,
        "direction": finding.direction,
        "explanation": finding.explanation[:_MOST_TEXT].encode("utf-8", "backslashreplace").decode(),
    }
