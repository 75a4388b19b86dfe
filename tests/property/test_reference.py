from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from detectors.bins import NumericBins
from monitor.config.decision import Decision
from monitor.events import DAY, Batch, Column
from monitor.reference import (
    BuildSettings,
    InvalidReferenceError,
    Reference,
    build_reference,
    fit_bins,
    reference_of_counts,
)
from monitor.reference.compare import compare, spread
from monitor.reference.fitting import Bins
from monitor.reference.summary import borders_of
from tests.references import START, batch_of, cut

numbers = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([0.0, -0.0, 1.0, 5e-324, -5e-324, 1e300, -1e300, 1e301]),
    st.integers(-3, 3).map(float),
)
texts = st.one_of(
    st.none(), st.text(max_size=4), st.sampled_from(["a", "b", "\x1b[31m", '"', "\\", "Zürich", "\u2028"])
)
decisions = st.builds(Decision, st.sampled_from([">=", ">", "<=", "<"]), st.floats(-2, 2))


@st.composite
def batches(draw: st.DrawFn, most: int = 40) -> Batch:
    rows = draw(st.integers(1, most))
    columns: dict[str, Column] = {
        "x": np.array(draw(st.lists(numbers, min_size=rows, max_size=rows))),
        "c": draw(st.lists(texts, min_size=rows, max_size=rows)),
        "score": np.array(draw(st.lists(st.floats(-1, 1) | st.just(float("nan")), min_size=rows, max_size=rows))),
    }
    times = np.array(draw(st.lists(st.integers(0, 20 * DAY), min_size=rows, max_size=rows))) + START
    versions = draw(st.lists(st.sampled_from(["", "1", "2"]), min_size=rows, max_size=rows))
    return batch_of(columns, times=times, versions=versions)


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(batches(), st.none() | decisions, st.lists(st.integers(0, 100), max_size=4))
def test_any_rows_make_a_reference_that_survives_its_file(
    batch: Batch, decision: Decision | None, borders: Sequence[int]
) -> None:
    chosen = BuildSettings(model="m", decision=decision, keep={"c"})
    found = build_reference(chosen, lambda: [batch], source="rows", created=1)
    data = found.to_json()
    loaded = Reference.from_json(data)
    assert loaded.to_json() == data
    assert loaded == found
    assert json.loads(data)["rows"] == len(batch)
    for name, column in loaded.columns.items():
        assert column.bins.identity == found.columns[name].bins.identity
        assert int(column.counts.sum()) == len(batch)
        assert sum(int(day.sum()) for day in column.by_day.values()) == len(batch)
        assert sum(int(tally.cells[name].sum()) for tally in loaded.versions.values()) == len(batch)
    parts = list(cut(batch, borders))
    assert build_reference(chosen, lambda: parts, source="rows", created=1).to_json() == data


@settings(max_examples=150, deadline=None)
@given(st.lists(st.floats(-2, 2) | st.just(float("nan")), max_size=60), decisions)
def test_the_flagged_rows_are_always_a_sum_of_score_bins(values: list[float], decision: Decision) -> None:
    scores = np.array(values, np.float64)
    bins: dict[str, Bins] = dict(fit_bins({"score": scores}, decision=decision))
    live = np.array([*values, -9.0, 9.0, decision.threshold, *np.nextafter(decision.threshold, [-9, 9])], np.float64)
    cells = np.bincount(bins["score"].code(live), minlength=bins["score"].cells)  # type: ignore[arg-type]  # numeric bins
    found = reference_of_counts(model="m", source="", bins=bins, total={"score": cells}, decision=decision)
    flags = found.flags("flagged", "")
    assert flags is not None
    yes = int(decision.flagged(live).sum())
    assert flags.tolist() == [int((~np.isnan(live)).sum()) - yes, yes]


GOLDEN = build_reference(
    BuildSettings(model="m"),
    lambda: [batch_of({"x": np.arange(50.0) ** 2, "c": ["a", "b"] * 25})],
    source="rows",
    created=0,
).to_json()


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOLDEN) - 1), st.integers(1, 255))
def test_a_damaged_byte_is_never_read_as_another_reference(place: int, flip: int) -> None:
    damaged = bytearray(GOLDEN)
    damaged[place] ^= flip
    try:
        found = Reference.from_json(bytes(damaged))
    except InvalidReferenceError:
        return
    assert found.to_json() == GOLDEN


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_refused_and_nothing_else_is_raised(data: bytes) -> None:
    with pytest.raises(InvalidReferenceError):
        Reference.from_json(data)


@settings(max_examples=30, deadline=None)
@given(batches(), batches(), st.booleans())
def test_any_two_references_can_be_compared(first: Batch, second: Batch, same_edges: bool) -> None:
    one = build_reference(BuildSettings(model="m"), lambda: [first], source="")
    edges = {name: column.bins for name, column in one.columns.items()} if same_edges else {}
    other = build_reference(BuildSettings(model="m", edges=edges), lambda: [second], source="")
    found = compare(one, other)
    assert {change.column for change in found.changes} == {"x", "c", "score"}
    assert all(change.same_edges for change in found.changes) or not same_edges
    assert not compare(one, one).moved


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(-5, 5), min_size=1, max_size=50),
    st.lists(st.floats(-6, 6), min_size=2, max_size=20, unique=True),
)
def test_counts_spread_over_other_bins_stay_all(values: list[float], borders: list[float]) -> None:
    sample = np.array(values)
    bins = fit_bins({"x": sample})["x"]
    assume(bins.numeric)
    counts = np.bincount(bins.code(sample), minlength=bins.cells)  # type: ignore[arg-type]  # numeric bins
    moved = spread(bins, counts, np.sort(borders))  # type: ignore[arg-type]  # numeric bins
    assert int(moved.sum()) == len(values)
    assert (moved >= 0).all()
    back = spread(bins, counts, borders_of(bins))  # type: ignore[arg-type]  # numeric bins
    assert int(back.sum()) == len(values)


@pytest.mark.parametrize("scale", [5e-324, 1e-313, 1.0, 1e299])
def test_rows_are_spread_between_borders_that_lie_very_near_or_very_far_apart(scale: float) -> None:
    bins = NumericBins.of_edges(np.array([scale]), low=-8 * scale, high=8 * scale)
    counts = np.array([9, 16, 0, 0, 0, 0])
    borders = np.array([-8.0, -4.0, 0.0, 1.0, 8.0]) * scale
    found = spread(bins, counts, borders)
    assert found.sum() == 25
    assert found.min() >= 0
    assert scale < 1e-300 or found.tolist() == [4, 4, 1, 16]
