"""Complete earlier states, each a RocksDB checkpoint in a directory of its own."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from monitor.store import head
from monitor.store.engine import Engine
from monitor.store.files import remove, sync_directory, sync_files
from monitor.store.port import Generation, StateUnavailableError

NAME: Final = "generations"
_NEW: Final = ".new"


class Generations:
    """The generations beneath a state directory; the newest ``keep`` stay."""

    def __init__(self, path: Path, keep: int) -> None:
        self.root = path / NAME
        self.keep = keep

    def path(self, number: int) -> Path:
        """Return the directory of a generation."""
        return self.root / f"{number:06d}"

    def numbers(self) -> list[int]:
        """Return the numbers of all generations there are, intact or not, oldest first."""
        if not self.root.is_dir():
            return []
        return sorted(int(entry.name) for entry in self.root.iterdir() if entry.name.isdecimal())

    def describe(self, number: int) -> Generation | None:
        """Return what a generation says of itself, ``None`` when its head is damaged."""
        mark = head.read_mark(self.path(number))
        return None if mark is None else Generation(number, mark.time, mark.commit)

    def take(self, engine: Engine, commit: int) -> Generation:
        """Keep the database as it is now, as the newest generation.

        Raises
        ------
        StateError
            When it cannot be kept; earlier ones stay.
        """
        number = max(self.numbers(), default=0) + 1
        fresh = self.root / _NEW
        try:
            self.root.mkdir(exist_ok=True)
            shutil.rmtree(fresh, ignore_errors=True)
            engine.checkpoint(fresh)
            head.Head.create(fresh, commit)
            sync_files(fresh)
            fresh.rename(self.path(number))
            sync_directory(self.root)
        except OSError as error:
            raise StateUnavailableError(f"generation {number} cannot be kept: {error.strerror}") from error
        generation = self.describe(number)
        if generation is None:
            raise StateUnavailableError(f"generation {number} cannot be read back")
        self.prune()
        return generation

    def prune(self) -> None:
        """Remove the oldest generations beyond those to keep."""
        for number in self.numbers()[: -self.keep]:
            remove(self.path(number))

    def sweep(self) -> None:
        """Remove what a crash left half made or half removed."""
        if self.root.is_dir():
            for entry in self.root.iterdir():
                if entry.name.startswith("."):
                    shutil.rmtree(entry)
