"""Evidence of drift of one column: its shape and each of its rates."""

from __future__ import annotations

from dashboards.html import Html
from dashboards.page import gathered
from dashboards.page.distribution import column_of
from dashboards.page.gathered import Gathered
from dashboards.page.parts import card, nothing
from dashboards.page.scene import Scene
from monitor.labels import label


def read(scene: Scene) -> Gathered | None:
    """Return the monitors of the column that is asked for, ``None`` where it has none."""
    column = label(column_of(scene))
    found = gathered.gathered(scene, lambda monitor: monitor == column or monitor.startswith(f"{column}."))
    return found if found is not None and found.monitors else None


def show(found: Gathered, scene: Scene) -> Html:
    """Return the same card as for all monitors, of this column alone."""
    shown = gathered.drawn(found, scene, "gathered")
    if shown is None:
        return card("Evidence", nothing("Its monitors are shown, not judged."), id_="gathered")
    return gathered.show(found, scene)
