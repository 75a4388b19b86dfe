"""What a join is asked to do."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, TypeAlias

from monitor.events import DAY, MINUTE

OnDuplicate: TypeAlias = Literal["last_wins", "first_wins"]
MOST_LABELS: Final = 8
"""Labels of one id that are kept within a quarter of ``wait``."""
_FORMAT: Final = 1
_BUCKETS: Final = 256
_CELLS: Final = 64


@dataclass(frozen=True)
class Rules:
    """The settings of one model's join; times in microseconds.

    Raises
    ------
    ValueError
        When a value is out of range, or ``matures_after`` exceeds ``wait``.
    """

    wait: int = 14 * DAY
    """A label and a prediction join iff their join times are no further apart."""
    matures_after: int = 14 * DAY
    """Age at which a prediction is judged once and for all."""
    absent_means: float | None = None
    """The label of a prediction that has none when it is judged."""
    on_duplicate: OnDuplicate = "last_wins"
    max_pending: int = 5_000_000
    """Predictions, and as many labels, that may come within ``wait``; shared out evenly among the inputs."""
    inputs: int = 1
    """Input partitions a side."""
    sample: float = 1.0
    """Share of the ids that is kept, by hash."""
    source: str = ""
    """Names the topics and the id; another one starts the join afresh."""
    completed: bool = False
    """Whether pairs are also given out once, when the watermark passes the moment at which they first stood."""

    def __post_init__(self) -> None:
        if not self.wait > 0:
            raise ValueError(f"wait must be positive, not {self.wait}")
        if not 0 <= self.matures_after <= self.wait:
            raise ValueError(f"matures_after must lie between 0 and wait ({self.wait}), not {self.matures_after}")
        if not 0 < self.sample <= 1:
            raise ValueError(f"sample must lie above 0 and not above 1, not {self.sample}")
        if self.max_pending < self.inputs or self.inputs < 1:
            raise ValueError(f"{self.inputs} inputs cannot share {self.max_pending} pending rows")
        if self.on_duplicate not in ("last_wins", "first_wins"):
            raise ValueError(f"no such policy: {self.on_duplicate!r}")

    @cached_property
    def bucket(self) -> int:
        """Width of the buckets of time in which the join works off what is due."""
        return max(1, min(MINUTE, self.wait // _BUCKETS, (self.matures_after or self.wait) // 16))

    @cached_property
    def label_cell(self) -> int:
        """Width of the spans of time in which the labels of one id are bounded."""
        return max(1, self.wait // 4)

    @cached_property
    def cell(self) -> int:
        """Width of the spans of time by which rows are counted, for the bound on them and for coverage."""
        return max(1, self.wait // _CELLS)

    @cached_property
    def share(self) -> int:
        """Rows that one input may bring within ``wait``."""
        return self.max_pending // self.inputs

    @cached_property
    def identity(self) -> str:
        """Hash of all that what is stored depends on."""
        parts = (_FORMAT, self.source, self.wait, self.matures_after, self.on_duplicate, self.sample)
        return hashlib.blake2b(repr(parts).encode(), digest_size=8).hexdigest()
