from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from monitor.commands.reference import BuildOptions, build, diff, show
from monitor.events import DAY, Column
from monitor.reference import BuildSettings, Reference, build_reference
from monitor.reference.compare import compare
from monitor.sources.memory import Item, MemorySource
from monitor.sources.port import TopicPartition
from tests.references import START, batch_of, make_rows, write_csv, write_lines

CONFIG = """
version: 1
models:
  - name: fraud
    decision: "score >= 0.9"
    reference: {source: fraud.json}
    predictions:
      topic: predictions
      time_format: rfc3339
      map:
        {id: value.prediction_id, time: value.ts, version: value.version, features: value.features, score: value.score}
"""
SECOND = """
  - name: churn
    predictions: {topic: churn, time_format: rfc3339, map: {id: value.id, time: value.ts, score: value.score}}
"""


def console() -> Console:
    return Console(file=io.StringIO(), width=160, color_system=None)


def said(to: Console) -> str:
    assert isinstance(to.file, io.StringIO)
    return to.file.getvalue()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "driftline.yaml"
    path.write_text(CONFIG)
    return path


Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(config: Path) -> Run:
    def call(source: MemorySource | None = None, **options: object) -> tuple[int, str]:
        to = console()
        chosen = BuildOptions(**options)  # type: ignore[arg-type]  # the tests name the options
        code = build(config, {}, chosen, console=to, clock=lambda: 1_700_000_000.5, source=source)
        return code, " ".join(said(to).split())

    return call


def test_build_writes_what_the_configuration_names_before_it_exists(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "fraud.json"
    code, text = run(from_file=write_csv(tmp_path / "r.csv", make_rows(2000)), out=out)
    assert code == 0, text
    found = Reference.load(out)
    assert (found.rows, found.source, found.created) == (2000, "file r.csv", 1_700_000_000_000_000)
    assert "fraud: 2,000 rows" in text
    assert "numeric, as found: age, amount, products" in text
    assert f"wrote {out}" in text


def test_build_from_a_window_of_the_topic(run: Run, tmp_path: Path) -> None:
    source = MemorySource()
    for line, row in zip(
        write_lines(tmp_path / "r.jsonl", make_rows(2000)).read_bytes().splitlines(), make_rows(2000), strict=True
    ):
        moment = int(np.datetime64(str(row["ts"]).removesuffix("Z"), "us").astype(np.int64))
        source.append(TopicPartition("predictions", 0), Item(line, log_time=moment))
    out = tmp_path / "fraud.json"
    code, text = run(
        source, from_topic="predictions", start="2023-11-14T00:00:00Z", end="2023-11-16T00:00:00Z", out=out
    )
    assert code == 0, text
    found = Reference.load(out)
    assert (found.rows, found.days) == (400, ("2023-11-14", "2023-11-15"))
    assert found.source == "topic predictions, from 2023-11-14T00:00:00Z, to 2023-11-16T00:00:00Z"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "say where the rows are"),
        ({"from_file": Path("a.csv"), "from_topic": "t"}, "say where the rows are"),
        ({"from_topic": "t", "start": "2023-11-14"}, "--from: a time without its offset"),
        ({"from_topic": "t", "start": "2023-11-15T00:00:00Z", "end": "2023-11-14T00:00:00Z"}, "--from must be before"),
        ({"from_file": Path("a.csv"), "rename": ["x"]}, "--rename takes COLUMN=NAME"),
        ({"from_file": Path("a.csv"), "model": "other"}, "no model 'other' in the configuration; there are: fraud"),
    ],
)
def test_options_that_make_no_sense(run: Run, options: dict[str, object], problem: str) -> None:
    code, text = run(MemorySource(), **options)
    assert code == 2
    assert problem in text


def test_several_models_need_a_name(run: Run, config: Path, tmp_path: Path) -> None:
    config.write_text(CONFIG + SECOND)
    rows = write_csv(tmp_path / "r.csv", make_rows(10))
    code, text = run(from_file=rows, out=tmp_path / "o.json")
    assert (code, text) == (2, "say which model with --model: fraud, churn")
    assert run(from_file=rows, out=tmp_path / "o.json", model="fraud")[0] == 0


def test_rows_that_cannot_be_used(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "o.json"
    code, text = run(from_file=tmp_path / "none.csv", out=out)
    assert code == 65
    assert "no such file" in text
    path = tmp_path / "r.csv"
    path.write_text("prediction_id,ts,x\n1,yesterday,2\n")
    code, text = run(from_file=path, out=out)
    assert code == 65
    assert "holds no rows of fraud: 1 rows were left out: 1 bad_time" in text
    code, text = run(from_file=path, out=out, edges_from=tmp_path / "none.json")
    assert code == 65
    assert not out.exists()


def test_a_file_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    (tmp_path / "o.json").mkdir()
    code, text = run(from_file=write_csv(tmp_path / "r.csv", make_rows(10)), out=tmp_path / "o.json")
    assert code == 73
    assert "cannot write" in text


def test_show_prints_shapes_quality_versions_and_days(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "o.json"
    run(from_file=write_csv(tmp_path / "r.csv", make_rows(3000)), out=out)
    to = console()
    assert show(out, console=to) == 0
    text = said(to)
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "versions: 9 (2,100), 10 (900)" in text
    assert "10 days" in text
    assert "missing 1.03%" in lines["amount"]
    assert "de " in lines["country"]
    assert "█" in lines["products"]
    assert "×" in lines["age"]
    assert "score >= 0.9" in lines["flagged"]


def test_show_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    (tmp_path / "o.json").write_text("{}")
    to = console()
    assert show(tmp_path / "o.json", console=to) == 65
    assert "not a reference" in said(to)


def test_what_rows_hold_cannot_move_the_cursor(run: Run, tmp_path: Path) -> None:
    rows = make_rows(50)
    for row in rows:
        row["features"]["city"] = "\x1b[2Jgone [bold]"
    out = tmp_path / "o.json"
    run(from_file=write_lines(tmp_path / "r.jsonl", rows), out=out)
    to = console()
    show(out, console=to)
    diff(out, out, console=to)
    assert "\x1b" not in said(to)
    assert "[bold]" in said(to)


def save(path: Path, seed: int, shift: float, categories: str, missing: float = 0.0, edges: Path | None = None) -> Path:
    rng = np.random.default_rng(seed)
    values = rng.normal(shift, size=6000)
    values[rng.random(6000) < missing] = np.nan
    columns: dict[str, Column] = {"x": values, "c": [categories[i] for i in rng.integers(0, len(categories), 6000)]}
    settings = BuildSettings(
        model="fraud",
        edges={} if edges is None else {name: c.bins for name, c in Reference.load(edges).columns.items()},
    )
    batch = batch_of(columns, times=START + np.arange(6000) * (DAY // 1000))
    build_reference(settings, lambda: [batch], source="rows", created=0).save(path)
    return path


def test_diff_finds_nothing_where_nothing_moved(tmp_path: Path) -> None:
    first = save(tmp_path / "a.json", 1, 0.0, "abc")
    second = save(tmp_path / "b.json", 2, 0.0, "abc", edges=first)
    to = console()
    assert diff(first, second, fail_on_drift=True, console=to) == 0
    assert "nothing moved beyond chance" in said(to)


def test_diff_finds_what_moved(tmp_path: Path) -> None:
    first = save(tmp_path / "a.json", 1, 0.0, "abc")
    second = save(tmp_path / "b.json", 2, 0.2, "abd", missing=0.02)
    to = console()
    assert diff(first, second, console=to) == 0
    assert diff(first, second, fail_on_drift=True, console=to) == 3
    text = said(to)
    assert "+d, -c" in text
    assert "missing 0.00% →" in text
    assert "edges differ: c, x" in text
    assert "something moved" in text
    assert diff(first, tmp_path / "none.json", console=console()) == 65


def test_a_shift_is_told_alike_in_the_same_bins_and_in_others(tmp_path: Path) -> None:
    first = save(tmp_path / "a.json", 1, 0.0, "abc")
    exact = compare(Reference.load(first), Reference.load(save(tmp_path / "b.json", 2, 0.5, "abc", edges=first)))
    near = compare(Reference.load(first), Reference.load(save(tmp_path / "c.json", 2, 0.5, "abc")))
    for kind in ("psi", "ks", "jensen_shannon"):
        known, approximate = (found.changes[-1].figures[kind] for found in (exact, near))
        assert known.beyond
        assert approximate.value == pytest.approx(known.value, rel=0.1)


def test_columns_that_come_go_or_change_their_type_are_named(tmp_path: Path) -> None:
    values, words = np.arange(30.0), ["a", "b", "c"] * 10
    one = build_reference(BuildSettings(model="m"), lambda: [batch_of({"x": values, "y": values})], source="")
    other = build_reference(BuildSettings(model="n"), lambda: [batch_of({"x": list(words), "z": values})], source="")
    found = compare(one, other)
    assert (found.new, found.vanished, found.retyped) == (("z",), ("y",), ("x",))
    assert found.moved
    one.save(tmp_path / "a.json")
    other.save(tmp_path / "b.json")
    to = console()
    diff(tmp_path / "a.json", tmp_path / "b.json", console=to)
    for line in ("new columns: z", "vanished columns: y", "changed their type: x", "different models"):
        assert line in said(to)


def test_columns_without_any_value_have_no_figures() -> None:
    nothing = build_reference(BuildSettings(model="m"), lambda: [batch_of({"x": np.full(9, np.nan)})], source="")
    change = compare(nothing, nothing).changes[0]
    assert change.figures == {}
    assert not change.moved
