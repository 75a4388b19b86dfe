"""References that are switched while the service runs: rows that it has counted take the place of the reference.

An order says which rows. Once event time has passed the last of them in every partition, their counts become what the
model is compared with, in the bins that it has; so nothing that was counted changes. What is in force is written with
the state, in the write that notes the windows that are then judged by it. An order back undoes the last switch. A new
reference in the configuration ends all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Final

import msgspec
import structlog

from monitor.config.types import parse_moment
from monitor.evidence.orders import Order, Orders
from monitor.keys import compose
from monitor.learnt import reference_between
from monitor.model import Model
from monitor.panes import Reader
from monitor.partition import Partition
from monitor.reference import Reference
from monitor.watermark import NEVER

log = structlog.get_logger(__name__)
SWITCHES: Final = b"s"
FEWEST_ROWS: Final = 2_000
"""Rows that make a reference."""
_FORMAT: Final = 1
_DEEP: Final = 2
"""Switches that can be undone, one after the other."""


@dataclass(slots=True)
class Switch:
    """What became of one model's reference."""

    base: str = ""
    """Checksum of the reference that the first switch replaced."""
    taken: list[tuple[int, Reference]] = field(default_factory=list)
    """Number of the order and what was switched to; the last is in force."""
    waiting: list[Order] = field(default_factory=list)
    """Orders whose rows are not all there."""
    heard: int = 0
    """Number of the last order that was looked at."""
    changed: bool = False
    original: Reference | None = None
    """What ``base`` is the checksum of."""

    def state(self) -> bytes:
        """Return it as bytes."""
        waiting = [astuple(order) for order in self.waiting]
        taken = [(number, reference.to_json()) for number, reference in self.taken]
        return msgspec.msgpack.encode([_FORMAT, self.base, taken, waiting, self.heard])

    @classmethod
    def restore(cls, data: bytes) -> Switch:
        """Return what ``state`` took apart."""
        _, base, taken, waiting, heard = msgspec.msgpack.decode(data)
        references = [(number, Reference.from_json(one)) for number, one in taken]
        return cls(base, references, [Order(*one) for one in waiting], heard)


@dataclass(slots=True)
class Switches:
    """Those of all models; ``changes`` go into the pipeline's one write."""

    orders: Orders | None = None
    models: dict[str, Switch] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path, models: Mapping[str, Model], store: Reader) -> Switches:
        """Put in force what was; models must have the references of the configuration, or those that they learnt."""
        switches = cls(Orders(folder))
        for name, model in models.items():
            data = store.get(compose(SWITCHES, 0, name))
            switches.models[name] = one = Switch() if data is None else Switch.restore(data)
            if not one.taken:
                continue
            if model.reference is not None and model.reference.checksum == one.base:
                one.original, model.reference = model.reference, one.taken[-1][1]
            else:
                one.taken, one.changed = [], True
                model.changes.append("is compared with the reference of the configuration, since that changed")
        return switches

    def turn(self, model: Model, partitions: Iterable[Partition], least: int) -> bool:
        """Hear what was ordered and do what is due; return whether the model is compared with something else now.

        Parameters
        ----------
        least
            How far event time is in the slowest partition.
        """
        one = self.models.get(model.config.name)
        if one is None or self.orders is None:
            return False
        before = model.reference
        for order in self.orders.after(one.heard):
            one.heard, one.changed = order.number, True
            if order.model == model.config.name and order.kind == "switch":
                one.waiting.append(order)
            elif order.model == model.config.name and order.kind == "switch_back":
                self._back(model, one, order)
        passed = least - model.windows.lateness
        for order in [] if least == NEVER else [order for order in one.waiting if passed >= order.until]:
            one.waiting.remove(order)
            one.changed = True
            _take(model, one, order, list(partitions))
        return model.reference is not before

    @staticmethod
    def _back(model: Model, one: Switch, order: Order) -> None:
        """Undo the switch that an order names: forget it while it is not due, otherwise take back what was before."""
        one.waiting = [other for other in one.waiting if str(other.number) != order.column]
        if one.taken and str(one.taken[-1][0]) == order.column:
            one.taken.pop()
            model.reference = one.taken[-1][1] if one.taken else one.original
            log.warning("the switch of the reference is undone", model=model.config.name, because=order.because)

    def changes(self) -> dict[bytes, bytes]:
        """Return what the next write must put."""
        return {compose(SWITCHES, 0, name): one.state() for name, one in self.models.items() if one.changed}

    def written(self) -> None:
        """Note that the changes are in the store."""
        for one in self.models.values():
            one.changed = False


def _take(model: Model, one: Switch, order: Order, partitions: list[Partition]) -> None:
    name = model.config.name
    if model.reference is None:
        log.warning("the reference is not switched: the model learns its first one", model=name)
        return
    first, last = parse_moment(order.column), order.until
    source = f"taken from the stream by order {order.number}: {order.because}"
    reference = reference_between(model, [partition.shelf for partition in partitions], first, last, source, order.at)
    if reference.rows < FEWEST_ROWS:
        log.warning("the reference is not switched: too few rows", model=name, rows=reference.rows, needed=FEWEST_ROWS)
        return
    if not one.taken:
        one.base, one.original = model.reference.checksum, model.reference
    one.taken = [*one.taken, (order.number, reference)][-_DEEP:]
    model.reference = reference
    log.warning("the reference is switched", model=name, rows=reference.rows, because=order.because)
