"""Taking records in: the usual cases a batch at a time, the others one by one through ``Entry``.

Usual are the first prediction of an id, its first label, and the label that comes first. Both ways come to the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from monitor.events import FloatArray, IntArray
from monitor.join.agenda import Agenda
from monitor.join.codec import LABELLED, PREDICTED, RETRACTED
from monitor.join.entries import ABSENT, Entries
from monitor.join.entry import Account, Label, Prediction
from monitor.join.identity import Ids
from monitor.join.output import Output
from monitor.join.payload import Rows
from monitor.join.positions import Positions
from monitor.join.rules import Rules
from monitor.join.tally import Tally


@dataclass(slots=True)
class Arrivals:
    """Records on their way into entries."""

    rules: Rules
    tally: Tally
    output: Output
    entries: Entries
    agenda: Agenda

    def predictions(self, ids: Ids, at: Positions, payloads: Rows, watermark: int) -> None:
        """Take in predictions, none of them before the watermark."""
        slots = self.entries.find(ids)
        once = _first_of_each(ids)
        fresh = np.flatnonzero(once & (slots == ABSENT))
        met = self._alone(slots, once, LABELLED, "l_time", at.times)
        self._begin_predictions(ids[fresh], at.take(fresh), payloads[fresh])
        self._meet_labels(ids[met], slots[met], at.take(met), payloads[met])
        rest = _rest(ids, fresh, met)
        if rest:
            records = [[Prediction(*at.at(place), payloads[place].tobytes()) for place in places] for places in rest]
            self._change(ids[[places[0] for places in rest]], records, watermark)

    def labels(self, ids: Ids, at: Positions, values: FloatArray, retract: NDArray[np.bool_], watermark: int) -> None:
        """Take in labels and retractions, none of them before the watermark."""
        slots = self.entries.find(ids)
        once = _first_of_each(ids)
        fresh = np.flatnonzero(once & (slots == ABSENT))
        met = self._alone(slots, once, PREDICTED, "time", at.times)
        self._begin_labels(ids[fresh], at.take(fresh), values[fresh], retract[fresh])
        self._meet_predictions(ids[met], slots[met], at.take(met), values[met], retract[met])
        rest = _rest(ids, fresh, met)
        if rest:
            records = [
                [Label(*at.at(place), bool(retract[place]), float(values[place])) for place in places]
                for places in rest
            ]
            self._change(ids[[places[0] for places in rest]], records, watermark)

    def _alone(self, slots: IntArray, once: NDArray[np.bool_], flag: int, time: str, times: IntArray) -> IntArray:
        """Return the rows that meet an entry of the other side alone, within reach."""
        here = np.flatnonzero(once & (slots >= 0))
        rows = self.entries.rows[slots[here]]
        alone = rows["flags"] & (PREDICTED | LABELLED) == flag
        found: IntArray = here[alone & (np.abs(rows[time] - times[here]) <= self.rules.wait)]
        return found

    def _begin_predictions(self, ids: Ids, at: Positions, payloads: Rows) -> None:
        if not len(ids):
            return
        rows = self.entries.codec.empty(len(ids))
        _place_predictions(rows, at, payloads)
        self.entries.create(ids, rows)
        self.tally.add("prediction", "pending", len(ids))
        self._lead(ids, at.times)

    def _begin_labels(self, ids: Ids, at: Positions, values: FloatArray, retract: NDArray[np.bool_]) -> None:
        if not len(ids):
            return
        rows = self.entries.codec.empty(len(ids))
        _place_labels(rows, at, values, retract)
        self.entries.create(ids, rows)
        self.tally.add("label", "pending", len(ids))
        self.agenda.note(at.times + self.rules.wait, ids)

    def _meet_labels(self, ids: Ids, slots: IntArray, at: Positions, payloads: Rows) -> None:
        if not len(ids):
            return
        rows = self.entries.rows[slots]
        _place_predictions(rows, at, payloads)
        self.tally.add("label", "pending", -len(ids))
        self.tally.add("prediction", "pending", len(ids))
        self._lead(ids, at.times)
        self._paired(ids, slots, rows)

    def _meet_predictions(
        self, ids: Ids, slots: IntArray, at: Positions, values: FloatArray, retract: NDArray[np.bool_]
    ) -> None:
        if not len(ids):
            return
        rows = self.entries.rows[slots]
        _place_labels(rows, at, values, retract)
        self._paired(ids, slots, rows)

    def _lead(self, ids: Ids, times: IntArray) -> None:
        """Count new leaders and note when they are due."""
        self.tally.add("maturity", "waiting", len(ids))
        self.tally.predictions(1, times)
        self.agenda.note(times + self.rules.matures_after, ids)
        if self.rules.matures_after < self.rules.wait:
            self.agenda.note(times + self.rules.wait, ids)

    def _paired(self, ids: Ids, slots: IntArray, rows: Rows) -> None:
        """Enter rows that have just got their second half."""
        self.entries.rows[slots] = rows
        self.entries.touch(slots)
        cell = self.rules.label_cell
        ends = rows["l_time"] // cell * cell + cell - 1
        later = np.flatnonzero(ends > rows["last"] + self.rules.wait)
        self.agenda.note(ends[later], ids[later])
        retract = rows["flags"] & RETRACTED > 0
        withdrawn = int(retract.sum())
        self.tally.add("label", "retracted", withdrawn)
        if withdrawn:
            rows = rows[~retract]
        self.tally.add("prediction", "pending", -len(rows))
        self.tally.add("prediction", "joined", len(rows))
        self.tally.add("label", "joined", len(rows))
        if self.rules.completed:
            self.agenda.note(np.maximum(rows["time"], rows["l_time"]), ids if not withdrawn else ids[~retract])
        self._give(1, rows["time"], rows["payload"], rows["value"], rows["l_time"] - rows["time"])

    def _give(self, sign: int, times: IntArray, payloads: Rows, values: FloatArray, delays: IntArray) -> None:
        self.tally.pairs(sign, times, delays)
        self.output.running(sign, times, payloads, values, delays)

    def _change(self, ids: Ids, records: Sequence[Sequence[Prediction | Label]], watermark: int) -> None:
        """Add records to entries, a sequence for each id, and give out the difference."""
        differences = Differences()
        for place, added in enumerate(records):
            self._change_one(ids[place : place + 1], added, watermark, differences)
        for sign, times in differences.leaders.items():
            self.tally.predictions(sign, np.array(times, np.int64))
        for sign, pairs in differences.pairs.items():
            self._give(sign, *self._columns([(lead, label, label.time) for lead, label in pairs]))
        for sign, past in differences.past.items():
            self.output.changed(sign, *self._columns(past))
        if differences.due:
            self.agenda.note(np.array(differences.due, np.int64), np.concatenate(differences.ids))

    def _columns(self, changes: Sequence[tuple[Prediction, Label, int]]) -> tuple[IntArray, Rows, FloatArray, IntArray]:
        """Return times and payloads of predictions, values of labels, and how long after the prediction each was."""
        payloads = b"".join(lead.payload for lead, _, _ in changes)
        return (
            np.array([lead.time for lead, _, _ in changes]),
            np.frombuffer(payloads, self.entries.codec.payload.dtype),
            np.array([label.value for _, label, _ in changes]),
            np.array([moment - lead.time for lead, _, moment in changes]),
        )

    def _change_one(
        self, id_: Ids, records: Sequence[Prediction | Label], watermark: int, differences: Differences
    ) -> None:
        entry = self.entries.entry(id_)
        before, known = entry.account(self.rules, watermark), entry.due(self.rules)
        for record in records:
            if isinstance(record, Prediction):
                sessions = len(entry.sessions)
                entry.add_prediction(record, self.rules.wait)
                self.tally.add("prediction", "duplicate", 1 + sessions - len(entry.sessions))
            elif entry.add_label(record, self.rules.label_cell):
                self.tally.add("label", "overflow", 1)
        after = entry.account(self.rules, watermark)
        self.tally.outcomes.update(after.outcomes)
        self.tally.outcomes.subtract(before.outcomes)
        differences.add(-1, before, after)
        differences.add(1, after, before)
        due = sorted(entry.due(self.rules) - known)
        differences.due += due
        differences.ids += [id_] * len(due)
        self.entries.put(id_, entry)


@dataclass(slots=True)
class Differences:
    """What the changes of a batch come to."""

    leaders: dict[int, list[int]] = field(default_factory=dict)
    """Sign → times."""
    pairs: dict[int, list[tuple[Prediction, Label]]] = field(default_factory=dict)
    """Sign → pairs."""
    past: dict[int, list[tuple[Prediction, Label, int]]] = field(default_factory=dict)
    """Sign → changes that were, and when."""
    due: list[int] = field(default_factory=list)
    ids: list[Ids] = field(default_factory=list)

    def add(self, sign: int, here: Account, there: Account) -> None:
        """Note with a sign what only ``here`` has."""
        leaders = [lead.time for place, lead in here.leaders.items() if place not in there.leaders]
        if leaders:
            self.leaders.setdefault(sign, []).extend(leaders)
        pairs = [pair for places, pair in here.pairs.items() if places not in there.pairs]
        if pairs:
            self.pairs.setdefault(sign, []).extend(pairs)
        past = [change for places, change in here.past.items() if places not in there.past]
        if past:
            self.past.setdefault(sign, []).extend(past)


def _place_predictions(rows: Rows, at: Positions, payloads: Rows) -> None:
    rows["time"], rows["last"], rows["offset"], rows["row"] = at.times, at.times, at.offsets, at.rows
    rows["input"] = at.input
    rows["payload"] = payloads
    rows["flags"] |= PREDICTED


def _place_labels(rows: Rows, at: Positions, values: FloatArray, retract: NDArray[np.bool_]) -> None:
    rows["l_time"], rows["l_offset"], rows["l_row"] = at.times, at.offsets, at.rows
    rows["l_input"] = at.input
    rows["value"] = values
    rows["flags"] |= np.where(retract, LABELLED | RETRACTED, LABELLED).astype(np.uint8)


def _first_of_each(ids: Ids) -> NDArray[np.bool_]:
    """Return which rows are the first with their first half of an id."""
    once = np.zeros(len(ids), bool)
    once[np.unique(ids[:, 0], return_index=True)[1]] = True
    return once


def _rest(ids: Ids, *done: IntArray) -> list[list[int]]:
    """Return the rows that none of the others holds, those of one id together."""
    left = np.ones(len(ids), bool)
    for places in done:
        left[places] = False
    found: dict[bytes, list[int]] = {}
    for place in np.flatnonzero(left).tolist():
        found.setdefault(ids[place].tobytes(), []).append(place)
    return list(found.values())
