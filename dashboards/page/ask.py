"""What is asked for: the query of a page's address, read strictly and written back."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlencode

from dashboards.figures import micros

_UNITS: Final = {"min": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000, "w": 604_800_000_000}
_SPAN: Final = re.compile(r"(\d{1,5})(min|h|d|w)")
_LONGEST: Final = 300


class BadQueryError(ValueError):
    """A query that makes no sense; the message says why."""


@dataclass(frozen=True, slots=True)
class Ask:
    """The parts of a query; names are as ``monitor.labels.label`` writes them."""

    model: str | None = None
    column: str | None = None
    version: str | None = None
    window: str | None = None
    detector: str | None = None
    from_: str | None = None
    to: str | None = None
    last: str | None = None
    """A span such as ``7d``, up to the latest window: a range that goes along."""
    find: str | None = None
    """Part of a column's name."""
    rows: str | None = None
    """``all`` for every column."""
    by: str | None = None
    """``lift``: slices by their lift; otherwise by status."""

    @classmethod
    def of(cls, pairs: Iterable[tuple[str, str]]) -> Ask:
        """Read a query.

        Raises
        ------
        BadQueryError
            On an unknown name, one that comes twice, a text that is too long, or a time that cannot be read.
        """
        known = {field.name.rstrip("_"): field.name for field in fields(cls)}
        found: dict[str, str] = {}
        for key, value in pairs:
            if key not in known:
                raise BadQueryError(f"{key[:50]!r} is not one of: {', '.join(known)}")
            if known[key] in found:
                raise BadQueryError(f"{key!r} is given twice")
            if len(value.encode("utf-8", "replace")) > _LONGEST:
                raise BadQueryError(f"{key!r} is longer than {_LONGEST} bytes")
            if value:
                found[known[key]] = value
        ask = cls(**found)
        first, last = ask.range(0)
        if ask.by not in {None, "lift"}:
            raise BadQueryError(f"by: {ask.by!r} is not one of: lift")
        if first is not None and last is not None and first >= last:
            raise BadQueryError("from must be before to")
        return ask

    def range(self, newest: int | None) -> tuple[int | None, int | None]:
        """Return the first time and the time after the last, in microseconds; ``None`` where there is no bound.

        Parameters
        ----------
        newest
            End of the latest window, from which ``last`` reaches back.
        """
        first, last = _time("from", self.from_), _time("to", self.to)
        if self.last is not None:
            if first is not None or last is not None:
                raise BadQueryError("give either last, or from and to")
            span = parse_span(self.last)
            first = None if newest is None else newest - span
        return first, last

    def query(self, **changes: str | None) -> str:
        """Return the query with some parts changed, ``?`` included; empty when nothing is left."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)} | changes
        found = {name.rstrip("_"): value for name, value in parts.items() if value is not None}
        return f"?{urlencode(found)}" if found else ""


def parse_span(text: str) -> int:
    """Return a span in microseconds.

    >>> parse_span("7d") == 7 * 86_400_000_000
    True
    """
    match = _SPAN.fullmatch(text)
    if match is None or not int(match[1]):
        raise BadQueryError(f"last: {text[:50]!r} is not a span such as 30min, 6h, 7d or 4w")
    return int(match[1]) * _UNITS[match[2]]


def _time(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise BadQueryError(f"{name}: {text[:50]!r} is not a time such as 2026-11-01T00:00Z") from None
    return micros(time.replace(tzinfo=UTC) if time.tzinfo is None else time)
