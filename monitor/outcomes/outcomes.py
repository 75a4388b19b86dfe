"""From joined predictions and labels to tables by the hour of the prediction.

Two tables an hour and version: *running*, as known now, and *matured*, in which every prediction is judged once. Both
are sums over rows, so they are a function of the records read, whatever the order in which they were read; a pair that
no longer holds comes with sign -1 and leaves as it came. A row counts in a part (the whole, a slicing) only if it was
coded by the bins that the part has now: what was predicted before bins changed would leave what it never entered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import numpy as np
import structlog
from numpy.typing import NDArray

from monitor.decoding.sampling import kept
from monitor.events import DAY, HOUR, Batch, IntArray
from monitor.join.output import ABSENT, CHANGED, MATURED, UNLABELLED, Joined
from monitor.join.payload import Payload, Rows
from monitor.keys import compose, parse, prefix
from monitor.model import OTHER, Model
from monitor.outcomes.blocks import CELLS_AT_ONCE, Chosen, Count, Placed, tally_blocks
from monitor.outcomes.carried import FLAWS, Carried, field_of
from monitor.outcomes.cells import FIELD, is_searched
from monitor.outcomes.deferred import ENOUGH, LATE, Deferred, Pairs
from monitor.outcomes.due import Due
from monitor.outcomes.fitting import as_configured, basis_of, judge_for, slice_judge_for, slices_as_configured
from monitor.outcomes.judges import Judge, judge_of
from monitor.outcomes.parts import SlicedPart, WholePart, model_of, runs
from monitor.outcomes.searching import Searching
from monitor.outcomes.timely import grace
from monitor.outcomes.unsettled import Unsettled
from monitor.panes import PaneKey, PaneLayout, Reader, Shelf
from monitor.slices import ROWS

log = structlog.get_logger(__name__)
OUTCOMES: Final = b"O"
STATES: Final = b"U"
HOURLY, DAILY, BASELINE = range(3)
LENGTHS: Final = (HOUR, DAY, 0)
"""Panes by tier; the last is the baseline, which has no length."""
_FORMAT: Final = 1
_DUE: Final = compose(b"-", 0, "due")[5:]
"""Ends the key of the windows due."""
_MOST_VERSIONS: Final = 60_000
_NOT_COUNTED: Final = "label_not_counted"
"""Pairs that no table took, since the label does not fit the task or the bins were not known."""


@dataclass(slots=True)
class ModelOutcomes:
    """The outcomes of one model; one thread owns it. Nothing leaves memory before ``changes`` is written.

    Predictions are counted as they come, so a prediction that was logged twice counts twice before it is judged.
    """

    model: Model
    number: int
    carried: Carried
    shelf: Shelf
    layouts: dict[str, PaneLayout]
    lengths: dict[str, tuple[int, ...]]
    due: Due
    deferred: Deferred
    unsettled: Unsettled
    searching: Searching | None = None
    """What slices are looked for in, where they are."""
    whole: WholePart | None = None
    sliced: dict[str, SlicedPart] = field(default_factory=dict)
    """Payload field → slicing."""
    versions: list[str] = field(default_factory=list)
    counters: Counter[str] = field(default_factory=Counter)
    baselines: dict[str, tuple[int, bool]] = field(default_factory=dict)
    """Part's identity → start of what its baseline is learnt from, and whether it is learnt."""
    rolled: int = -(1 << 62)
    """Hours before this were rolled up into days."""
    state_key: bytes = b""
    _codings: list[dict[str, str]] = field(default_factory=list)
    _slice_judge: Judge | None = None
    _places: dict[str, int] = field(default_factory=dict)
    _seen: object = None
    _changed: bool = False

    @classmethod
    def load(cls, model: Model, store: Reader, number: int = 0, budget: int = 32 << 20) -> ModelOutcomes:
        """Return the outcomes as they were last written, or none.

        Raises
        ------
        CorruptCountsError
            When what is stored is damaged.
        """
        name = model.config.name
        stored = {parse(key)[2] for key, _ in store.scan(prefix(OUTCOMES, number))}
        lengths: dict[str, tuple[int, ...]] = {part: LENGTHS for part in stored if model_of(part) == name}
        layouts: dict[str, PaneLayout] = {}
        shelf = Shelf(number, store, layouts, lengths, budget, OUTCOMES)
        due = Due.of(model.windows, model.config.performance.window)
        carried = Carried(model.config)
        deferred = Deferred(carried.payload, number, name)
        deferred.load(store)
        unsettled = Unsettled(number, name)
        unsettled.load(store)
        outcomes = cls(model, number, carried, shelf, layouts, lengths, due, deferred, unsettled)
        outcomes.state_key = compose(STATES, number, name)
        data = store.get(outcomes.state_key)
        if data is not None:
            outcomes._restore(msgspec.msgpack.decode(data))
        if is_searched(model.config):
            outcomes.searching = Searching.load(model, store, number, outcomes._hours)
        waiting = store.get(outcomes.state_key + _DUE)
        if waiting is not None:
            outcomes.due.restore(msgspec.msgpack.decode(waiting))
        outcomes._refresh()
        return outcomes

    @property
    def payload(self) -> Payload:
        """What a prediction carries through the join."""
        return self.carried.payload

    def pack(self, batch: Batch) -> Rows:
        """Return what each prediction of a batch carries, and count the batch."""
        self._refresh()
        versions = self._numbers(batch.versions)
        slicings = [part.slicing for part in self.sliced.values()]
        coders = self.model.layout.coders
        cells = None if self.searching is None else self.searching.cells
        rows = self.carried.pack(batch, len(self._codings) - 1, versions, slicings, coders, cells)
        flaws = self.carried.flaws(rows)
        if flaws:
            self.counters.update(flaws)
            self._changed = True
        if len(rows) and self.whole is not None:
            sample = self.model.config.join.sample
            counted = rows if sample == 1 else rows[kept(batch.ids, sample)]
            self._say(counted)
        return rows

    def take(self, joined: Joined) -> None:
        """Count judged predictions, or take them back where the sign says so; changes wait until they are settled."""
        self._refresh()
        joined = self._countable(joined)
        some = joined.kinds != MATURED
        if some.any():
            self.unsettled.add(joined.completions[some], self._groups(joined.payloads)[some], joined.signs[some])
        was = joined.kinds == CHANGED
        if was.any():
            joined = joined.take(~was)
        if len(joined):
            judged = joined.bases != UNLABELLED
            late = (joined.kinds == MATURED) & (joined.times - joined.payloads["time"] > grace(self.model))
            for is_late in (False, True):
                rows = late == is_late
                if rows.all():
                    self._take_whole(joined, judged, late=is_late)
                elif rows.any():
                    self._take_whole(joined.take(rows), judged[rows], late=is_late)
            if self.searching is not None:
                self._take_cells(self.searching, joined.take(judged & (joined.kinds == MATURED) & ~late))
            if self.sliced:
                self.deferred.add(joined if judged.all() else joined.take(judged), late[judged])
                if self.deferred.rows >= ENOUGH:
                    self.settle()

    @property
    def flaws(self) -> Mapping[str, int]:
        """Why predictions were judged in part only, or pairs not at all → how many so far."""
        return {reason: self.counters[reason] for reason in (*FLAWS, _NOT_COUNTED)}

    def advance(self, watermark: int) -> None:
        """Count the changes that nothing can undo any more; the windows over them are due again.

        Parameters
        ----------
        watermark
            Nothing that comes later has a join time before it.
        """
        hours, changes = self.unsettled.passed(watermark)
        part = self.whole
        if part is None or not len(hours):
            return
        vectors = np.zeros((len(hours), part.size), np.int64)
        part.ends(vectors)[:, 2] = changes
        self._add(part.name, hours, vectors)
        self.due.touch(self._hours(hours))

    def settle(self) -> None:
        """Count what waits in slices; windows over it are due again."""
        self._refresh()
        if not self.deferred.rows:
            return
        pairs = self.deferred.empty()
        late = pairs.kinds >= LATE
        for is_late in (False, True) if self.sliced else ():
            if (late == is_late).any():
                self._take_slices(pairs if not late.any() else pairs.take(late == is_late), late=is_late)
        self.due.touch(self._hours(np.unique(self._groups(pairs.payloads))))

    def changes(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what the next write must put and delete."""
        puts, deletes = self.shelf.changes()
        for part in (self.deferred, self.unsettled, self.searching):
            if part is not None:
                more, done = part.changes()
                puts.update(more)
                deletes += done
        if self._changed:
            puts[self.state_key] = msgspec.msgpack.encode(self._state())
        if self.due.changed:
            puts[self.state_key + _DUE] = msgspec.msgpack.encode(self.due.state())
        return puts, deletes

    def written(self) -> None:
        """Note that the changes are in the store."""
        self.shelf.written()
        for part in (self.deferred, self.unsettled, self.searching):
            if part is not None:
                part.written()
        for name in self.lengths.keys() - self.layouts.keys():
            del self.lengths[name]
        self._changed = False
        self.due.changed = False

    def set_baseline(self, part: str, start: int, *, learnt: bool) -> None:
        """Note how far the learning of a part's baseline has come."""
        self.baselines[part] = (start, learnt)
        self._changed = True

    def set_rolled(self, limit: int) -> None:
        """Note that hours before a time were rolled up into days; windows over them are not judged again."""
        self.rolled = limit
        self.due.forget(limit)
        self._changed = True

    def _countable(self, joined: Joined) -> Joined:
        """Return the rows that the whole can count, and note how many it cannot."""
        if self.whole is None:
            countable = np.zeros(len(joined), bool)
        else:
            if "selected" in self.payload.fields:
                joined = joined.take(joined.payloads["selected"] == 1)
            countable = (joined.bases == UNLABELLED) | self.whole.judge.usable(joined.labels)
            countable &= self._coded("")[joined.payloads["coding"]]
        if not countable.all():
            self._lose(int((~countable & (joined.kinds != CHANGED)).sum()))
            joined = joined.take(countable)
        return joined

    def _take_whole(self, joined: Joined, judged: NDArray[np.bool_], *, late: bool) -> None:
        """Count rows; ``late`` ones were predicted long before they reached the log and are no evidence."""
        part = self.whole
        if part is None:
            return
        keys = self._groups(joined.payloads)
        for rows, place, found in runs(keys, max(1, CELLS_AT_ONCE // part.size)):
            some, groups = judged[rows], len(found)
            chosen, where = rows[some], place[some]
            tables = part.judge.tally(
                joined.payloads[chosen], joined.labels[chosen], joined.signs[chosen],
                where * 2 + joined.kinds[chosen], 2 * groups,
            )  # fmt: skip
            vectors = np.zeros((groups, part.size), np.int64)
            vectors[:, part.judge.said : -3] = tables.reshape(groups, -1)
            bases = joined.bases[rows]
            for cell, basis in ((0, UNLABELLED), (1, ABSENT)):
                part.ends(vectors)[:, cell] = np.bincount(place[bases == basis], minlength=groups)
            part.ends(vectors)[:, 2] = np.bincount(place[joined.kinds[rows] == MATURED], minlength=groups)
            self._add(part.name, found, vectors, late=late)
            self.due.touch(self._hours(found))

    def _take_cells(self, searching: Searching, joined: Joined) -> None:
        coded = self._coded(FIELD)[joined.payloads["coding"]]
        if coded.any():
            joined = joined.take(coded)
            searching.take(joined, self._groups(joined.payloads))

    def _take_slices(self, pairs: Pairs, *, late: bool) -> None:
        judge = next(iter(self.sliced.values())).judge
        slicings = []
        for name, part in self.sliced.items():
            codes = pairs.payloads[name].astype(np.int64) - 1
            inside = (codes < part.slicing.size) & self._coded(part.key)[pairs.payloads["coding"]]
            slicings.append(Placed(part, np.where(inside, codes, -1)))

        def count(rows: Chosen, group: IntArray, groups: int) -> IntArray:
            labels, signs = pairs.labels[rows], pairs.signs[rows]
            kinds = pairs.kinds[rows] % LATE
            tables = judge.tally(pairs.payloads[rows], labels, signs, group * 2 + kinds, 2 * groups)
            vectors = np.zeros((groups, judge.said + 2 * judge.size), np.int64)
            vectors[:, judge.said :] = tables.reshape(groups, -1)
            return vectors

        self._add_blocks(slicings, self._groups(pairs.payloads), count, late=late)

    def _say(self, rows: Rows) -> None:
        part = self.whole
        if part is None:
            return
        keys = self._groups(rows)
        for chosen, place, found in runs(keys, max(1, CELLS_AT_ONCE // part.size)):
            vectors = np.zeros((len(found), part.size), np.int64)
            part.said(vectors)[:] = part.judge.say(rows[chosen], place, len(found))
            part.ends(vectors)[:, 2] = np.bincount(place, minlength=len(found))
            self._add(part.name, found, vectors)
            self.due.touch(self._hours(found))
        if not self.sliced:
            return
        judge = next(iter(self.sliced.values())).judge
        slicings = [Placed(sliced, rows[name].astype(np.int64) - 1) for name, sliced in self.sliced.items()]

        def count(chosen: Chosen, group: IntArray, groups: int) -> IntArray:
            vectors = np.zeros((groups, judge.said + 2 * judge.size), np.int64)
            vectors[:, : judge.said] = judge.say(rows[chosen], group, groups)
            return vectors

        self._add_blocks(slicings, keys, count)

    def _add(self, name: str, keys: IntArray, vectors: IntArray, *, late: bool = False) -> None:
        for (version, hour), vector in zip(self._hours(keys), vectors, strict=True):
            self.shelf.add(self.place(name, version, hour), vector, late=late)

    def _add_blocks(self, slicings: Sequence[Placed], groups: IntArray, count: Count, *, late: bool = False) -> None:
        for part, keys, vectors in tally_blocks(slicings, groups, count):
            hours = self._hours(keys // part.blocks)
            blocks = zip(hours, (keys % part.blocks).tolist(), vectors.reshape(len(keys), part.size), strict=True)
            for (version, hour), block, vector in blocks:
                self.shelf.add(self.place(part.name(block), version, hour), vector, late=late)

    def place(self, name: str, version: str, hour: int) -> PaneKey:
        """Return the pane that counts an hour: its own, or the day that it was rolled up into."""
        day = hour // DAY * DAY
        if day < self.rolled:
            return PaneKey(name, version, DAILY, day)
        return PaneKey(name, version, HOURLY, hour)

    def _groups(self, rows: Rows) -> IntArray:
        """Return hour and version of each row as one number."""
        groups: IntArray = rows["time"] // HOUR * (_MOST_VERSIONS + 1) + rows["version"]
        return groups

    def _hours(self, keys: IntArray) -> Iterator[tuple[str, int]]:
        """Yield version and start of the hours that ``_groups`` numbered."""
        hours, versions = np.divmod(keys, _MOST_VERSIONS + 1)
        for version, hour in zip(versions.tolist(), (hours * HOUR).tolist(), strict=True):
            yield self.versions[version], hour

    def _lose(self, rows: int) -> None:
        if rows:
            self.counters[_NOT_COUNTED] += rows
            self._changed = True

    def _numbers(self, names: list[str]) -> IntArray:
        """Return the number of each version; names never lose theirs."""
        for name in sorted(set(names) - self._places.keys()):
            known = name if len(self.versions) < _MOST_VERSIONS else OTHER
            if known not in self._places:
                self._places[known] = len(self.versions)
                self.versions.append(known)
            self._places[name] = self._places[known]
            self._changed = True
        return np.fromiter(map(self._places.__getitem__, names), np.int64, len(names))

    def _coded(self, key: str) -> NDArray[np.bool_]:
        """Return by coding whether its rows are coded as a part is now."""
        now = self._codings[-1].get(key)
        return np.array([now is not None and coding.get(key) == now for coding in self._codings])

    def _refresh(self) -> None:
        """Take over the columns that the model counts now."""
        layout = self.model.layout
        if layout is self._seen:
            return
        self._seen = layout
        config = self.model.config
        if self.whole is None:
            judge = judge_for(config, layout.coders)
            self.whole = None if judge is None else WholePart(config.name, judge)
        self.sliced = {}
        for slicing in layout.slicings if self.whole is not None else ():
            name = field_of(slicing.columns)
            if name in self.payload.fields and (judge := self._judge_of_slices()) is not None:
                codings = layout.crosses[slicing.columns, ROWS].codings
                self.sliced[name] = SlicedPart(config.name, slicing, judge, codings)
        coding = {part.key: part.identity for part in self.sliced.values()}
        if self.whole is not None:
            coding[""] = self.whole.identity
        if self.searching is not None:
            self.searching.refresh()
            if self.searching.cells is not None:
                coding[FIELD] = self.searching.cells.identity
        if not self._codings or self._codings[-1] != coding:
            self._codings.append(coding)
            self._changed = True
        self._place_parts()

    def _judge_of_slices(self) -> Judge | None:
        if self._slice_judge is None and self.whole is not None:
            self._slice_judge = slice_judge_for(self.model.config, self.whole.judge, self.model.layout.coders)
            self._changed = True
        return self._slice_judge

    def _place_parts(self) -> None:
        """Have the shelf hold the parts there are, and drop those that are no more."""
        self.layouts.clear()
        if self.whole is not None:
            self.layouts[self.whole.name] = self.whole
        for part in self.sliced.values():
            self.layouts.update((name, part) for name in part.names())
        self.lengths.update((name, LENGTHS) for name in self.layouts)
        for name in self.lengths.keys() - self.layouts.keys():
            self.shelf.drop_all(name)

    def _state(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "basis": basis_of(self.model.config),
            "whole": None if self.whole is None else self.whole.judge.to_dict(),
            "slices": None if self._slice_judge is None else self._slice_judge.to_dict(),
            "versions": self.versions,
            "codings": self._codings,
            "counters": sorted(self.counters.items()),
            "baselines": [[part, *known] for part, known in sorted(self.baselines.items())],
            "rolled": self.rolled,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        config = self.model.config
        self.versions = list(state["versions"])
        self._places = {name: place for place, name in enumerate(self.versions)}
        self._codings = [dict(coding) for coding in state["codings"]]
        self.counters = Counter(dict(state["counters"]))
        self.baselines = {part: (start, learnt) for part, start, learnt in state["baselines"]}
        self.rolled = state["rolled"]
        same = state["basis"] == basis_of(config)
        if same and state["slices"] is not None:
            self._slice_judge = slices_as_configured(judge_of(state["slices"]), config)
            if self._slice_judge is None:
                self.model.changes.append("judges slices anew, since they are counted by other cells now")
        if state["whole"] is None:
            return
        judge = as_configured(judge_of(state["whole"]), config) if same else None
        if judge is not None:
            self.whole = WholePart(config.name, judge)
            return
        self.unsettled.clear()
        if same:
            binary = config.task == "binary_classification"
            why = "a new threshold cuts the scores elsewhere" if binary else "it is counted by other cells now"
            self.model.changes.append(f"judges the whole anew, since {why}")
        else:
            self.model.changes.append("judges predictions anew, since what decides over right and wrong changed")
