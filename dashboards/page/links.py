"""Where things are: addresses of the page, or anchors within a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from dashboards.page.ask import Ask
from monitor.labels import label


class Links(Protocol):
    """Addresses of views; ``None`` where a view does not exist."""

    def model(self, model: str, version: str | None = None, window: str | None = None) -> str | None:
        """Return the address of a model."""
        ...

    def column(self, model: str, column: str, version: str | None = None, window: str | None = None) -> str | None:
        """Return the address of a column of a model."""
        ...

    def labels(self, model: str, version: str | None = None) -> str | None:
        """Return the address of what labels say of a model."""
        ...

    def alerts(self) -> str | None:
        """Return the address of the alerts."""
        ...

    def here(self, ask: Ask, **changes: str | None) -> str | None:
        """Return the address of the same view, asked for differently."""
        ...


@dataclass(frozen=True, slots=True)
class PageLinks:
    """Addresses under the service's port; the time range goes along."""

    path: str
    ask: Ask

    def model(self, model: str, version: str | None = None, window: str | None = None) -> str:
        """Return the address of a model."""
        return f"/model{self._ask(model, version, window).query()}"

    def column(self, model: str, column: str, version: str | None = None, window: str | None = None) -> str:
        """Return the address of a column of a model."""
        return f"/feature{self._ask(model, version, window).query(column=label(column))}"

    def labels(self, model: str, version: str | None = None) -> str:
        """Return the address of what labels say of a model."""
        return f"/performance{self._ask(model, version, None).query()}"

    def alerts(self) -> str:
        """Return the address of the alerts."""
        return "/alerts"

    def here(self, ask: Ask, **changes: str | None) -> str:
        """Return the address of the same view, asked for differently."""
        return f"{self.path}{ask.query(**changes)}"

    def _ask(self, model: str, version: str | None, window: str | None) -> Ask:
        same = Ask(from_=self.ask.from_, to=self.ask.to, last=self.ask.last)
        return Ask(
            model=label(model), version=None if version is None else label(version),
            window=None if window is None else label(window), from_=same.from_, to=same.to, last=same.last,
        )  # fmt: skip
