"""Slices that err most, found by themselves: chosen by windows that are past, judged by those that follow."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import reduce
from typing import Any, Final

import msgspec
import numpy as np
import structlog

from detectors.slices.lattice import Extended
from detectors.slices.lift import Lift, Sums
from detectors.slices.picks import Member, Picks
from monitor.events import DAY, HOUR, IntArray
from monitor.evidence.followed import Followed
from monitor.evidence.learning import Learning
from monitor.evidence.learnt import Learnt
from monitor.evidence.stream import FleetKind, Past, Stream
from monitor.findings import Finding
from monitor.join.clock import NEVER
from monitor.model import Model
from monitor.outcomes.cells import ROWS, WRONG, Cells
from monitor.outcomes.evaluation import learning_period
from monitor.outcomes.searching import Searching
from monitor.outcomes.timely import final_before
from monitor.outcomes.values import Bag
from monitor.sealed import seal, unseal

log = structlog.get_logger(__name__)
LIFT: Final = "lift"
"""The detector under which it is told how much worse a slice is than all rows are."""
COLUMN: Final = "error"
_FORMAT: Final = 2
_NAN: Final = float("nan")


@dataclass(slots=True)
class Searched(Learning):
    """The source of slices that were found, of one model.

    Its reference is learnt as that of outcomes is. A window is judged first; then it has its part in the choice of the
    slices for the windows after it, and so it never counts for a slice that it helped to choose.
    """

    searching: Searching
    watermark: Callable[[], int]
    """Up to when the join has judged."""
    fleet: FleetKind = "slices"
    rows: int = ROWS
    grain: int = HOUR
    picks: Picks | None = None
    _reference: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    _packed_reference: tuple[IntArray, bytes] | None = None
    """What was written last, which hardly ever changes, and as what."""
    _followed: Followed = field(default_factory=lambda: Followed.of(0))
    _full: int = 0
    """Columns with too many values in the window that was counted last, a bit each."""
    _warned: int = 0
    _labels: dict[int, str] = field(default_factory=dict)
    """Names of cells that were asked for."""
    _by_name: dict[str, Member] = field(default_factory=dict)
    """Slices that have had rows, by name, as they were after the last window; filled when one is asked for."""

    @property
    def cells(self) -> Cells | None:
        """What slices are looked for in."""
        return self.searching.cells

    def _learnt_counts(self, learnt: Learnt) -> IntArray:  # noqa: ARG002
        return self._reference

    def streams(self, model: Model, version: str) -> Sequence[Stream]:  # noqa: ARG002
        """Return the streams of the slices that are watched; for no version, that of all rows."""
        if self._learnt is None or self._learnt.end is None or self.cells is None or self.picks is None:
            return []
        total, past = self._learnt.past(self._right_and_wrong(self._learnt))
        if not version:
            return [self._stream("", "", total, np.array([ROWS, WRONG]), past)]
        cells, table = self.cells, self._reference
        return [
            self._stream(version, self.label(cells, member.cell), table[places], places, past)
            for member in self.picks.members
            for places in (cells.places(member.cell),)
        ]

    def counts(self, model: Model, first: int, last: int) -> dict[str, IntArray]:
        """Return what was judged of a window's predictions, by version, once: cells, then values that are followed."""
        bags, none = self.searching.values(first, last), Bag.none()
        self._full = 0
        for bag in bags.values():
            self._full |= bag.full
        if self._full & ~self._warned:
            self._warned |= self._full
            log.warning("a column has too many values in an hour to be looked at one by one", model=model.config.name)
        found = {}
        for version, vector in self.searching.counts(first, last).items():
            values = self._followed.counts(bags.get(version, none)).reshape(-1, 2)
            values[self._followed.unknown(self._full)] = 0
            found[version] = np.concatenate([vector, values.reshape(-1)])
        return found

    def starts(self, model: Model, length: int, first: int, last: int) -> Iterable[int]:  # noqa: ARG002
        """Return the starts of the windows that have rows."""
        return [] if first >= last else self.searching.starts(length, first, last)

    def reach(self, model: Model, least: int) -> int | None:  # noqa: ARG002
        """Return up to when all predictions in time were judged; learn from hours before."""
        watermark, cells = self.watermark(), self.cells
        if cells is None or watermark == NEVER:
            return None
        self._final = max(self._final, final_before(model, watermark) // HOUR * HOUR)
        self.searching.learn_limit(self._final)
        identity = self.searching.identity
        if identity is None:
            return None
        if self._learnt is None or self._learnt.identity != identity:
            self._anew(cells, identity, self.searching.since if self._learnt is None else None)
        if self._learnt is not None:
            self._learn(model, cells, self._learnt)
        return self._final

    def relearn(self, begin: int | None) -> bool:
        """Forget what was learnt; hours from ``begin`` on, or from the first that is not final, make the reference."""
        identity = self.searching.identity
        if self._learnt is None or self._learnt.end is None or self.cells is None or identity is None:
            return False
        self._anew(self.cells, identity, self._final if begin is None else -(-begin // HOUR) * HOUR)
        return True

    def last(self, model: Model, newest: int, length: int) -> int | None:  # noqa: ARG002
        """Return the same: what has not come of age stays open."""
        return self.reach(model, newest)

    def stepped(self, model: Model, counts: Mapping[str, IntArray], window: int) -> bool:  # noqa: ARG002
        """Count a window for the slices watched, then choose those that the next windows count for."""
        if self.picks is None or self.cells is None:
            return False
        self._changed, self._by_name = True, {}
        whole: IntArray = reduce(np.add, counts.values())
        unknown = self.cells.lattice.size + self._followed.unknown(self._full)
        return self.picks.take(replace(self.cells.counted(whole), unknown=unknown), window)

    def beside(self, version: str, piece: str) -> tuple[Finding, ...]:  # noqa: ARG002
        """Return how much worse than all rows a slice is, of the windows since it was found and before this one."""
        if self.cells is None or self.picks is None:
            return ()
        if not self._by_name:
            self._by_name = {self.label(self.cells, one.cell): one for one in reversed(self.picks.members) if one.rows}
        member = self._by_name.get(piece)
        if member is None:
            return ()
        return (lift_finding(member.recent.lift(), self.rate(member.cell), self.searching.words[1]),)

    def label(self, cells: Cells, cell: int) -> str:
        """Return the name of a cell or of a value, such as ``merchant=acme``."""
        known = self._labels.get(cell)
        if known is None:
            known = self._labels[cell] = self._label(cells, cell)
        return known

    def _label(self, cells: Cells, cell: int) -> str:
        if cell < cells.lattice.size:
            return cells.label(cell)
        column, text = self._followed.text(cell - cells.lattice.size)
        return f"{cells.columns[cells.keyed[column]]}={text}"

    def rate(self, cell: int) -> float:
        """Return the error rate of a cell in the reference."""
        right, wrong = self._reference[2 + 2 * cell : 4 + 2 * cell].tolist()
        return float(wrong / max(right + wrong, 1))

    def changes(self) -> bytes | None:
        """Return what was learnt and chosen, if that is new."""
        if not self._changed or self._learnt is None or self.picks is None:
            return None
        picks = self.picks
        if self._packed_reference is None or self._packed_reference[0] is not self._reference:
            self._packed_reference = self._reference, _packed(self._reference, "<i8")
        body = {
            "format": _FORMAT,
            "learnt": self._learnt.to_bytes(),
            "limit": [self.searching.limit, self.searching.since],
            "reference": self._packed_reference[1],
            "followed": self._followed.state(),
            # Decayed sums hardly get shorter, and are others after every window.
            "sums": [_packed(picks.rows, "<f4", 0), _packed(picks.errors, "<f4", 0), picks.total, picks.wrong],
            "members": [[*_fields(member), *astuple(member.recent)] for member in picks.members],
        }
        data = msgspec.msgpack.encode(body)
        return seal(data)

    def written(self) -> None:
        """Note that it is in the store."""
        self._changed = False

    def restore(self, data: bytes) -> None:
        """Take over what was learnt and chosen, unless it is of other cells or of an older form."""
        body = unseal(data, "what was learnt of slices is damaged")
        state: dict[str, Any] = msgspec.msgpack.decode(body)
        if state["format"] != _FORMAT:
            return
        learnt, cells = Learnt.from_bytes(state["learnt"]), self.cells
        if cells is None or learnt.identity != self.searching.identity_at(state["limit"][0]):
            return
        self.searching.set_limit(*state["limit"])
        self._learnt, self._reference = learnt, _unpacked(state["reference"], "<i8", np.int64)
        self._followed = Followed.restore(state["followed"])
        picks = self._fresh_picks(cells)
        rows, errors, picks.total, picks.wrong = state["sums"]
        picks.rows, picks.errors = _unpacked(rows, "<f4", np.float32), _unpacked(errors, "<f4", np.float32)
        picks.members, self._by_name = [_member(one) for one in state["members"]], {}

    def _anew(self, cells: Cells, identity: str, begin: int | None) -> None:
        self._learnt, self._changed = Learnt(identity, 2, begin), True
        self._reference = np.zeros(cells.size, np.int64)
        self._followed = Followed.of(len(cells.keyed))
        self._fresh_picks(cells)

    def _fresh_picks(self, cells: Cells) -> Picks:
        self._labels, self._by_name = {}, {}
        settings = self.searching.model.config.find_slices
        others = [int(cells.lattice.starts[place]) + cells.others(place) for place in cells.keyed]
        inside = np.array(others, np.int64)[self._followed.columns]
        family = Extended(cells.lattice, inside)
        self.picks = Picks(family, cells.counted(self._reference), settings.most, settings.min_samples)
        return self.picks

    def _learn(self, model: Model, cells: Cells, learnt: Learnt) -> None:
        if learnt.end is not None:
            return
        if learnt.begin is None:
            known = self.searching.starts(HOUR, self._scanned, self._final) if self._scanned < self._final else []
            learnt.begin, self._scanned = next(iter(known), None), self._final
        period = max(-(-learning_period(model.config) // HOUR) * HOUR, DAY)
        while learnt.at is not None and learnt.at < self._final and learnt.end is None:
            counts = self.searching.counts(learnt.at, learnt.at + HOUR)
            hour: IntArray = reduce(np.add, counts.values()) if counts else np.zeros(cells.size, np.int64)
            self._followed.learn(sum(self.searching.values(learnt.at, learnt.at + HOUR).values(), Bag.none()))
            self._reference = self._reference + hour
            learnt.take(hour[:2].copy(), period)
            self._changed = True
        self._conclude(cells, learnt)

    def _conclude(self, cells: Cells, learnt: Learnt) -> None:
        """Take what was learnt for the reference, once it is enough."""
        if learnt.end is not None:
            self._reference = np.concatenate([self._reference, self._followed.settle()])
            self._fresh_picks(cells)

    def _right_and_wrong(self, learnt: Learnt) -> IntArray:
        hours = learnt.table
        return np.stack([hours[:, ROWS] - hours[:, WRONG], hours[:, WRONG]], axis=1)

    def _stream(self, version: str, piece: str, reference: IntArray, places: IntArray, past: Past) -> Stream:
        return Stream(
            column=COLUMN,
            part="",
            version=version,
            slice=piece,
            kind="slices",
            is_rate=True,
            reference=reference,
            places=places,
            groups=np.arange(2),
            past=past,
            meaning="" if self._learnt is None else self._learnt.identity,
            names=self.searching.words,
            worse=1,
            among=0 if self.picks is None else self.picks.family.size,
        )


def lift_finding(lift: Lift, before: float, word: str) -> Finding:
    """Return what is told of a slice beside its evidence; ``word`` says what counts against it."""
    words = f"{_percent(lift.support)} of the rows, {_percent(lift.rate)} {word}, {_percent(before)} in the reference"
    change = lift.rate - before
    return Finding(COLUMN, LIFT, lift.value, change, lift.low, lift.high, _NAN, _NAN, "ok", 0, words)


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.995 else "100 %"


def _fields(member: Member) -> list[int]:
    return [member.cell, member.since, member.below, member.rows, member.errors]


def _member(fields: Sequence[Any]) -> Member:
    cell, since, below, rows, errors, *recent = fields
    return Member(cell, since, below, rows, errors, Sums(*recent))


def _packed(array: Any, kind: str, level: int = 1) -> bytes:
    return zlib.compress(array.astype(kind).tobytes(), level)


def _unpacked(data: bytes, kind: str, wanted: Any) -> Any:
    return np.frombuffer(zlib.decompress(data), kind).astype(wanted)
