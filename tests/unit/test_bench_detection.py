"""The benchmark of detection measures what its cells say."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.detection.cells import CELLS, read
from benchmarks.detection.laws import EDGES, changed, values


def test_every_cell_is_a_drift_of_a_size() -> None:
    for cell in read().cells:
        assert cell.law.before.sum() == pytest.approx(1)
        assert cell.law.after.sum() == pytest.approx(1)
        assert 0.001 < cell.law.index < 1


@pytest.mark.parametrize(("old", "new"), [("rare bin ×3", "zigzag ±20 %"), ("[[null]]", "[[null]]\n[[null]]\n" * 2)])
def test_cells_that_cannot_be_told_apart_are_refused(old: str, new: str, tmp_path: object) -> None:
    path = tmp_path / "cells.toml"  # type: ignore[operator]
    path.write_text(CELLS.read_text().replace(old, new, 1))
    with pytest.raises((ValueError, TypeError)):
        read(path)


@pytest.mark.parametrize("kind", ["mean", "bump", "zigzag", "tail"])
def test_values_have_the_shares_of_their_law(kind: str) -> None:
    law = changed(kind, 0.3)
    counts = np.bincount(np.searchsorted(EDGES, values(law, 200_000, np.random.default_rng(1))), minlength=14)
    assert (np.square(counts - 200_000 * law) / (200_000 * law)).sum() < 34.5  # χ², 13 degrees, one in a thousand
