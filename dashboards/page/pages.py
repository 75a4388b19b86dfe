"""Which sections make up which page. A new section is a module with ``read`` and ``show``, and a line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final

from dashboards.html import Html, join, name, tag
from dashboards.page import (
    alert_timeline,
    alerts,
    concepts,
    confused,
    correctness,
    course,
    delivery,
    distribution,
    duel,
    events,
    found,
    frame,
    gathered,
    gathered_column,
    gathered_outcomes,
    health,
    heat,
    incidents,
    judged,
    judged_in_slices,
    judged_slices,
    lateness,
    moved,
    overview,
    promises,
    reliability,
    restated,
    retraining,
    silences,
    slices,
    summary,
    verdict,
    versions,
)
from dashboards.page.parts import card, choices, link, nothing
from dashboards.page.scene import Scene
from monitor.labels import label


@dataclass(frozen=True, slots=True)
class Page:
    """One page: its name in the API and its sections in their order."""

    name: str
    title: str
    sections: tuple[ModuleType, ...]
    of_model: bool = False
    has: Callable[[Scene], bool] | None = None
    """Whether there is anything on it; without it nothing leads there."""
    charts: bool = False

    def read(self, scene: Scene) -> dict[str, Any]:
        """Return what every section shows, as plain data; a section without data is ``None``."""
        return {section.__name__.rsplit(".", 1)[1]: section.read(scene) for section in self.sections}

    def show(self, scene: Scene, path: str) -> bytes:
        """Return the page."""
        shown = [html for section in self.sections if (html := _shown(section, scene)) is not None]
        if not shown:
            shown.append(card(None, nothing("There is nothing to show here yet."), id_="nothing"))
        title = label(scene.model.name) if self.of_model else self.title
        return frame.document(
            title, self._place(scene, path), shown, path=path if not self.of_model else "", charts=self.charts
        )

    def _place(self, scene: Scene, path: str) -> Html:
        if not self.of_model:
            return frame.place(self.title)
        model = scene.model.name
        crumbs = [tag("a", "Models", href="/")]
        if path == FEATURE:
            crumbs.append(link(scene.links.model(model, scene.ask.version, scene.ask.window), name(model)))
            return frame.place(name(scene.ask.column or ""), crumbs, choices(scene))
        owner = tag("span", name(scene.model.owner), class_="chip") if scene.model.owner else None
        shown = [
            (page.title, f"{to}{scene.ask.query(rows=None, find=None, column=None)}", to == path)
            for to, page in PAGES.items()
            if page.of_model and to != FEATURE and (page.has is None or page.has(scene))
        ]
        return frame.place(
            join(name(model), owner), crumbs, frame.tabs(shown) if len(shown) > 1 else None, choices(scene)
        )


def _shown(section: ModuleType, scene: Scene) -> Html | None:
    read = section.read(scene)
    return None if read is None else section.show(read, scene)


def _has_slices(scene: Scene) -> bool:
    return slices.has(scene) or found.has(scene) or judged_in_slices.has(scene)


FEATURE: Final = "/feature"
PAGES: Final = {
    "/": Page("overview", "Models", (overview,)),
    "/model": Page("model", "Drift", (summary, moved, heat, events), of_model=True),
    FEATURE: Page("feature", "Column", (verdict, distribution, course, gathered_column), of_model=True, charts=True),
    "/performance": Page(
        "performance",
        "Performance",
        (correctness, restated, reliability, confused, judged_slices, concepts, lateness),
        of_model=True,
        has=judged.has,
        charts=True,
    ),
    "/challenger": Page("challenger", "Challenger", (duel,), of_model=True, has=duel.has, charts=True),
    "/slices": Page(
        "slices", "Slices", (found, judged_in_slices, slices, judged_slices), of_model=True, has=_has_slices
    ),
    "/versions": Page("versions", "Versions", (versions,), of_model=True, has=versions.has),
    "/evidence": Page(
        "evidence",
        "Evidence",
        (incidents, promises, gathered, gathered_outcomes),
        of_model=True,
        has=promises.has,
        charts=True,
    ),
    "/alerts": Page("alerts", "Alerts", (alerts, alert_timeline, silences, delivery)),
    "/retraining": Page("retraining", "Retraining", (retraining,)),
    "/pipeline": Page("pipeline", "Pipeline", (health,)),
}
"""Path → page. Under ``/api/v1/NAME`` the same is found as JSON."""
