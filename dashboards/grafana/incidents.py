"""What is worth a mark on a time axis: incidents of evidence, drops of performance, new versions."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from monitor.findings import Finding, WindowResult

_NAMED: Final = 8
"""So many columns are named in the text of one incident."""


@dataclass(frozen=True, slots=True)
class Incident:
    """One mark; times are microseconds since the epoch."""

    kind: str
    """``drift``, ``performance`` or ``version_change``."""
    model: str
    version: str
    start: int
    end: int | None
    """``None`` while it lasts."""
    text: str

    @property
    def id(self) -> str:
        """The same for the same incident, however often it is looked at."""
        told = "\0".join((self.kind, self.model, self.version, str(self.start)))
        return hashlib.sha256(told.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def incidents(results: Iterable[WindowResult]) -> list[Incident]:
    """Return the incidents in evaluated windows, by start.

    An incident begins with a window in drift and ends with the first that neither drifts nor warns; whatever columns
    drift meanwhile belong to it. Evidence says ``drift`` once, and warns until the monitor has recovered.
    """
    whole = [result for result in results if not result.slice]
    found = [
        *_runs("drift", whole, lambda result: result.window == "evidence", _of_evidence, "Evidence of drift"),
        *_runs("performance", whole, lambda result: result.window.endswith(":outcomes"), _of_change, "Performance"),
        *_versions(whole),
    ]
    return sorted(found, key=lambda one: (one.start, one.kind, one.model, one.version))


def _of_evidence(finding: Finding) -> bool:
    return finding.detector in {"evidence", "evidence_page"}


def _of_change(finding: Finding) -> bool:
    return finding.detector == "performance_change"


def _runs(
    kind: str,
    results: Iterable[WindowResult],
    belongs: Callable[[WindowResult], bool],
    counts: Callable[[Finding], bool],
    head: str,
) -> list[Incident]:
    tracks: dict[tuple[str, str, str], list[WindowResult]] = {}
    for result in results:
        if belongs(result):
            tracks.setdefault((result.model, result.version, result.window), []).append(result)
    found = []
    for (model, version, _), track in tracks.items():
        start: int | None = None
        columns: dict[str, None] = {}
        for result in sorted(track, key=lambda one: one.start):
            told = [one for one in result.findings if counts(one)]
            drifted = [one.column for one in told if one.status == "drift"]
            if drifted and start is None:
                start, columns = result.start, {}
            columns.update(dict.fromkeys(drifted))
            if start is not None and not any(one.status in {"drift", "warn"} for one in told):
                found.append(Incident(kind, model, version, start, result.start, _text(head, model, version, columns)))
                start = None
        if start is not None:
            found.append(Incident(kind, model, version, start, None, _text(head, model, version, columns)))
    return found


def _versions(results: Iterable[WindowResult]) -> list[Incident]:
    first: dict[tuple[str, str], int] = {}
    for result in results:
        key = (result.model, result.version)
        if result.n and result.version:
            first[key] = min(result.start, first.get(key, result.start))
    begun = {
        model: min(start for (other, _), start in first.items() if other == model)
        for model in {key[0] for key in first}
    }
    return [
        Incident("version_change", model, version, start, None, f"{model}: version {version} begins")
        for (model, version), start in first.items()
        if start > begun[model]
    ]


def _text(head: str, model: str, version: str, columns: Iterable[str]) -> str:
    names = list(columns)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    told = f" (version {version})" if version else ""
    return f"{head}: {model}{told}: {', '.join(names[:_NAMED])}{more}"
