"""The operating threshold: which scores the model's user acts on."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from monitor.events import FloatArray

BoolArray: TypeAlias = NDArray[np.bool_]
Comparison: TypeAlias = Literal[">=", ">", "<=", "<"]

_FORM: Final = re.compile(r"\s*score\s*(>=|>|<=|<)\s*([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?)\s*")
_COMPARE: Final[dict[str, Callable[[FloatArray, float], BoolArray]]] = {
    ">=": operator.ge, ">": operator.gt, "<=": operator.le, "<": operator.lt,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Decision:
    """Rows are flagged whose score compares so with the threshold.

    Examples
    --------
    >>> import numpy as np
    >>> Decision.parse("score >= 0.92").flagged(np.array([0.91, 0.92, np.nan]))
    array([False,  True, False])
    """

    op: Comparison
    threshold: float

    @classmethod
    def parse(cls, text: str) -> Decision:
        """Read a decision such as ``score >= 0.92``.

        Raises
        ------
        ValueError
            When the text has another form or the number is not finite.
        """
        found = _FORM.fullmatch(text)
        if found is None or not math.isfinite(float(found[2])):
            raise ValueError("not a decision; write score, one of >= > < <=, and a number, such as: score >= 0.92")
        return cls(cast("Comparison", found[1]), float(found[2]))

    def __str__(self) -> str:
        return f"score {self.op} {self.threshold:g}"

    def flagged(self, scores: FloatArray) -> BoolArray:
        """Return which of ``n`` scores are flagged; a missing score (NaN) never is."""
        return _COMPARE[self.op](scores, self.threshold)
