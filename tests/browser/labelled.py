"""What labels and evidence say of a model, made up, for the pages that show it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from monitor.events import DAY, HOUR, MINUTE
from monitor.findings import Finding, WindowResult
from monitor.views import (
    ChallengerView,
    ConceptView,
    EvidenceView,
    FigureView,
    JoinView,
    PerformanceView,
    ReliabilityPoint,
    WindowView,
)
from tests.example_view import NOW

METRICS = ("accuracy", "recall", "precision", "f1", "auc", "log_loss")
NAN = math.nan


def figure(value: float, n: int = 900) -> FigureView:
    """Return a figure with an interval of its kind."""
    half = 1.96 * (max(value * (1 - value), 0.01) / n) ** 0.5
    return FigureView(value, value - half, value + half, n)


def told(metrics: Sequence[str], drop: float) -> tuple[Finding, ...]:
    """Return the findings of a window in which the first metric fell by ``drop``."""
    found = []
    for place, metric in enumerate(metrics):
        value = 0.9 - 0.03 * place - (drop if not place else 0.0)
        status = "drift" if not place and drop > 0.05 else "ok"
        for detector, shift in (("performance", 0.01), ("performance_matured", 0.0), ("estimate", 0.02)):
            known = figure(value + shift)
            found.append(Finding(metric, detector, known.value, known.value, known.low, known.high, NAN, NAN, "ok", 0,
                                 ""))  # fmt: skip
        found.append(Finding(metric, "performance_change", drop if not place else 0.0, -drop, -drop - 0.01,
                             -drop + 0.01, 1e-6, 0.05, status, -1, f"{metric} is worse by {drop:.3f}"))  # fmt: skip
    return tuple(found)


def judged(
    model: str, version: str, days: int, slices: Sequence[str]
) -> tuple[list[PerformanceView], list[WindowResult]]:
    """Return the latest judged window of a model with its slices, and its past."""
    past = [
        WindowResult(model, version, "", "daily:outcomes", NOW - (days - at) * DAY, NOW - (days - 1 - at) * DAY, 1800,
                     1000, told(METRICS, 0.09 * max(0.0, (at - 0.7 * days) / (0.3 * days))))
        for at in range(days)
    ]  # fmt: skip
    latest = past[-1]
    rates = np.linspace(0.02, 0.98, 15)
    points = tuple(
        ReliabilityPoint(score, rate, max(0.0, rate - 0.04), min(1.0, rate + 0.04), 40 + 10 * place)
        for place, (score, rate) in enumerate(zip(rates.tolist(), (rates**1.4).tolist(), strict=True))
    )
    figures = {metric: figure(0.9 - 0.05 * place) for place, metric in enumerate(METRICS)}
    whole = PerformanceView(
        latest, "daily", 1000, 900, 700, 60, running=figures, final=figures, changes={"accuracy": figure(-0.08)},
        calibration={name: figure(0.05) for name in ("ece", "ece_of_chance", "mce", "calibration_slope")},
        estimated={metric: figure(0.85) for metric in METRICS[:4]}, light="broken", unsupported=0.01,
        reweighted={metric: figure(0.82) for metric in METRICS[:4]}, reweighted_light="holds",
        coverage=figure(0.9), confusion=((640, 30), (60, 170)), reliability=points, classes=("negative", "positive"),
    )  # fmt: skip
    views = [whole]
    for place, name in enumerate(slices):
        own = WindowResult(
            model, version, name, "daily:outcomes", latest.start, latest.end, 90, 60, told(METRICS, 0.02 * place)
        )
        value = {"accuracy": figure(0.9 - 0.02 * place, 60)}
        views.append(PerformanceView(own, "daily", 60, 50, 40, 3, running=value, final=value))
    return views, past


def join(reason: str = "label_unknown_class") -> JoinView:
    """Return how labels find predictions."""
    return JoinView(
        rows={("prediction", "seen"): 1000, ("prediction", "joined"): 700, ("prediction", "pending"): 300,
              ("label", "seen"): 705, ("label", "joined"): 700, ("label", "invalid"): 5},
        rejected={reason: 5}, last_label=NOW - HOUR, watermark=NOW - 2 * MINUTE, delays={0.5: 640.0, 0.95: 300_000.0},
        coverage=((MINUTE, 100, 10), (2 * HOUR, 900, 690), (2 * DAY, 5000, 4800)), entities={"unnamed": 3},
    )  # fmt: skip


def concept(version: str) -> tuple[ConceptView, ...]:
    """Return two detectors, one of which spoke."""
    return (
        ConceptView(version, "error", "adwin", 900, 10, 90, 1, 0, NOW - HOUR, "drift", 1, 0.1, 0.3),
        ConceptView(version, "error", "page_hinkley", 900, 10, 90, 0, 0),
    )


def duel(champion: str, version: str, challenger: str, hours: int) -> tuple[ChallengerView, list[WindowResult]]:
    """Return a challenger that turns out better, and how the interval narrowed."""
    past = []
    for at in range(1, hours + 1):
        half = 0.09 / at**0.5
        told = (
            Finding("loss", "confidence_sequence", -0.02, -0.02, -0.02 - half, -0.02 + half, 0.01, NAN, "ok", -1, "x"),
        )
        end = NOW - (hours - at) * HOUR
        past.append(WindowResult(challenger, version, f"champion={version}", "challenger", end - HOUR, end, 0, 90 * at,
                                 told))  # fmt: skip
    last = past[-1].findings[0]
    view = ChallengerView(champion, (version, version), 90 * hours, 40, 0.013, -0.002, 0.028, last.statistic, last.low,
                          last.high, 0.0004)  # fmt: skip
    return view, past


def fleets(names: Sequence[str]) -> tuple[EvidenceView, ...]:
    """Return two severities of alarms."""
    return (
        EvidenceView("inputs", "warn", DAY, "one day holds enough rows", 7.0, 40, tuple(names[:1]), tuple(names[1:3]),
                     40, 5.7, 2),
        EvidenceView("outcomes", "page", DAY, "as configured", 365.0, 6, windows=40, promised=0.11),
    )  # fmt: skip


def evidence(model: str, version: str, columns: Sequence[str], days: int) -> tuple[WindowView, list[WindowResult]]:
    """Return the latest evidence window and its past; the first column gathers evidence until it alarms."""
    generator = np.random.default_rng(3)
    past = []
    for at in range(days):
        found = []
        for place, column in enumerate(columns):
            held = float(generator.normal(-3.0, 1.0)) + (0.6 * max(0, at - days // 2) if not place else 0.0)
            status, words = ("drift", "drift: mean +0.2 sd") if held > 6 else ("ok", "")
            for name in (column, f"{column}.missing"):
                found.append(Finding(name, "evidence", held, 0.01, 0.0, 0.02, NAN, 6.0, status, 1, words))
                found.append(Finding(name, "evidence_page", held, 0.01, 0.0, 0.02, NAN, 9.5, "ok", 1, ""))
                held = -4.0
                status, words = "ok", ""
        end = NOW - (days - 1 - at) * DAY
        past.append(WindowResult(model, version, "", "evidence", end - DAY, end, 0, 5000, tuple(found)))
    return WindowView(past[-1]), past
