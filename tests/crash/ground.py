"""A configuration and a reference for the crash tests, and the comparison of a run with the truth."""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np

from detectors.bins import CategoricalBins, NumericBins
from monitor.config.load import load
from monitor.config.model_checks import EVIDENCE
from monitor.config.root import Config
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import Schema
from monitor.events import DAY, HOUR, MINUTE, Batch, IntArray, Records
from monitor.findings import Finding, WindowResult
from monitor.judging import Bench
from monitor.layout import Layout
from monitor.model import Model
from monitor.pipeline import Pipeline
from monitor.reference.builder import BuildSettings, build_reference
from monitor.slice_monitors import SliceCounts
from tests.crash.stream import BEGIN, value
from tests.crash.verifier import Plan, Truth, recompute, window_cells

Key: TypeAlias = "tuple[str, str, int]"
"""Version, window and start."""
CONFIG = """\
version: 1
kafka: {{bootstrap_servers: ["{bootstrap}"], dead_letters: {{file: "{folder}/dead.jsonl"}}}}
models:
  - name: m
    task: binary_classification
    predictions:
      topic: {topic}
      time_format: rfc3339
      map: {{id: value.prediction_id, time: value.ts, version: value.model_version, features: value.features,
            score: value.score}}
    reference: {reference}
    idle_timeout: 1h
    windows:
      fast: {{size: 15m, lateness: 1m, restate_for: 1d}}
      daily: {{size: 1d, slide: 4h, lateness: 30m}}
    detectors:
      - {{kind: psi, on: [features, score]}}
      - {{kind: ks, on: [numeric, score]}}
      - {{kind: rate, on: [quality]}}
    slices:
      - {{by: [country], top_k: 3, min_samples: 50}}
state: {{path: "{folder}/state", checkpoint: 600ms, checkpoint_records: 20000, generation_every: 20s}}
"""


def prepare(folder: Path, topic: str, bootstrap: str) -> Path:
    """Write a reference and the configuration that uses it; return the configuration's path."""
    path = folder / "driftline.yaml"
    text = CONFIG.format(topic=topic, folder=folder, bootstrap=bootstrap, reference="{learn: 14d}")
    path.write_text(text)
    write_reference(load(path, {}), folder / "reference.json")
    path.write_text(text.replace("{learn: 14d}", "{source: reference.json}"))
    return path


def write_reference(config: Config, path: Path) -> None:
    """Build the reference of the configuration's model from rows of the days before the log begins."""
    rng = random.Random(99)
    topic = str(config.models[0].predictions.topic)
    rows = [value(rng, f"r{index}", BEGIN - 10 * DAY + index * MINUTE) for index in range(5_000)]

    def batches() -> Iterator[Batch]:
        decoder = Decoder([Schema.of(config.models[0])], config.limits)
        numbers = list(range(len(rows)))
        records = Records(topic, 0, len(rows), numbers, [0] * len(rows), False, [None] * len(rows), list(rows))
        yield from decoder.decode(records).batches

    build_reference(BuildSettings.of(config.models[0]), batches, source="test").save(path)


def plan_of(model: Model) -> Plan:
    """Return what the verifier needs, read off the model's reference."""
    numeric, categorical = {}, {}
    for name, coder in model.layout.coders.items():
        if isinstance(coder, NumericBins):
            numeric[name] = (coder.edges.tolist(), coder.low, coder.high)
        elif isinstance(coder, CategoricalBins):
            categorical[name] = (coder.categories, coder.rare)
    return Plan(
        skew=HOUR,
        windows={"fast": (15 * MINUTE, 15 * MINUTE, MINUTE), "daily": (DAY, 4 * HOUR, 30 * MINUTE)},
        keep=(DAY, 7 * DAY, 7 * DAY),
        tiers=(15 * MINUTE, HOUR, DAY),
        numeric=numeric,
        categorical=categorical,
    )


def vector(layout: Layout, cells: Counter[tuple[str, str]]) -> IntArray:
    """Return the verifier's cells as the layout's vector."""
    out = np.zeros(layout.size, np.int64)
    out[0] = cells["rows", ""]
    for (column, cell), rows in cells.items():
        if column == "rows":
            continue
        if column == "slice":
            for place in slice_cells(layout, *cell.split("|")):
                out[place] += rows
            continue
        coder = layout.coders[column]
        assert isinstance(coder, NumericBins | CategoricalBins)
        out[layout.spans[column][0] + (coder.quality[cell] if cell in coder.quality else int(cell))] += rows
    return out


def slice_name(layout: Layout, country: str) -> str:
    """Return the slice that a cell of the country is in."""
    coder = layout.coders["country"]
    assert isinstance(coder, CategoricalBins)
    if country in {"missing", "bad"}:
        return "country=(missing)"
    return f"country={coder.categories[int(country)]}" if country in {"0", "1", "2"} else "country=(other)"


def slice_cells(layout: Layout, country: str, score: str) -> tuple[int, int]:
    """Return where a row is counted as one of its slice, and as its score within it."""
    coder = layout.coders["score"]
    assert isinstance(coder, NumericBins)
    rows, scores = (layout.cross_spans[("country",), target][0] for target in ("", "score"))
    place = layout.slicings[0].labels.index(slice_name(layout, country))
    code = coder.quality[score] if score in coder.quality else int(score)
    groups = max(coder.evidence.tolist()) + 1
    compact = groups + code - coder.size if code >= coder.size else int(coder.evidence[code])
    return rows + place, scores + place * (groups + 4) + compact


def slice_rows(layout: Layout, cells: Counter[tuple[str, str]]) -> Counter[str]:
    """Return rows by slice, from the verifier's cells."""
    rows: Counter[str] = Counter()
    for (column, cell), number in cells.items():
        if column == "slice":
            rows[slice_name(layout, cell.split("|")[0])] += number
    return rows


def differences(pipeline: Pipeline, logs: Mapping[int, list[tuple[int, bytes | None]]]) -> list[str]:
    """Return every difference between what the service says and what the log says; compares all that it evaluated."""
    model = pipeline.assembly.models["m"]
    plan = plan_of(model)
    truth = recompute(logs, plan)
    found = counter_differences(pipeline, truth)
    for number, greatest in truth.greatest.items():
        if pipeline.partitions[number].clocks["m"].greatest != greatest:
            found.append(
                f"partition {number}: event time {pipeline.partitions[number].clocks['m'].greatest}, {greatest}"
            )
    told: dict[Key, WindowResult] = {}
    sliced: defaultdict[Key, list[WindowResult]] = defaultdict(list)
    for result in pipeline.assembly.history.results(None, None):
        if result.window == EVIDENCE:
            continue
        key = (result.version, result.window, result.start)
        if result.slice:
            sliced[key].append(result)
        else:
            told[key] = result
    alike: defaultdict[tuple[str, str], list[Key]] = defaultdict(list)
    for key in sorted(told.keys() | sliced.keys()):
        alike[key[:2]].append(key)
    for (version, _), keys in alike.items():
        for right in rights(model, Bench(model, version), {key: window_cells(truth, plan, *key) for key in keys}):
            found.extend(window_differences(right, truth.restated[right.key], told.get(right.key), sliced[right.key]))
    missing = {key for key in truth.restated if key not in told and truth.restated[key]}
    found.extend(f"{key}: never evaluated" for key in sorted(missing))
    return found


class Right(NamedTuple):
    """What must be told of a window."""

    key: Key
    rows: int
    findings: list[Finding]
    slices: dict[str, tuple[int, list[Finding]]]
    """Slice → rows and findings."""


def rights(model: Model, bench: Bench, cells: Mapping[Key, Counter[tuple[str, str]]]) -> Iterator[Right]:
    """Yield what must be told of windows of one version and kind."""
    window = model.windows.named(next(iter(cells))[1])
    layout, slicing = model.layout, model.layout.slicings[0]
    tables = np.stack([vector(layout, counted) for counted in cells.values()])
    rows = np.stack([SliceCounts.of(model, slicing, table).rows for table in tables])
    judged = zip(bench.findings(window, tables), bench.slice_findings(window, slicing, tables, rows), strict=True)
    for (key, counted), (findings, slices) in zip(cells.items(), judged, strict=True):
        numbers = slice_rows(layout, counted)
        right = {name: (numbers[name], slices[slicing.labels.index(name)]) for name in numbers}
        yield Right(key, counted["rows", ""], findings, right)


def window_differences(
    right: Right, restated: int, told: WindowResult | None, sliced: list[WindowResult]
) -> Iterator[str]:
    """Yield the differences of one window and its slices."""
    if told is not None and (told.n, told.revision) != (right.rows, restated):
        yield f"{right.key}: {told.n} rows, revision {told.revision}; truth {right.rows}, {restated}"
    if told is not None and not same(told.findings, tuple(right.findings)):
        yield f"{right.key}: findings differ"
    numbers = {result.slice: result.n for result in sliced}
    if numbers != {name: number for name, (number, _) in right.slices.items()}:
        yield f"{right.key}: slices {numbers}, truth {right.slices}"
        return
    for result in sliced:
        if result.revision != restated or not same(result.findings, tuple(right.slices[result.slice][1])):
            yield f"{right.key}, {result.slice}: findings or revision differ"


def counter_differences(pipeline: Pipeline, truth: Truth) -> list[str]:
    """Return the counters that differ."""
    counters: Counter[str] = Counter()
    for partition in pipeline.partitions.values():
        for (_, name), count in partition.counters.items():
            rejected = name.startswith("rejected:") and name not in {"rejected:future_time", "rejected:too_late"}
            counters["rejected" if rejected else name] += count
    return [
        f"counter {name}: {counters[name]}, truth {count}"
        for name, count in truth.counters.items()
        if counters[name] != count
    ]


def same(one: tuple[Finding, ...], other: tuple[Finding, ...]) -> bool:
    """Return whether findings are equal to the last bit, NaN being equal to NaN."""
    return repr(sorted(one, key=repr)) == repr(sorted(other, key=repr))
