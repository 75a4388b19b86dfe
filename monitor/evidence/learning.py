"""What sources share whose reference is learnt from the first hours that are final."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from monitor.events import IntArray
from monitor.evidence.learnt import Learnt
from monitor.evidence.readout import ROWS
from monitor.join.clock import NEVER
from monitor.model import Model


@dataclass(slots=True)
class Learning(ABC):
    """A source's reference while it is learnt, hour by hour, and after."""

    _learnt: Learnt | None = field(default=None, init=False)
    _final: int = field(default=NEVER, init=False)
    _scanned: int = field(default=NEVER, init=False)
    """Up to where no hour has rows."""
    _changed: bool = field(default=False, init=False)
    _named: tuple[Learnt, str] | None = field(default=None, init=False)
    """The identity of what was learnt, which does not change once learning is over."""

    @abstractmethod
    def _learnt_counts(self, learnt: Learnt) -> IntArray:
        """Return the counts that were learnt."""

    def basis(self, model: Model) -> str | None:  # noqa: ARG002
        """Return the identity of what was learnt."""
        learnt = self._learnt
        if learnt is None or learnt.end is None:
            return None
        if self._named is None or self._named[0] is not learnt:
            digest = hashlib.blake2b(self._learnt_counts(learnt).tobytes(), digest_size=8).hexdigest()
            self._named = learnt, f"{learnt.identity} {learnt.begin} {digest}"
        return self._named[1]

    def begin(self, model: Model) -> int | None:  # noqa: ARG002
        """Return where learning ended."""
        return None if self._learnt is None else self._learnt.end

    def newest(self, model: Model) -> int:  # noqa: ARG002
        """Return a moment of the last learnt day."""
        return 0 if self._learnt is None or self._learnt.end is None else self._learnt.end - 1

    @property
    def read(self) -> int | None:
        """Where the first hour begins that must be kept for learning, ``None`` once it is over."""
        if self._learnt is None:
            return self._final
        return None if self._learnt.end is not None else self._final if self._learnt.at is None else self._learnt.at

    def rows_by_hour(self, model: Model) -> IntArray | None:  # noqa: ARG002
        """Return the judged rows of each learnt hour."""
        return None if self._learnt is None else self._learnt.table[:, ROWS]
