"""The join by brute force: the whole set of records at once, row by row, without sessions, rows or buckets of work."""

from __future__ import annotations

import math
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from monitor.join.identity import identify
from monitor.join.rules import Rules

SLACK = 4
SKEW = 12
UPSERT, RETRACT = 0, 1


@dataclass(frozen=True)
class Record:
    """One record of a log, with its rows: (id, value or number, operation)."""

    log_time: int
    rows: tuple[tuple[str, float, int], ...]


@dataclass(frozen=True)
class Scenario:
    """Logs by (side, input), and the rules they are joined under."""

    rules: Rules
    logs: dict[tuple[str, int], list[Record]]


@dataclass
class Expected:
    """What every correct join comes to."""

    running: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    matured: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    completed: list[tuple[Any, ...]] = field(default_factory=list)
    """(moment, hash of the id, number, label, delay), in this order."""
    changes: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    """(number, label, moment) → how often it began or ended to stand, had the records been read in order."""
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    spans: dict[int, list[int]] = field(default_factory=dict)


def scenario(rng: random.Random, *, wide: bool = False) -> Scenario:
    """Return a scenario with whatever goes wrong in real logs."""
    wait = rng.choice([1, 7, 30, 64])
    rules = Rules(
        wait=wait,
        matures_after=rng.choice([0, wait // 2, wait]),
        absent_means=rng.choice([None, 0.0]),
        on_duplicate=rng.choice(["last_wins", "first_wins"]),
        max_pending=rng.choice([4, 1000, 1000]),
        inputs=2,
        sample=rng.choice([1.0, 1.0, 0.6]),
        completed=rng.random() < 0.8,
    )
    ids = [f"id{number}" for number in range(rng.choice([1, 3, 12]))]
    logs: dict[tuple[str, int], list[Record]] = {}
    step = rng.choice([1, 3])
    for side, number in (("prediction", 0), ("prediction", 1), ("label", 0), ("label", 1)):
        clock = rng.randint(0, 20)
        log: list[Record] = []
        for place in range(rng.randint(0, 60 if wide else 25)):
            clock += rng.randint(0, step) if rng.random() < 0.97 else wait
            jitter = rng.choice([0, 0, 0, -2, -9, 40])
            rows = tuple(
                (rng.choice(ids), _value(side, number, place, row, rng), _operation(side, rng))
                for row in range(rng.choice([1, 1, 1, 2]))
            )
            log.append(Record(clock + jitter, rows))
        logs[side, number] = log
    return Scenario(rules, logs)


def _value(side: str, number: int, place: int, row: int, rng: random.Random) -> float:
    if side == "prediction":
        return number * 10_000 + place * 10 + row
    return rng.choice([0.0, 1.0, 1.0, 2.5] + [float("nan")] * (rng.random() < 0.1))


def _operation(side: str, rng: random.Random) -> int:
    return RETRACT if side == "label" and rng.random() < 0.15 else UPSERT


def join_times(log: list[int], slack: int = SLACK, skew: int = SKEW) -> tuple[list[int], int | None]:
    """Return the join time of every record of a log that the broker does not stamp, and where its clock stands."""
    times: list[int] = []
    stands: int | None = None
    for place, stamp in enumerate(log):
        time = stamp
        if stands is not None:
            time = min(max(time, stands - slack), stands + skew)
        times.append(time)
        if place >= 2:
            agreed = min(log[place - 2 : place + 1])
            stands = agreed if stands is None else max(stands, agreed)
    return times, stands


def brute_force(case: Scenario, watermark: int, keeps: Any) -> Expected:
    """Return what the logs come to once the join has worked everything off up to the watermark."""
    expected = Expected()
    rows: dict[str, list[tuple[tuple[int, int, int, int], str, float, int]]] = {"prediction": [], "label": []}
    for (side, number), log in case.logs.items():
        rows[side] += _taken_in(case, side, number, log, expected, keeps)
    for id_ in sorted({row[1] for side in rows.values() for row in side}):
        predictions = sorted((p, value) for p, name, value, _ in rows["prediction"] if name == id_)
        labels = sorted((p, op, value) for p, name, value, op in rows["label"] if name == id_)
        one_id(case.rules, watermark, predictions, labels, expected, id_)
    alive = {s: n for s, n in expected.spans.items() if (s + 1) * case.rules.cell + case.rules.wait >= watermark}
    expected.spans = alive
    expected.completed.sort()
    expected.outcomes = Counter({name: count for name, count in expected.outcomes.items() if count})
    return expected


def _taken_in(case: Scenario, side: str, number: int, log: list[Record], expected: Expected, keeps: Any) -> list[Any]:
    found = []
    admitted: list[int] = []
    top: int | None = None
    times, _ = join_times([record.log_time for record in log])
    for offset, (record, time) in enumerate(zip(log, times, strict=True)):
        for row, (id_, value, op) in enumerate(record.rows):
            expected.outcomes[side, "seen"] += 1
            if side == "label" and op != RETRACT and math.isnan(value):
                expected.outcomes[side, "invalid"] += 1
            elif not keeps(id_):
                expected.outcomes[side, "unsampled"] += 1
            else:
                span = time // case.rules.cell
                top = span if top is None else max(top, span)
                if sum(1 for other in admitted if other > top - 64) >= case.rules.max_pending // case.rules.inputs:
                    expected.outcomes[side, "overflow"] += 1
                else:
                    admitted.append(max(span, top - 63))
                    found.append(((time, number, offset, row), id_, value, op))
    return found


def one_id(rules: Rules, watermark: int, predictions: Any, labels: Any, expected: Expected, id_: str = "") -> None:
    """Add what the predictions ``(position, number)`` and labels ``(position, operation, value)`` of one id come to."""
    leaders = []
    for place, (position, number) in enumerate(predictions):
        if any(position[0] - other[0][0] <= rules.wait for other in predictions[:place]):
            expected.outcomes["prediction", "duplicate"] += 1
        else:
            leaders.append((position, number))
    kept = []
    cells: Counter[int] = Counter()
    for label in labels:
        cell = label[0][0] // max(1, rules.wait // 4)
        cells[cell] += 1
        if cells[cell] > 8:
            expected.outcomes["label", "overflow"] += 1
        else:
            kept.append(label)
    belongs: dict[Any, list[Any]] = {position: [] for position, _ in leaders}
    for label in kept:
        reach = [position for position, _ in leaders if abs(position[0] - label[0][0]) <= rules.wait]
        if reach:
            belongs[min(reach)].append(label)
        else:
            over = watermark > label[0][0] + rules.wait
            expected.outcomes["label", "orphan" if over else "pending"] += 1
    for position, number in leaders:
        _one_prediction(rules, watermark, position[0], number, belongs[position], expected)
        _changes(rules, position[0], number, belongs[position], expected)
        if rules.completed:
            _one_completion(rules, watermark, id_, position[0], number, belongs[position], expected)


def _one_prediction(rules: Rules, watermark: int, time: int, number: float, labels: Any, expected: Expected) -> None:
    deciding, fates = _replay(rules, labels)
    for fate in fates.values():
        expected.outcomes["label", fate] += 1
    counts = expected.spans.setdefault(time // rules.cell, [0, 0])
    counts[0] += 1
    if deciding is not None:
        counts[1] += 1
        expected.running[number, deciding[2], deciding[0][0] - time] += 1
        expected.outcomes["prediction", "joined"] += 1
    else:
        expected.outcomes["prediction", "expired" if watermark > time + rules.wait else "pending"] += 1
    if watermark <= time + rules.matures_after:
        expected.outcomes["maturity", "waiting"] += 1
        return
    then, _ = _replay(rules, [label for label in labels if label[0][0] <= time + rules.matures_after])
    if then is not None:
        expected.outcomes["maturity", "labelled"] += 1
        expected.matured[number, "labelled", then[2], then[0][0] - time] += 1
    elif rules.absent_means is None:
        expected.outcomes["maturity", "unlabelled"] += 1
        expected.matured[number, "unlabelled", None, 0] += 1
    else:
        expected.outcomes["maturity", "absent"] += 1
        expected.matured[number, "absent", rules.absent_means, 0] += 1


def _changes(rules: Rules, time: int, number: float, labels: Any, expected: Expected) -> None:
    """Read the labels one by one, those that came before their prediction when it comes."""
    stood = None
    for place in range(len(labels) + 1):
        if place < len(labels) and labels[place][0][0] <= time:
            continue
        stands, _ = _replay(rules, labels[:place])
        moment = max(time, labels[place - 1][0][0]) if place else time
        for label in (stood, stands) if stands != stood else ():
            if label is not None:
                expected.changes[number, label[2], moment] += 1
        stood = stands


def _one_completion(
    rules: Rules, watermark: int, id_: str, time: int, number: float, labels: Any, expected: Expected
) -> None:
    """Go through the moments at which anything came until a label stands."""
    for moment in sorted({time, *(label[0][0] for label in labels if label[0][0] > time)}):
        standing, _ = _replay(rules, [label for label in labels if label[0][0] <= moment])
        if standing is not None:
            if watermark > moment:
                hashed = int(identify([id_])[0, 0])
                expected.completed.append((moment, hashed, number, standing[2], standing[0][0] - time))
            return


def _replay(rules: Rules, labels: Any) -> tuple[Any, dict[Any, str]]:
    fates: dict[Any, str] = {}
    standing = None
    for label in labels:
        if label[1] == RETRACT:
            fates[label[0]] = "retracted"
            if standing is not None:
                fates[standing[0]] = "retracted"
                standing = None
            continue
        if standing is not None and standing[2] == label[2]:
            fates[label[0]] = "duplicate"
        elif standing is not None and rules.on_duplicate == "first_wins":
            fates[label[0]] = "conflict"
        else:
            if standing is not None:
                fates[standing[0]] = "superseded"
            fates[label[0]] = "joined"
            standing = label
    return standing, fates
