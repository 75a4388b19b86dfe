"""Monitors side by side give what each gives alone, whatever its number of bins."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.registry import STATISTICS, statistic
from monitor.config.model import DetectorConfig
from monitor.monitors import Monitor
from monitor.panel import Figures, Panel

KINDS = [name for name, entry in STATISTICS.items() if entry.fixed_bins is None]
BINS = (1, 2, 5, 14, 16, 17, 40, 64, 65, 300)


def detector_of(kind: str) -> DetectorConfig:
    return DetectorConfig.model_validate({"kind": kind, "on": ["x"]})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [0, 7, 3000])
def test_monitors_of_any_number_of_bins_are_scored_as_if_alone(kind: str, rows: int) -> None:
    rng = np.random.default_rng(rows)
    counts, monitors, windows = [np.array([rows])], [], []
    for bins in (*BINS, *BINS):
        shares = rng.dirichlet(np.ones(bins))
        windows.append(rng.multinomial(rows, shares))
        first = sum(map(len, counts))
        monitors.append(Monitor("x", kind, rng.multinomial(9000, shares), np.arange(first, first + bins)))
        counts.append(windows[-1])
    (found,) = Panel(monitors).score(detector_of(kind), np.concatenate(counts)[np.newaxis])
    for monitor, window, figures in zip(monitors, windows, found, strict=True):
        alone = statistic(kind).score(monitor.reference[np.newaxis], window[np.newaxis])
        expected = [getattr(alone, name)[0] for name in Figures._fields]
        np.testing.assert_allclose(figures, expected, rtol=1e-9, atol=1e-12)
        assert [type(figure) for figure in figures] == [float] * 6 + [int] * 2


@pytest.mark.parametrize("kind", [*KINDS, "rate"])
def test_windows_side_by_side_are_scored_to_the_last_bit_as_if_alone(kind: str) -> None:
    rng = np.random.default_rng(5)
    sizes = [2] * 4 if kind == "rate" else [3, 17, 40, 300]
    starts = 1 + np.cumsum([0, *sizes])
    references = [rng.multinomial(9000, rng.dirichlet(np.ones(bins))) for bins in sizes]
    monitors = [
        Monitor("x", kind, reference, np.arange(start, start + bins), is_rate=kind == "rate")
        for bins, start, reference in zip(sizes, starts[:-1], references, strict=True)
    ]
    tables = rng.poisson(rng.uniform(0.05, 60, (70, 1)), (70, int(starts[-1])))
    tables[3] = 0
    panel, detector = Panel(monitors), detector_of(kind)
    together = panel.score(detector, tables)
    assert repr(together) == repr([panel.score(detector, table[np.newaxis])[0] for table in tables])
    assert panel.score(detector, tables[:0]) == []
