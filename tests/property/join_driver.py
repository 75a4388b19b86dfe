"""Drives a join through a scenario the way a service would: interleaved inputs, odd batches, checkpoints, crashes."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from monitor.decoding.sampling import kept
from monitor.join.clock import NEVER, InputClock, InputClocks
from monitor.join.join import Join
from monitor.join.output import ABSENT, CHANGED, COMPLETED, LABEL, RUNNING, Joined
from monitor.join.payload import Payload
from monitor.join.positions import Positions
from monitor.store.port import StateStore
from tests.property.join_oracle import SKEW, SLACK, Expected, Record, Scenario, brute_force

PAYLOAD = Payload({"number": "<i4", "slice": "<i2"})
CLOCKS = b"clocks"


@dataclass
class Totals:
    """The sum of what a join gave out."""

    running: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    matured: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    completed: list[tuple[Any, ...]] = field(default_factory=list)
    """In the order in which a consumer takes them that sorts whatever was given out at once."""
    changes: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    final: int = NEVER
    """Changes before this moment can no longer be undone, nor can others be added."""

    def add(self, joined: Joined) -> None:
        """Add rows, each with its sign."""
        done = joined.take(joined.kinds == COMPLETED)
        columns = (done.completions, done.hashes, done.payloads["number"], done.labels, done.delays)
        self.completed += sorted(zip(*(column.tolist() for column in columns), strict=True))
        moments = joined.completions
        for place in np.flatnonzero(joined.kinds != COMPLETED).tolist():
            number, label, delay = joined.payloads["number"][place], joined.labels[place], joined.delays[place]
            if joined.kinds[place] in {RUNNING, CHANGED}:
                self.changes[int(number), float(label), int(moments[place])] += int(joined.signs[place])
            if joined.kinds[place] == CHANGED:
                continue
            if joined.kinds[place] == RUNNING:
                self.running[int(number), float(label), int(delay)] += int(joined.signs[place])
            else:
                basis = {LABEL: "labelled", ABSENT: "absent"}.get(int(joined.bases[place]), "unlabelled")
                value = None if basis == "unlabelled" else float(label)
                self.matured[int(number), basis, value, int(delay)] += int(joined.signs[place])

    def copy(self) -> Totals:
        """Return the totals as they are now."""
        running, matured, changes = Counter(self.running), Counter(self.matured), Counter(self.changes)
        return Totals(running, matured, list(self.completed), changes, self.final)

    def before(self, moment: int) -> Counter[tuple[Any, ...]]:
        """Return the changes before a moment."""
        return Counter({change: n for change, n in self.changes.items() if n and change[2] < moment})


class Driver:
    """One life of a service after the other, over one store."""

    def __init__(self, case: Scenario, store: StateStore, rng: random.Random, *, budget: int = 5) -> None:
        self.case = case
        self.store = store
        self.rng = rng
        self.budget = budget
        self.saved: tuple[dict[tuple[str, int], int], Totals] = (dict.fromkeys(case.logs, 0), Totals())
        self.start()

    def start(self) -> None:
        """Begin from what was last written, as after a crash."""
        done, totals = self.saved
        self.done = dict(done)
        self.totals = totals.copy()
        self.join = self.load()
        self.clocks = InputClocks(SLACK, SKEW, {name: InputClock() for name in self.case.logs})
        for name, log in self.case.logs.items():
            self.clocks.inputs[name].idle = not log
        state = self.store.get(CLOCKS)
        if state is not None:
            self.clocks.restore(msgspec.msgpack.decode(state))

    def load(self) -> Join:
        """Return the join from the store."""
        return Join.load(self.store, 0, "m", self.case.rules, PAYLOAD, budget=self.budget)

    def run(self) -> None:
        """Read all logs to their ends, with checkpoints and crashes on the way."""
        while any(self.done[name] < len(log) for name, log in self.case.logs.items()):
            self.step()
            dice = self.rng.random()
            for name, log in self.case.logs.items():
                if self.done[name] == len(log) and dice < 0.5:
                    self.clocks.rest(*name)
            if dice < 0.3:
                while not self.join.advance(self.clocks.watermark, most=3):
                    self.check_laws()
            self.check_laws()
            if dice < 0.15:
                self.checkpoint()
            elif dice > 0.93:
                self.start()
                self.check_laws()
        assert self.join.advance(self.clocks.watermark)
        self.check_laws()

    def step(self) -> None:
        """Read some records of one input."""
        name = self.rng.choice([name for name, log in self.case.logs.items() if self.done[name] < len(log)])
        first = self.done[name]
        records = self.case.logs[name][first : first + self.rng.choice([1, 2, 7, 40])]
        times = self.clocks.advance(*name, np.array([record.log_time for record in records]), broker_stamped=False)
        self.done[name] += len(records)
        self.feed(*name, first, records, times)

    def feed(self, side: str, number: int, first: int, records: list[Record], times: np.ndarray[Any, Any]) -> None:
        """Hand records over to the join."""
        rows = [(place, row, *cells) for place, record in enumerate(records) for row, cells in enumerate(record.rows)]
        places = np.array([row[0] for row in rows], np.int64)
        at = Positions(number, times[places], places + first, np.array([row[1] for row in rows], np.int64))
        ids, values = [row[2] for row in rows], np.array([row[3] for row in rows], np.float64)
        if side == "prediction":
            payloads = PAYLOAD.pack({"number": values.astype(np.int64), "slice": values.astype(np.int64) % 7})
            self.join.predictions(ids, at, payloads)
        else:
            self.join.labels(ids, at, values, np.array([row[4] for row in rows], np.int64))

    def checkpoint(self) -> None:
        """Write everything at once, and what was given out with it; now and then the write fails, or only seems to."""
        self.give(self.join.drain())
        puts, deletes = self.gather()
        puts[CLOCKS] = msgspec.msgpack.encode(self.clocks.state())
        dice = self.rng.random()
        if dice < 0.1:
            return
        self.store.write(puts, deletes, sync=False)
        self.saved = (dict(self.done), self.totals.copy())
        if dice < 0.2:
            return
        self.settle()
        assert self.join.in_memory <= self.budget

    def give(self, joined: Joined) -> None:
        """Hand over what the join gave out; what the watermark had passed before must not change."""
        known = self.totals.before(self.totals.final)
        self.totals.add(joined)
        assert self.totals.before(self.totals.final) == known
        self.totals.final = self.join.watermark

    def gather(self) -> tuple[dict[bytes, bytes], list[bytes]]:
        """Return what is to be written."""
        return self.join.changes()

    def settle(self) -> None:
        """Note that it was written."""
        self.join.written()

    def check_laws(self) -> None:
        """Fail when a law of conservation is broken."""
        assert self.join.tally.unaccounted() == {}
        assert all(count >= 0 for count in self.join.counters.values()), self.join.counters

    def compare(self) -> None:
        """Fail when anything differs from brute force."""
        self.give(self.join.drain())
        expected = self.expected()
        assert {row: n for row, n in self.totals.running.items() if n} == expected.running
        assert self.totals.matured == expected.matured
        assert self.totals.completed == expected.completed
        assert {change: n for change, n in self.totals.changes.items() if n} == expected.changes
        assert {name: n for name, n in self.join.counters.items() if n} == expected.outcomes
        assert self.join.tally.spans == expected.spans

    def expected(self) -> Expected:
        """Return what brute force makes of the records read so far."""
        logs = {name: log[: self.done[name]] for name, log in self.case.logs.items()}
        rate = self.case.rules.sample
        watermark = self.join.watermark
        return brute_force(Scenario(self.case.rules, logs), max(NEVER, watermark), lambda id_: kept([id_], rate)[0])
