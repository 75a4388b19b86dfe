"""Moments against numpy and exact fractions, whatever the split."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.moments import Moments, merge

values = st.lists(st.floats(-1e6, 1e6), max_size=40)


def _of(sample: list[float]) -> Moments:
    return Moments.of(np.array(sample, np.float64))


def _same(one: Moments, other: Moments, size: float) -> None:
    assert (one.n, one.least, one.most) == (other.n, other.least, other.most)
    assert one.mean == pytest.approx(other.mean, rel=1e-13, abs=1e-13 * size)
    assert one.m2 == pytest.approx(other.m2, rel=1e-11, abs=1e-22 * size**2)


@given(values, values, values)
@settings(max_examples=100)
def test_moments_are_a_commutative_monoid(a: list[float], b: list[float], c: list[float]) -> None:
    size = max((abs(x) for x in a + b + c), default=0.0)
    one, two, three = _of(a), _of(b), _of(c)
    assert one + two == two + one
    assert one + Moments() == one == Moments() + one
    _same((one + two) + three, one + (two + three), size)
    _same(one + two + three, _of(a + b + c), size)
    _same(merge([one, two, three]), _of(a + b + c), size)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40))
@settings(max_examples=100)
def test_moments_equal_exact_fractions(sample: list[float]) -> None:
    exact = [Fraction(x) for x in sample]
    mean = sum(exact) / len(exact)
    variance = sum((x - mean) ** 2 for x in exact) / (len(exact) - 1)
    size = max(abs(x) for x in sample)
    moments = merge([_of([x]) for x in sample])
    assert moments.mean == pytest.approx(float(mean), rel=1e-13, abs=1e-13 * size)
    assert moments.variance == pytest.approx(float(variance), rel=1e-11, abs=1e-22 * size**2)
    assert (moments.least, moments.most) == (min(sample), max(sample))
    assert moments.variance == pytest.approx(np.var(sample, ddof=1), rel=1e-9, abs=1e-20 * size**2)


@pytest.mark.parametrize("batch", [1, 7, 100, 10_000])
def test_batches_do_not_matter_at_a_mean_of_a_billion(batch: int) -> None:
    sample = np.random.default_rng(5).normal(1e9, 1.0, size=10_000)
    moments = merge([Moments.of(sample[place : place + batch]) for place in range(0, len(sample), batch)])
    running = sum((Moments.of(sample[place : place + batch]) for place in range(0, len(sample), batch)), Moments())
    expected = float(np.var((sample - 1e9).astype(np.longdouble), ddof=1))
    for found in (moments, running):
        assert found.variance == pytest.approx(expected, rel=1e-8)
        assert found.mean == pytest.approx(1e9 + float(np.mean(sample - 1e9)), rel=1e-14)
    naive = float((sample**2).mean() - sample.mean() ** 2)
    assert abs(naive - expected) > 1e-3 * expected


def test_ends_are_defined() -> None:
    assert math.isnan(Moments().variance)
    assert math.isnan(_of([3.0]).variance)
    assert _of([3.0, 3.0, 3.0]).variance == 0.0
    assert _of([]) == Moments()
    for bad in (math.nan, math.inf, -math.inf, 1e200):
        with pytest.raises(ValueError, match="finite moments"):
            _of([1.0, bad])
