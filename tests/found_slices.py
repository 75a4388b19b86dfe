"""A small service that looks for slices by itself, and records whose errors have a known law."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from monitor.config.load import load
from monitor.config.root import Config
from monitor.events import HOUR, IntArray
from monitor.evidence.searched import Searched
from monitor.evidence.watch import Watch
from monitor.evidence.windows import OF_SLICES
from monitor.findings import Finding, WindowResult
from monitor.pipeline import Pipeline
from monitor.sources.memory import Content
from tests.evidence_labels import stamped
from tests.references import save_reference

BEGIN = 1_793_577_600_000_000
"""2026-11-02T00:00:00Z, a Monday."""
MATURES = 4 * HOUR
CONFIG = """\
version: 1
kafka: {{bootstrap_servers: ["unused:9092"], dead_letters: {{file: "{folder}/dead.jsonl"}}}}
models:
  - name: m
    task: {task}
{more}    predictions:
      topic: p
      time_format: epoch_us
      map: {{id: value.id, time: value.ts, version: value.v, features: value.f, {said}: value.s}}
    labels:
      topic: l
      time_format: epoch_us
      matures_after: 4h
      map: {{id: value.id, time: value.at, label: value.y}}
    join: {{wait: 8h}}
    performance: {{learn: {learn}, min_labels: 50}}
    evidence: {{window: {window}}}
    idle_timeout: 1d
    reference: {reference}
    find_slices: {{{find}}}
    slices: {slices}
    windows:
      daily: {{size: 1d, lateness: 1m, restate_for: 2h}}
alarms: {alarms}
state: {{path: "{folder}/state"}}
"""
BINARY: Final = '    positive_class: 1\n    decision: "score >= 0.5"\n'
PLACES, KINDS, TIERS = ("de", "fr", "it", "es"), ("web", "shop", "phone"), ("gold", "plain")


@dataclass(frozen=True)
class Case:
    """One prediction and what became of it."""

    id: str
    time: int
    features: tuple[str, str, str]
    score: float
    wrong: bool
    age: int
    """Of the label."""
    version: str = "1"
    logged: int = 0
    """How long after its time it reached the log."""
    error: float | None = None
    """Of a number: by how much the truth is larger."""
    shop: str | None = None
    """A value of a column that has many."""

    @property
    def truth(self) -> float:
        """What the label says."""
        return int((self.score >= 0.5) != self.wrong) if self.error is None else round(self.score + self.error, 4)


Law = Callable[[int, tuple[str, str, str]], float]
"""(time, features) → error rate."""


def level(time: int, features: tuple[str, str, str]) -> float:
    """Return an error rate that is the same everywhere."""
    return 0.1


def cases(first: int, last: int, per_hour: int, seed: int, law: Law = level) -> list[Case]:
    """Return predictions of a place, a kind and a tier each."""
    rng = random.Random(seed)
    times = sorted(rng.randrange(first, last) for _ in range(per_hour * (last - first) // HOUR))
    found = []
    for number, time in enumerate(times):
        features = (rng.choice(PLACES), rng.choice(KINDS), rng.choice(TIERS))
        wrong = rng.random() < law(time, features)
        found.append(Case(f"{seed}-{number}", time, features, round(rng.random(), 3), wrong, rng.randrange(HOUR)))
    return found


def _said(case: Case) -> bytes:
    place, kind, tier = case.features
    row = {"place": place, "kind": kind, "tier": tier} | ({} if case.shop is None else {"shop": case.shop})
    return json.dumps({"id": case.id, "ts": case.time, "v": case.version, "f": row, "s": case.score}).encode()


def logs(found: Sequence[Case], pause_every: int = 1 << 30) -> dict[str, list[Content]]:
    """Return the logs of predictions and of labels; they end with a quiet day."""
    said = [(case.time + case.logged, _said(case)) for case in found]
    true = []
    for case in found:
        at = case.time + case.age
        true.append((at, json.dumps({"id": case.id, "at": at, "y": case.truth}).encode()))
    end = max(time for time, _ in [*said, *true]) + 24 * HOUR
    for number in range(3):
        last = Case(f"end{number}", end, ("de", "web", "gold"), 0.5, wrong=False, age=0)
        said.append((end + number, _said(last)))
        true.append((end + number, json.dumps({"id": "nobody", "at": end, "y": 1}).encode()))
    return stamped({"p": said, "l": true}, pause_every)


def configured(
    folder: Path,
    *,
    find: str = "min_samples: 50",
    alarms: str = "{}",
    learn: str = "2d",
    window: str = "1h",
    slices: str = "[]",
    task: str = "binary_classification",
    known: Sequence[Case] | None = None,
) -> Config:
    """Write a reference of the columns, from ``known`` rows or such as there are, and a configuration; return this."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "driftline.yaml"
    said, more = ("prediction", "") if task == "regression" else ("score", BINARY)
    parts: dict[str, Any] = {"folder": folder, "find": find, "alarms": alarms, "learn": learn, "window": window}
    parts |= {"task": task, "said": said, "more": more, "slices": slices}
    path.write_text(CONFIG.format(reference="{learn: 14d}", **parts))
    config = load(path, {})
    values = [_said(case) for case in cases(BEGIN - (4 if task == "regression" else 24) * HOUR, BEGIN, 100, 99)]
    values = values if known is None else []
    values += [_said(case) for case in known or ()]
    save_reference(config, "p", values, folder / "reference.json")
    path.write_text(CONFIG.format(reference="{source: reference.json}", **parts))
    return load(path, {})


def watch_of(pipeline: Pipeline) -> Watch:
    """Return the watch over slices."""
    (found,) = [one for one in pipeline.evidence.watches["m"] if one.source.fleet == "slices"]
    return found


def source_of(pipeline: Pipeline) -> Searched:
    """Return what chooses them."""
    source = watch_of(pipeline).source
    assert isinstance(source, Searched)
    return source


def told(pipeline: Pipeline) -> list[WindowResult]:
    """Return every window of slices in history, in order."""
    return [result for result in pipeline.assembly.history.results(None, None) if result.window == OF_SLICES]


def alarms(pipeline: Pipeline) -> list[tuple[int, str, Finding]]:
    """Return start, slice and finding of every alarm."""
    return [
        (result.start, result.slice, finding)
        for result in told(pipeline)
        for finding in result.findings
        if finding.status == "drift" and finding.detector == "evidence"
    ]


def judged(found: Sequence[Case], first: int, last: int) -> tuple[Counter[str], Counter[str]]:
    """Return rows and errors by cell of a window, counted one by one; ``""`` is all of them."""
    rows, errors = Counter[str](), Counter[str]()
    for case in found:
        if first <= case.time < last and case.age - case.logged <= MATURES and case.logged <= MATURES // 4:
            place, kind, tier = (f"{n}={v}" for n, v in zip(("place", "kind", "tier"), case.features, strict=True))
            for name in ("", place, kind, tier, f"{kind},{place}", f"{place},{tier}", f"{kind},{tier}"):
                rows[name] += 1
                errors[name] += case.wrong
    return rows, errors


def forget(patch: pytest.MonkeyPatch, learn: Callable[..., object]) -> None:
    """Have slices be chosen by one window alone, from a reference that ``learn`` makes."""
    patch.setattr("detectors.slices.picks.DECAY", 0.0)
    patch.setattr("detectors.slices.picks.PATIENCE", 1)
    patch.setattr(Searched, "_learn", learn)


def count_what_chose(patch: pytest.MonkeyPatch) -> None:
    """Have the window that chose a slice count for it, which must break every guarantee."""
    admit, stepped = Watch._admit, Searched.stepped

    def hasty(self: Watch, counts: Mapping[str, IntArray], start: int) -> None:
        admit(self, counts, start)
        if isinstance(self.source, Searched) and stepped(self.source, self.model, counts, start // self.length):
            self._refit()

    patch.setattr(Searched, "stepped", lambda *_: False)
    patch.setattr(Watch, "_admit", hasty)
