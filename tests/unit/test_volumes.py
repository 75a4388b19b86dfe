"""Volume through the pipeline: what is expected, when it alarms, and that restarts and versions change nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monitor.config.load import load
from monitor.config.resolve import resolve_model
from monitor.config.root import DefaultsConfig
from monitor.events import DAY, HOUR, MINUTE
from monitor.findings import Finding, WindowResult
from monitor.pipeline import Pipeline
from monitor.reference import Reference
from monitor.reference.expected import describe_volume, profile_of, whole_days
from monitor.reference.parts import Volume
from monitor.reference.summing import volume_of
from tests.references import model_config
from tests.traffic import CONFIG, MONDAY, configured, items, rate, run, times


def volumes(pipeline: Pipeline, window: str = "hourly") -> list[tuple[WindowResult, Finding]]:
    """Return the findings on volume of every window of one kind, in order."""
    return [
        (result, finding)
        for result in pipeline.assembly.history.results(None, None)
        if result.window == window
        for finding in result.findings
        if finding.detector == "volume"
    ]


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a few hundred records at a time, as a live topic hands them out."""
    monkeypatch.setattr("monitor.pipeline._BATCH", 250)


def test_quiet_weeks_are_quiet_and_every_window_is_judged(tmp_path: Path) -> None:
    config = configured(tmp_path)
    pipeline = run(config, tmp_path, {0: items(times(MONDAY, MONDAY + 5 * DAY, 2))})
    for window in ("hourly", "daily"):
        found = volumes(pipeline, window)
        assert {finding.status for _, finding in found} == {"ok"}
        assert all(finding.column == "" for _, finding in found)
    hourly = volumes(pipeline)
    first = hourly[0][0].start
    assert MONDAY < first <= MONDAY + 2 * HOUR, "the first hour may have begun before reading did"
    assert [result.start for result, _ in hourly] == list(range(first, MONDAY + 5 * DAY - HOUR, HOUR))
    expected = [float(finding.explanation.split(" rows, ")[1].split()[0].replace(",", "")) for _, finding in hourly]
    assert np.corrcoef(expected, [rate(result.start) for result, _ in hourly])[0, 1] > 0.95
    assert sum(expected) == pytest.approx(sum(rate(result.start) for result, _ in hourly), rel=0.05)


def test_half_the_rows_and_three_times_the_rows_are_drift(tmp_path: Path) -> None:
    config = configured(tmp_path)
    halved = run(config, tmp_path, {0: items(times(MONDAY, MONDAY + 3 * DAY, 3, 0.35))})
    daily = [finding for result, finding in volumes(halved, "daily") if result.start == MONDAY + DAY]
    assert [(finding.status, finding.direction) for finding in daily] == [("drift", -1)]
    assert daily[0].effect == pytest.approx(-np.log(0.35), abs=0.15)
    assert daily[0].low < -np.log(0.35) < daily[0].high
    halved.close()
    (tmp_path / "more").mkdir()
    tripled = run(configured(tmp_path / "more"), tmp_path / "more", {0: items(times(MONDAY, MONDAY + 2 * DAY, 4, 3))})
    daily = [finding for result, finding in volumes(tripled, "daily") if result.start == MONDAY + 6 * HOUR]
    assert [(finding.status, finding.direction) for finding in daily] == [("drift", 1)]


def test_an_empty_window_is_drift_whatever_min_samples_says(tmp_path: Path) -> None:
    """The gap of six hours is seen once rows come again; the other statistics of those windows have too few rows."""
    config = configured(tmp_path)
    gap = (MONDAY + 30 * HOUR, MONDAY + 36 * HOUR)
    moments = [time for time in times(MONDAY, MONDAY + 2 * DAY, 5) if not gap[0] <= time < gap[1]]
    pipeline = run(config, tmp_path, {0: items(moments)})
    empty = [(result, finding) for result, finding in volumes(pipeline) if gap[0] <= result.start < gap[1]]
    assert [(result.n, finding.status) for result, finding in empty] == [(0, "drift")] * 6
    assert empty[0][1].explanation.startswith("0 rows, ")
    for result, _ in empty:
        assert {finding.status for finding in result.findings if finding.detector == "psi"} == {"insufficient"}
    others = [finding.status for result, finding in volumes(pipeline) if not gap[0] <= result.start < gap[1]]
    assert set(others) == {"ok"}


def findings_of(pipeline: Pipeline) -> dict[tuple[str, str, int], tuple[int, str]]:
    """Return all that was found, in a form that NaN does not keep from being compared."""
    found = {
        (result.version, result.window, result.start): (result.n, repr(result.findings))
        for result in pipeline.assembly.history.results(None, None)
    }
    pipeline.close()
    return found


def test_restarts_and_the_order_of_reading_change_nothing(tmp_path: Path) -> None:
    logs = {
        number: items(times(MONDAY, MONDAY + 2 * DAY, 10 + number, 0.5), version=str(number + 1), tag=f"{number}-")
        for number in range(2)
    }
    runs = []
    for place, (seed, restart_every) in enumerate(((1, None), (1, 3), (2, None))):
        folder = tmp_path / str(place)
        folder.mkdir()
        runs.append(findings_of(run(configured(folder), folder, logs, seed=seed, restart_every=restart_every)))
    assert runs[0] == runs[1]
    assert runs[0] == runs[2]


def test_volume_is_that_of_all_versions_together(tmp_path: Path) -> None:
    """Version 2 takes over by the half; each has too few rows, both together have as many as ever."""
    moments = times(MONDAY, MONDAY + 2 * DAY, 6)
    switch = MONDAY + DAY
    both = zip(moments, items(moments, "1"), items(moments, "2"), strict=True)
    mixed = [newer if time >= switch and n % 2 else older for n, (time, older, newer) in enumerate(both)]
    pipeline = run(configured(tmp_path), tmp_path, {0: mixed})
    found = volumes(pipeline)
    assert {finding.status for _, finding in found} == {"ok"}
    after = [(result, finding) for result, finding in found if result.start == switch + 12 * HOUR]
    assert [result.version for result, _ in after] == ["1", "2"]
    assert after[0][1] == after[1][1]
    assert sum(result.n for result, _ in after) == int(after[0][1].explanation.split()[0])
    before = [result.version for result, _ in found if result.start == switch - 12 * HOUR]
    assert before == ["1"]


def test_late_rows_restate_the_volume_in_the_results_of_every_version(tmp_path: Path) -> None:
    """Rows of one version come hours late into a window that both have."""
    moments = times(MONDAY, MONDAY + DAY, 8)
    late = [time for time in moments if 6 * HOUR <= time - MONDAY < 7 * HOUR][::2]
    on_time = [time for time in moments if time not in set(late)]
    both = [item for pair in zip(items(on_time, "1"), items(on_time, "2", "b"), strict=True) for item in pair]
    pipeline = run(configured(tmp_path), tmp_path, {0: [*both, *items(late, "2", "late")]})
    window = [(result, finding) for result, finding in volumes(pipeline) if result.start == MONDAY + 6 * HOUR]
    assert [result.version for result, _ in window] == ["1", "2"]
    assert window[0][1] == window[1][1]
    assert int(window[0][1].explanation.split()[0]) == sum(result.n for result, _ in window)
    assert [result.revision for result, _ in window] == [0, len(late)]


def test_with_few_days_it_warns_at_most(tmp_path: Path) -> None:
    config = configured(tmp_path, days=5)
    pipeline = run(config, tmp_path, {0: items(times(MONDAY, MONDAY + 2 * DAY, 9, 12.0))})
    found = [finding for result, finding in volumes(pipeline, "daily") if result.start == MONDAY + 6 * HOUR]
    assert [finding.status for finding in found] == ["warn"]
    assert "fewer than 7 days" in found[0].explanation


@pytest.mark.parametrize("spoil", ["no volume", "an old file", "one day", "no rows"])
def test_references_that_cannot_tell_have_no_such_monitor(tmp_path: Path, spoil: str) -> None:
    config = configured(tmp_path)
    reference = Reference.load(tmp_path / "reference.json")
    volume = reference.volume
    assert volume is not None
    assert volume.by_hour is not None
    spoilt = {
        "no volume": None,
        "an old file": Volume(volume.rows, volume.hours),
        "one day": replace(volume, by_hour=volume.by_hour[:30]),
        "no rows": replace(volume, by_hour=0 * volume.by_hour),
    }[spoil]
    replace(reference, volume=spoilt).save(tmp_path / "reference.json")
    assert profile_of(Reference.load(tmp_path / "reference.json")) is None
    pipeline = run(config, tmp_path, {0: items(times(MONDAY, MONDAY + 6 * HOUR, 2))})
    results = list(pipeline.assembly.history.results(None, None))
    assert results
    assert not volumes(pipeline)


def test_the_volume_of_a_reference_goes_through_its_file(tmp_path: Path) -> None:
    configured(tmp_path)
    loaded = Reference.load(tmp_path / "reference.json").volume
    assert loaded is not None
    counts = np.bincount((np.array(times(MONDAY - 28 * DAY, MONDAY, 1)) - MONDAY) // HOUR + 28 * 24, minlength=28 * 24)
    assert loaded.first == MONDAY - 28 * DAY
    assert loaded.by_hour is not None
    np.testing.assert_array_equal(loaded.by_hour, counts)


def test_only_the_last_92_days_are_kept_by_the_hour() -> None:
    by_hour = {day * DAY: day + 1 for day in range(200)}
    volume = volume_of(by_hour)
    assert volume.by_hour is not None
    assert len(volume.by_hour) == 92 * 24
    assert volume.by_hour[-1] == 200
    assert volume.first == 199 * DAY - (92 * 24 - 1) * HOUR
    assert int(volume.rows.sum()) == sum(by_hour.values())


@pytest.mark.parametrize(
    ("first", "length", "begin", "days"),
    [(0, 48, 0, 2), (1, 48, 24, 1), (23, 49, 24, 2), (0, 71, 0, 2), (5, 19, 24, 0), (0, 24, 0, 1)],
)
def test_days_that_are_not_whole_are_left_out(first: int, length: int, begin: int, days: int) -> None:
    volume = Volume(np.zeros(168, np.int64), np.zeros(168, np.int64), first * HOUR, np.ones(length, np.int64))
    start, table = whole_days(volume)
    assert (len(table), start if days else begin) == (days, begin)
    assert (table == 1).all()


def test_a_day_whose_nights_are_empty_is_whole() -> None:
    """Rows come from eight to eight: the first row of the first day is no sign of a day cut off."""
    hours = np.zeros((10, 24), np.int64)
    hours[:, 8:20] = 50
    volume = Volume(np.zeros(168, np.int64), np.zeros(168, np.int64), 8 * HOUR, hours.ravel()[8:-4])
    start, table = whole_days(volume)
    assert start == 0
    np.testing.assert_array_equal(table, hours)


def test_the_hours_of_a_learnt_reference_are_those_of_its_rows(tmp_path: Path) -> None:
    """Two weeks are longer than fine panes are kept; quiet nights at both ends belong to the period."""
    path = tmp_path / "driftline.yaml"
    text = CONFIG.format(folder=tmp_path, reference="{learn: 14d}").replace("restate_for: 3d", "restate_for: 2d")
    path.write_text(text)
    config = load(path, {})
    moments = [time for time in times(MONDAY - DAY, MONDAY + 24 * DAY, 11) if 6 <= time // HOUR % 24 < 20]
    pipeline = run(config, tmp_path, {0: items(moments)})
    reference = pipeline.assembly.models["m"].reference
    assert reference is not None
    assert reference.volume is not None
    assert reference.volume.by_hour is not None
    start = reference.volume.first
    assert start is not None
    assert start % DAY == 0
    assert len(reference.volume.by_hour) == 14 * 24
    truth = np.bincount((np.array(moments) - start + 30 * DAY) // HOUR)[30 * 24 : 44 * 24]
    np.testing.assert_array_equal(reference.volume.by_hour, truth)
    found = volumes(pipeline)
    assert {finding.status for _, finding in found} == {"ok"}


def test_windows_that_are_counted_in_part_are_not_judged(tmp_path: Path) -> None:
    """Reading begins and ends in the midst of a window, and the first row of all is a late one."""
    begin, end = MONDAY + 30 * MINUTE, MONDAY + 30 * HOUR + 20 * MINUTE
    moments = [MONDAY - 9 * HOUR, *(time for time in times(begin, begin + 31 * HOUR, 12, 3.0) if begin <= time < end)]
    pipeline = run(configured(tmp_path), tmp_path, {0: items(moments, "1")})
    found = volumes(pipeline)
    assert found[0][0].start == MONDAY + HOUR
    assert found[-1][0].end == MONDAY + 30 * HOUR
    daily = [result for result, _ in volumes(pipeline, "daily")]
    assert [result.start for result in daily] == [MONDAY + 6 * HOUR]
    evaluated = [result.start for result in pipeline.assembly.history.results(None, None) if result.window == "daily"]
    assert min(evaluated) < MONDAY
    assert max(evaluated) > MONDAY + 6 * HOUR


def test_a_learnt_reference_is_watched_for_volume_by_default_and_a_file_when_asked() -> None:
    defaults = DefaultsConfig()
    learnt = resolve_model(model_config(), defaults)
    from_file = resolve_model(model_config(reference={"source": "r.json"}), defaults)
    assert any("volume" in detector.on for detector in learnt.detectors or ())
    assert not any("volume" in detector.on for detector in from_file.detectors or ())


def test_a_reference_says_how_its_days_differ(tmp_path: Path) -> None:
    configured(tmp_path)
    reference = Reference.load(tmp_path / "reference.json")
    assert "by hour of the week, from 28 days" in describe_volume(reference)
    assert "cannot be judged" in describe_volume(replace(reference, volume=None))


def test_a_minute_is_a_sixtieth_of_what_its_hour_expects(tmp_path: Path) -> None:
    configured(tmp_path)
    profile = profile_of(Reference.load(tmp_path / "reference.json"))
    assert profile is not None
    hour, minute = (profile.expect(MONDAY / HOUR, length / HOUR) for length in (HOUR, MINUTE))
    assert minute.exposure[0] == pytest.approx(hour.exposure[0] / 60)
    assert minute.reference[0] == pytest.approx(hour.reference[0])
