"""Bad input of every kind, mixed into a clean stream, and the check that it did no harm."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from monitor.config.load import load
from monitor.decoding.decoder import Decoder
from monitor.events import DAY, MINUTE, Headers
from monitor.opening import open_pipeline
from monitor.pipeline import Pipeline
from monitor.sources.memory import Item, MemorySource
from monitor.sources.port import TopicPartition
from monitor.store.memory import MemoryStore
from tests.crash.ground import prepare
from tests.crash.runs import Outcome, drain, outcome_of
from tests.crash.stream import BEGIN, value

TOPIC, PARTITIONS, ROWS = "p", 2, 900
STEP = 2 * MINUTE
"""Between the rows of a partition: 30 hours in all."""
REMARKS = frozenset({"records", "tombstone", "no_rows", "unmatched", "unknown_field", "decode_fallback"})
"""Counters that tell of the bad records themselves."""


@dataclass(frozen=True)
class Poison:
    """A record that must not be counted. Without a ``reason`` it is counted as a tombstone."""

    value: bytes | None
    reason: str | None
    row: int | None = None
    """The row of the message that is refused, ``None`` for all of it."""
    key: bytes | None = b"k"
    headers: Headers = ()


@dataclass(frozen=True)
class Odd:
    """A record that counts, written in a strange way; ``plain`` is the same written plainly."""

    value: bytes
    plain: bytes
    key: bytes | None = b"k"
    headers: Headers = ()


@dataclass
class Mixed:
    """Two streams that must count the same, and what is refused of the first."""

    dirty: dict[int, list[Item]] = field(default_factory=dict)
    clean: dict[int, list[Item]] = field(default_factory=dict)
    letters: list[tuple[str, str]] = field(default_factory=list)
    """(stable key, reason) of what must be refused, in the order of the log."""
    tombstones: int = 0

    def add(self, partition: int, records: Iterable[Poison | Odd]) -> None:
        """Append records to one partition."""
        dirty, clean = self.dirty.setdefault(partition, []), self.clean.setdefault(partition, [])
        for record in records:
            offset = len(dirty)
            dirty.append(Item(record.value, key=record.key, headers=record.headers, log_time=offset))
            if isinstance(record, Odd):
                clean.append(Item(record.plain, key=b"k", log_time=offset))
            elif record.reason is None:
                self.tombstones += 1
            else:
                row = "" if record.row is None else f":{record.row}"
                self.letters.append((f"{TOPIC}:{partition}:{offset}{row}", record.reason))

    def reasons(self) -> Counter[str]:
        """Return how many records and rows must be refused, by reason."""
        return Counter(reason for _, reason in self.letters)


def plain_rows(partition: int) -> list[dict[str, Any]]:
    """Return the rows of the clean stream; in its second half, amounts are five standard deviations higher."""
    rng = random.Random(f"poison:{partition}")
    rows = [json.loads(value(rng, f"{partition}-{n}", BEGIN + n * STEP)) for n in range(ROWS)]
    for row in rows[ROWS // 2 :]:
        if isinstance(row["features"]["amount"], float):
            row["features"]["amount"] += 5.0
    return rows


def text_of(row: Mapping[str, Any]) -> bytes:
    """Return a row as a producer writes it."""
    return json.dumps(row).encode()


def mix(
    poisons: Sequence[Poison],
    odd: Callable[[int, dict[str, Any]], Odd | None] = lambda _number, _row: None,
    *,
    every: int = 7,
) -> Mixed:
    """Return the stream with poison in it: at its very beginning, at its end, and after every few rows.

    ``odd`` may write a row in a strange way.
    """
    mixed = Mixed()
    supply = cycle(poisons)
    for partition in range(PARTITIONS):
        records: list[Poison | Odd] = list(islice(supply, 6))
        for number, row in enumerate(plain_rows(partition)):
            text = text_of(row)
            records.append(odd(number, row) or Odd(text, text))
            if number % every == 0:
                records.extend(islice(supply, 1))
        mixed.add(partition, records)
    return mixed


def configure(folder: Path, *changes: tuple[str, str]) -> Path:
    """Write a reference and a configuration with few detectors; return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = prepare(folder, TOPIC, "unused:9092")
    few = (
        ("      - {kind: ks, on: [numeric, score]}\n", ""),
        ("1d, slide: 4h", "12h, slide: 3h"),
        ("size: 15m", "size: 1h"),
    )
    text = path.read_text()
    for old, new in (*few, *changes):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text)
    return path


def run(
    path: Path,
    logs: Mapping[int, Sequence[Item]],
    *,
    spoil: Callable[[Decoder], Decoder] | None = None,
    seed: int | None = 5,
    watch: Callable[[Pipeline], None] | None = None,
) -> Outcome:
    """Run the service over the logs, a few hundred records at a time; ``spoil`` breaks its decoders."""
    source = MemorySource({TopicPartition(TOPIC, n): list(log) for n, log in logs.items()}, seed=seed)
    pipeline = open_pipeline(load(path, {}), source, base=path.parent, store=MemoryStore())
    if spoil is not None:
        pipeline.decoders = {topic: spoil(decoder) for topic, decoder in pipeline.decoders.items()}
    try:
        if watch is not None:
            watch(pipeline)
        drain(pipeline)
        return outcome_of(pipeline)
    finally:
        pipeline.close()


def harm(dirty: Outcome, clean: Outcome, mixed: Mixed) -> list[str]:
    """Return all in which a run over the poisoned stream differs from what it must be."""
    found = []
    if Counter(dirty.letters) != Counter(mixed.letters):
        found.append(f"dead letters: {Counter(dirty.letters) - Counter(mixed.letters)} too many, "
                     f"{Counter(mixed.letters) - Counter(dirty.letters)} missing")  # fmt: skip
    if dirty.rejected() != mixed.reasons():
        found.append(f"refused {dirty.rejected()}, not {mixed.reasons()}")
    total = sum(map(len, mixed.dirty.values()))
    told = dirty.counters["", "records"], dirty.counters["", "tombstone"]
    if told != (total, mixed.tombstones):
        found.append(f"records and tombstones {told}, not {(total, mixed.tombstones)}")
    if dirty.clocks != clean.clocks:
        found.append(f"event time {dirty.clocks}, not {clean.clocks}")
    counted, expected = _counted(dirty), _counted(clean)
    if counted != expected:
        found.append(f"counters {counted}, not {expected}")
    for name in ("windows", "cells"):
        one, other = getattr(dirty, name), getattr(clean, name)
        wrong = [key for key in one.keys() | other.keys() if one.get(key) != other.get(key)]
        found += [f"{name} {key}: {one.get(key)}, not {other.get(key)}" for key in sorted(wrong)[:3]]
    return found


def _counted(outcome: Outcome) -> dict[tuple[str, str], int]:
    return {
        (model, name): count
        for (model, name), count in outcome.counters.items()
        if count and name not in REMARKS and not name.startswith("rejected:")
    }


LATER = BEGIN + ROWS * STEP
LONG_AGO = BEGIN - 30 * DAY
