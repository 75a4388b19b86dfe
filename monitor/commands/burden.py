"""How often a configuration would have called somebody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from monitor.config.root import AlarmsConfig
from monitor.config.types import format_duration
from monitor.events import DAY
from monitor.evidence.budget import DETECTORS, SeverityName
from monitor.evidence.windows import is_evidence
from monitor.findings import WindowResult

_WEEK: Final = 7 * DAY
_CALLS: Final[dict[SeverityName, str]] = {"page": "pages", "warn": "warnings"}


@dataclass(slots=True)
class Burden:
    """Alarms of evidence by severity; those of one model's fleet in one window are one call.

    Time counts per model and fleet, from its first evidence window to the end of its last: what was learnt from, or has
    not come of age, says nothing.
    """

    calls: dict[SeverityName, set[tuple[str, str, int]]] = field(default_factory=dict)
    spans: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """Model and window → first start and last end."""

    @classmethod
    def of(cls, results: Iterable[WindowResult]) -> Burden:
        """Return the burden of evaluated windows."""
        found = cls({name: set() for name in _CALLS})
        for result in results:
            if is_evidence(result.window):
                found._add(result)
        return found

    def _add(self, result: WindowResult) -> None:
        place = result.model, result.window
        first, last = self.spans.get(place, (result.start, result.end))
        self.spans[place] = min(first, result.start), max(last, result.end)
        drifted = {finding.detector for finding in result.findings if finding.status == "drift"}
        for name, calls in self.calls.items():
            if DETECTORS[name] in drifted:
                calls.add((*place, result.start))

    @property
    def weeks(self) -> float:
        """Length of the longest span."""
        return max((last - first for first, last in self.spans.values()), default=0) / _WEEK

    def lines(self, alarms: AlarmsConfig) -> Iterator[str]:
        """Yield a sentence for each severity; nothing without evidence."""
        if not self.weeks:
            return
        budgets = {"page": alarms.page.false_incidents, "warn": alarms.warn.false_incidents}
        for name, noun in _CALLS.items():
            number = len(self.calls[name])
            rate = f", {number / self.weeks:.2g} a week" if self.weeks >= 1 else ""
            budget = f"chance alone may cause one in {format_duration(budgets[name])}"
            yield f"{noun}: {number} in {7 * self.weeks:.1f} days of evidence{rate}; {budget}"
