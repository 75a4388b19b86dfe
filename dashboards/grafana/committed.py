"""The dashboards as they are committed. Needs nothing but the files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent / "json"
TAG: Final = "driftline"
"""On every dashboard and annotation of ours."""


def committed() -> dict[str, dict[str, Any]]:
    """Return name → dashboard, in the order of the names."""
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("*.json"))}


def expressions(dashboard: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return (panel or annotation, expression, legend) of every query to Prometheus."""
    found = [
        (panel["title"], target["expr"], target.get("legendFormat", ""))
        for panel in dashboard.get("panels", ())
        for target in panel.get("targets", ())
    ]
    notes = dashboard.get("annotations", {}).get("list", ())
    return found + [(note["name"], note["expr"], note.get("textFormat", "")) for note in notes if "expr" in note]
