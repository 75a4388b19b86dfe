"""Vectors in the service: read, turned into columns on one half of the reference, counted on the other, judged."""

from __future__ import annotations

import json
from contextlib import closing
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.bins import CategoricalBins, NumericBins
from detectors.embeddings.projection import Projection
from monitor.assembly import build_model
from monitor.commands.replay import ReplayOptions, replay
from monitor.commands.validate import validate
from monitor.config.load import load
from monitor.config.root import LimitsConfig
from monitor.decoding.columns import vector_column
from monitor.decoding.decoder import Decoder
from monitor.decoding.sampling import hash64
from monitor.decoding.schema import Schema
from monitor.events import DAY, HOUR, Batch, Records
from monitor.evidence.inputs import input_streams
from monitor.learnt import reference_between
from monitor.model import Model
from monitor.reference import BuildSettings, Reference, build_reference
from monitor.reference.parquet import ParquetTable
from monitor.reference.readers import open_file
from monitor.vectors import columns_of
from tests.references import batch_of

Rows = NDArray[np.float64]
SIZE = 8
BEGIN = 1_793_577_600_000_000
CENTRES = np.random.default_rng(5).normal(size=(6, SIZE)) * 3
CONFIG = """\
version: 1
kafka: {{bootstrap_servers: ["unused:9092"]}}
models:
  - name: m
    task: binary_classification
    predictions:
      topic: p
      time_format: epoch_us
      map: {{id: value.id, time: value.ts, features: value.f, score: value.s}}
    features: {{text: {{type: vector, size: {size}}}}}
    reference: {reference}
    evidence: {{window: 1h}}
    idle_timeout: 1h
    windows: {{six_hours: {{size: 6h, lateness: 1m, restate_for: 6h}}}}
    detectors:
      - {{kind: psi, on: [features], warn: 0.2, alert: 0.4}}
      - {{kind: mmd, on: [text], warn: 0.01, alert: 0.05}}
state: {{path: "{folder}/state"}}
"""


def vectors(rng: np.random.Generator, number: int, centres: int = 4) -> Rows:
    return CENTRES[rng.integers(centres, size=number)] + rng.normal(size=(number, SIZE))


def lines(first: int, last: int, seed: int, changed_from: int | None = None) -> bytes:
    """Return records, 60 an hour; from a time on, a third of the vectors are of two new kinds."""
    rng = np.random.default_rng(seed)
    number = 60 * (last - first) // HOUR
    times = np.sort(rng.integers(first, last, number))
    cells = vectors(rng, number)
    if changed_from is not None:
        late = np.flatnonzero(times >= changed_from)
        cells[late] = vectors(rng, len(late), 6)
    found = []
    for n, (time, cell) in enumerate(zip(times.tolist(), cells.round(4).tolist(), strict=True)):
        text: Any = cell if n % 200 else None
        features = {"a": round(float(rng.normal()), 4), "text": cell[:-1] if n % 300 == 7 else text}
        found.append(json.dumps({"id": f"{seed}-{n}", "ts": time, "f": features, "s": round(float(rng.random()), 4)}))
    return ("\n".join(found) + "\n").encode()


_MADE: dict[str, bytes] = {}
"""The reference, once it is built."""


@cache
def past() -> bytes:
    """Return eight days of records before the first."""
    return lines(BEGIN - 8 * DAY, BEGIN, 1)


def prepared(folder: Path, size: int = SIZE) -> Path:
    """Write a reference of eight days and a configuration; return the path of the configuration."""
    path, history = folder / "driftline.yaml", folder / "history.jsonl"
    path.write_text(CONFIG.format(folder=folder, size=SIZE, reference="{learn: 14d}"))
    history.write_bytes(past())
    if "reference" not in _MADE:
        model = load(path, {}).models[0]
        with closing(open_file(history, model, LimitsConfig())) as rows:
            _MADE["reference"] = build_reference(BuildSettings.of(model), rows.batches, source="history").to_json()
    (folder / "reference.json").write_bytes(_MADE["reference"])
    path.write_text(CONFIG.format(folder=folder, size=size, reference="{source: reference.json}"))
    return path


def found(folder: Path, path: Path, log: bytes) -> list[dict[str, Any]]:
    (folder / "log.jsonl").write_bytes(log)
    out = folder / "out.jsonl"
    assert replay(path, {}, ReplayOptions(predictions=folder / "log.jsonl", json=out)) == 0
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_replay_finds_the_drift_of_a_vector_and_nothing_before(tmp_path: Path) -> None:
    path = prepared(tmp_path)
    told = found(tmp_path, path, lines(BEGIN, BEGIN + 3 * DAY, 2, BEGIN + 2 * DAY))
    columns = {row["column"] for row in told}
    assert {"text.cluster", "text.residual", "text.error", "text.pc1", "text.pc8", "text.cluster.missing"} <= columns
    assert {row["detector"] for row in told if row["column"] == "text"} == {"mmd"}
    loud = [row for row in told if row["status"] in {"warn", "drift"}]
    assert {row["column"].split(".")[0] for row in loud} - {"(together)"} == {"text"}
    assert {"psi", "evidence"} <= {row["detector"] for row in loud if row["column"] == "text.cluster"}
    assert "evidence" in {row["detector"] for row in loud if row["column"] == "text.residual.high"}
    assert min(row["window_end"] for row in loud) > "2026-11-04"


def test_a_quiet_vector_is_quiet_and_its_quality_is_judged(tmp_path: Path) -> None:
    path = prepared(tmp_path)
    told = found(tmp_path, path, lines(BEGIN, BEGIN + 2 * DAY, 3))
    assert {row["status"] for row in told if row["detector"] == "evidence"} <= {"ok", "insufficient"}
    judged = {row["column"] for row in told if row["detector"] == "evidence_page"}
    assert {name for name in judged if name.endswith((".bad", ".missing"))} == {
        f"{name}.{kind}" for name in ("a", "score", "text.cluster") for kind in ("bad", "missing")
    }
    warned = {row["column"] for row in told if row["detector"] == "evidence"}
    assert {"text.residual.high", "text.pc8.low"} <= warned - judged


def test_a_size_that_is_not_the_references_makes_all_cells_bad_and_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = prepared(tmp_path, size=SIZE - 1)
    told = found(tmp_path, path, lines(BEGIN, BEGIN + DAY, 3))
    bad = [row for row in told if row["column"] == "text.cluster.bad"]
    assert "drift" in {row["status"] for row in bad if row["detector"] == "evidence_page"}
    assert not [row for row in told if row["column"].startswith("text.pc1.low") and row["status"] == "drift"]
    capsys.readouterr()
    assert validate(path, no_environment=True) == 0
    assert "features.text.size is 7, and the reference was built on vectors of 8 numbers" in capsys.readouterr().err


def test_what_lies_far_away_warns_and_what_is_broken_pages(tmp_path: Path) -> None:
    model = build_model(load(prepared(tmp_path), {}).models[0], tmp_path)
    kinds = {one.name: one.kind for one in input_streams(model, "")}
    assert {name: kinds[name] for name in ("text.residual.high", "text.error.low", "text.pc2.high", "a.high")} == {
        "text.residual.high": "features", "text.error.low": "features", "text.pc2.high": "features", "a.high": "quality"
    }  # fmt: skip
    assert {kinds[f"text.cluster.{kind}"] for kind in ("missing", "bad")} == {"quality"}


def test_lists_in_parquet_make_the_same_reference(tmp_path: Path) -> None:
    pa, pq = import_module("pyarrow"), import_module("pyarrow.parquet")
    model = load(prepared(tmp_path), {}).models[0]
    rows = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    table = pa.Table.from_pylist([{"id": r["id"], "ts": r["ts"], "f": r["f"], "s": r["s"]} for r in rows])
    pq.write_table(table, tmp_path / "history.parquet")
    with closing(open_file(tmp_path / "history.parquet", model, LimitsConfig())) as read:
        built = build_reference(BuildSettings.of(model), read.batches, source="history")
    assert built == Reference.load(tmp_path / "reference.json")
    flat = [
        {"id": r["id"], "ts": r["ts"], "a": r["f"]["a"], "s": r["s"], "text": (r["f"]["text"] or [])[:1]} for r in rows
    ]
    wide = pa.Table.from_pylist(flat).append_column("other", pa.array([[0.0] * 2000] * len(flat)))
    pq.write_table(wide, tmp_path / "wide.parquet", row_group_size=3000)
    assert max(len(next(iter(chunk.values()))) for chunk in ParquetTable(tmp_path / "wide.parquet").chunks()) < 1000


def reference_of(batch: Batch, *parts: Batch, **settings: Any) -> Reference:
    return build_reference(BuildSettings(model="m", **settings), lambda: parts or (batch,), source="test")


def test_one_half_fits_and_the_other_is_counted() -> None:
    cells = vectors(np.random.default_rng(1), 3000)
    cells[::50] = np.nan
    batch = batch_of({"text": cells, "a": np.arange(3000.0)})
    reference = reference_of(batch)
    even = hash64(batch.ids) % 2 == 0
    projection = reference.projections["text"]
    order = np.argsort(hash64(batch.ids)[even], kind="stable")
    assert projection.identity == Projection.fit(cells[even][order]).identity
    made = projection.project(cells[~even])
    cluster, error = reference.columns["text.cluster"], reference.columns["text.error"]
    assert isinstance(cluster.bins, CategoricalBins)
    for place, name in enumerate(cluster.bins.categories):
        assert cluster.counts[place] == (made.cluster == int(name)).sum()
    assert isinstance(error.bins, NumericBins)
    assert error.counts.tolist() == np.bincount(error.bins.code(made.error), minlength=error.bins.cells).tolist()
    assert sum(counts.sum() for counts in error.by_day.values()) == error.counts.sum() == (~even).sum()
    assert error.by_hour is not None
    assert error.by_hour.sum() == (~even).sum()
    missing = reference.rate("text.pc1", "", "missing")
    assert missing is not None
    assert missing.tolist() == [int((~even).sum() - (made.cluster < 0).sum()), int((made.cluster < 0).sum())]
    assert reference.columns["a"].counts.sum() == 3000
    assert Reference.from_json(reference.to_json()) == reference
    assert Reference.from_json(reference.to_json()).projections["text"].identity == projection.identity


@settings(max_examples=8, deadline=None)
@given(st.lists(st.integers(1, 1499), max_size=5))
def test_how_rows_are_cut_does_not_matter(cuts: list[int]) -> None:
    batch = batch_of({"text": vectors(np.random.default_rng(2), 1500)})
    places = [0, *sorted(set(cuts)), 1500]
    parts = [batch.take(np.arange(first, last)) for first, last in pairwise(places)]
    assert reference_of(batch, *parts) == reference_of(batch)


def test_few_rows_fit_nothing_and_say_so() -> None:
    reference = reference_of(batch_of({"text": vectors(np.random.default_rng(1), 999)}))
    assert not reference.columns
    assert not reference.projections
    assert any(note.startswith("text: left out") for note in reference.notes)


def test_a_projection_that_is_kept_counts_all_rows() -> None:
    rng = np.random.default_rng(1)
    first = reference_of(batch_of({"text": vectors(rng, 2000)}))
    edges = {name: column.bins for name, column in first.columns.items()}
    again = reference_of(batch_of({"text": vectors(rng, 1500)}), projections=first.projections, edges=edges)
    assert again.projections["text"].identity == first.projections["text"].identity
    assert again.columns["text.residual"].counts.sum() == 1500
    assert again.edges_identity("text.residual") == first.edges_identity("text.residual")


def test_another_projection_is_another_column(tmp_path: Path) -> None:
    config = load(prepared(tmp_path), {}).models[0]
    model: Model = build_model(config, tmp_path)
    reference = Reference.load(tmp_path / "reference.json")
    before = model.layout.origins["text.cluster"]
    other = Projection.fit(vectors(np.random.default_rng(9), 500))
    model.watch(Reference(**{**vars_of(reference), "projections": {"text": other}}))
    assert model.layout.origins["text.cluster"] != before
    assert model.features is not None
    assert model.features["text"] == "vector"
    assert not [name for name in model.features if name in columns_of("text", other)]


def test_a_reference_of_live_rows_keeps_the_projection(tmp_path: Path) -> None:
    model = build_model(load(prepared(tmp_path), {}).models[0], tmp_path)
    found = reference_between(model, [], BEGIN, BEGIN + DAY, "live")
    assert found.projections["text"].identity == model.projections["text"].identity
    before = model.layout.identity
    model.watch(found)
    assert model.layout.describe() == build_model(model.config, tmp_path).layout.describe()
    assert model.layout.identity == before


def vars_of(reference: Reference) -> dict[str, Any]:
    return {name: getattr(reference, name) for name in Reference.__dataclass_fields__}


def test_bad_vectors() -> None:
    good = [1, 2.5]
    values: list[object] = [good, None, [1.0], [1.0, None], [1.0, True], ["1", 2.0], "[1,2]", {"a": 1}, [1e200, 0.0],
                            [float("nan"), 0.0], [10**400, 0], [], [1.0, float("inf")]]  # fmt: skip
    cells, bad = vector_column(values, 2)
    assert cells[0].tolist() == good
    assert np.isnan(cells[1:]).all()
    assert bad.tolist() == list(range(2, len(values)))
    assert vector_column([], 3)[0].shape == (0, 3)


@pytest.mark.parametrize("explode", [None, "value.rows[*]"])
def test_both_engines_read_vectors_and_mark_bad_ones(tmp_path: Path, explode: str | None) -> None:
    model = load(prepared(tmp_path), {}).models[0]
    projections = Reference.load(tmp_path / "reference.json").projections
    cells = vectors(np.random.default_rng(4), 4).tolist()
    rows: list[dict[str, Any]] = [
        {"id": f"r{n}", "ts": BEGIN, "f": {"a": 1.0, "text": cell}, "s": 0.5} for n, cell in enumerate(cells)
    ]
    rows[1]["f"] = {"a": 2.0, "text": "no"}
    rows[2]["f"] = {"a": 2.0}
    rows[3]["f"]["text"].pop()
    values = [json.dumps(row).encode() for row in rows]
    if explode is not None:
        paths = {"id": "row.id", "time": "row.ts", "features": "row.f", "score": "row.s"}
        mapped = model.predictions.map.model_copy(update=paths)
        stream = model.predictions.model_copy(update={"explode": explode, "map": mapped})
        model = model.model_copy(update={"predictions": stream})
        values = [json.dumps({"rows": rows}).encode()]
    numbers = list(range(len(values)))
    records = Records("p", 0, len(values), numbers, [0] * len(values), False, [None] * len(values), list(values))
    schema = Schema.of(model, {"a": "numeric", "text": "vector"}, None, projections)
    chunk = Decoder([schema], LimitsConfig()).decode(records)
    (batch,) = chunk.batches
    made = projections["text"].project(np.array(cells[:1]))
    assert batch.columns["text.cluster"] == [str(made.cluster[0]), None, None, None]
    assert batch.columns["text.residual"][0] == made.residual[0]
    assert chunk.counts[model.name, "vector_size"] == 1
    marked = {name: rows.tolist() for name, rows in batch.bad.items()}
    assert marked == {name: [1, 3] for name in columns_of("text", projections["text"])}


@pytest.mark.parametrize(
    ("feature", "reference", "word"),
    [
        ("{type: vector}", "{source: reference.json}", "size"),
        ("{type: numeric, size: 3}", "{source: reference.json}", "size"),
        ("{type: vector, size: 8}", "{learn: 14d}", "reference file"),
    ],
)
def test_what_cannot_be_watched_is_said(
    tmp_path: Path, feature: str, reference: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = prepared(tmp_path)
    text = CONFIG.format(folder=tmp_path, size=SIZE, reference=reference)
    path.write_text(text.replace("{type: vector, size: 8}", feature))
    validate(path, no_environment=True)
    out = capsys.readouterr()
    assert word in out.out + out.err
