"""Slices: which slice a row is in, what is counted there, and that drift in one slice alone is seen."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.bins import CategoricalBins, NumericBins
from monitor.coders import Flags
from monitor.config.load import load
from monitor.config.model import SliceConfig
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import Schema
from monitor.events import HOUR, SECOND, Batch, IntArray, Records
from monitor.findings import WindowResult, worst_status
from monitor.layout import Coder, Layout
from monitor.opening import open_pipeline
from monitor.reference import Reference
from monitor.reference.builder import BuildSettings, build_reference
from monitor.slices import MOST_VALUES, Cut, compact, crosses_of, slicing_of
from monitor.sources.memory import Item, MemorySource
from monitor.sources.port import TopicPartition
from monitor.store.memory import MemoryStore
from tests.crash.stream import BEGIN

COUNTRY = CategoricalBins(("de", "fr", "it"), frozenset({"lu"}))
AGE = NumericBins.fit(np.random.default_rng(1).normal(40, 10, 5_000))
SCORE = NumericBins.fit(np.random.default_rng(2).random(5_000))
CODERS: dict[str, Coder] = {"country": COUNTRY, "age": AGE, "score": SCORE, "flagged": Flags("score >= 0.9")}

countries = st.sampled_from(["de", "fr", "it", "lu", "xx", None])
numbers = st.one_of(st.floats(0, 80), st.sampled_from([np.nan, np.inf, -1e9, 1e9]))


def country_of(value: str | None) -> str:
    if value is None:
        return "(missing)"
    return value if value in {"de", "fr"} else "(other)"


@given(st.lists(st.tuples(countries, numbers, numbers), min_size=1, max_size=30))
def test_counts_by_slice_equal_a_loop_over_rows(rows: list[tuple[str | None, float, float]]) -> None:
    crosses = crosses_of([SliceConfig(by=["country"], top_k=2), SliceConfig(by=["country", "age"], top_k=2)], CODERS)
    layout = Layout(CODERS, crosses)
    columns: dict[str, Any] = {
        "country": [row[0] for row in rows],
        "age": np.array([row[1] for row in rows]),
        "score": np.array([row[2] for row in rows]) / 80,
    }
    counts = layout.tally(columns, {}, np.zeros(len(rows), np.int64), 1)[0]
    codes = compact(SCORE)[SCORE.code(columns["score"])]
    expected: Counter[tuple[str, int]] = Counter()
    pairs: Counter[str] = Counter()
    half = Cut.of("age", AGE, 2)
    for row, code, age in zip(rows, codes.tolist(), AGE.code(columns["age"]).tolist(), strict=True):
        expected[f"country={country_of(row[0])}", code] += 1
        pairs[f"country={country_of(row[0])},age={half.names[half.groups[age]]}"] += 1
    single = layout.slicings[0]
    first, last = layout.cross_spans[("country",), "score"]
    table = counts[first:last].reshape(single.size, -1)
    assert {(single.labels[s], c): int(table[s, c]) for s, c in np.argwhere(table)} == expected
    first, last = layout.cross_spans[("country", "age"), ""]
    assert {
        layout.slicings[1].labels[place]: int(counts[first + place]) for place in np.flatnonzero(counts[first:last])
    } == pairs
    assert np.array_equal(counts, tallied(layout, columns, len(rows)))


def tallied(layout: Layout, columns: dict[str, Any], rows: int) -> IntArray:
    """Count by the index matrix, as runs of many panes do."""
    codes = layout.code(columns, {}, rows)
    out = np.zeros(layout.size, np.int64)
    np.add.at(out, codes.ravel(), 1)
    out[0] = rows
    return out


def test_numbers_are_cut_into_tenths_with_readable_names() -> None:
    cut = Cut.of("age", AGE, 20)
    assert len(cut.names) == 11
    assert [name[:2] for name in (cut.names[0], cut.names[-2])] == ["<=", "> "]
    assert cut.names[-1] == "(missing)"
    shares = np.bincount(cut.groups[AGE.code(np.random.default_rng(1).normal(40, 10, 5_000))]) / 5_000
    assert np.all(np.abs(shares[:10] - 0.1) < 0.03)


def test_a_number_of_few_values_has_a_slice_a_value() -> None:
    bins = NumericBins.fit(np.array([0.0, 1.0, 1.0, 2.0]))
    assert Cut.of("n", bins, 20).names == ("<= 0.5", "(0.5; 1.5]", "> 1.5", "(missing)")
    assert Cut.of("n", NumericBins.fit(np.ones(5)), 20).names == ("all", "(missing)")


def test_close_borders_keep_names_apart() -> None:
    bins = NumericBins.fit(np.array([1.0, 1.0 + 1e-12, 1.0 + 2e-12]))
    names = Cut.of("n", bins, 20).names
    assert len(set(names)) == len(names) == 4


def test_categories_named_like_the_residual_slices_stay_apart() -> None:
    cut = Cut.of("c", CategoricalBins(("(other)", "(missing)", "a")), 20)
    assert len(set(cut.names)) == len(cut.names) == 5


def test_a_prediction_of_many_classes_is_counted_in_few_cells() -> None:
    bins = CategoricalBins(tuple(f"c{number:02d}" for number in range(60)))
    groups = compact(bins)
    assert groups.tolist() == [*range(MOST_VALUES), *[MOST_VALUES] * (61 - MOST_VALUES), 25, 26, 27]


def test_ten_thousand_values_need_no_more_cells_than_the_bound() -> None:
    values: list[str | None] = [f"m{number}" for number in range(100_000)]
    bins = CategoricalBins.fit([*values, *["big"] * 50_000])
    layout = Layout({"merchant": bins}, crosses_of([SliceConfig(by=["merchant"])], {"merchant": bins}))
    assert layout.slicings[0].labels == ("merchant=big", "merchant=(other)", "merchant=(missing)")
    before = layout.size
    counts = layout.tally({"merchant": values}, {}, np.zeros(len(values), np.int64), 1)[0]
    assert layout.size == before == len(counts)
    first, _ = layout.cross_spans[("merchant",), ""]
    assert counts[first : first + 3].tolist() == [0, 100_000, 0]


def test_a_column_without_bins_has_no_slices() -> None:
    assert slicing_of(SliceConfig(by=["gone"]), CODERS) is None
    assert crosses_of([SliceConfig(by=["country", "gone"])], CODERS) == {}


@pytest.mark.parametrize("top_k", [1, 3])
def test_other_groups_start_from_nothing_and_equal_ones_are_kept(top_k: int) -> None:
    old = Layout(CODERS, crosses_of([SliceConfig(by=["country"], top_k=3)], CODERS))
    new = Layout(CODERS, crosses_of([SliceConfig(by=["country"], top_k=top_k)], CODERS))
    vector = np.arange(old.size)
    carried = new.remap(old.describe(), vector)
    for name, (first, last) in new.spans.items():
        assert np.array_equal(carried[first:last], vector[slice(*old.spans[name])])
    for key, (first, last) in new.cross_spans.items():
        expected = vector[slice(*old.cross_spans[key])] if top_k == 3 else np.zeros(last - first)
        assert np.array_equal(carried[first:last], expected)


CONFIG = """\
version: 1
models:
  - name: m
    decision: "score >= 0.8"
    predictions:
      topic: p
      time_format: rfc3339
      map: {{id: value.prediction_id, time: value.ts, version: value.v, features: value.features, score: value.score}}
    reference: {reference}
    windows: {{hour: {{size: 1h, lateness: 1m}}}}
    detectors:
      - {{kind: psi, on: [features, score], alert: 0.3}}
      - {{kind: rate, on: [quality, flagged], alert: 0.2}}
    slices:
      - {{by: [country], min_samples: 100}}
state: {{path: "{folder}/state"}}
"""


def rows_of(hours: int, seed: int, *, moved: str | None = None) -> Iterator[bytes]:
    """Yield 4,000 rows an hour; in country ``moved`` (a fortieth of them) scores are squeezed towards 1."""
    rng = random.Random(seed)
    for index in range(hours * 4_000):
        moment = index * HOUR // 4_000
        country = rng.choices(["de", "fr", "it"], [30, 9, 1])[0]
        score = rng.random()
        if country == moved:
            score = 1 - (1 - score) / 4
        hour, rest = divmod(moment // SECOND, 3600)
        yield json.dumps(
            {
                "prediction_id": f"{seed}-{index}",
                "ts": f"2026-11-01T{hour:02d}:{rest // 60:02d}:{rest % 60:02d}Z",
                "v": rng.choice(["1", "2"]),
                "features": {"country": country},
                "score": score,
            }
        ).encode()


def results_of(folder: Path, moved: str | None, *, with_slices: bool = True) -> list[WindowResult]:
    """Build a reference from three hours and run three others over it."""
    path = folder / "driftline.yaml"
    path.write_text(CONFIG.format(reference="{learn: 7d}", folder=folder))
    config = load(path, {})
    past = list(rows_of(3, seed=1))

    def batches() -> Iterator[Batch]:
        decoder = Decoder([Schema.of(config.models[0])], config.limits)
        numbers = list(range(len(past)))
        records = Records("p", 0, len(past), numbers, [0] * len(past), False, [None] * len(past), list(past))
        yield from decoder.decode(records).batches

    settings = BuildSettings.of(config.models[0] if with_slices else config.models[0].model_copy(update={"slices": []}))
    reference = build_reference(settings, batches, source="test")
    assert Reference.from_json(reference.to_json()) == reference
    reference.save(folder / "reference.json")
    path.write_text(CONFIG.format(reference="{source: reference.json}", folder=folder))
    config = load(path, {})
    items = [Item(value) for value in rows_of(3, seed=2, moved=moved)]
    pipeline = open_pipeline(config, MemorySource({TopicPartition("p", 0): items}), base=folder, store=MemoryStore())
    assert pipeline.assembly.models["m"].unjudged_slices() == ([] if with_slices else ["country"])
    while pipeline.step(0):
        pass
    pipeline.finish()
    results = [r for r in pipeline.assembly.history.results(None, None) if r.window != "evidence"]
    assert min(result.start for result in results) >= BEGIN
    pipeline.close()
    return results


def test_drift_in_one_slice_is_found_there_and_nowhere_else(tmp_path: Path) -> None:
    results = results_of(tmp_path, moved="it")
    worst = {(r.slice, r.version): worst_status(r.findings) for r in results if r.n >= 50}
    small = [result for result in results if result.slice == "country=it"]
    assert small
    assert all(0 < result.n < 100 and result.findings == () for result in small)
    assert set(worst.values()) <= {"ok", "insufficient"}
    (tmp_path / "more").mkdir()
    results = results_of(tmp_path / "more", moved="fr")
    drifted = {(r.slice, f.column, f.detector) for r in results for f in r.findings if f.status == "drift"}
    assert {("country=fr", "score", "psi"), ("country=fr", "flagged", "flagged_rate")} <= drifted
    assert {piece for piece, _, _ in drifted} == {"country=fr"}


def test_the_slices_of_a_window_add_up_to_it(tmp_path: Path) -> None:
    results = results_of(tmp_path, moved=None)
    sums: Counter[tuple[str, int]] = Counter()
    for result in results:
        sums[result.version, result.start] += result.n if result.slice else -result.n
    assert len(sums) == 6
    assert set(sums.values()) == {0}


def test_without_slices_in_the_reference_they_are_counted_and_not_judged(tmp_path: Path) -> None:
    sliced = [r for r in results_of(tmp_path, moved="fr", with_slices=False) if r.slice]
    assert {r.slice for r in sliced} == {"country=de", "country=fr", "country=it"}
    assert all(r.findings == () for r in sliced)
