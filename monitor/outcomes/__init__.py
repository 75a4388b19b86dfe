"""What came of predictions: joined with their labels, counted by hour, judged by window.

``outcomes_of`` is what the join hands its output to.
"""

from monitor.model import Model
from monitor.outcomes.outcomes import ModelOutcomes
from monitor.panes import Reader

__all__ = ["ModelOutcomes", "outcomes_of"]


def outcomes_of(model: Model, store: Reader, number: int = 0) -> ModelOutcomes:
    """Return a model's outcomes as they were last written; ``number`` is the shard."""
    return ModelOutcomes.load(model, store, number)
