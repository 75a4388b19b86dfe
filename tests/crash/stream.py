"""The log of the crash test: paced, disordered, late, sometimes broken; the same for every seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime

from monitor.events import DAY, HOUR, SECOND

BEGIN = 1_793_491_200_000_000
"""2026-11-01T00:00:00Z."""


def rows(partition: int, count: int, seed: int) -> Iterator[bytes | None]:
    """Yield the record values of one partition: two days of event time, whatever the count.

    1 % of the rows are late by up to ten hours, 0.1 % by up to nine days, 0.05 % come from next year; 0.5 % of the
    records are broken or empty.
    """
    rng = random.Random(f"{seed}:{partition}")
    step = 2 * DAY // count
    for index in range(count):
        time = BEGIN + index * step + rng.randrange(0, 120 * SECOND)
        fate = rng.random()
        if fate < 0.01:
            time -= rng.randrange(0, 10 * HOUR)
        elif fate < 0.011:
            time -= rng.randrange(0, 9 * DAY)
        elif fate < 0.0115:
            time += 365 * DAY
        if fate > 0.9975:
            yield rng.choice(
                [b"{broken", b"[]", b'{"prediction_id": "x"}', b'{"prediction_id": "x", "ts": "yesterday"}']
            )
        elif fate > 0.995:
            yield None
        else:
            yield value(rng, f"{partition}-{index}", time)


def value(rng: random.Random, name: str, time: int) -> bytes:
    """Return one prediction; some cells are missing, of the wrong type, out of range, or NaN."""
    amount: object = rng.gauss(0.0, 1.0)
    country: object = rng.choice(["DE", "US", "FR", "IT", "XX"])
    fate = rng.random()
    if fate < 0.03:
        amount = None
    elif fate < 0.05:
        amount = "12"
    elif fate < 0.06:
        amount = float("nan")
    elif fate < 0.07:
        country = rng.choice([None, 7, True, ["DE"]])
    features = {"amount": amount, "country": country, "age": rng.randrange(18, 90)}
    moment = datetime.fromtimestamp(time // 1_000_000, UTC).replace(microsecond=time % 1_000_000)
    row = {
        "prediction_id": name,
        "ts": moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "model_version": rng.choice(["1", "1", "2"]),
        "features": features,
        "score": rng.random(),
    }
    return json.dumps(row).encode()
