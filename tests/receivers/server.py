"""``python -m tests.receivers.server FOLDER [CERTIFICATE KEY]``: a receiver that fails in every way, on real sockets.

It prints its port when it serves. The first part of the path says how it answers. Every request is appended to
``FOLDER/requests.jsonl`` before it is answered.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import socket
import socketserver
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

_HUGE = 200_000_000


class Server(socketserver.ThreadingTCPServer):
    """Answers every connection in a thread of its own."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, folder: Path, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.folder = folder
        self.log = (folder / "requests.jsonl").open("a", encoding="utf-8")
        self.lock = threading.Lock()
        self.counts: dict[str, int] = {}
        self.context = context

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay silent: clients that hang up are what this is for."""


class Handler(socketserver.BaseRequestHandler):
    """One connection."""

    server: Server

    def handle(self) -> None:
        self.connection: socket.socket = self.request
        if self.server.context is not None:
            self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        head, _, body = self._until(b"\r\n\r\n").partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, path, _ = lines[0].split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
        while len(body) < int(headers.get("content-length", "0")):
            body += self.connection.recv(65536)
        self._note(method, path, headers, body)
        way, *arguments = path.partition("?")[0].strip("/").split("/")
        getattr(self, f"way_{way}")(*arguments)

    def _until(self, mark: bytes) -> bytes:
        read = b""
        while mark not in read:
            chunk = self.connection.recv(65536)
            if not chunk:
                raise ConnectionError
            read += chunk
        return read

    def _note(self, method: str, path: str, headers: dict[str, str], body: bytes) -> None:
        with self.server.lock:
            self.server.counts[path] = self.server.counts.get(path, 0) + 1
            text = base64.b64encode(body).decode()
            record = {"at": time.time(), "method": method, "path": path, "headers": headers, "body": text}
            self.server.log.write(json.dumps(record) + "\n")
            self.server.log.flush()
            os.fsync(self.server.log.fileno())

    def answer(self, status: int, body: bytes = b"ok", **headers: str) -> None:
        """Send a whole answer."""
        fields = {"Content-Length": str(len(body))} | {name.replace("_", "-"): text for name, text in headers.items()}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self.connection.sendall(f"HTTP/1.1 {status} Whatever\r\n{head}\r\n".encode() + body)

    def drip(self, text: bytes) -> None:
        """Send a byte every twentieth of a second, until the client has gone."""
        for byte in text:
            self.connection.sendall(bytes([byte]))
            time.sleep(0.05)

    def way_ok(self) -> None:
        self.answer(200)

    def way_status(self, status: str, *rest: str) -> None:
        self.answer(int(status), b'{"error": "no"}', **({"Retry_After": rest[0]} if rest else {}))

    def way_date(self, seconds: str) -> None:
        stamp = time.gmtime(time.time() + int(seconds))
        self.answer(503, Retry_After=time.strftime("%a, %d %b %Y %H:%M:%S GMT", stamp))

    def way_recovers(self, failures: str) -> None:
        path = f"/recovers/{failures}"
        self.answer(500 if self.server.counts[path] <= int(failures) else 200)

    def way_until(self, mark: str, way: str, *arguments: str) -> None:
        """Fail in some way until there is a file of that name beside the requests."""
        if (self.server.folder / mark).exists():
            self.answer(200)
        else:
            getattr(self, f"way_{way}")(*arguments)

    def way_redirect(self, status: str, *port: str) -> None:
        self.answer(int(status), b"", Location=f"http://127.0.0.1:{port[0] if port else '1'}/ok")

    def way_hang(self) -> None:
        time.sleep(60)

    def way_drip(self) -> None:
        self.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + b" " * 600)

    def way_dripbody(self) -> None:
        self.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n")
        self.drip(b" " * 600)

    def way_continue(self) -> None:
        while True:
            self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    def way_huge(self, status: str = "200") -> None:
        self.connection.sendall(f"HTTP/1.1 {status} OK\r\nContent-Length: {_HUGE}\r\n\r\n".encode())
        for _ in range(_HUGE // 1_000_000):
            self.connection.sendall(b"x" * 1_000_000)

    def way_hugehead(self) -> None:
        self.connection.sendall(b"HTTP/1.1 200 OK\r\n")
        for _ in range(_HUGE // 1_000_000):
            self.connection.sendall(b"x: " + b"y" * 999_995 + b"\r\n")

    def way_bomb(self) -> None:
        self.answer(200, gzip.compress(bytes(10_000_000)), Content_Encoding="gzip")

    def way_reset(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def way_close(self) -> None:
        self.connection.close()

    def way_garbage(self) -> None:
        self.connection.sendall(b"\x00\xff SSH-2.0-OpenSSH_9.9\r\n\r\n")

    def way_half(self) -> None:
        self.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        self.connection.shutdown(socket.SHUT_RDWR)

    def way_crash(self) -> None:
        self.answer(200)
        os._exit(9)

    def way_slack(self, *words: str) -> None:
        answers: dict[str, Callable[[], bytes]] = {
            "ok": lambda: json.dumps({"ok": True, "ts": f"17.{sum(self.server.counts.values()):04d}"}).encode(),
            "list": lambda: b"[]",
            "deep": lambda: b"[" * 30_000,
            "html": lambda: b"<html>proxy</html>",
        }
        word = words[0] if words else "ok"
        body = answers.get(word, lambda: json.dumps({"ok": False, "error": word}).encode())()
        self.answer(200, body)


def main() -> int:
    """Serve until killed."""
    context = None
    if len(sys.argv) > 2:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[2], sys.argv[3])
    with Server(Path(sys.argv[1]), context) as server:
        print(server.server_address[1], flush=True)
        server.serve_forever(poll_interval=0.05)
    return 0


if __name__ == "__main__":
    sys.exit(main())
