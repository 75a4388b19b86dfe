"""Reading evaluated windows, from any thread or process, also while the service writes them."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from monitor.findings import Finding, WindowResult
from monitor.findings_codec import DamagedFindingsError, decode_blocks, decode_findings, decode_one
from monitor.sheets import Mark, Sheet
from monitor.store.port import StateUnavailableError

log = structlog.get_logger(__name__)
_WAIT: Final = 10.0
_FILLED: Final = 100
"""Rows rarely come at the very end of a window: one whose last hundredth has none is whole."""
_COLUMNS: Final = 'model, version, slice, "window", start, "end", revision, n, findings'
_LATEST: Final = f"""
    SELECT {_COLUMNS} FROM windows JOIN (
        SELECT model, version, slice, "window", max(start) AS start FROM windows
        WHERE (?1 IS NULL OR model = ?1) AND (?2 IS NULL OR "end" - ("end" - start) / {_FILLED} <= ?2)
        GROUP BY model, version, slice, "window"
    ) USING (model, version, slice, "window", start)
    ORDER BY model, version, slice, "window"
"""  # noqa: S608 - only constants are put in
_RESULTS: Final = f"""
    SELECT {_COLUMNS} FROM windows
    WHERE (?1 IS NULL OR start >= ?1) AND (?2 IS NULL OR start < ?2) AND (?3 IS NULL OR model = ?3)
    ORDER BY start, "end", model, version, slice, "window"
"""  # noqa: S608 - only constants are put in
_SERIES: Final = """
    SELECT start, "end", revision, n, findings FROM windows
    WHERE model = ? AND version = ? AND slice = ? AND "window" = ? AND start >= ? AND start < ? ORDER BY start
"""
_SHEETS: Final = """
    SELECT start, "end", revision, n, findings FROM windows
    WHERE model = ? AND version = ? AND slice = ? AND "window" = ? AND start >= ? AND start < ?
    ORDER BY start DESC LIMIT ?
"""
_ALARMED: Final = f"""
    SELECT {_COLUMNS} FROM windows
    WHERE status = 'drift' AND "window" IN (SELECT value FROM json_each(?1)) AND (?2 IS NULL OR model = ?2)
    ORDER BY start DESC, "end", model, version, slice, "window" LIMIT ?3
"""  # noqa: S608 - only constants are put in
_MARKS: Final = """
    SELECT start, "end", n, status FROM windows
    WHERE model = ? AND version = ? AND slice = '' AND "window" = ? AND start >= ? AND start < ?
    ORDER BY start DESC LIMIT ?
"""
_FOREVER: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Point:
    """One window's finding within a series."""

    start: int
    end: int
    revision: int
    n: int
    finding: Finding


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much the history holds."""

    windows: int
    bytes: int
    """On disk, with the write-ahead log."""
    first: int | None
    """Start of the earliest window, microseconds since the epoch; ``None`` when there is none."""
    last: int | None
    """End of the latest window."""


class HistoryReader:
    """What a history says. Every read opens a connection of its own, which cannot write."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.damaged = 0
        """Windows whose findings could not be read, each time one was asked for."""

    def latest(self, model: str | None = None, *, filled_by: int | None = None) -> list[WindowResult]:
        """Return the latest window of every model (or of one), version, slice and window length.

        Parameters
        ----------
        filled_by
            Leave out windows that rows up to this time do not fill, but for their last hundredth.
        """
        with self._reading() as reader:
            return list(self._decoded(reader.execute(_LATEST, (model, filled_by))))

    def results(
        self, first: int | None = None, last: int | None = None, model: str | None = None
    ) -> Iterator[WindowResult]:
        """Yield windows with ``first <= start < last``, by start, end, model, version, slice and name."""
        with self._reading() as reader:
            yield from self._decoded(reader.execute(_RESULTS, (first, last, model)))

    def series(
        self,
        model: str,
        version: str,
        column: str,
        detector: str,
        window: str,
        first: int | None = None,
        last: int | None = None,
        slice_: str = "",
    ) -> list[Point]:
        """Return one column's findings by one detector over the windows with ``first <= start < last``, in order."""
        start = -_FOREVER if first is None else first
        stop = _FOREVER if last is None else last
        points: list[Point] = []
        with self._reading() as reader:
            for begin, end, revision, n, data in reader.execute(_SERIES, (model, version, slice_, window, start, stop)):
                try:
                    finding = decode_one(data, column, detector)
                except DamagedFindingsError as error:
                    self._note_damage((model, version, slice_, window, begin), error)
                    continue
                if finding is not None:
                    points.append(Point(begin, end, revision, n, finding))
        return points

    def alarmed(
        self, windows: Collection[str], model: str | None = None, *, limit: int | None = None
    ) -> list[WindowResult]:
        """Return the newest windows of these names in which something was in drift, newest first; all by default."""
        with self._reading() as reader:
            rows = reader.execute(_ALARMED, (json.dumps(sorted(windows)), model, -1 if limit is None else limit))
            return list(self._decoded(rows))

    def sheets(
        self,
        model: str,
        version: str,
        window: str,
        first: int | None = None,
        last: int | None = None,
        *,
        limit: int,
        slice_: str = "",
    ) -> list[Sheet]:
        """Return the latest ``limit`` windows with ``first <= start < last``, in order: of all rows, or of a slice."""
        found: list[Sheet] = []
        span = (-_FOREVER if first is None else first, _FOREVER if last is None else last)
        with self._reading() as reader:
            for start, end, revision, n, data in reader.execute(
                _SHEETS, (model, version, slice_, window, *span, limit)
            ):
                try:
                    found.append(Sheet(start, end, revision, n, decode_blocks(data)))
                except DamagedFindingsError as error:
                    self._note_damage((model, version, "", window, start), error)
        return found[::-1]

    def marks(
        self, model: str, version: str, window: str, first: int | None = None, last: int | None = None, *, limit: int
    ) -> list[Mark]:
        """Return what ``sheets`` does, but only rows and the worst status of each window."""
        span = (-_FOREVER if first is None else first, _FOREVER if last is None else last)
        with self._reading() as reader:
            return [Mark(*row) for row in reader.execute(_MARKS, (model, version, window, *span, limit))][::-1]

    def sizes(self) -> Sizes:
        """Return how much there is."""
        with self._reading() as reader:
            count, first, last = reader.execute('SELECT count(*), min(start), max("end") FROM windows').fetchone()
        files = [self.path, self.path.with_name(f"{self.path.name}-wal")]
        return Sizes(count, sum(file.stat().st_size for file in files if file.exists()), first, last)

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(
                sqlite3.connect(
                    f"{self.path.absolute().as_uri()}?mode=ro", uri=True, timeout=_WAIT, check_same_thread=False
                )
            ) as connection:
                yield connection
        except sqlite3.DatabaseError as error:
            raise StateUnavailableError(f"{self.path}: {error}") from error

    def _decoded(self, rows: Iterable[tuple[Any, ...]]) -> Iterator[WindowResult]:
        for model, version, slice_, window, start, end, revision, n, data in rows:
            try:
                findings = decode_findings(data)
            except DamagedFindingsError as error:
                self._note_damage((model, version, slice_, window, start), error)
                continue
            yield WindowResult(model, version, slice_, window, start, end, revision, n, findings)

    def _note_damage(self, window: tuple[Any, ...], error: DamagedFindingsError) -> None:
        self.damaged += 1
        log.warning("a window of the history is damaged and left out", window=window, problem=str(error))
