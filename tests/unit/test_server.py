"""The service's port, over real HTTP on the loopback interface."""

from __future__ import annotations

import gzip
import json
import math
import re
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from monitor.config.root import HttpConfig
from monitor.metrics import make_registry
from monitor.pages import MetricsPage
from monitor.server import STALLED, Health, ListenError, Server
from monitor.status import MOST_FINDINGS, MOST_WINDOWS
from monitor.views import ViewHolder
from tests.example_view import NOW, finding, full_view, model, view, window

OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.2"


@dataclass
class Pulse:
    heartbeat: float = 1000.0
    not_ready: str | None = None


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(eq=False)
class CountingCollector(Collector):
    """A registry's only collector; says how often it was asked, and can be made to wait."""

    asked: int = 0
    go: threading.Event = field(default_factory=threading.Event)
    clock: Clock | None = None
    seconds: float = 0.0

    def describe(self) -> list[GaugeMetricFamily]:
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        self.asked += 1
        assert self.go.wait(30)
        if self.clock is not None:
            self.clock.now += self.seconds
        yield GaugeMetricFamily("asked", "How often.", value=self.asked)


def counting(**fields: Any) -> tuple[CollectorRegistry, CountingCollector]:
    collector = CountingCollector(**fields)
    collector.go.set()
    registry = CollectorRegistry()
    registry.register(collector)
    return registry, collector


def make(registry: CollectorRegistry, holder: ViewHolder, health: Health | None = None, **fields: Any) -> Server:
    pulse = Pulse() if health is None else health
    return Server(HttpConfig(listen="127.0.0.1:0"), registry, holder, pulse, fields.pop("clock", Clock()))


@dataclass
class Running:
    server: Server
    holder: ViewHolder
    health: Pulse
    clock: Clock
    client: httpx2.Client

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return self.client.get(path, headers={name.replace("_", "-"): text for name, text in headers.items()})


@pytest.fixture
def running() -> Iterator[Running]:
    holder, health, clock = ViewHolder(full_view()), Pulse(), Clock()
    registry, _ = make_registry(holder, 20_000, (), lambda: NOW / 1e6)
    server = make(registry, holder, health, clock=clock)
    server.start()
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as client:
            yield Running(server, holder, health, clock, client)
    finally:
        server.stop()


def test_metrics_come_in_the_text_format(running: Running) -> None:
    answer = running.get("/metrics", accept="*/*", accept_encoding="identity")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert "driftline_records_total 1010.0\n" in answer.text
    assert "# EOF" not in answer.text


def test_metrics_come_as_openmetrics_when_asked(running: Running) -> None:
    answer = running.get("/metrics", accept=OPENMETRICS)
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")
    assert "# UNIT driftline_checkpoint_duration_seconds" not in answer.text
    assert "# UNIT driftline_consumer_lag_records records\n" in answer.text


def test_metrics_are_compressed_only_when_asked(running: Running) -> None:
    request = running.client.build_request("GET", "/metrics", headers={"Accept-Encoding": "gzip"})
    answer = running.client.send(request, stream=True)
    body = b"".join(answer.iter_raw())
    assert answer.headers["content-encoding"] == "gzip"
    plain = running.get("/metrics", accept_encoding="identity")
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(body).decode() == plain.text


def test_metrics_follow_the_view(running: Running) -> None:
    before = running.get("/metrics").text
    running.holder.swap(view(counters={("", "records"): 2020}))
    running.clock.now += 60
    after = running.get("/metrics").text
    assert "driftline_records_total 1010.0\n" in before
    assert "driftline_records_total 2020.0\n" in after
    assert "driftline_feature_psi" not in after


def test_healthy_while_the_loop_turns(running: Running) -> None:
    assert running.get("/-/healthy").status_code == 200
    running.clock.now = running.health.heartbeat + STALLED - 1
    assert running.get("/-/healthy").status_code == 200
    running.clock.now += 1
    answer = running.get("/-/healthy")
    assert (answer.status_code, answer.text) == (503, "the pipeline has not turned for 60 s\n")
    assert running.get("/-/ready").status_code == 503
    running.health.heartbeat = running.clock.now
    assert running.get("/-/healthy").status_code == 200


def test_ready_says_why_not(running: Running) -> None:
    assert running.get("/-/ready").status_code == 200
    running.health.not_ready = "state cannot be written: disk full"
    answer = running.get("/-/ready")
    assert (answer.status_code, answer.text) == (503, "state cannot be written: disk full\n")
    assert running.get("/-/healthy").status_code == 200
    running.health.not_ready = None
    assert running.get("/-/ready").status_code == 200


def test_status_summarises_the_view(running: Running) -> None:
    running.health.not_ready = "no checkpoint yet"
    status = running.get("/api/v1/status").json()
    assert (status["ready"], status["reason"]) == (False, "no checkpoint yet")
    assert status["taken_at"] == "2026-11-01T00:00:00Z"
    assert status["counters"]["records"] == 1010
    assert status["inputs"][0]["lag"] == 10
    assert status["inputs"][1]["lag"] is None
    fraud, new, _ = status["models"]
    assert fraud["windows"][0]["n"] == 1000
    assert fraud["windows"][0]["statuses"]["drift"] == 12
    worst = fraud["windows"][0]["findings"][0]
    assert (worst["column"], worst["status"], worst["ratio"]) == ("amount", "drift", pytest.approx(3.0))
    assert new["learning"] == {"stage": "edges", "rows": 500, "progress": 0.25, "until": None}


def test_status_is_json_even_of_figures_that_are_not_numbers(running: Running) -> None:
    odd = finding(status="warn", statistic=math.nan, low=-math.inf, high=math.inf, explanation='"}{\n')
    running.holder.swap(view(model(window(odd, slice="\x00"))))
    (answer,) = json.loads(running.get("/api/v1/status").text)["models"][0]["windows"]
    assert answer["findings"][0]["statistic"] is None
    assert answer["findings"][0]["explanation"] == '"}{\n'


def test_status_is_bounded(running: Running) -> None:
    many = [finding(f"f{i}", status="drift") for i in range(500)]
    running.holder.swap(view(model(*(window(*many, slice=str(i)) for i in range(300)), window(*many))))
    (only,) = running.get("/api/v1/status").json()["models"]
    assert only["windows_total"] == 301
    assert len(only["windows"]) == MOST_WINDOWS
    assert only["windows"][0]["slice"] == ""
    assert {len(shown["findings"]) for shown in only["windows"]} == {MOST_FINDINGS}


def test_before_the_first_checkpoint_there_is_a_status_and_metrics() -> None:
    holder = ViewHolder()
    registry, _ = make_registry(holder, 1000)
    server = make(registry, holder, Pulse(not_ready="no checkpoint yet"))
    server.start()
    try:
        base = f"http://127.0.0.1:{server.port}"
        assert httpx2.get(f"{base}/api/v1/status").json() == {"ready": False, "reason": "no checkpoint yet"}
        assert "process_resident_memory_bytes" in httpx2.get(f"{base}/metrics").text
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("method", "path", "code"), [("GET", "/nowhere", 404), ("POST", "/metrics", 405), ("PUT", "/-/ready", 405)]
)
def test_everything_else_is_refused(running: Running, method: str, path: str, code: int) -> None:
    assert running.client.request(method, path).status_code == code


def test_answers_are_neither_cached_nor_sniffed(running: Running) -> None:
    for path in ("/metrics", "/-/healthy", "/-/ready", "/api/v1/status"):
        headers = running.get(path).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "server" not in headers


def test_a_storm_of_scrapes_renders_once_and_starts_no_threads() -> None:
    registry, collector = counting()
    holder = ViewHolder(view())
    server = make(registry, holder)
    server.start()
    try:
        threads = threading.active_count()
        url = f"http://127.0.0.1:{server.port}/metrics"
        with httpx2.Client(timeout=30) as client, ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: client.get(url), range(200)))
            assert threading.active_count() <= threads + 16 + 1
        assert {(answer.status_code, answer.text) for answer in answers} == {
            (200, "# HELP asked How often.\n# TYPE asked gauge\nasked 1.0\n")
        }
        assert collector.asked == 1
        holder.swap(view())
        assert "asked 2.0" in httpx2.get(url).text
    finally:
        server.stop()


def test_probes_are_answered_while_a_page_is_rendered() -> None:
    registry, collector = counting()
    collector.go.clear()
    server = make(registry, ViewHolder(view()))
    server.start()
    try:
        base = f"http://127.0.0.1:{server.port}"
        with ThreadPoolExecutor(1) as pool:
            scrape = pool.submit(httpx2.get, f"{base}/metrics", timeout=30)
            assert httpx2.get(f"{base}/-/healthy", timeout=10).status_code == 200
            assert not scrape.done()
            collector.go.set()
            assert scrape.result().status_code == 200
    finally:
        server.stop()


def test_rendering_takes_at_most_a_twentieth_of_the_time() -> None:
    clock = Clock()
    registry, collector = counting(clock=clock, seconds=0.5)
    holder = ViewHolder(view())
    page = MetricsPage(registry, holder, clock)
    page.render("", compress=False)
    holder.swap(view())
    clock.now += 9.9
    assert page.cached("", compress=False) is not None
    page.render("", compress=False)
    assert collector.asked == 1
    clock.now += 0.2
    assert page.cached("", compress=False) is None
    page.render("", compress=False)
    assert collector.asked == 2


def test_a_cheap_page_is_kept_for_a_second_and_no_longer() -> None:
    clock = Clock()
    registry, collector = counting()
    page = MetricsPage(registry, ViewHolder(view()), clock)
    page.render("", compress=False)
    clock.now += 0.9
    page.render("", compress=True)
    assert collector.asked == 1
    clock.now += 0.2
    page.render("", compress=True)
    assert collector.asked == 2


@pytest.mark.parametrize(
    "accept", ["application/openmetrics-text;version=abc", "\xff", "text/plain;version=9" * 100, ""]
)
def test_an_odd_accept_header_still_gets_metrics(running: Running, accept: str) -> None:
    answer = running.client.get("/metrics", headers=[(b"accept", accept.encode("latin-1"))])
    assert answer.status_code == 200
    assert "driftline_build_info" in answer.text


def test_a_port_in_use_is_a_clear_error() -> None:
    registry, _ = counting()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        server = Server(HttpConfig(listen=listen), registry, ViewHolder(), Pulse())
        with pytest.raises(
            ListenError, match=f"http.listen: {listen}: Address already in use; stop what listens there"
        ):
            server.start()
        server.stop()


@pytest.mark.parametrize(
    "listen", ["", "localhost", "127.0.0.1:http", "127.0.0.1:65536", "no.such.host.invalid:1", "192.0.2.1:0"]
)
def test_a_bad_address_is_a_clear_error(listen: str) -> None:
    registry, _ = counting()
    server = Server(HttpConfig(listen=listen), registry, ViewHolder(), Pulse())
    with pytest.raises(ListenError, match=r"http\.listen"):
        server.start()
    server.stop()


def test_stop_ends_the_thread_in_spite_of_clients_that_hang_and_frees_the_port() -> None:
    registry, holder = CollectorRegistry(), ViewHolder(view())
    registry.register(Big())
    server = make(registry, holder)
    server.start()
    port = server.port
    with (
        socket.create_connection(("127.0.0.1", port)),
        socket.create_connection(("127.0.0.1", port)) as half,
        socket.create_connection(("127.0.0.1", port)) as slow,
    ):
        half.sendall(b"GET /metrics HTTP/1.1\r\nHost:")
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")
        assert slow.recv(10) == b"HTTP/1.1 2"
        assert httpx2.get(f"http://127.0.0.1:{port}/-/healthy").status_code == 200
        server.stop()
        assert not [thread for thread in threading.enumerate() if thread.name == "http"]
    again = Server(HttpConfig(listen=f"127.0.0.1:{port}"), registry, holder, Pulse())
    again.start()
    again.stop()


class Big(Collector):
    """A page that no socket buffer swallows."""

    def describe(self) -> list[GaugeMetricFamily]:
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily("big", "x" * 20_000_000, value=1)


def test_stopping_a_server_that_never_started_is_harmless() -> None:
    registry, _ = counting()
    make(registry, ViewHolder()).stop()


def test_the_page_is_served_packed_and_not_twice() -> None:
    holder = ViewHolder(full_view())
    registry, _ = make_registry(holder, 1_000)
    server = make(registry, holder)
    server.start()
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
            page = client.get("/")
            assert page.status_code == 200
            assert page.headers["content-encoding"] == "gzip"
            assert "default-src 'none'" in page.headers["content-security-policy"]
            again = client.get("/", headers={"If-None-Match": page.headers["etag"]})
            assert (again.status_code, again.content) == (304, b"")
            for address in re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text):
                found = client.get(address)
                assert found.status_code == 200
                assert "immutable" in found.headers["cache-control"]
            assert client.get("/static/page.css").status_code == 404
            assert client.get("/api/v1/model", params={"model": "fraud"}).json()["summary"]["model"] == "fraud"
            assert client.get("/model", params={"model": "nobody"}).status_code == 404
            assert client.post("/").status_code == 405
    finally:
        server.stop()
