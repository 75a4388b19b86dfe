from __future__ import annotations

import base64
import json
import math
from typing import Any

import numpy as np
import pytest

from monitor.config.model import ModelConfig, StreamConfig
from monitor.config.root import LimitsConfig
from monitor.decoding.decoder import Decoder
from monitor.decoding.looking import is_looked_at
from monitor.decoding.loose_engine import LooseEngine
from monitor.decoding.reasons import OUTCOMES, REJECTS
from monitor.decoding.sampling import kept
from monitor.decoding.schema import ColumnType, Schema
from monitor.decoding.typed_engine import TypedEngine
from monitor.events import Batch, Chunk, Headers, Records

COLUMNS: dict[str, ColumnType] = {"amount": "numeric", "country": "categorical"}
MAP = {
    "id": "value.id", "time": "value.ts", "version": "value.v", "features": "value.x", "score": "value.score",
}  # fmt: skip
TS = "2026-11-01T00:00:00Z"
T = 1_793_491_200_000_000
SEVEN = 7_000_000


def stream(**keys: Any) -> StreamConfig:
    return StreamConfig.model_validate({"topic": "t", "map": MAP, **keys})


def records(
    values: list[bytes | None], *, keys: list[bytes | None] | None = None, headers: list[Headers] | None = None
) -> Records:
    n = len(values)
    return Records("t", 0, n, list(range(n)), [SEVEN] * n, True, keys or [None] * n, values, headers or [])


def decode(
    values: list[Any],
    *,
    columns: dict[str, ColumnType] | None = COLUMNS,
    limits: LimitsConfig | None = None,
    **keys: Any,
) -> Chunk:
    """Decode values (objects are written as JSON) with one model."""
    outer = {name: keys.pop(name) for name in ("keys", "headers") if name in keys}
    texts = [v if isinstance(v, bytes | None) else json.dumps(v).encode() for v in values]
    schema = Schema("m", stream(**keys), columns)
    return Decoder([schema], limits or LimitsConfig()).decode(records(texts, **outer))


def one(chunk: Chunk) -> Batch:
    (batch,) = chunk.batches
    return batch


def row(id_: object = "a", **keys: Any) -> dict[str, Any]:
    return {"id": id_, "ts": TS, "v": "7", "x": {"amount": 1.5, "country": "DE"}, "score": 0.5, **keys}


def reasons(chunk: Chunk) -> list[str]:
    return [reject.reason for reject in chunk.rejects]


def test_a_clean_record_becomes_a_row() -> None:
    chunk = decode([row("a"), row("b", v=8, score=1)])
    batch = one(chunk)
    assert (batch.model, batch.kind, batch.ids, batch.versions) == ("m", "prediction", ["a", "b"], ["7", "8"])
    assert batch.times.tolist() == [T, T]
    assert batch.log_times.tolist() == [SEVEN, SEVEN]
    assert batch.offsets.tolist() == [0, 1]
    assert list(batch.columns) == ["score", "amount", "country"]
    assert np.asarray(batch.columns["score"]).tolist() == [0.5, 1.0]
    assert batch.columns["country"] == ["DE", "DE"]
    assert (batch.bad, batch.sources, chunk.rejects, chunk.counts) == ({}, None, (), {})


POISON: list[tuple[bytes | None, str]] = [
    (b"", "empty_value"),
    (b" ", "not_json"),
    (b"not json", "not_json"),
    (b"{", "not_json"),
    (b'{"id": "p", "ts":', "not_json"),
    (b'{"id": "p"} trailing', "not_json"),
    (b'{"id": "p",}', "not_json"),
    (b"\x00\x01\x02", "not_json"),
    (b"\xff\xfe{\x00}\x00", "not_json"),
    (b"null", "not_a_row"),
    (b"[]", "not_a_row"),
    (b'"text"', "not_a_row"),
    (b"12", "not_a_row"),
    (b"NaN", "not_a_row"),
    (b"{}", "missing_id"),
    (b'{"id": null, "ts": "2026-11-01T00:00:00Z"}', "missing_id"),
    (b'{"id": "", "ts": "2026-11-01T00:00:00Z"}', "missing_id"),
    (b'{"id": 1.5, "ts": "2026-11-01T00:00:00Z"}', "bad_id"),
    (b'{"id": {}, "ts": "2026-11-01T00:00:00Z"}', "bad_id"),
    (b'{"id": "\\ud800", "ts": "2026-11-01T00:00:00Z"}', "bad_id"),
    (b'{"id": "\xff", "ts": "2026-11-01T00:00:00Z"}', "bad_id"),
    (b'{"id": "p"}', "missing_time"),
    (b'{"id": "p", "ts": 1700000000}', "bad_time"),
    (b'{"id": "p", "ts": "2026-11-01T00:00:00"}', "bad_time"),
    (b'{"id": "p", "ts": "2999-11-01T00:00:00Z"}', "bad_time"),
    (b"[" * 100_000, "too_deep"),
    (b'{"id": "p", "junk": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "too_deep"),
    (b'{"id": "p", "junk": ' + b"[" * 32 + b"]" * 32 + b"}", "too_deep"),
    (b"{" + b",".join(b'"%d":1' % i for i in range(10_001)) + b"}", "too_many_keys"),
    (b'{"id": "' + b"x" * (1 << 20) + b'"}', "too_large"),
    (b'{"id": "' + b"x" * 10_000 + b'", "ts": "2026-11-01T00:00:00Z"}', "bad_id"),
]


@pytest.mark.parametrize(("poison", "reason"), POISON, ids=[f"{i}-{reason}" for i, (_, reason) in enumerate(POISON)])
def test_poison_is_refused_and_the_rest_is_as_if_it_were_not_there(poison: bytes, reason: str) -> None:
    chunk = decode([row("a"), poison, row("b")])
    (reject,) = chunk.rejects
    assert (reject.reason, reject.offset, reject.row, reject.model) == (reason, 1, None, "m")
    assert reject.stable_key == "t:0:1"
    assert reject.detail.startswith(REJECTS[reason])  # type: ignore[index]
    assert reject.value == (None if reason == "too_large" else poison)
    clean, batch = one(decode([row("a"), row("b")])), one(chunk)
    assert batch.ids == clean.ids
    assert batch.offsets.tolist() == [0, 2]
    assert batch.sources is not None
    assert batch.sources.tolist() == [0, 2]
    assert {name: list(c) for name, c in batch.columns.items()} == {name: list(c) for name, c in clean.columns.items()}


def test_all_poison_at_once_is_counted_exactly() -> None:
    values = [value for value, _ in POISON] * 3
    chunk = decode([*values, row()])
    assert reasons(chunk) == [reason for _, reason in POISON] * 3
    assert len(one(chunk)) == 1


def test_details_never_hold_values() -> None:
    for reject in decode([b"secret-canary", row({"secret-canary": 1}), row(ts="secret-canary")]).rejects:
        assert "canary" not in reject.detail


def test_tombstones_are_counted() -> None:
    chunk = decode([None, row(), None])
    assert chunk.counts == {("", "tombstone"): 2}
    assert chunk.rejects == ()
    assert len(one(chunk)) == 1


@pytest.mark.parametrize(
    "cell", ["true", '"12"', "[]", "{}", "1e999", "-Infinity", "1e308", "9" * 400, "1" + "0" * 5000, '"NaN"']
)
def test_one_bad_cell_does_not_cost_the_record(cell: str) -> None:
    text = json.dumps(row()).replace("1.5", cell).encode()
    chunk = decode([row("a"), text, row("c")])
    batch = one(chunk)
    assert np.isnan(np.asarray(batch.columns["amount"], float)).tolist() == [False, True, False]
    assert batch.columns["country"] == ["DE"] * 3
    assert {name: index.tolist() for name, index in batch.bad.items()} == {"amount": [1]}
    assert chunk.counts == {("m", "decode_fallback"): 1}


@pytest.mark.parametrize(("cell", "value"), [("-0.0", -0.0), ("1e-320", 1e-320), ("18446744073709551616", 2.0**64)])
def test_odd_but_finite_numbers_pass(cell: str, value: float) -> None:
    chunk = decode([json.dumps(row()).replace("1.5", cell).encode()])
    (found,) = np.asarray(one(chunk).columns["amount"]).tolist()
    assert (found, math.copysign(1, found)) == (value, math.copysign(1, value))
    assert chunk.counts == {}


def test_nan_is_missing_and_counted() -> None:
    chunk = decode([row(x={"amount": math.nan, "country": "NaN"}), b"\xef\xbb\xbf" + json.dumps(row("b")).encode()])
    batch = one(chunk)
    assert np.isnan(np.asarray(batch.columns["amount"], float)).tolist() == [True, False]
    assert batch.columns["country"] == ["NaN", "DE"]
    assert (batch.bad, chunk.counts) == ({}, {("m", "decode_fallback"): 2})


def test_absent_null_and_unreachable_features() -> None:
    chunk = decode([row("a", x={}), row("b", x=None), row("c", x=[1]), {"id": "d", "ts": TS}])
    batch = one(chunk)
    assert np.isnan(np.asarray(batch.columns["amount"], float)).all()
    assert batch.columns["country"] == [None] * 4
    assert {name: index.tolist() for name, index in batch.bad.items()} == {"amount": [2], "country": [2]}
    assert batch.versions == ["7", "7", "7", ""]


def test_categories_have_one_spelling_whatever_type_they_are_written_in() -> None:
    cells: list[Any] = [3, 3.0, "3", True, "true", None, 2**70, []]
    batch = one(decode([row(str(i), x={"country": cell}) for i, cell in enumerate(cells)]))
    assert batch.columns["country"] == ["3", "3", "3", "true", "true", None, str(2**70), None]
    assert batch.bad["country"].tolist() == [7]


def test_a_category_of_a_megabyte_is_cut() -> None:
    (cell,) = one(decode([row(x={"country": "x" * 100_000})])).columns["country"]
    assert isinstance(cell, str)
    assert len(cell) < 100


def test_ids_beyond_64_bits_do_not_collide() -> None:
    assert one(decode([row(18446744073709551616), row(18446744073709551617)])).ids == [
        "18446744073709551616",
        "18446744073709551617",
    ]


def test_a_bad_version_is_empty_and_counted() -> None:
    chunk = decode([row(v={}), row(v=None), row(v=True)])
    assert one(chunk).versions == ["", "", "true"]
    assert chunk.counts == {("m", "bad_version"): 1}


def test_a_field_that_fails_often_is_read_untyped_with_the_same_result() -> None:
    values = [row(str(i), x={"amount": "12" if i % 4 == 0 else i, "country": "DE"}) for i in range(200)]
    texts: list[bytes | None] = [json.dumps(v).encode() for v in values]
    decoder = Decoder([Schema("m", stream(), COLUMNS)], LimitsConfig())
    before, after = decoder.decode(records(texts)), decoder.decode(records(texts))
    (engine,) = decoder._engines
    assert isinstance(engine, TypedEngine)
    assert [str(path) for path in engine._loose] == ["value.x.amount"]
    assert before.counts == after.counts == {("m", "decode_fallback"): 50}
    assert one(before).bad["amount"].tolist() == one(after).bad["amount"].tolist() == list(range(0, 200, 4))
    np.testing.assert_array_equal(one(before).columns["amount"], one(after).columns["amount"])


def test_one_record_of_64_is_looked_at_for_unknown_fields() -> None:
    decoder = Decoder([Schema("m", stream(), {**COLUMNS, "old": "ignore"})], LimitsConfig())
    values: list[bytes | None] = [json.dumps(row(x={"amount": 1, "new": 2, "old": 3, "a\nb": 1})).encode()] * 1_280
    chunk = decoder.decode(records(values))
    looked = one(chunk).looked
    assert looked is not None
    assert sorted(looked) == np.flatnonzero(is_looked_at(np.arange(1_280))).tolist()
    assert set(looked.values()) == {("new", "other")}
    assert chunk.counts == {("m", "unknown_field"): 2 * len(looked)}
    assert 18 <= len(looked) <= 22


@pytest.mark.parametrize("period", range(2, 20))
def test_producers_that_take_turns_are_all_looked_at(period: int) -> None:
    """Offsets that are multiples of 64 would only ever belong to one of two producers."""
    looked = np.flatnonzero(is_looked_at(np.arange(64_000)))
    shares = np.bincount(looked % period, minlength=period) / len(looked)
    assert np.abs(shares * period - 1).max() < 0.2


def test_rows_in_lists_are_looked_at_with_their_record() -> None:
    rows = [{"id": str(n), "x": {"amount": 1, f"new{n}": 2}} for n in range(3)]
    values: list[bytes | None] = [json.dumps({"ts": TS, "rows": rows}).encode()] * 200
    config = stream(explode="value.rows[*]", map={"id": "{offset}:{row}", "time": "value.ts", "features": "row.x"})
    batch = one(Decoder([Schema("m", config, COLUMNS)], LimitsConfig()).decode(records(values)))
    assert batch.looked is not None
    offsets = np.flatnonzero(is_looked_at(np.arange(200)))
    assert batch.looked == {3 * offset + n: (f"new{n}",) for offset in offsets.tolist() for n in range(3)}


def test_where_features_are_named_or_still_learnt_nothing_is_unknown() -> None:
    named = {"id": "value.id", "time": "value.ts", "features": {"amount": "value.x.amount"}}
    for schema in (Schema("m", stream(), None), Schema("m", stream(map=named), {"amount": "numeric"})):
        values: list[bytes | None] = [json.dumps(row(x={"amount": 1, "new": 2})).encode()] * 100
        assert one(Decoder([schema], LimitsConfig()).decode(records(values))).looked is None


def test_taking_and_joining_rows_keeps_what_was_seen_of_them() -> None:
    values: list[bytes | None] = [json.dumps(row(x={"amount": 1, f"new{n}": 2})).encode() for n in range(9_000)]
    batch = one(Decoder([Schema("m", stream(), COLUMNS)], LimitsConfig()).decode(records(values)))
    expected = {n: (f"new{n}",) for n in np.flatnonzero(is_looked_at(np.arange(9_000))).tolist()}
    assert batch.looked == expected
    part = batch.take(np.arange(1, 9_000, 3))
    assert part.looked == {(n - 1) // 3: names for n, names in expected.items() if n % 3 == 1}


def test_roles_have_the_types_of_the_task() -> None:
    mapped = {**MAP, "prediction": "value.p", "label": "value.y", "latency": "value.ms", "error": "value.e"}
    value = row(p=1, y=0, ms=12, e=503)
    batch = one(decode([value], map=mapped))
    assert {name: list(batch.columns[name]) for name in ("prediction", "label", "latency", "error")} == {
        "prediction": ["1"], "label": ["0"], "latency": [12.0], "error": [1.0],
    }  # fmt: skip
    model = ModelConfig.model_validate(
        {"name": "m", "task": "regression", "predictions": {"topic": "t", "map": mapped}}
    )
    numeric = Decoder([Schema.of(model, COLUMNS)], LimitsConfig()).decode(records([json.dumps(value).encode()]))
    assert np.asarray(one(numeric).columns["prediction"]).tolist() == [1.0]


@pytest.mark.parametrize(
    ("form", "path", "value", "micros"),
    [
        ("epoch_s", "value.ts", 1.5, 1_500_000), ("epoch_ms", "value.ts", 1500, 1_500_000),
        ("epoch_us", "value.ts", 7, 7), ("rfc3339", "timestamp", None, SEVEN), ("epoch_ms", "timestamp", None, SEVEN),
        ("rfc3339", "headers.ce_time", None, T), ("epoch_ms", "headers.ms", None, 1_500_000),
    ],
)  # fmt: skip
def test_time_comes_from_where_and_how_it_is_stated(form: str, path: str, value: object, micros: int) -> None:
    headers: list[Headers] = [[("ce_time", b"gone"), ("ms", b"1500"), ("ce_time", TS.encode())]]
    chunk = decode([row(ts=value)], headers=headers, time_format=form, map={**MAP, "time": path})
    assert one(chunk).times.tolist() == [micros]


def test_id_version_and_cells_from_around_the_value() -> None:
    mapped = {
        "id": "{key}/{headers.run}-{offset}", "time": "timestamp", "version": "headers.v",
        "features": {"amount": "headers.amount", "country": "key"}, "score": "value.score",
    }  # fmt: skip
    headers: list[Headers] = [
        [("run", b"1"), ("v", b"2"), ("amount", b"2.5")],
        [("run", None), ("amount", b"2.5")],
        [("run", b"\xff")],
        [("run", b"1"), ("amount", b"x"), ("v", b"\xff")],
    ]
    keys: list[bytes | None] = [b"DE", b"DE", b"DE", b"FR"]
    chunk = decode([{}, {}, {}, {}], map=mapped, headers=headers, keys=keys)
    batch = one(chunk)
    assert batch.ids == ["DE/1-0", "FR/1-3"]
    assert batch.versions == ["2", ""]
    assert batch.columns["country"] == ["DE", "FR"]
    assert batch.bad["amount"].tolist() == [1]
    assert reasons(chunk) == ["missing_id", "bad_id"]
    assert chunk.counts == {("m", "bad_version"): 1, ("m", "decode_fallback"): 1}


def test_needs_headers_only_when_a_path_reads_them() -> None:
    assert not Decoder([Schema("m", stream())], LimitsConfig()).needs_headers
    where = stream(where={"headers.model": "m"})
    assert Decoder([Schema("m", where)], LimitsConfig()).needs_headers


def test_where_chooses_records_by_value_key_header_and_topic() -> None:
    values = [row(m="fraud"), row(m="churn"), row(m=7), row(m={}), {"id": "x"}]
    assert decode(values, where={"value.m": "fraud"}).counts == {("", "unmatched"): 4}
    assert one(decode(values, where={"value.m": 7})).offsets.tolist() == [2]
    assert len(one(decode([row()], where={"topic": "t"}))) == 1
    assert decode([row()], where={"topic": "other"}).counts == {("", "unmatched"): 1}
    by_key = decode([row(), row(), row()], where={"key": "a"}, keys=[b"a", None, b"b"])
    assert one(by_key).offsets.tolist() == [0]
    headers: list[Headers] = [[("m", b"a")], [], [("m", b"b")]]
    assert decode([b"junk", row(), b"junk"], where={"headers.m": "a"}, headers=headers).counts == {("", "unmatched"): 2}


def test_where_on_the_value_leaves_broken_records_to_nobody() -> None:
    chunk = decode([b"{", row(m="fraud")], where={"value.m": "fraud"})
    assert [(r.reason, r.model) for r in chunk.rejects] == [("not_json", None)]


def test_several_models_on_one_topic() -> None:
    schemas = [
        Schema("a", stream(where={"value.m": "a"}), COLUMNS),
        Schema("b", stream(where={"value.m": "b"}), {"amount": "categorical"}),
        Schema("all", stream(), {"country": "categorical"}),
    ]
    values = [row("1", m="a"), row("2", m="b"), row("3", m="a"), row("4")]
    texts: list[bytes | None] = [*(json.dumps(v).encode() for v in values), b"{"]
    chunk = Decoder(schemas, LimitsConfig()).decode(records(texts))
    assert {b.model: b.ids for b in chunk.batches} == {"a": ["1", "3"], "b": ["2"], "all": ["1", "2", "3", "4"]}
    assert [(r.reason, r.model) for r in chunk.rejects] == [("not_json", "all")]
    only = Decoder(schemas[:2], LimitsConfig()).decode(records(texts))
    assert only.counts == {("", "unmatched"): 1}
    assert [(r.reason, r.model) for r in only.rejects] == [("not_json", None)]


def test_mostly_foreign_records_are_glanced_at_first_with_the_same_result() -> None:
    decoder = Decoder([Schema("m", stream(where={"value.m": "m"}), COLUMNS)], LimitsConfig())
    texts: list[bytes | None] = [
        json.dumps(row(str(i), m="m" if i % 10 == 0 else "n", x={"amount": "foreign" if i % 10 else 1})).encode()
        for i in range(100)
    ]
    first, second = decoder.decode(records(texts)), decoder.decode(records(texts))
    assert decoder._elsewhere
    assert one(first).ids == one(second).ids == [str(i) for i in range(0, 100, 10)]
    assert first.counts == second.counts == {("", "unmatched"): 90}


@pytest.mark.parametrize("path", ["value.id", "key", "headers.id", "{value.id}"])
def test_a_sample_keeps_the_same_ids_wherever_they_stand(path: str) -> None:
    names = [f"id-{i}" for i in range(300)]
    keys: list[bytes | None] = [name.encode() for name in names]
    headers: list[Headers] = [[("id", name.encode())] for name in names]
    chunk = decode([row(n) for n in names], sample=0.2, map={**MAP, "id": path}, keys=keys, headers=headers)
    stays = [name for name, stay in zip(names, kept(names, 0.2).tolist(), strict=True) if stay]
    assert one(chunk).ids == stays
    assert chunk.counts == {("m", "unsampled"): 300 - len(stays)}


def kserve(rows: object, **keys: Any) -> Chunk:
    mapped = {
        "id": "{headers.ce_id}:{row}", "time": "headers.ce_time", "version": "headers.rev", "features": "row",
        "prediction": "value.predictions[*]",
    }  # fmt: skip
    headers: list[Headers] = [[("ce_id", b"req"), ("ce_time", TS.encode()), ("rev", b"3")]]
    return decode(
        [rows], headers=headers, explode="value.instances[*]", feature_names=["amount", "country"], map=mapped, **keys
    )


def test_rows_of_one_message_become_rows_of_the_batch() -> None:
    chunk = kserve({"instances": [[6.8, "DE"], [6.0, "FR"], [None, 3]], "predictions": [1, 0, "x"]})
    batch = one(chunk)
    assert batch.ids == ["req:0", "req:1", "req:2"]
    assert batch.versions == ["3"] * 3
    assert batch.times.tolist() == [T] * 3
    assert batch.offsets.tolist() == [0, 0, 0]
    assert batch.sources is not None
    assert batch.sources.tolist() == [0, 0, 0]
    assert np.asarray(batch.columns["amount"]).tolist()[:2] == [6.8, 6.0]
    assert batch.columns["country"] == ["DE", "FR", "3"]
    assert batch.columns["prediction"] == ["1", "0", "x"]


@pytest.mark.parametrize(
    ("value", "reason", "number"),
    [
        ({"instances": [[1, "a"]], "predictions": [1, 2]}, "row_count_mismatch", None),
        ({"instances": [[1, "a"]], "predictions": 3}, "row_count_mismatch", None),
        ({"instances": {"a": 1}}, "not_a_row", None),
        ({}, "not_a_row", None),
        ({"instances": [[1, "a"]] * 10_001}, "too_many_rows", None),
        ({"instances": [[1, "a", 3]]}, "feature_count_mismatch", 0),
        ([1], "not_a_row", None),
        (b"{", "not_json", None),
    ],
)
def test_messages_whose_rows_do_not_fit_are_refused(value: object, reason: str, number: int | None) -> None:
    chunk = kserve(value)
    assert [(r.reason, r.row) for r in chunk.rejects] == [(reason, number)]
    assert not chunk.batches


def test_a_refused_row_has_its_own_key_and_spares_its_neighbours() -> None:
    chunk = kserve({"instances": [[1, "a"], [1], [2, "b"], "row"]})
    assert [r.stable_key for r in chunk.rejects] == ["t:0:0:1"]
    batch = one(chunk)
    assert batch.ids == ["req:0", "req:2", "req:3"]
    assert {name: index.tolist() for name, index in batch.bad.items()} == {"amount": [2], "country": [2]}


def test_a_message_without_rows_is_counted() -> None:
    chunk = kserve({"instances": [], "predictions": []})
    assert (chunk.batches, chunk.rejects, chunk.counts) == ((), (), {("m", "no_rows"): 1})


def test_rows_that_are_objects_below_the_item() -> None:
    mapped = {"id": "row.id", "time": "value.ts", "features": "row.f", "score": "row.s"}
    value = {"ts": TS, "d": {"rows": [{"body": {"id": i, "f": {"amount": i}, "s": 0.1 * i}} for i in range(3)]}}
    batch = one(decode([value], explode="value.d.rows[*].body", map=mapped))
    assert batch.ids == ["0", "1", "2"]
    assert np.asarray(batch.columns["amount"]).tolist() == [0.0, 1.0, 2.0]
    assert batch.columns["country"] == [None] * 3


def sagemaker(inner: str, how: str) -> tuple[dict[str, Any], dict[str, Any]]:
    value = {
        "captureData": {"in": {"data": inner}},
        "eventMetadata": {"inferenceId": "i", "inferenceTime": TS},
    }
    mapped = {
        "id": "value.eventMetadata.inferenceId", "time": "value.eventMetadata.inferenceTime",
        "decode": {"value.captureData.in.data": how},
    }  # fmt: skip
    return value, mapped


@pytest.mark.parametrize("how", ["json", "base64"])
def test_json_within_a_text(how: str) -> None:
    inner = json.dumps({"instances": [{"features": [28, "x"]}]})
    value, mapped = sagemaker(base64.b64encode(inner.encode()).decode() if how == "base64" else inner, how)
    mapped["features"] = "value.captureData.in.data.instances[0].features"
    batch = one(decode([value, {**value, "captureData": {"in": {"data": "%%"}}}], map=mapped,
                       feature_names=["amount", "country"]))  # fmt: skip
    assert np.asarray(batch.columns["amount"]).tolist()[0] == 28.0
    assert batch.columns["country"] == ["x", None]
    assert {name: index.tolist() for name, index in batch.bad.items()} == {"amount": [1], "country": [1]}


def test_csv_within_a_text_is_a_list_of_rows_of_texts() -> None:
    value, mapped = sagemaker('28,"a,b"\n,007\nx,c\n', "csv")
    mapped |= {"id": "{value.eventMetadata.inferenceId}-{row}", "features": "row"}
    batch = one(decode([value], map=mapped, explode="value.captureData.in.data[*]", feature_names=[*COLUMNS]))
    assert batch.ids == ["i-0", "i-1", "i-2"]
    assert np.asarray(batch.columns["amount"]).tolist()[0] == 28.0
    assert batch.columns["country"] == ["a,b", "007", "c"]
    assert batch.bad["amount"].tolist() == [2]


def test_base64_without_anything_below_is_text() -> None:
    mapped = {**MAP, "features": {"country": "value.c"}, "decode": {"value.c": "base64"}}
    batch = one(decode([row(c=base64.b64encode(b"DE").decode()), row(c="DE")], map=mapped))
    assert batch.columns["country"] == ["DE", None]


def test_texts_within_texts_obey_the_limits() -> None:
    mapped = {**MAP, "features": "value.x", "decode": {"value.x": "json"}}
    values = [row(x='{"amount": 1}'), row(x="[" * 90_000), row(x='{"amount": ' + "[" * 33 + "]" * 33 + "}")]
    batch = one(decode(values, map=mapped))
    assert batch.bad["amount"].tolist() == [1, 2]


def test_a_list_as_the_record_and_a_key_in_json() -> None:
    mapped = {
        "id": "key.id", "time": "value[0]", "features": {"amount": "value[1].a"}, "decode": {"key": "json"},
    }  # fmt: skip
    chunk = decode([[TS, {"a": 3}], [TS], {}], map=mapped, keys=[b'{"id": 5}', b"junk", None])
    batch = one(chunk)
    assert (batch.ids, np.asarray(batch.columns["amount"]).tolist()) == (["5"], [3.0])
    assert reasons(chunk) == ["bad_id", "not_a_row"]


def learn(values: list[Any], limits: LimitsConfig | None = None, **keys: Any) -> tuple[Decoder, Chunk]:
    decoder = Decoder([Schema("m", stream(**keys))], limits or LimitsConfig())
    return decoder, decoder.decode(records([json.dumps(v).encode() for v in values]))


def test_types_are_learnt_from_the_first_value_that_is_not_null() -> None:
    features: list[dict[str, Any]] = [
        {"n": None, "flag": True, "nested": {"a": 1}}, {"n": 1, "c": "x", "flag": False, "nested": 5},
        {"n": "text", "c": 7, "never": None}, {"n": 2.5, "score": 9},
    ]  # fmt: skip
    decoder, chunk = learn([row(str(i), x=x) for i, x in enumerate(features)])
    assert decoder.learnt("m") == {
        "n": "numeric", "flag": "categorical", "nested": "ignore", "c": "categorical", "never": None, "score": "ignore",
    }  # fmt: skip
    batch = one(chunk)
    assert list(batch.columns) == ["score", "n", "flag", "c"]
    assert batch.columns["c"] == [None, "x", "7", None]
    assert batch.columns["flag"] == ["true", "false", None, None]
    assert {name: index.tolist() for name, index in batch.bad.items()} == {"n": [2]}
    assert np.asarray(batch.columns["score"]).tolist() == [0.5] * 4


def test_what_was_learnt_survives_a_restart() -> None:
    decoder, _ = learn([row(x={"n": 1, "z": None})])
    again = Decoder([Schema("m", stream(), learnt=decoder.learnt("m"))], LimitsConfig())
    chunk = again.decode(records([json.dumps(row(x={"n": "text"})).encode()]))
    assert one(chunk).bad["n"].tolist() == [0]
    assert again.learnt("m") == {"n": "numeric", "z": None}


@pytest.mark.parametrize("explode", [False, True])
@pytest.mark.parametrize("spoilt", [{"id": None}, {"id": []}, {"ts": None}, {"ts": "yesterday"}])
def test_rows_that_are_refused_teach_nothing(spoilt: dict[str, Any], explode: bool) -> None:
    rows = [row("a", x={"n": "text", "only here": 1}) | spoilt, row("b", x={"n": 1})]
    if explode:
        mapped = {"id": "row.id", "time": "row.ts", "features": "row.x"}
        exploded = StreamConfig.model_validate({"topic": "p", "explode": "value.rows[*]", "map": mapped})
        decoder = Decoder([Schema("m", exploded)], LimitsConfig())
        chunk = decoder.decode(records([json.dumps({"rows": rows}).encode()]))
    else:
        decoder, chunk = learn(rows)
    assert decoder.learnt("m") == {"n": "numeric"}
    assert len(chunk.rejects) == 1
    assert np.asarray(one(chunk).columns["n"]).tolist() == [1.0]


def test_no_more_fields_are_learnt_than_the_limit() -> None:
    decoder, chunk = learn(
        [row(x={f"f{i}": i for i in range(5)}), row(x={"f1": 1, 'odd"name': 2, "f9": 3})],
        LimitsConfig(max_features_per_model=3),
    )
    assert list(decoder.learnt("m")) == ["f0", "f1", "f2"]
    assert chunk.counts == {("m", "feature_overflow"): 4}


def test_flat_records_are_learnt_without_what_is_mapped_otherwise() -> None:
    mapped = {
        "id": "value.rid",
        "time": "value.ts",
        "score": "value.score",
        "version": "value.meta.v",
        "features": "value",
    }
    flat = {"rid": "r", "ts": TS, "score": 0.5, "meta": {"v": 1, "other": 2}, "sepal": 5.1, "label": "no feature"}
    decoder, chunk = learn([flat, {**flat, "petal": 1}], map=mapped)
    assert decoder.learnt("m") == {"sepal": "numeric", "label": "ignore", "petal": "numeric"}
    (engine,) = decoder._engines
    assert isinstance(engine, TypedEngine)
    engine._shape.decode(json.dumps(flat).encode())  # everything is known by now: no record takes the slow way
    assert list(one(chunk).columns) == ["score", "sepal", "petal"]


@pytest.mark.parametrize("explode", [False, True])
def test_named_and_positional_features_are_learnt(explode: bool) -> None:
    if explode:
        mapped: dict[str, Any] = {"id": "{value.id}:{row}", "time": "value.ts", "features": "row"}
        decoder, chunk = learn(
            [row(r=[[1, "x"], [2, "y"]])], map=mapped, explode="value.r[*]", feature_names=["n", "c"]
        )
    else:
        mapped = {**MAP, "features": {"n": "value.x.amount", "c": "value.x.country"}}
        decoder, chunk = learn([row("1"), row("2")], map=mapped)
    assert decoder.learnt("m") == {"n": "numeric", "c": "categorical"}
    assert list(one(chunk).columns)[-2:] == ["n", "c"]


def test_other_models_fields_are_not_learnt() -> None:
    decoder, _ = learn([row(m="n", x={"foreign": 1}), row(m="m", x={"mine": 1})], where={"value.m": "m"})
    assert list(decoder.learnt("m")) == ["mine"]


def test_a_field_with_two_uses_serves_both() -> None:
    mapped = {**MAP, "version": "value.x.country", "score": "value.x.amount", "id": "value.x.country"}
    batch = one(decode([row(), row(x={"amount": 2, "country": 9})], map=mapped))
    assert (batch.ids, batch.versions, batch.columns["country"]) == (["DE", "9"],) * 2 + (["DE", "9"],)
    assert np.asarray(batch.columns["score"]).tolist() == np.asarray(batch.columns["amount"]).tolist() == [1.5, 2.0]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"map": {**MAP, "id": "value."}}, "position 5"),
        ({"map": {**MAP, "id": "{row}"}}, "without explode"),
        ({"map": {**MAP, "score": "value.p[*]"}}, r"\[\*\] needs explode"),
        ({"map": {**MAP, "score": "key.x"}}, "map.decode"),
        ({"map": {**MAP, "features": {"score": "value.x"}}}, "name of a role"),
        ({"map": {**MAP, "decode": {"topic": "json"}}}, "decode topic"),
        ({"explode": "value.rows"}, "must start at value"),
        ({"explode": "value.rows[*]", "where": {"row.x": 1}}, "where row.x"),
        ({"where": {"value.x": math.inf}}, "finite"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused_at_the_start(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Decoder([Schema("m", stream(**keys), COLUMNS)], LimitsConfig())


def test_plain_objects_are_read_typed_and_everything_else_loosely() -> None:
    def engine(**keys: Any) -> type:
        return type(Decoder([Schema("m", stream(**keys), COLUMNS)], LimitsConfig())._engines[0])

    assert engine() is TypedEngine
    assert engine(map={**MAP, "score": "value.scores[1]", "id": "key"}) is TypedEngine
    assert engine(explode="value.r[*]") is LooseEngine
    assert engine(feature_names=["amount"]) is LooseEngine
    assert engine(map={**MAP, "decode": {"value.x": "json"}}) is LooseEngine


def test_a_thousand_features() -> None:
    columns: dict[str, ColumnType] = {f"f{i}": "numeric" for i in range(1000)}
    values = [row(str(n), x={f"f{i}": i + n for i in range(1000)}) for n in range(3)]
    batch = one(decode(values, columns=columns))
    assert [np.asarray(batch.columns[f"f{i}"]).tolist() for i in (0, 999)] == [[0, 1, 2], [999, 1000, 1001]]


def test_an_empty_chunk_and_every_code_has_a_sentence() -> None:
    chunk = decode([])
    assert (chunk.batches, chunk.rejects, chunk.counts) == ((), (), {})
    assert all(text.endswith(".") for text in [*REJECTS.values(), *OUTCOMES.values()])
