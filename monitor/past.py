"""What page and report may know of the past: evaluated windows, incidents, and what people said happened."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from monitor.evidence.incidents import Incident, incidents
from monitor.evidence.orders import Order, Orders
from monitor.evidence.windows import EVIDENCE_WINDOWS
from monitor.findings import WindowResult
from monitor.sheets import Mark, Sheet
from monitor.views import AlarmView, EventView, IncidentView

_PARTS: Final = 4
"""Windows with alarms that are read for each incident asked for: every version has one of its own."""


class Windows(Protocol):
    """Evaluated windows, as history keeps them."""

    path: Path

    def latest(self, model: str | None = None) -> list[WindowResult]:
        """Return the latest window of every model, version, slice and window length."""
        ...

    def alarmed(
        self, windows: Collection[str], model: str | None = None, *, limit: int | None = None
    ) -> list[WindowResult]:
        """Return the newest windows of these names in which something was in drift."""
        ...

    def sheets(
        self, model: str, version: str, window: str, first: int | None = None, last: int | None = None, *, limit: int,
        slice_: str = "",
    ) -> list[Sheet]:  # fmt: skip
        """Return the latest windows of a range, in order."""
        ...

    def marks(
        self, model: str, version: str, window: str, first: int | None = None, last: int | None = None, *, limit: int
    ) -> list[Mark]:
        """Return rows and worst status of the latest windows of a range, in order."""
        ...


@dataclass(frozen=True, slots=True)
class KnownPast:
    """History with the orders beside it. Every method may be called from any thread."""

    history: Windows
    orders: Orders

    @classmethod
    def of(cls, history: Windows) -> KnownPast:
        """Return the past of a state, whose orders lie beside its history."""
        return cls(history, Orders(history.path.parent))

    def latest(self, model: str | None = None) -> list[WindowResult]:
        """Return the latest window of every model (or of one), version, slice and window length."""
        return self.history.latest(model)

    def sheets(
        self, model: str, version: str, window: str, first: int | None = None, last: int | None = None, *, limit: int,
        slice_: str = "",
    ) -> list[Sheet]:  # fmt: skip
        """Return the latest ``limit`` windows with ``first <= start < last``, in order: of all rows, or of a slice."""
        return self.history.sheets(model, version, window, first, last, limit=limit, slice_=slice_)

    def marks(
        self, model: str, version: str, window: str, first: int | None = None, last: int | None = None, *, limit: int
    ) -> list[Mark]:
        """Return what ``sheets`` does, but only rows and the worst status of each window."""
        return self.history.marks(model, version, window, first, last, limit=limit)

    def incidents(self, model: str, *, limit: int) -> list[IncidentView]:
        """Return the newest incidents of a model, newest first."""
        results = self.history.alarmed(EVIDENCE_WINDOWS, model, limit=limit * _PARTS)
        if len(results) == limit * _PARTS:  # the oldest may have more windows than were read
            results = [one for one in results if one.start > results[-1].start] or results
        found = incidents(results, self.orders.after(0))
        return [_incident(one) for one in found[:limit]]

    def events(self, model: str | None = None) -> list[EventView]:
        """Return what happened to a model, or to all; in the order of time."""
        told = [order for order in self.orders.after(0) if order.kind == "event"]
        found = [order for order in told if not model or order.model in {"", model}]
        return [_event(order) for order in sorted(found, key=lambda order: (order.until, order.number))]

    def said(self) -> int:
        """Return a number that grows with everything that people say."""
        return self.orders.newest()


def _event(order: Order) -> EventView:
    return EventView(order.until, order.column, order.because, order.who, order.model)


def _incident(incident: Incident) -> IncidentView:
    mark = incident.mark
    return IncidentView(
        model=incident.model,
        fleet=incident.window.partition(":")[2] or "inputs",
        severity=incident.severity,
        start=incident.start,
        end=incident.end,
        alarms=tuple(
            AlarmView(one.column, version, piece, one.statistic, one.threshold, one.explanation)
            for version, piece, one in incident.alarms
        ),
        verdict="" if mark is None else mark.kind,
        marked_by="" if mark is None else mark.who,
        because="" if mark is None else mark.because,
        events=tuple(_event(order) for order in incident.events),
    )
