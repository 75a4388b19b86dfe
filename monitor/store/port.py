"""The port to the state: bytes by key, one atomic write at a time, generations to fall back to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

SCHEMA = 1
"""Version of the layout of the state that this software writes."""


class StateError(Exception):
    """Something is wrong with the state. Its text is meant for the operator."""


class StateUnavailableError(StateError):
    """The state cannot be read or written now: disk full, no permission, closed. What was written before is safe."""


class StateLockedError(StateUnavailableError):
    """Another process has the state open."""

    def __init__(self, path: object, pid: int | None) -> None:
        holder = "another process" if pid is None else f"process {pid}"
        super().__init__(f"{path} is in use by {holder}; one process at a time may write a state")
        self.pid = pid
        """The holder, ``None`` when it has not said."""


class StateVersionError(StateError):
    """A newer version of the software wrote the state."""

    def __init__(self, path: object, found: int, known: int = SCHEMA) -> None:
        super().__init__(
            f"{path} has schema {found}, this version of driftline reads up to {known}; "
            "run the version that wrote it, or point state.path at an empty directory"
        )
        self.found = found


class CorruptStateError(StateError):
    """Stored bytes are not what was written. Nothing that was read since may be trusted; open the state again.

    Opening it again falls back to the newest generation that is intact.
    """

    def __init__(self, key: bytes | None, problem: str) -> None:
        super().__init__(problem if key is None else f"key {key.hex()}: {problem}")
        self.key = key
        """The damaged key, ``None`` when the damage is not in one value."""


@dataclass(frozen=True, slots=True)
class Generation:
    """A complete earlier state that recovery can fall back to."""

    number: int
    taken_at: int
    """Wall clock, microseconds since the epoch."""
    commit: int
    """Number of the last write that it holds."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What happened when a damaged state was opened.

    The offsets to read on from are those within the generation; they lie before what the damaged state had reached.
    What was published since is published again unless the caller holds it back.
    """

    reason: str
    generation: Generation
    reached: int | None
    """Number of the last write of the damaged state; ``None`` when that is lost too."""
    kept: str | None
    """Where the damaged state was put aside, ``None`` when there was nothing left of it."""


class StateReader(Protocol):
    """Reads the state. Every read checks the checksum of what it returns."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key, ``None`` when there is none.

        Raises
        ------
        CorruptStateError
            When the stored bytes are damaged.
        """
        ...

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of many keys, in their order; raises as ``get``."""
        ...

    def scan(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values under a prefix, in the order of the keys, as they are at the first ``next``.

        Raises
        ------
        CorruptStateError
            When the stored bytes are damaged; a scan never ends early without saying so.
        """
        ...


class StateStore(StateReader, Protocol):
    """Reads and writes the state. One thread owns it.

    Keys that begin with ``!`` are the store's own: they can be neither read, scanned nor written from outside.
    """

    def write(self, puts: Mapping[bytes, bytes], deletes: Iterable[bytes], *, sync: bool) -> None:
        """Write all or nothing; a key in both is put.

        Parameters
        ----------
        sync
            Return only once the write, and all before it, would survive a power cut. Of writes after the last such one
            a power cut, or damage to the log, may take the latest.

        Raises
        ------
        StateUnavailableError
            When it cannot be written. What was written before stays readable, and the next call tries afresh.
        """
        ...

    def snapshot(self) -> Generation:
        """Keep the state as it is now as a new generation and drop the oldest beyond those to keep.

        Raises
        ------
        StateUnavailableError
            When it cannot be kept; earlier generations stay.
        """
        ...

    def generation(self) -> int:
        """Return the number of the newest generation, 0 before the first."""
        ...

    def commit(self) -> int:
        """Return the number of the last write; it is lower than before when the state went back to a generation."""
        ...

    @property
    def directory(self) -> Path | None:
        """Where files stand that must outlive damage to the state, ``None`` when nothing outlives the process."""
        ...

    def close(self) -> None:
        """Let go of files and lock; calling it twice does no harm."""
        ...
