"""(e) What receivers that fail cost the pipeline: records a second with alerts, by the way in which one fails."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from benchmarks import recovery
from benchmarks.end_to_end import values
from benchmarks.report import Section, table
from monitor.alerting.opening import open_desk
from monitor.config.load import load
from monitor.config.root import LogConfig
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import Schema
from monitor.events import Batch, Records
from monitor.logs import configure
from monitor.opening import open_pipeline
from monitor.reference.builder import BuildSettings, build_reference
from monitor.sources.memory import PAUSE, Content, MemorySource
from monitor.sources.port import TopicPartition
from monitor.store.memory import MemoryStore
from tests.receivers.running import Running

RECORDS: Final = 60_000
ROUNDS: Final = 3
GOAL: Final = 0.95
WAYS: Final = (
    "ok", "status/500", "status/429/600", "status/400", "status/410", "redirect/307", "hang", "drip", "huge", "reset",
)  # fmt: skip
_AT_ONCE: Final = 5_000
_CONFIG: Final = """\
version: 1
models:
  - name: fraud
    decision: "score >= 0.9"
    predictions:
      topic: bench
      where: {{value.model: fraud}}
      time_format: rfc3339
      map: {{id: value.prediction_id, time: value.ts, version: value.model_version, features: value.features,
            score: value.score}}
    reference: {reference}
    windows: {{minute: {{size: 1m, lateness: 1s}}}}
    alerts: {{mode: live}}
alerts:
  receivers:
    - {{name: hook, kind: webhook, url: "http://127.0.0.1:{port}/{way}", allow_http: true, allow: ["127.0.0.1"],
       allow_ports: [{port}], messages_per_hour: 100000}}
  route: {{group_by: ["..."], group_wait: 0s, group_interval: 1s}}
  rules: [{{name: Noise, kinds: [drift, score], when: {{above: 0}}}}]
state: {{path: "{folder}/state"}}
"""


def run() -> Section:
    """Measure every way in turn, several rounds."""
    return section(WAYS, ROUNDS)


def section(ways: Sequence[str], rounds: int, down: float = recovery.DOWN) -> Section:
    """Measure some ways; the first is what the others are compared with."""
    configure(LogConfig(level="error"))
    found: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recovered = recovery.recoveries(folder / "recovery", down=down)
        records = list(values(RECORDS))
        for turn in range(rounds):
            for place, way in enumerate(ways):
                with Running(folder / f"receiver-{turn}-{place}") as server:
                    found[way].append(_measure(folder / f"{turn}-{place}", records, server.port, way))
    rows = []
    for way, rates in found.items():
        pairs = zip(rates, found[ways[0]], strict=True)
        ratio = statistics.median(rate / best for rate, best in pairs)
        goal = "" if way == ways[0] else f"{GOAL}, {'met' if ratio >= GOAL else 'not met'}"
        rows.append([way, f"{statistics.median(rates):,.0f}", f"{ratio:.3f}", goal])
    body = (
        f"{RECORDS:,} records from memory through the whole pipeline; every column of every minute is an alert and a "
        "message of its own, to one webhook that answers so. Wall time of reading, counting, writing and judging; "
        f"medians of {rounds} rounds, ratios pair by pair.\n\n"
        + table(["the receiver answers", "records/s", "of one that works", "goal"], rows)
        + f"\n\nA whole service whose receivers all fail for {recovery.DOWN:.0f} s, each in its own way, and then "
        "work. By then pauses between attempts are as long as they get. The first message to come through:\n\n"
        + recovery.shown(recovered)
    )
    return Section("e", "Receivers that fail beside the pipeline", body)


def _content(records: Sequence[bytes]) -> list[Content]:
    """Return a log that is read a few thousand records at a time."""
    log: list[Content] = []
    for first in range(0, len(records), _AT_ONCE):
        log += [*records[first : first + _AT_ONCE], PAUSE]
    return log


def _measure(folder: Path, records: Sequence[bytes], port: int, way: str) -> float:
    """Return records a second."""
    folder.mkdir()
    path = folder / "driftline.yaml"
    parts = {"port": port, "way": way, "folder": folder}
    path.write_text(_CONFIG.format(reference="{learn: 14d}", **parts), encoding="utf-8")
    config = load(path, {})
    first: list[bytes | None] = list(records[:5_000])

    def batches() -> Iterator[Batch]:
        places = list(range(len(first)))
        read = Records("bench", 0, len(first), places, [0] * len(first), False, [None] * len(first), first)
        yield from Decoder([Schema.of(config.models[0])], config.limits).decode(read).batches

    build_reference(BuildSettings.of(config.models[0]), batches, source="bench").save(folder / "reference.json")
    path.write_text(_CONFIG.format(reference="{source: reference.json}", **parts), encoding="utf-8")
    config = load(path, {})
    source = MemorySource({TopicPartition("bench", 0): _content(records)})
    desk = open_desk(config, folder)
    pipeline = open_pipeline(config, source, base=folder, store=MemoryStore(), alerts=desk)
    desk.start()
    begin, total = time.perf_counter(), 0
    while total < len(records):
        total += pipeline.step(0)
        pipeline.checkpoint()
    seconds = time.perf_counter() - begin
    desk.close()
    pipeline.close()
    return len(records) / seconds


if __name__ == "__main__":
    sys.stdout.write(section(sys.argv[1:] or WAYS, ROUNDS).text())
