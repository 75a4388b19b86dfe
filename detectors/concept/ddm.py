"""DDM: the error rate rises above its own minimum by some standard deviations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, sqrt
from typing import ClassVar

from detectors.concept.kernel import Change, Field, Memory


@dataclass(frozen=True, slots=True)
class DDM:
    """Drift Detection Method on errors (1) and successes (0), one-sided, guarded against its early alarm.

    With the error rate p of the rows so far and s = √(p(1-p)/n), the least p + s is kept with its p and s. A warning
    is p + s > p_min + ``warning_threshold``·s_min, a drift the same with ``drift_threshold``.

    River keeps a minimum from row ``warm_start`` + 1 on. Rows without an error then give p_min = s_min = 0, and the
    next error alone is a drift. Here the minimum waits for as many *errors* as ``warm_start``, too, and for one at
    least. From there on the arithmetic is River's to the bit. ``before`` is the error rate up to the minimum, ``after``
    that since.

    References
    ----------
    Gama, Medas, Castillo, Rodrigues (2004), "Learning with Drift Detection", SBIA, section 3.
    """

    warm_start: int = 30
    warning_threshold: float = 2.0
    drift_threshold: float = 3.0

    fields: ClassVar[Mapping[str, Field]] = {
        "rows": "count", "errors": "count", "rate": "share", "warned": "flag", "least": "bound",
        "least_rate": "share", "least_spread": "share", "least_rows": "count", "least_errors": "count",
    }  # fmt: skip
    largest_window: ClassVar[int] = 0

    def initial(self) -> Memory:
        """Return the memory of a stream that has not begun."""
        return Memory((0.0, 0.0, 0.0, 0.0, inf, 0.0, 0.0, 0.0, 0.0))

    def run(self, memory: Memory, values: list[float]) -> tuple[Memory, list[Change]]:
        """Feed bits; see :class:`Kernel`."""
        rows, errors, rate, warned, least, least_rate, least_spread, least_rows, least_errors = memory.numbers
        changes: list[Change] = []
        enough, wait = max(self.warm_start, 1), self.warm_start
        low, high = self.warning_threshold, self.drift_threshold
        for place, x in enumerate(values):
            rows += 1.0
            errors += x
            rate += (1.0 / rows) * (x - rate)
            if errors < enough or rows <= wait:
                continue
            spread = sqrt(rate * (1 - rate) / rows)
            level = rate + spread
            if level <= least:
                least_rate, least_spread, least = rate, spread, level
                least_rows, least_errors = rows, errors
            if not level > least_rate + low * least_spread:
                warned = 0.0
                continue
            drift = level > least_rate + high * least_spread
            if drift or not warned:
                width = rows - least_rows
                before, after = least_errors / least_rows, (errors - least_errors) / width
                changes.append(Change(place, "drift" if drift else "warning", 1, before, after, int(width)))
            warned = 1.0
            if drift:
                rows, errors, rate, warned, least, least_rate, least_spread, least_rows, least_errors = _NEW
        return Memory((rows, errors, rate, warned, least, least_rate, least_spread, least_rows, least_errors)), changes

    def makes_sense(self, memory: Memory) -> bool:
        """Return whether a minimum belongs to a row that has been."""
        rows, errors, _, _, least, _, _, least_rows, least_errors = memory.numbers
        return errors <= rows and (least == inf or (0 < least_rows <= rows and least_errors <= min(errors, least_rows)))


_NEW = DDM().initial().numbers
