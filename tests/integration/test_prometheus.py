"""What a real Prometheus makes of ``/metrics``."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import httpx2
import pytest

from monitor import catalogue
from monitor.config.root import HttpConfig
from monitor.labels import label
from monitor.metrics import PipelineMetrics, make_registry
from monitor.server import Server
from monitor.views import ViewHolder
from tests.example_view import NOW, UGLY, finding, full_view, model, view, window
from tests.prometheus import Prometheus, eventually

EVERYTHING = tuple(metric.export for metric in catalogue.metrics() if metric.export)


@dataclass
class Pulse:
    heartbeat: float
    not_ready: str | None = None


@dataclass
class Costs:
    checkpoint: float = 0.02
    evaluation: float = 0.001
    written_bytes: int = 4096


@dataclass
class Running:
    server: Server
    holder: ViewHolder
    metrics: PipelineMetrics

    @property
    def target(self) -> str:
        return f"127.0.0.1:{self.server.port}"


@pytest.fixture
def running() -> Iterator[Running]:
    holder = ViewHolder(full_view())
    registry, metrics = make_registry(holder, 20_000, EVERYTHING, lambda: NOW / 1e6)
    server = Server(HttpConfig(listen="127.0.0.1:0"), registry, holder, Pulse(time.monotonic()))
    server.start()
    try:
        yield Running(server, holder, metrics)
    finally:
        server.stop()


def test_prometheus_reads_every_series_back(running: Running, prometheus: Callable[[str], Prometheus]) -> None:
    running.metrics.observe(Costs())
    server = prometheus(running.target)
    eventually("the first scrape", lambda: server.query('up{job="driftline"} == 1'))
    place = 'model="fraud", version="7", feature="amount", window="fast", slice=""'
    assert [value for _, value in server.query(f"driftline_feature_psi{{{place}}}")] == [0.3]
    assert server.query("driftline_records_total")[0][1] == 1010
    assert server.query("driftline_checkpoint_duration_seconds_count")[0][1] == 1
    assert server.query('driftline_request_latency_seconds{quantile="0.99"}')[0][1] == 0.2
    slices = {labels.get("slice", "") for labels, _ in server.query("driftline_window_samples")}
    assert slices == {"", *(label(text) for text in UGLY)}
    served = httpx2.get(f"http://{running.target}/metrics").text.splitlines()
    ours = [line for line in served if line.startswith("driftline_")]
    ((_, scraped),) = server.query('count({__name__=~"driftline_.+"})')
    assert scraped == len(ours)
    (target,) = server.api("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")


def test_prometheus_learns_type_help_and_unit(running: Running, prometheus: Callable[[str], Prometheus]) -> None:
    server = prometheus(running.target)
    metrics = {m.family if m.kind in {"counter", "info"} else m.name: m for m in catalogue.metrics()}
    eventually("metadata of all metrics", lambda: metrics.keys() <= server.api("metadata").keys())
    known = server.api("metadata")
    for name, metric in metrics.items():
        (entry,) = known[name]
        assert entry["type"] == metric.kind
        assert entry["help"] == metric.help
        assert entry["unit"] in {"", metric.unit}


def test_series_that_went_silent_are_gone_at_the_next_scrape(
    running: Running, prometheus: Callable[[str], Prometheus]
) -> None:
    server = prometheus(running.target)
    psi = 'driftline_feature_psi{feature="amount"}'
    eventually("the series", lambda: server.query(psi))
    running.holder.swap(view(model(window(finding("age")))))
    eventually("the other series", lambda: server.query('driftline_feature_psi{feature="age"}'))
    eventually("the series is stale", lambda: not server.query(psi))


def test_prometheus_sees_no_counter_reset(running: Running, prometheus: Callable[[str], Prometheus]) -> None:
    server = prometheus(running.target)
    for records in (1010, 1500, 2000):
        running.holder.swap(view(model(), counters={("", "records"): records}))
        expression = f"driftline_records_total == {records}"
        eventually(expression, partial(server.query, expression))
    assert server.query("resets(driftline_records_total[5m])")[0][1] == 0
    assert server.query("increase(driftline_records_total[5m]) > 0")


@pytest.mark.parametrize("limit", [20_000, 300])
def test_promtool_finds_nothing_to_complain_about(promtool: str, limit: int) -> None:
    registry, metrics = make_registry(ViewHolder(full_view()), limit, EVERYTHING, lambda: NOW / 1e6)
    metrics.observe(Costs())
    server = Server(HttpConfig(listen="127.0.0.1:0"), registry, ViewHolder(), Pulse(time.monotonic()))
    server.start()
    try:
        page = httpx2.get(f"http://127.0.0.1:{server.port}/metrics").content
    finally:
        server.stop()
    assert b"driftline_feature_psi{" in page
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
