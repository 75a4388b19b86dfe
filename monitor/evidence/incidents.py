"""Incidents that evidence raised, what people said of them, and what else happened then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from monitor.events import DAY
from monitor.evidence.budget import DETECTORS, SeverityName
from monitor.evidence.orders import MARKS, Order, OrderKind
from monitor.evidence.windows import is_evidence
from monitor.findings import Finding, WindowResult
from monitor.views import EvidenceView

BEFORE: Final = DAY
"""Events up to so long before an incident are named beside it."""


@dataclass(frozen=True, slots=True)
class Incident:
    """The alarms of one severity in one window of a model's fleet."""

    model: str
    window: str
    severity: SeverityName
    start: int
    end: int
    alarms: tuple[tuple[str, str, Finding], ...]
    """(version, slice, finding), strongest first."""
    mark: Order | None = None
    """What somebody said of it last."""
    events: tuple[Order, ...] = ()
    """Deploys, campaigns and the like, from a day before its window to its end."""


@dataclass(frozen=True, slots=True)
class Meter:
    """What was promised beside what came, of one severity over the whole service."""

    severity: SeverityName
    promised: float
    """Incidents by chance that the budget allowed in the windows so far."""
    observed: int
    """Incidents, by chance or not."""
    marked: dict[OrderKind, int]
    """Incidents in history by what people said of them."""

    @property
    def noise(self) -> int:
        """Incidents that people found to be nothing: only these count against the promise."""
        return self.marked.get("noise", 0)


def incidents(results: Iterable[WindowResult], orders: Sequence[Order] = ()) -> list[Incident]:
    """Return the incidents of evaluated windows in the order of time, the newest first.

    A mark belongs to the incident of its model at its window that has an alarm of its column; the last one holds.
    """
    found: dict[tuple[str, str, SeverityName, int, int], list[tuple[str, str, Finding]]] = {}
    for result in results:
        if not is_evidence(result.window):
            continue
        for name, detector in DETECTORS.items():
            for finding in result.findings:
                if finding.detector == detector and finding.status == "drift":
                    place = (result.model, result.window, name, result.start, result.end)
                    found.setdefault(place, []).append((result.version, result.slice, finding))
    ordered = sorted(found.items(), key=lambda one: (-one[0][3], one[0]))
    return [_incident(*place, alarms, orders) for place, alarms in ordered]


def meters(views: Iterable[EvidenceView], known: Iterable[Incident]) -> list[Meter]:
    """Return promised and observed incidents by severity, with what people said of those in history."""
    listed, shown = list(known), list(views)
    found = []
    for name in DETECTORS:
        mine = [view for view in shown if view.severity == name]
        marks: Counter[OrderKind] = Counter(
            one.mark.kind for one in listed if one.severity == name and one.mark is not None
        )
        promised, observed = sum(view.promised for view in mine), sum(view.incidents for view in mine)
        found.append(Meter(name, promised, observed, dict(marks)))
    return found


def find(known: Iterable[Incident], model: str, column: str, start: int | None = None) -> Incident | None:
    """Return the newest incident of a model with an alarm of this column, or the one of the window at ``start``."""
    mine = (one for one in known if one.model == model and column in _columns(one))
    return next((one for one in mine if start is None or one.start <= start < one.end), None)


def _incident(
    model: str,
    window: str,
    severity: SeverityName,
    start: int,
    end: int,
    alarms: list[tuple[str, str, Finding]],
    orders: Sequence[Order],
) -> Incident:
    ranked = tuple(sorted(alarms, key=lambda one: -one[2].statistic))
    plain = Incident(model, window, severity, start, end, ranked)
    columns = set(_columns(plain))
    marks = [
        order
        for order in orders
        if order.kind in MARKS and order.model == model and order.until == start and order.column in columns
    ]
    events = tuple(
        order
        for order in orders
        if order.kind == "event" and order.model in {"", model} and start - BEFORE <= order.until < end
    )
    return Incident(model, window, severity, start, end, ranked, marks[-1] if marks else None, events)


def _columns(incident: Incident) -> Iterator[str]:
    return (finding.column for _, _, finding in incident.alarms)
