"""(e) What receivers that fail cost the pipeline: records a second with alerts, by the way in which one fails."""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks import recovery
from benchmarks.end_to_end import values
from benchmarks.from_memory import prepare, rate
from benchmarks.report import Section, table
from monitor.alerting.opening import open_desk
from monitor.config.root import LogConfig
from monitor.logs import configure
from tests.receivers.running import Running

RECORDS: Final = 60_000
ROUNDS: Final = 3
GOAL: Final = 0.95
WAYS: Final = (
    "ok", "status/500", "status/429/600", "status/400", "status/410", "redirect/307", "hang", "drip", "huge", "reset",
)  # fmt: skip
_ALERTS: Final = """\
    alerts: {{mode: live}}
alerts:
  receivers:
    - {{name: hook, kind: webhook, url: "http://127.0.0.1:{port}/{way}", allow_http: true, allow: ["127.0.0.1"],
       allow_ports: [{port}], messages_per_hour: 100000}}
  route: {{group_by: ["..."], group_wait: 0s, group_interval: 1s}}
  rules: [{{name: Noise, kinds: [drift, score], when: {{above: 0}}}}]
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


def _measure(folder: Path, records: Sequence[bytes], port: int, way: str) -> float:
    """Return records a second."""
    config = prepare(folder, records, _ALERTS.format(port=port, way=way))
    desk = open_desk(config, folder)
    desk.start()
    try:
        return rate(config, folder, records, desk)
    finally:
        desk.close()


if __name__ == "__main__":
    sys.stdout.write(section(sys.argv[1:] or WAYS, ROUNDS).text())
