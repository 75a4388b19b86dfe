"""Records that must not be counted, each with the reason that must be given."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from typing import Any

from monitor.events import DAY, SECOND
from tests.crash.poison import LATER, LONG_AGO, Poison, text_of
from tests.crash.stream import BEGIN


def rfc3339(micros: int) -> str:
    return datetime.fromtimestamp(micros // SECOND, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def good(**changes: Any) -> dict[str, Any]:
    """Return a row in time, with other fields."""
    features = {"amount": 0.5, "country": "DE", "age": 40}
    row = {"prediction_id": "x", "ts": rfc3339(BEGIN), "model_version": "1", "features": features, "score": 0.5}
    return {**row, **changes}


def without(name: str) -> dict[str, Any]:
    return {key: found for key, found in good().items() if key != name}


def bad(row: object, reason: str) -> Poison:
    return Poison(json.dumps(row).encode(), reason)


PLAIN = text_of(good())
BROKEN_JSON = [
    *(
        Poison(text, "not_json")
        for text in (
            b"{", b"[", b'"', b"nul", b"{]", b'{"a":}', b'{"a" 1}', b"{'a': 1}", b'{"a": 1,}', b"[1,]", b'{"a": 01}',
            b'{"a": 1} //', b" \n\t ", b"\x00", b"\xff\xfe\x00", bytes(range(256)), PLAIN[:-1], PLAIN + b"x", PLAIN * 2,
            PLAIN.decode().encode("utf-16"), gzip.compress(PLAIN, mtime=0), b'{"a": "\n"}', b'{"a": +1}', b'{"a": .5}',
            b'{"a": nan}', b'{"a": 0x10}', b"undefined", b'{"a": "\\x41"}', b'{"a": "\\u12"}',
        )
    ),
    *(Poison(text, "not_a_row") for text in (b"[]", b'"text"', b"5", b"null", b"true", b"[1, 2]", b"NaN", b"1e999")),
    Poison(b"[" * 100_000, "too_deep"),
    Poison(b'{"a":' * 100_000, "too_deep"),
    Poison(b"[" * 100_000 + b"]" * 100_000, "too_deep"),
    bad(good(extra=json.loads("[" * 32 + "]" * 32)), "too_deep"),
    bad(good(extra={str(n): n for n in range(10_001)}), "too_many_keys"),
]  # fmt: skip
NO_IDS: tuple[object, ...] = (None, "", float("nan"))
BAD_IDS: tuple[object, ...] = ([], {}, True, 1.5, "x" * 8193, "\ud800", float("inf"))
NO_TIMES: tuple[object, ...] = (None, float("nan"))
ODD_TIMES: tuple[object, ...] = (
    "yesterday", "", "2026-11-01", "2026-11-01T00:00:00", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z",
    "2026-11-01T24:00:00Z", "2026-11-01T00:00:60Z", "1969-12-31T23:59:59Z", "2200-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z", "0000-00-00T00:00:00Z", "2026-11-01T00:00:00+99:00", "２026-11-01T00:00:00Z",
    BEGIN // SECOND, BEGIN // 1000, BEGIN, -1, 2**64, 1e308, float("inf"), True, [], {}, "\ud800", "x" * 9000,
)  # fmt: skip
NO_ROW = [
    bad({}, "missing_id"), bad(without("prediction_id"), "missing_id"), bad(without("ts"), "missing_time"),
    *(bad(good(prediction_id=name), "missing_id") for name in NO_IDS),
    *(bad(good(prediction_id=name), "bad_id") for name in BAD_IDS),
    Poison(PLAIN.replace(b'"x"', b"9" * 5000), "bad_id"),
    Poison(PLAIN.replace(b'"x"', b"1e400"), "bad_id"),
    *(bad(good(ts=time), "missing_time") for time in NO_TIMES),
    *(
        bad(good(ts=time), "bad_time")
        for time in ODD_TIMES
    ),
]  # fmt: skip
EMPTY = [
    Poison(None, None), Poison(None, None, key=None), Poison(None, None, key=b""), Poison(None, None, key=b"\xff"),
    Poison(b"", "empty_value"), Poison(b"", "empty_value", key=None),
]  # fmt: skip
HUGE = [
    Poison(b"x" * ((1 << 20) + 1), "too_large"),
    Poison(text_of(good(extra="x" * (1 << 20))), "too_large"),
    Poison(b"[" * (10 << 20), "too_large"),
]
FUTURE = (LATER + 365 * DAY, 4_070_908_800 * SECOND, LATER + DAY)
PAST = (0, 1, SECOND, LONG_AGO, BEGIN - 365 * DAY, BEGIN - 8 * DAY - 1)
BAD_TIMES = [
    *(bad(good(ts=rfc3339(time)), "future_time") for time in FUTURE),
    *(bad(good(ts=rfc3339(time), model_version=f"v{time}"), "too_late") for time in PAST),
]
GROUPS: dict[str, list[Poison]] = {
    "texts that are no JSON, or too deep": BROKEN_JSON,
    "rows without an id or a time": NO_ROW,
    "tombstones, empty values, no keys": EMPTY,
    "values beyond the limit": HUGE,
    "clocks a year fast, a year slow, at zero": BAD_TIMES,
}
