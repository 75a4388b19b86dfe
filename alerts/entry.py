"""One alert as it is stored: its rule, labels, past and latest signal; and how it looks to a receiver."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import msgspec

from alerts import annotations as names
from alerts.durations import spoken
from alerts.lifecycle import Limits, Track, is_flapping
from alerts.notification import Alert, State
from alerts.policy import Policy
from alerts.rules import SEVERITIES, Rule
from alerts.signal import Signal

_FIGURES: Final = ("statistic", "reference", "effect", "low", "high", "threshold", "p_value", "evidence", "n")
_DECADE: Final = math.log(10)
_STRONGEST: Final = 300


class Entry(msgspec.Struct, frozen=True):
    """One alert and all that is remembered of it."""

    fingerprint: str
    rule: str
    """Key of its rule."""
    labels: Mapping[str, str]
    track: Track
    signal: Signal
    """The latest that said anything."""
    heard_at: int
    """Wall clock when the service observed that."""
    ends_at: int | None = None
    """When it was resolved, last; in the signals' time."""
    because: str = ""
    """Why it was resolved."""
    notes: tuple[str, ...] = ()
    """What happened to it meanwhile, such as restated figures that do not withdraw it."""
    bad: Signal | None = None
    """The latest in breach. A window that is restated may bring a firing about that is not of its own making; the
    firing then speaks of this one."""

    @property
    def firing(self) -> bool:
        """Whether it fires."""
        return self.track.machine.phase == "firing"

    @property
    def model(self) -> str:
        """The model it is about, empty for the service itself."""
        return self.labels.get("model", "")

    @property
    def episode(self) -> int:
        """Names this firing."""
        return self.track.episode


def limits_of(rule: Rule) -> Limits:
    """Return what the lifecycle needs of a rule."""
    return Limits(rule.fire, rule.clear, rule.damping, rule.withdraws)


def to_alert(entry: Entry, rule: Rule | None, state: State, policy: Policy) -> Alert:
    """Return an alert as receivers see it; texts come from the rule as it is now."""
    signal, machine = entry.signal, entry.track.machine
    texts = {} if rule is None else rule.texts(signal)
    because = "" if state == "firing" else entry.because or "no longer in this group"
    remarks = [*entry.notes]
    if because not in {"", "cleared"}:
        remarks.append(f"{because[0].upper()}{because[1:]}.")
    if rule is not None and state == "firing" and is_flapping(limits_of(rule), machine):
        span = spoken(machine.firings[-1] - machine.firings[0])
        remarks.append(f"It flaps: {len(machine.firings)} times within {span}; it must be well for longer to be over.")
    if remarks:
        texts[names.DESCRIPTION] = " ".join([*remarks, texts.get(names.DESCRIPTION, "")]).strip()
    if policy.runbooks and rule is not None:
        texts.setdefault(names.RUNBOOK_URL, f"{policy.runbooks.rstrip('/')}/{rule.name}")
    if dashboard := policy.dashboard(signal):
        texts.setdefault(names.DASHBOARD_URL, dashboard)
    return Alert(
        labels=entry.labels,
        annotations=texts,
        state=state,
        starts_at=machine.started if machine.started is not None else signal.at,
        ends_at=None if state == "firing" else (entry.ends_at if entry.ends_at is not None else signal.at),
        fingerprint=entry.fingerprint,
        url=policy.page(signal) or policy.url,
        figures={name: float(getattr(signal, name)) for name in _FIGURES if not math.isnan(getattr(signal, name))},
        onset=signal.onset,
        importance=signal.importance,
        because=because,
    )


def strength(signal: Signal) -> float:
    """Return how sure a signal is, as a natural logarithm: of its evidence, of 1/p, or of statistic over threshold.

    >>> strength(Signal(number=1, kind="drift", observed_at=0, p_value=0.001)) > 6
    True
    """
    if not math.isnan(signal.evidence):
        return signal.evidence
    if signal.p_value >= 0:
        return -math.log(max(signal.p_value, 1e-300))
    ratio = signal.statistic / signal.threshold if signal.threshold > 0 else math.nan
    return math.log(ratio) if ratio > 0 else 0.0


def likely_cause(entry: Entry) -> tuple[int, int, float, float, str]:
    """Return a sort key that puts the likely cause of the others first.

    The worst severity first, then the evidence in steps of ten, since finer differences mean nothing; then the
    column that the model leans on most; then what began first.
    """
    signal = entry.signal
    severity = entry.labels.get("severity", "warn")
    rank = SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)
    tens = math.floor(min(max(strength(signal) / _DECADE, -_STRONGEST), _STRONGEST))
    onset = signal.onset if signal.onset is not None else entry.track.machine.since
    importance = signal.importance if math.isfinite(signal.importance) else 0.0
    return rank, -tens, -importance, float(onset if onset is not None else signal.at), entry.fingerprint
