"""Evidence of all models, as the pipeline keeps it: close, write, step, write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from detectors.counts import CorruptCountsError
from detectors.fleet.codec import CorruptEvidenceError
from monitor.config.root import Config
from monitor.evidence.budget import severities_of
from monitor.evidence.orders import MARKS, Orders
from monitor.evidence.panes import Inputs
from monitor.evidence.spans import Calendar
from monitor.evidence.stream import Source
from monitor.evidence.watch import Watch
from monitor.findings import WindowResult
from monitor.keys import compose
from monitor.model import Model
from monitor.panes import Reader
from monitor.partition import Partition
from monitor.store.port import CorruptStateError
from monitor.views import EvidenceView

EVIDENCE: Final = b"e"
_PROGRESS: Final = "progress"
_STATE: Final = "state"
_LEARNT: Final = "learnt"


@dataclass(slots=True)
class Keeper:
    """The watches of all models. ``changes`` go into the pipeline's one write, ``step`` comes after it."""

    watches: dict[str, list[Watch]] = field(default_factory=dict)
    orders: Orders | None = None

    @classmethod
    def open(
        cls,
        config: Config,
        models: Mapping[str, Model],
        partitions: Mapping[int, Partition],
        store: Reader,
        sources: Callable[[Model], Sequence[Source]] | None = None,
    ) -> Keeper:
        """Return the evidence as it was last written.

        Parameters
        ----------
        sources
            Model → where else its monitors come from than its inputs.

        Raises
        ------
        CorruptStateError
            When what was written makes no sense.
        """
        chosen: dict[str, list[Source]] = {
            name: [Inputs(partitions, model.windows.tiers.base), *(() if sources is None else sources(model))]
            for name, model in models.items()
        }
        severities, calendar = severities_of(config.alarms), Calendar.of(config.calendar)
        fleets = [source.fleet for sources in chosen.values() for source in sources]
        shares = {severity.name: severity.share(fleets) for severity in severities}
        keeper = cls(orders=Orders(Path(config.state.path)))
        for name, model in models.items():
            most = config.limits.versions + 1
            keeper.watches[name] = [Watch(model, source, severities, shares, calendar, most) for source in chosen[name]]
            for watch in keeper.watches[name]:
                _restore(watch, store)
        return keeper

    def close(self, model: str, least: int) -> None:
        """Note the least event time of a model over its partitions, and hear what operators ordered by now.

        Orders are written with the windows that are over, so that steps repeated after a crash know the same ones.
        """
        for watch in self.watches.get(model, ()):
            if self.orders is not None:
                watch.hear(self.orders.after(watch.heard))
            watch.close(least)

    def unread(self, model: str) -> int | None:
        """Return the first hour of outcomes that must be kept as it is, ``None`` if there is none."""
        known = [watch.unread for watch in self.watches.get(model, ()) if watch.source.fleet != "inputs"]
        return min(known, default=None)

    def finish(self, model: str, last: int) -> None:
        """Take a model's input as complete; ``last`` is the time of its last row."""
        for watch in self.watches.get(model, ()):
            watch.finish(last)

    def step(self, model: str) -> Iterator[list[WindowResult]]:
        """Judge every window of a model that is over; yield what is said of each."""
        for watch in self.watches.get(model, ()):
            for start in watch.due():
                yield watch.step(start)
            watch.done()

    def views(self, model: str) -> tuple[EvidenceView, ...]:
        """Return what may be shown of a model's fleets."""
        return tuple(view for watch in self.watches.get(model, ()) for view in watch.views())

    def marks(self, model: str) -> Counter[str]:
        """Return how many incidents of a model were marked, by mark; every watch hears of all."""
        found: Counter[str] = Counter(dict.fromkeys(MARKS, 0))
        found.update(next((watch.marks.values() for watch in self.watches.get(model, ())), ()))
        return found

    def changes(self, models: Iterable[str] | None = None) -> dict[bytes, bytes]:
        """Return what the next write must put."""
        puts: dict[bytes, bytes] = {}
        for name in self.watches if models is None else models:
            for watch in self.watches[name]:
                if (learnt := watch.source.changes()) is not None:
                    puts[_key(watch, _LEARNT)] = learnt
                if watch.moved:
                    puts[_key(watch, _PROGRESS)] = watch.progress()
                if watch.stepped and watch.copies:
                    puts[_key(watch, _STATE)] = watch.state()
        return puts

    def written(self) -> None:
        """Note that the changes are in the store."""
        for watches in self.watches.values():
            for watch in watches:
                watch.moved = watch.stepped = False
                watch.source.written()


def _key(watch: Watch, part: str) -> bytes:
    return compose(EVIDENCE, 0, watch.model.config.name, watch.source.fleet, part)


def _restore(watch: Watch, store: Reader) -> None:
    key = _key(watch, _PROGRESS)
    progress, learnt = store.get(key), store.get(_key(watch, _LEARNT))
    try:
        if learnt is not None:
            watch.source.restore(learnt)
        if progress is None:
            # A state from before there was evidence: its panes may be what the reference was learnt from.
            watch.skips = watch.source.fleet == "inputs" and watch.model.last_time is not None
            return
        watch.restore(progress, store.get(_key(watch, _STATE)))
    except (CorruptEvidenceError, CorruptCountsError) as error:
        raise CorruptStateError(key, f"evidence of {watch.model.config.name}: {error}") from error
