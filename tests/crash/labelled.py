"""Predictions and labels for the crash test of the join, and what they come to, by brute force."""

from __future__ import annotations

import bisect
import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from zlib import crc32

from monitor.events import DAY, HOUR, MINUTE, SECOND
from monitor.join.clock import NEVER
from monitor.join.rules import Rules
from tests.crash.stream import BEGIN
from tests.property.join_oracle import RETRACT, UPSERT, Expected, join_times, one_id

PREDICTIONS, REQUESTS, LABELS = "predictions", "requests", "labels"
PARTITIONS = {PREDICTIONS: 2, REQUESTS: 3, LABELS: 3}
SPAN = 2 * DAY
SLACK, SKEW = MINUTE, HOUR
_HELD = 16
"""Rows that event time begins with."""


class Said(NamedTuple):
    """One record: when it was written, its value, and what it says if it can be read."""

    time: int
    value: bytes | None
    id: str | None = None
    content: Any = None
    """Of a prediction (version, event time, score), of a label (operation, value)."""


Logs = Mapping[tuple[str, int], Sequence[Said]]


def logs_of(count: int, seed: int) -> dict[tuple[str, int], list[Said]]:
    """Return the logs of ``count`` predictions over two days and their labels, by (stream, partition).

    Predictions are logged as requests and responses in two topics, of which neither is keyed as the other is. Records
    that cannot be read end both, so that every half before them has its turn.

    Four in five are labelled, some twice, some with a contradiction or a retraction; some labels come first, some are
    of nobody, some of no class that there is. Either log has records that cannot be read.
    """
    rng = random.Random(seed)
    found: dict[tuple[str, int], list[Said]] = {(s, n): [] for s, number in PARTITIONS.items() for n in range(number)}
    for index in range(count):
        time = BEGIN + rng.randrange(SPAN // 1000) * 1000
        name = f"i{rng.randrange(count) if rng.random() < 0.02 else index}"
        found[PREDICTIONS, crc32(name.encode()) % 2].append(_prediction(rng, name, time))
        for said in _labels(rng, name, time):
            found[LABELS, crc32(b"l" + name.encode()) % 3].append(said)
    for log in found.values():
        log += [Said(BEGIN + rng.randrange(SPAN // 1000) * 1000, b"{broken") for _ in range(len(log) // 300)]
        log.sort(key=lambda said: said.time)
        for place in range(0, len(log) - 1, 97):  # logs are not quite in order
            log[place], log[place + 1] = log[place + 1], log[place]
    for number in range(PARTITIONS[PREDICTIONS]):
        responses, requests = _paired(rng, found[PREDICTIONS, number])
        found[PREDICTIONS, number] = responses
        for place, request in enumerate(requests):
            found[REQUESTS, place % PARTITIONS[REQUESTS]].append(request)
    for (stream, _), log in found.items():
        if stream == REQUESTS:
            log.sort(key=lambda said: said.time)
        if stream != LABELS:
            log.extend([Said(BEGIN + SPAN + 3 * MINUTE, b"{broken")] * 3)
    return found


def _paired(rng: random.Random, log: Sequence[Said]) -> tuple[list[Said], list[Said]]:
    """Return a log in which each prediction is a response, and their requests, each up to 30 records earlier.

    Where an id comes twice, its requests are made when they are answered.
    """
    often = Counter(said.id for said in log)
    requests: list[Said] = []
    responses: list[Said] = []
    for place, said in enumerate(log):
        if said.id is None or said.value is None:
            responses.append(said)
            continue
        row = json.loads(said.value)
        at = place if often[said.id] > 1 else max(0, place - rng.randrange(30))
        asked = {"prediction_id": said.id, "features": row.pop("features")}
        requests.append(Said(log[at].time, json.dumps(asked).encode(), said.id))
        responses.append(said._replace(value=json.dumps({"k": "a", **row}).encode()))
    return responses, requests


def _prediction(rng: random.Random, name: str, time: int) -> Said:
    event, version, score = time - rng.randrange(2 * MINUTE // 1000) * 1000, rng.choice("112"), round(rng.random(), 4)
    row = {"prediction_id": name, "ts": event, "version": version, "score": score, "features": {"country": "DE"}}
    return Said(time, json.dumps(row).encode(), name, (version, event, score))


def _labels(rng: random.Random, name: str, time: int) -> Iterator[Said]:
    if rng.random() < 0.2:
        return
    at = time + round(rng.expovariate(1 / HOUR)) // 1000 * 1000 if rng.random() > 0.03 else time - 5 * MINUTE
    truth = rng.choice("01")
    yield _label(name, at, truth)
    fate = rng.random()
    if fate < 0.05:
        yield _label(name, at + 30 * SECOND, truth)
    elif fate < 0.1:
        yield _label(name, at + 2 * HOUR, str(1 - int(truth)))
    elif fate < 0.13:
        yield _label(name, at + HOUR, truth, gone=True)
    elif fate < 0.14:
        yield _label(f"nobody-{name}", at, truth)
    elif fate < 0.15:
        yield _label(name, at + MINUTE, "7")


def _label(name: str, at: int, truth: str, *, gone: bool = False) -> Said:
    value = {"id": name, "truth": int(truth), **({"gone": True} if gone else {})}
    operation = RETRACT if gone else UPSERT
    number = 0.0 if gone else float(truth) if truth in "01" else math.nan
    return Said(at, json.dumps(value).encode(), name, (operation, number))


@dataclass
class Joined:
    """What a run without a crash comes to."""

    expected: Expected
    watermark: int
    tables: dict[tuple[str, str, int, int, int], int] = field(default_factory=dict)
    """(table, version, hour, score bin, label) → rows."""
    revisions: dict[tuple[str, int], int] = field(default_factory=dict)
    """(version, hour) → predictions, changes that are settled, and judgements."""


def brute_force(logs: Logs, rules: Rules, edges: Sequence[float]) -> Joined:
    """Return what the logs come to once all of them are read."""
    rows: dict[str, dict[str, list[Any]]] = {PREDICTIONS: defaultdict(list), LABELS: defaultdict(list)}
    table: list[Any] = []
    stands = []
    expected = Expected()
    pairs, frontier = _meet(logs)
    for time, number, offset in _held_back(pairs):
        said = logs[PREDICTIONS, number][offset]
        expected.outcomes["prediction", "seen"] += 1
        rows[PREDICTIONS][str(said.id)].append(((time, number, offset, 0), len(table)))
        table.append(said.content)
    for (stream, number), log in logs.items():
        if stream != LABELS:
            continue
        times, clock = join_times([said.time for said in log], SLACK, SKEW)
        assert clock is not None
        stands.append(clock)
        side = stream.removesuffix("s")
        for offset, (said, time) in enumerate(zip(log, times, strict=True)):
            if said.id is None:
                continue
            expected.outcomes[side, "seen"] += 1
            position = (time, number, offset, 0)
            if said.content[0] == UPSERT and math.isnan(said.content[1]):
                expected.outcomes[side, "invalid"] += 1
            else:
                rows[stream][said.id].append((position, *said.content))
    watermark = min(min(stands) - SLACK, frontier) // rules.bucket * rules.bucket
    for name in sorted(rows[PREDICTIONS].keys() | rows[LABELS].keys()):
        one_id(rules, watermark, sorted(rows[PREDICTIONS][name]), sorted(rows[LABELS][name]), expected)
    joined = Joined(expected, watermark)
    counted: Counter[tuple[str, str, int, int, int]] = Counter()
    for number, label, _ in expected.running.elements():
        counted["running", *_cell(table[number], edges), int(label)] += 1
    for number, basis, label, _ in expected.matured.elements():
        if basis == "labelled":
            counted["matured", *_cell(table[number], edges), int(label)] += 1
    joined.tables = dict(counted)
    joined.revisions = _revisions(expected, table, watermark)
    return joined


def _revisions(expected: Expected, table: Sequence[Any], watermark: int) -> dict[tuple[str, int], int]:
    found = Counter(_hour(content) for content in table)
    for (number, _, moment), often in expected.changes.items():
        if moment // MINUTE < watermark // MINUTE:
            found[_hour(table[number])] += often
    for (number, *_), often in expected.matured.items():
        found[_hour(table[number])] += often
    return dict(found)


def _meet(logs: Logs) -> tuple[list[tuple[int, int, int]], int]:
    """Return (later log time, partition, offset) of the responses that met their requests, in the order of meeting.

    And the least clock of the inputs. All halves are put into one order, and none lies far from its partner.
    """
    order, stands = [], []
    for (stream, number), log in logs.items():
        if stream == LABELS:
            continue
        times, clock = join_times([said.time for said in log], 0, SKEW)
        assert clock is not None
        stands.append(clock)
        reached = NEVER
        for offset, (said, time) in enumerate(zip(log, times, strict=True)):
            if offset >= 2:
                reached = max(reached, min(one.time for one in log[offset - 2 : offset + 1]))
            order.append((reached, stream, number, offset, max(time, reached), said.id))
    waiting: dict[str, tuple[str, int, int, int]] = {}
    met = []
    for _, stream, number, offset, time, name in sorted(order, key=lambda half: half[:4]):
        if name is None:
            continue
        if name not in waiting:
            waiting[name] = (stream, number, offset, time)
            continue
        half = (stream, number, offset, time)
        other = waiting.pop(name)
        assert other[0] != stream, "a request or a response comes twice"
        _, at, place, _ = half if stream == PREDICTIONS else other
        met.append((max(time, other[3]), at, place))
    assert not waiting
    return met, min(stands)


def _held_back(pairs: Sequence[tuple[int, int, int]]) -> Iterator[tuple[int, int, int]]:
    """Let the rows that event time begins with join when the last of them confirms it."""
    for number in range(PARTITIONS[PREDICTIONS]):
        own = [pair for pair in pairs if pair[1] == number]
        last = own[_HELD - 1][0]
        for place, (time, _, offset) in enumerate(own):
            yield (last if place < _HELD else time), number, offset


def _cell(content: tuple[str, int, float], edges: Sequence[float]) -> tuple[str, int, int]:
    return *_hour(content), bisect.bisect_right(edges, content[2])


def _hour(content: tuple[str, int, float]) -> tuple[str, int]:
    version, event, _ = content
    return version, event // HOUR * HOUR
