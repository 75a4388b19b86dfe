from __future__ import annotations

import gzip
import importlib.util
import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from monitor.config.model import ModelConfig
from monitor.config.root import LimitsConfig
from monitor.events import DAY, HOUR, Batch, Records
from monitor.reference import BuildSettings, Reference, build_reference
from monitor.reference import logs as logs_module
from monitor.reference.logs import LogRows
from monitor.reference.readers import open_file
from monitor.reference.rows import Rows, UnreadableRowsError
from monitor.sources.build import MissingExtraError
from monitor.sources.memory import PAUSE, Item, MemorySource
from monitor.sources.port import TopicPartition
from tests.references import START, flat_row, make_rows, model_config, write_csv, write_lines

if importlib.util.find_spec("pyarrow") is None and not os.environ.get("CI"):
    pytest.skip("pyarrow is missing: pip install 'driftline[parquet]'", allow_module_level=True)
pa = importlib.import_module("pyarrow")
pq = importlib.import_module("pyarrow.parquet")


@contextmanager
def opened(path: Path, model: ModelConfig | None = None, **options: Any) -> Iterator[Rows]:
    with closing(open_file(path, model or model_config(), LimitsConfig(), **options)) as rows:
        yield rows


def built(path: Path, model: ModelConfig | None = None, **options: Any) -> Reference:
    with opened(path, model, **options) as rows:
        settings = BuildSettings.of(model or model_config())
        return build_reference(settings, rows.batches, source="rows", timed=rows.timed, created=0)


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=1000)
    return path


def read(path: Path, model: ModelConfig | None = None, **options: Any) -> tuple[list[Batch], Mapping[str, int]]:
    with opened(path, model, **options) as rows:
        return list(rows.batches()), dict(rows.rejected)


def test_the_same_rows_give_the_same_reference_whatever_the_file(tmp_path: Path) -> None:
    rows = make_rows(2500)
    lines = write_lines(tmp_path / "r.jsonl", rows)
    packed = tmp_path / "r.jsonl.gz"
    packed.write_bytes(gzip.compress(lines.read_bytes()))
    table = write_csv(tmp_path / "r.csv", rows)
    packed_table = tmp_path / "r.csv.gz"
    packed_table.write_bytes(gzip.compress(table.read_bytes()))
    nested = write_parquet(tmp_path / "nested.parquet", rows)
    flat = write_parquet(tmp_path / "flat.parquet", [flat_row(row) for row in rows])
    expected = built(lines)
    assert expected.rows == 2500
    for path in (packed, table, packed_table, nested, flat):
        assert built(path).to_json() == expected.to_json(), path


def test_namibia_is_a_category_and_na_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    lines = ["prediction_id,ts,country,amount"]
    lines += [f"{i},2023-11-14T00:00:00Z,{'NA' if i % 2 else 'de'},{'NA' if i % 4 else i}" for i in range(8)]
    path.write_text("\n".join(lines))
    (batch,), _ = read(path)
    assert batch.columns["country"] == ["de", "NA"] * 4
    assert np.isnan(batch.columns["amount"]).tolist() == [i % 4 != 0 for i in range(8)]  # type: ignore[arg-type]  # a column of numbers
    assert dict(batch.bad) == {}


def test_a_text_among_numbers_is_a_bad_cell(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    cells = [*map(str, range(60)), "?", "inf", "1_000", "1e400", ""]
    path.write_text("prediction_id,ts,x\n" + "".join(f"{i},2023-11-14T00:00:00Z,{c}\n" for i, c in enumerate(cells)))
    model = model_config(features={"x": {"type": "numeric"}})
    (batch,), _ = read(path, model)
    assert batch.bad["x"].tolist() == [60, 61, 62, 63]
    assert np.flatnonzero(np.isnan(batch.columns["x"])).tolist() == [60, 61, 62, 63, 64]  # type: ignore[arg-type]  # a column of numbers


def test_an_underscore_makes_no_number_even_where_all_else_is_one(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("prediction_id,ts,x\n" + "".join(f"{i},2023-11-14T00:00:00Z,{i}\n" for i in [*range(60), "1_0"]))
    (batch,), _ = read(path)
    assert batch.bad["x"].tolist() == [60]


def test_rows_without_id_or_time_are_left_out_and_counted_as_in_the_stream(tmp_path: Path) -> None:
    rows = make_rows(50)
    rows[3]["prediction_id"] = None
    rows[5]["ts"] = "yesterday"
    rows[7]["ts"] = None
    expected = {"missing_id": 1, "bad_time": 1, "missing_time": 1}
    for path in (write_lines(tmp_path / "r.jsonl", rows), write_csv(tmp_path / "r.csv", rows)):
        batches, rejected = read(path)
        assert sum(map(len, batches)) == 47
        assert rejected == expected, path
    with opened(tmp_path / "r.csv") as found:
        list(found.batches())
        list(found.batches())
        assert found.notes() == ["3 rows were left out: 1 bad_time, 1 missing_id, 1 missing_time"]


def test_ragged_and_empty_lines_of_a_csv(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text(
        'prediction_id,ts,x\na,2023-11-14T00:00:00Z,1\n\nb,2023-11-14T00:00:00Z\nc,2023-11-14T00:00:00Z,2,3\n"d'
    )
    batches, rejected = read(path)
    assert [batch.ids for batch in batches] == [["a"]]
    assert rejected == {"not_as_many_cells_as_columns": 3}


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_other_separators_byte_order_marks_and_quotes(tmp_path: Path, separator: str) -> None:
    path = tmp_path / "r.csv"
    lines = [["prediction_id", "ts", "city"], ["a", "2023-11-14T00:00:00Z", '"Zürich, ""ZH"""']]
    path.write_text("\ufeff" + "\r\n".join(separator.join(line) for line in lines), "utf-8")
    (batch,), _ = read(path)
    assert (batch.ids, batch.columns["city"]) == (["a"], ['Zürich, "ZH"'])


def test_a_csv_without_ids_or_times_is_counted_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("x,city\n1,a\n2,b\n")
    reference = built(path)
    assert (reference.rows, reference.days) == (2, ())
    with opened(path) as rows:
        assert any("no column of times" in note for note in rows.notes())
        assert any("no column of ids" in note for note in rows.notes())
        assert rows.guesses() == ["numeric, as found: x", "categorical, as found: city"]


def test_columns_can_be_renamed_and_roles_are_no_features(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("row,ts,p,label,x\n1,2023-11-14T00:00:00Z,0.5,1,3\n")
    (batch,), _ = read(path, rename={"row": "prediction_id", "p": "score"})
    assert batch.ids == ["1"]
    assert sorted(batch.columns) == ["score", "x"]


def test_rows_of_other_models_are_left_out_by_where(tmp_path: Path) -> None:
    fields = model_config().model_dump(exclude_unset=True)
    fields["predictions"]["where"] = {"value.model": "fraud"}
    model = ModelConfig.model_validate(fields)
    rows = [{**row, "model": "fraud" if i % 3 else "other"} for i, row in enumerate(make_rows(30))]
    for path in (write_lines(tmp_path / "r.jsonl", rows), write_csv(tmp_path / "r.csv", rows)):
        batches, _ = read(path, model)
        assert [name for batch in batches for name in batch.ids] == [f"id-{i}" for i in range(30) if i % 3]
        assert "model" not in batches[0].columns
    with opened(write_csv(tmp_path / "plain.csv", make_rows(3)), model) as found:
        assert found.guesses()[-1].startswith("no column for where: value.model")


def test_features_mapped_one_by_one_are_found_by_name_or_path(tmp_path: Path) -> None:
    fields = model_config().model_dump(exclude_unset=True)
    fields["predictions"]["map"]["features"] = {"amount": "value.payload.sum", "city": "value.place.city"}
    model = ModelConfig.model_validate(fields)
    path = tmp_path / "r.csv"
    path.write_text("prediction_id,ts,sum,place.city,other\n1,2023-11-14T00:00:00Z,0.5,Ulm,3\n")
    (batch,), _ = read(path, model)
    assert sorted(batch.columns) == ["amount", "city"]


def test_types_of_the_configuration_hold(tmp_path: Path) -> None:
    model = model_config(features={"age": {"type": "categorical"}, "city": {"type": "ignore"}})
    rows = make_rows(20)
    for path in (
        write_lines(tmp_path / "r.jsonl", rows),
        write_csv(tmp_path / "r.csv", rows),
        write_parquet(tmp_path / "r.parquet", rows),
    ):
        (batch,), _ = read(path, model)
        assert batch.columns["age"] == [str(row["features"]["age"]) for row in rows], path
        assert "city" not in batch.columns


def test_types_of_a_parquet_file(tmp_path: Path) -> None:
    stamps = np.array([START, START + 1], "datetime64[us]")
    path = tmp_path / "r.parquet"
    table = pa.table(
        {
            "prediction_id": pa.array([18446744073709551615, 2], pa.uint64()),
            "ts": pa.array(stamps, pa.timestamp("us")),
            "flag": pa.array([True, None]),
            "price": pa.array([1, 2], pa.decimal128(10, 2)),
            "kind": pa.array(["a", "b"]).dictionary_encode(),
            "big": pa.array([float("inf"), 1.0]),
            "vector": pa.array([[1.0], [2.0]]),
            "when": pa.array(stamps, pa.timestamp("us")),
            "nothing": pa.nulls(2),
        }
    )
    pq.write_table(table, path)
    (batch,), rejected = read(path)
    assert rejected == {}
    assert batch.ids == ["18446744073709551615", "2"]
    assert batch.times.tolist() == [START, START + 1]
    assert {name: np.asarray(cells).tolist() for name, cells in batch.columns.items() if name != "big"} == {
        "flag": ["true", None],
        "price": [1.0, 2.0],
        "kind": ["a", "b"],
    }
    assert batch.bad["big"].tolist() == [0]
    with opened(path) as rows:
        assert "left out, no values or neither numbers nor texts: nothing, vector, when" in rows.guesses()


def test_files_that_cannot_be_read_say_what_to_do(tmp_path: Path) -> None:
    for name, content, problem in (
        ("r.parquet", b"no parquet", "cannot be read as Parquet"),
        ("r.csv", b"", "holds no header"),
        ("r.csv.gz", gzip.compress(b"prediction_id,ts,x\n" + b"1,2,3\n" * 99_999)[:-200], "is damaged or cut off"),
        ("r.jsonl.gz", gzip.compress(b"{}\n" * 99_999)[:-200], "Compressed file ended"),
        ("r.xlsx", b"", "of no known kind"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UnreadableRowsError, match=problem):
            read(tmp_path / name)
    with pytest.raises(UnreadableRowsError, match="no such file"):
        read(tmp_path / "none.csv")


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_parquet(tmp_path / "r.parquet", make_rows(3))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"driftline\[parquet\]"):
        read(path)


def test_progress_reaches_the_end(tmp_path: Path) -> None:
    rows = make_rows(300)
    for path in (
        write_lines(tmp_path / "r.jsonl", rows),
        write_csv(tmp_path / "r.csv", rows),
        write_parquet(tmp_path / "r.parquet", rows),
    ):
        told: list[int] = []
        with opened(path) as found:
            list(found.batches(told.append))
            assert told == sorted(told)
            assert told[-1] == found.size


def log(rows: list[dict[str, Any]], partitions: int = 2, late: int = 0) -> MemorySource:
    source = MemorySource(seed=1)
    for i, row in enumerate(rows):
        moment = int(np.datetime64(str(row["ts"]).removesuffix("Z"), "us").astype(np.int64))
        item = Item(json.dumps(row).encode(), log_time=moment + late)
        source.append(TopicPartition("predictions", i % partitions), *([PAUSE] if i % 7 == 0 else []), item)
    return source


def window(source: MemorySource, start: int | None = None, end: int | None = None) -> LogRows:
    return LogRows(source, "predictions", model_config(), LimitsConfig(), description="topic", start=start, end=end)


def test_a_window_of_a_topic_holds_the_rows_of_that_event_time(tmp_path: Path) -> None:
    rows = make_rows(2000)
    start, end = START + 2 * DAY, START + 5 * DAY
    found = window(log(rows, late=HOUR), start, end)
    first = sorted(name for batch in found.batches() for name in batch.ids)
    again = sorted(name for batch in found.batches() for name in batch.ids)
    assert first == again == sorted(f"id-{i}" for i in range(400, 1000))


def test_a_topic_gives_the_reference_that_its_file_gives(tmp_path: Path) -> None:
    rows = make_rows(2500)
    expected = built(write_lines(tmp_path / "r.jsonl", rows))
    topic = window(log(rows, partitions=3))
    found = build_reference(BuildSettings.of(model_config()), topic.batches, source="rows", created=0)
    assert found == expected


def test_records_that_come_while_it_is_read_are_not_read() -> None:
    source = log(make_rows(40))
    found = window(source)
    before = sum(map(len, found.batches()))
    for row in make_rows(7, seed=3):
        source.append(TopicPartition("predictions", 0), Item(json.dumps(row).encode()))
    assert before == sum(map(len, found.batches())) == 40


def test_a_topic_that_is_not_there_is_named() -> None:
    with pytest.raises(UnreadableRowsError, match="topic: does not exist"):
        window(MemorySource())


def test_an_empty_topic_has_no_rows() -> None:
    source = log(make_rows(4))
    source.delete_records(TopicPartition("predictions", 0), 2)
    source.delete_records(TopicPartition("predictions", 1), 2)
    assert list(window(source).batches()) == []


def test_a_source_that_falls_silent_is_given_up() -> None:
    source = log(make_rows(4))
    clock = iter(range(0, 10_000, 10))
    found = LogRows(
        source, "predictions", model_config(), LimitsConfig(), description="topic", monotonic=lambda: next(clock)
    )
    source.consume = lambda *_: []  # type: ignore[method-assign]  # a broker that is gone
    with pytest.raises(UnreadableRowsError, match="nothing came for 30 s"):
        list(found.batches())


def test_records_lost_between_two_readings_are_an_error() -> None:
    source = log(make_rows(40))
    found = window(source)
    list(found.batches())
    source.delete_records(TopicPartition("predictions", 0), 5)
    with pytest.raises(UnreadableRowsError, match="gone"):
        list(found.batches())


def test_records_from_the_end_on_are_cut_off() -> None:
    records = Records("t", 0, 9, [3, 5, 8], [0, 0, 0], False, [None] * 3, [b"a", b"b", b"c"])
    assert logs_module.before(records, 6).values == [b"a", b"b"]
    assert logs_module.before(records, 9) is records
    assert replace(logs_module.before(records, 0)).offsets == []
