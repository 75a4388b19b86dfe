"""What each statistic of a vector is good for, what it misses and what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class VectorCard:
    """What a user must know to choose a statistic of vectors."""

    sees: str
    misses: str
    micros: int
    """Processor time of a window, in microseconds."""
    micros_a_row: float
    """Processor time of a vector of 384 numbers, in microseconds."""
    paper: str


CARDS: Final[dict[str, VectorCard]] = {
    "mmd": VectorCard(
        "any change of the cloud of vectors, of directions and clusters alike; the effect is about the square of the "
        "share of vectors that are of a new, far kind",
        "changes much finer than half of the median distance; which part moved: see the columns of the vector. The "
        "p-value is liberal below .01, and knows nothing of days that differ",
        70, 3,
        "Gretton and others (2012); Rahimi and Recht (2007)",
    ),
}  # fmt: skip
