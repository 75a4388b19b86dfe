"""Write the pictures of the docs from a service that runs: ``python -m tests.browser.pictures ADDRESS [FOLDER]``.

Made for the demo: run ``driftline demo --serve --port 9464``, and this when it has ended. Ages are told as of the last
row, since the demo plays weeks in minutes.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import httpx2

from tests.browser.chromium import Chromium, Tab
from tests.prometheus import find_tool

FOLDER: Final = Path(__file__).parents[2] / "docs/images"
_LARGEST: Final = 160_000
"""Bytes of one picture."""
_AFTER: Final = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Picture:
    """One picture: an address without the model, colours, and the size of the window."""

    name: str
    path: str
    dark: bool = False
    width: int = 1180
    height: int = 820
    query: tuple[tuple[str, str], ...] = ()
    of_model: bool = True


def pictures(column: str) -> list[Picture]:
    """Return all pictures; ``column`` is the one that is shown in full."""
    days = (("window", "day"), ("last", "4w"))
    return [
        Picture("overview", "/", of_model=False, height=560),
        Picture("model-dark", "/model", dark=True, query=days),
        Picture("model-light", "/model", query=days),
        Picture("column-light", "/feature", query=(*days, ("column", column)), height=1000),
        Picture("performance-light", "/performance", height=900),
        Picture("evidence-dark", "/evidence", dark=True, height=760),
        Picture("alerts-light", "/alerts", of_model=False, height=900),
        Picture("retraining-light", "/retraining", of_model=False, height=560),
        Picture("slices-dark", "/slices", dark=True, height=560),
        Picture("telephone", "/model", width=390, height=840, query=days),
    ]


def take(address: str, folder: Path) -> list[Path]:
    """Write every picture of the first model of a service; return the files."""
    row = httpx2.get(f"{address}/api/v1/overview").json()["overview"]["models"][0]
    column = next((moved["column"] for moved in row["worst"] if moved["detector"] in {"psi", "ks"}), "score")
    now = datetime.fromisoformat(row["last_prediction"]) + _AFTER
    with Chromium(find_tool("chromium", "chromium fonts-dejavu-core")) as browser, browser.tab() as tab:
        tab.call("Page.addScriptToEvaluateOnNewDocument", source=f"Date.now = () => {round(now.timestamp() * 1000)};")
        return [_take(tab, address, one, row["name"], folder) for one in pictures(column)]


def _take(tab: Tab, address: str, one: Picture, model: str, folder: Path) -> Path:
    query = urlencode([*([("model", model)] if one.of_model else []), *one.query])
    tab.look(width=one.width, height=one.height, dark=one.dark)
    tab.go(f"{address}{one.path}{f'?{query}' if query else ''}")
    tab.until("document.getElementById('live').innerText === 'live'")
    path = folder / f"{one.name}.png"
    tab.picture(path)
    assert path.stat().st_size <= _LARGEST, f"{path}: {path.stat().st_size:,} bytes"
    return path


if __name__ == "__main__":
    for file in take(sys.argv[1].rstrip("/"), Path(sys.argv[2]) if len(sys.argv) > 2 else FOLDER):
        sys.stdout.write(f"{file} {file.stat().st_size:,}\n")
