"""Vectors compared whole in the service: summed in panes, told by window, the same however rows come."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.embeddings.mmd import discrepancy
from detectors.embeddings.projection import Projection
from monitor import rows as rows_module
from monitor.assembly import build_model
from monitor.commands.validate import validate
from monitor.config.load import load
from monitor.decoding.sampling import hash64
from monitor.discrepancies import discrepancies
from monitor.events import DAY, HOUR, Batch, IntArray, Reject
from monitor.findings import Finding
from monitor.held import HeldRow, decode_held, encode_held
from monitor.layout import Layout
from monitor.learnt import reference_between
from monitor.model import Model
from monitor.panes import PaneKey, Shelf
from monitor.reference import InvalidReferenceError, Reference
from monitor.rows import RowBuffer, count
from monitor.sources.memory import Item
from monitor.store.memory import MemoryStore
from monitor.vectors import projected
from monitor.windows import Tiers
from tests.references import batch_of
from tests.traffic import run
from tests.unit.test_vectors import BEGIN, CONFIG, SIZE, Rows, found, lines, prepared, reference_of, vectors

NAME = "text.fourier"


def model_of(reference: Reference, folder: Path) -> Model:
    """Return the configured model beside a reference that was made in memory."""
    path = folder / "driftline.yaml"
    reference.save(folder / "reference.json")
    path.write_text(CONFIG.format(folder=folder, size=SIZE, reference="{source: reference.json}"))
    return build_model(load(path, {}).models[0], folder)


def fitted(number: int = 3000, **columns: Any) -> Reference:
    return reference_of(batch_of({"text": vectors(np.random.default_rng(1), number), **columns}))


def turned(reference: Reference, cells: Rows) -> Batch:
    """Return vectors as they leave the decoder."""
    batch = batch_of({"text": cells})
    return replace(batch, columns=projected(batch.columns, {}, reference.projections)[0])


def counts_of(model: Model, cells: Rows) -> IntArray:
    assert model.reference is not None
    batch = turned(model.reference, cells)
    counts: IntArray = model.layout.tally(batch.columns, batch.bad, np.zeros(len(batch), np.int64), 1)[0]
    return counts


def told(model: Model, counts: IntArray) -> list[Finding]:
    return list(discrepancies(model, "", model.windows.named("six_hours"), counts))


def test_replay_tells_what_raw_rows_say_and_finds_what_is_new(tmp_path: Path) -> None:
    path = prepared(tmp_path)
    log = lines(BEGIN, BEGIN + 3 * DAY, 2, BEGIN + 2 * DAY)
    rows = found(tmp_path, path, log)
    whole = [row for row in rows if row["column"] == "text"]
    assert {row["detector"] for row in whole} == {"mmd"}
    assert len(whole) == 12
    assert [row["status"] for row in whole] == ["ok"] * 8 + ["warn"] * 4
    assert all(row["low"] <= row["effect"] <= row["high"] or row["low"] == 0 for row in whole)
    reference = Reference.load(tmp_path / "reference.json")
    projection, before = reference.projections["text"], reference.sums[NAME]
    records = [json.loads(line) for line in log.splitlines()]
    assert projection.fourier is not None
    for place, row in enumerate(whole):
        start = BEGIN + place * 6 * HOUR
        lists = [one["f"]["text"] for one in records if start <= one["ts"] < start + 6 * HOUR]
        cells = np.array([one for one in lists if one is not None and len(one) == SIZE])
        sums = projection.fourier.code(projection.grid.place(cells)).sum(axis=0).astype(np.int64)
        direct = discrepancy(projection.fourier, before, sums)
        assert (row["statistic"], row["effect"], row["p_value"]) == (direct.statistic, direct.effect, direct.p_value)
    error = [row for row in rows if (row["column"], row["detector"]) == ("text.error", "psi")]
    assert len(error) == 12
    assert np.median([row["effect"] for row in error[-4:]]) > max(row["effect"] for row in error[:8])


def test_restarts_the_order_of_reading_and_held_rows_change_no_bit(tmp_path: Path) -> None:
    config = load(prepared(tmp_path), {})
    logs = {number: lines(BEGIN, BEGIN + DAY, 5 + number).splitlines() for number in range(2)}
    logs[0].insert(700, lines(BEGIN + 900 * DAY, BEGIN + 900 * DAY + HOUR, 8).splitlines()[1])
    logs[0][1290:1290] = lines(BEGIN + 16 * HOUR, BEGIN + 18 * HOUR, 9).splitlines()
    runs = []
    for seed, restart_every in ((1, None), (1, 2), (2, None)):
        items = {number: [Item(one) for one in log] for number, log in logs.items()}
        pipeline = run(config, tmp_path, items, seed=seed, restart_every=restart_every)
        results = pipeline.assembly.history.results(None, None)
        runs.append(
            [(result.window, result.start, result.n, result.revision, repr(result.findings)) for result in results]
        )
    assert runs[0] == runs[1] == runs[2]
    assert sum("'mmd'" in findings for *_, findings in runs[0]) == 4
    assert max(revision for *_, revision, _ in runs[0]) > 100


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 599), max_size=5), st.booleans(), st.booleans(), st.integers(0, 100))
def test_sums_in_panes_do_not_depend_on_how_rows_come(cuts: list[int], turn: bool, many: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    cells = vectors(rng, 600)
    cells[rng.integers(600, size=40)] = np.nan
    times = BEGIN + rng.integers(5 * HOUR, size=600)
    batch = replace(turned(_REFERENCE, cells), times=times, versions=["a" if n % 3 else "b" for n in range(600)])
    places = [0, *sorted(set(cuts)), 600]
    parts = [np.arange(first, last) for first, last in pairwise(places)]
    parts = parts[::-1] if turn else parts
    before, rows_module._CELLS_AT_ONCE = rows_module._CELLS_AT_ONCE, 2000 if many else rows_module._CELLS_AT_ONCE  # type: ignore[misc]
    try:
        assert panes([batch.take(part) for part in parts]) == panes([batch])
    finally:
        rows_module._CELLS_AT_ONCE = before  # type: ignore[misc]


def panes(batches: list[Batch]) -> dict[PaneKey, bytes]:
    """Count rows, those of one batch at once, and return the panes' cells; checks the sums against brute force."""
    layout, tiers = _LAYOUT, Tiers((HOUR, DAY), (DAY, 30 * DAY))
    shelf = Shelf(0, MemoryStore(), {"fraud": layout}, {"fraud": tiers.lengths})
    buffer = RowBuffer()
    for batch in batches:
        zeros = np.zeros(len(batch), np.int64)
        buffer.add(batch, zeros, zeros)
        if len(batch) > 100:
            count(buffer, layout, tiers, shelf)
    count(buffer, layout, tiers, shelf)
    first, last = layout.sum_spans[NAME]
    held = {key: shelf.find(key) for v in ("a", "b") for key in shelf.keys("fraud", v, 0, 0, BEGIN + DAY)}
    cells = {key: pane.on_time for key, pane in held.items() if pane is not None}
    total = np.sum([one[first:last] for one in cells.values()], axis=0)
    whole = np.concatenate([np.asarray(batch.columns[NAME]) for batch in batches])
    assert total.tolist() == [int(sum(map(int, column))) for column in whole.T]
    return {key: one.tobytes() for key, one in cells.items()}


def test_a_batch_without_the_vector_adds_nothing(tmp_path: Path) -> None:
    model = model_of(_REFERENCE, tmp_path)
    one, other = turned(_REFERENCE, vectors(np.random.default_rng(3), 50)), batch_of({"score": np.zeros(20)})
    columns, bad = rows_module.joined([one, other], (*model.layout.names, *model.layout.sums))
    counts = model.layout.tally(columns, bad, np.zeros(70, np.int64), 1)[0]
    first, last = model.layout.sum_spans[NAME]
    assert counts[0] == 70
    assert counts[first:last].tolist() == counts_of(model, vectors(np.random.default_rng(3), 50))[first:last].tolist()
    nothing = model.layout.tally(other.columns, {}, np.zeros(20, np.int64), 1)[0]
    assert not nothing[first:last].any()


def test_a_held_row_keeps_its_features() -> None:
    row = turned(_REFERENCE, vectors(np.random.default_rng(3), 1))
    reject = Reject("p", 0, 1, None, "bad_time", "", "m", 0)
    again = decode_held(json.loads(json.dumps(encode_held(HeldRow(row, reject)))))
    assert np.array_equal(np.asarray(again.batch.columns[NAME]), np.asarray(row.columns[NAME]))
    assert again.batch.columns["text.residual"] == row.columns["text.residual"]


def test_the_reference_sums_the_rows_that_fitted_nothing_and_survives_its_file() -> None:
    cells = vectors(np.random.default_rng(1), 3000)
    cells[::50] = np.nan
    batch = replace(batch_of({"text": cells}), versions=["1" if n < 2000 else "2" for n in range(3000)])
    reference = reference_of(batch)
    odd, fourier = hash64(batch.ids) % 2 == 1, reference.projections["text"].fourier
    assert fourier is not None
    made = reference.projections["text"].project(cells)
    assert made.fourier is not None
    assert reference.sums[NAME].tolist() == made.fourier[odd].sum(axis=0).tolist()
    newer = odd & (np.arange(3000) >= 2000)
    summed = reference.summed(NAME, "2")
    assert summed is not None
    assert summed.tolist() == made.fourier[newer].sum(axis=0).tolist()
    inherited = reference.summed(NAME, "3")
    assert inherited is not None
    assert inherited.tolist() == reference.sums[NAME].tolist()
    assert reference.summed("other", "") is None
    again = Reference.from_json(reference.to_json())
    assert again == reference
    assert again.projections["text"].fourier is not None
    assert again.projections["text"].fourier.identity == fourier.identity
    with pytest.raises(InvalidReferenceError, match="sums of what is not there"):
        Reference.from_json(replace(reference, sums={"b.fourier": reference.sums[NAME]}).to_json())


def test_windows_with_too_few_vectors_are_insufficient(tmp_path: Path) -> None:
    model = model_of(_REFERENCE, tmp_path)
    cells = vectors(np.random.default_rng(4), 400)
    (enough,) = told(model, counts_of(model, cells))
    assert enough.status == "ok"
    cells[:250] = np.nan
    for few in (cells, cells[:0], np.full((400, SIZE), np.nan)):
        (finding,) = told(model, counts_of(model, few))
        assert (finding.column, finding.status) == ("text", "insufficient")
        assert np.isnan(finding.statistic)
    (same,) = told(model, counts_of(model, np.zeros((400, SIZE))))
    assert same.status == "drift"


def test_a_reference_of_old_tells_nothing_of_it(tmp_path: Path) -> None:
    old = {name: replace(one, fourier=None) for name, one in _REFERENCE.projections.items()}
    model = model_of(replace(_REFERENCE, projections=old, sums={}), tmp_path)
    assert "text.cluster" in model.layout.coders
    assert not model.layout.sums
    assert not told(model, counts_of(model, vectors(np.random.default_rng(4), 400)))


def test_sums_of_another_projection_are_not_taken_over(tmp_path: Path) -> None:
    model = model_of(_REFERENCE, tmp_path)
    counts, before = counts_of(model, vectors(np.random.default_rng(4), 400)), model.layout
    first, last = before.sum_spans[NAME]
    model.relayout({name: column.bins for name, column in _REFERENCE.columns.items() if name != "text.pc8"})
    carried = model.layout.remap(before.describe(), counts)
    assert carried[slice(*model.layout.sum_spans[NAME])].tolist() == counts[first:last].tolist()
    other = {"text": Projection.fit(vectors(np.random.default_rng(9), 500))}
    model.watch(replace(_REFERENCE, projections=other))
    assert not model.layout.remap(before.describe(), counts)[slice(*model.layout.sum_spans[NAME])].any()


def test_a_reference_of_live_rows_has_the_sums_of_its_panes(tmp_path: Path) -> None:
    model = model_of(_REFERENCE, tmp_path)
    shelf = Shelf(0, MemoryStore(), {"m": model.layout}, {"m": model.windows.tiers.lengths})
    first, last = model.layout.sum_spans[NAME]
    total = np.zeros(last - first, np.int64)
    for hour, version in enumerate(("1", "1", "2")):
        counts = counts_of(model, vectors(np.random.default_rng(hour), 700))
        shelf.add(PaneKey("m", version, 0, BEGIN + hour * HOUR), counts, late=False)
        total += counts[first:last]
    live = reference_between(model, [shelf], BEGIN, BEGIN + DAY, "live")
    assert live.sums[NAME].tolist() == total.tolist()
    own = live.summed(NAME, "2")
    assert own is not None
    assert int(own[0]) == 700
    assert Reference.from_json(live.to_json()) == live


def test_a_detector_without_a_vector_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = prepared(tmp_path)
    path.write_text(path.read_text().replace("on: [text]", "on: [a]"))
    assert validate(path, no_environment=True) == 0
    assert "mmd looks at vectors only" in capsys.readouterr().err


_REFERENCE = fitted()
_LAYOUT = Layout({}, sums={NAME: _REFERENCE.projections["text"].fourier})  # type: ignore[dict-item]  # it is fitted
