"""Judged predictions in time, counted by the cells that slices are looked for in, hour by hour of the prediction.

A row is in 300 cells, so an hour's counts are rewritten as seldom as can be: rows wait as bytes, in memory and in a
journal, until evidence asks for an hour. Once a window has been judged, its hours are dropped.

Of a regression, rows wait in the journal alone until it is known how large a large error is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from monitor.events import HOUR, IntArray
from monitor.join.output import MATURED, Joined
from monitor.keys import compose, parse, prefix
from monitor.layout import Layout
from monitor.model import Model
from monitor.outcomes.bags import Bags
from monitor.outcomes.cells import FIELD, Cells, errors_of, learns_limit
from monitor.outcomes.large import Sizes, smallest
from monitor.outcomes.marked import Marked
from monitor.outcomes.parts import model_of, runs
from monitor.outcomes.values import Bag
from monitor.panes import PaneKey, PaneLayout, Reader, Shelf

CELLS: Final = b"g"
WAITING: Final = b"w"
ENOUGH: Final = 200_000
"""Rows that are counted at once, however short they waited: 8 MB."""
_WRONG: Final = 1
_BUDGET: Final = 16 << 20
_TOGETHER: Final = 64
_EVER: Final = 1 << 62


@dataclass(slots=True)
class Searching:
    """What is counted by cell of one model; ``names`` turns keys of rows into version and hour."""

    model: Model
    number: int
    shelf: Shelf
    layouts: dict[str, PaneLayout]
    lengths: dict[str, tuple[int, ...]]
    names: Callable[[IntArray], Iterator[tuple[str, int]]]
    bags: Bags
    cells: Cells | None = None
    rows: int = 0
    """That wait in memory."""
    limit: int | None = None
    """A row is wrong whose error is of this step or a larger one; ``None`` while that is being learnt."""
    since: int | None = None
    """Where the rows begin that a limit was not learnt from."""
    sizes: Sizes = field(default_factory=Sizes)
    _seen: Layout | None = None
    _waiting: list[Marked] = field(default_factory=list)
    _away: list[bytes] = field(default_factory=list)
    """Keys of rows that wait in the journal alone."""
    _fresh: list[Marked] = field(default_factory=list)
    _stored: list[bytes] = field(default_factory=list)
    _done: list[bytes] = field(default_factory=list)
    _sequence: int = 0

    @classmethod
    def load(
        cls, model: Model, store: Reader, number: int, names: Callable[[IntArray], Iterator[tuple[str, int]]]
    ) -> Searching:
        """Return it as it was last written.

        Raises
        ------
        CorruptCountsError
            When what is stored is damaged.
        """
        name = model.config.name
        layouts: dict[str, PaneLayout] = {}
        stored = {part for part in _names(store, number) if model_of(part) == name}
        lengths: dict[str, tuple[int, ...]] = dict.fromkeys(stored, (HOUR,))
        shelf = Shelf(number, store, layouts, lengths, _BUDGET, CELLS)
        cells = Cells.of(model.config, model.layout)
        bags = Bags.load(number, name, "" if cells is None else cells.identity, store)
        searching = cls(model, number, shelf, layouts, lengths, names, bags)
        searching.limit = None if learns_limit(model.config) else _WRONG
        searching.refresh()
        for key, data in store.scan(prefix(WAITING, number, name)):
            identity, marked = Marked.from_bytes(data)
            searching._sequence = int.from_bytes(key[-8:], "big") - (1 << 63) + 1
            if searching.cells is not None and identity == searching.cells.identity:
                searching._stored.append(key)
                searching._wait(marked)
                searching._leave(key)
            else:
                searching._done.append(key)
        return searching

    def refresh(self) -> None:
        """Take over the columns that the model counts now; other cells start from nothing."""
        if self.model.layout is self._seen:
            return
        self._seen = self.model.layout
        cells = Cells.of(self.model.config, self.model.layout)
        if cells is not None and self.cells is not None and cells.identity == self.cells.identity:
            return
        self.cells = cells
        self._waiting, self._fresh, self._away, self.rows, self.sizes = [], [], [], 0, Sizes()
        self._done += self._stored
        self._stored = []
        self.layouts.clear()
        if cells is not None:
            self.bags = self.bags.of(self.model.config.name, cells.identity)
            self.layouts[cells.name], self.lengths[cells.name] = cells, (HOUR,)
        for name in self.lengths.keys() - self.layouts.keys():
            self.shelf.drop_all(name)

    def take(self, joined: Joined, keys: IntArray) -> None:
        """Have judged rows in time wait; ``keys`` are those of their predictions' hours."""
        errors = errors_of(self.model.config, joined.payloads, joined.labels)
        known = (errors >= 0) & (joined.kinds == MATURED)
        if known.any() and self.cells is not None:
            texts = self.cells.texts(joined.payloads[known])
            marked = Marked(keys[known], joined.payloads[FIELD][known], errors[known], texts)
            self._wait(marked)
            self._fresh.append(marked)
            if self.rows >= ENOUGH:
                self.settle()

    @property
    def identity(self) -> str | None:
        """Hash of what the counts mean; ``None`` while nothing can be counted."""
        return self.identity_at(self.limit)

    def identity_at(self, limit: int | None) -> str | None:
        """Return the identity that a limit makes."""
        if self.cells is None or limit is None:
            return None
        return f"{self.cells.identity}>={limit}" if learns_limit(self.model.config) else self.cells.identity

    @property
    def words(self) -> tuple[str, str]:
        """What is said of rows that are in order, and of those that count against a slice."""
        if self.model.config.task != "regression" or self.limit is None:
            return "right", "wrong"
        large = self.model.config.find_slices.large_error
        bound = f"{smallest(self.limit):.4g} or more" if large is None else f"more than {large:.4g}"
        return "usual", f"off by {bound}"

    def learn_limit(self, final: int) -> None:
        """Learn how large a large error is, from hours that end by ``final``."""
        learnt = self.sizes.learn(final) if self.limit is None else None
        if learnt is not None:
            self.set_limit(*learnt)

    def set_limit(self, limit: int, since: int | None) -> None:
        """Have rows be wrong from a size of error on."""
        self.limit, self.since, self.sizes = limit, since, Sizes()

    def settle(self) -> None:
        """Count what waits."""
        if self.cells is None or self.limit is None:
            return
        for key in self._away:
            data = self.shelf.reader.get(key)
            if data is not None:
                self._count(self.cells, [Marked.from_bytes(data)[1]], self.limit)
        if self._waiting:
            self._count(self.cells, self._waiting, self.limit)
        self._waiting, self._fresh, self._away, self.rows = [], [], [], 0
        self._done += self._stored
        self._stored = []

    def _count(self, cells: Cells, waiting: Sequence[Marked], limit: int) -> None:
        marked = Marked.joined(waiting)
        wrong = (marked.errors >= limit).astype(np.int64)
        for rows, place, found in runs(marked.keys, _TOGETHER):
            for at, (version, hour) in enumerate(self.names(found)):
                own = rows[place == at]
                vector = cells.tally(marked.parts[own], wrong[own])
                self.shelf.add(PaneKey(cells.name, version, 0, hour), vector, late=False)
                if cells.keyed:
                    self.bags.add(version, hour, Bag.of(marked.texts[own], wrong[own]))

    def counts(self, first: int, last: int) -> dict[str, IntArray]:
        """Return what was counted of a window's predictions, by version; what is older or of it is dropped."""
        self.settle()
        found: dict[str, IntArray] = {}
        for key in list(self._keys(-_EVER, last)):
            pane = self.shelf.find(key)
            if pane is not None and key.start >= first:
                known = found.get(key.version)
                found[key.version] = pane.on_time if known is None else known + pane.on_time
            self.shelf.drop(key)
        return found

    def values(self, first: int, last: int) -> dict[str, Bag]:
        """Return the same by value, of the columns with too many for a cell each."""
        self.settle()
        return self.bags.take(first, last)

    def starts(self, length: int, first: int, last: int) -> list[int]:
        """Return the starts of the windows that have rows."""
        self.settle()
        return sorted({key.start // length * length for key in self._keys(first, last)})

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete."""
        puts, deletes = self.shelf.changes()
        if self._fresh and self.cells is not None:
            puts[self._key()] = Marked.joined(self._fresh).to_bytes(self.cells.identity)
        more, gone = self.bags.changes()
        return puts | more, deletes + gone + self._done

    def written(self) -> None:
        """Note that the changes are in the store."""
        self.shelf.written()
        self.bags.written()
        if self._fresh:
            self._stored.append(self._key())
            self._leave(self._key())
            self._sequence += 1
            self._fresh = []
        self._done = []
        for name in self.lengths.keys() - self.layouts.keys():
            del self.lengths[name]

    def _key(self) -> bytes:
        return compose(WAITING, self.number, self.model.config.name, self._sequence)

    def _wait(self, marked: Marked) -> None:
        self._waiting.append(marked)
        self.rows += len(marked.keys)
        if self.limit is None:
            for rows, place, found in runs(marked.keys, _TOGETHER):
                for at, (_, hour) in enumerate(self.names(found)):
                    self.sizes.add(hour, marked.errors[rows[place == at]])

    def _leave(self, key: bytes) -> None:
        """Let what waits for a limit go from memory once it is in the journal."""
        if self.limit is None:
            self._away.append(key)
            self._waiting, self.rows = [], 0

    def _keys(self, first: int, last: int) -> Iterator[PaneKey]:
        if self.cells is not None:
            for version in sorted(self.shelf.versions(self.cells.name)):
                yield from self.shelf.keys(self.cells.name, version, 0, first, last)


def _names(store: Reader, number: int) -> set[str]:
    """Return the parts that have panes."""
    return {parse(key)[2] for key, _ in store.scan(prefix(CELLS, number))}
