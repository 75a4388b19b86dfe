"""What a prediction carries through the join so that it can be judged when its label comes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from monitor.config.decision import Decision
from monitor.config.model import ModelConfig
from monitor.config.performance_checks import MOST_SLICINGS
from monitor.events import Batch, FloatArray, IntArray
from monitor.join.payload import Payload, Rows
from monitor.layout import Coder
from monitor.slices import Slicing
from monitor.truth import Truth

_HALF: Final = 0.5


@dataclass(frozen=True)
class Carried:
    """The fields of one model's payload, and how they follow from a batch.

    A field of a slicing holds the row's slice plus one; 0 where the slicing had no bins when the row was predicted.
    ``coding`` numbers the set of bins that was in force then.
    """

    config: ModelConfig

    @cached_property
    def payload(self) -> Payload:
        """The fields; they follow from the configuration alone."""
        fields = {"time": "<i8", "coding": "<u2", "version": "<u2"}
        if self.config.predictions.map.score is not None and self.config.task != "regression":
            fields["score"] = "<f8"
        if self.config.task == "binary_classification":
            fields["decided"] = "<i1"
            if self.config.performance.amount is not None:
                fields["amount"] = "<f8"
        else:
            fields["predicted"] = "<f8" if self.config.task == "regression" else "<i2"
        fields |= {field_of(tuple(slicing.by)): "<u4" for slicing in self.config.slices[:MOST_SLICINGS]}
        return Payload(fields)

    def pack(
        self, batch: Batch, coding: int, versions: IntArray, slicings: Sequence[Slicing], coders: Mapping[str, Coder]
    ) -> Rows:
        """Return what each row of a batch carries.

        Parameters
        ----------
        coding
            Number of the bins in force.
        versions
            Number of each row's version.
        slicings
            Those in force.
        coders
            Column → its coder.
        """
        rows = np.zeros(len(batch), self.payload.dtype)
        rows["time"], rows["coding"], rows["version"] = batch.times, coding, versions
        score = _numbers(batch, "score")
        if "score" in self.payload.fields:
            rows["score"] = score
        if self.config.task == "binary_classification":
            rows["decided"] = self._decided(batch, score)
            if "amount" in self.payload.fields:
                rows["amount"] = _numbers(batch, str(self.config.performance.amount))
        else:
            rows["predicted"] = self._predicted(batch)
        codes: dict[str, IntArray] = {}
        for slicing in slicings:
            field = field_of(slicing.columns)
            if field in self.payload.fields:
                for name in slicing.columns:
                    if name not in codes:
                        codes[name] = _codes(batch, name, coders[name])
                rows[field] = slicing.places(codes) + 1
        return rows

    def _decided(self, batch: Batch, score: FloatArray) -> IntArray:
        """Return 1 for rows that were flagged, 0 for others, -1 where nothing tells.

        The configured decision tells, where there is a score; then the prediction as logged; then a score of a half.
        """
        named = np.full(len(batch), -1, np.int64)
        column = batch.columns.get("prediction")
        if isinstance(column, list):
            classes = self._truth.number(column)
            known = ~np.isnan(classes)
            named[known] = classes[known].astype(np.int64)
        scored = (score >= 0) & (score <= 1)
        if self._decision is not None:
            return np.where(scored, self._decision.flagged(score), named)
        return np.where((named < 0) & scored, score >= _HALF, named)

    def _predicted(self, batch: Batch) -> IntArray | FloatArray:
        if self.config.task == "regression":
            return _numbers(batch, "prediction")
        column = batch.columns.get("prediction")
        if not isinstance(column, list):
            return np.full(len(batch), -1, np.int64)
        classes = self._truth.number(column)
        return np.where(np.isnan(classes), -1, classes).astype(np.int64)

    @cached_property
    def _truth(self) -> Truth:
        return Truth.of(self.config)

    @cached_property
    def _decision(self) -> Decision | None:
        return None if self.config.decision is None else Decision.parse(self.config.decision)


def field_of(columns: tuple[str, ...]) -> str:
    """Return the payload's field for a slicing."""
    return f"slice:{','.join(columns)}"


def _numbers(batch: Batch, name: str) -> FloatArray:
    column = batch.columns.get(name)
    return column if isinstance(column, np.ndarray) else np.full(len(batch), np.nan)


def _codes(batch: Batch, name: str, coder: Coder) -> IntArray:
    values = batch.columns.get(name)
    if values is None:
        values = np.full(len(batch), np.nan) if getattr(coder, "numeric", True) else [None] * len(batch)
    return coder.code(values, batch.bad.get(name))
