"""What the service sees of its inputs, as signals: silence, rejects, late rows, lag, labels that do not come.

Times are wall clock. A time in which the service did not run is no silence: it saw nothing of it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec

from alerts.durations import HOUR, MINUTE, SECOND
from alerts.signal import Signal
from monitor.alerting.findings import ModelFacts
from monitor.alerting.peers import PeerWatch
from monitor.sources.port import UNKNOWN_TIME

if TYPE_CHECKING:
    from monitor.pipeline import Pipeline

EVERY: Final = 10 * SECOND
"""How often facts are told."""
_BEAT: Final = MINUTE
_SHARE: Final = 5 * MINUTE
"""Shares are those of the last minutes."""
_DAY: Final = 24
_USUAL: Final = 14 * _DAY
_REJECTED: Final = "rejected:"
_LATE: Final = frozenset({"rejected:too_late"})
_OF_ROWS: Final = frozenset({"rejected:too_late", "rejected:future_time"})
_NAMED: Final = 3
_KINDS: Final = {"prediction": "last_prediction", "label": "last_label"}


@dataclass(slots=True)
class _Silence:
    """Since when nothing came, by a clock that stands still while the service does not run."""

    carried: int
    """Silence that an earlier process saw, microseconds."""
    since: int

    def at(self, now: int) -> int:
        return self.carried + max(0, now - self.since)


@dataclass(slots=True)
class Facts:
    """Tells facts now and then; what it must not forget is written with the signals."""

    facts: Mapping[str, ModelFacts]
    silences: dict[tuple[str, str], _Silence] = field(default_factory=dict)
    """(model, ``prediction`` or ``label``) → how long nothing came."""
    hours: dict[str, list[tuple[int, int, int]]] = field(default_factory=dict)
    """Model → (hour, predictions that matured with a label so far, without) at the first look in each hour."""
    _told_at: int = 0
    _beat_at: int = 0
    _past: deque[tuple[int, Counter[tuple[str, str]]]] = field(default_factory=deque)
    _lag_since: dict[str, int] = field(default_factory=dict)
    _peers: PeerWatch = field(default_factory=PeerWatch)

    @classmethod
    def of(cls, facts: Mapping[str, ModelFacts], state: bytes | None, now: int) -> Facts:
        """Return the facts as an earlier process left them."""
        if state is None:
            return cls(facts)
        silences, hours = msgspec.msgpack.decode(state)
        return cls(
            facts,
            {(model, side): _Silence(carried, now) for model, side, carried in silences if model in facts},
            {model: [tuple(one) for one in found] for model, found in hours.items() if model in facts},
        )

    def state(self, now: int) -> bytes:
        """Return what must not be forgotten, as bytes."""
        silences = [(model, side, silence.at(now)) for (model, side), silence in self.silences.items()]
        return msgspec.msgpack.encode([silences, self.hours])

    def due(self, now: int) -> bool:
        """Return whether it is time to tell facts; a clock that was set back is no reason to wait."""
        return not self._told_at <= now < self._told_at + EVERY

    def tell(self, pipeline: Pipeline, now: int) -> Iterator[Signal]:
        """Yield what is to be told now."""
        self._told_at = now
        if not self._beat_at <= now < self._beat_at + _BEAT:
            self._beat_at = now
            yield Signal(number=0, kind="heartbeat", observed_at=now)
        counters: Counter[tuple[str, str]] = Counter()
        for partition in pipeline.partitions.values():
            counters.update(partition.counters)
        since = self._since(counters, now)
        for name, facts in self.facts.items():
            yield from self._silent(pipeline, name, facts, now)
            yield from _shares(since, name, facts.owner, now)
            yield from self._coverage(pipeline, name, facts.owner, now)
        yield from _shares(since, "", "", now)
        yield from self._lags(pipeline, now)
        yield from self._peers.look(pipeline, now)

    def _since(self, counters: Counter[tuple[str, str]], now: int) -> Counter[tuple[str, str]]:
        """Return by how much counters grew over the last minutes."""
        while self._past and not now - _SHARE <= self._past[0][0] <= now:
            self._past.popleft()
        self._past.append((now, counters))
        before = self._past[0][1]
        return Counter({key: number - before[key] for key, number in counters.items() if number != before[key]})

    def _silent(self, pipeline: Pipeline, name: str, facts: ModelFacts, now: int) -> Iterator[Signal]:
        for side, kind in _KINDS.items():
            if side == "label" and not facts.labelled:
                continue
            heard = pipeline.heard.get((name, side))
            if heard is not None:
                self.silences[name, side] = _Silence(0, heard)
            silence = self.silences.get((name, side))
            if silence is not None:
                seconds = silence.at(now) / SECOND
                yield Signal(
                    number=0, kind=kind, observed_at=now, model=name, owner=facts.owner, statistic=seconds,
                    explanation=f"The last came {seconds:,.0f} s ago.",
                )  # fmt: skip

    def _coverage(self, pipeline: Pipeline, name: str, owner: str, now: int) -> Iterator[Signal]:
        """Yield once an hour which share of what matured within a day has a label, against two weeks before."""
        joining = pipeline.joinings.get(name)
        if joining is None:
            return
        rows = joining.join.counters
        with_ = rows.get(("maturity", "labelled"), 0) + rows.get(("maturity", "absent"), 0)
        hour, known = now // HOUR, self.hours.setdefault(name, [])
        if known and known[-1][0] >= hour:
            return
        known.append((hour, with_, rows.get(("maturity", "unlabelled"), 0)))
        del known[: -(_USUAL + _DAY + 1)]
        day = [one for one in known if one[0] >= hour - _DAY]
        labelled, every = _grown(day[0], known[-1])
        before, all_before = _grown(known[0], day[0])
        if not every or not all_before:
            return
        yield Signal(
            number=0, kind="coverage", observed_at=now, model=name, owner=owner, statistic=labelled / every,
            reference=before / all_before, n=every,
            explanation=f"{labelled:,} of {every:,} predictions that came of age within a day have a label.",
        )  # fmt: skip

    def _lags(self, pipeline: Pipeline, now: int) -> Iterator[Signal]:
        """Yield by how much reading is behind each log: the age of the last record read, while there are more."""
        waiting: Counter[str] = Counter()
        age: dict[str, int] = {}
        for place, records in pipeline.watch.lag(pipeline.positions()).items():
            waiting[place.topic] += records
            read = pipeline.read_times.get(place, UNKNOWN_TIME)
            if records and read != UNKNOWN_TIME:
                age[place.topic] = max(age.get(place.topic, 0), now - read)
        for topic, records in waiting.items():
            if not records:
                self._lag_since.pop(topic, None)
            since = self._lag_since.setdefault(topic, now) if records else now
            behind = max(0, age.get(topic, now - since))
            yield Signal(
                number=0, kind="lag", observed_at=now, statistic=behind / SECOND, n=records,
                explanation=f"{records:,} records are not read yet.", labels={"input": topic},
            )  # fmt: skip


def _shares(since: Counter[tuple[str, str]], name: str, owner: str, now: int) -> Iterator[Signal]:
    """Yield which share of the last minutes' records could not be read, and which share of the rows was late."""
    reasons = {
        key.removeprefix(_REJECTED): number
        for (model, key), number in since.items()
        if model == name and key.startswith(_REJECTED) and key not in _OF_ROWS
    }
    refused = sum(reasons.values())
    late = since[name, "late"] + sum(since[name, key] for key in _LATE)
    rows = since[name, "on_time"] + late
    every = refused + rows if name else max(since["", "records"], refused)
    if every:
        worst = sorted(reasons, key=lambda reason: (-reasons[reason], reason))[:_NAMED]
        words = ", ".join(f"{reason.replace('_', ' ')}: {reasons[reason]:,}" for reason in worst)
        yield Signal(
            number=0, kind="rejected", observed_at=now, model=name, owner=owner, statistic=refused / every, n=every,
            explanation=f"Over the last minutes {words}." if words else "",
        )  # fmt: skip
    if rows:
        yield Signal(
            number=0, kind="late", observed_at=now, model=name, owner=owner, statistic=late / rows, n=rows,
            explanation=f"{late:,} of {rows:,} rows of the last minutes.",
        )  # fmt: skip


def _grown(first: tuple[int, int, int], last: tuple[int, int, int]) -> tuple[int, int]:
    """Return how many predictions matured with a label between two looks, and how many in all."""
    labelled, without = last[1] - first[1], last[2] - first[2]
    return labelled, labelled + without
