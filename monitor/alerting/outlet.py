"""The pipeline's side of alerts: what it tells, kept with its state until the alerts have it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from alerts.signal import Signal
from monitor.alerting.facts import Facts
from monitor.alerting.findings import ModelFacts
from monitor.alerting.queue import SIGNALS, SignalQueue
from monitor.alerting.teller import Teller
from monitor.config.model import ModelConfig
from monitor.findings import WindowResult
from monitor.keys import compose
from monitor.panes import Reader

if TYPE_CHECKING:
    from monitor.pipeline import Pipeline

_TELLER: Final = "teller"
_FACTS: Final = "facts"
_PATIENT: Final = 20_000
"""Signals that may wait before facts are told less often; they are told again anyway."""


class Taker(Protocol):
    """Who takes signals: the alerts' thread, or a test."""

    @property
    def origin(self) -> str:
        """The sequence whose signals it knows."""
        ...

    @property
    def applied(self) -> int:
        """Number of the last signal that stands there."""
        ...

    def offer(self, signals: Sequence[Signal], origin: str) -> None:
        """Take signals; must not wait."""
        ...


class Outlet:
    """All signals of one pipeline, called by its thread.

    Parameters
    ----------
    reader
        The state.
    clock
        Wall clock in microseconds.
    """

    def __init__(self, reader: Reader, models: Sequence[ModelConfig], taker: Taker, clock: Callable[[], int]) -> None:
        facts = {model.name: facts_of(model) for model in models}
        self.queue = SignalQueue(reader, taker.origin, taker.applied)
        self._taker = taker
        self._clock = clock
        self._teller = Teller(facts, reader.get(compose(SIGNALS, 0, _TELLER)))
        self._facts = Facts.of(facts, reader.get(compose(SIGNALS, 0, _FACTS)), clock())
        self._told = self._observed = False

    def hear(self, results: Sequence[WindowResult]) -> None:
        """Take in windows that were evaluated together."""
        self.queue.add(self._teller.tell(results, self._clock()))
        self._told = True

    def observe(self, pipeline: Pipeline) -> None:
        """Look at the inputs, if it is time to."""
        now = self._clock()
        if self._facts.due(now) and len(self.queue) < _PATIENT:
            self.queue.add(self._facts.tell(pipeline, now))
            self._observed = True

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete."""
        self.queue.applied(self._taker.applied if self._taker.origin == self.queue.head.origin else 0)
        puts, deletes = self.queue.changes()
        if self._told:
            puts[compose(SIGNALS, 0, _TELLER)] = self._teller.state()
        if self._observed:
            puts[compose(SIGNALS, 0, _FACTS)] = self._facts.state(self._clock())
        return puts, deletes

    def written(self) -> None:
        """Note that the changes are in the store."""
        self.queue.written()
        self._told = self._observed = False

    def hand_over(self) -> None:
        """Offer what is written for good."""
        if signals := self.queue.take():
            self._taker.offer(signals, self.queue.head.origin)


def facts_of(model: ModelConfig) -> ModelFacts:
    """Return what alerts want to know of a model."""
    importance = {name: feature.importance for name, feature in model.features.items()}
    total = sum(importance.values()) or 1.0
    return ModelFacts(
        model.owner or "", {name: weight / total for name, weight in importance.items()}, model.labels is not None
    )
