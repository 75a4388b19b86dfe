"""A small service of a model that predicts numbers with an interval, and records for it whose law is known."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from monitor.config.load import load
from monitor.config.root import Config
from monitor.events import HOUR
from monitor.sources.memory import Content
from tests.evidence_labels import BEGIN, MATURES, stamped
from tests.references import save_reference

CONFIG = """\
version: 1
kafka: {{bootstrap_servers: ["unused:9092"], dead_letters: {{file: "{folder}/dead.jsonl"}}}}
models:
  - name: m
    task: regression
    predictions:
      topic: p
      time_format: epoch_us
      map:
        {{id: value.id, time: value.ts, version: value.v, features: value.f, prediction: value.p{mapped}}}
    labels:
      topic: l
      time_format: epoch_us
      matures_after: 6h
      map: {{id: value.id, time: value.at, label: value.y}}
    join: {{wait: 12h}}
    performance: {{learn: {learn}, min_labels: 50, interval: 0.8}}
    evidence: {{window: {window}}}
    idle_timeout: 1d
    reference: {reference}
    windows:
      daily: {{size: 1d, lateness: 1m, restate_for: 2h}}
{more}
alarms: {alarms}
state: {{path: "{folder}/state"}}
"""
PLACES, KINDS = ("de", "fr", "it", "es"), ("web", "shop")
MAPPED = ", lower: value.l, upper: value.u"
HALF = 1.2816
"""Of an interval that holds four fifths of a standard normal law."""


@dataclass(frozen=True)
class Case:
    """One prediction and what became of it; its interval is ``HALF`` to either side."""

    id: str
    time: int
    place: str
    kind: str
    predicted: float
    labels: tuple[tuple[int, float], ...]
    """(age, truth), corrections too."""
    version: str = "1"


Law = Callable[[random.Random, int, str, str], tuple[tuple[int, float], ...]]
"""(generator, time, place, kind) → error by age."""


def plain(rng: random.Random, time: int, place: str, kind: str) -> tuple[tuple[int, float], ...]:
    """Return an error of a standard normal law, known within two hours."""
    return ((rng.randrange(2 * HOUR), rng.gauss(0, 1)),)


def cases(first: int, last: int, per_hour: int, seed: int, law: Law = plain) -> list[Case]:
    """Return predictions of one law."""
    rng = random.Random(seed)
    times = sorted(rng.randrange(first, last) for _ in range(per_hour * (last - first) // HOUR))
    found = []
    for number, time in enumerate(times):
        place, kind, predicted = rng.choice(PLACES), rng.choice(KINDS), round(rng.gauss(0, 3), 3)
        labels = tuple((age, round(predicted + error, 4)) for age, error in law(rng, time, place, kind))
        found.append(Case(f"{seed}-{number}", time, place, kind, predicted, labels))
    return found


def _said(case: Case) -> bytes:
    row = {"id": case.id, "ts": case.time, "v": case.version, "f": {"place": case.place, "kind": case.kind}}
    return json.dumps(row | {"p": case.predicted, "l": case.predicted - HALF, "u": case.predicted + HALF}).encode()


def logs(found: Sequence[Case], pause_every: int = 1 << 30) -> dict[str, list[Content]]:
    """Return the logs of predictions and of labels; they end with a quiet day."""
    said = [(case.time, _said(case)) for case in found]
    true = []
    for case in found:
        for age, label in case.labels:
            at = case.time + age
            true.append((at, json.dumps({"id": case.id, "at": at, "y": label}).encode()))
    end = max(time for time, _ in [*said, *true]) + 24 * HOUR
    for number in range(3):
        said.append((end + number, _said(Case(f"end{number}", end, "de", "web", 0.0, ()))))
        true.append((end + number, json.dumps({"id": "nobody", "at": end, "y": 1}).encode()))
    return stamped({"p": said, "l": true}, pause_every)


def configured(
    folder: Path,
    *,
    alarms: str = "{}",
    learn: str = "6d",
    window: str = "1h",
    mapped: str = MAPPED,
    more: str = "",
) -> Config:
    """Write a reference of the columns and a configuration; return the configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "driftline.yaml"
    parts = {"folder": folder, "alarms": alarms, "learn": learn, "window": window, "mapped": mapped, "more": more}
    path.write_text(CONFIG.format(reference="{learn: 14d}", **parts))
    config = load(path, {})
    values = [_said(case) for case in cases(BEGIN - 24 * HOUR, BEGIN, 100, 99)]
    save_reference(config, "p", values, folder / "reference.json")
    path.write_text(CONFIG.format(reference="{source: reference.json}", **parts))
    return load(path, {})


def known(case: Case) -> float | None:
    """Return the truth as it was known when the prediction came of age."""
    found = [label for age, label in case.labels if age <= MATURES]
    return found[-1] if found else None


def judged(found: Sequence[Case], first: int, last: int) -> tuple[int, int]:
    """Return how many predictions of a window lay outside and inside their interval."""
    inside = [
        abs(truth - case.predicted) <= HALF
        for case in found
        if first <= case.time < last and (truth := known(case)) is not None
    ]
    return len(inside) - sum(inside), sum(inside)
