"""A rule: which signals it listens to, what it asks of them, for how long, and what it then says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from alerts.conditions import Condition
from alerts.durations import DAY, HOUR, SECOND
from alerts.labels import clean_name, clean_value
from alerts.matchers import Matcher, match_all
from alerts.signal import KINDS, Signal
from alerts.templates import TemplateError, Value, check_template, render

SEVERITIES: Final = ("page", "warn", "info")
"""The worst first."""
IDENTITY: Final = ("model", "owner", "version", "slice", "column", "detector", "window")
"""What of a signal becomes a label; empty ones are left out."""
_FIGURES: Final = (
    "statistic", "reference", "effect", "low", "high", "threshold", "p_value", "evidence", "n", "direction",
    "revision", "importance",
)  # fmt: skip
_TIMES: Final = ("start", "end", "onset", "observed_at")
NAMES: Final = frozenset({*IDENTITY, *_FIGURES, *_TIMES, "kind", "status", "explanation", "labels"})
"""What annotations may name."""


@dataclass(frozen=True, slots=True)
class Persistence:
    """For how long something must hold: ``times`` of the last ``of`` windows, and for ``during`` microseconds.

    Raises
    ------
    ValueError
        Unless ``1 ≤ times ≤ of ≤ 32`` and ``during ≥ 0``.
    """

    times: int = 1
    of: int = 1
    during: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.times <= self.of <= 32 or self.during < 0:
            raise ValueError(f"{self.times} of {self.of} for {self.during} µs is no persistence")


@dataclass(frozen=True, slots=True)
class Damping:
    """When an alert flaps: by the ``firings``-th firing ``within`` a time.

    It must then be well for ``hold`` to resolve, and twice as long with every further firing, up to ``within``.

    Raises
    ------
    ValueError
        When a figure is not positive, or ``firings`` is beyond 16.
    """

    firings: int = 3
    within: int = DAY
    hold: int = HOUR

    def __post_init__(self) -> None:
        if not 2 <= self.firings <= 16 or min(self.within, self.hold) <= 0:
            raise ValueError("damping needs 2 to 16 firings and positive times")


@dataclass(frozen=True, slots=True)
class Rule:
    """From signals to one alert for every set of labels.

    Parameters
    ----------
    name
        The ``alertname``.
    kinds
        Kinds of signals it listens to.
    matchers
        Further conditions on a signal's identity, ``kind`` and own labels.
    fire, clear
        How long the condition must hold before it fires, and be clear before it resolves. In the signals' own time.
    min_n
        Signals that rest on fewer rows say nothing.
    labels
        Added to the alert's labels. They may name the identity (``{model}``), never figures.
    annotations
        Texts; they may name every field of the signal.
    withdraws
        Whether restated figures can take an alert back. Evidence is annotated instead.
    forget_after
        An alert that no signal was heard of for so long is ended; ``None`` keeps it.

    Raises
    ------
    ValueError
        When the severity, a kind or a template is unknown.
    """

    name: str
    kinds: frozenset[str]
    condition: Condition
    severity: str = "warn"
    matchers: tuple[Matcher, ...] = ()
    fire: Persistence = field(default_factory=Persistence)
    clear: Persistence = field(default_factory=Persistence)
    damping: Damping | None = field(default_factory=Damping)
    min_n: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    withdraws: bool = True
    forget_after: int | None = 7 * DAY

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(f"{self.name}: {self.severity!r} is none of {', '.join(SEVERITIES)}")
        unknown = sorted(self.kinds - KINDS.keys())
        if unknown or not self.kinds:
            raise ValueError(f"{self.name}: {', '.join(unknown) or 'no kind'} is no kind of signal")
        try:
            for template in self.labels.values():
                check_template(template, frozenset(IDENTITY))
            for template in self.annotations.values():
                check_template(template, NAMES)
        except TemplateError as error:
            raise TemplateError(f"{self.name}: {error}") from error

    @property
    def key(self) -> str:
        """Names the rule among all: its name and severity, and its own labels."""
        extra = ",".join(f"{name}={value}" for name, value in sorted(self.labels.items()))
        return f"{self.name}/{self.severity}" + (f"/{extra}" if extra else "")

    def hears(self, signal: Signal) -> bool:
        """Tell whether it listens to a signal."""
        if signal.kind not in self.kinds:
            return False
        return not self.matchers or match_all(self.matchers, {**identity(signal), "kind": signal.kind})

    def alert_labels(self, signal: Signal) -> dict[str, str]:
        """Return the labels of the alert that a signal belongs to, fit to be shown anywhere."""
        labels = identity(signal)
        if self.labels:
            values: dict[str, Value] = {name: getattr(signal, name) for name in IDENTITY}
            labels |= {clean_name(name): clean_value(render(text, values)) for name, text in self.labels.items()}
        return labels | {"alertname": self.name, "severity": self.severity}

    def texts(self, signal: Signal) -> dict[str, str]:
        """Return the annotations, filled in; those that nothing is known for are left out."""
        values = _values(signal)
        texts = {name: render(template, values) for name, template in self.annotations.items()}
        return {name: text for name, text in texts.items() if text}


def identity(signal: Signal) -> dict[str, str]:
    """Return what tells a signal from others of its kind, as clean labels.

    >>> identity(Signal(number=1, kind="drift", observed_at=0, model="m", column="age", labels={"feed": "a"}))
    {'feed': 'a', 'model': 'm', 'column': 'age'}
    """
    labels = {clean_name(name): clean_value(value) for name, value in signal.labels.items() if value}
    for name in IDENTITY:
        value = getattr(signal, name)
        if value:
            labels[name] = clean_value(value)
    return labels


def _values(signal: Signal) -> dict[str, Value]:
    values: dict[str, Value] = {name: getattr(signal, name) for name in (*IDENTITY, *_FIGURES)}
    values["n"] = signal.n or None
    values |= {name: _moment(getattr(signal, name)) for name in _TIMES}
    values["labels"] = ", ".join(f"{name} {value}" for name, value in sorted(signal.labels.items()))
    return values | {"kind": signal.kind, "status": signal.status, "explanation": signal.explanation}


def _moment(at: int | None) -> str | None:
    if at is None or not math.isfinite(at) or not 0 <= at < 253_402_300_800 * SECOND:
        return None
    return datetime.fromtimestamp(at // SECOND, UTC).strftime("%Y-%m-%d %H:%M UTC")
