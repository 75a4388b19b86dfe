"""Reading what ``monitor.outcomes`` packed: the one place where the two meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.performance.multiclass import faults
from monitor.events import FloatArray, IntArray
from monitor.join.payload import Rows
from monitor.outcomes import ModelOutcomes


@dataclass(frozen=True, slots=True)
class OutcomesReader:
    """Reads the payload of one model's outcomes."""

    outcomes: ModelOutcomes

    @property
    def version_names(self) -> Sequence[str]:
        """The names of versions by their codes."""
        return self.outcomes.versions

    def versions(self, rows: Rows) -> IntArray:
        """Return the code of each prediction's version."""
        return rows["version"].astype(np.int64)

    def predicted(self, rows: Rows) -> FloatArray:
        """Return the number of the predicted class, or the predicted number; NaN where nothing tells."""
        fields = self.outcomes.payload.fields
        said = rows["decided" if "decided" in fields else "predicted"].astype(np.float64)
        return said if fields.get("predicted") == "<f8" else np.where(said < 0, np.nan, said)

    def scores_of(self, rows: Rows, classes: FloatArray) -> FloatArray:
        """Return the probability that each row gave to a class by its number, NaN where there is none of any use."""
        if "scores" not in self.outcomes.payload.fields:
            return np.full(len(rows), np.nan)
        scores = rows["scores"]
        known = (faults(scores) < 0) & (classes >= 0) & (classes < scores.shape[1])
        place = np.where(known, classes, 0).astype(np.int64)
        return np.where(known, np.take_along_axis(scores, place[:, np.newaxis], axis=1)[:, 0], np.nan)

    def scores(self, rows: Rows) -> FloatArray:
        """Return the probability of the positive class, NaN where there is none."""
        if "score" not in self.outcomes.payload.fields:
            return np.full(len(rows), np.nan)
        found: FloatArray = rows["score"]
        return found
