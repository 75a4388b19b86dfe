"""Silences, alerts and receivers over HTTP, and the audit of who changed what."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from starlette.routing import BaseRoute

from alerts.matchers import Matcher, parse_matchers
from alerts.silences import Silence
from monitor.access import Access, AccessError, Holder
from monitor.alerting.desk import Desk
from monitor.api.endpoints import Call, Endpoints, RequestError
from monitor.config.types import parse_duration, parse_moment
from monitor.status import rfc3339

_PAGE: Final = "/alerts"
_MOST_LINES: Final = 1_000


class AlertsApi:
    """Answers requests about alerts; before ``open`` there is nothing to answer with."""

    def __init__(self, access: Access, endpoints: Endpoints) -> None:
        self.access = access
        self._endpoints = endpoints
        self._desk: Desk | None = None

    def open(self, desk: Desk) -> None:
        """Answer for these alerts from now on."""
        self._desk = desk

    def routes(self) -> list[BaseRoute]:
        """Return all addresses."""
        json, form = self._endpoints.json, self._endpoints.form
        return [
            json("/api/v1/silences", self._silence),
            json("/api/v1/silences/{id}", self._expire, ("DELETE",)),
            json("/api/v1/alerts/{fingerprint}/resolve", self._resolve),
            json("/api/v1/receivers/{name}/enable", self._enable),
            json("/api/v1/receivers/{name}/test", self._test),
            json("/api/v1/audit", self._audit, ("GET",)),
            form("/alerts/silence", self._silence, _PAGE),
            form("/alerts/expire", self._expire, _PAGE),
            form("/alerts/resolve", self._resolve, _PAGE),
        ]

    @property
    def desk(self) -> Desk:
        """The alerts.

        Raises
        ------
        RequestError
            With status 503 while the service starts.
        """
        if self._desk is None:
            raise RequestError("the service is starting", 503)
        return self._desk

    def _silence(self, call: Call) -> tuple[int, Any]:
        call.only("matchers", "for", "until", "comment")
        matchers = call.text("matchers")
        parsed = parse_matchers(matchers)
        holder = self._allow_matchers(call, parsed)
        silence = self.desk.engine.silences.add(
            matchers, _until(call), author=holder.name, comment=call.text("comment")
        )
        self.desk.touch()
        return 201, silence_data(silence)

    def _expire(self, call: Call) -> tuple[int, Any]:
        name = call.path.get("id") or call.text("id")
        holder = self.access.holder(call.secret)
        found = next((one for one in self.desk.engine.silences.list() if one.id == name), None)
        if found is None:
            raise RequestError("no silence has this id, or it is over", 404)
        self._allow_matchers(call, found.matchers)
        self.desk.engine.expire(name, author=holder.name)
        self.desk.touch()
        return 200, {"id": name}

    def _resolve(self, call: Call) -> tuple[int, Any]:
        name = call.path.get("fingerprint") or call.text("fingerprint")
        self.access.holder(call.secret)
        found = next((one for one in self.desk.view.alerts if one.fingerprint == name), None)
        if found is None:
            raise RequestError("no alert that fires has this fingerprint", 404)
        holder = self.access.allow(call.secret, "resolve", [found.model] if found.model else None)
        self.desk.engine.resolve(name, author=holder.name, because=call.text("because"))
        self.desk.touch()
        return 202, {"fingerprint": name}

    def _enable(self, call: Call) -> tuple[int, Any]:
        name, holder = self._receiver(call)
        self.desk.engine.enable(name, author=holder.name, because=str(call.body.get("because", ""))[:2_000])
        self.desk.touch()
        return 202, {"receiver": name}

    def _test(self, call: Call) -> tuple[int, Any]:
        name, holder = self._receiver(call)
        self.desk.engine.drill(name, author=holder.name)
        self.desk.touch()
        return 202, {"receiver": name}

    def _receiver(self, call: Call) -> tuple[str, Holder]:
        holder = self.access.allow(call.secret, "receivers", None)
        name = call.path["name"]
        if name not in self.desk.engine.receivers:
            raise RequestError("no receiver has this name", 404)
        return name, holder

    def _audit(self, call: Call) -> tuple[int, Any]:
        text = call.query.get("limit", "100")
        if not text.isdigit() or not 0 < int(text) <= _MOST_LINES:
            raise RequestError(f"limit is a number from 1 to {_MOST_LINES}")
        lines = self.desk.engine.audit(int(text))
        return 200, {"lines": [{**asdict(line), "at": rfc3339(line.at)} for line in lines]}

    def _allow_matchers(self, call: Call, matchers: Sequence[Matcher]) -> Holder:
        """Return who asks, if all alerts with these labels are of models that the token is for."""
        holder = self.access.holder(call.secret)
        owned = holder.owner is not None and any(
            matcher.operator == "="
            and (
                (matcher.name == "owner" and matcher.value == holder.owner)
                or (matcher.name == "model" and self.access.owners.get(matcher.value) == holder.owner)
            )
            for matcher in matchers
        )
        if holder.owner is not None and not owned and "silence" in holder.actions:
            raise AccessError(403, f'the token {holder.name} needs a matcher owner="{holder.owner}", or of its models')
        holder.require("silence", () if owned else None, self.access.owners)
        return holder


def silence_data(silence: Silence) -> dict[str, Any]:
    """Return a silence as plain data."""
    return {
        "id": silence.id,
        "matchers": [str(matcher) for matcher in silence.matchers],
        "starts_at": rfc3339(silence.starts_at),
        "ends_at": rfc3339(silence.ends_at),
        "author": silence.author,
        "comment": silence.comment,
    }


def _until(call: Call) -> int:
    """Return when a silence ends."""
    span, moment = call.body.get("for"), call.body.get("until")
    try:
        if isinstance(span, str) and span.strip() and not moment:
            return time.time_ns() // 1000 + parse_duration(span)
        if isinstance(moment, str) and moment.strip() and not span:
            return parse_moment(moment.strip())
    except ValueError as error:
        raise RequestError(str(error)) from error
    raise RequestError("give for, such as 2h, or until, such as 2026-11-01T00:00:00Z")
