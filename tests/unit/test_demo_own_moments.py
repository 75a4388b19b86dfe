"""Times as people write them, against what ``datetime`` says they are."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.decoding.times import BAD, MISSING
from monitor.demo.own.moments import choose_reading, form_of

MOMENTS = st.datetimes(datetime(2001, 10, 1), datetime(2099, 1, 1)).map(lambda moment: moment.replace(microsecond=0))  # noqa: DTZ001
FORMS: dict[str, Callable[[datetime], object]] = {
    "iso": lambda m: m.isoformat(),
    "iso with space": lambda m: m.isoformat(" "),
    "iso with Z": lambda m: m.isoformat() + "Z",
    "iso with offset apart": lambda m: (m + timedelta(hours=2)).isoformat(" ") + " +0200",
    "iso UTC": lambda m: m.isoformat(" ") + " UTC",
    "unpadded": lambda m: f"{m.year}/{m.month}/{m.day} {m.hour}:{m:%M:%S}",
    "German": lambda m: m.strftime("%d.%m.%Y %H:%M:%S"),
    "American": lambda m: m.strftime("%m/%d/%Y %I:%M:%S %p"),
    "named": lambda m: m.strftime("%b %d, %Y %H:%M:%S"),
    "log": lambda m: m.strftime("%d/%b/%Y:%H:%M:%S +0000"),
    "mail": lambda m: m.strftime("%a, %d %b %Y %H:%M:%S +0000"),
    "epoch s": lambda m: int(m.replace(tzinfo=UTC).timestamp()),
    "epoch ms as text": lambda m: str(int(m.replace(tzinfo=UTC).timestamp()) * 1000),
    "epoch us": lambda m: int(m.replace(tzinfo=UTC).timestamp()) * 1_000_000,
    "epoch ns": lambda m: int(m.replace(tzinfo=UTC).timestamp()) * 1_000_000_000,
    "epoch s as float": lambda m: m.replace(tzinfo=UTC).timestamp(),
    "timestamp": lambda m: m,
    "timestamp with zone": lambda m: m.replace(tzinfo=UTC).astimezone(timezone(timedelta(hours=-5))),
}


def micros(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize("form", FORMS)
@given(moments=st.lists(MOMENTS, min_size=1, max_size=10))
@settings(max_examples=20, deadline=None)
def test_every_form_is_read_as_it_was_written(form: str, moments: list[datetime]) -> None:
    # One day after the twelfth tells day from month.
    moments = [*moments, datetime(2024, 5, 31, 13, 14, 15)]  # noqa: DTZ001
    written = [FORMS[form](moment) for moment in moments]
    found, share = form_of(written)
    assert found is not None
    assert share == 1.0
    times, _, _ = choose_reading(found.parse(written), day_first=None, dotted=form == "German")
    assert times.tolist() == [micros(moment) for moment in moments]


def test_days_without_a_clock() -> None:
    for written in (["2024-01-31"], ["31.01.2024"], ["01/31/2024"], ["31 Jan 2024"], [20240131], [date(2024, 1, 31)]):
        found, share = form_of(list(written))
        assert (found is not None, share) == (True, 1.0), written
        assert found is not None
        times, _, _ = choose_reading(found.parse(written), day_first=None, dotted=False)
        assert times.tolist() == [micros(datetime(2024, 1, 31))], written  # noqa: DTZ001


@pytest.mark.parametrize(
    "values",
    [["soon", "later"], ["1.5", "2"], [1, 2, 3], ["2024-13-01"], ["99:99"], [""], [None, float("nan")], [True, False],
     [[1]], ["12345678"], [{"a": 1}]],
)  # fmt: skip
def test_what_is_no_time_is_none(values: list[object]) -> None:
    assert form_of(values)[1] == 0.0


def test_missing_and_bad_cells_are_told_apart() -> None:
    found, _ = form_of(["2024-01-01", "2024-01-02"])
    assert found is not None
    cells = ["2024-01-01", None, "", "NaT", float("nan"), "soon", "1969-12-31", "2200-01-01", 5, "2024-01-01T25:00"]
    assert found.parse(cells)[1:, 0].tolist() == [MISSING] * 4 + [BAD] * 5


def test_day_and_month_are_told_by_the_whole_column() -> None:
    written = ["01/02/2024"] * 9 + ["13/02/2024"]
    found, _ = form_of(written)
    assert found is not None
    both = found.parse(written)
    times, reading, ambiguous = choose_reading(both, day_first=None, dotted=False)
    assert (reading, ambiguous) == (1, False)
    assert times[0] == micros(datetime(2024, 2, 1))  # noqa: DTZ001
    forced, _, _ = choose_reading(both, day_first=False, dotted=False)
    assert forced[0] == micros(datetime(2024, 1, 2))  # noqa: DTZ001
    assert forced[-1] == BAD


@pytest.mark.parametrize(("dotted", "reading"), [(False, 0), (True, 1)])
def test_an_ambiguous_column_says_so(dotted: bool, reading: int) -> None:
    found, _ = form_of(["01/02/2024", "03/02/2024"])
    assert found is not None
    _, chosen, ambiguous = choose_reading(found.parse(["01/02/2024", "03/02/2024"]), day_first=None, dotted=dotted)
    assert (chosen, ambiguous) == (reading, True)
    _, chosen, ambiguous = choose_reading(found.parse(["01/01/2024"]), day_first=None, dotted=False)
    assert not ambiguous, "both ways round it is the same day"


def test_a_form_is_found_behind_garbage() -> None:
    written = ["?"] * 5 + ["5 Jan 2024 10:00"] * 15
    found, share = form_of(written)
    assert found is not None
    assert share == pytest.approx(0.75)
    assert np.count_nonzero(found.parse(written) >= 0) == 15
