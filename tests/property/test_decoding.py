"""Typed and untyped reading agree on any JSON, and how the log is cut into chunks changes nothing."""

from __future__ import annotations

import json
import math
import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.config.model import StreamConfig
from monitor.config.root import LimitsConfig
from monitor.decoding.blocks import BLOCK, blocks
from monitor.decoding.decoder import Decoder
from monitor.decoding.loose_engine import LooseEngine
from monitor.decoding.reasons import OUTCOMES, REJECTS
from monitor.decoding.sampling import kept
from monitor.decoding.schema import ColumnType, Schema
from monitor.decoding.text import lengths_of
from monitor.events import Chunk, Records

COLUMNS: dict[str, ColumnType] = {"n": "numeric", "m": "numeric", "c": "categorical"}
MAP = {
    "id": "value.id", "time": "value.ts", "version": "value.v", "features": "value.x", "score": "value.score",
    "prediction": "value.p", "error": "value.e", "latency": "value.deep.er[1]",
}  # fmt: skip
LIMITS = LimitsConfig(max_record_bytes=20_000, max_keys=200)
DISPOSED = {"tombstone", "unmatched", "unsampled"}


def stream(**keys: Any) -> StreamConfig:
    return StreamConfig.model_validate({"topic": "t", "map": MAP, **keys})


def records(values: list[bytes | None], start: int = 0) -> Records:
    n = len(values)
    offsets = list(range(start, start + n))
    return Records("t", 0, start + n, offsets, [7_000_000 + o for o in offsets], True, [None] * n, values)


def decoder(columns: dict[str, ColumnType] | None = COLUMNS, **keys: Any) -> Decoder:
    return Decoder([Schema("m", stream(**keys), columns)], LIMITS)


def loose(columns: dict[str, ColumnType] | None = COLUMNS, **keys: Any) -> Decoder:
    made = decoder(columns, **keys)
    made._engines = [LooseEngine(engine.plan, LIMITS) for engine in made._engines]
    return made


def rows(chunks: list[Chunk]) -> list[dict[str, Any]]:
    """Return every decoded row as a plain dict; a missing cell is left out, a bad one is marked."""
    found = []
    for chunk in chunks:
        for batch in chunk.batches:
            bad = {name: set(index.tolist()) for name, index in batch.bad.items()}
            for row, name in enumerate(batch.ids):
                cells: dict[str, Any] = {}
                for column, values in batch.columns.items():
                    value = values[row]
                    if row in bad.get(column, ()):
                        cells[column] = "BAD"
                        assert value is None or math.isnan(float(value))
                    elif value is not None and not (isinstance(value, float) and math.isnan(value)):
                        cells[column] = value if isinstance(value, str) else float(value)
                found.append(
                    {"id": name, "v": batch.versions[row], "t": int(batch.times[row]), "at": int(batch.offsets[row]),
                     "log": int(batch.log_times[row]), "model": batch.model, **cells}
                )  # fmt: skip
    return found


def rejects(chunks: list[Chunk]) -> list[tuple[int, int | None, str, str | None]]:
    return [(r.offset, r.row, r.reason, r.model) for chunk in chunks for r in chunk.rejects]


def counts(chunks: list[Chunk]) -> dict[tuple[str, str], int]:
    total: dict[tuple[str, str], int] = {}
    for chunk in chunks:
        for key, number in chunk.counts.items():
            total[key] = total.get(key, 0) + number
    return total


def everything(chunks: list[Chunk]) -> tuple[Any, ...]:
    return rows(chunks), rejects(chunks), counts(chunks)


NUMBERS = st.one_of(
    st.integers(), st.integers(-(10**320), 10**320), st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([2**64, 2**64 + 1, -0.0, 1e-320, 1e300, 1.1e300, 1e308, 0, 1, 400, 199]),
)  # fmt: skip
TEXTS = st.one_of(
    st.text(max_size=8), st.sampled_from(["12", "NaN", "", "x: NaN, Infinity", 'quo"te\\', "\ud800", "é" * 5000])
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3), max_leaves=5
)
MOSTLY_NUMBER = st.one_of(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.none(), ANYTHING)
MOSTLY_TEXT = st.one_of(st.sampled_from(["a", "b"]), ANYTHING)
TIMES = st.one_of(
    st.sampled_from(["2026-11-01T00:00:00Z", "2026-11-01T00:00:00.250Z", "2026-11-01T01:00:00+01:00"]), ANYTHING
)
FEATURES = st.one_of(
    st.fixed_dictionaries({}, optional={"n": MOSTLY_NUMBER, "m": MOSTLY_NUMBER, "c": MOSTLY_TEXT, "other": ANYTHING}),
    ANYTHING,
)
OBJECTS = st.fixed_dictionaries(
    {"id": st.one_of(st.text("abc", min_size=1, max_size=3), st.integers(), ANYTHING), "ts": TIMES, "x": FEATURES},
    optional={
        "v": ANYTHING, "score": MOSTLY_NUMBER, "p": MOSTLY_TEXT, "e": ANYTHING, "junk": ANYTHING,
        "deep": st.one_of(ANYTHING, st.fixed_dictionaries({"er": st.lists(MOSTLY_NUMBER, max_size=3)})),
    },
)  # fmt: skip


@st.composite
def texts(draw: st.DrawFn) -> bytes | None:
    value = draw(st.one_of(OBJECTS, OBJECTS, OBJECTS, ANYTHING))
    text = json.dumps(value, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    kind = draw(st.integers(0, 20))
    if kind == 0:
        return None
    if kind == 1:
        return b"\xef\xbb\xbf" + text
    if kind == 2:
        return text[: draw(st.integers(0, len(text)))]
    if kind == 3:
        return text.replace(b'"other"', b'"n": 1, "n"')
    if kind == 4:
        return text.replace(b"a", b"\xff")
    return text


@settings(max_examples=100, deadline=None)
@given(st.lists(texts(), max_size=6))
def test_typed_reading_equals_untyped_reading(values: list[bytes | None]) -> None:
    typed, untyped = [decoder().decode(records(values))], [loose().decode(records(values))]
    assert rows(typed) == rows(untyped)
    assert rejects(typed) == rejects(untyped)


@settings(max_examples=60, deadline=None)
@given(st.lists(texts(), max_size=12), st.integers(1, 5), st.sampled_from(["known", "learnt", "loose"]), st.data())
def test_chunk_borders_change_nothing(values: list[bytes | None], size: int, kind: str, data: st.DataObject) -> None:
    build, columns = (loose if kind == "loose" else decoder), (COLUMNS if kind == "known" else None)
    one, many = build(columns), build(columns)
    if data.draw(st.booleans(), label="loosened") and kind == "known":
        many._engines[0]._loose |= {cell.path for cell in many._engines[0].plan.cells()}  # type: ignore[attr-defined]
        many._engines[0]._shape = many._engines[0]._make_shape()  # type: ignore[attr-defined]
    whole = [one.decode(records(values))]
    parts = [many.decode(records(values[at : at + size], at)) for at in range(0, len(values), size)]
    assert everything(whole) == everything(parts)
    assert one.learnt("m") == many.learnt("m")


@settings(max_examples=60, deadline=None)
@given(st.lists(texts(), max_size=10), st.sampled_from([0.3, 1.0]))
def test_every_record_is_accounted_for(values: list[bytes | None], sample: float) -> None:
    chunk = decoder(where={"value.p": "a"}, sample=sample).decode(records(values))
    disposed = sum(number for (_, outcome), number in chunk.counts.items() if outcome in DISPOSED)
    assert sum(map(len, chunk.batches)) + len(chunk.rejects) + disposed == len(values)
    assert {reject.reason for reject in chunk.rejects} <= set(REJECTS)
    assert {outcome for _, outcome in chunk.counts} <= set(OUTCOMES)


@settings(max_examples=60, deadline=None)
@given(st.lists(texts(), max_size=10), st.floats(0.01, 0.99))
def test_sampling_before_parsing_equals_sampling_after(values: list[bytes | None], rate: float) -> None:
    sampled = decoder(sample=rate).decode(records(values))
    full = rows([decoder().decode(records(values))])
    stays = kept([row["id"] for row in full], rate).tolist()
    assert rows([sampled]) == [row for row, stay in zip(full, stays, strict=True) if stay]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", 1, True, None]), OBJECTS), max_size=10), st.booleans())
def test_models_on_one_topic_are_read_as_if_alone(tagged: list[tuple[Any, dict[str, Any]]], elsewhere: bool) -> None:
    values: list[bytes | None] = [json.dumps({**value, "model": tag}).encode() for tag, value in tagged]
    schemas = [Schema(f"m{tag}", stream(where={"value.model": tag}), COLUMNS) for tag in ("a", "b", 1)]
    together = Decoder(schemas, LIMITS).decode(records(values))
    alone = []
    for schema in schemas:
        single = Decoder([schema], LIMITS)
        single._elsewhere = elsewhere
        alone.append(single.decode(records(values)))
    assert sorted(rows([together]), key=repr) == sorted(rows(alone), key=repr)
    wanted = sum(len(batch) for chunk in alone for batch in chunk.batches)
    assert sum(map(len, together.batches)) == wanted


@pytest.mark.parametrize("make", [decoder, loose, lambda: decoder(None)])
def test_random_bytes_never_raise(make: Any) -> None:
    draw = random.Random(7)
    pieces = [b'{"', b'"', b":", b"{", b"}", b"[", b"]", b",", b"NaN", b"-Infinity", b"1e999", b"\\", b"\\ud800",
              b"\xff", b"null", b"id", b"ts", b"x", b"0", b"-", b"\xef\xbb\xbf", b" ", b"\x00"]  # fmt: skip
    values: list[bytes | None] = [
        draw.randbytes(draw.randrange(40)) if i % 2 else b"".join(draw.choices(pieces, k=draw.randrange(30)))
        for i in range(10_000)
    ]
    made = make()
    for at in range(0, len(values), 500):
        chunk = made.decode(records(values[at : at + 500], at))
        assert len(chunk.rejects) + chunk.counts.get(("", "tombstone"), 0) + sum(map(len, chunk.batches)) == 500


def test_blocks_are_bounded_in_bytes_and_lose_nothing() -> None:
    junk = "x" * 200_000
    values: list[bytes | None] = [json.dumps({"id": i, "junk": junk * (i % 3)}).encode() for i in range(60)]
    values[7] = None
    parts = [part for part, _ in blocks(records(values), lengths_of(values))]
    assert max(sum(len(value) for value in part.values if value) for part in parts) <= 3 * len(junk) * 60 // len(parts)
    assert len(parts) > 1
    assert [value for part in parts for value in part.values] == values
    assert [offset for part in parts for offset in part.offsets] == list(range(60))


@settings(max_examples=40, deadline=None)
@given(st.lists(texts(), max_size=8))
def test_columns_are_as_long_as_the_batch(values: list[bytes | None]) -> None:
    for batch in decoder().decode(records(values)).batches:
        for column in batch.columns.values():
            assert len(column) == len(batch)
            assert isinstance(column, list) or (column.dtype == np.float64 and column.flags.c_contiguous)
        assert all(len(index) and (np.diff(index) > 0).all() for index in batch.bad.values())


@pytest.mark.parametrize("columns", [COLUMNS, None])
def test_a_large_chunk_equals_small_ones(columns: dict[str, ColumnType] | None) -> None:
    draw = random.Random(11)
    values: list[bytes | None] = []
    for i in range(3 * BLOCK + 7):
        cells: dict[str, Any] = {
            "n": draw.choice([i, None, "bad", math.nan]),
            "c": draw.choice(["a", 5, [], None]),
            "m": 0.5 * i,
        }
        cells |= {"late": i} if i > BLOCK + 3 else {}
        value = {"id": draw.choice([f"r{i}", f"r{i}", None]), "ts": "2026-11-01T00:00:00Z", "x": cells, "p": "q"}
        values.append(draw.choice([None, b"{"]) if i % 50 == 0 else json.dumps(value).encode())
    one, many = decoder(columns), decoder(columns)
    whole = one.decode(records(values))
    parts = [many.decode(records(values[at : at + 100], at)) for at in range(0, len(values), 100)]
    assert everything([whole]) == everything(parts)
    (batch,) = whole.batches
    assert batch.sources is not None
    assert [whole.records.offsets[i] for i in batch.sources.tolist()] == batch.offsets.tolist()
    clean: list[bytes | None] = [value for value in values if value and b'"r' in value]
    (full,) = decoder(columns).decode(records(clean)).batches
    assert full.sources is None
    assert len(full) == len(clean) > BLOCK
