"""The past as the page needs it; the service hands in its history."""

from __future__ import annotations

from typing import Protocol

from monitor.findings import WindowResult
from monitor.sheets import Mark, Sheet


class Past(Protocol):
    """Evaluated windows. Every method may be called from any thread and may take some milliseconds."""

    def latest(self, model: str | None = None) -> list[WindowResult]:
        """Return the latest window of every model (or of one), version, slice and window length."""
        ...

    def sheets(
        self, model: str, version: str, window: str, first: int | None = None, last: int | None = None, *, limit: int
    ) -> list[Sheet]:
        """Return the latest ``limit`` windows of the whole population with ``first <= start < last``, in order."""
        ...

    def marks(
        self, model: str, version: str, window: str, first: int | None = None, last: int | None = None, *, limit: int
    ) -> list[Mark]:
        """Return what ``sheets`` does, but only rows and the worst status of each window."""
        ...


class NoPast:
    """Nothing is known of the past, as before the state is open."""

    def latest(self, model: str | None = None) -> list[WindowResult]:
        """Return nothing."""
        del model
        return []

    def sheets(
        self, model: str, version: str, window: str, first: int | None = None, last: int | None = None, *, limit: int
    ) -> list[Sheet]:
        """Return nothing."""
        del model, version, window, first, last, limit
        return []

    def marks(
        self, model: str, version: str, window: str, first: int | None = None, last: int | None = None, *, limit: int
    ) -> list[Mark]:
        """Return nothing."""
        del model, version, window, first, last, limit
        return []
