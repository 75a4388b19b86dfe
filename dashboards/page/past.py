"""The past as the page needs it; the service hands in its history."""

from __future__ import annotations

from typing import Protocol

from monitor.findings import WindowResult
from monitor.sheets import Mark, Sheet
from monitor.views import EventView, IncidentView


class Past(Protocol):
    """Evaluated windows, and what people said of them.

    Every method may be called from any thread and may take some milliseconds.
    """

    def latest(self, model: str | None = None) -> list[WindowResult]:
        """Return the latest window of every model (or of one), version, slice and window length."""
        ...

    def sheets(
        self, model: str, version: str, window: str, first: int | None = None, last: int | None = None, *, limit: int,
        slice_: str = "",
    ) -> list[Sheet]:  # fmt: skip
        """Return the latest ``limit`` windows with ``first <= start < last``, in order: of all rows, or of a slice."""
        ...

    def marks(
        self, model: str, version: str, window: str, first: int | None = None, last: int | None = None, *, limit: int
    ) -> list[Mark]:
        """Return what ``sheets`` does, but only rows and the worst status of each window."""
        ...

    def incidents(self, model: str, *, limit: int) -> list[IncidentView]:
        """Return the newest incidents of evidence of a model, newest first."""
        ...

    def events(self, model: str | None = None) -> list[EventView]:
        """Return what people say happened to a model, or to all models; in the order of time."""
        ...

    def said(self) -> int:
        """Return a number that differs once people have said something new."""
        ...


class NoPast:
    """Nothing is known of the past, as before the state is open."""

    def latest(self, model: str | None = None) -> list[WindowResult]:
        """Return nothing."""
        del model
        return []

    def sheets(
        self, model: str, version: str, window: str, first: int | None = None, last: int | None = None, *, limit: int,
        slice_: str = "",
    ) -> list[Sheet]:  # fmt: skip
        """Return nothing."""
        del model, version, window, first, last, limit, slice_
        return []

    def marks(
        self, model: str, version: str, window: str, first: int | None = None, last: int | None = None, *, limit: int
    ) -> list[Mark]:
        """Return nothing."""
        del model, version, window, first, last, limit
        return []

    def incidents(self, model: str, *, limit: int) -> list[IncidentView]:
        """Return nothing."""
        del model, limit
        return []

    def events(self, model: str | None = None) -> list[EventView]:
        """Return nothing."""
        del model
        return []

    def said(self) -> int:
        """Return that nothing was said."""
        return 0
