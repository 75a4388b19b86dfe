from __future__ import annotations

import json
import math
import random
import zlib
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from monitor.config.root import LimitsConfig
from monitor.decoding.cells import (
    HUGE,
    LONGEST_TEXT,
    category,
    ident,
    is_field_name,
    number,
)
from monitor.decoding.columns import categorical_column, numeric_column
from monitor.decoding.paths import EACH, WRONG, Path, follow, parse_path, parse_template
from monitor.decoding.sampling import hash64, kept
from monitor.decoding.text import NotJsonError, admit, exceeded, lengths_of, load, repair, tolerant
from monitor.decoding.times import BAD, LAST, MISSING, parse_times

MASK = 2**64 - 1


@pytest.mark.parametrize(
    ("text", "root", "steps"),
    [
        ("value", "value", ()),
        ("value.a.b[0]", "value", ("a", "b", 0)),
        ("value.rows[*]", "value", ("rows", EACH)),
        ("value.loan amount.x-y", "value", ("loan amount", "x-y")),
        ('value["a.b"].c', "value", ("a.b", "c")),
        ("headers.ce_id", "headers", ("ce_id",)),
        ("key", "key", ()),
        ("topic", "topic", ()),
        ("timestamp", "timestamp", ()),
        ("row[3]", "row", (3,)),
    ],
)
def test_a_path_is_compiled_and_spelled_again(text: str, root: str, steps: tuple[object, ...]) -> None:
    path = parse_path(text)
    assert (path.root, path.steps) == (root, steps)
    assert parse_path(str(path)) == path


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("", 0), ("valu.x", 0), ("value.", 5), ("value..x", 5), ("value.a[", 7), ("value.a[-1]", 7), ("value.a[x]", 7),
        ("value.a[*].b[*]", 12), ("topic.x", 5), ("timestamp[0]", 9), ("headers", 7), ("headers[0]", 7), ("value x", 5),
    ],
)  # fmt: skip
def test_a_broken_path_names_the_position(text: str, position: int) -> None:
    with pytest.raises(ValueError, match=rf"position {position}$"):
        parse_path(text)


def test_a_template_mixes_text_and_paths() -> None:
    assert parse_template("{headers.ce_id}:{row}") == (Path("headers", ("ce_id",)), ":", Path("index"))
    assert parse_template("value.id") == (Path("value", ("id",)),)


@pytest.mark.parametrize(
    ("text", "position"), [("{value.a", 0), ("a}b{key}", 1), ("{key}{", 5), ("x{nope}", 1), ("{value.a{b}}", 0)]
)
def test_a_broken_template_names_the_position(text: str, position: int) -> None:
    with pytest.raises(ValueError, match=rf"position {position}\b"):
        parse_template(text)


def test_follow_tells_missing_from_wrong() -> None:
    document = {"a": {"b": [1, None]}, "s": "text"}
    assert follow(document, ("a", "b", 0)) == 1
    assert follow(document, ("a", "x", "y")) is None
    assert follow(document, ("a", "b", 7)) is None
    assert follow(document, ("s", "x")) is WRONG
    assert follow(document, ("a", 0)) is WRONG
    assert follow(None, ("a",)) is None


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (1, 1.0), (1.5, 1.5), (None, math.nan), (math.nan, math.nan), (True, math.inf), ("12", math.inf),
        ([], math.inf), ({}, math.inf), (math.inf, math.inf), (-math.inf, math.inf), (1e308, math.inf),
        (HUGE, HUGE), (-0.0, -0.0), (1e-320, 1e-320), (2**64, 2.0**64), (10**400, math.inf),
    ],
)  # fmt: skip
def test_numbers(value: object, cell: float) -> None:
    assert number(value) == cell or (math.isnan(cell) and math.isnan(number(value)))
    column, bad = numeric_column([value, 1.0])
    assert bad.tolist() == ([0] if math.isinf(cell) else [])
    assert math.isnan(column[0]) if not math.isfinite(cell) else column[0] == cell


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("", ""), ("a", "a"), (3, "3"), (3.0, "3"), (-0.0, "0"), (0.1, "0.1"), (1e22, "1e+22"), (True, "true"),
        (False, "false"), (None, None), (math.nan, None), (math.inf, WRONG), (10**301, WRONG), (2**70, str(2**70)),
        ("\ud800", WRONG), ([], WRONG), ({}, WRONG),
    ],
)  # fmt: skip
def test_categories(value: object, cell: object) -> None:
    assert category(value) == cell
    column, bad = categorical_column([value, "x"], careful=True)
    assert column == [None if cell is WRONG else cell, "x"]
    assert bad.tolist() == ([0] if cell is WRONG else [])


def test_a_long_category_is_cut_and_marked_by_its_hash() -> None:
    one, other = category("x" * LONGEST_TEXT + "1"), category("x" * LONGEST_TEXT + "2")
    assert isinstance(one, str)
    assert len(one) == 64 + 1 + 16
    assert one != other
    assert category("é" * (LONGEST_TEXT // 2)) == "é" * (LONGEST_TEXT // 2)
    assert category("é" * (LONGEST_TEXT // 2) + "e") != "é" * (LONGEST_TEXT // 2) + "e"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("a", "a"), (7, "7"), (2**64, "18446744073709551616"),
        (2**64 + 1, "18446744073709551617"),
        (None, None), ("", None), (math.nan, None), (1.0, WRONG), (True, WRONG), ([1], WRONG), ("\ud800", WRONG),
        ("x" * (LONGEST_TEXT + 1), WRONG), (10**80, WRONG),
    ],
)  # fmt: skip
def test_ids_keep_every_digit_and_are_never_floats(value: object, name: object) -> None:
    assert ident(value) == name


def test_column_names_are_bounded() -> None:
    assert is_field_name("loan amount (€)")
    assert not any(map(is_field_name, ["", 'a"b', "a\\b", "a\nb", "\ud800", "x" * 257]))


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("1970-01-01T00:00:00Z", 0), ("2023-11-14T22:13:20Z", 1_700_000_000_000_000),
        ("2023-11-14T22:13:20.5Z", 1_700_000_000_500_000), ("2023-11-14T22:13:20.123456Z", 1_700_000_000_123_456),
        ("2023-11-14T22:13:20.123456789Z", 1_700_000_000_123_456), ("2023-11-14T23:13:20+01:00", 1_700_000_000_000_000),
        ("2023-11-14t22:13:20z", 1_700_000_000_000_000), ("2023-11-14 22:13:20Z", 1_700_000_000_000_000),
        ("2199-12-31T23:59:59.999999Z", LAST - 1),
        ("2023-11-14T22:13:20", BAD), ("2023-11-14", BAD), ("now", BAD), ("today", BAD), ("NaT", BAD), ("", BAD),
        ("2023-13-14T22:13:20Z", BAD), ("2023-02-29T00:00:00Z", BAD), ("2023-11-14T24:00:00Z", BAD),
        ("2023-11-14T22:13:60Z", BAD), ("2023-11-14T22:13:20.Z", BAD), ("0000-01-01T00:00:00Z", BAD),
        ("1969-12-31T23:59:59.999999Z", BAD), ("1969-12-31T23:59:59.999998Z", BAD), ("2200-01-01T00:00:00Z", BAD),
        ("\uff12023-11-14T22:13:20Z", BAD), ("2023-11-14T22:13:20+25:00", BAD), ("-023-11-14T22:13:20Z", BAD),
    ],
)  # fmt: skip
def test_rfc3339_alone_and_among_others(text: str, micros: int) -> None:
    assert parse_times([text], "rfc3339").tolist() == [micros]
    assert parse_times([text] * 3, "rfc3339").tolist() == [micros] * 3
    assert parse_times([None, text, 7], "rfc3339").tolist() == [MISSING, micros, BAD]


def test_rfc3339_equals_datetime_on_every_width() -> None:
    draw = random.Random(3)
    moments = [
        datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=draw.randrange(0, LAST, 1000)) for _ in range(400)
    ]
    expected = [(m - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) for m in moments]
    for texts in (
        [m.isoformat(timespec="milliseconds").replace("+00:00", "Z") for m in moments],
        [m.isoformat(timespec="microseconds").replace("+00:00", "Z") for m in moments],
        [m.isoformat() for m in moments],
    ):
        assert parse_times([*texts], "rfc3339").tolist() == expected


def test_a_time_does_not_depend_on_its_neighbours() -> None:
    draw = random.Random(4)
    good = "2023-11-14T22:13:20.123Z"
    for _ in range(3000):
        texts = [good, good.replace("14T", f"{draw.randrange(10, 31)}T"), good]
        at, stop = sorted(draw.choices(range(len(good)), k=2))
        texts[draw.randrange(3)] = good[:at] + draw.choice("09:Z\nT.-+\u0661 ") + good[stop:]
        if draw.random() < 0.3:  # what one lacks, the next one has
            texts[:2] = ["\n".join(texts[:2])[:at], "\n".join(texts[:2])[at:]]
        if draw.random() < 0.3:
            texts = [text.replace("Z", "+00:00") for text in texts]
        alone = [int(parse_times([None, text], "rfc3339")[1]) for text in texts]
        assert parse_times([*texts], "rfc3339").tolist() == alone, texts


@pytest.mark.parametrize("zone", ["Z", "+00:00"])
@pytest.mark.parametrize("fraction", range(12))
def test_rfc3339_of_every_precision(zone: str, fraction: int) -> None:
    texts = [f"20{i:02d}-0{i % 9 + 1}-2{i % 9}T{i % 24:02d}:{i % 60:02d}:5{i % 10}" for i in range(1, 99)]
    ends = [f".{'987654321012'[:fraction]}" if fraction else ""] * len(texts)
    whole = [f"{text}{end}{zone}" for text, end in zip(texts, ends, strict=True)]
    assert parse_times([*whole], "rfc3339").tolist() == parse_times([None, *whole], "rfc3339").tolist()[1:]


@pytest.mark.parametrize(
    ("form", "value", "micros"),
    [
        ("epoch_s", 1_700_000_000, 1_700_000_000_000_000), ("epoch_s", 1_700_000_000.123456, 1_700_000_000_123_456),
        ("epoch_ms", 1_700_000_000_123, 1_700_000_000_123_000),
        ("epoch_us", 1_700_000_000_123_456, 1_700_000_000_123_456),
        ("epoch_s", 0, 0), ("epoch_s", -1, BAD), ("epoch_s", -1e-9, BAD), ("epoch_s", True, BAD), ("epoch_s", "1", BAD),
        ("epoch_s", 1_700_000_000_000, BAD), ("epoch_s", 2**70, BAD), ("epoch_s", math.inf, BAD),
        ("epoch_s", math.nan, MISSING), ("epoch_s", None, MISSING), ("epoch_s", 7_258_118_400, BAD),
        ("epoch_s", 7_258_118_399.9999999, BAD), ("epoch_ms", [], BAD),
    ],
)  # fmt: skip
def test_epochs_alone_and_among_others(form: str, value: object, micros: int) -> None:
    assert parse_times([value], form).tolist() == [micros]  # type: ignore[arg-type]
    assert parse_times([value, 1, None], form).tolist()[0] == micros  # type: ignore[arg-type]
    assert parse_times([value, 1], form).tolist()[0] == micros  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a": NaN}', {"a": None}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a": Infinity, "b": -Infinity}', {"a": 1e305, "b": -1e305}),
        (b'["NaN", "-Infinity", NaN]', ["NaN", "-Infinity", None]),
        (b'["a\\"NaN", NaN, "\\\\", Infinity, "x\\\\\\"NaN"]', ['a"NaN', None, "\\", 1e305, 'x\\"NaN']),
        (b'["\\ud800"]', ["\ud800"]),
        (b"[1e999]", [math.inf]),
        (b"[" + b"9" * 5000 + b"]", [math.inf]),
        (b'["\xff"]', ["\udcff"]),
        (b'{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_what_strict_json_refuses_is_still_read(text: bytes, value: object) -> None:
    assert load(text)[0] == value


@pytest.mark.parametrize(
    "text",
    [b"{", b"", b" ", b"{'a': 1}", b'{"a": 1,}', b'{"a": 01}', b'{"a": nan}', b"1NaN", b"1Infinity", b"1.Infinity",
     b"Infinity5", b"--Infinity", b"-NaN", b"0NaN", b'"NaN', b'{"a": 1} {"b": 2}', b'"a\nb"', b"\xff\xfe", b"\x00"],
)  # fmt: skip
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(NotJsonError):
        load(text)


def test_repair_equals_the_standard_library_on_random_texts() -> None:
    draw = random.Random(5)
    pieces = [
        "NaN",
        "Infinity",
        "-Infinity",
        '"NaN"',
        '"\\"NaN"',
        '"-Infinity\\\\"',
        "1",
        "-1.5",
        '"I-N"',
        "true",
        "[NaN]",
    ]
    for _ in range(2000):
        text = ("[" + ", ".join(draw.choices(pieces, k=draw.randrange(8))) + "]").encode()
        stand_in = {"NaN": None, "Infinity": 1e305, "-Infinity": -1e305}
        expected = json.loads(text, parse_constant=stand_in.__getitem__)
        assert json.loads(repair(text)) == expected
        assert tolerant(repair(text)) == expected


def test_limits_are_exact() -> None:
    limits = LimitsConfig(max_depth=3, max_keys=4, max_record_bytes=100)
    assert exceeded(b'{"a": [[1]]}', limits) is None
    assert exceeded(b'{"a": [[[1]]]}', limits) == "too_deep"
    assert exceeded(b'{"a": "[[[[[[", "b": "{\\"{{{"}', limits) is None
    assert exceeded(b'{"a":1,"b":2,"c":{"d":4}}', limits) is None
    assert exceeded(b'{"a":1,"b":2,"c":{"d":4,"e:":":"}}', limits) == "too_many_keys"
    assert exceeded(b" " * 101, limits) == "too_large"
    assert exceeded(b"[" * 50, limits) == "too_deep"
    assert exceeded(b'"' + b"\\" * 99, limits) is None


def test_admission_finds_what_exceeds_among_many() -> None:
    limits = LimitsConfig(max_depth=3, max_keys=4, max_record_bytes=100)
    values = [b'{"a": 1}'] * 2500
    values[7], values[1999], values[2400] = b'{"a": [[[1]]]}', b'{"a":1,"b":2,"c":3,"d":4,"e":5}', b"x" * 101
    assert admit([*values], limits) == (
        [i for i in range(2500) if i not in {7, 1999, 2400}],
        [(7, "too_deep"), (1999, "too_many_keys"), (2400, "too_large")],
    )
    assert admit([b"{}", b"[]"], limits) == (None, [])
    assert admit([None, b"", b"{}"], limits) == ([2], [(1, "empty_value")])
    assert admit([], limits) == (None, [])
    assert admit([None, None], limits) == ([], [])


@pytest.mark.parametrize("marks", [b'{"}xy', b'{["]}xy', b"[x"])
@pytest.mark.parametrize("longest", [9, 70, 700])
def test_admission_equals_a_scan_of_every_text(marks: bytes, longest: int) -> None:
    draw = random.Random(longest)
    limits = LimitsConfig(max_depth=6, max_keys=9, max_record_bytes=600)
    for rarity in (0, 3, 40):
        weights = [1] * (len(marks) - 1) + [1 + rarity * len(marks)]
        values: list[bytes | None] = [
            bytes(draw.choices(marks, weights, k=draw.randrange(longest))) if draw.random() < 0.99 else None
            for _ in range(1200)
        ]
        reasons = {i: exceeded(value, limits) for i, value in enumerate(values) if value}
        refused = {i: "empty_value" if value == b"" else reasons.get(i) for i, value in enumerate(values)}
        kept_, found = admit(values, limits)
        assert kept_ == [i for i, reason in reasons.items() if reason is None]
        assert dict(found) == {i: reason for i, reason in refused.items() if reason is not None}
        assert admit(values, limits, lengths_of(values)) == (kept_, found)


def test_a_sample_is_stable_even_and_nested() -> None:
    ids = [f"id-{i}" for i in range(100_000)]
    for name, found in zip(["", *ids[:50], "é"], hash64(["", *ids[:50], "é"]).tolist(), strict=True):
        z = zlib.crc32(name.encode()) + 0x9E3779B97F4A7C15 & MASK
        z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & MASK
        z = (z ^ z >> 27) * 0x94D049BB133111EB & MASK
        assert found == z ^ z >> 31
    assert int(hash64([""])[0]) == 0xE220A8397B1DCDAF  # the published first output of SplitMix64 with seed 0
    tenth, half = kept(ids, 0.1), kept(ids, 0.5)
    assert abs(tenth.mean() - 0.1) < 4 * math.sqrt(0.09 / len(ids))
    assert abs(half.mean() - 0.5) < 4 * math.sqrt(0.25 / len(ids))
    assert not (tenth & ~half).any()
    assert kept(ids, 1.0).all()
    assert len(kept([], 0.5)) == 0
    assert len(np.unique(hash64(ids))) > 0.9999 * len(ids)
