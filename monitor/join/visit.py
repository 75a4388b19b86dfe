"""Going through the entries that are due: judging, expiring, letting go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monitor.events import IntArray
from monitor.join.codec import LABELLED, PREDICTED, RETRACTED, leaving
from monitor.join.entries import Entries
from monitor.join.entry import Label, Prediction
from monitor.join.identity import Ids
from monitor.join.output import ABSENT, LABEL, UNLABELLED, Output
from monitor.join.payload import Rows
from monitor.join.rules import Rules
from monitor.join.tally import Tally

AT_ONCE = 10_000


@dataclass(slots=True)
class Visit:
    """What changes by itself while the watermark moves from ``start`` to ``end``."""

    rules: Rules
    tally: Tally
    output: Output
    entries: Entries
    start: int
    end: int

    def all(self, ids: Ids) -> None:
        """Visit entries, each once; those that are gone since are passed over."""
        for first in range(0, len(ids), AT_ONCE):
            found = self.entries.look(ids[first : first + AT_ONCE])
            self._rows(found.rows)
            for place in range(len(found.rich)):
                self._rich(found.rich[place : place + 1])

    def _rows(self, rows: Rows) -> None:
        predicted = rows["flags"] & PREDICTED > 0
        labelled = rows["flags"] & LABELLED > 0
        known = labelled & (rows["flags"] & RETRACTED == 0)
        wait = self.rules.wait
        if self.rules.completed:
            stood = known & predicted & self._passes(np.maximum(rows["time"], rows["l_time"]))
            self._complete(rows[stood])
        young = np.flatnonzero(predicted & self._passes(rows["time"] + self.rules.matures_after))
        self._mature(rows[young], known[young])
        expired = int((predicted & ~known & self._passes(rows["time"] + wait)).sum())
        self.tally.add("prediction", "pending", -expired)
        self.tally.add("prediction", "expired", expired)
        orphans = int((~predicted & self._passes(rows["l_time"] + wait)).sum())
        self.tally.add("label", "pending", -orphans)
        self.tally.add("label", "orphan", orphans)
        self.entries.remove(rows["key"][leaving(rows, self.rules) < self.end])

    def _passes(self, times: IntArray) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        return (times >= self.start) & (times < self.end)

    def _mature(self, rows: Rows, known: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> None:
        if not len(rows):
            return
        delays = rows["l_time"] - rows["time"]
        known &= delays <= self.rules.matures_after
        absent = self.rules.absent_means
        without = UNLABELLED if absent is None else ABSENT
        self.tally.add("maturity", "waiting", -len(rows))
        self.tally.add("maturity", "labelled", int(known.sum()))
        self.tally.add("maturity", "unlabelled" if absent is None else "absent", int((~known).sum()))
        self.output.matured(
            np.where(known, LABEL, without),
            rows["time"],
            rows["payload"],
            np.where(known, rows["value"], np.nan if absent is None else absent),
            np.where(known, delays, 0),
        )

    def _rich(self, id_: Ids) -> None:
        entry = self.entries.entry(id_)
        before, after = entry.account(self.rules, self.start), entry.account(self.rules, self.end)
        # what comes of age leaves "waiting" below, as it does for rows
        for account in (before, after):
            del account.outcomes["maturity", "waiting"]
        self.tally.outcomes.update(after.outcomes)
        self.tally.outcomes.subtract(before.outcomes)
        for prediction, label in entry.maturing(self.rules, self.start, self.end):
            row = self._row(prediction, label)
            self._mature(row, np.array([label is not None]))
        if self.rules.completed:
            for moment, prediction, label in entry.completing(self.rules):
                if self.start <= moment < self.end:
                    row = self._row(prediction, label)
                    row["key"] = id_[:, 0]
                    self._complete(row)
        if entry.prune(self.rules, self.end):
            self.entries.put(id_, entry)

    def _complete(self, rows: Rows) -> None:
        if len(rows):
            delays = rows["l_time"] - rows["time"]
            self.output.completed(rows["time"], rows["payload"], rows["value"], delays, rows["key"])

    def _row(self, prediction: Prediction, label: Label | None) -> Rows:
        rows = self.entries.codec.empty(1)
        rows["time"] = prediction.time
        rows["payload"] = np.frombuffer(prediction.payload, self.entries.codec.payload.dtype)
        if label is not None:
            rows["l_time"], rows["value"] = label.time, label.value
        return rows
