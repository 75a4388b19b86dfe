"""Judged predictions by value, hour by hour of the prediction, of one model: in the store until evidence asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from monitor.keys import compose, parse, prefix
from monitor.outcomes.values import Bag
from monitor.panes import Reader

VALUES: Final = b"h"


@dataclass(slots=True)
class Bags:
    """Bags by version and hour. What is in the store leaves memory."""

    number: int
    name: str
    """Of the model and of what its values mean."""
    reader: Reader
    _stored: set[tuple[str, int]] = field(default_factory=set)
    _dirty: dict[tuple[str, int], Bag] = field(default_factory=dict)
    _dropped: set[bytes] = field(default_factory=set)

    @classmethod
    def load(cls, number: int, model: str, identity: str, reader: Reader) -> Bags:
        """Return the bags of a model; those of another meaning are dropped."""
        bags = cls(number, f"{model}\n{identity}", reader)
        for key, _ in reader.scan(prefix(VALUES, number)):
            _, _, name, version, hour = parse(key)
            if name == bags.name:
                bags._stored.add((version, hour))
            elif name.partition("\n")[0] == model:
                bags._dropped.add(key)
        return bags

    def of(self, model: str, identity: str) -> Bags:
        """Return these, or none where values mean something else now; then these are dropped."""
        if self.name == f"{model}\n{identity}":
            return self
        dropped = self._dropped | {self._key(*pane) for pane in self._stored}
        return Bags(self.number, f"{model}\n{identity}", self.reader, _dropped=dropped)

    def add(self, version: str, hour: int, bag: Bag) -> None:
        """Add rows to an hour."""
        known = self._find(version, hour)
        self._dirty[version, hour] = bag if known is None else known + bag

    def take(self, first: int, last: int) -> dict[str, Bag]:
        """Return the rows of ``first <= hour < last`` by version; these hours and all before are dropped."""
        found: dict[str, Bag] = {}
        for version, hour in sorted(self._stored | self._dirty.keys()):
            if hour >= last:
                continue
            bag = self._find(version, hour) if hour >= first else None
            if bag is not None:
                found[version] = found[version] + bag if version in found else bag
            self._drop(version, hour)
        return found

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete."""
        puts = {self._key(*pane): bag.to_bytes() for pane, bag in sorted(self._dirty.items())}
        return puts, sorted(self._dropped - puts.keys())

    def written(self) -> None:
        """Note that the changes are in the store."""
        self._stored |= self._dirty.keys()
        self._dirty.clear()
        self._dropped.clear()

    def _find(self, version: str, hour: int) -> Bag | None:
        known = self._dirty.get((version, hour))
        if known is not None or (version, hour) not in self._stored:
            return known
        data = self.reader.get(self._key(version, hour))
        return None if data is None else Bag.from_bytes(data)

    def _drop(self, version: str, hour: int) -> None:
        self._dirty.pop((version, hour), None)
        if (version, hour) in self._stored:
            self._stored.discard((version, hour))
            self._dropped.add(self._key(version, hour))

    def _key(self, version: str, hour: int) -> bytes:
        return compose(VALUES, self.number, self.name, version, hour)
