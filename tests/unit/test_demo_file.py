"""``driftline demo --from-file`` over small files of every kind, by the command's own function."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from rich.console import Console
from scipy.stats import ks_2samp

from monitor.commands.demo_file import BAD_DATA, USAGE, FileOptions, demo_file
from monitor.commands.replay import ReplayOptions, replay
from monitor.config.load import load
from monitor.demo.own.mapping import Said
from monitor.demo.own.tally import Tally

pa: Any = import_module("pyarrow")
pq: Any = import_module("pyarrow.parquet")
BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
ROWS = 1_200
DRIFT = 900
HEADER = ("at", "income", "city", "age")


def rows(*, drift: bool = True, step: timedelta = timedelta(minutes=30)) -> list[list[Any]]:
    """Return rows of which, from the 900th on, incomes are two standard deviations higher."""
    draw = random.Random(5)
    return [
        [
            (BEGIN + step * i).strftime("%Y-%m-%d %H:%M:%S"),
            round(draw.gauss(100 + (40 if drift and i >= DRIFT else 0), 20), 3),
            draw.choice(["Köln", "Bonn", "Ulm"]),
            draw.randint(18, 80),
        ]
        for i in range(ROWS)
    ]


def as_csv(table: Iterable[Sequence[Any]], header: Sequence[str] = HEADER, delimiter: str = ",") -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(header)
    writer.writerows(table)
    return out.getvalue().encode()


def as_lines(table: Iterable[Sequence[Any]]) -> bytes:
    objects = ({"ts": at, "features": dict(zip(HEADER[1:], cells, strict=True))} for at, *cells in table)
    return b"".join(json.dumps(one).encode() + b"\n" for one in objects)


def as_parquet(table: Sequence[Sequence[Any]]) -> bytes:
    columns: dict[str, Any] = dict(zip(HEADER, zip(*table, strict=True), strict=True))
    columns["at"] = [datetime.fromisoformat(text) for text in columns["at"]]
    out = io.BytesIO()
    pq.write_table(pa.table({name: list(cells) for name, cells in columns.items()}), out)
    return out.getvalue()


def run(path: Path, width: int = 120, **options: Any) -> tuple[int, str]:
    """Return the exit status and what was printed."""
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=False)
    return demo_file(path, FileOptions(**options), console=console), out.getvalue()


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


@pytest.fixture
def tallies(monkeypatch: pytest.MonkeyPatch) -> list[Tally]:
    """Return every tally that the command makes, to look at figures beside the text."""
    made: list[Tally] = []

    def tally() -> Tally:
        made.append(Tally())
        return made[-1]

    monkeypatch.setattr("monitor.commands.demo_file.Tally", tally)
    return made


KINDS: dict[str, Callable[[], bytes]] = {
    "own.csv": lambda: as_csv(rows()),
    "own.tsv": lambda: as_csv(rows(), delimiter="\t"),
    "own.csv.gz": lambda: gzip.compress(as_csv(rows())),
    "own.csv.zst": lambda: zstandard.compress(as_csv(rows())),
    "own.txt": lambda: as_csv(rows()),
    "own.jsonl": lambda: as_lines(rows()),
    "own.jsonl.gz": lambda: gzip.compress(as_lines(rows())),
    "own.parquet": lambda: as_parquet(rows()),
}


@pytest.mark.parametrize("name", KINDS)
def test_drift_is_found_in_a_file_of_any_kind(name: str, file: Callable[..., Path], tallies: list[Tally]) -> None:
    status, told = run(file(name, KINDS[name]()))
    assert status == 0, told
    assert "1,200 rows" in told
    assert f"What drifted in {name}" in told
    assert "Changes made to a copy" not in told, "real drift needs no show"
    assert tallies[0].columns == {"income"}
    first = min(sighting.first[0].end for sighting in tallies[0].sightings.values())
    began = int((BEGIN + timedelta(minutes=30) * DRIFT).timestamp() * 1e6)
    assert began < first <= began + 4 * 86_400_000_000, "within two windows"


def test_figures_are_those_of_the_rows_themselves(file: Callable[..., Path], tmp_path: Path) -> None:
    table = rows()
    assert run(file("own.csv", as_csv(table)), save=tmp_path / "kept")[0] == 0
    out = tmp_path / "findings.jsonl"
    assert replay(tmp_path / "kept" / "driftline.yaml", {}, ReplayOptions(json=out)) == 0
    incomes = np.array([row[1] for row in table])
    reference = incomes[: ROWS // 2]
    times = np.array([f"{row[0].replace(' ', 'T')}Z" for row in table])
    findings = [row for row in map(json.loads, out.read_text().splitlines()) if row["column"] == "income"]
    for row in findings:
        inside = (times >= max(row["window_start"], times[ROWS // 2])) & (times < row["window_end"])
        assert row["n"] == inside.sum()
        if row["detector"] == "ks" and row["statistic"] is not None:
            window = incomes[inside & (incomes >= reference.min()) & (incomes <= reference.max())]
            exact = ks_2samp(reference, window).statistic
            assert row["statistic"] <= exact + 1e-12
            assert row["statistic"] == pytest.approx(exact, abs=2 / 256 + 1 / len(window))
    assert sum(row["detector"] == "ks" and row["statistic"] is not None for row in findings) > 5


def test_the_order_of_the_file_does_not_matter(file: Callable[..., Path], tallies: list[Tally]) -> None:
    table = rows()
    assert run(file("own.csv", as_csv(table)))[0] == 0
    random.Random(1).shuffle(table)
    status, told = run(file("shuffled.csv", as_csv(table)))
    assert status == 0
    assert "rows stood out of order" in told
    kept, shuffled = ({key: len(one.windows) for key, one in tally.sightings.items()} for tally in tallies)
    assert kept == shuffled != {}
    assert (tallies[0].judged, tallies[0].psi, tallies[0].ks) == (tallies[1].judged, tallies[1].psi, tallies[1].ks)


def test_nothing_drifted_so_known_changes_are_shown(file: Callable[..., Path], tallies: list[Tally]) -> None:
    status, told = run(file("own.csv", as_csv(rows(drift=False))))
    assert status == 0
    assert "nothing: no column drifted" in told
    shown = told.partition("Changes made to a copy")[2]
    for change in ("a number shifts", "a new category", "cells go missing"):
        assert change in shown
    assert "not found" not in shown
    assert "In the columns that were left alone nothing was found." in shown
    assert tallies[0].columns == set()
    assert tallies[1].columns == {"income", "city", "age"}


@pytest.mark.parametrize(("drift", "inject", "shown"), [(True, True, True), (False, False, False)])
def test_the_person_decides_about_changes(drift: bool, inject: bool, shown: bool, file: Callable[..., Path]) -> None:
    status, told = run(file("own.csv", as_csv(rows(drift=drift))), inject=inject)
    assert status == 0
    assert ("Changes made to a copy" in told) == shown


def test_rows_without_times_are_taken_in_order(file: Callable[..., Path], tallies: list[Tally]) -> None:
    table = [row[1:] for row in rows()]
    status, told = run(file("own.csv", as_csv(table, HEADER[1:])))
    assert status == 0
    assert "note: no column of times" in told
    assert tallies[0].columns == {"income"}
    assert "row 9" in told.partition("What drifted")[2], "the place is a row, not a time"


def test_what_is_saved_replays_to_the_same_findings(
    file: Callable[..., Path], tmp_path: Path, tallies: list[Tally], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kept [1] ${HOME}"
    status, told = run(file("own.csv", as_csv(rows())), save=folder)
    assert status == 0
    assert "driftline replay -c" in told
    assert load(folder / "driftline.yaml", {}).models[0].name == "own"
    out = tmp_path / "findings.jsonl"
    monkeypatch.chdir(tmp_path)
    assert replay(folder / "driftline.yaml", {}, ReplayOptions(json=out)) == 0
    replayed = {
        (row["window_start"], row["window"], row["column"], row["detector"]): row["statistic"]
        for row in map(json.loads, out.read_text().splitlines())
        if row["status"] == "drift"
    }
    for sighting in tallies[0].sightings.values():
        result, finding = sighting.worst
        start = datetime.fromtimestamp(result.start / 1e6, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert replayed[start, result.window, finding.column, finding.detector] == finding.statistic
    again, message = run(file("own.csv", as_csv(rows())), save=folder)
    assert again == USAGE
    assert "exists; move it away" in message


def test_versions_and_models_of_a_log_are_kept_apart(file: Callable[..., Path], tallies: list[Tally]) -> None:
    lines = b"".join(
        json.dumps(
            {
                "prediction_id": f"p{i}", "ts": f"{row[0]}Z", "model": "b" if i % 4 == 3 else "a",
                "model_version": str(1 + i // 900), "score": 0.5 + row[3] / 200, "features": {"income": row[1]},
            }
        ).encode() + b"\n"
        for i, row in enumerate(rows(step=timedelta(minutes=10)))
    )  # fmt: skip
    status, told = run(file("log.jsonl", lines + b"broken\n"))
    assert status == 0
    assert "the rows of the model 'a' are taken; there are others: 'b'" in told
    assert "300 rows left out: other model" in told
    assert "1 row left out: not json, the first in line 1,201" in told
    assert {(one.column, one.version) for one in tallies[0].sightings.values()} == {("income", "2")}


UGLY: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "only blanks": (b"\n \n", "is empty"),
    "header only": (b"a,b\n", "no rows below them"),
    "binary": (bytes(range(256)) * 9, ":1: is not text"),
    "binary after text": (b"a,b\n1,2\n\x00\x01", ":3: is not text"),
    "spreadsheet": (b"PK\x03\x04.....", "is a spreadsheet"),
    "utf-16": (("a,b\n1,2\n" * 300).encode("utf-16"), "is UTF-16"),
    "array": (b'[{"a": 1}]', ":1: is one JSON array"),
    "pretty JSON": (b'{\n "a": 1\n}\n', "not json, the first in line 1"),
    "no header": (b"1,2,3\n" * 300, ":1: holds numbers where the names"),
    "cut off": (gzip.compress(b"a,b\n" + b"1,2\n" * 40_000)[:50], "is damaged or cut off"),
    "bad parquet": (b"PAR1 and no more", "cannot be read as Parquet"),
    "few rows": (as_csv(rows()[:120]), "120 rows; at least 200 are needed"),
    "nothing to watch": (b"a,b\n" + b",NA\n" * 300, "holds no column that could be watched"),
    "too many cells": (b"a,b\n" + b"1,2,3\n" * 300, "not as many cells as columns, the first in line 2"),
}  # fmt: skip


@pytest.mark.parametrize("case", UGLY)
def test_a_file_of_no_use_is_told_what_is_wrong(case: str, file: Callable[..., Path], tmp_path: Path) -> None:
    content, message = UGLY[case]
    path = file("own.csv", content)
    status, told = run(path)
    assert status == BAD_DATA, told
    assert message in told
    assert "Traceback" not in told
    assert run(tmp_path / "nowhere.csv")[0] == BAD_DATA
    assert run(tmp_path)[0] == BAD_DATA


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reference": 1.5}, "between 0 and 1"),
        ({"reference_until": "tomorrow"}, "--reference-until: not a time"),
        ({"said": Said(time="none"), "reference_until": "2024-01-05T00:00:00Z"}, "needs a column of times"),
        ({"said": Said(score="nope")}, "no column 'nope'"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], message: str, file: Callable[..., Path]) -> None:
    status, told = run(file("own.csv", as_csv(rows())), **options)
    assert status == USAGE
    assert message in told


def survives(path: Path, **options: Any) -> str:
    status, told = run(path, **options)
    assert status == 0, told
    return told


def test_hostile_names_and_cells(file: Callable[..., Path]) -> None:
    names = ["größe", 'a"b', "[red]x[/red]", "${HOME}", "😀", "a\nb", "x: y #z", "\x1b[31m", "volume", "", "a", "a"]
    draw = random.Random(2)
    table = [[draw.choice(["[b]", "\x1b[2J", "𝄞", "NA"]), *(draw.random() for _ in names[1:])] for _ in range(400)]
    told = survives(file("own.csv", as_csv(table, names)), width=200)
    assert "\x1b" not in told
    assert "columns of the same name, of which the first is taken: 'a'" in told
    assert "volume_column" in told


def test_values_of_every_odd_kind(file: Callable[..., Path]) -> None:
    draw = random.Random(2)
    table = [
        [1, "x", "", "1e308" if i % 3 else draw.random(), "inf" if i % 9 == 0 else draw.random(), f"{draw.random()}"]
        for i in range(400)
    ]
    told = survives(file("own.csv", as_csv(table, ["one", "same", "none", "huge", "endless", "fine"])))
    assert "none (no values)" in told
    assert "5: one, huge, endless, fine" not in told
    assert "4: one, huge, endless, fine" in told


@pytest.mark.parametrize(
    ("times", "note"),
    [
        (lambda i: "soon" if i % 10 == 0 else str(BEGIN + timedelta(hours=i)), "holds times in 90% of its rows"),
        (lambda _: "2024-01-01", "all times lie within 0s"),
        (lambda i: str(1_704_067_200_000 + i * 3), "all times lie within"),
        (lambda i: "2099-01-01" if i == 7 else str(BEGIN + timedelta(hours=i)), "1 row left out: time far from all"),
        (lambda i: f"0{1 + i // 200}/0{1 + i % 9}/2024", "fit month/day and day/month alike"),
        (lambda i: "" if i == 7 else str(BEGIN + timedelta(hours=i)), "1 row left out: missing time"),
    ],
)
def test_odd_times_are_told(times: Callable[[int], str], note: str, file: Callable[..., Path]) -> None:
    draw = random.Random(2)
    table = [[times(i), draw.gauss(0, 1)] for i in range(600)]
    assert note in survives(file("own.csv", as_csv(table, ["ts", "x"])), inject=False)


def test_a_time_that_is_bad_in_places_can_be_asked_for(file: Callable[..., Path]) -> None:
    table = [[str(BEGIN + timedelta(hours=i)) if i % 3 else "soon", random.Random(i).random()] for i in range(900)]
    path = file("own.csv", as_csv(table, ["ts", "x"]))
    told = survives(path, said=Said(time="ts"), inject=False)
    assert "300 rows left out: bad time" in told
    assert "reference  300 rows" in told


def test_two_changes_in_one_column_are_both_found(file: Callable[..., Path]) -> None:
    draw = random.Random(4)
    told = survives(file("own.csv", as_csv([[draw.gauss(0, 1)] for _ in range(2_000)], ["x"])))
    shown = told.partition("Changes made to a copy")[2]
    assert "a number shifts" in shown
    assert "missing_rate" in shown
    assert "not found" not in shown


def test_a_terminal_gets_a_live_table_that_fits(file: Callable[..., Path]) -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, legacy_windows=False)
    assert demo_file(file("own.csv", as_csv(rows())), FileOptions(), console=console) == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue())
    assert "no drift so far" in plain
    assert all(len(line) <= 80 for line in re.split(r"[\r\n]", plain))
    assert any(re.match(r"rows [\d,]+ of 600   window .* rows   a second [\d,]+", line) for line in plain.splitlines())


def test_many_columns(file: Callable[..., Path]) -> None:
    cells = np.random.default_rng(3).normal(size=(210, 250)).round(3).tolist()
    told = survives(file("wide.csv", as_csv(cells, [f"c{i}" for i in range(250)])), inject=False)
    assert "250: c0, c1" in told
    assert "0 of 250 columns drifted" in told
