"""Views to test readers with."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Final

from monitor import figure_metrics
from monitor.events import HOUR, MINUTE
from monitor.findings import Finding, WindowResult
from monitor.views import (
    AlertChangeView,
    AlertsView,
    AlertView,
    AuditView,
    ChallengerView,
    ClockView,
    ConceptView,
    EvidenceView,
    FigureView,
    InputView,
    JoinView,
    LearningView,
    ModelView,
    PauseView,
    PerformanceView,
    ProposalView,
    ReceiverView,
    RetrainedModelView,
    RetrainingView,
    SilenceView,
    StrangerView,
    View,
    WindowView,
)

NOW = 1_793_491_200_000_000
"""2026-11-01T00:00:00Z."""
UGLY = (
    "x" * 1_000_000,
    'a"b',
    "back\\slash",
    "line\nbreak",
    "\x00\x1b[31m",
    "{}",
    "ünïcødé",
    "\ud800",
    "\u202e",
    " ",
    "é" * 100,
)
"""What a producer may put into a slice value."""


def finding(column: str = "amount", detector: str = "psi", status: str = "ok", **fields: Any) -> Finding:
    """Return a finding with plausible figures."""
    plain = Finding(
        column=column, detector=detector, statistic=0.05, effect=0.04, low=0.01, high=0.07, p_value=0.2, threshold=0.1,
        status=status, direction=1, explanation="",
    )  # fmt: skip
    if status == "drift":
        plain = replace(plain, statistic=0.3, p_value=1e-6)
    return replace(plain, **fields)


def window(*findings: Finding, n: int = 1000, name: str = "fast", slice: str = "", **fields: Any) -> WindowView:  # noqa: A002
    """Return a closed window of a quarter of an hour; other fields of the result or the view by name."""
    result = WindowResult(
        model=fields.pop("model", "fraud"), version=fields.pop("version", "7"), slice=slice, window=name,
        start=NOW - 30 * MINUTE, end=NOW - 15 * MINUTE, revision=fields.pop("revision", 0), n=n, findings=findings,
    )  # fmt: skip
    return WindowView(result, **fields)


_PERFORMANCE: Final = (*figure_metrics.FIGURES, *figure_metrics.EXAMPLES)
JOIN: Final = JoinView(
    rows={("prediction", "joined"): 700, ("prediction", "pending"): 300, ("maturity", "waiting"): 1000,
          ("label", "seen"): 705, ("label", "joined"): 700, ("label", "invalid"): 5},
    rejected={"label_unknown_class": 5}, last_label=NOW - HOUR, watermark=NOW - 2 * MINUTE, delays={0.5: 64.0},
    coverage=((MINUTE, 100, 10), (2 * HOUR, 900, 690)), entities={"unnamed": 3, "overflow": 1},
    flaws={"score_outside": 2},
)  # fmt: skip


def model(*windows: WindowView, name: str = "fraud", **fields: Any) -> ModelView:
    """Return a model that had rows a moment ago."""
    plain = ModelView(
        name=name, owner="payments", versions=("7",), references={"7": "a1b2"}, last_prediction=NOW - MINUTE,
        strangers=(StrangerView("added", NOW - HOUR, 1, 12, 3),), seen_at=NOW,
        clocks=(ClockView(0, NOW - MINUTE), ClockView(1, None, idle=True, held=3)), windows=windows, join=JOIN,
        challenger=(ChallengerView("old", ("6", "7"), 500, 3, 0.02, 0.01, 0.03, -0.01, -0.02, -0.001, 0.01),),
        concept=(
            ConceptView("7", "error", "adwin", 900, 10, 90, 1, 0, NOW - HOUR, "drift", 1, 0.1, 0.3),
            ConceptView("7", "error", "ddm", 900, 10, 90, 0, 0),
        ),
    )  # fmt: skip
    return replace(plain, **fields)


def judged(*findings: Finding, slice: str = "", **fields: Any) -> PerformanceView:  # noqa: A002
    """Return what labels say of a window of a day, with every figure that is exported."""
    figure = FigureView(0.8, 0.7, 0.9, 500)
    known = tuple(
        finding(name, detector)
        for names, detectors in (
            (
                _PERFORMANCE,
                ("performance", "performance_matured", "performance_change"),
            ),
            (figure_metrics.CALIBRATION, ("calibration",)),
            (figure_metrics.ESTIMATES, ("estimate_change",)),
        )
        for name in names
        for detector in detectors
    )
    result = WindowResult(
        "fraud", "7", slice, "daily:outcomes", NOW - 24 * HOUR, NOW, 1200, 700, findings or known
    )  # fmt: skip
    figures = dict.fromkeys(_PERFORMANCE, figure)
    plain = PerformanceView(
        result, "daily", 700, 500, 400, 20, running=figures, final=figures, light="holds", coverage=figure,
        calibration=dict.fromkeys(figure_metrics.CALIBRATION, figure),
        estimated=dict.fromkeys(figure_metrics.ESTIMATES, figure),
        reweighted=dict.fromkeys(figure_metrics.REWEIGHTED, figure), reweighted_light="unproven",
    )  # fmt: skip
    return replace(plain, **fields)


def view(*models: ModelView, **fields: Any) -> View:
    """Return a view of these models."""
    counters = {
        ("", "records"): 1010, ("", "unmatched"): 4, ("fraud", "on_time"): 990, ("fraud", "late"): 10,
        ("fraud", "rejected:too_late"): 2, ("fraud", "rejected:future_time"): 3, ("", "rejected:not_json"): 1,
        ("fraud", "pair:paired"): 8,
        ("", "lost_records"): 7, ("", "gaps"): 1, ("fraud", "decode_fallback"): 5,
    }  # fmt: skip
    plain = View(
        taken_at=NOW, started_at=NOW - HOUR, build="0.1.0", config_hash="c0ffee", models=models,
        inputs=(InputView("predictions", 0, 1000, 1010), InputView("predictions", 1, 10)), counters=counters,
    )  # fmt: skip
    return replace(plain, **fields)


def alerts(*names: str, **fields: Any) -> AlertsView:
    """Return alerts of some names that fire, with a past, silences and receivers."""
    shown = tuple(
        AlertView(
            f"f{place}", name, "page" if place % 2 else "warn", "fraud",
            {"alertname": name, "model": "fraud", "column": name, "severity": "warn"}, "pending" if place > 2 else
            "firing", NOW - HOUR, NOW, f"{name} has moved", f"{name}: 0.1 to 0.3, since an hour", "Look at it.",
            silenced_by=("s1",) if place == 1 else (), shadow=place == 2,
        )
        for place, name in enumerate(names)
    )  # fmt: skip
    past = tuple(
        AlertChangeView(NOW - (9 - n) * HOUR, NOW, f"f{n}", name, "page" if n % 2 else "warn", "fraud", state, because,
                        f"column {name}", "why")
        for n, name in enumerate(names)
        for state, because in (("firing", ""), ("resolved", "cleared"), ("firing", ""))
    )  # fmt: skip
    plain = AlertsView(
        mode="builtin", taken_at=NOW, alerts=shown,
        counts={(name, "warn", "fraud", "firing"): 1 for name in names}, changes=past[::-1],
        silences=(SilenceView("s1", 'model="fraud"', NOW - HOUR, NOW + HOUR, "ada", "known"),),
        receivers=(
            ReceiverView("ops", 2, NOW - 90 * MINUTE, 3, NOW - 2 * HOUR, False, "HTTP 500", 7, 3, 1),
            ReceiverView("pager", 0, None, 0, None, True, "HTTP 410", 0, 0, 1),
        ),
        audit=(AuditView(NOW - HOUR, "ada", "silence", "s1", 'model="fraud": known'),),
        shadowed={"new": NOW + 24 * HOUR, "odd": None}, totals={"firing": 5, "resolved": 3}, signals_waiting=4,
        signals_lost=2,
    )  # fmt: skip
    return replace(plain, **fields)


def retraining(*texts: str) -> RetrainingView:
    """Return a model that is proposed for retraining, and one that was retrained, for each text."""
    proposals = tuple(
        ProposalView(
            f"p{n}", "fraud", "payments", text, "condition", text, state, NOW - HOUR, NOW - 2 * HOUR, False, "webhook",
            {"alerts": [{"rule": text[:200], "column": text[:200], "detector": "psi", "statistic": 0.3, "n": 900}],
             "labels": {"matured": 12_000, "coverage": 0.8}},
            requested_at=NOW - HOUR, run=text[:200], outcome=text[:200], problem=text, switch="switched",
            reference=text,
        )
        for n, text in enumerate(texts)
        for state in ("awaiting_approval", "done")
    )  # fmt: skip
    return RetrainingView(
        NOW, (RetrainedModelView("fraud", "payments", "performance drop", dry_run=False, approval=True),), proposals,
        (PauseView("fraud", NOW, "ada", "a holiday"),), {("fraud", "proposed"): 1},
    )  # fmt: skip


def full_view() -> View:
    """Return a view that has every kind of series, ugly labels among them."""
    findings = tuple(
        finding(column, detector, status)
        for column, status in (("amount", "drift"), ("country", "ok"), *((text, "warn") for text in UGLY))
        for detector in ("psi", "ks", "jensen_shannon", "hellinger", "wasserstein", "chi2", "g_test",
                         "total_variation", "l_infinity", "cramer_von_mises", "missing")
    )  # fmt: skip
    whole = window(
        *findings,
        finding("added", "new_column", "warn", statistic=0.5, threshold=math.inf, p_value=math.nan),
        finding("dropped", "vanished_column", "drift"),
        finding("embedding", "mmd", "warn", threshold=0.05, statistic=0.03),
        finding("", "volume", "warn", statistic=0.5, direction=-1),
        finding("small", status="insufficient", statistic=math.nan),
        revision=12, flagged=0.03, errors=0.001, latency={0.5: 0.01, 0.99: 0.2},
        quality={("amount", "missing"): 0.02, ("country", "unseen"): 0.0},
    )  # fmt: skip
    slices = [window(finding(), slice=text) for text in UGLY]
    learning = model(name="new", windows=(), owner=None, references={}, learning=LearningView("edges", 500, 0.25))
    ugly = model(name="odd", versions=UGLY)
    outcomes = (judged(), *(judged(slice=text) for text in UGLY))
    gathered = window(
        finding("amount", "evidence", "warn", statistic=-3.5, threshold=5.0, p_value=math.nan),
        finding("amount.missing", "evidence_page", "drift", statistic=12.0, threshold=9.0, p_value=math.nan),
        name="evidence",
    )
    found = [
        window(
            finding("error", "evidence", "drift", statistic=7.5, threshold=6.0, p_value=math.nan),
            finding("error", "lift", statistic=2.5, low=2.1, high=3.0, threshold=math.nan, p_value=math.nan),
            name="evidence:slices", slice=text,
        )
        for text in UGLY
    ]  # fmt: skip
    found += [
        window(
            finding("recall", "evidence", "warn", statistic=-1.5, threshold=6.0, p_value=math.nan),
            finding("precision", "evidence", "drift", statistic=8.0, threshold=6.0, p_value=math.nan),
            name="evidence:outcomes", slice=text,
        )
        for text in UGLY
    ]  # fmt: skip
    fleets = (
        EvidenceView("inputs", "warn", HOUR, "as configured", 168.0, 40, ("age",), ("amount",), 500, 2.97, 1, 0.038),
        EvidenceView("inputs", "page", HOUR, "as configured", 8760.0, 12, windows=500, promised=0.057),
    )
    shown = model(
        whole, gathered, *slices, *found, performance=outcomes, evidence=fleets, marks={"useful": 2, "noise": 1}
    )
    told = alerts("FeatureDrift", *UGLY)
    return view(shown, learning, ugly, dead_letters_pending=2, alerts=told, retraining=retraining(*UGLY))
