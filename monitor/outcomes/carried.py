"""What a prediction carries through the join so that it can be judged when its label comes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from detectors.performance.multiclass import faults
from monitor.config.decision import Decision
from monitor.config.model import ModelConfig
from monitor.config.performance_checks import MOST_SLICINGS, is_weighted
from monitor.config.score_checks import levels_of
from monitor.decoding.cells import category
from monitor.decoding.schema import (
    INTERVAL,
    MOST_LISTED,
    interval_column,
    item_column,
    quantile_column,
    score_column,
    selection_column,
)
from monitor.events import Batch, FloatArray, IntArray
from monitor.join.payload import Payload, Rows
from monitor.layout import Coder
from monitor.outcomes.cells import CELL_TYPE, FIELD, VALUES, Cells, is_searched
from monitor.outcomes.values import WIDTH
from monitor.slices import Slicing
from monitor.truth import Truth, item_numbers

_HALF: Final = 0.5
SCORE_OUTSIDE: Final = "score_outside"
SCORES_MISSING, SCORES_OUTSIDE, SCORES_SUM = "scores_missing", "scores_outside", "scores_sum"
INTERVAL_CROSSED, QUANTILES_CROSSED, DEVIATION_BAD = "interval_crossed", "quantiles_crossed", "deviation_bad"
ACTION_MISSING, PROPENSITY_BAD = "action_missing", "propensity_bad"
FLAWS: Final[Mapping[str, str]] = {
    SCORE_OUTSIDE: "A score outside 0 to 1.",
    SCORES_MISSING: "Scores of classes of which one is missing or no number.",
    SCORES_OUTSIDE: "Scores of classes of which one lies outside 0 to 1.",
    SCORES_SUM: "Scores of classes that do not sum to 1 within 0.01.",
    INTERVAL_CROSSED: "An interval whose lower end lies above its upper one.",
    QUANTILES_CROSSED: "Quantiles that fall where their levels rise.",
    ACTION_MISSING: "A prediction that does not say what was done.",
    PROPENSITY_BAD: "A propensity that is missing or not above 0 and at most 1, of an action that leads to labels.",
    DEVIATION_BAD: "A standard deviation that is not above 0.",
}
"""Why a prediction can be judged in part only, with the sentence that people read."""


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
        scored = self.config.predictions.map.score is not None or self.config.has_scores
        if scored and self.config.task not in {"regression", "ranking"}:
            fields["score"] = "<f8"
        if self.config.has_scores:
            fields["scores"] = f"({len(self._classes)},)<f8"
        if self.config.task == "binary_classification":
            fields["decided"] = "<i1"
            if self.config.performance.amount is not None:
                fields["amount"] = "<f8"
        elif self.config.task == "ranking":
            fields |= {"items": f"({MOST_LISTED},)<f8"} if self.config.names_items else {}
        else:
            fields["predicted"] = "<f8" if self.config.task == "regression" else "<i2"
        if self.config.task == "regression":
            mapped = self.config.predictions.map
            fields |= {name: "<f8" for name in INTERVAL if getattr(mapped, name) is not None}
            fields |= {"quantiles": f"({len(self._levels)},)<f8"} if self._levels else {}
        if self.config.performance.labelled_when is not None:
            fields["selected"] = "<i1"
            fields |= {"propensity": "<f8"} if is_weighted(self.config) else {}
        if is_searched(self.config):
            fields[FIELD] = CELL_TYPE
            if (most := self.config.find_slices.values) > 0:
                fields[VALUES] = f"({most},)S{WIDTH}"
        fields |= {field_of(slicing.columns): "<u4" for slicing in self.config.slices[:MOST_SLICINGS]}
        return Payload(fields)

    def pack(
        self,
        batch: Batch,
        coding: int,
        versions: IntArray,
        slicings: Sequence[Slicing],
        coders: Mapping[str, Coder],
        cells: Cells | None = None,
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
        cells
            What slices are looked for in.
        """
        rows = np.zeros(len(batch), self.payload.dtype)
        rows["time"], rows["coding"], rows["version"] = batch.times, coding, versions
        for name, values in self._said(batch):
            if name in self.payload.fields:
                rows[name] = values
        if self.config.has_scores:
            self._name_classes(rows)
        codes: dict[str, IntArray] = {}
        used = [slicing for slicing in slicings if field_of(slicing.columns) in self.payload.fields]
        searched = () if cells is None else cells.columns
        for name in {*searched, *(name for slicing in used for name in slicing.columns)}:
            codes[name] = _codes(batch, name, coders[name])
        for slicing in used:
            rows[field_of(slicing.columns)] = slicing.places(codes) + 1
        if cells is not None:
            cells.pack(codes, batch.columns, rows)
        return rows

    def _said(self, batch: Batch) -> Iterator[tuple[str, NDArray[Any]]]:
        """Yield what each row says, field by field."""
        score, fields, task = _numbers(batch, "score"), self.payload.fields, self.config.task
        yield "score", score
        for name in INTERVAL:
            yield name, _numbers(batch, interval_column(name))
        if "quantiles" in fields:
            yield "quantiles", _side_by_side(batch, map(quantile_column, self._levels))
        if "scores" in fields:
            yield "scores", _side_by_side(batch, map(score_column, self._classes))
        if "items" in fields:
            yield "items", _items(batch)
        if "selected" in fields:
            yield "selected", self._selected(batch)
            yield "propensity", _numbers(batch, selection_column("propensity"))
        if "decided" in fields:
            yield "decided", self._decided(batch, score)
        if "amount" in fields:
            yield "amount", _numbers(batch, str(self.config.performance.amount))
        if task in {"multiclass", "regression"}:
            yield "predicted", self._predicted(batch)

    def _name_classes(self, rows: Rows) -> None:
        """Say the likeliest class where predictions are not logged, and the score of the class said where none is."""
        mapped = self.config.predictions.map
        scores = rows["scores"]
        usable = faults(scores) < 0
        if mapped.prediction is None:
            rows["predicted"] = np.where(usable, np.argmax(np.where(np.isnan(scores), -np.inf, scores), axis=1), -1)
        if mapped.score is None:
            said = rows["predicted"].astype(np.int64)
            own = np.take_along_axis(scores, np.maximum(said, 0)[:, np.newaxis], axis=1)[:, 0]
            rows["score"] = np.where(usable & (said >= 0), own, np.nan)

    def _selected(self, batch: Batch) -> IntArray:
        """Return 1 for rows whose action leads to a label, 0 for others, -1 where none is said."""
        chosen = {str(category(action)) for action in self.config.performance.labelled_when or ()}
        actions = batch.columns.get(selection_column("action"))
        texts = actions if isinstance(actions, list) else [None] * len(batch)
        return np.array([-1 if text is None else text in chosen for text in texts], np.int64)

    def flaws(self, rows: Rows) -> Counter[str]:
        """Return why predictions can be judged in part only, and how many for each reason."""
        found: Counter[str] = Counter()
        if "scores" in self.payload.fields:
            fault = faults(rows["scores"])
            for place, reason in enumerate((SCORES_MISSING, SCORES_OUTSIDE, SCORES_SUM)):
                found[reason] = int((fault == place).sum())
        elif "score" in self.payload.fields:
            score = rows["score"]
            found[SCORE_OUTSIDE] = int(((score < 0) | (score > 1)).sum())
        if "lower" in self.payload.fields:
            found[INTERVAL_CROSSED] = int((rows["lower"] > rows["upper"]).sum())
        if "deviation" in self.payload.fields:
            found[DEVIATION_BAD] = int((rows["deviation"] <= 0).sum())
        if "selected" in self.payload.fields:
            found[ACTION_MISSING] = int((rows["selected"] < 0).sum())
        if "propensity" in self.payload.fields:
            usable = (rows["propensity"] > 0) & (rows["propensity"] <= 1)
            found[PROPENSITY_BAD] = int(((rows["selected"] == 1) & ~usable).sum())
        if "quantiles" in self.payload.fields:
            falls = np.diff(rows["quantiles"], axis=1) < 0
            found[QUANTILES_CROSSED] = int(falls.any(axis=1).sum())
        return +found

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
    def _levels(self) -> tuple[str, ...]:
        return tuple(levels_of(self.config))

    @cached_property
    def _classes(self) -> tuple[str, ...]:
        return self._truth.classes or ()

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


def _side_by_side(batch: Batch, names: Iterable[str]) -> FloatArray:
    return np.stack([_numbers(batch, name) for name in names], axis=1)


def _items(batch: Batch) -> FloatArray:
    """Return the items of ranked lists by number, ``[n, 13]``."""
    none: list[str | None] = [None] * len(batch)
    columns = [batch.columns.get(item_column(place)) for place in range(MOST_LISTED)]
    return np.stack([item_numbers(column if isinstance(column, list) else none) for column in columns], axis=1)


def _codes(batch: Batch, name: str, coder: Coder) -> IntArray:
    values = batch.columns.get(name)
    if values is None:
        values = np.full(len(batch), np.nan) if getattr(coder, "numeric", True) else [None] * len(batch)
    codes = coder.code(values, batch.bad.get(name))
    if isinstance(values, list):
        batch.coded[name] = coder, codes
    return codes
