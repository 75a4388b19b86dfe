"""What hands out rows for a reference, as often as asked, in the same order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Protocol, TypeAlias

from monitor.events import Batch

Report: TypeAlias = Callable[[int], None]
"""Is told how much of ``size`` was read."""


def silent(done: int) -> None:
    """Ignore progress."""


class UnreadableRowsError(Exception):
    """The rows cannot be read. The text says what was read, what is wrong and what to do."""

    def __init__(self, what: str | Path, problem: str, remedy: str) -> None:
        super().__init__(f"{what}: {problem}; {remedy}")


class Rows(Protocol):
    """Rows of one model from a file or a window of a topic."""

    @property
    def description(self) -> str:
        """Where the rows come from, for people."""
        ...

    @property
    def timed(self) -> bool:
        """Whether the rows carry times."""
        ...

    @property
    def size(self) -> int:
        """How much there is to read, in the unit of ``Report``."""
        ...

    @property
    def rejected(self) -> Counter[str]:
        """Reason → rows left out by the last reading."""
        ...

    def notes(self) -> list[str]:
        """Return what a reader of the reference should know about these rows."""
        ...

    def guesses(self) -> list[str]:
        """Return what was assumed to understand the rows, for whoever has them read."""
        ...

    def close(self) -> None:
        """Close what is open; nothing can be read then."""
        ...

    def batches(self, report: Report = silent) -> Iterator[Batch]:
        """Read all rows from the beginning.

        Raises
        ------
        UnreadableRowsError
            When the file or topic cannot be read to its end.
        """
        ...


def rejected_note(rejected: Mapping[str, int]) -> list[str]:
    """Return a note on rows that were left out, none if there are none.

    >>> rejected_note({"bad_time": 2, "missing_id": 1})
    ['3 rows were left out: 2 bad_time, 1 missing_id']
    """
    if not rejected:
        return []
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in sorted(rejected.items()))
    return [f"{sum(rejected.values()):,} rows were left out: {reasons}"]


def listed(names: list[str], most: int = 12) -> str:
    """Return names as a text, the first few of many.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
