"""Requests that change something: read strictly, done in one thread apart from pages and metrics, told in JSON.

A handler gets a ``Call`` and returns a status and plain data. It asks ``Access`` for what the caller may do, and
whatever it changes leaves a line in the audit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

import msgspec
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from alerts.matchers import MatcherError
from alerts.silences import SilenceError
from alerts.store import StoreUnavailableError
from dashboards.page.site import SECURITY, problem_page
from monitor.access import AccessError, bearer

log = structlog.get_logger(__name__)
_MOST_BYTES: Final = 1 << 16
_JSON: Final = "application/json"
_FORM: Final = "application/x-www-form-urlencoded"
_HEADERS: Final = {**SECURITY, "Cache-Control": "no-store"}
_HOME: Final = frozenset({"same-origin", "none", ""})


class RequestError(Exception):
    """A request that makes no sense; ``status`` is HTTP's."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Call:
    """One request."""

    secret: str
    """The token that came along, empty for none."""
    path: Mapping[str, str]
    """The variable parts of the address."""
    body: Mapping[str, Any]
    query: Mapping[str, str]

    def text(self, key: str, *, longest: int = 2_000) -> str:
        """Return a text of the body that must be there."""
        value = self.body.get(key)
        if not isinstance(value, str) or not value.strip():
            raise RequestError(f"{key} is missing")
        if len(value) > longest:
            raise RequestError(f"{key} is longer than {longest} characters")
        return value.strip()

    def only(self, *keys: str) -> None:
        """Refuse a body with other keys."""
        unknown = sorted(self.body.keys() - set(keys))
        if unknown:
            raise RequestError(f"{unknown[0][:50]!r} is not one of: {', '.join(keys)}")


Handler: TypeAlias = Callable[[Call], tuple[int, Any]]


class Endpoints:
    """Makes routes of handlers. Each handler runs in the one thread of this object."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="http-api")

    def close(self) -> None:
        """Begin nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def json(self, path: str, handler: Handler, methods: Sequence[str] = ("POST",)) -> Route:
        """Return a route for programs: JSON in, JSON out, the token in ``Authorization``."""

        async def answer(request: Request) -> Response:
            try:
                body = {} if request.method in {"GET", "DELETE"} else await _body(request, _JSON)
                secret = bearer(request.headers.get("authorization", ""))
                call = Call(secret, request.path_params, body, dict(request.query_params))
                status, data = await self._done(handler, call)
            except (RequestError, AccessError) as error:
                status, data = error.status, {"error": error.reason}
            headers = {**_HEADERS, "Content-Type": _JSON}
            if status == 401:
                headers["WWW-Authenticate"] = "Bearer"
            return Response(msgspec.json.encode(data), status, headers)

        return Route(path, answer, methods=list(methods))

    def form(self, path: str, handler: Handler, back: str | Callable[[Call], str]) -> Route:
        """Return a route for a form of the page: the token is one of its fields; afterwards the browser goes back.

        Fields that were left empty are left out, as if they had not been sent.

        Without cookies there is nothing that a page of somebody else could use, and requests from elsewhere are refused
        besides.
        """

        async def answer(request: Request) -> Response:
            try:
                _from_here(request)
                body = dict(await _body(request, _FORM))
                secret = str(body.pop("token", ""))
                call = Call(secret, request.path_params, body, {})
                await self._done(handler, call)
            except (RequestError, AccessError) as error:
                page = problem_page(error.status, error.reason, "Nothing was changed")
                return Response(page.body, page.status, dict(page.headers))
            place = back if isinstance(back, str) else back(call)
            return Response(status_code=303, headers={**_HEADERS, "Location": place})

        return Route(path, answer, methods=["POST"])

    async def _done(self, handler: Handler, call: Call) -> tuple[int, Any]:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._thread, handler, call)
        except (MatcherError, SilenceError) as error:
            raise RequestError(str(error)) from error
        except StoreUnavailableError as error:
            log.warning("a request could not be written down", problem=str(error))
            raise RequestError("this cannot be written now; try again", 503) from error


def _from_here(request: Request) -> None:
    if request.headers.get("sec-fetch-site", "") not in _HOME:
        raise AccessError(403, "this form was sent from another site")


async def _body(request: Request, kind: str) -> Mapping[str, Any]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != kind:
        raise RequestError(f"send {kind}", 415)
    body = b""
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MOST_BYTES:
                raise RequestError("the request is larger than 64 KiB", 413)
    except ClientDisconnect:
        raise RequestError("the request was cut off") from None
    try:
        found = (
            msgspec.json.decode(body or b"{}") if kind == _JSON else dict(parse_qsl(body.decode(), max_num_fields=32))
        )
    except (msgspec.MsgspecError, ValueError):
        raise RequestError(f"the request is not {kind}") from None
    if not isinstance(found, dict):
        raise RequestError("the request is no object")
    return found
