"""Incidents that a service has in its history, with what people said of them."""

from __future__ import annotations

from pathlib import Path

from monitor.config.root import Config
from monitor.evidence.incidents import Incident, incidents
from monitor.evidence.orders import Orders
from monitor.evidence.windows import EVIDENCE_WINDOWS
from monitor.history import History


def known_incidents(config: Config, model: str | None = None) -> list[Incident]:
    """Return the incidents in history, the newest first, with marks and events."""
    path = Path(config.state.path) / "history.sqlite"
    if not path.exists():
        return []
    history = History(path)
    try:
        results = history.alarmed(EVIDENCE_WINDOWS, model)
    finally:
        history.close()
    return incidents(results, Orders(Path(config.state.path)).after(0))
