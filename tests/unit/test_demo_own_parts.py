"""Columns, windows, the order of rows and known changes of a person's own file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from monitor.commands.demo_columns import study
from monitor.config.model import WindowConfig
from monitor.config.model_checks import check_windows
from monitor.config.quoting import key, scalar
from monitor.decoding.cells import is_field_name
from monitor.decoding.schema import RESERVED
from monitor.demo.own.changes import NEW, NEW_SHARE, Changer, changes
from monitor.demo.own.lines import LinesTable, Shape
from monitor.demo.own.mapping import Choice, NoSuchColumnError, Said, choose, field_name
from monitor.demo.own.opening import open_table
from monitor.demo.own.spool import Spool, Writer, encode, stamps_of
from monitor.demo.own.timeline import FEWEST, TooFewRowsError, arrange
from monitor.demo.own.windows import FEWEST_ROWS, GRID, choose_windows
from monitor.events import DAY, HOUR, MINUTE, SECOND, Batch, IntArray
from monitor.reference import BuildSettings, build_reference

NOON = 1_704_110_400 * SECOND


def chosen(path: Path, **said: Any) -> Choice:
    sample, guessed = study(open_table(path))
    return choose(sample, guessed, Said(**said))


def csv_file(tmp_path: Path, header: str, rows: list[str]) -> Path:
    path = tmp_path / "own.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@given(st.text(max_size=30))
def test_any_text_survives_yaml(text: str) -> None:
    yaml = YAML(typ="safe")
    if not text.isprintable() and any(0xD800 <= ord(c) <= 0xDFFF for c in text):
        return
    assert yaml.load(f"{key(text)}: 1") == {text: 1}
    assert yaml.load(f"a: {scalar(text)}") == {"a": text.replace("${", "$${")}


@given(st.lists(st.text(max_size=300), max_size=8))
def test_any_names_become_different_usable_ones(texts: list[str]) -> None:
    taken: set[str] = set()
    for number, text in enumerate(texts, start=1):
        name = field_name(text, taken, number)
        assert is_field_name(name)
        assert name not in taken | RESERVED
        taken.add(name)


def test_columns_are_told_by_what_they_hold(tmp_path: Path) -> None:
    rows = [
        f"{i},u{i},{1000 + i * 7},2024-01-01 {i % 24:02d}:00,{i % 7 * 1.5},{'xy'[i % 2]},,{'1e308' if i % 3 else 2},"
        f"{'inf' if i % 5 == 0 else i % 4},text number {i}"
        for i in range(200)
    ]
    found = chosen(csv_file(tmp_path, "row,user,customer_id,seen,a,b,c,d,e,f", rows))
    assert {f.name: f.kind for f in found.features} == {"a": "number", "b": "category", "d": "number", "e": "number"}
    assert found.time == "seen"
    assert found.left_out == {
        "row": "counts the rows", "user": "an id or free text", "customer_id": "an id or free text", "c": "no values",
        "f": "an id or free text",
    }  # fmt: skip


def test_roles_are_guessed_by_name_and_said_ones_hold(tmp_path: Path) -> None:
    rows = [f"r{i},2024-01-01,{i / 300},{i % 2},{i % 2},{i % 5}" for i in range(300)]
    path = csv_file(tmp_path, "request_id,ts,score,pred,actual,x", rows)
    found = chosen(path)
    assert (found.id, found.time, found.roles) == (
        "request_id", "ts", {"score": "score", "prediction": "pred", "label": "actual"}
    )  # fmt: skip
    assert [f.name for f in found.features] == ["x"]
    other = chosen(path, score="x", prediction="none", time="none", ignored=("score",))
    assert other.roles == {"score": "x", "label": "actual"}
    assert (other.time, other.left_out["score"]) == ("", "as you said")


@pytest.mark.parametrize(
    ("said", "message"),
    [({"time": "when"}, "no column 'when'; there are: 'ts', 'x', 'c'"), ({"time": "x"}, "holds times in 0%"),
     ({"score": "c"}, "must be a number"), ({"label": "ts"}, "both the label and something else")],
)  # fmt: skip
def test_what_is_said_must_make_sense(tmp_path: Path, said: dict[str, str], message: str) -> None:
    path = csv_file(tmp_path, "ts,x,c", [f"2024-01-01,{i % 3},{'ab'[i % 2]}" for i in range(50)])
    with pytest.raises(NoSuchColumnError, match=message):
        chosen(path, **said)


def test_documents_become_rows() -> None:
    document = {"id": 1, "a": {"b": {"c": 2}}, "rows": [{"x": 1, "id": 5}, [7, 8], 3]}
    assert list(Shape("rows").flatten(document)) == [
        {"id": 5, "a.b.c": 2, "x": 1}, {"id": 1, "a.b.c": 2, "f0": 7, "f1": 8},
    ]  # fmt: skip
    assert list(Shape(None, "v").flatten({"v": [1, "a"], "w": 2})) == [{"w": 2, "f0": 1, "f1": "a"}]


def test_unreadable_lines_are_counted_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    lines = [
        '{"a": 1}',
        "nonsense",
        "",
        "[1]",
        '{"a": NaN}',
        "[" * 5000,
        '{"b": "' + "x" * (2 << 20) + '"}',
        '{"a": 2}',
    ]
    path.write_text("\n".join(lines))
    table = LinesTable(path)
    assert [dict(chunk) for chunk in table.chunks()] == [{"a": [1, None, 2]}]
    assert table.rejected == {"not_json": 1, "not_an_object": 1, "too_deep": 1, "too_large": 1}
    assert table.first_lines == {"not_json": 2, "not_an_object": 4, "too_deep": 6, "too_large": 7}


def spooled(path: Path, folder: Path, **said: Any) -> Spool:
    table = open_table(path)
    sample, guessed = study(table)
    return Writer(table, choose(sample, guessed, Said(**said)), folder / "rows").write()


def test_records_keep_bad_cells_bad_and_missing_ones_missing(tmp_path: Path) -> None:
    rows = [f"2024-01-01T00:00:{i:02d},{i * 1.5},x" for i in range(57)]
    rows += ["2024-01-01T00:01:00,inf,", "2024-01-01T00:01:01,n/a,NA", "2024-01-01T00:01:02,two,y"]
    spool = spooled(csv_file(tmp_path, "ts,volume,c", rows), tmp_path)
    assert spool.times is not None
    wanted = np.array([59, 57, 58, 0])
    records = [json.loads(line) for line in spool.lines(wanted, stamps_of(spool.times[wanted]))]
    assert [record["features"] for record in records] == [
        {"volume_column": "two", "c": "y"}, {"volume_column": "inf", "c": None}, {"volume_column": None, "c": "NA"},
        {"volume_column": 0.0, "c": "x"},
    ]  # fmt: skip
    assert records[0]["ts"] == "2024-01-01T00:01:02.000000Z"
    assert [record["id"] for record in records] == [60, 58, 59, 1]


def test_decimal_commas_are_numbers(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "a;b", [f"{i},5;{'x' if i % 2 else 'y'}" for i in range(100)])
    spool = spooled(path, tmp_path)
    first = json.loads(next(spool.lines(np.array([3]), ["2024-01-01T00:00:00Z"])))
    assert first["features"] == {"a": 3.5, "b": "x"}


TIMES = st.lists(st.integers(0, 40 * DAY // MINUTE), min_size=2 * FEWEST, max_size=900).map(
    lambda minutes: NOON + np.array(minutes, np.int64) * MINUTE
)


@given(TIMES, st.floats(0.05, 0.95), st.lists(st.sampled_from([-1, -2]), max_size=20))
@settings(max_examples=30, deadline=None)
def test_no_row_is_lost_and_none_is_on_the_wrong_side(times: IntArray, share: float, bad: list[int]) -> None:
    cells = np.concatenate([times, np.array(bad, np.int64)])
    try:
        found = arrange(cells, len(cells), share=share, until=None)
    except TooFewRowsError:
        return
    assert len(found.rows) + found.far == len(times)
    assert len(set(found.rows.tolist())) == len(found.rows)
    assert FEWEST <= found.split <= len(found.rows) - FEWEST
    assert (np.diff(found.times) >= 0).all()
    if not found.even:
        assert (cells[found.rows] == found.times).all()
        assert found.times[found.split - 1] < found.times[found.split], "rows of one time are not parted"


@given(TIMES)
@settings(max_examples=30, deadline=None)
def test_windows_are_such_as_the_configuration_takes(times: IntArray) -> None:
    found = choose_windows(np.sort(times))
    configured = {"short": WindowConfig(size=found.size)}
    if found.long is not None:
        configured["long"] = WindowConfig(size=found.long, slide=found.size)
        assert found.long >= 4 * found.size
    assert [
        complaint.message for complaint in check_windows(configured) if "a window of" not in complaint.message
    ] == []
    assert found.min_samples >= FEWEST_ROWS


@pytest.mark.parametrize(
    ("step", "rows", "size"),
    [(SECOND, 100_000, HOUR), (MINUTE, 5_000, 3 * HOUR), (10 * MINUTE, 5_000, 2 * DAY), (DAY, 5_000, 182 * DAY)],
)
def test_windows_follow_the_rate(step: int, rows: int, size: int) -> None:
    times = NOON // size * size + np.arange(rows) * step
    found = choose_windows(times)
    assert found.size == size
    brute = [
        int(((times >= begin) & (times < begin + size)).sum()) for begin in range(int(times[0]), int(times[-1]), size)
    ]
    assert abs(found.rows - float(np.median(brute))) <= 1
    assert found.rows >= found.min_samples


def test_long_spans_get_whole_days() -> None:
    times = NOON + np.arange(0, 6 * DAY, SECOND * 10)
    assert choose_windows(times[: len(times) // 2]).size < DAY
    assert choose_windows(np.append(times, NOON + 6 * DAY)).size == DAY
    assert all(length in GRID for length in (DAY, 7 * DAY))


def test_one_time_far_away_is_left_out() -> None:
    times = NOON + np.arange(1_000) * HOUR
    cells = np.concatenate([[0], times, [4_070_908_800 * SECOND]])
    found = arrange(cells, len(cells), share=0.5, until=None)
    assert found.far == 2
    assert set(found.rows.tolist()) == set(range(1, 1_001))


def test_too_few_rows_are_told_with_numbers() -> None:
    with pytest.raises(TooFewRowsError, match=r"199 rows; at least 200"):
        arrange(None, 199, share=0.5, until=None)
    times = np.where(np.arange(500) < 150, NOON + np.arange(500) * HOUR, -2)
    with pytest.raises(TooFewRowsError, match=r"150 rows with a time, of 500"):
        arrange(times, 500, share=0.5, until=None)
    with pytest.raises(TooFewRowsError, match=r"there are 10 rows and from it on 490"):
        arrange(NOON + np.arange(500) * HOUR, 500, share=0.5, until=NOON + 10 * HOUR)


def test_the_reference_ends_where_it_was_said() -> None:
    times = NOON + np.arange(1_000) * HOUR
    assert arrange(times, 1_000, share=0.3, until=None).split == 300
    assert arrange(times, 1_000, share=0.3, until=NOON + 700 * HOUR).split == 700


def test_changes_touch_what_they_say_and_nothing_before() -> None:
    timeline = arrange(None, 4_000, share=0.5, until=None)
    draw = np.random.default_rng(1)
    numbers, texts = draw.normal(size=4_000), draw.choice(["a", "b"], 4_000).tolist()
    stamps, zeros = timeline.times[:2_000], np.zeros(2_000, np.int64)
    batch = Batch(
        "m", "prediction", [str(i) for i in range(2_000)], [""] * 2_000, stamps, zeros, zeros,
        {"x": numbers[:2_000], "c": texts[:2_000], "y": numbers[:2_000] * 2},
    )  # fmt: skip
    reference = build_reference(BuildSettings(model="m"), lambda: [batch], source="rows")
    chosen = changes(reference, timeline, {"x"})
    assert [(change.column, change.kind) for change in chosen] == [
        ("y", "covariate shift"), ("c", "new category"), ("x", "missing values")
    ]  # fmt: skip
    later = zip(numbers[2_000:].tolist(), texts[2_000:], strict=True)
    records = [{"features": {"x": x, "c": c, "y": 2 * x}} for x, c in later]
    lines = [encode(record) for record in records]
    changer = Changer(chosen, reference, 2_000)
    whole = [json.loads(line) for line in changer.lines(lines, timeline.live, 0)]
    parts = [
        json.loads(line)
        for begin in range(0, 2_000, 333)
        for line in changer.lines(lines[begin : begin + 333], timeline.live[begin : begin + 333], begin)
    ]
    assert whole == parts, "the borders between blocks do not matter"
    assert whole[:800] == records[:800]
    moved = [new["features"]["y"] - old["features"]["y"] for new, old in zip(whole[800:], records[800:], strict=True)]
    assert moved == pytest.approx([moved[0]] * 1_200)
    assert moved[0] == pytest.approx(2.0, rel=0.1), "one standard deviation"
    assert float(np.mean([new["features"]["c"] == NEW for new in whole[1_000:]])) == pytest.approx(NEW_SHARE, abs=0.04)
    assert float(np.mean([new["features"]["x"] is None for new in whole[1_200:]])) == pytest.approx(0.3, abs=0.06)
    assert all(new["features"]["c"] != NEW for new in whole[:1_000])
    assert all(new["features"]["x"] is not None for new in whole[:1_200])


def test_rows_without_times_are_told_by_their_number() -> None:
    found = arrange(None, 10_000, share=0.5, until=None)
    assert found.even
    assert found.when(found.begin) == "row 5,001"
    assert found.when(int(found.times[7_776])) == "row 7,777"
    assert np.unique(np.diff(found.times)).size == 1
    held = np.unique(found.live // found.windows.size, return_counts=True)[1]
    assert held[1:-1].tolist() == [found.windows.rows] * (len(held) - 2)
    assert found.lasts(found.windows.size) == f"{found.windows.rows} rows"
