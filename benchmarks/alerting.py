"""(e) What receivers that fail cost the pipeline, the other receivers, and those that recover."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks import neighbours, recovery
from benchmarks.end_to_end import values
from benchmarks.from_memory import pace, prepare
from benchmarks.pace import Pace, rate, ratio
from benchmarks.report import Section, circumstances, table
from monitor.alerting.opening import open_desk
from monitor.config.root import LogConfig
from monitor.logs import configure
from tests.receivers.running import Running

RECORDS: Final = 100_000
ROUNDS: Final = 5
GOAL: Final = 0.95
WAYS: Final = (
    "status/500", "status/429/600", "status/400", "status/410", "redirect/307", "hang", "drip", "huge", "reset",
)  # fmt: skip
WORKS: Final = "ok"
_ALERTS: Final = """\
    alerts: {{mode: live}}
alerts:
  receivers:
{receivers}
  route: {{receiver: r0, group_by: ["..."], group_wait: 0s, group_interval: 1s, repeat_interval: 1m,
    routes: [{routes}]}}
  rules: [{{name: Noise, kinds: [drift, score], when: {{above: 0}}}}]
"""


def run() -> Section:
    """Measure every way in turn, several rounds."""
    return section(WAYS, ROUNDS)


def section(ways: Sequence[str], rounds: int, down: float = recovery.DOWN) -> Section:
    """Measure some ways of failing, each beside a receiver that works."""
    configure(LogConfig(level="error"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = _rows(folder, ways, rounds)
        delayed = neighbours.delays(folder / "neighbours", ways)
        recovered = recovery.recoveries(folder / "recovery", down=down)
    head = ["the receiver answers", "records / CPU s", "of one that works", "goal", "free of others", "pipeline alone"]
    body = (
        f"{RECORDS:,} records from memory through the whole pipeline, with one webhook that answers so, against the "
        "same with one that works, run right before or after. Every column has an alert of its own from the first "
        "minute on. Throughput is records a second of processor time of the *whole process*: whatever the threads of a "
        "failing receiver take counts as if the pipeline had lost it, and other programs take nothing from it. *Free "
        "of others* is the ratio of wall time without the time in which every core was taken: locks that the pipeline "
        "waits for are in it. *Pipeline alone* is the ratio of its own thread's processor time. Medians of "
        f"{rounds} rounds, ratios pair by pair, the order turned each round.\n\n"
        + table(head, rows)
        + "\n\n"
        + neighbours.shown(delayed)
        + f"\n\nA whole service whose receivers all fail for {down:.0f} s, each in its own way, and then "
        "work. By then pauses between attempts are as long as they get. The first message to come through:\n\n"
        + recovery.shown(recovered)
    )
    return Section("e", "Receivers that fail beside the pipeline", body)


def _rows(folder: Path, ways: Sequence[str], rounds: int) -> list[list[str]]:
    records = list(values(RECORDS))
    cases = {way: ([way], [WORKS]) for way in ways}
    cases["all of these, and one that works"] = ([*ways, WORKS], [WORKS] * (len(ways) + 1))
    found: dict[str, tuple[list[Pace], list[Pace]]] = {name: ([], []) for name in cases}
    _measure(folder / "first", records, [WORKS])  # what only a first run takes is nobody's fault
    for turn in range(rounds):
        for place, (name, pair) in enumerate(cases.items()):
            for side in (0, 1) if turn % 2 else (1, 0):
                into = folder / f"{turn}-{place}-{side}"
                found[name][side].append(_measure(into, records, pair[side]))
    return [_row(name, *paces) for name, paces in found.items()]


def _row(name: str, failing: Sequence[Pace], working: Sequence[Pace]) -> list[str]:
    kept = ratio(working, failing, lambda one: one.every)
    return [
        name,
        f"{rate(failing, lambda one: one.every):,.0f}",
        f"{kept:.3f}",
        f"{GOAL}, {'met' if kept >= GOAL else 'not met'}",
        f"{ratio(working, failing, lambda one: one.undisturbed):.3f}",
        f"{ratio(working, failing, lambda one: one.own):.3f}",
    ]


def _measure(folder: Path, records: Sequence[bytes], ways: Sequence[str]) -> Pace:
    """Return what the records take beside some receivers."""
    with Running(folder / "receiver") as server:
        config = prepare(folder / "service", records, _configured(server.port, ways))
        desk = open_desk(config, folder / "service")
        desk.start()
        try:
            return pace(config, folder / "service", records, desk)
        finally:
            desk.close()


def _configured(port: int, ways: Sequence[str]) -> str:
    receivers = "\n".join(
        f'    - {{name: r{place}, kind: webhook, url: "http://127.0.0.1:{port}/{way}", allow_http: true, '
        f'allow: ["127.0.0.1"], allow_ports: [{port}], messages_per_hour: 100000}}'
        for place, way in enumerate(ways)
    )
    routes = ", ".join(f"{{matchers: [model=fraud], receiver: r{place}, continue: true}}" for place in range(len(ways)))
    return _ALERTS.format(receivers=receivers, routes=routes)


if __name__ == "__main__":
    before = circumstances()
    sys.stdout.write(section(sys.argv[1:] or WAYS, ROUNDS).text(before))
