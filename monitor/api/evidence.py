"""Incidents of evidence over HTTP: what came, what people say of it, what they accept, what else happened."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from starlette.routing import BaseRoute

from alerts.records import note
from alerts.store import Store
from monitor.access import Access, Holder
from monitor.api.endpoints import Call, Endpoints, RequestError
from monitor.config.root import Config
from monitor.config.types import parse_moment
from monitor.evidence.incidents import Incident, find
from monitor.evidence.known import known_incidents
from monitor.evidence.orders import MARKS, OrderKind, Orders, in_slice
from monitor.labels import label
from monitor.promotion import NO_STATE, REFUSED, Promotion, RefusedError, order_switch, promote_rows, undo_switch
from monitor.status import rfc3339
from monitor.store.port import StateUnavailableError

_MOST: Final = 200
_KINDS: Final = 50
_STATUSES: Final = {REFUSED: 404, NO_STATE: 409}


class EvidenceApi:
    """Answers requests about incidents; before ``open`` there is nothing to answer with.

    What is said goes into the file of orders, which the pipeline reads, and into the audit of alerts.
    """

    def __init__(self, access: Access, endpoints: Endpoints) -> None:
        self.access = access
        self._endpoints = endpoints
        self._config: Config | None = None
        self._store: Store | None = None
        self._base = Path()

    def open(self, config: Config, store: Store, base: Path = Path()) -> None:
        """Answer for this service from now on; relative paths of the configuration start at ``base``."""
        self._config, self._store, self._base = config, store, base

    def routes(self) -> list[BaseRoute]:
        """Return all addresses."""
        json, form = self._endpoints.json, self._endpoints.form
        return [
            json("/api/v1/incidents", self._list, ("GET",)),
            json("/api/v1/incidents/mark", self._mark),
            json("/api/v1/drifts/accept", self._accept),
            json("/api/v1/events", self._event),
            form("/evidence/mark", self._mark, _back("/evidence")),
            form("/evidence/event", self._event, _back("/model")),
            json("/api/v1/reference/promote", self._promote),
            json("/api/v1/reference/revert", self._revert),
        ]

    @property
    def config(self) -> Config:
        """The configuration.

        Raises
        ------
        RequestError
            With status 503 while the service starts.
        """
        if self._config is None:
            raise RequestError("the service is starting", 503)
        return self._config

    def _list(self, call: Call) -> tuple[int, Any]:
        model = call.query.get("model")
        if model is not None:
            self._known(model)
        known = known_incidents(self.config, model)
        return 200, {"incidents": [incident_data(one) for one in known[:_MOST]], "total": len(known)}

    def _mark(self, call: Call) -> tuple[int, Any]:
        call.only("model", "column", "verdict", "at", "because")
        model, column, verdict = self._named(call.text("model")), call.text("column"), call.text("verdict")
        holder = self._allow(call, model)
        kind = next((one for one in MARKS if one == verdict), None)
        if kind is None:
            raise RequestError(f"verdict is one of: {', '.join(MARKS)}")
        start = _moment(call, "at") if "at" in call.body else None
        known = known_incidents(self.config, model)
        column = _written(column, {finding.column for one in known for _, _, finding in one.alarms})
        found = find(known, model, column, start)
        if found is None:
            raise RequestError("no incident has an alarm of this column then", 404)
        because = call.text("because") if "because" in call.body else ""
        number = self._say(holder, kind, model, column, found.start, because)
        return 201, {"number": number, "start": rfc3339(found.start)}

    def _accept(self, call: Call) -> tuple[int, Any]:
        call.only("model", "column", "slice", "until", "because")
        model, column = call.text("model"), call.text("column")
        column = in_slice(column, call.text("slice") if "slice" in call.body else "")
        holder = self._allow(call, model)
        until = _moment(call, "until")
        return 201, {"number": self._say(holder, "accept", model, column, until, call.text("because"))}

    def _event(self, call: Call) -> tuple[int, Any]:
        call.only("what", "kind", "model", "at")
        model = self._named(call.text("model")) if "model" in call.body else ""
        holder = self._allow(call, model)
        at = _moment(call, "at") if "at" in call.body else time.time_ns() // 1000
        kind = call.text("kind", longest=_KINDS) if "kind" in call.body else "deploy"
        return 201, {"number": self._say(holder, "event", model, kind, at, call.text("what"))}

    def _promote(self, call: Call) -> tuple[int, Any]:
        """Switch the running service where ``live`` says so, else write the reference's file."""
        call.only("model", "since", "until", "because", "live")
        model, because, live = call.text("model"), call.text("because"), call.body.get("live", False)
        if not isinstance(live, bool):
            raise RequestError("live is true or false")
        holder, config = self._allow(call, model), self.config
        source = next(one.reference for one in config.models if one.name == model)
        # A learnt reference has no file; the request must not choose one.
        named = live or (source is not None and source.source is not None)
        out = None if named else Path(config.state.path) / f"{model}.reference.json"
        asked = Promotion(model, call.text("since"), call.text("until"), because, out, live)
        told: dict[str, Any]
        with _refusals():
            if live:
                number, until = order_switch(config, self._base, asked, holder.name)
                told = {"number": number, "until": until}
            else:
                done = promote_rows(config, self._base, asked, holder.name)
                told = {"number": done.number, "file": str(done.target), "rows": done.reference.rows}
        self._note(holder, "switch" if live else "promote", model, because)
        return 201, told

    def _revert(self, call: Call) -> tuple[int, Any]:
        call.only("model", "order", "because")
        model, because, order = call.text("model"), call.text("because"), call.body.get("order")
        if not isinstance(order, int) or isinstance(order, bool):
            raise RequestError("order is the number of an order")
        holder = self._allow(call, model)
        with _refusals():
            number = undo_switch(self.config, model, order, because, holder.name)
        self._note(holder, "switch_back", model, because)
        return 201, {"number": number}

    def _allow(self, call: Call, model: str) -> Holder:
        holder = self.access.allow(call.secret, "mark", [model] if model else None)
        if model:
            self._known(model)
        return holder

    def _named(self, model: str) -> str:
        return _written(model, {one.name for one in self.config.models})

    def _known(self, model: str) -> None:
        if model not in {one.name for one in self.config.models}:
            raise RequestError("no such model", 404)

    def _say(self, holder: Holder, kind: OrderKind, model: str, column: str, until: int, because: str) -> int:
        config, now = self.config, time.time_ns() // 1000
        try:
            number = Orders(Path(config.state.path)).add(
                at=now, who=holder.name, model=model, column=column, until=until, because=because, kind=kind
            )
        except StateUnavailableError as error:
            raise RequestError("this cannot be written now; try again", 503) from error
        self._note(holder, kind, ".".join(part for part in (model, column) if part), because)
        return number

    def _note(self, holder: Holder, kind: OrderKind, subject: str, because: str) -> None:
        if self._store is not None:
            with self._store.transaction() as connection:
                note(connection, time.time_ns() // 1000, holder.name, f"evidence {kind}", subject, because)


@contextmanager
def _refusals() -> Iterator[None]:
    """Answer refusals and failures as they are answered over HTTP."""
    try:
        yield
    except RefusedError as error:
        raise RequestError(str(error), _STATUSES.get(error.status, 400)) from None
    except (OSError, StateUnavailableError) as error:
        raise RequestError("this cannot be written now; try again", 503) from error


def _written(name: str, known: set[str]) -> str:
    """Return the known name that is meant: pages write long and odd names as labels."""
    return name if name in known else next((one for one in known if label(one) == name), name)


def _back(path: str) -> Callable[[Call], str]:
    """Return the way to the page of the model that a form was about."""
    return lambda call: f"{path}?{urlencode({'model': label(str(call.body.get('model', '')))})}"


def incident_data(incident: Incident) -> dict[str, Any]:
    """Return an incident as plain values."""
    mark = incident.mark
    return {
        "model": incident.model,
        "window": incident.window,
        "severity": incident.severity,
        "start": rfc3339(incident.start),
        "end": rfc3339(incident.end),
        "alarms": [
            {"column": finding.column, "version": version, "slice": piece, "explanation": finding.explanation}
            for version, piece, finding in incident.alarms
        ],
        "mark": None if mark is None else {"verdict": mark.kind, "by": mark.who, "because": mark.because},
        "events": [
            {"kind": one.column, "what": one.because, "at": rfc3339(one.until), "by": one.who}
            for one in incident.events
        ],
    }


def _moment(call: Call, key: str) -> int:
    try:
        return parse_moment(call.text(key))
    except ValueError as error:
        raise RequestError(f"{key}: {error}") from None
