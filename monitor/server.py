"""The service's port: the page and its data, ``/metrics``, ``/-/healthy``, ``/-/ready``, ``/api/v1/…``.

One thread runs the event loop, one renders metrics, one pages and one does what is asked for with a token, so that no
page makes a scrape wait. None touches the pipeline: they read the View, the history and two attributes of ``Health``,
and write to the alerts' store.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol

import msgspec
import structlog
import uvicorn
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import gzip_accepted
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from dashboards.page.site import Answer
from dashboards.page.site import Site as PageSite
from monitor.access import Access
from monitor.api.alerts import AlertsApi
from monitor.api.endpoints import Endpoints
from monitor.api.evidence import EvidenceApi
from monitor.api.retraining import RetrainingApi
from monitor.config.root import HttpConfig
from monitor.pages import MetricsPage
from monitor.status import summarise
from monitor.views import View, ViewHolder

STALLED: Final = 60.0
"""Seconds without a turn of the pipeline's loop after which the process counts as unhealthy."""
_CONNECTIONS: Final = 256
_KEEP_ALIVE: Final = 30
_GRACE: Final = 1
_PATIENCE: Final = 30_000
"""Milliseconds after which a client that does not read its answer is cut off."""
_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

log = structlog.get_logger(__name__)


class Health(Protocol):
    """What the pipeline's loop says of itself."""

    @property
    def heartbeat(self) -> float:
        """Monotonic clock at the loop's last turn."""
        ...

    @property
    def not_ready(self) -> str | None:
        """Why the service is not ready, ``None`` when it is."""
        ...


class ListenError(Exception):
    """The port cannot be had; says which and what to do."""


class Server:
    """Serves until ``stop``.

    Parameters
    ----------
    http
        Where to listen; port 0 takes any free one, see ``port``.
    registry
        What ``/metrics`` renders.
    holder
        The View that is rendered; tells when a rendered page is out of date.
    health
        Asked at each probe.
    owners
        Model → its owner, for tokens that are of one.
    """

    def __init__(
        self,
        http: HttpConfig,
        registry: CollectorRegistry,
        holder: ViewHolder,
        health: Health,
        monotonic: Callable[[], float] = time.monotonic,
        owners: Mapping[str, str] | None = None,
    ) -> None:
        self._listen = http.listen
        self._holder = holder
        self._health = health
        self._monotonic = monotonic
        self._metrics = MetricsPage(registry, holder, monotonic)
        self._status: tuple[View | None, bytes] = (None, b"")
        self.site = PageSite(lambda: holder.current, monotonic=monotonic)
        """The page; give it the history once that is open."""
        self._endpoints = Endpoints()
        self.access = Access(http.tokens, owners or {})
        """Who may change something."""
        self.api = AlertsApi(self.access, self._endpoints)
        """Changes of alerts; give it the alerts once they are open."""
        self.retraining = RetrainingApi(self.access, self._endpoints)
        """Proposals to retrain; give it what keeps them once that is open."""
        self.evidence = EvidenceApi(self.access, self._endpoints)
        """Incidents; give it the configuration and the alerts' store once these are open."""
        self._renderer = ThreadPoolExecutor(1, thread_name_prefix="http-render")
        self._pages = ThreadPoolExecutor(1, thread_name_prefix="http-pages")
        self._socket: socket.socket | None = None
        self._port: int | None = None
        self._thread: threading.Thread | None = None
        self._uvicorn = _Uvicorn(
            uvicorn.Config(
                self._app(), loop="asyncio", http="h11", ws="none", lifespan="off", log_config=None, access_log=False,
                server_header=False, limit_concurrency=_CONNECTIONS, timeout_keep_alive=_KEEP_ALIVE,
                timeout_graceful_shutdown=_GRACE,
            )
        )  # fmt: skip

    @property
    def port(self) -> int:
        """The port that was bound."""
        if self._port is None:
            message = "the server has not been started"
            raise RuntimeError(message)
        return self._port

    def start(self) -> None:
        """Bind and serve; returns when requests are answered.

        Raises
        ------
        ListenError
            When ``http.listen`` is not an address of this machine, or another process has it.
        """
        self._socket = _bind(self._listen)
        self._port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._uvicorn.run, args=([self._socket],), name="http", daemon=True)
        self._thread.start()
        if not self._uvicorn.serving.wait(10):
            message = f"http.listen: {self._listen}: the server did not start within 10 s"
            raise ListenError(message)
        log.info("listening", address=self._listen, port=self.port)

    def stop(self) -> None:
        """Answer what is being answered, cut off who does not read, let go of the port. Takes less than two seconds."""
        self._uvicorn.should_exit = True
        if self._thread is not None:
            self._thread.join(_GRACE + 0.9)
        for threads in (self._renderer, self._pages):
            threads.shutdown(wait=False, cancel_futures=True)
        self._endpoints.close()
        self.retraining.close()
        if self._socket is not None:
            self._socket.close()

    def _app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/metrics", self._get_metrics),
                Route("/-/healthy", self._get_healthy),
                Route("/-/ready", self._get_ready),
                Route("/api/v1/status", self._get_status),
                Route("/static/{name}", self._get_file),
                *self.api.routes(),
                *self.retraining.routes(),
                *self.evidence.routes(),
                *(Route(path, self._get_page) for path in PageSite.paths()),
            ]
        )

    async def _get_page(self, request: Request) -> Response:
        compress = gzip_accepted(",".join(request.headers.getlist("accept-encoding")))
        etag = ",".join(request.headers.getlist("if-none-match"))
        loop = asyncio.get_running_loop()
        answer = await loop.run_in_executor(
            self._pages,
            lambda: self.site.answer(
                request.url.path, request.query_params.multi_items(), etag=etag, compress=compress
            ),
        )
        return _response(answer)

    async def _get_file(self, request: Request) -> Response:
        answer = self.site.file(request.url.path)
        return Response(status_code=404, headers=_HEADERS) if answer is None else _response(answer)

    async def _get_metrics(self, request: Request) -> Response:
        accept = ",".join(request.headers.getlist("accept"))
        compress = gzip_accepted(",".join(request.headers.getlist("accept-encoding")))
        answer = self._metrics.cached(accept, compress=compress)
        if answer is None:
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(self._renderer, lambda: self._metrics.render(accept, compress=compress))
        content_type, body = answer
        headers = _HEADERS | {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        if compress:
            headers["Content-Encoding"] = "gzip"
        return Response(body, headers=headers)

    async def _get_healthy(self, _request: Request) -> Response:
        return _verdict(self._stalled())

    async def _get_ready(self, _request: Request) -> Response:
        return _verdict(self._stalled() or self._health.not_ready)

    async def _get_status(self, _request: Request) -> Response:
        loop = asyncio.get_running_loop()
        body = await loop.run_in_executor(self._renderer, self._render_status)
        reason = self._stalled() or self._health.not_ready
        ready = msgspec.json.encode({"ready": reason is None, "reason": reason})
        whole = ready if not body else ready[:-1] + b"," + body[1:]
        return Response(whole, media_type="application/json", headers=_HEADERS)

    def _render_status(self) -> bytes:
        view = self._holder.current
        if view is not None and self._status[0] is not view:
            self._status = (view, msgspec.json.encode(summarise(view)))
        return self._status[1]

    def _stalled(self) -> str | None:
        age = self._monotonic() - self._health.heartbeat
        return f"the pipeline has not turned for {age:.0f} s" if age >= STALLED else None


class _Uvicorn(uvicorn.Server):
    """Tells when it serves, and leaves no connection behind."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.serving = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.serving.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()
        await asyncio.sleep(0)


def _response(answer: Answer) -> Response:
    return Response(answer.body, answer.status, headers=dict(answer.headers))


def _verdict(problem: str | None) -> Response:
    if problem is None:
        return PlainTextResponse("ok\n", headers=_HEADERS)
    return PlainTextResponse(f"{problem}\n", status_code=503, headers=_HEADERS)


def _bind(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    if not port.isascii() or not port.isdigit() or int(port) > 65_535:
        message = f"http.listen: {listen!r} is not an address and a port, such as 0.0.0.0:9464 or [::1]:9464"
        raise ListenError(message)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host.strip("[]") or None, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        message = f"http.listen: {listen}: {error.strerror}"
        raise ListenError(message) from error
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _PATIENCE)
        listener.bind(address)
        listener.listen(_CONNECTIONS)
    except OSError as error:
        listener.close()
        message = f"http.listen: {listen}: {error.strerror}; stop what listens there, or set another port"
        raise ListenError(message) from error
    return listener
