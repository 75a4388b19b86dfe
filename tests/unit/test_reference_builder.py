from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.bins import CategoricalBins, NumericBins
from monitor.config.decision import Decision
from monitor.decoding.sampling import hash64
from monitor.events import DAY, HOUR, Batch, Column, FloatArray
from monitor.reference import BuildSettings, Reference, ReferenceBuilder, build_reference, fit_bins, reference_of_counts
from monitor.reference.dispersion import dispersion, quality_dispersion, shape_dispersion
from monitor.reference.parts import merged
from monitor.reference.sample import Sample
from monitor.reference.summary import Summary
from tests.references import START, batch_of, cut

NO_DECISION = BuildSettings(model="fraud")


def build(batch: Batch, settings: BuildSettings = NO_DECISION) -> Reference:
    return build_reference(settings, lambda: [batch], source="test", created=0)


def by_hand(bins: NumericBins, values: FloatArray) -> list[int]:
    """Count without any of the code under test."""
    inside = values[(values >= bins.low) & (values <= bins.high)]
    shape = np.bincount(np.searchsorted(bins.edges, inside, side="left"), minlength=bins.size)
    beyond = [np.isnan(values).sum(), 0, (values < bins.low).sum(), (values > bins.high).sum()]
    return [*shape.tolist(), *map(int, beyond)]


@pytest.mark.parametrize("number", [1, 2, 500, 999, 1000, 5000])
def test_counts_are_those_of_a_histogram_by_hand(number: int) -> None:
    rng = np.random.default_rng(number)
    values = rng.lognormal(size=number)
    values[::7] = np.nan
    values[::5] = 1.0
    found = build(batch_of({"amount": values})).columns["amount"]
    assert isinstance(found.bins, NumericBins)
    assert found.counts.tolist() == by_hand(found.bins, values)


def test_rates_are_read_from_the_rows_that_made_no_bins() -> None:
    rng = np.random.default_rng(1)
    cities = [f"c{city}" for city in rng.zipf(1.5, 6000)]
    batch = batch_of({"city": list(cities), "amount": rng.normal(size=6000)})
    found = build(batch)
    even = hash64(batch.ids) % 2 == 0
    known = {city for city, first in zip(cities, even, strict=True) if first}
    unseen = sum(city not in known for city, first in zip(cities, even, strict=True) if not first)
    rate = found.rate("city", "", "unseen")
    assert rate is not None
    assert rate.tolist() == [int((~even).sum()) - unseen, unseen]
    assert unseen / (~even).sum() > 1.5 * found.columns["city"].counts[-1] / 6000
    missing = found.rate("city", "", "missing")
    assert missing is not None
    assert missing.tolist() == [6000, 0]
    assert any("even hash" in note for note in found.notes)


def test_the_unseen_rate_of_a_reference_is_that_of_fresh_rows() -> None:
    rng = np.random.default_rng(2)
    found = build(batch_of({"city": [f"c{city}" for city in rng.zipf(1.5, 20_000)]}))
    bins = found.columns["city"].bins
    assert isinstance(bins, CategoricalBins)
    fresh = bins.code([f"c{city}" for city in rng.zipf(1.5, 20_000)])
    live = float(np.mean(fresh == bins.quality["unseen"]))
    rate = found.rate("city", "", "unseen")
    assert rate is not None
    assert live == pytest.approx(rate[1] / rate.sum(), rel=0.1)


def test_few_rows_make_bins_all_together() -> None:
    found = build(batch_of({"city": ["a", "b", "c"]}))
    assert found.columns["city"].apart is None
    rate = found.rate("city", "", "unseen")
    assert rate is not None
    assert rate.tolist() == [3, 0]
    assert "fewer than 1,000 rows" in found.notes[0]


def test_ids_that_repeat_part_nothing() -> None:
    batch = batch_of({"amount": np.arange(3000.0)})
    assert {int(h % 2) for h in hash64(["a", "b"])} == {0, 1}
    for name in ("a", "b"):
        found = build(replace(batch, ids=[name] * 3000))
        assert found.columns["amount"].apart is None
        assert int(found.columns["amount"].counts.sum()) == 3000
        assert any("ids repeat" in note for note in found.notes)


@pytest.mark.parametrize("op", [">=", ">", "<", "<="])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.25, 1.0, 1.7, -3.0, 1e-300])
def test_the_flagged_share_is_exact_at_any_threshold(op: str, threshold: float) -> None:
    rng = np.random.default_rng(3)
    scores = np.round(rng.random(4000), 2)
    scores[::50] = np.nan
    decision = Decision.parse(f"score {op} {threshold!r}")
    columns = {"score": scores}
    known = scores[~np.isnan(scores)]
    yes = int(decision.flagged(known).sum())
    built = build(batch_of({"score": scores}), BuildSettings(model="fraud", decision=decision))
    bins = fit_bins(columns, decision=decision)
    assert bins["score"].size >= 100
    assert isinstance(bins["score"], NumericBins)
    cells = np.bincount(bins["score"].code(scores), minlength=bins["score"].cells)
    summed = reference_of_counts(model="fraud", source="", bins=bins, total={"score": cells}, decision=decision)
    later = reference_of_counts(model="fraud", source="", bins=bins, total={"score": cells})
    for found in (
        built.flags("flagged", ""),
        summed.flags("flagged", ""),
        later.flags("flagged", "", decision),
    ):
        assert found is not None
        assert found.tolist() == [len(known) - yes, yes]


def test_a_threshold_within_a_bin_cannot_be_judged_from_counts() -> None:
    scores = np.random.default_rng(4).random(4000)
    found = build(batch_of({"score": scores}), BuildSettings(model="fraud", decision=Decision.parse("score >= 0.5")))
    assert found.flags("flagged", "", Decision.parse("score >= 0.123456789")) is None


def test_the_score_has_bins_enough_for_a_roc_curve() -> None:
    scores = np.random.default_rng(5).random(4000)
    assert fit_bins({"score": scores, "x": scores}, bins=64)["score"].size >= 200
    assert fit_bins({"score": scores, "x": scores}, bins=64)["x"].size <= 90


def test_columns_of_nothing_and_of_one_value_work() -> None:
    nothing = np.full(1500, np.nan)
    batch = batch_of({"empty": nothing, "same": np.full(1500, 7.0), "void": [None] * 1500, "one": ["x"] * 1500})
    found = build(batch)
    empty = found.columns["empty"]
    assert int(empty.counts[empty.bins.quality["missing"]]) == 1500
    assert found.columns["same"].counts.tolist()[0] == 1500
    assert found.columns["void"].bins.to_dict()["categories"] == []
    assert found.columns["one"].counts.tolist()[0] == 1500
    assert Reference.from_json(found.to_json()) == found


def test_infinite_and_huge_cells_are_bad_everywhere() -> None:
    values = np.array([1.0, np.inf, -np.inf, 1e301, np.nan, 2.0])
    found = build(batch_of({"x": values})).columns["x"]
    assert {kind: int(found.counts[cell]) for kind, cell in found.bins.quality.items()} == {
        "missing": 1, "bad": 3, "low": 0, "high": 0,
    }  # fmt: skip
    assert found.summary is not None
    assert found.summary.mean == 1.5


def test_no_rows_make_an_empty_reference() -> None:
    builder = ReferenceBuilder(NO_DECISION)
    builder.fit()
    found = builder.reference(source="nothing")
    assert (found.rows, dict(found.columns)) == (0, {})
    assert Reference.from_json(found.to_json()) == found


def test_counting_before_fitting_is_an_error() -> None:
    builder = ReferenceBuilder(NO_DECISION)
    with pytest.raises(RuntimeError, match="fit"):
        builder.count(batch_of({"x": np.array([1.0])}))
    with pytest.raises(RuntimeError, match="fit"):
        builder.reference(source="")


def test_a_column_of_ids_is_neither_listed_nor_compared() -> None:
    people = [f"customer-{i}" for i in range(5000)]
    found = build(batch_of({"customer": list(people)}))
    assert "customer-" not in found.to_json().decode()
    assert any("customer looks like an id" in note for note in found.notes)
    kept = build(batch_of({"customer": list(people)}), BuildSettings(model="fraud", keep={"customer"}))
    assert "customer-" in kept.to_json().decode()
    ignored = build(batch_of({"customer": list(people)}), BuildSettings(model="fraud", ignored={"customer"}))
    assert dict(ignored.columns) == {}


def test_configured_ranges_and_categories_hold() -> None:
    settings = BuildSettings(model="fraud", ranges={"x": (0.0, 10.0)}, top_k={"c": 1})
    found = build(batch_of({"x": np.array([-5.0, 3.0, 50.0]), "c": ["a", "a", "b"]}), settings)
    x = found.columns["x"]
    assert {kind: int(x.counts[cell]) for kind, cell in x.bins.quality.items()} == {
        "missing": 0, "bad": 0, "low": 1, "high": 1,
    }  # fmt: skip
    assert found.columns["c"].bins.to_dict() == {"kind": "categorical", "categories": ["a"], "rare": ["b"]}


def test_days_versions_and_hours_add_up() -> None:
    number = 4000
    times = START + np.arange(number) * (8 * DAY // number)
    versions = ["2"] * 1500 + ["10"] * 2500
    batch = batch_of({"x": np.random.default_rng(6).normal(size=number)}, times=times, versions=versions)
    found = build(batch)
    assert found.days == tuple(f"2023-11-{day}" for day in range(13, 21))
    assert list(found.versions) == ["2", "10"]
    column = found.columns["x"]
    assert np.array_equal(np.sum(list(column.by_day.values()), axis=0), merged(column.bins, column.counts))
    assert (found.versions["2"].cells["x"] + found.versions["10"].cells["x"] == column.counts).all()
    assert found.volume is not None
    assert found.volume.rows.sum() == number
    assert found.volume.hours.tolist() == [2] * 24 + [1] * 144
    assert (found.first, found.last) == (int(times[0]), int(times[-1]))


def test_versions_are_in_the_order_of_their_first_rows() -> None:
    batch = batch_of({"x": np.arange(4.0)}, versions=["new", "old", "new", "old"], times=np.array([3, 1, 4, 2]))
    assert list(build(batch).versions) == ["old", "new"]


def test_a_version_with_too_few_rows_is_compared_with_what_came_before() -> None:
    values = np.arange(1499.0)
    found = build(batch_of({"x": values, "score": values}, versions=["1"] * 1000 + ["2"] * 499))
    assert {name: tally.rows for name, tally in found.versions.items()} == {"1": 1000, "2": 499}
    features, score = found.cells("x", "2"), found.cells("score", "2")
    assert features is not None
    assert score is not None
    assert (int(features.sum()), int(score.sum())) == (1499, 1000)
    enough = build(batch_of({"x": values}, versions=["1"] * 999 + ["2"] * 500)).cells("x", "2")
    assert enough is not None
    assert int(enough.sum()) == 500


def test_wild_versions_and_days_stay_bounded() -> None:
    number = 3000
    times = START + np.arange(number) * DAY // 4
    batch = batch_of({"x": np.arange(float(number))}, times=times, versions=[str(i // 2) for i in range(number)])
    found = build(batch)
    assert len(found.versions) == 16
    assert len(found.days) == 92
    assert found.days[-1] == str(np.datetime64(int(times[-1]), "us"))[:10]
    assert int(found.columns["x"].counts.sum()) == number


def test_rows_without_times_have_no_days() -> None:
    batch = batch_of({"x": np.arange(5.0)}, times=np.zeros(5, np.int64))
    found = build_reference(NO_DECISION, lambda: [batch], source="", timed=False)
    assert (found.days, found.volume, found.first) == ((), None, None)


def test_edges_of_an_earlier_reference_are_kept_and_all_rows_judge_them() -> None:
    rng = np.random.default_rng(7)
    first = build(batch_of({"x": rng.normal(size=5000), "c": ["a", "b"] * 2500}))
    settings = BuildSettings(model="fraud", edges={name: column.bins for name, column in first.columns.items()})
    moved = rng.normal(1.0, size=5000)
    second = build(batch_of({"x": moved, "c": ["b", "z"] * 2500, "y": moved}), settings)
    assert second.edges_identity("x") == first.edges_identity("x")
    assert second.edges_identity("c") == first.edges_identity("c")
    rate = second.rate("c", "", "unseen")
    assert rate is not None
    assert rate.tolist() == [2500, 2500]
    assert second.columns["y"].apart is not None
    assert second.columns["x"].apart is None


def test_latency_errors_and_predictions_have_their_own_cells() -> None:
    columns: dict[str, Column] = {
        "latency": np.array([1.0, 20.0, np.nan]),
        "error": np.array([0.0, 1.0, 0.0]),
        "prediction": ["yes", "no", "no"],
        "label": np.array([1.0, 0.0, 1.0]),
    }
    found = build(batch_of(columns))
    assert list(found.columns) == ["prediction", "latency"]
    flags = found.flags("error", "")
    assert flags is not None
    assert flags.tolist() == [2, 1]


def test_a_column_that_appears_late_is_missing_before() -> None:
    first, second = batch_of({"x": np.arange(3.0)}), batch_of({"x": np.arange(3.0), "late": ["a", "b", None]})
    found = build_reference(NO_DECISION, lambda: [first, second], source="")
    late = found.columns["late"]
    assert int(late.counts[late.bins.quality["missing"]]) == 4


def test_the_sample_keeps_the_smallest_hashes_however_rows_are_cut() -> None:
    rng = np.random.default_rng(8)
    hashes = rng.integers(0, 2**63, 5000).astype(np.uint64)
    hashes[::3] = hashes[0]
    values = np.arange(5000.0)
    order = np.lexsort((np.arange(5000), hashes))[:100]
    for step in (1, 7, 100, 5000):
        sample = Sample(100)
        for start in range(0, 5000, step):
            rows = slice(start, start + step)
            sample.add(hashes[rows], {"x": values[rows]})
        assert np.array_equal(np.asarray(sample.columns()["x"]), values[order])


def test_the_cut_of_batches_does_not_matter() -> None:
    rng = np.random.default_rng(9)
    letters: list[str | None] = rng.choice(["a", "b", "c"], 3000).tolist()
    columns: dict[str, Column] = {
        "x": rng.lognormal(size=3000),
        "c": letters,
        "score": rng.random(3000),
    }
    batch = batch_of(columns, versions=["1"] * 1000 + ["2"] * 2000)
    settings = BuildSettings(model="fraud", decision=Decision.parse("score > 0.5"))
    whole = build(batch, settings)
    parts = list(cut(batch, [1, 1000, 1001, 2999]))
    assert build_reference(settings, lambda: parts, source="test", created=0).to_json() == whole.to_json()


def test_figures_from_counts_are_near_those_of_the_values() -> None:
    values = np.random.default_rng(10).normal(5.0, 2.0, 50_000)
    bins = fit_bins({"x": values})["x"]
    assert isinstance(bins, NumericBins)
    exact = Summary.of_values(values)
    near = Summary.of_counts(bins, np.bincount(bins.code(values), minlength=bins.cells))
    assert near.mean == pytest.approx(exact.mean, abs=0.02)
    assert near.sd == pytest.approx(exact.sd, rel=0.05)
    assert near.quantiles == pytest.approx(exact.quantiles, abs=0.1)


def test_figures_of_huge_values_are_finite() -> None:
    values = np.array([-1e300, 1e300, 1e300])
    exact = Summary.of_values(values)
    assert exact.sd == pytest.approx(np.std(values / 1e300) * 1e300)
    assert Summary.of_values(np.array([np.nan, np.inf])).mean is None


def test_dispersion_is_one_by_chance_and_grows_with_a_daily_shift() -> None:
    rng = np.random.default_rng(11)
    calm = [rng.multinomial(2000, [0.2, 0.3, 0.5]) for _ in range(200)]
    assert dispersion(calm) == pytest.approx(1.0, abs=0.25)
    restless = [rng.multinomial(2000, rng.dirichlet([40, 60, 100])) for _ in range(200)]
    assert (dispersion(restless) or 0) > 5
    assert dispersion([]) is None
    assert dispersion([np.array([1, 2])]) is None
    assert dispersion([np.array([5, 0]), np.array([5, 0])]) is None


def test_dispersion_leaves_out_days_that_are_not_whole() -> None:
    whole = [np.array([500, 500])] * 5
    assert dispersion([np.array([0, 40]), *whole]) == 0.0


def test_dispersion_of_a_column_tells_values_from_missing_cells() -> None:
    number = 12_000
    rng = np.random.default_rng(12)
    values = rng.normal(size=number)
    times = START + np.arange(number) * (6 * DAY // number)
    values[(times // DAY % 2 == 0) & (rng.random(number) < 0.3)] = np.nan
    column = build(batch_of({"x": values}, times=times)).columns["x"]
    assert shape_dispersion(column) == pytest.approx(1.0, abs=0.6)
    assert (quality_dispersion(column, "missing") or 0) > 50


def test_volume_counts_empty_hours_between() -> None:
    bins = fit_bins({"x": np.array([1.0])})
    total = {"x": np.zeros(bins["x"].cells, np.int64)}
    found = reference_of_counts(
        model="m", source="", bins=bins, total=total, by_hour={START: 5, START + 50 * HOUR: 7}
    ).volume
    assert found is not None
    assert found.hours.sum() == 51
    assert (found.rows[0], found.rows[50]) == (5, 7)


def test_counts_without_days_or_versions_make_a_reference() -> None:
    bins = {"c": CategoricalBins(("a", "b"))}
    counts = np.array([3, 2, 1, 0, 0, 4])
    found = reference_of_counts(model="m", source="s", bins=bins, total={"c": counts, "error": np.array([9, 1, 0])})
    assert found.rows == 10
    assert found.created is None
    assert Reference.from_json(found.to_json()) == found
    for version in ("", "1"):
        cells, flags = found.cells("c", version), found.flags("error", version)
        assert cells is not None
        assert flags is not None
        assert (cells.tolist(), flags.tolist()) == (counts.tolist(), [9, 1])
