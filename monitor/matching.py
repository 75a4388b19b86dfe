"""How the labels of one model find its predictions, as its configuration says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from monitor.config.model import ModelConfig, StreamConfig, stream_name
from monitor.join.rules import Rules
from monitor.truth import Truth


@dataclass(frozen=True, slots=True)
class Matching:
    """The rules of the join, and how rows get into it."""

    rules: Rules
    sides: Mapping[str, str]
    """Topic → ``prediction``, ``label`` or ``both``; predictions that are paired across topics are of none."""
    by_entity: bool = False
    """Whether labels name an entity, not a prediction."""
    in_one_row: bool = False
    """Whether a prediction's own row says what was true."""


def are_merged(predictions: StreamConfig) -> bool:
    """Return whether predictions come out of the halves of several inputs, not out of one."""
    return predictions.pair is not None and predictions.file is None


def matching_of(config: ModelConfig, truth: Truth, inputs: Mapping[str, int], *, completed: bool) -> Matching:
    """Return what the configuration says.

    Parameters
    ----------
    inputs
        Topic → how many of its partitions are joined here.
    completed
        Whether somebody wants pairs as they are completed.

    Raises
    ------
    ValueError
        When the model has no labels.
    """
    predictions, labels, join = config.predictions, config.labels, config.join
    topic = stream_name(predictions)
    if labels is None:
        if predictions.map.label is None:
            raise ValueError(f"{config.name} has no labels")
        source = f"{topic}|{predictions.map.id}|label|{predictions.map.label}"
        own = Rules(
            wait=join.wait,
            matures_after=0,
            max_pending=join.max_pending,
            inputs=inputs[topic],
            sample=join.sample,
            source=source,
            completed=completed,
        )
        return Matching(own, {} if are_merged(predictions) else {topic: "prediction"}, in_one_row=True)
    topics = (topic, stream_name(labels))
    by_entity = labels.match == "last_before"
    named = (labels.match, str(predictions.map.entity)) if by_entity else ()
    rules = Rules(
        wait=join.wait,
        matures_after=join.wait if labels.matures_after is None else labels.matures_after,
        absent_means=None if labels.absent_means is None else truth.value(labels.absent_means),
        on_duplicate=labels.on_duplicate,
        max_pending=join.max_pending,
        inputs=max(inputs[name] for name in topics),
        sample=join.sample,
        source="|".join((topics[0], predictions.map.id, topics[1], labels.map.id, *named)),
        completed=completed,
    )
    sides = {topics[0]: "both"} if topics[0] == topics[1] else {topics[0]: "prediction", topics[1]: "label"}
    if are_merged(predictions):
        sides = {topics[1]: "label"}
    return Matching(rules, sides, by_entity=by_entity)
