"""The history: idempotent, revision-safe, readable from any thread, and not brought down by damage."""

from __future__ import annotations

import math
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monitor.findings import Finding, WindowResult
from monitor.findings_codec import DamagedFindingsError, decode_findings, decode_one, encode_findings
from monitor.history import History
from monitor.history_reader import Sizes
from monitor.history_schema import MIGRATIONS
from monitor.store.port import StateUnavailableError, StateVersionError


def finding(column: str = "age", detector: str = "psi", statistic: float = 0.3, status: str = "ok") -> Finding:
    return Finding(column, detector, statistic, 0.28, 0.2, 0.4, 1e-300, 0.1, status, -1, "")


def window(
    start: int = 0, revision: int = 0, *findings: Finding, model: str = "fraud", name: str = "1d"
) -> WindowResult:
    return WindowResult(model, "1", "", name, start, start + 10, revision, 100, findings or (finding(),))


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with closing(History(tmp_path / "deep" / "history.sqlite", clock=lambda: 77)) as opened:
        yield opened


def test_what_was_put_in_comes_out_in_order(history: History) -> None:
    windows = [window(20), window(0), window(0, 0, model="credit"), window(0, name="15m")]
    history.upsert(windows)
    expected = [windows[2], windows[3], windows[1], windows[0]]
    assert list(history.results()) == expected
    assert list(history.results(first=0, last=20)) == expected[:3]
    assert list(history.results(first=1)) == expected[3:]
    assert list(history.results(model="credit")) == expected[:1]


def test_putting_the_same_in_twice_changes_nothing(history: History) -> None:
    windows = [window(start) for start in range(0, 50, 10)]
    history.upsert(windows)
    history.upsert(windows[2:])
    assert list(history.results()) == windows
    assert history.sizes().windows == 5


def test_an_earlier_revision_never_replaces_a_later_one(history: History) -> None:
    late = window(0, 5, finding(statistic=0.5))
    history.upsert([late])
    history.upsert([window(0, 4), window(10, 0)])
    assert list(history.results()) == [late, window(10, 0)]
    again = window(0, 5, finding(statistic=0.6))
    later = window(10, 1, finding(statistic=0.7))
    history.upsert([again, later])
    assert list(history.results()) == [again, later]


def test_a_batch_goes_in_whole_or_not_at_all(history: History) -> None:
    broken = replace(window(10), n=None)  # type: ignore[arg-type]  # what the table refuses
    with pytest.raises(StateUnavailableError, match="NOT NULL"):
        history.upsert([window(0), broken])
    assert list(history.results()) == []


def test_the_latest_window_of_each_kind(history: History) -> None:
    history.upsert([window(0), window(10), window(0, 0, name="15m"), window(5, 0, model="credit")])
    assert history.latest() == [window(5, 0, model="credit"), window(0, 0, name="15m"), window(10)]
    assert history.latest("fraud") == [window(0, 0, name="15m"), window(10)]
    assert history.latest("none") == []


def test_the_latest_window_that_rows_fill(history: History) -> None:
    hundred = [replace(window(start), end=start + 1000) for start in (0, 1000, 2000)]
    short = replace(window(1500, name="15m"), end=1600)
    history.upsert([*hundred, short])
    assert history.latest(filled_by=3000) == [short, hundred[2]]
    assert history.latest(filled_by=2990) == [short, hundred[2]], "its last hundredth may be empty"
    assert history.latest(filled_by=2989) == [short, hundred[1]]
    assert history.latest(filled_by=1598) == [hundred[0]]
    assert history.latest(filled_by=10) == []


def test_a_series_holds_one_finding_a_window(history: History) -> None:
    history.upsert(
        window(start, start, finding(statistic=start / 10), finding("income", "psi", 9.0), finding("age", "ks", 8.0))
        for start in range(0, 50, 10)
    )
    points = history.series("fraud", "1", "age", "psi", "1d", first=10, last=40)
    assert [(point.start, point.end, point.revision, point.n) for point in points] == [
        (start, start + 10, start, 100) for start in (10, 20, 30)
    ]
    assert [point.finding.statistic for point in points] == [1.0, 2.0, 3.0]
    assert len(history.series("fraud", "1", "age", "psi", "1d")) == 5
    for absent in (("x", "1", "age", "psi", "1d"), ("fraud", "1", "x", "psi", "1d"), ("fraud", "1", "age", "x", "1d")):
        assert history.series(*absent) == []


def test_pruning_drops_what_ended_before(history: History) -> None:
    history.upsert([window(start) for start in range(0, 12_000, 10)])
    assert history.prune(6_000) == 599
    assert history.sizes().first == 5_990
    assert history.prune(0) == 0
    assert history.prune(1 << 60) == 601
    assert history.sizes().windows == 0
    assert history.sizes().first is None


def test_it_is_all_there_after_opening_again(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with closing(History(path)) as history:
        history.upsert([window(0)])
    history.close()
    with closing(History(path)) as history:
        assert list(history.results()) == [window(0)]
        assert (history.sizes().first, history.sizes().last) == (0, 10)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert connection.execute("SELECT status FROM windows").fetchall() == [("ok",)]


def test_status_and_evaluation_time_are_kept_for_queries(history: History) -> None:
    history.upsert([window(0, 0, finding(status="ok"), finding("b", status="drift"), finding("c", status="warn"))])
    history.upsert([replace(window(10), findings=())])
    with closing(sqlite3.connect(history.path)) as connection:
        rows = connection.execute("SELECT status, evaluated_at FROM windows ORDER BY start").fetchall()
    assert rows == [("drift", 77), ("insufficient", 77)]


def test_readers_in_other_threads_see_whole_batches(history: History) -> None:
    seen: list[int] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            seen.append(sum(1 for _ in history.results()))

    reader = threading.Thread(target=read)
    reader.start()
    for start in range(0, 3000, 100):
        history.upsert([window(start + i) for i in range(0, 100, 10)])
        history.prune(-1)
    stop.set()
    reader.join()
    assert seen
    assert all(count % 10 == 0 for count in seen)
    assert seen == sorted(seen)


def test_a_newer_history_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(StateVersionError, match="schema 9, this version of driftline reads up to 2"):
        History(path)


def test_a_path_that_cannot_be_used_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StateUnavailableError, match=r"Not a directory|File exists"):
        History(tmp_path / "file" / "history.sqlite")
    (tmp_path / "directory").mkdir()
    with pytest.raises(StateUnavailableError, match="unable to open"):
        History(tmp_path / "directory")


@pytest.mark.parametrize("damage", [b"not a database at all" * 100, b"\0" * 5000])
def test_a_damaged_file_is_put_aside(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "history.sqlite"
    path.write_bytes(damage)
    with closing(History(path)) as history:
        history.upsert([window(0)])
        assert list(history.results()) == [window(0)]
    assert (tmp_path / "history.sqlite.damaged").read_bytes() == damage


def test_damage_that_shows_only_while_writing_costs_the_past_but_not_the_write(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    with closing(History(path)) as history:
        history.upsert([window(start) for start in range(0, 3000, 10)])
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    with closing(History(path)) as history:
        with pytest.raises(StateUnavailableError, match="malformed"):
            list(history.results())
        history.upsert([window(0)])
        assert list(history.results()) == [window(0)]
    assert (tmp_path / "history.sqlite.damaged").exists()


def test_a_damaged_window_is_left_out_and_counted(history: History) -> None:
    history.upsert([window(0), window(10)])
    with closing(sqlite3.connect(history.path)) as connection, connection:
        connection.execute("UPDATE windows SET findings = zeroblob(length(findings)) WHERE start = 0")
    assert list(history.results()) == [window(10)]
    assert len(history.series("fraud", "1", "age", "psi", "1d")) == 1
    assert history.damaged == 2


def test_a_full_disk_is_said_and_the_same_windows_go_in_later(history: History) -> None:
    history.upsert([window(0)])
    pages = history._connection.execute("PRAGMA page_count").fetchone()[0]
    history._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    many = [window(start) for start in range(0, 3000, 10)]
    with pytest.raises(StateUnavailableError, match="full"):
        history.upsert(many)
    assert list(history.results()) == [window(0)]
    history._connection.execute("PRAGMA max_page_count = 100000")
    history.upsert(many)
    assert list(history.results()) == many


def test_sizes_of_an_empty_history(history: History) -> None:
    assert history.sizes() == Sizes(0, history.sizes().bytes, None, None)
    assert history.sizes().bytes > 0


ODD = [
    finding(),
    finding("é\x00😀", "k", math.inf, "insufficient"),
    Finding("", "", -0.0, 5e-324, -math.inf, 1.7e308, 1.0, 0.0, "", 1 << 40, "line\nbreak"),
    finding("age", "ks"),
    finding("income", "psi"),
]


@pytest.mark.parametrize("findings", [[], ODD[:1], ODD, ODD * 3, ODD[::-1]])
def test_findings_round_trip(findings: list[Finding]) -> None:
    assert decode_findings(encode_findings(findings)) == tuple(findings)


def test_figures_keep_every_bit() -> None:
    nan = math.nan
    nothing = Finding("a", "psi", nan, nan, nan, nan, nan, nan, "insufficient", 0, "")
    (found,) = decode_findings(encode_findings([nothing]))
    assert all(math.isnan(value) for value in (found.statistic, found.effect, found.p_value, found.threshold))
    (zero,) = decode_findings(encode_findings([finding(statistic=-0.0)]))
    assert math.copysign(1, zero.statistic) == -1


def test_one_finding_equals_the_same_among_all() -> None:
    data = encode_findings(ODD)
    for found in ODD:
        assert decode_one(data, found.column, found.detector) == found
    assert decode_one(data, "nobody", "psi") is None
    assert decode_one(data, "age", "nobody") is None
    assert decode_one(encode_findings([]), "age", "psi") is None


def test_any_flipped_bit_of_the_findings_is_found() -> None:
    data = encode_findings(ODD)
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DamagedFindingsError):
            decode_findings(bytes(damaged))
    for size in range(0, len(data), 7):
        with pytest.raises(DamagedFindingsError):
            decode_findings(data[:size])


def test_a_wide_window_costs_little_space() -> None:
    rng = np.random.default_rng(3)
    findings = [
        Finding(f"feature_{column:04d}", detector, one, two, three, four, five, 0.1, "ok", 1, "")
        for detector in ("psi", "ks", "jensen_shannon", "wasserstein", "chi2")
        for column, (one, two, three, four, five) in enumerate(rng.random((1000, 5)).tolist())
    ]
    assert len(encode_findings(findings)) <= 60 * len(findings)


def test_sheets_hold_what_the_findings_say(history: History) -> None:
    findings = (
        finding(), finding("age", "ks", math.nan, "insufficient"), finding("city", statistic=0.7, status="drift"),
        finding("age", "missing_rate"), finding("stra\u00dfe", status="warn"),
    )  # fmt: skip
    history.upsert([window(start, start, *findings) for start in range(0, 100, 10)])
    history.upsert([window(60, 1000)])
    sheets = history.sheets("fraud", "1", "1d", 20, 80, limit=3)
    assert [sheet.start for sheet in sheets] == [50, 60, 70]
    for sheet, result in zip(sheets, history.results(50, 80), strict=True):
        assert (sheet.end, sheet.n, sheet.revision) == (result.end, result.n, result.revision)
        told = {
            (detector, name): (block.figures[place].tolist(), block.statuses[block.codes[place]])
            for detector, block in sheet.blocks.items()
            for place, name in enumerate(block.names)
        }
        assert len(told) == len(result.findings)
        for f in result.findings:
            figures, status = told[f.detector, f.column]
            wanted = [f.statistic, f.effect, f.low, f.high, f.p_value, f.threshold]
            np.testing.assert_array_equal(figures, wanted)
            assert status == f.status
    marks = history.marks("fraud", "1", "1d", limit=2)
    assert [(mark.start, mark.end, mark.n, mark.status) for mark in marks] == [
        (80, 90, 100, "drift"), (90, 100, 100, "drift")]  # fmt: skip
    assert history.sheets("fraud", "2", "1d", limit=9) == []
    assert history.marks("fraud", "1", "1d", 0, 0, limit=9) == []


def test_a_damaged_window_is_left_out_of_the_sheets(history: History) -> None:
    history.upsert([window(start) for start in (0, 10, 20)])
    with closing(sqlite3.connect(history.path)) as other, other:
        other.execute("UPDATE windows SET findings = substr(findings, 1, 9) WHERE start = 10")
    assert [sheet.start for sheet in history.sheets("fraud", "1", "1d", limit=9)] == [0, 20]
    assert history.damaged == 1
