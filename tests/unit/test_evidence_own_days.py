"""A slice whose days go up and down by themselves keeps the budget, since its own days are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from monitor.config.root import AlarmsConfig
from monitor.events import DAY, HOUR, IntArray
from monitor.evidence.budget import severities_of
from monitor.evidence.copy import Copy
from monitor.evidence.sight import rows_of
from monitor.evidence.stream import Past, Stream
from monitor.evidence.terms import Asked, terms_of

DAYS, WINDOWS, RUNS, PATIENCE = 14, 120, 12, 60.0
ASKED = Asked(DAY, "none", "auto", 0)


def days_of(rng: np.random.Generator, days: int, rows: int, spread: float, rate: float = 0.2) -> IntArray:
    """Return (rest, hits) by day; the logit of the rate moves by ``spread`` from day to day."""
    law = expit(np.log(rate / (1 - rate)) + spread * rng.normal(size=days))
    hits = rng.binomial(rows, law)
    return np.stack([rows - hits, hits], axis=1).astype(np.int64)


def streams_of(rng: np.random.Generator, whole: IntArray, *, knows_own: bool) -> list[Stream]:
    """Return four slices of which one swings; in all rows together that is hardly seen."""
    found = []
    for place, spread in enumerate((0.5, 0.0, 0.0, 0.0)):
        own = days_of(rng, DAYS, 400, spread)
        known = Past(own) if knows_own else None
        cells = np.array([2 * place, 2 * place + 1])
        found.append(
            Stream(
                "recall", "", "1", f"s={place}", "slices", True, own.sum(axis=0), cells, np.arange(2), Past(whole),
                f"m{place}", worse=-1, own=known,
            )
        )  # fmt: skip
    return found


def incidents(*, knows_own: bool) -> int:
    """Return the incidents of all runs; each has a reference of its own, and nothing changes after it."""
    (warn, _) = severities_of(AlarmsConfig())
    total = 0
    for seed in range(RUNS):
        rng = np.random.default_rng(seed)
        copy = Copy(warn, ASKED)
        copy.fit({"1": streams_of(rng, days_of(rng, DAYS, 20_000, 0.02), knows_own=knows_own)}, PATIENCE)
        later = np.concatenate([days_of(rng, WINDOWS, 400, spread) for spread in (0.5, 0.0, 0.0, 0.0)], axis=1)
        for window, counts in enumerate(later):
            copy.step({"1": counts}, PATIENCE, window, 0)
        total += copy.meter.incidents
    return total


def test_a_slice_that_swings_keeps_the_budget() -> None:
    assert incidents(knows_own=True) <= RUNS * WINDOWS / PATIENCE


def test_with_the_days_of_all_rows_it_breaks_it() -> None:
    assert incidents(knows_own=False) > 2 * RUNS * WINDOWS / PATIENCE


@pytest.mark.parametrize("length", [DAY, HOUR])
def test_days_that_are_alike_cost_nothing(length: int) -> None:
    """Chance is no wander: for most slices the terms are those of all rows; and windows have their own rows."""
    rng, asked = np.random.default_rng(1), replace(ASKED, length=length)
    hours = days_of(rng, DAYS * 24, 800, 0.0).reshape(DAYS, 24, 2)
    past, widened = Past(hours.sum(axis=1), hours), 0
    for _ in range(60):
        own = days_of(rng, DAYS, 60, 0.0)
        one = Stream(
            "recall",
            "",
            "1",
            "s",
            "slices",
            True,
            own.sum(axis=0),
            np.arange(2),
            np.arange(2),
            past,
            "m",
            own=Past(own),
        )
        assert rows_of(one, length) == 60 * length / DAY
        alone = terms_of(replace(one, own=None), asked, 1e-4, 1e-3)
        known = terms_of(one, asked, 1e-4, 1e-3)
        assert (known.tolerance is None, known.ratio) >= (alone.tolerance is None, alone.ratio)
        widened += (known.tolerance, known.ratio) != (alone.tolerance, alone.ratio)
    assert widened <= 6
