"""How labels find their predictions: how many, how late, and what could not be joined."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dashboards.figures import count, delay, moment, share, when
from dashboards.html import Html, join, name, tag
from dashboards.page.parts import card, more, table, tiles
from dashboards.page.scene import Scene
from monitor.labels import label

_AGES: Final = 12


@dataclass(frozen=True, slots=True)
class Age:
    """Predictions of one age."""

    age_seconds: float
    predictions: int
    labelled: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Rows of one side that ended in one way."""

    side: str
    outcome: str
    rows: int


@dataclass(frozen=True, slots=True)
class Lateness:
    """The join of one model."""

    last_label: datetime | None
    watermark: datetime | None
    delays_seconds: dict[str, float]
    """Quantile → time from a prediction to its label."""
    coverage: list[Age]
    outcomes: list[Outcome]
    rejected: dict[str, int]


def read(scene: Scene) -> Lateness | None:
    """Return how the join is, ``None`` where no labels are read."""
    joined = scene.model.join
    if joined is None:
        return None
    return Lateness(
        moment(joined.last_label), moment(joined.watermark),
        {f"{quantile:g}": delay for quantile, delay in joined.delays.items()},
        [Age(age / 1e6, predictions, labelled) for age, predictions, labelled in joined.coverage],
        [Outcome(side, outcome, rows) for (side, outcome), rows in joined.rows.items() if rows]
        + [Outcome("prediction", outcome, rows) for outcome, rows in joined.entities.items() if rows],
        {label(reason): rows for reason, rows in joined.rejected.items() if rows},
    )  # fmt: skip


def _fewer(ages: list[Age]) -> list[Age]:
    """Return at most ``_AGES`` rows: neighbours together, the sums exact."""
    size = -(-len(ages) // _AGES) if ages else 1
    parts = [ages[place : place + size] for place in range(0, len(ages), size)]
    return [
        Age(part[-1].age_seconds, sum(one.predictions for one in part), sum(one.labelled for one in part))
        for part in parts
    ]


def show(found: Lateness, scene: Scene) -> Html:
    """Return tiles, coverage by age, and where every row went."""
    del scene
    half, most = found.delays_seconds.get("0.5"), found.delays_seconds.get("0.95")
    beside = None if most is None else f"19 in 20 within {delay(most)}"
    rows = {(one.side, one.outcome): one.rows for one in found.outcomes}
    head = tiles([
        ("Last label", when(found.last_label, age=True), None),
        ("Label delay", "–" if half is None else delay(half), beside or "half of them"),
        ("Joined", count(rows.get(("prediction", "joined"), 0)), "predictions with a label"),
        ("Waiting", count(rows.get(("prediction", "pending"), 0)), "predictions without one yet"),
        ("Worked off to", when(found.watermark), "join time"),
    ])  # fmt: skip
    ages = [
        (f"up to {delay(one.age_seconds)}", count(one.predictions), count(one.labelled),
         share(one.labelled / one.predictions if one.predictions else None))
        for one in _fewer(found.coverage)
    ]  # fmt: skip
    heads = ("Age of the prediction", "Predictions", "Labelled", "Share")
    by_age = table(heads, ages, caption="Labels by age of the prediction", numbers=(1, 2, 3)) if ages else None
    went = [(one.side, one.outcome.replace("_", " "), count(one.rows)) for one in found.outcomes]
    rejected = [(name(reason.replace("_", " ")), count(number)) for reason, number in found.rejected.items()]
    body = join(
        by_age,
        more("Where every row went", table(("Of", "What became of it", "Rows"), went, caption="Rows of the join",
                                           numbers=(2,))) if went else None,
        more("Labels that could not be used", table(("Reason", "Labels"), rejected, caption="Labels set aside",
                                                    numbers=(1,))) if rejected else None,
    )  # fmt: skip
    return join(
        tag("section", head, id="labels", aria_label="Labels"),
        card("How late labels come", body, id_="lateness", note="Of predictions that may still be joined."),
    )
