"""The series of retraining, out of the View."""

from __future__ import annotations

from collections import Counter

from monitor import catalogue
from monitor.labels import label
from monitor.series import SeriesSet
from monitor.views import RetrainingView

_COUNTED = ("fired", "dry_run", "succeeded", "failed")
"""Decisions that are told from the first scrape on: a series that began at 1 would hide its first increase."""
_WAITING = ("proposed", "awaiting_approval", "requested", "parked", "running", "succeeded")


def add_retraining(series: SeriesSet, view: RetrainingView) -> None:
    """Add all that is exported of retraining."""
    never = {(kept.model, decision): 0 for kept in view.models for decision in _COUNTED}
    for (model, decision), number in sorted((never | dict(view.counts)).items()):
        series.add(catalogue.RETRAINING_DECISIONS, number, label(model), decision)
    states = Counter((one.model, one.state) for one in view.proposals)
    for kept in view.models:
        for state in _WAITING:
            series.add(catalogue.RETRAINING_PROPOSALS, states[kept.model, state], label(kept.model), state)
        paused = any(pause.model in {"", kept.model} for pause in view.pauses)
        series.add(catalogue.RETRAINING_PAUSED, float(paused), label(kept.model))
        requested = [one.requested_at for one in view.proposals
                     if one.model == kept.model and one.requested_at is not None and not one.dry_run]  # fmt: skip
        if requested:
            series.add(catalogue.RETRAINING_REQUESTED, max(requested) / 1e6, label(kept.model))
