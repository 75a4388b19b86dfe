"""Recomputes everything from the log, one row at a time, without a line of the service's own counting code."""

from __future__ import annotations

import bisect
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

MINUTE = 60_000_000


@dataclass
class Plan:
    """What the verifier must know of the configuration."""

    skew: int
    windows: Mapping[str, tuple[int, int, int]]
    """Name → size, slide, lateness."""
    keep: tuple[int, ...]
    """Greatest delay that still reaches each tier."""
    tiers: tuple[int, ...]
    """Length of each tier's panes."""
    numeric: Mapping[str, tuple[Sequence[float], float, float]]
    """Column → interior edges, low, high."""
    categorical: Mapping[str, tuple[Sequence[str], frozenset[str]]]
    """Column → categories, rare values."""


@dataclass
class Truth:
    """What a run without a crash must have counted."""

    counters: Counter[str] = field(default_factory=Counter)
    panes: dict[tuple[str, int, int], Counter[tuple[str, str]]] = field(default_factory=lambda: defaultdict(Counter))
    """(version, tier length, start) → (column, cell) → rows."""
    restated: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    """(version, window, start) → rows after its end."""
    greatest: dict[int, int] = field(default_factory=dict)
    """Partition → greatest believed event time."""


def numeric_cell(value: Any, edges: Sequence[float], low: float, high: float) -> str:
    """Return the cell of a number: its bin, or why it has none."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "missing"
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or abs(value) > 1e300:
        return "bad"
    if value < low:
        return "low"
    if value > high:
        return "high"
    return str(bisect.bisect_left(edges, value))


def categorical_cell(value: Any, categories: Sequence[str], rare: frozenset[str]) -> str:
    """Return the cell of a category: its place, or why it has none."""
    if value is None:
        return "missing"
    if isinstance(value, list | dict):
        return "bad"
    if isinstance(value, bool):
        value = "true" if value else "false"
    value = str(value)
    if value in categories:
        return str(list(categories).index(value))
    return "other" if value in rare else "unseen"


def recompute(partitions: Mapping[int, Iterable[tuple[int, bytes | None]]], plan: Plan) -> Truth:
    """Return the truth about a log of (log time, value) per partition."""
    truth = Truth()
    for number, log in partitions.items():
        _Partition(number, plan, truth).read(log)
    return truth


class _Partition:
    def __init__(self, number: int, plan: Plan, truth: Truth) -> None:
        self.number = number
        self.plan = plan
        self.truth = truth
        self.greatest: int | None = None
        self.held: list[tuple[int, dict[str, Any]]] = []
        self.balance = 0

    def read(self, log: Iterable[tuple[int, bytes | None]]) -> None:
        for _, value in log:
            self.truth.counters["records"] += 1
            row = self._parse(value)
            if row is not None:
                self._step(*row)
        if self.greatest is not None:
            self.truth.greatest[self.number] = self.greatest

    def _parse(self, value: bytes | None) -> tuple[int, dict[str, Any]] | None:
        if value is None:
            self.truth.counters["tombstone"] += 1
            return None
        try:
            row = json.loads(value)
            time = _micros(row["ts"])
            assert isinstance(row["prediction_id"], str)
        except (ValueError, KeyError, TypeError, AssertionError):
            self.truth.counters["rejected"] += 1
            return None
        return time, row

    def _step(self, time: int, row: dict[str, Any]) -> None:
        if self.greatest is not None and time <= self.greatest + self.plan.skew:
            self._count(time, row)
            if self.held:
                self.balance -= 1
                self._release()
                if self.balance <= 0:
                    self.truth.counters["rejected:future_time"] += len(self.held)
                    self.held, self.balance = [], 0
            return
        self.held.append((time, row))
        self.balance += 1
        assert len(self.held) <= 64, "the test's log does not go there"
        if self.balance >= 16:
            times = sorted(t for t, _ in self.held)
            median = times[(len(times) - 1) // 2]
            limit = median + self.plan.skew
            if self.greatest is None:
                self.greatest = median - self.plan.skew
            believed = [entry for entry in self.held if entry[0] <= limit]
            self.held = [entry for entry in self.held if entry[0] > limit]
            self.balance = len(self.held)
            for entry in believed:
                self._count(*entry)
            self._release()

    def _release(self) -> None:
        again = True
        while again:
            again = False
            for entry in self.held:
                if self.greatest is not None and entry[0] <= self.greatest + self.plan.skew:
                    self.held.remove(entry)
                    self._count(*entry)
                    self.balance = max(0, self.balance - 1)
                    again = True
                    break

    def _count(self, time: int, row: dict[str, Any]) -> None:
        before = self.greatest
        self.greatest = time if before is None else max(before, time)
        delay = 0 if before is None else before - time
        tier = next((level for level, keep in enumerate(self.plan.keep) if delay <= keep), None)
        if tier is None:
            self.truth.counters["rejected:too_late"] += 1
            return
        latest = max(lateness for _, _, lateness in self.plan.windows.values())
        self.truth.counters["late" if delay > latest else "on_time"] += 1
        version = str(row.get("model_version", ""))
        length = self.plan.tiers[tier]
        cells = self.truth.panes[version, length, time // length * length]
        cells["rows", ""] += 1
        for column, cell in self._cells(row):
            cells[column, cell] += 1
        country = categorical_cell((row.get("features") or {}).get("country"), *self.plan.categorical["country"])
        cells["slice", f"{country}|{numeric_cell(row.get('score'), *self.plan.numeric['score'])}"] += 1
        self._restate(version, time, before, length)

    def _cells(self, row: dict[str, Any]) -> Iterable[tuple[str, str]]:
        features = row.get("features") or {}
        for column, (edges, low, high) in self.plan.numeric.items():
            value = row.get("score") if column == "score" else features.get(column)
            yield column, numeric_cell(value, edges, low, high)
        for column, (categories, rare) in self.plan.categorical.items():
            yield column, categorical_cell(features.get(column), categories, rare)

    def _restate(self, version: str, time: int, before: int | None, length: int) -> None:
        if before is None:
            return
        for name, (size, slide, lateness) in self.plan.windows.items():
            if math.gcd(size, slide) % length:
                continue
            start = time // slide * slide
            while start + size > time:
                if start + size <= before - lateness:
                    self.truth.restated[version, name, start] += 1
                start -= slide


def window_cells(truth: Truth, plan: Plan, version: str, window: str, start: int) -> Counter[tuple[str, str]]:
    """Return the counts of one window: (column, cell) → rows."""
    size, slide, _ = plan.windows[window]
    total: Counter[tuple[str, str]] = Counter()
    for (name, length, begin), cells in truth.panes.items():
        if name == version and math.gcd(size, slide) % length == 0 and start <= begin < start + size:
            total.update(cells)
    return total


def _micros(text: Any) -> int:
    if not isinstance(text, str):
        message = "not a time"
        raise TypeError(message)
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        message = "no offset"
        raise ValueError(message)
    return round(moment.replace(microsecond=0).timestamp()) * 1_000_000 + moment.microsecond
