"""What is watched of a judged prediction: its error, or its loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from detectors.performance.losses import log_losses
from monitor.events import FloatArray, IntArray
from monitor.join.payload import Rows


class PayloadReader(Protocol):
    """Reads what predictions carried through the join; whoever packs it provides this."""

    @property
    def version_names(self) -> Sequence[str]:
        """The names of versions by their codes."""
        ...

    def versions(self, rows: Rows) -> IntArray:
        """Return the code of each prediction's version."""
        ...

    def predicted(self, rows: Rows) -> FloatArray:
        """Return the number of the class at the operating decision, or as logged; of a regression its number.

        NaN where there is none.
        """
        ...

    def scores(self, rows: Rows) -> FloatArray:
        """Return the probability of the positive class, NaN where there is none."""
        ...

    def scores_of(self, rows: Rows, classes: FloatArray) -> FloatArray:
        """Return the probability that each row gave to a class by its number, NaN where there is none of any use."""
        ...


def watched(name: str, task: str, carried: PayloadReader, rows: Rows, labels: FloatArray) -> FloatArray:
    """Return what is watched of each prediction, NaN where it does not exist.

    Parameters
    ----------
    name
        ``error``: 1 where the predicted class is not the true one, 0 where it is. ``loss``: the absolute error of a
        regression, otherwise the log loss, natural logarithm.
    labels
        What was true, as the join gave it out: a number, or the number of a class.
    """
    if name == "error":
        predicted = carried.predicted(rows)
        known = np.isfinite(predicted) & np.isfinite(labels)
        return np.where(known, predicted != labels, np.nan)
    if task == "regression":
        return np.abs(carried.predicted(rows) - labels)
    if task == "multiclass":
        true = carried.scores_of(rows, labels)
        known = np.isfinite(true)
        return np.where(known, log_losses(np.where(known, true, 0.5)), np.nan)
    scores = carried.scores(rows)
    fine = (scores >= 0) & (scores <= 1) & ((labels == 0) | (labels == 1))
    true = np.where(fine, np.where(labels == 1, scores, 1 - scores), 0.5)
    return np.where(fine, log_losses(true), np.nan)
