"""Rows for tests of references, as batches and as files of every kind."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np

from monitor.config.model import ModelConfig
from monitor.config.root import Config
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import Schema
from monitor.events import DAY, Batch, Column, IntArray, Records
from monitor.reference.builder import BuildSettings, build_reference

START: Final = 1_699_833_600_000_000
"""2023-11-13, a Monday, 00:00 UTC."""


def model_config(**changes: Any) -> ModelConfig:
    """Return a model whose predictions are mapped as usual."""
    fields: dict[str, Any] = {
        "name": "fraud",
        "decision": "score >= 0.9",
        "predictions": {
            "topic": "predictions",
            "map": {
                "id": "value.prediction_id",
                "time": "value.ts",
                "version": "value.version",
                "features": "value.features",
                "score": "value.score",
            },
        },
    }
    return ModelConfig.model_validate(fields | changes)


def make_rows(number: int, seed: int = 0, days: int = 10) -> list[dict[str, Any]]:
    """Return prediction logs: ties, atoms, missing cells, a long tail of categories, two versions."""
    rng = np.random.default_rng(seed)
    amounts = rng.lognormal(size=number)
    rows = []
    for i in range(number):
        micros = START + int(days * DAY * i / number) // 1000 * 1000
        rows.append(
            {
                "prediction_id": f"id-{i}",
                "ts": f"{np.datetime64(micros, 'us').astype('datetime64[ms]')}Z",
                "version": "9" if i < number * 0.7 else "10",
                "features": {
                    "amount": None if i % 97 == 0 else float(amounts[i]),
                    "age": int(rng.integers(18, 90)),
                    "products": float(rng.integers(0, 5)),
                    "country": None if i % 89 == 0 else str(rng.choice(["de", "fr", "NA"])),
                    "city": f"city-{int(rng.zipf(1.7))}",
                },
                "score": round(float(rng.random()), 3),
            }
        )
    return rows


def write_lines(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows as JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows as CSV, features side by side with the rest."""
    flat = [flat_row(row) for row in rows]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(flat[0]))
        writer.writeheader()
        writer.writerows(flat)
    return path


def flat_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row without nesting."""
    return {**{name: cell for name, cell in row.items() if name != "features"}, **row["features"]}


def batch_of(
    columns: Mapping[str, Column], *, times: IntArray | None = None, versions: list[str] | None = None
) -> Batch:
    """Return rows with made-up ids, one a minute by default."""
    number = len(next(iter(columns.values())))
    moments = START + np.arange(number) * 60_000_000 if times is None else times
    return Batch(
        model="fraud",
        kind="prediction",
        ids=[f"id-{i}" for i in range(number)],
        versions=[""] * number if versions is None else versions,
        times=moments,
        log_times=moments,
        offsets=np.arange(number),
        columns=columns,
    )


def cut(batch: Batch, borders: Sequence[int]) -> Iterator[Batch]:
    """Yield the rows of a batch in several ones."""
    edges = [0, *sorted(border % (len(batch) + 1) for border in borders), len(batch)]
    for first, last in pairwise(edges):
        if last > first:
            yield batch.take(np.arange(first, last))


def save_reference(config: Config, topic: str, values: Sequence[bytes], path: Path) -> None:
    """Write the reference that records of one topic make for the first model."""

    def batches() -> Iterator[Batch]:
        numbers = list(range(len(values)))
        records = Records(topic, 0, len(values), numbers, [0] * len(values), False, [None] * len(values), list(values))
        yield from Decoder([Schema.of(config.models[0])], config.limits).decode(records).batches

    build_reference(BuildSettings.of(config.models[0]), batches, source="test").save(path)
