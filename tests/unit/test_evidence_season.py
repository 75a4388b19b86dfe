"""Hours of the day and of the week: which reference rows a window is compared with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from monitor.assembly import build_model
from monitor.config.load import load
from monitor.events import DAY, HOUR, FloatArray
from monitor.evidence.inputs import input_streams
from monitor.evidence.season import by_slot, cycle_of, too_short
from monitor.evidence.spans import LENGTHS, Calendar, hours_of
from monitor.evidence.stream import Past, Stream
from monitor.evidence.terms import Asked, terms_of
from tests.evidence_service import BEGIN, configured, logs, rows, run

WEEKLY = Asked(6 * HOUR, "hour_of_week", "auto", 0)
DAYS = 28
WEEKDAYS = np.arange(DAYS) % 7


def stream(past: Past) -> Stream:
    reference = past.days.sum(axis=0)
    return Stream("x", "", "", "", "features", False, reference, np.zeros(0, int), np.zeros(0, int), past, "m")


def past_of(laws: FloatArray, number: int = 400, seed: int = 0) -> Past:
    """Return a past whose weekday w has law ``laws[w]``, from a Monday on."""
    counts = np.random.default_rng(seed).multinomial(number, laws[WEEKDAYS][:, np.newaxis].repeat(24, axis=1))
    return Past(counts.sum(axis=1), counts, WEEKDAYS)


PLAIN = np.full((7, 4), 0.25)
WEEKEND = np.where(np.arange(7)[:, np.newaxis] < 5, PLAIN, np.array([0.4, 0.4, 0.1, 0.1]))


def test_weekends_get_slots_of_their_own() -> None:
    past = past_of(WEEKEND)
    found = terms_of(stream(past), WEEKLY, 1e-3, 1e-3)
    assert found.seasonal
    assert found.reference.shape == (28, 4)
    assert found.tolerance is not None
    assert found.tolerance <= 0.01
    daily = terms_of(stream(past), replace(WEEKLY, season="hour_of_day"), 1e-3, 1e-3)
    assert daily.tolerance is None or daily.tolerance >= 0.1
    assert found.days == DAYS - 6, "seven means were taken from the days"


def test_slots_hold_the_rows_of_their_weekday_and_hour() -> None:
    past = past_of(WEEKEND)
    assert past.hours is not None
    found = by_slot(stream(past), replace(WEEKLY, length=HOUR))
    assert found is not None
    for weekday, hour in ((0, 0), (5, 7), (6, 23)):
        expected = past.hours[weekday == WEEKDAYS, hour].sum(axis=0)
        np.testing.assert_allclose(found[weekday * 24 + hour], expected, rtol=1e-9)
    whole = by_slot(stream(past), replace(WEEKLY, length=DAY))
    assert whole is not None
    np.testing.assert_allclose(whole[6], past.days[WEEKDAYS == 6].sum(axis=0), rtol=1e-9)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(("zone", "offset"), [("UTC", 0), ("Asia/Tokyo", 9), ("America/New_York", -5)])
def test_reference_and_stream_agree_on_slots(length: int, zone: str, offset: int) -> None:
    """A window of the reference falls into the slot in which the calendar places a live one of that hour."""
    past = past_of(PLAIN, 20)
    asked = Asked(length, "hour_of_week", "auto", offset)
    cycle = cycle_of(past, asked)
    assert cycle is not None
    calendar, per_day = Calendar(ZoneInfo(zone)), 24 // hours_of(length)
    begin = BEGIN + 7 * DAY  # in November, when New York is five hours behind
    for weekday in range(7):
        for window in range(per_day):
            start = begin + weekday * DAY + window * hours_of(length) * HOUR
            slot = calendar.slot(start, length, weekly=True)
            if offset % hours_of(length) == 0:
                assert cycle.slots[weekday * per_day + window] == slot
            assert 0 <= slot < cycle.number


def test_too_few_weeks_are_said_and_hours_not_told_apart() -> None:
    short = past_of(PLAIN)
    assert short.hours is not None
    days = 13
    cut = Past(short.days[:days], short.hours[:days], WEEKDAYS[:days])
    assert cycle_of(cut, WEEKLY) is None
    assert not terms_of(stream(cut), WEEKLY, 1e-3, 1e-3).seasonal
    said = too_short([cut], WEEKLY)
    assert said is not None
    assert "needs 14 days of reference" in said
    assert "it has 13" in said
    assert too_short([cut, short], WEEKLY) is None
    assert too_short([cut], replace(WEEKLY, season="hour_of_day")) is None
    assert too_short([], WEEKLY) is None


def test_the_service_compares_hours_of_the_week(tmp_path: Path) -> None:
    def weekend(value: dict[str, object], time: int) -> None:
        features = value["f"]
        assert isinstance(features, dict)
        features["b"] += 1.0 if time // DAY % 7 in {2, 3} else 0.0  # Saturday and Sunday

    config = configured(tmp_path, days=14, per_hour=70, window="6h", change=weekend)
    text = (tmp_path / "driftline.yaml").read_text()
    (tmp_path / "driftline.yaml").write_text(text.replace("reference.json}", "reference.json, season: hour_of_week}"))
    config = load(tmp_path / "driftline.yaml", {})
    days = input_streams(build_model(config.models[0], tmp_path), "1")[0].past.weekdays
    assert days is not None
    assert days.tolist() == list(range(7)) * 2
    pipeline = run(config, tmp_path, logs(rows(BEGIN + 4 * DAY, BEGIN + 7 * DAY, 40, 3, weekend)))
    (watch,) = pipeline.evidence.watches["m"]
    copy = watch.copies["warn"]
    (b,) = [copy.roster.seats[one.key] for one in copy.streams if one.name == "b"]
    assert b.terms.seasonal
    assert len(b.terms.reference) == 28
    assert copy.meter.incidents == 0
    assert not pipeline.assembly.models["m"].changes
