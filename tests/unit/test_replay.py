"""``driftline replay`` over a file, by the command's own function."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from monitor.commands.replay import FOUND, ReplayOptions, replay
from monitor.events import DAY
from tests.crash.ground import prepare
from tests.crash.stream import BEGIN, value

ROWS = 3_000


def shifted(row: bytes) -> bytes:
    """Return the row with its amount moved by two standard deviations."""
    fields = json.loads(row)
    amount = fields["features"]["amount"]
    if isinstance(amount, float):
        fields["features"]["amount"] = amount + 2.0
    return json.dumps(fields).encode()


@pytest.fixture
def stream(tmp_path: Path) -> tuple[Path, Path]:
    """Return a configuration and a file of two quiet days and one of drift."""
    config = prepare(tmp_path, "p", "unused:9092")
    rng = random.Random(4)
    lines = [value(rng, f"r{n}", BEGIN + n * (3 * DAY // ROWS)) for n in range(ROWS)]
    lines[2 * ROWS // 3 :] = [shifted(line) for line in lines[2 * ROWS // 3 :]]
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return config, path


def findings(config: Path, log: Path, out: Path, **options: Any) -> list[dict[str, object]]:
    assert replay(config, {}, ReplayOptions(predictions=log, json=out, **options)) == 0
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_findings_are_one_object_a_line_and_see_the_drift(stream: tuple[Path, Path], tmp_path: Path) -> None:
    config, log = stream
    found = findings(config, log, tmp_path / "out.jsonl")
    keys = {"window_start", "window_end", "model", "version", "slice", "column", "detector", "statistic", "p_value",
            "threshold", "status", "n", "revision"}  # fmt: skip
    assert all(keys <= set(row) for row in found)
    drifts = {(row["column"], row["detector"]) for row in found if row["status"] == "drift"}
    assert ("amount", "ks") in drifts
    assert "age" not in {column for column, _ in drifts}
    assert {row["slice"] for row in found} > {"", "country=DE"}
    whole = [row for row in found if row["window"] == "daily" and not row["slice"]]
    tumbling = [row for row in whole if str(row["window_start"]).endswith("T00:00:00Z")]
    rows = {(row["version"], row["window_start"]): row["n"] for row in tumbling}
    assert sum(int(str(n)) for n in rows.values()) == ROWS


def test_a_range_shows_its_own_windows_only(stream: tuple[Path, Path], tmp_path: Path) -> None:
    config, log = stream
    found = findings(config, log, tmp_path / "out.jsonl", start="2026-11-02T00:00:00Z", end="2026-11-03T00:00:00Z")
    assert found
    assert all(str(row["window_end"]) >= "2026-11-02" for row in found)
    assert all(str(row["window_start"]) < "2026-11-03" for row in found)


def test_fail_on_drift_exits_3(stream: tuple[Path, Path]) -> None:
    config, log = stream
    assert replay(config, {}, ReplayOptions(predictions=log, fail_on="drift")) == FOUND


def test_nothing_of_the_service_is_touched(stream: tuple[Path, Path], tmp_path: Path) -> None:
    config, log = stream
    before = sorted(path.name for path in tmp_path.iterdir())
    replay(config, {}, ReplayOptions(predictions=log, json=tmp_path / "out.jsonl"))
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*before, "out.jsonl"])
