"""Opening a database with every check there is, and falling back to a generation when one fails."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from monitor.store import ring
from monitor.store.engine import Engine
from monitor.store.files import link_tables, remove, sync_directory
from monitor.store.generations import Generations
from monitor.store.head import Head, read_mark
from monitor.store.port import SCHEMA, CorruptStateError, Generation, Recovery, StateVersionError

log = structlog.get_logger(__name__)
LIVE: Final = "live"
DAMAGED: Final = "damaged"
_FRESH: Final = ".live.new"
_MARKER: Final = "driftline.damaged"


@dataclass(slots=True)
class Opened:
    """A database that passed the checks of opening."""

    engine: Engine
    head: Head
    commit: int
    """Number of its last write."""

    def close(self) -> None:
        """Let go of its files."""
        self.head.close()
        self.engine.close()


def begin(path: Path) -> None:
    """Make an empty state beneath ``path``; it appears whole or not at all."""
    fresh = path / _FRESH
    engine = Engine(fresh, create=True)
    try:
        key, value = ring.slot(1)
        engine.write({ring.SCHEMA_KEY: SCHEMA.to_bytes(4, "big"), key: value}, (), sync=True)
    finally:
        engine.close()
    Head.create(fresh, 1)
    fresh.rename(path / LIVE)
    sync_directory(path)


def open_checked(directory: Path) -> Opened:
    """Open a database to read and write.

    Raises
    ------
    CorruptStateError
        When it is damaged, or was found damaged earlier, or writes are missing from its end or middle.
    StateVersionError
        When a newer version of the software wrote it.
    StateUnavailableError
        When it cannot be opened for want of space or permission.
    """
    marker = directory / _MARKER
    if marker.exists():
        raise CorruptStateError(None, marker.read_text(encoding="utf-8", errors="replace") or "found damaged earlier")
    if not directory.is_dir():
        raise CorruptStateError(None, f"{directory} is missing")
    head = Head.open(directory)
    try:
        engine = Engine(directory)
        try:
            return Opened(engine, head, checked_commit(engine, head, directory))
        except BaseException:
            engine.close()
            raise
    except BaseException:
        head.close()
        raise


def checked_commit(engine: Engine, head: Head, directory: Path) -> int:
    """Return the number of the last write of an open database; raises as ``open_checked``."""
    stored = engine.get(ring.SCHEMA_KEY)
    if stored is None:
        raise CorruptStateError(None, f"{directory} has no schema version")
    schema = int.from_bytes(stored, "big")
    if schema > SCHEMA:
        raise StateVersionError(directory, schema)
    commit = ring.last_commit(engine)
    if commit < head.mark.commit:
        raise CorruptStateError(None, f"the last {head.mark.commit - commit} durable writes are missing")
    return commit


def verify(engine: Engine) -> int:
    """Read every key and check every checksum; return the number of keys.

    Raises
    ------
    CorruptStateError
        At the first damage.
    """
    return sum(1 for _ in engine.scan(b""))


def mark_damaged(path: Path, error: CorruptStateError) -> None:
    """Have the next opening fall back rather than trust the live state again."""
    try:
        (path / LIVE / _MARKER).write_text(f"{error}", encoding="utf-8")
    except OSError as problem:
        log.critical("the damaged state cannot be marked as such", problem=str(problem), damage=str(error))


def fall_back(path: Path, generations: Generations, error: CorruptStateError) -> Recovery:
    """Put the damaged state aside and the newest intact generation in its place.

    A generation counts as intact once all of it has been read. Until that is so, nothing is moved. Of damaged states
    only the last is kept, in ``damaged/``; damaged generations are removed.

    Raises
    ------
    CorruptStateError
        When no generation is intact; the state is left as it is.
    """
    log.error("the state is damaged", path=str(path), problem=str(error))
    generation = _restore(path, generations)
    if generation is None:
        raise CorruptStateError(
            error.key,
            f"{error} No generation of {path} is intact. Put a backup in its place, or move it away to start afresh.",
        ) from error
    reached = read_mark(path / LIVE)
    kept = _put_aside(path)
    (path / _FRESH).rename(path / LIVE)
    sync_directory(path)
    for number in generations.numbers():
        if number > generation.number:
            remove(generations.path(number))
    recovery = Recovery(str(error), generation, None if reached is None else reached.commit, kept)
    log.error(
        "the state fell back to an earlier generation; records since then are read again",
        generation=generation.number,
        taken_at=generation.taken_at,
        writes_lost=None if reached is None else reached.commit - generation.commit,
        kept=recovery.kept,
    )
    return recovery


def _put_aside(path: Path) -> str | None:
    if not (path / LIVE).exists():
        return None
    kept = path / DAMAGED / f"{time.time_ns() // 1000}"
    remove(path / DAMAGED)
    kept.parent.mkdir()
    (path / LIVE).rename(kept)
    return str(kept)


def _restore(path: Path, generations: Generations) -> Generation | None:
    """Make a copy of the newest intact generation, ready to become the live state."""
    fresh = path / _FRESH
    for number in reversed(generations.numbers()):
        remove(fresh)
        generation = generations.describe(number)
        if generation is None:
            log.error("a generation is damaged", generation=number, problem="its head is missing or damaged")
            continue
        link_tables(generations.path(number), fresh)
        try:
            with closing(open_checked(fresh)) as opened:
                verify(opened.engine)
        except CorruptStateError as error:
            log.critical("a generation is damaged", generation=number, problem=str(error))
            continue
        return generation
    remove(fresh)
    return None


def sweep(path: Path) -> None:
    """Remove what a crash left half made."""
    remove(path / _FRESH)
