"""The series of alerts and their delivery, out of the View."""

from __future__ import annotations

from monitor import catalogue
from monitor.labels import label
from monitor.series import SeriesSet
from monitor.views import AlertsView

_STATES = ("firing", "resolved")


def add_alerts(series: SeriesSet, view: AlertsView) -> None:
    """Add all that is exported of alerts."""
    for (name, severity, model, state), number in sorted(view.counts.items()):
        series.add(catalogue.ALERTS, number, label(name), severity, label(model), state)
    for state in _STATES:
        series.add(catalogue.ALERT_CHANGES, view.totals.get(state, 0), state)
    series.add(catalogue.SILENCES, len(view.silences))
    for model in view.shadowed:
        series.add(catalogue.TRIALS, 1, label(model))
    for receiver in view.receivers:
        name = label(receiver.name)
        outcomes = {"delivered": receiver.deliveries, "retried": receiver.retries, "parked": receiver.parkings}
        for outcome, number in outcomes.items():
            series.add(catalogue.DELIVERIES, number, name, outcome)
        series.add(catalogue.MESSAGES, receiver.waiting, name)
        if receiver.oldest is not None:
            series.add(catalogue.OLDEST_MESSAGE, receiver.oldest / 1e6, name)
        series.add(catalogue.RECEIVER_DISABLED, float(receiver.disabled), name)
    series.add(catalogue.SIGNALS_PENDING, view.signals_waiting)
    series.add(catalogue.SIGNALS_LOST, view.signals_lost)
