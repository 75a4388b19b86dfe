"""A model with labels for the tests of outcomes: its logs, a life of the join over them, and brute force beside it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from detectors.bins import CategoricalBins, NumericBins
from monitor.assembly import build_model
from monitor.config.model import ModelConfig
from monitor.config.resolve import resolve_model
from monitor.config.root import DefaultsConfig
from monitor.events import HOUR, MINUTE, Batch, Records
from monitor.joining import Joining
from monitor.model import Model
from monitor.outcomes import ModelOutcomes, outcomes_of
from monitor.panes import PaneKey
from monitor.sources.port import TopicPartition
from monitor.store.memory import MemoryStore
from monitor.store.port import StateStore

BEGIN = 1_800_000 * HOUR // 1000 // HOUR * HOUR + 24 * HOUR
COUNTRIES = ("de", "fr", "it")


@dataclass(frozen=True)
class Row:
    """A prediction (score, class) or a label (truth), at a log time."""

    id: str
    time: int
    score: float = float("nan")
    country: str | None = None
    truth: str | None = None
    retract: bool = False
    version: str = "1"
    predicted: Any = None
    extra: Mapping[str, float | str | None] = field(default_factory=dict)
    """Further columns; all rows of a log have the same."""


def config_of(**changes: Any) -> ModelConfig:
    """Return a configuration with labels; defaults are filled in."""
    plain: dict[str, Any] = {
        "name": "m",
        "positive_class": "1",
        "decision": "score >= 0.5",
        "predictions": {"topic": "p", "map": {"score": "value.score"}},
        "labels": {"topic": "l", "matures_after": 6 * HOUR},
        "join": {"wait": 12 * HOUR},
        "slices": [{"by": ["country"], "min_samples": 1}],
        "windows": {"hourly": {"size": HOUR}, "half": {"size": 6 * HOUR, "slide": HOUR}},
    }
    return resolve_model(ModelConfig(**{**plain, **changes}), DefaultsConfig())


def model_of(config: ModelConfig, **coders: Any) -> Model:
    """Return the model, counting these columns beside score and country."""
    model = build_model(config, Path())
    edges = np.linspace(0.02, 0.98, 49)
    score = NumericBins.of_edges(edges, low=0.0, high=1.0)
    model.relayout({"score": score, "country": CategoricalBins(COUNTRIES), **coders})
    return model


def records_of(topic: str, rows: Sequence[Row], first: int, partition: int = 0, *, stamped: bool = True) -> Records:
    """Return rows as records."""
    offsets = list(range(first, first + len(rows)))
    empty: list[bytes | None] = [None] * len(rows)
    return Records(topic, partition, first + len(rows), offsets, [row.time for row in rows], stamped, empty, empty)


def batch_of(kind: Any, rows: Sequence[Row], first: int, *, regression: bool = False) -> Batch:
    """Return rows as decoded."""
    times = np.array([row.time for row in rows], np.int64)
    columns: dict[str, Any]
    if kind == "label":
        columns = {
            "label": np.array([float(row.truth or "nan") for row in rows]) if regression else [r.truth for r in rows],
            "retract": np.array([1.0 if row.retract else 0.0 for row in rows]),
        }
    else:
        columns = {
            "score": np.array([row.score for row in rows]),
            "country": [row.country for row in rows],
            "amount": np.array([100.0 * len(row.id) for row in rows]),
        }
        if any(row.predicted is not None for row in rows):
            said = [row.predicted for row in rows]
            columns["prediction"] = np.array(said, np.float64) if regression else said
    for name, value in rows[0].extra.items() if rows else ():
        cells = [row.extra[name] for row in rows]
        columns[name] = np.array(cells, np.float64) if isinstance(value, float) else cells
    offsets = np.arange(first, first + len(rows))
    return Batch("m", kind, [r.id for r in rows], [r.version for r in rows], times, times, offsets, columns)


@dataclass
class Life:
    """One life of the join after the other over one store, fed with two logs, or with two of each topic.

    Logs are named ``p`` and ``l``, those of a second partition ``p1`` and ``l1``.
    """

    config: ModelConfig
    logs: dict[str, list[Row]]
    store: StateStore = field(default_factory=MemoryStore)
    coders: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.saved = dict.fromkeys(self.logs, 0)
        self.start()

    def start(self) -> None:
        """Begin from what was last written."""
        self.done = dict(self.saved)
        self.model = model_of(self.config, **self.coders)
        self.outcomes: ModelOutcomes = outcomes_of(self.model, self.store)
        self.joining, _ = Joining.load(self.store, 0, self.config, self.outcomes, self.inputs)

    @property
    def inputs(self) -> dict[str, int]:
        """Topic → partitions."""
        return Counter(name[0] for name in self.logs)

    def feed(self, name: str, number: int) -> None:
        """Read the next records of one log."""
        topic, partition, first = name[0], int(name[1:] or 0), self.done[name]
        rows = self.logs[name][first : first + number]
        if not rows:
            return
        records = records_of(topic, rows, first, partition)
        self.done[name] += len(rows)
        self.joining.begin(records)
        regression = self.config.task == "regression"
        batch = batch_of("label" if topic == "l" else "prediction", rows, first, regression=regression)
        times = self.joining.times(batch, records)
        if topic == "l":
            self.joining.labels(partition, batch, times)
        else:
            self.joining.predictions(partition, self.model.derive(batch), times)

    def checkpoint(self) -> None:
        """Write everything at once."""
        self.joining.advance()
        self.joining.drain()
        puts, deletes = self.joining.changes()
        self.store.write(puts, deletes, sync=False)
        self.joining.written()
        self.saved = dict(self.done)

    def run(self, rng: random.Random | None = None) -> None:
        """Read both logs to the end; with a generator in any order, with checkpoints and crashes on the way."""
        while any(self.done[name] < len(log) for name, log in self.logs.items()):
            if rng is None:
                for name in self.logs:
                    self.feed(name, 1 << 30)
                continue
            self.feed(rng.choice(list(self.logs)), rng.choice([1, 3, 20, 100]))
            dice = rng.random()
            if dice > 0.8:
                self.outcomes.settle()
            if dice < 0.3:
                self.checkpoint()
            elif dice > 0.9:
                self.start()
        self.finish()

    def finish(self) -> None:
        """Let everything come of age."""
        for name in self.logs:
            self.joining.rest(TopicPartition(name[0], int(name[1:] or 0)))
        self.checkpoint()

    def tables(self) -> dict[tuple[str, str, int, int], list[int]]:
        """Return every vector that is not zero; the last cell of one of the whole population is its revision."""
        self.outcomes.settle()
        found = {}
        for (name, version, tier), starts in self.outcomes.shelf._index.items():
            for start in starts:
                pane = self.outcomes.shelf.find(self.key(name, version, tier, start))
                assert pane is not None
                vector = pane.total()
                if vector.any():
                    found[name, version, tier, start] = vector.tolist()
        return found

    @staticmethod
    def key(name: str, version: str, tier: int, start: int) -> Any:
        """Return a pane's key."""
        return PaneKey(name, version, tier, start)


def logs_of(rows: int, seed: int, *, ugly: bool = True, hours: int = 12) -> dict[str, list[Row]]:
    """Return logs of predictions and labels in which most that can go wrong does."""
    rng = random.Random(seed)
    predictions, labels = [], []
    for number in range(rows):
        time = BEGIN + rng.randrange(hours * HOUR)
        score = round(rng.random(), 3)
        if ugly and rng.random() < 0.05:
            score = rng.choice([float("nan"), -1.0, 2.0, 0.0, 1.0, 0.5])
        name = f"i{number if not ugly else rng.randrange(rows)}"
        country = rng.choice([*COUNTRIES, None, "xx"])
        predictions.append(Row(name, time, score, country, version=rng.choice("12")))
        for _ in range(rng.choice([0, 1, 1, 1, 2, 3]) if ugly else rng.choice([0, 1, 1, 1])):
            at = time + rng.randrange(-HOUR if ugly else 0, 14 * HOUR if ugly else 3 * HOUR)
            truth = str(int(rng.random() < (score if 0 <= score <= 1 else 0.5)))
            if ugly and rng.random() < 0.1:
                truth = rng.choice(["7", "", "nan"])
            labels.append(Row(name, at, truth=truth, retract=ugly and rng.random() < 0.1))
    predictions.sort(key=lambda row: row.time)
    labels.sort(key=lambda row: row.time)
    labels.append(Row("end", BEGIN + (hours + 40) * HOUR + MINUTE, truth="1"))
    predictions.append(Row("end", BEGIN + (hours + 40) * HOUR, 0.5, "de"))
    return {"p": predictions, "l": labels}


def parted(logs: dict[str, list[Row]], seed: int) -> dict[str, list[Row]]:
    """Return logs as two partitions of each topic; what closes a log closes both."""
    rng = random.Random(seed)
    found: dict[str, list[Row]] = {}
    for topic, log in logs.items():
        halves: tuple[list[Row], list[Row]] = ([], [])
        for row in log[:-1]:
            rng.choice(halves).append(row)
        for place, half in enumerate(halves):
            found[f"{topic}{place or ''}"] = [*half, log[-1]]
    return found
