"""What peers would say of a window, as findings beside ours."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from detectors.bins import CategoricalBins, NumericBins
from detectors.compat.column import Column, Verdict
from detectors.compat.evidently import DRIFT_SHARE
from detectors.compat.registry import PEERS
from monitor.events import FloatArray, IntArray
from monitor.findings import Finding
from monitor.model import FLAGGED, Model
from monitor.windows import Window

DATASET: Final = "(dataset)"
_NOT_JUDGED: Final = frozenset({"latency", "error", FLAGGED})
_OUTPUTS: Final = frozenset({"score", "prediction"})
_NAN: Final = float("nan")


def peer_findings(model: Model, version: str, window: Window, counts: IntArray) -> Iterator[Finding]:
    """Yield what each configured peer says of every column; nothing of windows with too few rows."""
    if not model.config.compat or int(counts[0]) < window.min_samples:
        return
    columns = dict(columns_of(model, version, counts))
    for name in model.config.compat:
        verdicts = {column: PEERS[name](shown) for column, shown in columns.items()}
        for column, verdict in verdicts.items():
            yield _finding(name, column, verdict)
        if name == "evidently" and verdicts:
            share = sum(verdict.drifted for verdict in verdicts.values()) / len(verdicts)
            status = "drift" if share >= DRIFT_SHARE else "ok"
            figures = (share, share, _NAN, _NAN, _NAN, DRIFT_SHARE)
            yield Finding(DATASET, "evidently:drift_share", *figures, status, 0, f"{share:.0%} of the columns")


def columns_of(model: Model, version: str, counts: IntArray) -> Iterator[tuple[str, Column]]:
    """Yield the columns of one version that have rows in reference and window."""
    reference = model.reference
    if reference is None:
        return
    found: list[tuple[str, IntArray, IntArray, FloatArray | None]] = []
    for name, bins in model.layout.coders.items():
        if name in _NOT_JUDGED or not isinstance(bins, NumericBins | CategoricalBins):
            continue
        cells = reference.cells(name, version)
        if cells is None:
            continue
        first, last = model.layout.spans[name]
        before, now = _shown(bins, cells), _shown(bins, counts[first:last])
        if before.any() and now.any():
            found.append((name, before, now, middles(bins) if isinstance(bins, NumericBins) else None))
    for name, before, now, values in found:
        yield name, Column(before, now, values, of_model=name in _OUTPUTS, columns=len(found))


def middles(bins: NumericBins) -> FloatArray:
    """Return where the rows of each bin stand, with one place below and one above all that the reference knows."""
    borders = np.concatenate([[min(bins.low, *bins.edges[:1])], bins.edges, [max(bins.high, *bins.edges[-1:])]])
    inner = (borders[:-1] + borders[1:]) / 2
    inner[0], inner[-1] = max(inner[0], borders[0]), min(inner[-1], borders[-1])
    return np.concatenate([[np.nextafter(borders[0], -np.inf)], inner, [np.nextafter(borders[-1], np.inf)]])


def _shown(bins: NumericBins | CategoricalBins, cells: IntArray) -> IntArray:
    """Return the counts of what is there: numbers from low to high, categories with the rare and the unseen ones."""
    if isinstance(bins, NumericBins):
        low, high = bins.quality["low"], bins.quality["high"]
        return np.concatenate([cells[[low]], cells[: bins.size], cells[[high]]])
    return np.concatenate([cells[: bins.size], cells[[bins.quality["unseen"]]]])


def _finding(peer: str, column: str, verdict: Verdict) -> Finding:
    status = "drift" if verdict.drifted else "warn" if verdict.warned else "ok"
    tested = not np.isnan(verdict.p_value)
    words = f"p {verdict.p_value:.3g}, in drift below {verdict.threshold:.3g}" if tested else ""
    return Finding(
        column, f"{peer}:{verdict.statistic}", verdict.value, verdict.value, _NAN, _NAN, verdict.p_value,
        _NAN if tested else verdict.threshold, status, 0, words,
    )  # fmt: skip
