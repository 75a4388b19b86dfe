"""Where a message leads: the view of the page, and the dashboard, that show what is told of, at that time."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from alerts.durations import DAY
from alerts.receivers.times import moment
from alerts.signal import Signal
from monitor.labels import label

_BEFORE: Final = 24
"""Windows shown before the one that is told of."""
_DASHBOARD: Final = "/d/driftline-model"
_OF_COLUMNS: Final = frozenset({"drift", "score", "quality"})
_OF_LABELS: Final = frozenset({"performance", "estimate", "calibration", "fairness"})


def page_of(root: str, signal: Signal) -> str:
    """Return the address of the page's view; that of its alerts for what concerns no model, empty without a root.

    >>> page_of("https://h.example", Signal(number=1, kind="lag", observed_at=0, model="m"))
    'https://h.example/model?model=m&from=1969-12-31T00%3A00%3A00Z&to=1970-01-02T00%3A00%3A00Z'
    """
    if not root:
        return ""
    if not signal.model:
        return f"{root}/alerts"
    asked = {"model": label(signal.model)}
    view = "/model"
    if signal.kind in _OF_LABELS:
        view = "/performance"
    elif signal.kind in _OF_COLUMNS and signal.column and not signal.slice:
        view = "/feature"
        asked |= {"column": label(signal.column), "window": label(signal.window)}
    if signal.version:
        asked["version"] = label(signal.version)
    first, last = _span(signal)
    return f"{root}{view}?{urlencode(asked | {'from': _second(first), 'to': _second(last)})}"


def dashboard_of(root: str, signal: Signal) -> str:
    """Return the address of the model's dashboard in Grafana; empty without a root, or for what concerns no model."""
    if not root or not signal.model:
        return ""
    first, last = _span(signal)
    asked = {"var-model": label(signal.model), "from": str(first // 1000), "to": str(last // 1000)}
    return f"{root}{_DASHBOARD}?{urlencode(asked)}"


def _span(signal: Signal) -> tuple[int, int]:
    """Return the time that a view shows: a day and more before, back to the onset, and a day or a window after."""
    before = max(DAY, _BEFORE * signal.length)
    first = signal.at - before
    if signal.onset is not None:
        first = min(first, signal.onset - signal.length)
    return first, signal.at + max(DAY, signal.length)


def _second(micros: int) -> str:
    return moment(micros).isoformat(timespec="seconds").replace("+00:00", "Z")
