"""Proposals to retrain over HTTP: what there is, what people decide, and the results of runs."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, Final

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from alerts.retraining.callback import LARGEST, Taken
from alerts.retraining.desk import DeskError
from alerts.retraining.states import Proposal
from alerts.store import StoreUnavailableError
from dashboards.page.site import SECURITY
from monitor.access import Access, Holder
from monitor.api.endpoints import Call, Endpoints, RequestError
from monitor.retraining.keeper import RetrainingKeeper
from monitor.retraining.view import proposal_view
from monitor.status import rfc3339

_PAGE: Final = "/retraining"
_BASE: Final = "/api/v1/retraining"
_TIMES: Final = ("since", "created_at", "requested_at", "at")


class RetrainingApi:
    """Answers requests about retraining; before ``open`` there is nothing to answer with."""

    def __init__(self, access: Access, endpoints: Endpoints) -> None:
        self.access = access
        self._endpoints = endpoints
        self._results = ThreadPoolExecutor(1, thread_name_prefix="http-results")
        self._keeper: RetrainingKeeper | None = None

    def open(self, keeper: RetrainingKeeper) -> None:
        """Answer for this retraining from now on."""
        self._keeper = keeper

    def close(self) -> None:
        """Begin nothing more."""
        self._results.shutdown(wait=False, cancel_futures=True)

    def routes(self) -> list[BaseRoute]:
        """Return all addresses."""
        json, form = self._endpoints.json, self._endpoints.form
        return [
            json(f"{_BASE}/proposals", self._list, ("GET",)),
            json(f"{_BASE}/proposals/{{id}}", self._one, ("GET",)),
            json(f"{_BASE}/proposals/{{id}}/approve", self._approve),
            json(f"{_BASE}/proposals/{{id}}/reject", self._reject),
            json(f"{_BASE}/proposals/{{id}}/started", self._started),
            json(f"{_BASE}/propose", self._propose),
            json(f"{_BASE}/pause", self._pause),
            json(f"{_BASE}/resume", self._resume),
            Route(f"{_BASE}/{{id}}/result", self._result, methods=["POST"]),
            form("/retraining/approve", self._approve, _PAGE),
            form("/retraining/reject", self._reject, _PAGE),
            form("/retraining/pause", self._pause, _PAGE),
            form("/retraining/resume", self._resume, _PAGE),
        ]

    @property
    def keeper(self) -> RetrainingKeeper:
        """Retraining.

        Raises
        ------
        RequestError
            With status 503 while the service starts.
        """
        if self._keeper is None:
            raise RequestError("the service is starting", 503)
        return self._keeper

    def _list(self, call: Call) -> tuple[int, Any]:
        desk = self.keeper.desk
        found = [plain(asdict(proposal_view(each))) for each in desk.proposals(call.query.get("model"))]
        return 200, {"proposals": found, "pauses": [plain(each._asdict()) for each in desk.pauses()]}

    def _one(self, call: Call) -> tuple[int, Any]:
        found = self._found(call)
        request = found.request.decode(errors="replace") if found.request is not None else None
        return 200, {**plain(asdict(proposal_view(found))), "request": request}

    def _approve(self, call: Call) -> tuple[int, Any]:
        found, holder = self._decided(call)
        changed = self._done(lambda: self.keeper.desk.approve(found.id, actor=holder.name, because=_because(call)))
        return 200, plain(asdict(proposal_view(changed)))

    def _reject(self, call: Call) -> tuple[int, Any]:
        found, holder = self._decided(call)
        because = call.text("because")
        changed = self._done(lambda: self.keeper.desk.reject(found.id, actor=holder.name, because=because))
        return 200, plain(asdict(proposal_view(changed)))

    def _started(self, call: Call) -> tuple[int, Any]:
        found, holder = self._decided(call)
        run = str(call.body.get("run", ""))[:256]
        changed = self._done(lambda: self.keeper.desk.started(found.id, actor=holder.name, run=run))
        return 200, plain(asdict(proposal_view(changed)))

    def _propose(self, call: Call) -> tuple[int, Any]:
        call.only("model", "because")
        self.access.holder(call.secret)
        model = self._model(call.text("model"))
        holder = self.access.allow(call.secret, "approve", [model])
        made = self.keeper.propose(model, actor=holder.name, because=call.text("because"))
        if made is None:
            raise RequestError("another proposal of the model is open", 409)
        return 201, plain(asdict(proposal_view(made)))

    def _pause(self, call: Call) -> tuple[int, Any]:
        model, holder = self._scope(call)
        self._done(lambda: self.keeper.desk.pause(actor=holder.name, because=call.text("because"), model=model))
        return 200, {"paused": model or "all"}

    def _resume(self, call: Call) -> tuple[int, Any]:
        model, holder = self._scope(call)
        found = self._done(lambda: self.keeper.desk.resume(actor=holder.name, because=_because(call), model=model))
        if not found:
            raise RequestError("nothing of that is paused", 409)
        return 200, {"resumed": model or "all"}

    async def _result(self, request: Request) -> Response:
        """Take the result of a run; its signature is what allows it, not a token."""
        body = b""
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST:
                    break
        except ClientDisconnect:
            return _answer(Taken(400, "the request was cut off"))
        headers = {name.lower(): value for name, value in request.headers.items()}
        name = str(request.path_params["id"])
        loop = asyncio.get_running_loop()
        return _answer(await loop.run_in_executor(self._results, self._take, name, headers, body))

    def _take(self, name: str, headers: dict[str, str], body: bytes) -> Taken:
        if self._keeper is None:
            return Taken(503, "the service is starting")
        try:
            return self._keeper.callback.take(name, headers, body)
        except StoreUnavailableError:
            return Taken(503, "this cannot be written now; try again")

    def _scope(self, call: Call) -> tuple[str, Holder]:
        call.only("model", "because")
        self.access.holder(call.secret)
        named = str(call.body.get("model", "")).strip()
        model = self._model(named) if named else ""
        return model, self.access.allow(call.secret, "pause", [model] if model else None)

    def _model(self, name: str) -> str:
        if name not in self.keeper.engine.policy.models:
            raise RequestError("no retraining is configured for a model of this name", 404)
        return name

    def _decided(self, call: Call) -> tuple[Proposal, Holder]:
        """Return the proposal that is decided on, and who may."""
        call.only("id", "because", "run")
        self.access.holder(call.secret)
        found = self._found(call)
        return found, self.access.allow(call.secret, "approve", [found.model])

    def _found(self, call: Call) -> Proposal:
        name = call.path.get("id") or call.text("id")
        try:
            return self.keeper.desk.find(name)
        except DeskError as error:
            raise RequestError(str(error)[:300], 404) from error

    @staticmethod
    def _done(action: Any) -> Any:
        try:
            return action()
        except DeskError as error:
            raise RequestError(str(error), 409) from error


def plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Return fields with their times as RFC 3339."""
    return {name: rfc3339(value) if name in _TIMES and value is not None else value for name, value in fields.items()}


def _because(call: Call) -> str:
    return str(call.body.get("because", ""))[:2_000]


def _answer(taken: Taken) -> Response:
    headers = {**SECURITY, "Cache-Control": "no-store"}
    if taken.status == 204:
        return Response(status_code=204, headers=headers)
    body = {"detail" if taken.status < 400 else "error": taken.detail}
    return Response(msgspec.json.encode(body), taken.status, {**headers, "Content-Type": "application/json"})
