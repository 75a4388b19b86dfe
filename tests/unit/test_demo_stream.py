"""The demo's stream: the same every time, quiet where it says so, changed where it says so."""

from __future__ import annotations

import json
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from river.datasets import synth
from scipy.special import expit, logit
from scipy.stats import binomtest, ks_2samp

from monitor.config.types import parse_moment
from monitor.demo.applicants import agrawal, applicants
from monitor.demo.injections import FLIPPED_LEVEL, SHARPENED, Injection
from monitor.demo.output import LABELS, PREDICTIONS, REFERENCE, write_files
from monitor.demo.scorer import THRESHOLD, default_chance
from monitor.demo.stream import LATENESS, MODEL, PARTITIONS, START, DemoRecord, DemoStream
from monitor.events import DAY, HOUR, FloatArray

ROWS = 2_000
QUIET = 7


class Table:
    """Decoded rows with their event times, columns by name."""

    def __init__(self, values: list[bytes]) -> None:
        rows = [row for row in map(readable, values) if row is not None]
        self.ids = [row["prediction_id"] for row in rows]
        self.times = np.array([parse_moment(row["ts"]) for row in rows])
        self.models = {(row["model"], row["model_version"]) for row in rows}
        columns = {name: [row["features"][name] for row in rows] for name in rows[0]["features"]}
        columns |= {name: [row[name] for row in rows] for name in ("score", "prediction", "latency_ms")}
        self.columns: dict[str, list[Any]] = columns

    def numbers(self, name: str, rows: Any = slice(None)) -> FloatArray:
        """Return a numeric column without its missing cells."""
        cells = np.array([np.nan if value is None else value for value in self.columns[name]], np.float64)
        column: FloatArray = cells[rows]
        return column[~np.isnan(column)]

    def share(self, name: str, value: object, rows: Any = slice(None)) -> float:
        """Return how often a column holds a value."""
        return float(np.mean(np.array([cell == value for cell in self.columns[name]])[rows]))

    def during(self, change: Injection) -> Any:
        """Return which rows a change touches, by the times the records themselves state."""
        return (self.times >= change.start) & (self.times < change.end)


def readable(value: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(value)
    except ValueError:
        return None
    if not {"prediction_id", "ts"} <= set(row) or not row["ts"].endswith("Z"):
        return None
    return dict(row)


@pytest.fixture(scope="module")
def stream() -> DemoStream:
    return DemoStream(seed=11, quiet_days=QUIET, rows_per_day=ROWS)


@pytest.fixture(scope="module")
def records(stream: DemoStream) -> list[DemoRecord]:
    return list(stream.records())


@pytest.fixture(scope="module")
def table(records: list[DemoRecord]) -> Table:
    return Table([record.value for record in records])


@pytest.fixture(scope="module")
def reference(stream: DemoStream) -> Table:
    return Table(list(stream.reference_rows(10_000)))


def change(stream: DemoStream, column: str) -> Injection:
    return next(injection for injection in stream.injections if injection.column == column)


def test_rows_are_those_of_river() -> None:
    expected = [tuple(x.values()) for x, _ in islice(synth.Agrawal(seed=3), 200)]
    columns = agrawal(3, 200)
    assert list(zip(*(column.tolist() for column in columns.values()), strict=True)) == expected
    assert list(columns) == synth.Agrawal(seed=3).feature_names


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_a_day_may_be_empty_or_tiny(rows: int) -> None:
    day = applicants(5, 0, rows, START)
    assert len(day) == rows
    assert all(len(column) == rows for column in day.columns.values())


def test_same_seed_same_stream(stream: DemoStream, records: list[DemoRecord]) -> None:
    again = DemoStream(seed=11, quiet_days=QUIET, rows_per_day=ROWS)
    assert list(islice(again.records(), 5_000)) == records[:5_000]
    assert list(islice(again.reference_rows(), 50)) == list(islice(stream.reference_rows(), 50))


def test_another_seed_another_stream(records: list[DemoRecord]) -> None:
    other = list(islice(DemoStream(seed=12, quiet_days=QUIET, rows_per_day=ROWS).records(), 100))
    assert not {record.value for record in other} & {record.value for record in records[:100]}


def test_every_record_is_there_once_in_log_order(stream: DemoStream, records: list[DemoRecord], table: Table) -> None:
    assert len(records) == len(stream)
    assert len(set(table.ids)) == len(table.ids) == len(records) - stream.poison
    written = [record.timestamp for record in records]
    assert written == sorted(written)
    assert {record.partition for record in records} == set(range(PARTITIONS))
    assert all(time % 1000 == 0 for time in written)
    assert table.models == {(MODEL, "1")}


def test_a_key_stays_on_one_partition_and_is_the_id(records: list[DemoRecord]) -> None:
    for record in records:
        row = readable(record.value)
        assert row is None or record.key.decode() == row["prediction_id"]
    loads = Counter(record.partition for record in records)
    assert max(loads.values()) < 1.1 * min(loads.values())


def test_little_is_late_and_nothing_is_early(records: list[DemoRecord]) -> None:
    rows = [(record, row) for record in records if (row := readable(record.value)) is not None]
    delays = np.array([record.timestamp - parse_moment(row["ts"]) for record, row in rows])
    assert delays.min() >= 0
    assert delays.max() <= 6 * HOUR
    late = delays > LATENESS
    assert 0.0005 < late.mean() < 0.005
    assert (delays[late] >= HOUR).all()
    newest = np.maximum.accumulate(np.array([parse_moment(row["ts"]) for _, row in rows]))
    assert (np.diff(newest) == 0).mean() > 0.01, "records come out of order"


def test_the_quiet_week_follows_the_reference(stream: DemoStream, table: Table, reference: Table) -> None:
    quiet = table.times < stream.start + QUIET * DAY
    for name in ("salary", "commission", "age", "hvalue", "hyears", "loan", "score", "latency_ms"):
        assert ks_2samp(table.numbers(name, quiet), reference.numbers(name)).pvalue > 1e-3, name
    for name, size in (("elevel", 5), ("car", 20), ("zipcode", 9)):
        values = sorted(set(reference.columns[name]))
        assert len(values) == size
        for value in values:
            assert table.share(name, value, quiet) == pytest.approx(reference.share(name, value), abs=0.025)
    assert table.share("hvalue", None, quiet) == pytest.approx(0.005, abs=0.003)


def test_each_quiet_day_follows_the_reference(stream: DemoStream, table: Table, reference: Table) -> None:
    p_values = [
        ks_2samp(table.numbers(name, table.times // DAY == stream.start // DAY + day), reference.numbers(name)).pvalue
        for day in range(QUIET)
        for name in ("salary", "age", "loan", "score")
    ]
    assert min(p_values) > 1e-3 / len(p_values)


def test_volume_and_age_follow_the_clock(table: Table) -> None:
    hours = table.times % DAY // HOUR
    busy, calm = (hours >= 11) & (hours < 17), (hours < 5) | (hours >= 23)
    assert 1.8 < busy.sum() / calm.sum() < 4.5
    older = table.numbers("age", busy).mean() - table.numbers("age", calm).mean()
    assert 1.0 < older < 6.0


def test_salaries_rise_while_the_change_lasts(stream: DemoStream, table: Table, reference: Table) -> None:
    during = table.during(change(stream, "salary"))
    assert table.numbers("salary", during).mean() / reference.numbers("salary").mean() == pytest.approx(1.25, abs=0.02)
    assert table.numbers("salary", during).max() > 180_000
    assert table.numbers("salary", ~during).max() <= 150_000


def test_house_values_vanish_while_the_change_lasts(stream: DemoStream, table: Table) -> None:
    during = table.during(change(stream, "hvalue"))
    assert table.share("hvalue", None, during) == pytest.approx(0.25, abs=0.03)
    assert table.share("hvalue", None, ~during) < 0.01


def test_the_new_make_comes_only_while_the_change_lasts(stream: DemoStream, table: Table) -> None:
    during = table.during(change(stream, "car"))
    assert table.share("car", "car_21", during) == pytest.approx(0.08, abs=0.02)
    assert table.share("car", "car_21", ~during) == 0.0


def test_scores_shift_though_the_logged_features_do_not(stream: DemoStream, table: Table, reference: Table) -> None:
    during = table.during(change(stream, "score"))
    assert ks_2samp(table.numbers("score", during), reference.numbers("score")).statistic > 0.1
    for name in ("salary", "commission", "age", "hvalue", "hyears", "loan"):
        assert ks_2samp(table.numbers(name, during), reference.numbers(name)).pvalue > 1e-4, name


def test_changes_do_not_overlap_and_hold_a_whole_day_each(stream: DemoStream) -> None:
    borders = [border for injection in stream.injections for border in (injection.start, injection.end)]
    assert borders == sorted(borders)
    assert borders[0] >= stream.start + QUIET * DAY
    assert borders[-1] <= stream.end
    for injection in stream.injections:
        assert injection.end - injection.start >= 36 * HOUR
        assert injection.end // DAY - -(-injection.start // DAY) >= 1
        assert {column for column, _ in injection.expect} == {injection.column}
        assert injection.column in injection.moves or injection.judged


def test_the_model_is_calibrated_and_decides_by_its_score(stream: DemoStream, table: Table) -> None:
    scores, decisions = np.array(table.columns["score"]), np.array(table.columns["prediction"])
    assert ((scores >= THRESHOLD) == (decisions == 1)).all()
    day = applicants(stream.seed, -400, 20_000, START)
    estimate, truth = stream.scorer.score(day.columns), default_chance(day.columns)
    assert float(np.mean(np.abs(estimate - truth))) < 0.03
    for low in np.arange(0.0, 1.0, 0.2):
        kept = (estimate >= low) & (estimate < low + 0.2)
        assert abs(float(estimate[kept].mean() - truth[kept].mean())) < 0.03


def test_one_segment_turns_while_inputs_and_scores_stay(stream: DemoStream, table: Table) -> None:
    turn = change(stream, "accuracy")
    labels = {label.id: label.label for label in stream.labels()}
    right = {True: [0, 0], False: [0, 0]}
    for place, id_ in enumerate(table.ids):
        if id_ in labels and turn.start <= table.times[place] < turn.end:
            turned = table.columns["elevel"][place] == f"level_{FLIPPED_LEVEL}"
            right[turned][labels[id_] == table.columns["prediction"][place]] += 1
    shares = {turned: good / (good + bad) for turned, (bad, good) in right.items()}
    assert shares[True] < 0.4
    assert shares[False] > 0.65


def test_scores_get_too_sure_while_decisions_stay(stream: DemoStream, table: Table) -> None:
    turn = change(stream, "ece")
    labels = {label.id: label.label for label in stream.labels()}
    touched = [p for p, id_ in enumerate(table.ids) if id_ in labels and turn.start <= table.times[p] < turn.end]
    scores = np.array([table.columns["score"][place] for place in touched], np.float64)
    truth = np.array([labels[table.ids[place]] for place in touched])
    sure = scores > 0.95
    assert sure.sum() > 50
    assert truth[sure].mean() < 0.93
    before = expit(logit(np.clip(scores, 1e-6, 1 - 1e-6)) / SHARPENED)
    assert abs(float((before - truth).mean())) < 0.05
    decisions = np.array([table.columns["prediction"][place] for place in touched])
    assert np.array_equal(decisions == 1, before >= THRESHOLD)


def test_labels_come_once_each_and_late(stream: DemoStream, table: Table) -> None:
    labels = list(stream.labels())
    known = [label.time for label in labels]
    assert known == sorted(known)
    made = dict(zip(table.ids, table.times.tolist(), strict=True))
    named = {label.id for label in labels}
    assert len(named) == len(labels)
    assert named <= set(made)
    assert len(named) > 0.98 * len(made)
    delays = np.array([label.time - made[label.id] for label in labels])
    assert delays.min() > 0
    assert float(np.median(delays)) == pytest.approx(2 * DAY, rel=0.1)
    scored = dict(zip(table.ids, table.columns["score"], strict=True))
    quiet = [label for label in labels if made[label.id] < stream.start + QUIET * DAY]
    expected = float(np.mean([scored[label.id] for label in quiet]))
    assert binomtest(sum(label.label for label in quiet), len(quiet), expected).pvalue > 1e-4


def test_files_hold_the_stream(tmp_path: Path) -> None:
    small = DemoStream(seed=3, quiet_days=1, rows_per_day=50)
    write_files(small, tmp_path / "demo")
    lines = (tmp_path / "demo" / PREDICTIONS).read_bytes().split(b"\n")
    assert lines == [record.value for record in small.records()] + [b""]
    assert len((tmp_path / "demo" / REFERENCE).read_bytes().splitlines()) == 21_000
    labels = [json.loads(line) for line in (tmp_path / "demo" / LABELS).read_bytes().splitlines()]
    assert 0.97 * (len(small) - small.poison) < len(labels) <= len(small) - small.poison
    assert {label["label"] for label in labels} == {0, 1}
