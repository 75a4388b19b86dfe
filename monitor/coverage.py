"""Since when and until when all rows of a model are counted: windows beyond that hold only some of theirs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from monitor.events import IntArray

_FIRST: Final = 16
"""Rows that tell where in event time reading began; so many outvote a late one among them."""


@dataclass(slots=True)
class Coverage:
    """Where in event time one partition's log was when its first rows were read, for each model."""

    first: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Model → how many of the first rows were seen, and their greatest time."""

    def note(self, model: str, times: IntArray) -> None:
        """Take in accepted rows in the order of the log."""
        rows, greatest = self.first.get(model, (0, 0))
        if rows >= _FIRST or not len(times):
            return
        taken = times[: _FIRST - rows]
        latest = int(taken.max())
        self.first[model] = (rows + len(taken), max(greatest, latest) if rows else latest)

    def since(self, model: str) -> int | None:
        """Return the event time from which on all rows are counted, ``None`` while too few rows were seen."""
        rows, greatest = self.first.get(model, (0, 0))
        return greatest if rows >= _FIRST else None

    def state(self) -> dict[str, list[int]]:
        """Return plain values for the store."""
        return {model: list(seen) for model, seen in self.first.items()}

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Coverage:
        """Return what ``state`` took apart."""
        return cls({model: (rows, greatest) for model, (rows, greatest) in state.items()})


class _Covered(Protocol):
    @property
    def coverage(self) -> Coverage: ...


def covered_since(model: str, partitions: Iterable[_Covered]) -> int | None:
    """Return the event time from which on the rows of a model are counted in all partitions.

    It is that of the partition whose log began first: one that has rows but seldom does not put it off.
    """
    known = (partition.coverage.since(model) for partition in partitions)
    return min((since for since in known if since is not None), default=None)
