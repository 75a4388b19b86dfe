"""A bound against the same hour last week, through the whole service: weekends are no alarm, a thin Tuesday is one."""

from __future__ import annotations

import json
import random
from pathlib import Path

from monitor.config.load import load
from monitor.events import DAY, HOUR
from monitor.sources.memory import PAUSE, Content, Item
from monitor.store.memory import MemoryStore
from tests.alerting_service import Alerting, Clock, source_of
from tests.evidence_service import BEGIN, configured

PER_HOUR = 40
THIN = (BEGIN + 8 * DAY + 10 * HOUR, BEGIN + 8 * DAY + 14 * HOUR)
"""Of the second week's Tuesday."""
RULES = """
alerts:
  mode: prometheus_only
  rules:
    - name: Thin
      kinds: [volume]
      when: {figure: n, below: 0.5, clear: 0.7, against: last_week}
    - name: Few
      kinds: [volume]
      when: {figure: n, below: 20, clear: 28}
"""


def stream(days: int) -> list[Content]:
    """Return rows that come evenly on weekdays, at a third of that on weekends, and hardly at all when it is thin."""
    source = random.Random(3)
    log: list[Content] = []
    for hour in range(days * 24):
        start = BEGIN + hour * HOUR
        share = 1 / 3 if hour // 24 % 7 >= 5 else 1.0
        share *= 0.25 if THIN[0] <= start < THIN[1] else 1.0
        for place in range(round(PER_HOUR * share)):
            time = start + place * HOUR // PER_HOUR
            row = {"a": source.gauss(0, 1), "b": source.gauss(0, 1), "c": "de"}
            value = {"id": f"{hour}-{place}", "ts": time, "v": "1", "f": row, "s": source.random()}
            log.append(Item(json.dumps(value).encode()))
        log.append(PAUSE)
    return log


def test_only_what_differs_from_last_week_fires(tmp_path: Path) -> None:
    configured(tmp_path, per_hour=PER_HOUR)
    path = tmp_path / "driftline.yaml"
    text = path.read_text().replace("- {kind: psi, on: [score]}", "- {kind: rate, on: [volume]}")
    path.write_text(text + RULES)
    alerting = Alerting(load(path, {}), tmp_path, MemoryStore(), source_of({0: stream(9)}), Clock(BEGIN + 9 * DAY))
    turns = 0
    while alerting.left():
        alerting.turn(0)
        turns += 1
        if turns == 150:
            alerting.crash()
            alerting.begin()
    alerting.settle()
    lines = list(reversed(alerting.desk.engine.history(limit=500)))
    thin = [(line.state, line.at) for line in lines if line.rule == "Thin/warn"]
    assert thin == [("firing", THIN[0] + HOUR), ("resolved", THIN[1] + HOUR)], "at the end of the first thin hour"
    few = [line.at for line in lines if line.rule == "Few/warn" and line.state == "firing"]
    assert min(few) < THIN[0], "a plain bound cries at the weekend"
    alerting.crash()
