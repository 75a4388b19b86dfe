"""Names of bins, as people read them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from detectors.bins import CategoricalBins, NumericBins


def bin_names(bins: NumericBins | CategoricalBins, size: int | None = None) -> tuple[str, ...]:
    """Return the names of the evidence bins; with ``size``, of the first ones and one for all that follow.

    >>> bin_names(NumericBins.of_edges([1.0, 2.5], low=0.0, high=3.0))
    ('<= 1', '(1; 2.5]', '> 2.5')
    >>> bin_names(CategoricalBins(("de", "missing")))
    ('de', '=missing', 'other')
    """
    if isinstance(bins, NumericBins):
        return _ranges(bins.edges[np.flatnonzero(np.diff(bins.evidence))].tolist())
    taken = {"other", *bins.quality}
    names = [f"={name}" if name in taken else name for name in bins.categories]
    return (*(names if size is None else names[: size - 1]), "other")


def _ranges(edges: list[float]) -> tuple[str, ...]:
    if not edges:
        return ("all",)
    for texts in ([f"{edge:.6g}" for edge in edges], [repr(edge) for edge in edges]):
        inner = [f"({low}; {high}]" for low, high in pairwise(texts)]
        names = (f"<= {texts[0]}", *inner, f"> {texts[-1]}")
        if len(set(names)) == len(names):
            break
    return names
