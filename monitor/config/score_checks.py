"""Checks of the scores of several classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from monitor.config.checks import Complaint
from monitor.config.model import ModelConfig
from monitor.config.problem import WRONG_VALUE, Steps
from monitor.decoding.cells import category

MOST_SCORED: Final = 100
"""Classes that may have scores of their own: a prediction carries them until its label comes."""
_MAPPED: Final[Steps] = ("predictions", "map", "scores")
_NAMES: Final[Steps] = ("predictions", "score_names")


def check_scores(model: ModelConfig) -> Iterator[Complaint]:
    """Check that every class has exactly one score, and that there is a use for them."""
    mapped, names = model.predictions.map.scores, model.predictions.score_names
    if names is not None and not isinstance(mapped, str):
        needs: tuple[Steps, ...] = (_MAPPED,)
        yield Complaint(_NAMES, "needs map.scores to be the path of a list", needs=needs)
        return
    if mapped is None:
        return
    if model.task != "multiclass":
        yield Complaint(_MAPPED, "only several classes have scores", "map the one score as score", WRONG_VALUE)
        return
    if model.classes is None:
        yield Complaint(_MAPPED, "needs classes", "name all", needs=(("classes",),))
        return
    known = [str(category(name)) for name in model.classes]
    if len(known) > MOST_SCORED:
        yield Complaint(_MAPPED, f"at most {MOST_SCORED} classes can have scores", code=WRONG_VALUE)
    given = list(mapped) if isinstance(mapped, dict) else [str(category(name)) for name in names or model.classes]
    where = _MAPPED if names is None else _NAMES
    if sorted(given) != sorted(known):
        missing = ", ".join(sorted(set(known) - set(given)))
        hint = f"left out: {missing}" if missing else "each once"
        yield Complaint(where, "must be the classes", hint, WRONG_VALUE, needs=(("classes",),))
