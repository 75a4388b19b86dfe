"""A service with alerts over logs in memory, driven by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alerts.signal import Signal
from monitor.alerting.desk import Desk
from monitor.alerting.opening import open_desk
from monitor.config.root import Config
from monitor.opening import open_pipeline
from monitor.pipeline import Pipeline, no_fault
from monitor.sources.memory import Content, MemorySource
from monitor.sources.port import TopicPartition
from monitor.store.port import StateStore

SECOND = 1_000_000


@dataclass
class Clock:
    """A wall clock that stands still until it is wound."""

    now: int

    def __call__(self) -> int:
        return self.now

    def wind(self, seconds: float) -> None:
        """Let time pass."""
        self.now += round(seconds * SECOND)


@dataclass
class Alerting:
    """A pipeline and its alerts, driven by hand: no thread, no time of its own."""

    config: Config
    folder: Path
    store: StateStore
    source: MemorySource
    clock: Clock
    fault: Callable[[str], None] = no_fault
    desk: Desk = field(init=False)
    pipeline: Pipeline = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Start, or start again after a crash."""
        self.desk = open_desk(self.config, self.folder, clock=self.clock, dispatch=False)
        self.pipeline = open_pipeline(
            self.config, self.source, base=self.folder, store=self.store, fault=self.fault, alerts=self.desk,
            wall=self.clock,
        )  # fmt: skip

    def crash(self) -> None:
        """Lose everything that is not in a store."""
        self.desk.close()

    def left(self) -> int:
        """Return how many records are still to be read."""
        positions = self.pipeline.positions()
        ends = self.source.end_offsets(list(positions))
        return sum(max(0, end - positions[name]) for name, end in ends.items())

    def turn(self, seconds: float = 60) -> None:
        """Read once, write, judge, let the alerts work, and let time pass."""
        self.pipeline.step(0)
        self.pipeline.checkpoint()
        self.desk.touch()
        self.desk.turn()
        self.clock.wind(seconds)

    def settle(self) -> None:
        """Have everything that was found heard."""
        for _ in range(3):
            self.turn(0)


def seed(config: Config, base: Path, *signals: Signal) -> None:
    """Have alerts heard of before the service of a configuration starts."""
    desk = open_desk(config, base, dispatch=False)
    desk.engine.apply(signals, max(signal.observed_at for signal in signals), "before")
    desk.close()


def source_of(content: Mapping[int, list[Content]], topic: str = "p") -> MemorySource:
    """Return logs in memory."""
    return MemorySource({TopicPartition(topic, number): log for number, log in content.items()})
