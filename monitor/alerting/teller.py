"""From evaluated windows to signals: what is new, what replaces what was said, and what is no longer said."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from alerts.signal import Signal
from monitor.alerting.findings import SPEAK_WHEN_BAD, ModelFacts, signals_of, silent
from monitor.findings import Finding, WindowResult

_BAD: Final = frozenset({"warn", "drift"})
_AGAIN: Final = 3
"""Windows for which it is said of a detector that only speaks of trouble that it is silent."""
_MOST: Final = 20_000
_Place: TypeAlias = tuple[str, str, str, str]
_Trouble: TypeAlias = dict[tuple[str, str], tuple[int, int]]


class Teller:
    """Remembers how far each kind of window was told, and what was last said to be bad.

    What it remembers is written with the signals, so that an evaluation that is repeated after a crash says the same.
    """

    def __init__(self, facts: Mapping[str, ModelFacts], state: bytes | None = None) -> None:
        self._facts = facts
        self._fronts: dict[_Place, int] = {}
        """(model, version, window, whole or slices) → start of the latest window that was told."""
        self._bad: dict[_Place, _Trouble] = {}
        """(model, version, slice, window) → (column, detector) → start of the last bad window, silent ones since."""
        if state is not None:
            fronts, bad = msgspec.msgpack.decode(state)
            self._fronts = {tuple(key): start for key, start in fronts}
            self._bad = {tuple(place): {tuple(key): tuple(told) for key, told in found} for place, found in bad}

    def state(self) -> bytes:
        """Return what is remembered, as bytes."""
        bad = [(place, list(found.items())) for place, found in self._bad.items()]
        return msgspec.msgpack.encode([list(self._fronts.items()), bad])

    def tell(self, results: Sequence[WindowResult], observed_at: int) -> Iterator[Signal]:
        """Yield the signals of windows that were evaluated together; those of one window must not be torn apart."""
        fronts: dict[_Place, int] = {}
        for result in results:
            series = (result.model, result.version, result.window, "slices" if result.slice else "")
            revision = max(1, result.revision) if result.start <= self._fronts.get(series, -(1 << 62)) else 0
            fronts[series] = max(result.start, fronts.get(series, result.start))
            facts = self._facts.get(result.model) or ModelFacts()
            yield from signals_of(result, facts, observed_at, revision)
            yield from self._silences(result, facts, observed_at, revision)
            self._note(result)
        for series, start in fronts.items():
            self._fronts[series] = max(start, self._fronts.get(series, start))
        while len(self._bad) > _MOST:
            del self._bad[next(iter(self._bad))]

    def _silences(self, result: WindowResult, facts: ModelFacts, observed_at: int, revision: int) -> Iterator[Signal]:
        """Yield signals for what was bad in this window or the one before and is not spoken of any more."""
        known = self._bad.get(_place(result))
        if known is None:
            return
        said = {(finding.column, finding.detector) for finding in result.findings}
        for key in [key for key, (start, _) in known.items() if key not in said and result.start >= start]:
            start, quiet = known.pop(key)
            if result.start == start:
                yield silent(result, _nothing(key), facts, observed_at, max(1, revision))
            elif key[1] in SPEAK_WHEN_BAD:
                yield silent(result, _nothing(key), facts, observed_at, revision)
                if quiet + 1 < _AGAIN:
                    known[key] = (start, quiet + 1)

    def _note(self, result: WindowResult) -> None:
        place = _place(result)
        known = self._bad.get(place)
        for finding in result.findings:
            key = (finding.column, finding.detector)
            if finding.status in _BAD:
                known = self._bad.setdefault(place, {})
                before = known.get(key, (result.start, 0))
                known[key] = (max(result.start, before[0]), 0)
            elif known is not None and key in known and known[key][0] <= result.start:
                del known[key]
        if known is not None and not known:
            del self._bad[place]


def _place(result: WindowResult) -> _Place:
    return result.model, result.version, result.slice, result.window


def _nothing(key: tuple[str, str]) -> Finding:
    return Finding(*key, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan, "ok", 0, "")
