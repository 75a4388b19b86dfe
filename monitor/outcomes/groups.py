"""How differently the groups of a protected column are treated: by decision, by class, by number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from detectors.fairness import Disparity, demographic_parity, equalised_odds
from detectors.fairness_of_classes import odds_of_classes, parity_of_classes
from detectors.fairness_of_means import means_apart, within_groups
from monitor.config.model import ModelConfig
from monitor.events import FloatArray, IntArray
from monitor.findings import Finding
from monitor.outcomes.figures import said_by_bin
from monitor.outcomes.fitting import is_protected
from monitor.outcomes.judges import SAID_NUMBERS, BinaryJudge, MulticlassJudge, RegressionJudge
from monitor.outcomes.parts import RUNNING, SlicedPart
from monitor.outcomes.told import figure_view, told

_FOUR_FIFTHS: Final = 0.8
_APART: Final = 0.1
_SMALL: Final = 0.2
"""A small difference of means, in standard deviations within groups (Cohen 1988)."""
_NO_GROUP: Final = "(missing)"


def fairness_findings(part: SlicedPart, vectors: IntArray, config: ModelConfig) -> Iterator[Finding]:
    """Yield how far apart the groups of a protected column are, in predictions and in errors among labelled rows.

    Parameters
    ----------
    vectors
        Cells of every slice, ``[slices, size]``.
    """
    if not is_protected(config, part.slicing.columns):
        return
    labels = part.slicing.labels
    kept = np.array([place for place, label in enumerate(labels) if not label.endswith(_NO_GROUP)])
    said, tables = part.said(vectors)[kept], part.table(vectors, RUNNING)[kept]
    names, judge = [labels[place] for place in kept], part.judge
    column = part.slicing.columns[0]
    if isinstance(judge, BinaryJudge) and not judge.top:
        yield from _of_decisions(column, judge, said, tables, names)
    elif isinstance(judge, MulticlassJudge):
        yield from _of_classes(column, judge, said, tables, names)
    elif isinstance(judge, RegressionJudge) and judge.summed is not None:
        predicted = judge.summed.mean(said[:, SAID_NUMBERS:])
        yield _of_means(column, "prediction_by_group", predicted, names)
        yield _of_means(column, "error_by_group", judge.table.mean_error(tables[:, : judge.table.size]), names)


def _of_decisions(
    column: str, judge: BinaryJudge, said: IntArray, tables: IntArray, groups: list[str]
) -> Iterator[Finding]:
    both = said_by_bin(judge, said).sum(axis=2) + said[:, -3:-1]
    shares = demographic_parity(both[np.newaxis, :, 1], both.sum(axis=1)[np.newaxis])
    confusion = judge.table.cells(tables[:, : judge.table.size])["confusion"].reshape(1, len(groups), 4)
    yield from _told(column, "demographic_parity", shares, groups)
    yield from _told(column, "equalised_odds", equalised_odds(confusion), groups)


def _of_classes(
    column: str, judge: MulticlassJudge, said: IntArray, tables: IntArray, groups: list[str]
) -> Iterator[Finding]:
    classes = judge.table.classes
    named = said[np.newaxis, :, : len(classes) + 1]
    shares = parity_of_classes(named[:, :, :-1], named.sum(axis=2))
    odds = odds_of_classes(judge.table.cells(tables[:, : judge.table.size])["confusion"][np.newaxis])
    for name, found in (("demographic_parity", shares), ("equalised_odds", odds)):
        place = int(found.place[0])
        yield from _told(column, name, found.disparity, groups, "" if place < 0 else f"of {classes[place]} ")


def _told(column: str, name: str, found: Disparity, groups: list[str], of: str = "") -> Iterator[Finding]:
    note = _note(found, groups, of)
    difference, ratio = figure_view(found.difference), figure_view(found.ratio)
    unequal = "warn" if difference.low > _APART else "ok"
    yield told(column, name, difference, 1, note, unequal, threshold=_APART)
    unequal = "warn" if ratio.high < _FOUR_FIFTHS else "ok"
    yield told(column, f"{name}_ratio", ratio, 1, note, unequal, threshold=_FOUR_FIFTHS)


def _of_means(column: str, name: str, known: tuple[FloatArray, FloatArray, IntArray], groups: list[str]) -> Finding:
    mean, variance, rows = known[0][np.newaxis], known[1][np.newaxis], known[2][np.newaxis]
    found = means_apart(mean, variance, rows)
    threshold = _SMALL * float(within_groups(variance, rows)[0])
    difference = figure_view(found.difference)
    unequal = "warn" if difference.low > threshold else "ok"
    return told(column, name, difference, 1, _note(found, groups), unequal, threshold=threshold)


def _note(found: Disparity, groups: list[str], of: str = "") -> str:
    low, high = (int(place) for place in found.worst[0])
    return "" if low < 0 else f"{of}between {groups[low]} and {groups[high]}"
