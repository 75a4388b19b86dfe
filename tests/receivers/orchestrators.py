"""Airflow, Argo, GitHub, Kubernetes and others as far as a request to retrain reaches them, on real sockets.

They keep what they were asked to start, know the names of it where the real ones do, and lose answers as they are told.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

TOKEN = "t0ken"  # noqa: S105 - of nothing
CRONJOB = {
    "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "retrain", "uid": "u1"},
    "spec": {
        "suspend": True, "schedule": "0 0 31 2 *",
        "jobTemplate": {
            "metadata": {"labels": {"team": "ml"}, "annotations": {"note": "kept"}},
            "spec": {"backoffLimit": 0, "template": {"spec": {
                "restartPolicy": "Never", "containers": [{"name": "train", "image": "acme/train:7", "env": [
                    {"name": "KEPT", "value": "1"}, {"name": "DRIFTLINE_ID", "value": "old"}]}]}}},
        },
    },
}  # fmt: skip
Reply = tuple[int, Any]


@dataclass
class Seen:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    raw: bytes


@dataclass
class Orchestrators:
    """A server that is all of them.

    Parameters
    ----------
    fate
        From the number of a request that would start something to what becomes of it: ``ok``; ``lost``: done, but the
        connection closes; ``late``: done, but answered 504; ``early``: closed before it is done; or a status.
    """

    fate: Callable[[int], str | int] = lambda _: "ok"
    started: list[str] = field(default_factory=list)
    """Names of the runs that began, in order; a name twice is two runs."""
    seen: list[Seen] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    port: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _asked: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Self:
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                outer.answer(self)

            def do_GET(self) -> None:
                outer.answer(self)

            def log_message(self, *_: object) -> None:
                """Stay silent."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def url(self, path: str = "") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        raw = handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
        headers = {name.lower(): value for name, value in handler.headers.items()}
        body = json.loads(raw) if raw else None
        with self._lock:
            self.seen.append(Seen(handler.command, handler.path, headers, body, raw))
            reply = self._route(handler.command, handler.path, headers, body)
        if reply is None:
            handler.close_connection = True
            handler.connection.close()
            return
        status, document = reply
        data = b"" if status == 204 else json.dumps(document).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(data)))
        if status == 429:
            handler.send_header("Retry-After", "7")
        handler.end_headers()
        handler.wfile.write(data)

    def _route(self, method: str, path: str, headers: dict[str, str], body: Any) -> Reply | None:  # noqa: PLR0911
        if path == "/auth/token":
            good = body == {"username": "ana", "password": "pw"}
            return (201, {"access_token": TOKEN}) if good else (401, {"detail": "no"})
        given = headers.get("authorization", "")
        if given and not given.startswith("AWS4") and given not in {f"Bearer {TOKEN}", "Basic YW5hOnB3"}:
            return 401, {"detail": "no"}
        if method == "GET":
            return self._look_up(path)
        if path in {"/api/v2/dags/retrain/dagRuns", "/api/v1/dags/retrain/dagRuns"}:
            return self._airflow(path, body)
        if path == "/api/v1/workflows/ml/submit":
            return self._start(f"/api/v1/workflows/ml/{body['submitOptions']['name']}", known=True)
        if path == "/apis/batch/v1/namespaces/ml/jobs":
            return self._start(f"{path}/{body['metadata']['name']}", known=True)
        if path == "/repos/acme/fraud/dispatches":
            return self._start(body["client_payload"]["id"], known=False, success=(204, None))
        if path.startswith("/keyed"):
            return self._start(body["idempotency_key"], known=True, again=(200, {"run": {"id": "r-1"}}))
        if path.startswith("/free"):
            return self._start(body["id"], known=False, success=(202, {}))
        return 404, {"message": "no such path"}

    def _airflow(self, path: str, body: Any) -> Reply | None:
        allowed = {"dag_run_id", "conf", "note"} | ({"logical_date"} if "/v2/" in path else set())
        if set(body) != allowed:
            return 422, {"detail": sorted(set(body) ^ allowed)}
        return self._start(f"{path}/{body['dag_run_id']}", known=True)

    def _look_up(self, path: str) -> Reply:
        if path == "/apis/batch/v1/namespaces/ml/cronjobs/retrain":
            return 200, CRONJOB
        return (200, {"name": path}) if path in self.known else (404, {})

    def _start(self, name: str, *, known: bool, success: Reply = (201, {"run": {"id": "r-1"}}),
               again: Reply = (409, {"message": "already exists"})) -> Reply | None:  # fmt: skip
        self._asked[name] += 1
        fate = self.fate(sum(self._asked.values()))
        if isinstance(fate, int):
            return fate, {"message": "as told"}
        if fate == "early":
            return None
        fresh = not (known and name in self.known)
        if fresh:
            self.started.append(name)
            self.known.add(name)
        if fate == "lost":
            return None
        if fate == "late":
            return 504, {}
        return success if fresh else again
