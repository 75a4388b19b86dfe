"""Services to look at, made without a pipeline: much data, little, none, and names that mean harm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np

from monitor.config.root import HttpConfig
from monitor.events import DAY, HOUR, MINUTE
from monitor.evidence.orders import Order, Orders
from monitor.findings import Finding, WindowResult
from monitor.history import History
from monitor.metrics import make_registry
from monitor.past import KnownPast
from monitor.server import Server
from monitor.views import (
    ClockView,
    ColumnFrame,
    FrameView,
    InputView,
    LearningView,
    ModelView,
    StrangerView,
    View,
    ViewHolder,
    WindowView,
)
from tests.browser import labelled
from tests.example_view import NOW, UGLY, alerts, retraining

DETECTORS = ("psi", "ks", "missing_rate", "unseen_rate")
HOSTILE = (
    *UGLY,
    "<script>document.title='owned'</script>",
    "</script><script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "javascript:document.title='owned'",
    "مرحبا بالعالم",
    "a/b?c=d&e=f#g",
    "{{7*7}}${7*7}",
    "' OR 1=1 --",
)
SAYABLE = tuple(text for text in HOSTILE if "\ud800" not in text)
"""Those that can be sent over HTTP at all."""


@dataclass
class Health:
    """A loop that turns."""

    heartbeat: float = math.inf
    not_ready: str | None = None


@dataclass
class Stage:
    """A server over a history on disk, with the View that it shows."""

    folder: Path
    view: View | None
    results: Sequence[WindowResult] = ()
    said: Sequence[Order] = ()
    server: Server = field(init=False)
    holder: ViewHolder = field(init=False)
    history: History = field(init=False)

    def __enter__(self) -> Self:
        self.history = History(self.folder / "history.sqlite")
        self.history.upsert(self.results)
        orders = Orders(self.folder)
        for one in self.said:
            orders.add(at=one.at, who=one.who, model=one.model, column=one.column, until=one.until,
                       because=one.because, kind=one.kind)  # fmt: skip
        self.holder = ViewHolder(self.view)
        registry, _ = make_registry(self.holder, 10_000)
        self.server = Server(HttpConfig(listen="127.0.0.1:0"), registry, self.holder, Health())
        self.server.site.past = KnownPast.of(self.history)
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()
        self.history.close()

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.server.port}"


def said(model: str, results: Sequence[WindowResult], *texts: str) -> list[Order]:
    """Return a deploy and a campaign of a model, one event of all, and a mark on its latest incident."""
    alarmed = max(
        (one.start for one in results if one.window == "evidence" and any(f.status == "drift" for f in one.findings)),
        default=NOW - DAY,
    )
    events = [
        Order(place + 2, NOW, text, "event", "" if place % 3 == 2 else model, text[:50] or "deploy",
              NOW - (place + 1) * 7 * HOUR, text)
        for place, text in enumerate(texts)
    ]  # fmt: skip
    return [Order(1, NOW, "kim", "useful", model, "feature_000", alarmed, "the feed had changed"), *events]


def findings(
    columns: Sequence[str], generator: np.random.Generator, drifting: int = 0, now: float = 1.0
) -> list[Finding]:
    """Return findings of some columns by four detectors; the first ``drifting`` columns are beyond their threshold."""
    found = []
    size = (len(DETECTORS), len(columns))
    values = generator.gamma(2.0, 0.12, size)
    values[:2, :drifting] = 1.0 + now * generator.gamma(2.0, 0.6, (2, drifting))
    for row, detector in enumerate(DETECTORS):
        for place, column in enumerate(columns):
            ratio = float(values[row, place])
            statistic = 0.1 * ratio
            status = "drift" if ratio >= 1 else "warn" if ratio >= 0.75 else "ok"
            found.append(Finding(column, detector, statistic, statistic * 0.9, statistic * 0.7, statistic * 1.1,
                                 0.2 if ratio < 1 else 1e-6, 0.1, status, 1, "towards higher values"))  # fmt: skip
    return found


def frame(columns: Sequence[str], generator: np.random.Generator) -> FrameView:
    """Return a frame: every third column a category, the others numbers in 32 bins."""
    frames, first = {}, 0
    for place, column in enumerate(columns):
        if place % 3 == 2:
            names = tuple(f"{column[:20]}-{number}" for number in range(8))
            one = ColumnFrame(first, 9, ("missing", "bad", "unseen"), names=(*names, "(other)"))
        else:
            one = ColumnFrame(
                first, 32, ("missing", "bad", "low", "high"), borders=tuple(np.linspace(0, 100, 33).tolist())
            )
        frames[column] = one
        first += one.cells
    rates = {(column, kind): 0.01 for column, one in frames.items() for kind in one.kinds}
    return FrameView(frames, counts(frames, generator, 20_000, 0.5), rates)


def counts(frames: dict[str, ColumnFrame], generator: np.random.Generator, rows: int, middle: float) -> np.ndarray:
    """Return counts of a window, numbers in a hump around ``middle``."""
    vector = np.zeros(sum(one.cells for one in frames.values()), np.int64)
    for one in frames.values():
        shape = np.exp(-(((np.arange(one.bins) / one.bins) - middle) ** 2) / 0.03) + 0.01
        vector[one.first : one.first + one.bins] = generator.multinomial(rows, shape / shape.sum())
        vector[one.first + one.bins] = rows // 100
    return vector


def crowd(
    models: int, columns: int, windows: int, *, seed: int = 5, versions: Sequence[str] = ("7", "8")
) -> tuple[View, list[WindowResult]]:
    """Return models with many columns; the first ones drift, and have slices; with their past."""
    generator = np.random.default_rng(seed)
    names = [f"feature_{number:03d}" for number in range(columns)]
    shared = frame(names, generator)
    shown, past = [], []
    for number in range(models):
        name = f"model-{number:02d}"
        latest = []
        for version in versions if number == 0 else versions[:1]:
            for at in range(windows if number == 0 else min(windows, 6)):
                end = NOW - (windows - 1 - at) * HOUR
                drifting = 3 if number < 3 and at > windows * 0.6 else 0
                now = (at - windows * 0.6) / windows
                result = WindowResult(name, version, "", "daily", end - DAY, end, 3 * (at % 4), 5000 + 40 * at,
                                      tuple(findings(names, generator, drifting, now)))  # fmt: skip
                past.append(result)
            latest.append(
                WindowView(result, {(names[0], "missing"): 0.012}, 0.03, 0.001, {0.5: 0.01, 0.9: 0.02, 0.99: 0.2},
                           frame=shared, counts=counts(dict(shared.columns), generator, 5000, 0.58))
            )  # fmt: skip
        if number == 0:
            latest += [
                WindowView(
                    WindowResult(name, versions[-1], f"country={code}", "daily", NOW - DAY, NOW, 0, 400 + place,
                                 tuple(findings(["score"], generator, int(place < 2)))),
                    {}, 0.01 * (place + 1), 0.002,
                )
                for place, code in enumerate(("de", "fr", "nl", "at", "(other)", "(missing)"))
            ]  # fmt: skip
        known: dict[str, object] = {}
        if number == 0:
            known = _judged(name, versions[-1], names, latest, past)
        elif number == 1:
            challenger, before = labelled.duel("model-00", versions[0], name, 60)
            known = {"challenger": (challenger,)}
            past += before
        shown.append(model(name, latest, versions if number == 0 else versions[:1], **known))
    told = alerts("PerformanceDrop", "EvidenceAlarm", "FeatureDrift", "ScoreDrift", "LabelsStopped")
    return replace(view(shown), alerts=told, retraining=retraining("recall fell", "calibration is off")), past


def _judged(
    name: str, version: str, columns: Sequence[str], latest: list[WindowView], past: list[WindowResult]
) -> dict[str, object]:
    """Return what labels and evidence say of a model; their windows join the others."""
    slices = [window.result.slice for window in latest if window.result.slice]
    views, before = labelled.judged(name, version, 30, slices)
    held, gathered = labelled.evidence(name, version, columns, 30)
    latest.append(held)
    past += [*before, *gathered]
    return {
        "performance": tuple(views), "join": labelled.join(), "concept": labelled.concept(version),
        "evidence": labelled.fleets(columns),
    }  # fmt: skip


def model(name: str, windows: Sequence[WindowView], versions: Sequence[str] = ("7",), **fields: object) -> ModelView:
    """Return a model that had rows a moment ago."""
    known: dict[str, object] = {
        "owner": "payments", "versions": tuple(versions), "references": dict.fromkeys(versions, "a1b2c3"),
        "last_prediction": NOW - MINUTE, "seen_at": NOW, "windows": tuple(windows),
        "clocks": (ClockView(0, NOW - MINUTE), ClockView(1, None, idle=True, held=3)),
    }  # fmt: skip
    return ModelView(name=name, **(known | fields))  # type: ignore[arg-type]  # fields by name


def view(models: Sequence[ModelView]) -> View:
    """Return a view of these models."""
    first = models[0].name if models else ""
    return View(
        taken_at=NOW, started_at=NOW - HOUR, build="0.1.0", config_hash="c0ffee", models=tuple(models),
        inputs=(InputView("predictions", 0, 123_456, 123_999), InputView("predictions", 1, 10)),
        counters={("", "records"): 123_466, (first, "on_time"): 120_000, (first, "late"): 900,
                  (first, "rejected:too_late"): 12, ("", "rejected:not_json"): 3},
        dead_letters_pending=2,
    )  # fmt: skip


def little() -> tuple[View, list[WindowResult]]:
    """Return one model with one column in one small window, one that learns, and one that waits."""
    nan = math.nan
    thin = Finding("amount", "psi", nan, nan, nan, nan, nan, 0.25, "insufficient", 0, "")
    result = WindowResult("small", "", "", "fast", NOW - 15 * MINUTE, NOW, 0, 3, (thin,))
    learning = model("new", (), owner=None, references={}, learning=LearningView("counts", 500, 0.25, NOW + DAY))
    waiting = model("idle", (), versions=(), last_prediction=None, seen_at=None, references={}, clocks=())
    return view([model("small", [WindowView(result)], ("",)), learning, waiting]), [result]


def hostile() -> tuple[View, list[WindowResult]]:
    """Return models, columns, versions, categories, slices and topics with names that mean harm."""
    generator = np.random.default_rng(9)
    texts = list(HOSTILE)
    names = [text for text in texts if "\ud800" not in text]
    columns = [text for text in texts if len(text) < 300 and "\ud800" not in text]
    shown, past = [], []
    for text in names:
        whole = frame(columns, generator)
        categories = ColumnFrame(0, len(HOSTILE) + 1, ("missing", "bad", "unseen"), names=(*HOSTILE, "(other)"))
        odd = FrameView({columns[-1]: categories, columns[0]: whole.columns[columns[0]]}, whole.reference, {})
        result = WindowResult(text, text, "", "daily", NOW - DAY, NOW, 0, 900, tuple(findings(columns, generator, 4)))
        first = WindowView(result, {(columns[0], "missing"): 0.1}, 0.1, frame=odd, counts=whole.reference)
        slices = [
            WindowView(WindowResult(text, text, f"{one[:2000]}={one[:2000]}", "daily", NOW - DAY, NOW, 0, 90,
                                    tuple(findings(["score"], generator, 1))))
            for one in texts
        ]  # fmt: skip
        views, before = labelled.judged(text, text, 2, [f"{one[:2000]}={one[:2000]}" for one in texts])
        held, gathered = labelled.evidence(text, text, columns, 2)
        duel, hours = labelled.duel(names[0], text, text, 2)
        past += hours
        shown.append(
            model(text, [first, *slices, held], (text, *names[:3]), owner=text, changes=(text,), challenger=(duel,),
                  strangers=tuple(StrangerView(one, NOW - HOUR, 0, 1, 2) for one in texts),
                  performance=tuple(replace(one, classes=(text, text)) for one in views), join=labelled.join(text),
                  concept=labelled.concept(text), evidence=labelled.fleets(columns))
        )  # fmt: skip
        past += [result, *before, *gathered]
    seen = view(shown)
    inputs = tuple(InputView(text, 0, 1, 2) for text in texts)
    counters = {(text, f"rejected:{text}"): 1 for text in texts}
    told = alerts(*texts)
    made = View(seen.taken_at, seen.started_at, "<b>", "<i>", seen.models, inputs, counters, 1, told)
    return replace(made, retraining=retraining(*texts)), past
