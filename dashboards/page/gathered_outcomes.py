"""Evidence that rests on labels: each prediction once, at the age at which it was judged."""

from __future__ import annotations

from typing import Final

from dashboards.html import Html, join
from dashboards.page import gathered
from dashboards.page.gathered import Gathered
from dashboards.page.parts import card, more
from dashboards.page.scene import Scene

WINDOW: Final = "evidence:outcomes"
"""Name of the windows in which it is gathered."""
_AT_ONCE: Final = 15


def read(scene: Scene) -> Gathered | None:
    """Return all monitors of outcomes, the nearest to their thresholds first; ``None`` without such windows."""
    return gathered.gathered(scene, lambda _: True, WINDOW)


def show(found: Gathered, scene: Scene) -> Html:
    """Return the chart and the table."""
    first, others = found.monitors[:_AT_ONCE], found.monitors[_AT_ONCE:]
    hidden = more(f"{len(others)} more", gathered.monitors_table(others)) if others else None
    note = "Natural logarithm, as above, of predictions that are old enough to be judged."
    body = join(gathered.drawn(found, scene, "gathered-outcomes"), gathered.monitors_table(first), hidden)
    return card("Evidence of outcomes", body, id_="gathered-outcomes", note=note)
