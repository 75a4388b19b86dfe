"""From a sample of rows to the bins of every column."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, TypeAlias

import numpy as np

from detectors.bins import HUGE, CategoricalBins, NumericBins
from monitor.config.decision import Decision
from monitor.events import Column, FloatArray, IntArray

Bins: TypeAlias = NumericBins | CategoricalBins

SCORE: Final = "score"
FEWEST_SCORE_BINS: Final = 200
"""Enough for the area under the ROC curve from counts."""
TOP_K: Final = 100
MANY: Final = 1000
"""A text column with more distinct values than this, most of them seen once, looks like an id."""


def fit_bins(
    columns: Mapping[str, Column],
    *,
    bins: int = 256,
    top_k: Mapping[str, int] | None = None,
    ranges: Mapping[str, tuple[float, float]] | None = None,
    decision: Decision | None = None,
    keep: Collection[str] = (),
) -> dict[str, Bins]:
    """Return bins for every column of a bounded sample of rows.

    Parameters
    ----------
    columns
        Column → cells, floats for numbers (NaN is missing) and texts for categories. Columns without any cell, or with
        one value only, get bins as well.
    bins
        How many bins a number gets at most, ties apart. The score gets at least 200.
    top_k
        Column → most categories that are counted one by one; 100 by default.
    ranges
        Column → smallest and greatest value in order; by default the sample's.
    decision
        The operating threshold. The score's bins are split exactly there, so that the flagged rows are a sum of bins.
    keep
        Columns of text that are categories even if they look like ids.

    Returns
    -------
    dict of Bins
        A column of ids has no categories and names none: of such a column only missing and bad cells tell anything, and
        a reference must not list people.

    Examples
    --------
    >>> found = fit_bins({"amount": np.array([1.0, 2.0, 2.0]), "country": ["de", None, "fr"]})
    >>> found["amount"].size, found["country"].categories
    (2, ('de', 'fr'))
    """
    ranges, top_k = ranges or {}, top_k or {}
    fitted: dict[str, Bins] = {}
    for name, cells in columns.items():
        if not isinstance(cells, list):
            threshold = decision if name == SCORE else None
            least = max(bins, FEWEST_SCORE_BINS) if name == SCORE else bins
            fitted[name] = _numeric(cells, least, ranges.get(name), threshold)
        elif name not in keep and looks_like_id(cells):
            fitted[name] = CategoricalBins(())
        else:
            fitted[name] = CategoricalBins.fit(cells, top_k=top_k.get(name, TOP_K))
    return fitted


def bins_from_dict(data: Mapping[str, Any]) -> Bins:
    """Return what ``to_dict`` of either kind of bins took apart.

    Raises
    ------
    ValueError
        When the kind is neither ``numeric`` nor ``categorical``, or the rest makes no sense.
    KeyError
        When something is left out.
    """
    if data["kind"] == "numeric":
        return NumericBins.from_dict(data)
    if data["kind"] == "categorical":
        return CategoricalBins.from_dict(data)
    raise ValueError(f"bins are numeric or categorical, not {data['kind']!r}")


def looks_like_id(cells: list[str | None]) -> bool:
    """Return whether a column of text has more than 1,000 distinct values, on more than half of its cells.

    >>> looks_like_id([str(i) for i in range(2000)]), looks_like_id(["a", "b"] * 1000)
    (True, False)
    """
    present = [cell for cell in cells if cell is not None]
    distinct = len(set(present))
    return distinct > MANY and distinct > len(present) / 2


def cut_of(decision: Decision) -> float:
    """Return the edge at which right-closed bins separate what the decision flags from what it does not.

    >>> cut_of(Decision(">", 0.5)), cut_of(Decision(">=", 0.5))
    (0.5, 0.49999999999999994)
    """
    if decision.op in {">", "<="}:
        return float(decision.threshold)
    return float(np.nextafter(decision.threshold, -np.inf))


def decision_text(decision: Decision) -> str:
    """Return a decision with every digit of its threshold.

    >>> decision_text(Decision(">=", 0.1))
    'score >= 0.1'
    """
    return f"score {decision.op} {decision.threshold!r}"


def flagged_cells(bins: NumericBins, decision: Decision) -> IntArray | None:
    """Return 1 for each cell whose rows the decision flags, 0 for the others; ``None`` when it splits a bin.

    The score is then among the cells ``low``, the bins and ``high``; missing and bad cells are never flagged.
    """
    cut = cut_of(decision)
    if cut not in bins.edges or not bins.low <= cut <= bins.high:
        return None
    above = decision.op in {">", ">="}
    flags = np.zeros(bins.cells, np.int64)
    border = int(np.searchsorted(bins.edges, cut)) + 1
    flags[border : bins.size] = above
    flags[:border] = not above
    flags[bins.quality["high"]] = above
    flags[bins.quality["low"]] = not above
    return flags


def flag_counts(score: NumericBins, cells: IntArray, flagged: IntArray) -> IntArray:
    """Return how many scores are not flagged, are flagged, are missing or bad."""
    unknown = int(cells[score.quality["missing"]] + cells[score.quality["bad"]])
    yes = int(cells[flagged == 1].sum())
    return np.array([int(cells.sum()) - yes - unknown, yes, unknown], np.int64)


def _numeric(
    cells: FloatArray, bins: int, between: tuple[float, float] | None, decision: Decision | None
) -> NumericBins:
    low, high = between or (None, None)
    if decision is None:
        return NumericBins.fit(cells, bins, low=low, high=high)
    cut = cut_of(decision)
    known = cells[np.abs(cells) <= HUGE]
    least, most = (float(known.min()), float(known.max())) if len(known) else (cut, cut)
    # The threshold lies within the range: no score below it counts as high, none above it as low.
    low = min(least if low is None else low, cut)
    high = max(most if high is None else high, float(np.nextafter(cut, np.inf)))
    return NumericBins.fit(cells, bins, low=low, high=high, cuts=[cut])
