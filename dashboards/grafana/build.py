"""Write the dashboards as JSON: ``python -m dashboards.grafana.build``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards.grafana.committed import FOLDER
from dashboards.grafana.feature import feature
from dashboards.grafana.model import model
from dashboards.grafana.overview import overview
from dashboards.grafana.pipeline import pipeline
from dashboards.grafana.slices import slices

BOARDS: Final[tuple[Callable[[], Dashboard], ...]] = (overview, model, feature, slices, pipeline)


def rendered() -> dict[str, str]:
    """Return file name → JSON of every dashboard, with numbered panels and no number of its own."""
    return {f"{make.__name__}.json": _text(make()) for make in BOARDS}


def write(folder: Path = FOLDER) -> None:
    """Write every dashboard."""
    folder.mkdir(exist_ok=True)
    for name, text in rendered().items():
        (folder / name).write_text(text, encoding="utf-8")


def _text(made: Dashboard) -> str:
    whole = made.build()
    for number, panel in enumerate(whole.panels or (), 1):
        panel.id_val = number
    return json.dumps(whole, cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write()
