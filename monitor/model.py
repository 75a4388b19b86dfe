"""One monitored model at run time: its windows, its layout, what it is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from monitor.config.decision import Decision
from monitor.config.model import ModelConfig
from monitor.events import Batch
from monitor.layout import Coder, Layout
from monitor.learning import Learning
from monitor.reference import Reference
from monitor.windows import WindowSet


@dataclass(slots=True)
class Model:
    """What the pipeline knows of one model."""

    config: ModelConfig
    windows: WindowSet
    layout: Layout
    decision: Decision | None = None
    reference: Reference | None = None
    learning: Learning | None = None
    """Set while there is no reference yet."""
    rolled: list[int] = field(default_factory=list)
    """Per tier but the last: panes that start before this were rolled up."""
    last_time: int | None = None
    """Greatest event time of any counted row."""

    def observe(self, batch: Batch, partition: int) -> None:
        """Take note of accepted rows before they are counted."""
        if self.learning is not None:
            self.learning.observe(batch, partition)
        if len(batch):
            newest = int(batch.times.max())
            self.last_time = newest if self.last_time is None else max(self.last_time, newest)

    def relayout(self, coders: Mapping[str, Coder]) -> None:
        """Count by these columns from now on."""
        self.layout = Layout(dict(coders))
