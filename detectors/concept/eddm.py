"""EDDM: errors come closer together than they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from detectors.concept.kernel import Change, Field, Memory


@dataclass(frozen=True, slots=True)
class EDDM:
    """Early Drift Detection Method on errors (1) and successes (0), as in River to the bit.

    With mean p′ and standard deviation s′ of the distances between errors so far, the largest p′ + 2s′ is kept. A ratio
    to it below ``alpha`` is a warning, below ``beta`` a drift, once there are more than ``warm_start`` errors. Made for
    slow drifts; alarms often without any. It also fires when errors become regular; ``direction`` then tells that the
    rate did not rise. ``before`` is the error rate up to the largest p′ + 2s′, ``after`` that since.

    References
    ----------
    Baena-García et al. (2006), "Early Drift Detection Method", Knowledge Discovery from Data Streams.
    """

    warm_start: int = 30
    alpha: float = 0.95
    beta: float = 0.9

    fields: ClassVar[Mapping[str, Field]] = {
        "rows": "count", "errors": "count", "last_error": "count", "mean": "size", "squares": "size",
        "warned": "flag", "most": "real", "most_rows": "count", "most_errors": "count",
    }  # fmt: skip
    largest_window: ClassVar[int] = 0

    def initial(self) -> Memory:
        """Return the memory of a stream that has not begun."""
        return Memory((0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0))

    def run(self, memory: Memory, values: list[float]) -> tuple[Memory, list[Change]]:
        """Feed bits; see :class:`Kernel`. Only errors cost time."""
        start, errors, last, mean, squares, warned, most, most_rows, most_errors = memory.numbers
        changes: list[Change] = []
        for place in [place for place, x in enumerate(values) if x]:
            rows = start + place + 1
            errors += 1.0
            distance, former = rows - last, mean
            mean += (1.0 / errors) * (distance - mean)
            squares += (distance - former) * (distance - mean)
            last = rows
            if rows <= self.warm_start:
                continue
            # A power, as in River: a square root may differ in the last bit.
            reach = mean + 2 * (squares / (errors - 1) if errors > 1 else 0.0) ** 0.5
            if reach > most:
                most, most_rows, most_errors = reach, rows, errors
                continue
            if errors <= self.warm_start:
                continue
            drift, warning = reach / most < self.beta, reach / most < self.alpha
            if drift or (warning and not warned):
                before, after = most_errors / most_rows, (errors - most_errors) / (rows - most_rows)
                direction = (after > before) - (after < before)
                width = int(rows - most_rows)
                changes.append(Change(place, "drift" if drift else "warning", direction, before, after, width))
            warned = float(warning)
            if drift:
                _, errors, last, mean, squares, warned, most, most_rows, most_errors = _NEW
                start = -(place + 1.0)
        numbers = (start + len(values), errors, last, mean, squares, warned, most, most_rows, most_errors)
        return Memory(numbers), changes

    def makes_sense(self, memory: Memory) -> bool:
        """Return whether the counts are in order."""
        rows, errors, last, _, _, _, most, most_rows, most_errors = memory.numbers
        known = 0 < most_rows <= last and most_errors <= errors if most > 0 else most == -1
        return errors <= last <= rows and known


_NEW = EDDM().initial().numbers
