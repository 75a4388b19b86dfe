"""What the detectors have in common: what one remembers of a stream, what it reports, and the contract of a step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import Final, Literal, Protocol, TypeAlias

Level: TypeAlias = Literal["warning", "drift"]
Field: TypeAlias = Literal["count", "share", "flag", "size", "real", "bound"]
"""What a number may be: whole and not negative, between 0 and 1, 0 or 1, finite and not negative, finite, anything."""

_MOST_ROWS: Final = 2.0**53


class CorruptStateError(ValueError):
    """Bytes or numbers that no detector of this kind and these parameters can have left."""


@dataclass(frozen=True, slots=True)
class Memory:
    """All that a detector remembers of one stream, as plain numbers."""

    numbers: tuple[float, ...]
    """One for each of the kernel's ``fields``; whole numbers are exact up to 2**53."""
    window: bytes = b""
    """Single values or buckets, as the kernel lays them out; empty for most kinds."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change in one stream.

    ``before`` and ``after`` are means of the values on either side of where the detector puts the change: rates of
    errors for bits, mean losses otherwise.
    """

    place: int
    """Index of the value that raised the alarm, within what the step was given."""
    level: Level
    direction: int
    """1 when errors or losses rise, -1 when they fall, 0 when their mean is the same."""
    before: float
    after: float
    width: int
    """How many values, the last one included, ``after`` rests on; the change began about so many values ago."""


class Kernel(Protocol):
    """The recursion of one kind of detector with fixed parameters.

    ``run`` is a pure function. Cutting the values into other pieces changes neither the changes nor the last memory,
    to the bit. After a drift the memory is that of a new stream; a warning changes nothing, and is reported when the
    warning zone is entered.
    """

    @property
    def fields(self) -> Mapping[str, Field]:
        """Names of the numbers in the memory, and what each may be."""
        ...

    @property
    def largest_window(self) -> int:
        """Most bytes that the window of a memory can have."""
        ...

    def initial(self) -> Memory:
        """Return the memory of a stream that has not begun."""
        ...

    def run(self, memory: Memory, values: list[float]) -> tuple[Memory, list[Change]]:
        """Feed finite values in their order; return the memory after them and the changes found."""
        ...

    def makes_sense(self, memory: Memory) -> bool:
        """Return whether numbers, each allowed by itself, and window fit together."""
        ...


def check(kernel: Kernel, memory: Memory) -> None:
    """Make sure that ``run`` can go on from a memory.

    Raises
    ------
    CorruptStateError
        When the kernel cannot have left it.
    """
    if len(memory.numbers) != len(kernel.fields):
        raise CorruptStateError(f"a memory of {len(memory.numbers)} numbers, not {len(kernel.fields)}")
    for (name, field), number in zip(kernel.fields.items(), memory.numbers, strict=True):
        if not _allowed(field, number):
            raise CorruptStateError(f"{name} cannot be {number}")
    if len(memory.window) > kernel.largest_window or not kernel.makes_sense(memory):
        raise CorruptStateError("the parts of a memory do not fit together")


def _allowed(field: Field, number: float) -> bool:
    if field == "bound":
        return isfinite(number) or abs(number) == inf
    if not isfinite(number):
        return False
    if field == "count":
        return 0 <= number <= _MOST_ROWS and number == int(number)
    if field == "flag":
        return number in {0, 1}
    return field == "real" or (number >= 0 and (field == "size" or number <= 1))
