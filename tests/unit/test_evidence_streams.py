"""Which vectors are judged, on what terms, and how long a window is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detectors.evidence.dictionary import Kind, Shape
from detectors.evidence.tolerance import TOLERANCES
from detectors.fleet.alarm import Alarm, Change
from detectors.fleet.decision import decide
from detectors.registry import statistic
from monitor.assembly import build_model
from monitor.config.root import AlarmsConfig, CalendarConfig
from monitor.events import DAY, HOUR, MINUTE, IntArray
from monitor.evidence.budget import severities_of, weights_of
from monitor.evidence.findings import describe
from monitor.evidence.inputs import input_streams
from monitor.evidence.length import choose_length
from monitor.evidence.panes import Inputs
from monitor.evidence.roster import Roster
from monitor.evidence.season import by_slot
from monitor.evidence.spans import Calendar
from monitor.evidence.stream import Gather, Past, Stream
from monitor.evidence.table import RARE
from monitor.evidence.terms import Asked, rate_ratio, terms_of, with_hits
from monitor.model import Model
from tests.evidence_service import BEGIN, configured

SLICES = "    slices:\n      - {by: [c], top_k: 3, min_samples: 50}"
ASKED = Asked(HOUR, "auto", "auto", 0)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("streams")
    return build_model(configured(folder, more=SLICES, per_hour=60, days=10).models[0], folder)


def stream(past: Past, reference: IntArray | None = None, *, is_rate: bool = False) -> Stream:
    counts = past.days.sum(axis=0) if reference is None else reference
    return Stream("x", "", "", "", "features", is_rate, counts, np.zeros(0, int), np.zeros(0, int), past, "m")


def hourly(laws: np.ndarray, rows: int, days: int = 28, seed: int = 0) -> Past:
    """Return a past whose hour h has law ``laws[h]``."""
    counts = np.random.default_rng(seed).multinomial(rows, laws, (days, 24))
    return Past(counts.sum(axis=1), counts)


def test_every_row_of_the_reference_is_in_every_stream_of_its_column(model: Model) -> None:
    reference = model.reference
    assert reference is not None
    found = input_streams(model, "1")
    assert len({one.key for one in found}) == len(found)
    by_name = {one.name: one for one in found if not one.slice}
    assert {"a", "a.missing", "a.bad", "a.low", "a.high", "b", "c", "c.unseen", "score", "flagged"} <= set(by_name)
    a = reference.columns["a"].counts
    assert by_name["a.missing"].reference.tolist() == [a.sum() - a[-4], a[-4]]
    assert by_name["a"].reference.sum() == a.sum() - a[-4:].sum()
    assert all((one.reference >= RARE * one.reference.sum()).all() for one in found if not one.is_rate)
    for one in found:
        assert len(one.names) == len(one.reference)
        assert one.past.days.shape[1] == len(one.reference)
        if not one.slice and one.part not in {"low", "high", "unseen"}:
            assert (one.past.days.sum(axis=0) == one.reference).all(), one.name
            assert one.past.hours is not None
            assert (one.past.hours.sum(axis=1) == one.past.days).all(), one.name


def test_a_rare_category_is_a_rate(model: Model) -> None:
    by_name = {one.name: one for one in input_streams(model, "1") if not one.slice}
    assert by_name["c"].names == ("de", "fr", "it")
    rare = by_name["c.other"]
    assert rare.is_rate
    assert rare.kind == "features"
    assert 0 < rare.reference[1] < RARE * rare.reference.sum()


def test_a_window_is_gathered_as_its_columns_are_counted(model: Model) -> None:
    counts = np.random.default_rng(1).integers(0, 50, model.layout.size)
    found = input_streams(model, "1")
    cells = Gather(tuple(found))(counts)
    at = 0
    for one in found:
        expected = [int(counts[one.places[one.groups == cell]].sum()) for cell in range(len(one.reference))]
        assert cells[at : at + len(expected)].tolist() == expected
        at += len(expected)
    assert at == len(cells)


def test_slices_are_compared_with_their_own_reference(model: Model) -> None:
    found = [one for one in input_streams(model, "1") if one.slice]
    assert {one.slice for one in found} == {"c=de", "c=fr", "c=it", "c=(other)"} & {one.slice for one in found}
    assert {(one.name, one.kind) for one in found if one.slice == "c=de"} == {
        ("score", "slices"), ("score.missing", "slices"), ("score.bad", "slices"), ("flagged", "slices"),
    }  # fmt: skip
    rows = {one.slice: int(one.reference.sum()) for one in found if one.name == "flagged"}
    assert rows["c=de"] == pytest.approx(0.5 * 14_400, rel=0.05)


def test_weights_are_shared_by_kind_then_by_importance(model: Model) -> None:
    found = input_streams(model, "1")
    weights = dict(zip([one.key for one in found], weights_of(found).tolist(), strict=True))
    assert sum(weights.values()) == pytest.approx(1)
    for kinds in ({"features"}, {"quality"}, {"score", "prediction", "flagged_share"}, {"slices"}):
        assert sum(weights[one.key] for one in found if one.kind in kinds) == pytest.approx(0.25)
    heavy = [replace(one, importance=3.0) if one.name == "a" else one for one in found]
    changed = dict(zip([one.key for one in found], weights_of(heavy).tolist(), strict=True))
    a, b = (next(one.key for one in found if one.name == name and not one.slice) for name in ("a", "b"))
    assert changed[a] == pytest.approx(3 * changed[b])


def test_slots_are_the_hours_themselves_where_all_rows_have_one() -> None:
    laws = np.random.default_rng(2).dirichlet(np.ones(5), 24)
    past = hourly(laws, 50)
    found = by_slot(stream(past), ASKED)
    moved = by_slot(stream(past), replace(ASKED, offset=3))
    assert past.hours is not None
    assert found is not None
    assert moved is not None
    np.testing.assert_allclose(found, past.hours.sum(axis=0), rtol=1e-9)
    np.testing.assert_allclose(moved, np.roll(past.hours.sum(axis=0), 3, axis=0), rtol=1e-9)
    rarer = by_slot(stream(past, past.days.sum(axis=0) // 2), ASKED)
    assert rarer is not None
    np.testing.assert_allclose(rarer.sum(), past.days.sum() / 2, rtol=1e-2)


def test_a_daily_cycle_gets_slots() -> None:
    swing = 0.1 * np.sin(np.arange(24) / 24 * 2 * np.pi)
    steady, cyclic = np.full((24, 4), 0.25), 0.25 + swing[:, np.newaxis] * np.array([1, 1, -1, -1])
    plain = terms_of(stream(hourly(steady, 500)), ASKED, 1e-3, 1e-3)
    assert plain.tolerance is not None
    assert plain.tolerance <= 0.005
    found = terms_of(stream(hourly(cyclic, 500)), ASKED, 1e-3, 1e-3)
    assert found.seasonal
    assert found.tolerance is not None
    assert found.tolerance <= 0.005
    pooled = terms_of(stream(hourly(cyclic, 500)), replace(ASKED, season="none"), 1e-3, 1e-3)
    assert pooled.tolerance is None or pooled.tolerance >= 0.1
    assert set(TOLERANCES) >= {0.002, 0.005}


def test_a_reference_of_few_rows_is_no_reason_to_look_away() -> None:
    """60 rows an hour of one law: windows scatter by chance alone, and a tolerance of chance would hide drifts."""
    found = [terms_of(stream(hourly(np.full((24, 14), 1 / 14), 60, seed)), ASKED, 1e-3, 1e-3) for seed in range(40)]
    assert sum(terms.tolerance == 0 and not terms.seasonal for terms in found) >= 34


def test_days_that_differ_are_seen_in_few_rows() -> None:
    """The same, but the mean of a day moves by .07 sd: too little for windows of 60 rows to show."""
    wide = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        law = np.exp(np.linspace(-1.7, 1.7, 14) * rng.normal(0, 0.07, (14, 1, 1)))
        law = np.broadcast_to(law / law.sum(axis=2, keepdims=True), (14, 24, 14))
        hours = rng.multinomial(60, law)
        windows = terms_of(stream(Past(hours.sum(axis=1), hours)), replace(ASKED, season="none"), 1e-3, 1e-3)
        wide += windows.tolerance is None or windows.tolerance > 0
    assert wide >= 18


def test_days_that_differ_widen_what_an_operator_set() -> None:
    rng = np.random.default_rng(3)
    days = np.stack([rng.multinomial(5000, law) for law in rng.dirichlet(200 * np.ones(4), 28)])
    wide = terms_of(stream(Past(days)), replace(ASKED, length=DAY, ignore_below=0.001), 1e-3, 1e-3)
    assert wide.tolerance is not None
    assert wide.tolerance > 0.001
    far = terms_of(stream(Past(days)), replace(ASKED, length=DAY, ignore_below=0.2), 1e-3, 1e-3)
    assert far.tolerance == 0.2
    unknown = terms_of(stream(Past.none(4), days[0]), ASKED, 1e-3, 1e-3)
    assert (unknown.tolerance, unknown.days) == (0.01, 0)


@pytest.mark.parametrize("rate", [0.001, 0.02, 0.3, 0.5])
@pytest.mark.parametrize("index", [0.05, 0.1, 0.5])
def test_the_ratio_of_a_rate_has_the_index_that_is_asked_for(rate: float, index: float) -> None:
    odds = rate / (1 - rate) * rate_ratio(rate, index)
    moved = odds / (1 + odds)
    assert (moved - rate) * np.log(odds * (1 - rate) / rate) == pytest.approx(index, rel=1e-6)
    big = np.array([[1 - rate, rate], [1 - moved, moved]]) * 1e12
    scores = statistic("psi", alpha=0.01).score(big[:1].astype(np.int64), big[1:].astype(np.int64))
    assert float(scores.statistic[0]) == pytest.approx(index, rel=1e-3)


def test_windows_with_hardly_a_hit_are_put_together() -> None:
    windows = np.tile(np.array([95, 5]), (7, 24, 1))
    assert with_hits(windows, 0.05).shape == (7, 24, 2)
    assert with_hits(windows, 0.005).shape == (7, 2, 2)
    assert with_hits(windows, 1e-9).shape == (7, 1, 2)
    assert with_hits(windows, 1e-9).sum() == windows.sum()
    assert with_hits(np.zeros((0, 1, 2), int), 0.5).shape == (0, 1, 2)


def test_auto_takes_the_shortest_window_with_enough_rows(model: Model, tmp_path: Path) -> None:
    auto = model.config.model_copy(update={"evidence": model.config.evidence.model_copy(update={"window": "auto"})})
    known = build_model(configured(tmp_path, per_hour=100, days=14).models[0], tmp_path).reference
    assert known is not None
    assert known.volume is not None
    assert known.volume.by_hour is not None
    for factor, length in ((0.5, DAY), (1, 6 * HOUR)):
        volume = replace(known.volume, by_hour=(known.volume.by_hour * factor).astype(np.int64))
        found = replace(model, config=auto)
        found.watch(replace(known, volume=volume))
        source = Inputs({}, found.windows.tiers.base)
        assert choose_length(found, source, input_streams(found, ""), 0)[0] == length, factor


def test_alphas_add_up_whoever_comes_and_goes(model: Model) -> None:
    found = input_streams(model, "1")
    (warn, _) = severities_of(AlarmsConfig())
    asked, patience = replace(ASKED, ignore_below=warn.ignore_below), warn.patience(HOUR, 1.0)
    roster = Roster()
    roster.fit(found[:10], asked, patience)
    before = {key: seat.alpha for key, seat in roster.seats.items()}
    roster.fit(found, asked, patience)
    assert {key: roster.seats[key].alpha for key in before} == before
    assert sum(seat.alpha for seat in roster.seats.values()) < 0.05
    again = Roster.restore(roster.state(), found, asked)
    assert {key: (seat.alpha, seat.terms.tolerance) for key, seat in again.seats.items()} == {
        key: (seat.alpha, seat.terms.tolerance) for key, seat in roster.seats.items()
    }
    again.fit(found, asked, 3 * patience)
    assert again.generation == roster.generation
    changed = [replace(found[0], reference=found[0].reference + 1), *found[1:]]
    again.fit(changed, asked, patience)
    assert again.fresh == [found[0].name]
    assert again.generation == roster.generation + 1


def test_few_days_warn_but_page_nobody(tmp_path: Path) -> None:
    few = build_model(configured(tmp_path, days=4).models[0], tmp_path)
    warn, page = severities_of(AlarmsConfig())
    roster = Roster()
    found = input_streams(few, "")
    roster.fit(found, replace(ASKED, ignore_below=0.5), 100.0)
    assert roster.judged(found, warn)
    assert not roster.judged(found, page)


def test_budgets_are_parted_among_fleets_and_windows() -> None:
    warn, page = severities_of(AlarmsConfig())
    assert warn.patience(HOUR, 0.5) == 336
    assert page.patience(DAY, 1.0) == 365
    assert decide(np.array([np.log(7.0)]), warn.patience(DAY, 1.0)).incident
    assert "features" not in page.kinds
    assert warn.patience(DAY, 1.0) == 7


def test_clocks_that_change_make_a_day_unlike_others() -> None:
    calendar = Calendar.of(CalendarConfig(timezone="Europe/Berlin"))
    sunday = BEGIN - 8 * DAY
    assert not calendar.is_judged(sunday + 12 * HOUR, HOUR)
    assert calendar.is_judged(sunday + 36 * HOUR, HOUR)
    assert calendar.slot(BEGIN, HOUR) == 1
    assert calendar.slot(BEGIN - 30 * DAY, HOUR) == 2
    assert Calendar().slot(BEGIN + 15 * MINUTE, 15 * MINUTE) == 0


def test_a_sudden_change_is_dated_to_its_window_and_a_rate_told_by_its_own_cell() -> None:
    rate = replace(stream(Past.none(2), np.array([999, 1]), is_rate=True), part="unseen", names=("the rest", "unseen"))
    alarm = Alarm(0, Change.DRIFT, Shape(Kind.SUDDEN), 3, 24, 9.0, 5.0, 0, 0.999, 0.9)
    assert describe(alarm, rate, HOUR) == "drift: unseen: 0.1% → 10%, since 1970-01-02T00:00Z"
    slow = replace(alarm, shape=Shape(Kind.RATE, 2.0))
    assert describe(slow, rate, HOUR) == "drift: up (unseen: 0.1% → 10%), since 1970-01-01T03:00Z"
