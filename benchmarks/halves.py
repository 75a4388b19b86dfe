"""(h) From requests and responses in two topics to counted predictions, beside a loop that only polls and decodes.

``python -m benchmarks.halves bare|ours CLIENT ADDRESS RECORDS FOLDER`` is one consumer: CPU seconds, wall seconds,
peak MiB.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from benchmarks.consumer import read, row_type, write_reference
from benchmarks.end_to_end import CONFIG as WHOLE
from benchmarks.end_to_end import values
from benchmarks.labelled import CLIENTS, bare_of, measured, peak
from benchmarks.report import Section, table
from tests.kafka.broker import Broker

PAIRS: Final = int(os.environ.get("BENCH_PAIRS", "400000"))
DELAY: Final = 300
"""A response comes up to so many requests after its own, half a minute."""
ROUNDS: Final = 3
SHARE: Final = 0.5
REQUESTS: Final = "requests"
RESPONSES: Final = "responses"
_BEGIN: Final = 1_793_491_200_000
_STEP: Final = 100
CONFIG: Final = """\
version: 1
kafka: {{bootstrap_servers: ["{address}"], client: {client}}}
models:
  - name: fraud
    decision: "score >= 0.9"
    predictions:
      topic: responses
      time_format: rfc3339
      pair: {{request: {{topic: requests, where: {{value.model: fraud}}}}, response: {{topic: responses}}}}
      map: {{id: value.prediction_id, time: request.value.ts, version: request.value.model_version,
            features: request.value.features, score: response.value.score}}
    reference: {{source: reference.json}}
state: {{path: "{folder}/state"}}
"""


def requests() -> Iterator[bytes]:
    """Yield predictions without their score."""
    for value in values(PAIRS):
        row = json.loads(value)
        del row["score"]
        yield json.dumps(row, separators=(",", ":")).encode()


def responses() -> list[tuple[int, bytes]]:
    """Return when each response comes, in milliseconds, and the response: in another order than the requests."""
    rng = random.Random(3)
    found = []
    for place, value in enumerate(values(PAIRS)):
        row = json.loads(value)
        made = json.dumps({"prediction_id": row["prediction_id"], "score": row["score"]}, separators=(",", ":"))
        found.append((_BEGIN + int((place + rng.random() * DELAY) * _STEP), made.encode()))
    return sorted(found)


def run() -> Section:
    """Measure all four consumers in turn, several rounds, each in a process of its own."""
    with tempfile.TemporaryDirectory() as folder, Broker() as broker:
        fill(broker)
        found: dict[tuple[str, str], list[tuple[float, float, int]]] = {}
        for _ in range(ROUNDS):
            for client in CLIENTS:
                for kind in ("bare", "ours"):
                    words = [kind, client, broker.address, str(2 * PAIRS), folder]
                    found.setdefault((client, kind), []).append(measured("benchmarks.halves", words))
    rows = []
    for (client, kind), runs in found.items():
        cpu = statistics.median(run[0] for run in runs)
        bare = [run[0] for run in found[client, "bare"]]
        ratio = statistics.median(one / run[0] for one, run in zip(bare, runs, strict=True))
        last = [f"{ratio:.2f}", f"{SHARE}, {'met' if ratio >= SHARE else 'not met'}"] if kind == "ours" else ["", ""]
        rows.append([f"{client}, {kind}", f"{cpu:.2f}", f"{PAIRS / cpu:,.0f}", *last,
                     f"{max(run[2] for run in runs):,} MiB"])  # fmt: skip
    body = (
        f"{PAIRS:,} requests of 20 features and as many responses in two topics; a response comes up to {DELAY} "
        "requests after its own. *Bare* polls both topics and decodes into typed structs. *Ours* is the whole "
        "pipeline: putting halves into one order, pairing, writing what waits at every checkpoint, counting, windows, "
        f"history. Processor seconds of the consumer, all threads, start-up left out; medians of {ROUNDS} rounds, "
        f"ratios pair by pair. The goal is {SHARE} of the bare loop.\n\n"
        + table(["", "CPU s", "pairs/s", "of the bare loop", "goal", "peak memory"], rows)
    )
    return Section("h", "From requests and responses to predictions", body)


def fill(broker: Broker) -> None:
    """Write both topics; records state when they were logged."""
    for topic in (REQUESTS, RESPONSES):
        broker.create_topic(topic, 1)
    broker.produce(REQUESTS, requests(), timestamps=range(_BEGIN, _BEGIN + _STEP * PAIRS, _STEP))
    answers = responses()
    broker.produce(RESPONSES, [value for _, value in answers], timestamps=[moment for moment, _ in answers])


def bare(client: str, address: str, count: int) -> tuple[float, float]:
    """Poll both topics and decode; return CPU and wall seconds."""
    fields = [field for field in msgspec.structs.fields(row_type()) if field.name != "score"]
    request: Any = msgspec.defstruct("Request", [(field.name, field.type) for field in fields], gc=False)
    response: Any = msgspec.defstruct("Response", [("prediction_id", str), ("score", float)], gc=False)
    kinds = {REQUESTS: request, RESPONSES: response}
    return bare_of(client, address, count, {topic: msgspec.json.Decoder(kind).decode for topic, kind in kinds.items()})


def ours(client: str, address: str, count: int, folder: Path) -> tuple[float, float]:
    """Run the pipeline; return CPU and wall seconds."""
    if not (folder / "reference.json").exists():
        whole = folder / "whole.yaml"
        whole.write_text(WHOLE.format(address=address, client=client, folder=folder))
        write_reference(whole, folder)
    pipeline, spent = read(CONFIG.format(address=address, client=client, folder=folder), count, folder)
    paired = pipeline.partitions[0].counters["fraud", "pair:paired"]
    waiting = pipeline.pairing.pairs["fraud"].waiting
    assert paired + waiting == count, (paired, waiting)
    assert waiting < count // 20
    pipeline.close()
    return spent


def main(arguments: list[str]) -> None:
    """Measure one consumer."""
    kind, client, address, count, folder = arguments
    spent = bare(client, address, int(count)) if kind == "bare" else ours(client, address, int(count), Path(folder))
    print(*spent, peak())


if __name__ == "__main__":
    main(sys.argv[1:])
