"""Which bins outcomes are counted in: from the reference where there is one, else such as suit any score.

They are chosen once and kept in the state. Bins that moved when a reference is learnt would leave predictions behind
that were made before and are labelled after.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from scipy.special import expit

from detectors.bins import NumericBins
from detectors.estimate.class_table import ClassTable
from detectors.performance import (
    BinaryTable,
    Costs,
    MulticlassTable,
    RankingTable,
    RegressionTable,
    WeightedClasses,
    WeightedErrors,
)
from detectors.performance.predicted_sums import PredictedSums
from monitor.config.decision import Decision
from monitor.config.model import ModelConfig, OutcomeCosts
from monitor.config.performance_checks import SHARES, is_weighted, ranks_of
from monitor.config.score_checks import distribution_of
from monitor.events import FloatArray
from monitor.outcomes.judges import BinaryJudge, Judge, MulticlassJudge, RankingJudge, RegressionJudge
from monitor.truth import Truth

FEW: Final = 6
"""Edges of the score within a slice, the decision and other thresholds among them."""
_AT_LEAST: Final = 3
"""Edges of the score within a slice beside these."""
MOST_CONFUSED: Final = 12
"""Classes up to which slices have every figure; of more, whether the class that was said is right."""
_UNIFORM: Final = np.arange(1, 128) / 128
_LOGISTIC: Final = expit(np.arange(-40, 41) / 4.0)
_STEPS: Final[FloatArray] = np.exp2(np.arange(-80, 49) / 8.0)
_STEPS_OF_SLICE: Final[FloatArray] = np.exp2(np.arange(-3.0, 1.0))


def judge_for(config: ModelConfig, coders: Mapping[str, Any]) -> Judge | None:
    """Return how a model's outcomes are counted; ``None`` while the size of a regression's numbers is not known."""
    if config.task == "binary_classification":
        table = _binary_table(config, fine_edges(config, coders))
        thresholds = tuple(config.performance.thresholds)
        return BinaryJudge(table, basis_of(config), thresholds=thresholds, weighted=is_weighted(config))
    if config.task == "multiclass":
        return _multiclass(config, coders)
    if config.task == "ranking":
        return RankingJudge(RankingTable(ranks_of(config), config.performance.gain), config.names_items)
    return _regression(config, coders, _STEPS)


def _multiclass(config: ModelConfig, coders: Mapping[str, Any]) -> MulticlassJudge | None:
    mapped, classes = config.predictions.map, Truth.of(config).classes or ()
    if len(classes) < 2:
        return None
    confidence, scores = None, None
    if mapped.score is not None or config.has_scores:
        table = BinaryTable(fine_edges(config, coders), None)
        confidence = BinaryJudge(table, f"{mapped.score}|{mapped.prediction}", top=True)
    if config.has_scores:
        scores = ClassTable((_class_edges(len(classes)),) * len(classes))
    weights = WeightedClasses(len(classes)) if is_weighted(config) else None
    return MulticlassJudge(MulticlassTable(classes, ranks_of(config)), confidence, scores, weights)


def _class_edges(classes: int) -> FloatArray:
    """Return edges of a class's score: fewer the more classes, denser towards 0 and 1."""
    return expit(np.linspace(-6.0, 6.0, max(15, min(63, 1200 // classes))))


def slice_judge_for(config: ModelConfig, whole: Judge, coders: Mapping[str, Any]) -> Judge | None:
    """Return how outcomes are counted within slices: the same figures from few cells."""
    if isinstance(whole, BinaryJudge):
        edges = few_edges(whole.table.edges, config, coders)
        table = replace(whole.table, edges=edges, amount_by_bin=bool(whole.thresholds))
        return replace(whole, table=table)
    if isinstance(whole, RankingJudge):
        return whole
    if isinstance(whole, MulticlassJudge):
        return _slice_multiclass(config, whole, coders)
    judge = _regression(config, coders, _STEPS_OF_SLICE)
    if judge is None or not has_groups(config):
        return judge
    return replace(judge, summed=PredictedSums(judge.table.centre, judge.table.scale))


def has_groups(config: ModelConfig) -> bool:
    """Whether a slicing is by the groups of a protected column."""
    return any(is_protected(config, slicing.by) for slicing in config.slices if slicing.by)


def is_protected(config: ModelConfig, columns: Sequence[str]) -> bool:
    """Whether slices of these columns are the groups of one protected column."""
    return len(columns) == 1 and columns[0] in config.features and config.features[columns[0]].protected


def _slice_multiclass(config: ModelConfig, whole: MulticlassJudge, coders: Mapping[str, Any]) -> Judge:
    if len(whole.table.classes) > MOST_CONFUSED:
        edges = few_edges(_grid() if whole.confidence is None else whole.confidence.table.edges, config, coders)
        return BinaryJudge(BinaryTable(edges, None, tops=()), whole.identity, top=True)
    if whole.confidence is None:
        return replace(whole, scores=None)
    table = whole.confidence.table
    few = replace(table, edges=few_edges(table.edges, config, coders))
    return replace(whole, confidence=replace(whole.confidence, table=few), scores=None)


def fine_edges(config: ModelConfig, coders: Mapping[str, Any]) -> FloatArray:
    """Return about 200 edges or more in (0, 1]: those of the reference's score and a logistic grid, with the decision.

    >>> from monitor.config.model import ModelConfig
    >>> config = ModelConfig(name="m", predictions={"topic": "t"}, decision="score >= 0.3")
    >>> edges = fine_edges(config, {})
    >>> len(edges), 0.3 in edges
    (208, True)
    """
    bins = coders.get("score")
    edges = np.concatenate([_grid(), thresholds_of(config), config.performance.thresholds])
    if isinstance(bins, NumericBins):
        edges = np.append(edges, bins.edges)
    edges = np.unique(edges)
    return edges[(edges > 0) & (edges <= 1)]


def few_edges(fine: FloatArray, config: ModelConfig, coders: Mapping[str, Any]) -> FloatArray:
    """Return some of the fine edges for use in slices, with the decision and the other thresholds."""
    bins = coders.get("score")
    source = bins.edges if isinstance(bins, NumericBins) and len(bins.edges) > FEW else fine
    known = {*thresholds_of(config), *config.performance.thresholds}
    source = source[~np.isin(source, sorted(known))]
    others = max(FEW - len(known), _AT_LEAST)
    places = (np.arange(1, others + 1) / (others + 1) * len(source)).astype(np.int64)
    chosen = known | {float(edge) for edge in source[places] if 0 < edge <= 1}
    return np.array(sorted(chosen) or [0.5])


def thresholds_of(config: ModelConfig) -> list[float]:
    """Return the operating threshold as an edge: rows at it or above it are on one side.

    >>> from monitor.config.model import ModelConfig
    >>> thresholds_of(ModelConfig(name="m", predictions={"topic": "t"}, decision="score > 0.5"))[0] > 0.5
    True
    """
    if config.decision is None:
        return [0.5] if config.task == "binary_classification" else []
    decision = Decision.parse(config.decision)
    threshold = decision.threshold
    if decision.op in {">", "<="}:
        threshold = float(np.nextafter(threshold, np.inf))
    return [threshold] if 0 < threshold <= 1 else []


def basis_of(config: ModelConfig) -> str:
    """Return what decides which rows are flagged, what their score is, and which classes there are."""
    mapped, performance = config.predictions.map, config.performance
    amount = (performance.amount, performance.amount_unit) if performance.amount is not None else None
    basis: tuple[object, ...] = (
        config.task, config.decision, mapped.score, mapped.prediction, config.positive_class, config.classes, amount,
    )  # fmt: skip
    if config.has_scores:
        basis += (mapped.scores, config.predictions.score_names, ranks_of(config))
    if config.task == "ranking":
        labels = config.labels
        path = config.predictions.map.label if labels is None else labels.map.item or labels.map.label
        basis += (mapped.items, path, ranks_of(config), config.performance.gain)
    if config.performance.labelled_when is not None:
        basis += (mapped.action, mapped.propensity, config.performance.labelled_when)
    if (claims := distribution_of(config)) is not None:
        basis += (mapped.lower, mapped.upper, mapped.deviation, mapped.quantiles, claims.to_dict())
    return repr(basis)


def as_configured(judge: Judge, config: ModelConfig) -> Judge | None:
    """Return the same with the configured costs, thresholds and shares of the highest scores; they change no cell.

    ``None`` where the scores are not cut at a threshold, so that they must be counted anew.
    """
    if isinstance(judge, (MulticlassJudge, RegressionJudge)):
        return judge if (judge.by_propensity is not None) == is_weighted(config) else None
    if not isinstance(judge, BinaryJudge) or judge.top:
        return judge
    thresholds = tuple(config.performance.thresholds)
    if not set(thresholds) <= set(judge.table.edges.tolist()):
        return None
    table = replace(judge.table, costs=_costs(config), tops=_tops(config))
    return replace(judge, table=table, thresholds=thresholds)


def slices_as_configured(judge: Judge, config: ModelConfig) -> Judge | None:
    """Return the same for the judge of slices; ``None`` also where it counts less than slices have now."""
    if isinstance(judge, BinaryJudge):
        few = config.task == "multiclass" and len(config.classes or ()) <= MOST_CONFUSED
        bins = judge.table.amount is None or judge.table.amount_by_bin == bool(config.performance.thresholds)
        amounts = (judge.table.amount is None) == (config.performance.amount is None)
        complete = not few and bins and amounts and (judge.top or judge.weighted == is_weighted(config))
        return as_configured(judge, config) if complete else None
    if isinstance(judge, RegressionJudge):
        claims = distribution_of(config, 1.0 if judge.claims is None else judge.claims.unit)
        known = (None if claims is None else claims.identity) == (
            None if judge.claims is None else judge.claims.identity
        )
        known = known and (judge.summed is not None) == has_groups(config)
        return judge if known and (judge.by_propensity is not None) == is_weighted(config) else None
    if isinstance(judge, MulticlassJudge):
        return judge if (judge.by_propensity is not None) == is_weighted(config) else None
    return judge


def _binary_table(config: ModelConfig, edges: FloatArray) -> BinaryTable:
    settings = config.performance
    unit = None if settings.amount is None else settings.amount_unit
    return BinaryTable(edges, None, unit, _costs(config), _tops(config))


def _tops(config: ModelConfig) -> tuple[float, ...]:
    return SHARES if config.performance.tops is None else tuple(config.performance.tops)


def _costs(config: ModelConfig) -> Costs | None:
    cost = config.performance.cost
    return None if cost is None else Costs(_by_outcome(cost), _by_outcome(cost.per_amount))


def _by_outcome(cost: OutcomeCosts) -> tuple[float, float, float, float]:
    return cost.true_negative, cost.false_positive, cost.false_negative, cost.true_positive


def _regression(config: ModelConfig, coders: Mapping[str, Any], steps: FloatArray) -> RegressionJudge | None:
    """Return a table on the scale of the reference's predictions; sums of errors reach from 2⁻⁴⁷ to 2¹⁵ of it."""
    bins = coders.get("prediction")
    if not isinstance(bins, NumericBins) or not len(bins.edges):
        return None
    centre = float(np.median(bins.edges))
    spread = float(np.ptp(bins.edges)) or abs(centre) or 1.0
    scale = float(2.0 ** np.round(np.log2(spread / 4)))
    edges = np.concatenate([-scale * steps[::-1], [0.0], scale * steps])
    weights = WeightedErrors(scale) if is_weighted(config) else None
    return RegressionJudge(RegressionTable(centre, scale, scale, edges), distribution_of(config, scale), weights)


def _grid() -> FloatArray:
    return np.unique(np.concatenate([_UNIFORM, _LOGISTIC]))
