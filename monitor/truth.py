"""What labels and predictions say, as the numbers that the join carries."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.config.model import ModelConfig
from monitor.decoding.cells import category
from monitor.decoding.sampling import hash64
from monitor.decoding.schema import MOST_LISTED, relevance_column
from monitor.events import Batch, FloatArray, IntArray

_GRADE_BITS: Final = 4
_MOST_GRADE: Final = 15
_BITS: Final = ("0", "1")
_BOOLS: Final = ("false", "true")
MISSING: Final = "label_missing"
BAD: Final = "label_bad"
UNKNOWN: Final = "label_unknown_class"
REASONS: Final[Mapping[str, str]] = {
    MISSING: "A label that says nothing.",
    BAD: "A label that is an object, a list, not finite or, of a regression, no number.",
    UNKNOWN: "A label of a class that the model does not have.",
}
"""Why a label cannot be used, with the sentence that people read."""


@dataclass(frozen=True)
class Truth:
    """How one model's classes are numbered; a regression has none and its labels are numbers themselves.

    Attributes
    ----------
    classes
        Their names, the positive class of a binary model last. ``None`` for a regression, and for a binary model whose
        other class may have any name.

    Examples
    --------
    >>> Truth("binary_classification", ("legit", "fraud")).number(["fraud", "legit", "other", None]).tolist()
    [1.0, 0.0, nan, nan]
    """

    task: str
    classes: tuple[str, ...] | None = None
    positive: str | None = None
    by_item: bool = False
    """Whether labels of a ranking name an item."""

    @classmethod
    def of(cls, config: ModelConfig) -> Truth:
        """Build it from the model's configuration."""
        names = None if config.classes is None else tuple(_name(value) for value in config.classes)
        positive = None if config.positive_class is None else _name(config.positive_class)
        if config.task in {"regression", "ranking"}:
            return cls(config.task, by_item=config.names_items)
        if config.task == "multiclass" or positive is None:
            return cls(config.task, names)
        if names is None:
            names = next((pair for pair in (_BITS, _BOOLS) if positive in pair), None)
        if names is not None:
            names = (*(name for name in names if name != positive), positive)
        return cls(config.task, names, positive)

    def number(self, texts: Sequence[str | None]) -> FloatArray:
        """Return the number of each class; NaN where there is none, or none of that name."""
        found = np.full(len(texts), np.nan)
        if self.classes is not None:
            places: dict[str | None, float] = {name: float(place) for place, name in enumerate(self.classes)}
            found[:] = [places.get(text, np.nan) for text in texts]
        else:
            found[:] = [np.nan if text is None else float(text == self.positive) for text in texts]
        return found

    def value(self, said: str | float | bool) -> float:
        """Return the number of a label that the configuration names."""
        if self.task in {"regression", "ranking"}:
            return float(said)
        return float(self.number([_name(said)])[0])

    def absent(self, batch: Batch) -> NDArray[np.bool_]:
        """Return which rows say nothing at all of a label."""
        column = batch.columns.get("label")
        if self.task == "ranking" and column is None:
            return np.isnan(_relevances(batch)).all(axis=1) & ~_any_bad(batch)
        if column is None:
            return np.ones(len(batch), bool)
        nothing = (
            np.isnan(column) if isinstance(column, np.ndarray) else np.array([text is None for text in column], bool)
        )
        nothing[batch.bad.get("label", np.zeros(0, np.int64))] = False
        return nothing

    def labels(self, batch: Batch) -> tuple[FloatArray, Counter[str]]:
        """Return the number of every label, NaN where it cannot be used, and how many cannot be used for which reason.

        Retractions need no label; theirs are not counted.
        """
        column = batch.columns.get("label")
        bad = batch.bad.get("label", np.zeros(0, np.int64))
        needed = ~retractions(batch)
        if self.task == "ranking" and not self.by_item:
            return _ranked(batch, needed)
        if column is None:
            return np.full(len(batch), np.nan), Counter({MISSING: int(needed.sum())})
        if self.by_item and isinstance(column, list):
            values = item_numbers(column)
        else:
            values = column if isinstance(column, np.ndarray) else self.number(column)
        lost = np.isnan(values) & needed
        reasons = Counter({BAD: int(lost[bad].sum())})
        lost[bad] = False
        absent = lost if isinstance(column, np.ndarray) else lost & np.array([text is None for text in column], bool)
        reasons[MISSING] = int(absent.sum())
        reasons[UNKNOWN] = int((lost & ~absent).sum())
        return values, +reasons


def item_numbers(items: Sequence[str | None]) -> FloatArray:
    """Return a number of 53 bits for each item, NaN for none.

    >>> found = item_numbers(["a", None, "a"])
    >>> found[0] == found[2], np.isnan(found[1])
    (np.True_, np.True_)
    """
    hashes = (hash64([item or "" for item in items]) >> np.uint64(11)).astype(np.float64)
    return np.where([item is None for item in items], np.nan, hashes)


def relevance_of(labels: FloatArray) -> FloatArray:
    """Return the relevance place by place ``[n, 13]`` that labels stand for, which ``Truth.labels`` packed.

    >>> relevance_of(np.array([3.0 + 16 * 1]))[0, :3].tolist()
    [3.0, 1.0, 0.0]
    """
    whole = labels.astype(np.int64)[:, np.newaxis]
    return ((whole >> (_GRADE_BITS * np.arange(MOST_LISTED))) & _MOST_GRADE).astype(np.float64)


def _ranked(batch: Batch, needed: NDArray[np.bool_]) -> tuple[FloatArray, Counter[str]]:
    """Return the relevance of the places of each list as one number of 52 bits; a place that is left out has none."""
    grades = _relevances(batch)
    said = ~np.isnan(grades)
    wrong = _any_bad(batch) | (said & ((grades < 0) | (grades > _MOST_GRADE) | (grades != np.rint(grades)))).any(axis=1)
    missing = ~said.any(axis=1) & ~wrong
    powers = 2.0 ** (_GRADE_BITS * np.arange(MOST_LISTED))
    values = np.where(wrong | missing, np.nan, np.where(said, grades, 0.0) @ powers)
    return values, +Counter({BAD: int((wrong & needed).sum()), MISSING: int((missing & needed).sum())})


def _relevances(batch: Batch) -> FloatArray:
    none = np.full(len(batch), np.nan)
    found = [batch.columns.get(relevance_column(place)) for place in range(MOST_LISTED)]
    return np.stack([column if isinstance(column, np.ndarray) else none for column in found], axis=1)


def _any_bad(batch: Batch) -> NDArray[np.bool_]:
    bad = np.zeros(len(batch), bool)
    for place in range(MOST_LISTED):
        bad[batch.bad.get(relevance_column(place), np.zeros(0, np.int64))] = True
    return bad


def retractions(batch: Batch) -> NDArray[np.bool_]:
    """Return which labels take back what was said before."""
    column = batch.columns.get("retract")
    if not isinstance(column, np.ndarray):
        return np.zeros(len(batch), bool)
    found: NDArray[np.bool_] = column == 1.0
    return found


def rows_of(batch: Batch) -> IntArray:
    """Return each row's place within its record."""
    return np.zeros(len(batch), np.int64) if batch.numbers is None else batch.numbers


def _name(value: str | float | bool) -> str:
    name = category(value)
    if not isinstance(name, str):
        raise TypeError(f"{value!r} is no class")
    return name
