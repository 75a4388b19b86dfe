"""Learning a reference from the stream: what is learnt equals the rows of the period, whatever the order of reading."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from detectors.bins import CategoricalBins, NumericBins
from monitor.config.load import load
from monitor.events import HOUR
from monitor.opening import open_pipeline
from monitor.pipeline import Pipeline
from monitor.reference import Reference
from monitor.sources.memory import Item, MemorySource
from monitor.sources.port import TopicPartition
from monitor.store.memory import MemoryStore
from tests.crash.ground import CONFIG
from tests.crash.runs import drain, outcome_of
from tests.crash.stream import BEGIN, value

ROWS = 4_000
STEP = 12 * HOUR // ROWS


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a few hundred records at a time, as a live topic hands them out."""
    monkeypatch.setattr("monitor.pipeline._BATCH", 300)


def logs() -> dict[TopicPartition, list[Item]]:
    """Return twelve hours of rows in two partitions, in order."""
    return {
        TopicPartition("p", number): [
            Item(value(random.Random(f"{number}:{n}"), f"{number}-{n}", BEGIN + n * STEP)) for n in range(ROWS)
        ]
        for number in range(2)
    }


def learn(
    folder: Path, seed: int, *, restart_every: int | None = None, log: Mapping[TopicPartition, list[Item]] | None = None
) -> Pipeline:
    """Run over a log with a period of four hours; return the pipeline."""
    folder.mkdir()
    path = folder / "driftline.yaml"
    path.write_text(CONFIG.format(topic="p", folder=folder, bootstrap="unused:9092", reference="{learn: 4h}"))
    config = load(path, {})
    source, store = MemorySource(log or logs(), seed=seed), MemoryStore()
    pipeline = open_pipeline(config, source, base=folder, store=store)
    ends = source.end_offsets(list(pipeline.positions()))
    steps = 0
    while any(pipeline.positions()[name] < end for name, end in ends.items()):
        pipeline.step(0)
        pipeline.checkpoint()
        steps += 1
        if restart_every is not None and steps % restart_every == 0:
            pipeline.assembly.history.close()
            pipeline = open_pipeline(config, source, base=folder, store=store)
    pipeline.checkpoint()
    return pipeline


def fickle(first: Callable[[int], object], then: Callable[[int], object]) -> dict[TopicPartition, list[Item]]:
    """Return the log with another country in every row, which changes its type after a few hundred rows."""
    changed = {}
    for name, items in logs().items():
        rows = [json.loads(item.value or b"") for item in items]
        for number, row in enumerate(rows):
            row["features"]["country"] = (first if number < 250 else then)(number)
        changed[name] = [Item(json.dumps(row).encode()) for row in rows]
    return changed


def learnt(pipeline: Pipeline) -> Reference:
    reference = pipeline.assembly.models["m"].reference
    assert reference is not None
    return reference


def times_of(reference: Reference) -> tuple[int, int]:
    """Return how many rows lie in four hours, and how many were learnt."""
    return 2 * (4 * HOUR // STEP), reference.rows


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_reference_holds_the_rows_of_its_period(tmp_path: Path, seed: int) -> None:
    pipeline = learn(tmp_path / "a", seed)
    reference = learnt(pipeline)
    expected, rows = times_of(reference)
    assert abs(rows - expected) <= 4
    assert set(reference.columns) == {"amount", "age", "country", "score"}
    for column in reference.columns.values():
        assert int(column.counts.sum()) == rows
    missing = reference.rate("amount", "1", "missing")
    assert missing is not None
    assert 0.01 < missing[1] / missing.sum() < 0.1
    pipeline.close()


def test_a_restart_in_the_midst_changes_nothing(tmp_path: Path) -> None:
    whole, pieces = learn(tmp_path / "a", 5), learn(tmp_path / "b", 5, restart_every=2)
    one, other = learnt(whole), learnt(pieces)
    assert one.rows == other.rows
    for name, column in one.columns.items():
        np.testing.assert_array_equal(column.counts, other.columns[name].counts)
    whole.close()
    pieces.close()


@pytest.mark.parametrize("kind", ["categorical", "numeric"])
def test_a_type_that_was_learnt_holds_over_a_restart(tmp_path: Path, kind: str) -> None:
    """A column of words that turns to numbers stays one of words, and the other way round, restarted or not."""
    words, numbers = (lambda n: f"c{n % 5}"), (lambda n: n % 7)
    log = fickle(words, numbers) if kind == "categorical" else fickle(numbers, words)
    whole, pieces = learn(tmp_path / "a", 5, log=log), learn(tmp_path / "b", 5, restart_every=1, log=log)
    one, other = learnt(whole), learnt(pieces)
    assert isinstance(one.columns["country"].bins, CategoricalBins if kind == "categorical" else NumericBins)
    assert one.rows == other.rows
    for name, column in one.columns.items():
        assert column.bins.identity == other.columns[name].bins.identity
        np.testing.assert_array_equal(column.counts, other.columns[name].counts)
    assert outcome_of(whole) == outcome_of(pieces)
    whole.close()
    pieces.close()


def test_a_model_that_is_done_learning_does_not_make_another_forget_types(tmp_path: Path) -> None:
    path = tmp_path / "driftline.yaml"
    text = CONFIG.format(topic="p", folder=tmp_path, bootstrap="unused:9092", reference="{learn: 4h}")
    head, model = text.split("models:\n")
    model, tail = model.split("state:")
    slow = model.replace("name: m", "name: slow").replace("{learn: 4h}", "{learn: 28d}")
    path.write_text(f"{head}models:\n{model}{slow}state:{tail}")
    source = MemorySource(fickle(lambda n: f"c{n % 5}", lambda n: n % 7), seed=3)
    pipeline = open_pipeline(load(path, {}), source, base=tmp_path, store=MemoryStore())
    drain(pipeline)
    assert pipeline.assembly.models["m"].features == {
        "age": "numeric", "amount": "numeric", "country": "categorical"
    }  # fmt: skip
    assert pipeline.assembly.models["slow"].features is None
    assert pipeline.decoders["p"].learnt("slow")["country"] == "categorical"
    pipeline.close()


def test_long_categories_do_not_swell_the_state(tmp_path: Path) -> None:
    """A producer that writes pages of text, a different one in every row, into a field of words."""
    stored: list[int] = []
    for name, country in (("short", lambda n: f"c{n}"), ("long", lambda n: f"c{n} " + "x" * 8_000)):
        folder = tmp_path / name
        folder.mkdir()
        path = folder / "driftline.yaml"
        path.write_text(CONFIG.format(topic="p", folder=folder, bootstrap="unused:9092", reference="{learn: 28d}"))
        store = MemoryStore()
        log = {key: items[:300] for key, items in fickle(country, country).items()}
        pipeline = open_pipeline(load(path, {}), MemorySource(log, seed=1), base=folder, store=store)
        drain(pipeline)
        stored.append(sum(len(found) for _, found in store.scan(b"")))
        pipeline.close()
    assert stored[1] < 2 * stored[0]


def test_windows_are_judged_once_the_reference_is_learnt(tmp_path: Path) -> None:
    pipeline = learn(tmp_path / "a", 4)
    results = list(pipeline.assembly.history.results(None, None))
    assert any(result.findings for result in results)
    first = min(result.end for result in results if result.findings)
    assert all(not result.findings for result in results if result.end < first)
    pipeline.close()
