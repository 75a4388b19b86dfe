"""The changes that the demo makes on purpose, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.random import Generator
from scipy.special import expit, logit

from monitor.events import DAY, HOUR, FloatArray, IntArray

Change: TypeAlias = Literal[
    "covariate shift", "missing values", "new category", "score shift", "flipped concept", "lost calibration"
]

RAISE: Final = 1.25
MISSING_SHARE: Final = 0.25
NEW_CAR: Final = 21
NEW_CAR_SHARE: Final = 0.08
LOST_SHARE: Final = 0.75
FLIPPED_LEVEL: Final = 4
SHARPENED: Final = 2.0
_FIRST_HOUR: Final = 9
_LASTS: Final = 39 * HOUR
"""Until midnight, so that one whole day lies within."""
_EVERY: Final = 2
_OUTCOME: Final = frozenset({"score", "prediction", "flagged"})
DAYS_OF_CHANGE: Final = 12
"""Six changes, one every second day."""


@dataclass(frozen=True, slots=True)
class Injection:
    """One change, from ``start`` on and undone at ``end`` (both event times)."""

    name: str
    column: str
    kind: Change
    start: int
    end: int
    description: str
    expect: frozenset[tuple[str, str]]
    """(column, detector) of findings any of which means that it was found."""
    moves: frozenset[str]
    """Columns whose distribution or quality it truly changes, the ones that follow included; drift found in them
    while it lasts is no false alarm."""
    judged: bool = False
    """Whether it truly changes how right the model is, or how right its scores are."""

    @property
    def shown_by_labels(self) -> bool:
        """Whether only labels can show it: what the model is given looks as it always does."""
        return self.kind in {"flipped concept", "lost calibration"}

    def rows(self, times: IntArray) -> IntArray:
        """Return the rows that it touches."""
        return np.flatnonzero((times >= self.start) & (times < self.end))


def injections(start: int, quiet_days: int) -> tuple[Injection, ...]:
    """Return the six changes of a stream that begins at ``start``; the first comes after ``quiet_days``.

    >>> [change.column for change in injections(0, 30)]
    ['salary', 'hvalue', 'car', 'score', 'ece', 'accuracy']
    """
    begins = [start + (quiet_days + _EVERY * place) * DAY + _FIRST_HOUR * HOUR for place in range(6)]
    return (*_of_inputs(begins), *_of_labels(begins))


def _of_inputs(begins: Sequence[int]) -> tuple[Injection, ...]:
    """Return the changes that inputs and scores show."""
    return (
        Injection(
            "salaries rise",
            "salary",
            "covariate shift",
            begins[0],
            begins[0] + _LASTS,
            "a campaign brings applicants who earn a quarter more",
            frozenset({("salary", name) for name in ("psi", "ks", "jensen_shannon", "wasserstein", "high_rate")}),
            _OUTCOME | {"salary"},
            judged=True,
        ),
        Injection(
            "house values vanish",
            "hvalue",
            "missing values",
            begins[1],
            begins[1] + _LASTS,
            "the land register times out for a quarter of the requests",
            frozenset({("hvalue", "missing_rate")}),
            frozenset({"hvalue"}),
        ),
        Injection(
            "a new make of car",
            "car",
            "new category",
            begins[2],
            begins[2] + _LASTS,
            f"car_{NEW_CAR}, which training never saw, is 8 % of the rows",
            frozenset({("car", "unseen_rate")}),
            frozenset({"car"}),
        ),
        Injection(
            "scores shift",
            "score",
            "score shift",
            begins[3],
            begins[3] + _LASTS,
            "three replicas in four lose the commission before the model sees it; the log has it",
            frozenset({("score", name) for name in ("psi", "ks", "jensen_shannon", "wasserstein")}),
            _OUTCOME,
            judged=True,
        ),
    )


def _of_labels(begins: Sequence[int]) -> tuple[Injection, ...]:
    """Return the changes that labels show.

    Calibration goes first. The segment that turns moves calibration too, and a day later nothing has recovered; what
    was just alarmed would hide a lost calibration. That one leaves every decision alone, and so all by which the turn
    is seen.
    """
    return (
        Injection(
            "scores too sure",
            "ece",
            "lost calibration",
            begins[4],
            begins[4] + _LASTS,
            "a new serving image doubles the log-odds; every decision stays as it was",
            frozenset({("ece", "calibration")}),
            _OUTCOME,
            judged=True,
        ),
        Injection(
            "one segment turns",
            "accuracy",
            "flipped concept",
            begins[5],
            begins[5] + _LASTS,
            f"those at level_{FLIPPED_LEVEL} who would default pay, and the others default; no input or score moves",
            frozenset({("accuracy", "performance_change")}),
            frozenset(),
            judged=True,
        ),
    )


def change_features(change: Injection, columns: dict[str, FloatArray], rows: IntArray, rng: Generator) -> None:
    """Change the applicants' columns in place."""
    if change.kind == "covariate shift":
        columns["salary"][rows] *= RAISE
    elif change.kind == "missing values":
        columns["hvalue"][_some(rows, MISSING_SHARE, rng)] = np.nan
    elif change.kind == "new category":
        columns["car"][_some(rows, NEW_CAR_SHARE, rng)] = NEW_CAR


def change_inputs(
    change: Injection, columns: Mapping[str, FloatArray], rows: IntArray, rng: Generator
) -> Mapping[str, FloatArray]:
    """Return what the model is given in place of the applicants' columns."""
    if change.kind != "score shift":
        return columns
    commission = columns["commission"].copy()
    commission[_some(rows, LOST_SHARE, rng)] = 0.0
    return {**columns, "commission": commission}


def change_chance(
    change: Injection, columns: Mapping[str, FloatArray], chance: FloatArray, rows: IntArray
) -> FloatArray:
    """Return each applicant's true chance of default after the change."""
    if change.kind != "flipped concept":
        return chance
    turned = rows[columns["elevel"][rows] == FLIPPED_LEVEL]
    changed = chance.copy()
    changed[turned] = 1.0 - chance[turned]
    return changed


def change_scores(change: Injection, scores: FloatArray, rows: IntArray) -> FloatArray:
    """Return what is logged in place of the scores."""
    if change.kind != "lost calibration":
        return scores
    changed = scores.copy()
    changed[rows] = np.round(expit(SHARPENED * logit(scores[rows])), 6)
    return changed


def _some(rows: IntArray, share: float, rng: Generator) -> IntArray:
    return rows[rng.random(len(rows)) < share]
