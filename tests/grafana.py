"""A Grafana of a few paths, answering as its HTTP API is documented, on a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "glsa_of-a-service-account"  # noqa: S105 - of the stub


@dataclass
class Grafana:
    """What it holds, what it was asked, how it misbehaves."""

    version: str = "12.4.1"
    prefix: str = ""
    deny: int = 0
    """With this status whatever is written is refused."""
    page: bool = False
    """Answers everything with a page for people, as a proxy's login does."""
    redirect: str = ""
    folders: dict[str, str] = field(default_factory=dict)
    dashboards: dict[str, dict[str, Any]] = field(default_factory=dict)
    annotations: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    url: str = ""

    def answer(  # noqa: PLR0911 - a path each
        self, method: str, target: str, authorization: str, body: Any
    ) -> tuple[int, Any]:
        """Return status and body."""
        parts = urlsplit(target)
        path = parts.path.removeprefix(self.prefix)
        self.requests.append((method, parts.path, body))
        if authorization != f"Bearer {TOKEN}":
            return 401, {"message": "Invalid API key", "messageId": "api-key.invalid"}
        if method != "GET" and self.deny:
            return self.deny, {"message": "You'll need additional permissions to perform this action."}
        match method, path.split("/")[2:]:
            case "GET", ["frontend", "settings"]:
                return 200, {"buildInfo": {"version": self.version}}
            case "GET", ["folders", uid]:
                found = self.folders.get(uid)
                return (404, {"message": "folder not found"}) if found is None else (200, {"uid": uid, "title": found})
            case "POST", ["folders"]:
                self.folders[body["uid"]] = body["title"]
                return 200, {"id": 1, **body}
            case "GET", ["dashboards", "uid", uid]:
                kept = self.dashboards.get(uid)
                return (404, {"message": "Dashboard not found"}) if kept is None else (200, {"dashboard": kept})
            case "POST", ["dashboards", "db"]:
                return self._save(body)
            case _, ["annotations", *rest]:
                return self._annotations(method, rest, parse_qs(parts.query), body)
        return 404, {"message": "Not found"}

    def _save(self, body: Any) -> tuple[int, Any]:
        if body["folderUid"] not in self.folders:
            return 400, {"message": "folder not found"}
        made = body["dashboard"]
        before = self.dashboards.get(made["uid"])
        if before is not None and not body["overwrite"]:
            return 412, {"status": "name-exists", "message": "A dashboard with the same name already exists"}
        version = 1 if before is None else before["version"] + 1
        self.dashboards[made["uid"]] = {**made, "id": len(self.dashboards) + 1, "version": version}
        return 200, {"uid": made["uid"], "status": "success", "version": version}

    def _annotations(self, method: str, rest: list[str], query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        if method == "GET":
            tags = set(query.get("tags", ()))
            first, last = int(query["from"][0]), int(query["to"][0])
            return 200, [one for one in self.annotations if tags <= set(one["tags"]) and first <= one["timeEnd"]
                         and one["time"] <= last][: int(query["limit"][0])]  # fmt: skip
        if method == "POST":
            made = {"id": len(self.annotations) + 1, "time": body["time"], "timeEnd": body["timeEnd"] or body["time"]}
            self.annotations.append(made | {"tags": body["tags"], "text": body["text"]})
            return 200, {"message": "Annotation added", "id": made["id"]}
        one = next(one for one in self.annotations if str(one["id"]) == rest[0])
        one.update({key: body[key] for key in ("time", "timeEnd", "text") if body.get(key) is not None})
        if body.get("tags") is not None:  # an empty list takes them all away
            one["tags"] = body["tags"]
        return 200, {"message": "Annotation patched"}


@contextmanager
def serving(grafana: Grafana) -> Iterator[Grafana]:
    """Serve until the block ends; ``url`` says where."""

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            if grafana.redirect:
                self._send(302, b"", Location=grafana.redirect)
            elif grafana.page:
                self._send(200, b"<html>Sign in</html>", Content_Type="application/xhtml+xml")
            else:
                status, told = grafana.answer(self.command, self.path, self.headers.get("Authorization", ""), body)
                self._send(status, json.dumps(told).encode(), Content_Type="application/json")

        do_GET = do_POST = do_PATCH = _any  # noqa: N815 - the names that the library looks for

        def _send(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, text in headers.items():
                self.send_header(name.replace("_", "-"), text)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's own name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    grafana.url = f"http://127.0.0.1:{server.server_port}{grafana.prefix}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield grafana
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
