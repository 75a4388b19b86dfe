"""What a join counts: outcomes, how late labels come, how much is labelled by age."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from monitor.events import SECOND, IntArray
from monitor.join.entry import Outcomes
from monitor.join.rules import Rules

PREDICTION_OUTCOMES: Final = ("joined", "pending", "expired", "duplicate", "unsampled", "overflow")
LABEL_OUTCOMES: Final = (
    *("joined", "pending", "orphan", "duplicate", "superseded", "conflict"),
    *("retracted", "unsampled", "overflow", "invalid"),
)
MATURITY_OUTCOMES: Final = ("waiting", "labelled", "absent", "unlabelled")
DELAY_EDGES: Final[IntArray] = np.concatenate([[0], SECOND * 2 ** np.arange(26, dtype=np.int64)])
"""Lower edges of the bins of delay: 0, 1 s, 2 s, …; one bin more, before them, is for labels that came first."""


@dataclass(frozen=True, slots=True)
class Coverage:
    """Predictions by age, youngest first; one element a span of prediction time."""

    ages: IntArray
    """Greatest age within the span at the watermark, microseconds."""
    predictions: IntArray
    labelled: IntArray


@dataclass(slots=True)
class Tally:
    """Exact counts, the same whatever the order of the records."""

    rules: Rules
    outcomes: Outcomes = field(default_factory=Counter)
    """(``prediction``, ``label`` or ``maturity``; outcome) → rows; ``seen`` is how many came in all."""
    delays: IntArray = field(default_factory=lambda: np.zeros(len(DELAY_EDGES) + 1, np.int64))
    """Joined pairs by delay: below zero, then from each of ``DELAY_EDGES`` on."""
    spans: dict[int, list[int]] = field(default_factory=dict)
    """Span of prediction time → [predictions, those labelled], duplicates left out."""

    def add(self, side: str, outcome: str, rows: int) -> None:
        """Add rows to an outcome; a negative number takes them back."""
        if rows:
            self.outcomes[side, outcome] += rows

    def predictions(self, sign: int, times: IntArray) -> None:
        """Count predictions by their time, or take them back."""
        self._span(0, sign, times)

    def pairs(self, sign: int, times: IntArray, delays: IntArray) -> None:
        """Count pairs by delay and by the time of the prediction, or take them back."""
        if not len(times):
            return
        bins = np.searchsorted(DELAY_EDGES, delays, side="right")
        self.delays += sign * np.bincount(bins, minlength=len(self.delays))
        self._span(1, sign, times)

    def forget(self, watermark: int) -> None:
        """Drop the spans of which nothing can change any more."""
        cell = self.rules.cell
        for span in [span for span in self.spans if (span + 1) * cell + self.rules.wait < watermark]:
            del self.spans[span]

    def coverage(self, watermark: int) -> Coverage:
        """Return how many predictions of each age are labelled."""
        spans = sorted(self.spans, reverse=True)
        counts = np.array([self.spans[span] for span in spans], np.int64).reshape(len(spans), 2)
        ages = np.array([watermark - span * self.rules.cell for span in spans], np.int64)
        return Coverage(ages, counts[:, 0], counts[:, 1])

    def unaccounted(self) -> dict[str, int]:
        """Return by how much each side's outcomes differ from what was seen: empty, always.

        Predictions: seen = joined + pending + expired + duplicate + unsampled + overflow.
        Labels: seen = joined + pending + orphan + duplicate + superseded + conflict + retracted + unsampled + overflow
        + invalid.
        Maturity is a second view of the predictions that are not duplicates: joined + pending + expired = waiting +
        labelled + absent + unlabelled. And as many labels as predictions are joined.
        """
        got = self.outcomes
        sides = {
            "prediction": got["prediction", "seen"] - sum(got["prediction", name] for name in PREDICTION_OUTCOMES),
            "label": got["label", "seen"] - sum(got["label", name] for name in LABEL_OUTCOMES),
            "maturity": sum(got["prediction", name] for name in PREDICTION_OUTCOMES[:3])
            - sum(got["maturity", name] for name in MATURITY_OUTCOMES),
            "pairs": got["prediction", "joined"] - got["label", "joined"],
            "delays": got["prediction", "joined"] - int(self.delays.sum()),
        }
        return {side: rows for side, rows in sides.items() if rows}

    def state(self) -> dict[str, Any]:
        """Return plain values for the store."""
        return {
            "outcomes": [[*name, rows] for name, rows in sorted(self.outcomes.items())],
            "delays": self.delays.tolist(),
            "spans": [[span, *counts] for span, counts in sorted(self.spans.items())],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what ``state`` returned."""
        self.outcomes = Counter({(side, outcome): rows for side, outcome, rows in state["outcomes"]})
        self.delays = np.array(state["delays"], np.int64)
        self.spans = {span: counts for span, *counts in state["spans"]}

    def _span(self, place: int, sign: int, times: IntArray) -> None:
        found, rows = np.unique(times // self.rules.cell, return_counts=True)
        for span, number in zip(found.tolist(), rows.tolist(), strict=True):
            counts = self.spans.setdefault(span, [0, 0])
            counts[place] += sign * number
            if not any(counts):
                del self.spans[span]


def quantiles_of(delays: IntArray, wanted: Sequence[float] = (0.5, 0.9, 0.99)) -> dict[float, float]:
    """Return quantiles of ``Tally.delays`` in seconds, at most a factor of two too high; empty when nothing is joined.

    A label that came before its prediction has a delay of 0.

    >>> counts = np.zeros(len(DELAY_EDGES) + 1, np.int64)
    >>> counts[[1, 4]] = [3, 1]  # below 1 s; from 4 s to 8 s
    >>> quantiles_of(counts, (0.5, 0.9))
    {0.5: 1.0, 0.9: 8.0}
    """
    total = int(delays.sum())
    if not total:
        return {}
    uppers = np.append(DELAY_EDGES, 2 * DELAY_EDGES[-1]) / SECOND
    places = np.searchsorted(np.cumsum(delays), np.ceil(np.array(wanted) * total), side="left")
    return dict(zip(wanted, uppers[places].tolist(), strict=True))
