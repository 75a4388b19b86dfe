"""Rows that count in the slices of several slicings at once count as they would in each alone."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.bins import CategoricalBins
from detectors.calibration.distribution import DistributionTable
from detectors.estimate.class_table import ClassTable
from detectors.performance import BinaryTable, MulticlassTable, RankingTable, RegressionTable
from monitor.config.model import SliceConfig
from monitor.events import IntArray
from monitor.outcomes.blocks import Chosen, Placed, tally_blocks
from monitor.outcomes.judges import BinaryJudge, Judge, MulticlassJudge, RankingJudge, RegressionJudge
from monitor.outcomes.parts import BLOCK, SlicedPart
from monitor.slices import slicing_of

JUDGE = BinaryJudge(BinaryTable(np.array([0.5]), None, tops=()))


def part_of(values: int) -> SlicedPart:
    """Return a slicing by that many values; the others and the missing ones are two slices more."""
    bins = CategoricalBins(tuple(f"v{value}" for value in range(values)))
    slicing = slicing_of(SliceConfig(by=[f"c{values}"], top_k=values), {f"c{values}": bins})
    assert slicing is not None
    return SlicedPart("m", slicing, JUDGE)


PARTS = tuple(map(part_of, (3, 40, 250)))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 1 << 32), rows=st.integers(0, 120), hours=st.integers(1, 60), most=st.integers(1, 1 << 19))
def test_rows_are_counted_in_every_slicing_however_they_are_taken_apart(
    seed: int, rows: int, hours: int, most: int
) -> None:
    rng = np.random.default_rng(seed)
    hour = rng.integers(0, hours, rows) * 65_537 + rng.integers(0, 2, rows)
    amount = rng.integers(-3, 9, rows)
    places = [Placed(part, rng.integers(-1, part.slicing.size, rows)) for part in PARTS]
    held = []

    def count(chosen: Chosen, group: IntArray, groups: int) -> IntArray:
        vectors = np.zeros((groups, 1), np.int64)
        for one in group:
            np.add.at(vectors[:, 0], one, amount[chosen])
        held.append((groups - 1) // BLOCK if group.shape[1] > 1 else 0)
        return vectors

    found: Counter[tuple[int, int, int]] = Counter()
    for part, keys, vectors in tally_blocks(places, hour, count, most):
        for key, block in zip(keys.tolist(), vectors.reshape(len(keys), BLOCK), strict=True):
            for place, total in enumerate(block.tolist()):
                found[PARTS.index(part), key // part.blocks, key % part.blocks * BLOCK + place] += total
    expected: Counter[tuple[int, int, int]] = Counter()
    for number, placed in enumerate(places):
        for code, time, units in zip(placed.codes.tolist(), hour.tolist(), amount.tolist(), strict=True):
            if code >= 0:
                expected[number, time, code] += units
    assert {key: total for key, total in found.items() if total} == {k: total for k, total in expected.items() if total}
    assert max(held, default=0) * PARTS[0].size <= max(most, 3 * PARTS[0].size)


def judges() -> list[tuple[str, Judge]]:
    edges = np.linspace(-2.0, 2.0, 9)
    claims = DistributionTable(0.9, (0.1, 0.5, 0.9), 0.01)
    binary = BinaryJudge(BinaryTable(np.array([0.25, 0.5]), None, 0.01), weighted=True)
    named = BinaryJudge(BinaryTable(np.array([0.5]), None), top=True)
    return [
        ("binary", binary),
        ("multiclass", MulticlassJudge(MulticlassTable(("a", "b"), (1,)), named, ClassTable((edges[5:7],) * 2))),
        ("regression", RegressionJudge(RegressionTable(0.0, 1.0, 1.0, edges), claims)),
        ("ranking", RankingJudge(RankingTable((1, 3), "linear"))),
    ]


@pytest.mark.parametrize(("kind", "judge"), judges())
def test_a_row_in_several_groups_counts_in_each_as_if_alone(kind: str, judge: Judge) -> None:
    rng = np.random.default_rng(7)
    number, groups = 500, 6
    rows = np.zeros(
        number,
        [("score", "<f8"), ("decided", "<i1"), ("amount", "<f8"), ("propensity", "<f8"), ("scores", "(2,)<f8"),
         ("predicted", "<f8" if kind == "regression" else "<i2"), ("quantiles", "(3,)<f8")],
    )  # fmt: skip
    rows["score"] = np.where(rng.random(number) < 0.1, np.nan, rng.random(number))
    rows["decided"], rows["amount"] = rng.integers(-1, 2, number), rng.random(number)
    rows["propensity"] = rng.random(number)
    rows["scores"] = rng.dirichlet([1, 1], number)
    rows["predicted"] = rng.normal(size=number) if kind == "regression" else rng.integers(-1, 2, number)
    rows["quantiles"] = np.sort(rng.normal(size=(number, 3)), axis=1)
    labels = rng.normal(size=number) if kind == "regression" else rng.integers(0, 2, number).astype(np.float64)
    weight = rng.choice([-1, 1], number)
    group = rng.integers(0, groups, (3, number))
    said = sum(judge.say(rows, one, groups) for one in group)
    assert np.array_equal(judge.say(rows, group, groups), said)
    known = sum(judge.tally(rows, labels, weight, one, groups) for one in group)
    assert np.array_equal(judge.tally(rows, labels, weight, group, groups), known)
    assert np.any(known)
