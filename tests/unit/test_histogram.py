from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from detectors.bins import CategoricalBins, FloatArray, NumericBins
from detectors.histogram import AT_ONCE, Histogram
from detectors.lookup import Lookup
from monitor.commands.reference import diff
from monitor.reference import BuildSettings, build_reference
from monitor.reference.arrow import tally
from tests.references import START, batch_of

pa: Any = importlib.import_module("pyarrow")
pq: Any = importlib.import_module("pyarrow.parquet")

LAWS: dict[str, Callable[[np.random.Generator, int], FloatArray]] = {
    "normal": lambda rng, n: rng.normal(3.0, 2.0, n),
    "heavy": lambda rng, n: rng.standard_cauchy(n),
    "lognormal": lambda rng, n: rng.lognormal(0.0, 3.0, n),
    "whole": lambda rng, n: rng.integers(-40, 900, n).astype(np.float64),
    "large whole": lambda rng, n: rng.integers(0, 10**17, n).astype(np.float64),
    "halves": lambda rng, n: rng.integers(0, 300, n) / 2,
    "few": lambda rng, n: rng.choice([0.0, 0.1, 7.0], n),
    "ties": lambda rng, n: np.where(rng.random(n) < 0.4, 0.0, rng.gamma(2.0, 10.0, n)),
    "constant": lambda rng, n: np.full(n, 5.0) + 0 * rng.random(),
    "tiny": lambda rng, n: rng.random(n) * 5e-324 * 100,
    "huge": lambda rng, n: rng.normal(0.0, 1e299, n),
}
UGLY = (np.nan, np.inf, -np.inf, 1e301, -1e301, 1e300, 0.0, -0.0, 5e-324, 2.0**53, -1e9)
LENGTHS = (0, 1, 5000, 8191, 8192, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE + 77)


@settings(max_examples=60, deadline=None)
@given(
    law=st.sampled_from(sorted(LAWS)),
    live=st.sampled_from(sorted(LAWS)),
    length=st.sampled_from(LENGTHS),
    ugly=st.sampled_from([0.0, 0.001, 0.3]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_tally_is_what_codes_count_to(law: str, live: str, length: int, ugly: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    bins = NumericBins.fit(LAWS[law](rng, 3000))
    values: FloatArray = LAWS[live](rng, length)
    values = np.where(rng.random(length) < ugly, rng.choice(UGLY, length), values)
    if seed % 3 == 0:  # values that are edges, and their neighbours
        near = rng.choice(np.append(bins.edges, 0.0), length)
        values = np.nextafter(near, rng.choice([-np.inf, np.inf, 0.0], length))
    found = bins.tally(values)
    assert found.tolist() == np.bincount(bins.code(values), minlength=bins.cells).tolist()
    cut = length // 3
    assert bins.tally(values[:cut], values[cut:]).tolist() == found.tolist()


@pytest.mark.parametrize(
    "edges", [[], [1.0], [0.0, 5e-324], [-1e308, 1e308], [0.1, 0.2, 1e200], [2.0**52, 2.0**52 + 1]]
)
def test_edges_that_no_table_suits_are_counted_as_well(edges: list[float]) -> None:
    known = np.array(edges, np.float64)
    values = np.random.default_rng(3).choice([*edges, 0.15, 3.0, -7.0, 1e300, 2.0**52 + 2], 20_000)
    expected = np.bincount(np.searchsorted(known, values, side="left"), minlength=len(known) + 1)
    found = Histogram(known, -np.inf, np.inf, Lookup(known).bins, len(known) + 1).tally([values])
    assert found.tolist() == expected.tolist()


def text_column(seed: int, *, encode: bool) -> Any:
    rng = np.random.default_rng(seed)
    texts = ("de", "fr", "lu", "xx", "", "ä" * 40, None)
    values = [texts[i] for i in rng.choice(len(texts), 9000, p=[0.5, 0.3, 0.004, 0.1, 0.05, 0.026, 0.02])]
    column = pa.chunked_array([pa.array(values[:4000], pa.string()), pa.array(values[4000:], pa.string())])
    return column.dictionary_encode() if encode else column


@pytest.mark.parametrize("encode", [False, True])
def test_arrow_texts_are_counted_as_texts(encode: bool) -> None:
    bins = CategoricalBins.fit([v for v in text_column(1, encode=False).to_pylist() if v != "xx"])
    column = text_column(2, encode=encode)
    expected = np.bincount(bins.code(column.to_pylist()), minlength=bins.cells)
    assert tally(bins, column).tolist() == expected.tolist()
    assert expected[bins.quality["unseen"]] > 0
    assert expected[bins.quality["missing"]] > 0
    assert (
        tally(bins, column.slice(3, 5000)).tolist()
        == np.bincount(bins.code(column.slice(3, 5000).to_pylist()), minlength=bins.cells).tolist()
    )


@pytest.mark.parametrize(
    ("column", "values"),
    [
        (pa.array([1, 2, None, 9], pa.int32()), [1.0, 2.0, np.nan, 9.0]),
        (pa.array([1.5, None, float("nan")], pa.float32()), [1.5, np.nan, np.nan]),
        (pa.array([], pa.float64()), []),
        (pa.array([3, 3, 1], pa.int64()).dictionary_encode(), [3.0, 3.0, 1.0]),
        (pa.array(["1.25", "7.00"]).cast(pa.decimal128(5, 2)), [1.25, 7.0]),
    ],
)
def test_arrow_numbers_of_any_type_are_counted_as_numbers(column: Any, values: list[float]) -> None:
    bins = NumericBins.of_edges([1.0, 2.0, 5.0], low=0.0, high=8.0)
    expected = np.bincount(bins.code(np.array(values, np.float64)), minlength=bins.cells)
    assert tally(bins, pa.chunked_array([column])).tolist() == expected.tolist()


def test_arrow_bools_are_the_categories_true_and_false() -> None:
    bins = CategoricalBins(("true", "false"))
    assert tally(bins, pa.chunked_array([pa.array([True, False, None, True])])).tolist() == [2, 1, 0, 1, 0, 0]


def write(path: Path, seed: int, *, shift: float, plan: str = "b", amount: str = "double") -> Path:
    rng = np.random.default_rng(seed)
    columns = {
        "amount": pa.array(rng.normal(shift, 1.0, 6000)).cast(amount),
        "plan": rng.choice(["a", plan], 6000),
        "other": np.arange(6000),
    }
    pq.write_table(pa.table(columns), path)
    return path


def test_a_parquet_file_is_held_against_a_reference(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    columns = {"amount": rng.normal(0.0, 1.0, 6000), "plan": rng.choice(["a", "b"], 6000).tolist()}
    batch = batch_of(columns, times=START + np.arange(6000))
    reference = tmp_path / "r.json"
    build_reference(BuildSettings(model="m"), lambda: [batch], source="rows", created=0).save(reference)

    def told(path: Path, code: int) -> str:
        console = Console(record=True, width=200)
        assert diff(reference, path, fail_on_drift=True, console=console) == code
        return console.export_text()

    assert "nothing moved" in told(write(tmp_path / "same.parquet", 2, shift=0.0), 0)
    moved = told(write(tmp_path / "moved.parquet", 2, shift=0.3, plan="c"), 3)
    assert "something moved" in moved
    assert "unseen 0.00% → 49.15% *" in moved
    assert "column amount is not numeric" in told(write(tmp_path / "text.parquet", 2, shift=0.0, amount="string"), 65)
    pq.write_table(pa.table({"z": [1]}), tmp_path / "none.parquet")
    assert "none of its columns is in the reference: z" in told(tmp_path / "none.parquet", 65)
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    assert "cannot be read as Parquet" in told(tmp_path / "broken.parquet", 65)
