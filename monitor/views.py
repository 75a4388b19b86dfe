"""What metrics, page and API may read: one frozen picture of the service, swapped in after each checkpoint.

Every figure in a ``View`` is durable when the view is swapped in, so no counter steps back after a crash. Readers take
``ViewHolder.current`` once and work on that object; nobody changes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from monitor.findings import WindowResult

Counts: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class InputView:
    """One input log and how far it has been read."""

    topic: str
    partition: int
    next_offset: int
    """Offset after the last counted record."""
    end_offset: int | None = None
    """Offset after the last record there is, as last asked for; ``None`` before the first answer."""

    @property
    def lag(self) -> int | None:
        """Records still to be read, ``None`` while the end is unknown."""
        return None if self.end_offset is None else max(0, self.end_offset - self.next_offset)


@dataclass(frozen=True, slots=True)
class ClockView:
    """Event time of one model in one partition."""

    partition: int
    watermark: int | None
    """Rows that are older than this are late; ``None`` before the first row."""
    idle: bool = False
    """Whether the partition holds no window open, since nothing came for long."""
    held: int = 0
    """Rows that wait until others confirm their time."""


@dataclass(frozen=True, slots=True)
class LearningView:
    """Progress towards a reference that is learnt from the stream."""

    stage: str
    """``edges`` while rows are sampled for bin edges, ``counts`` while they are counted in them."""
    rows: int
    progress: float
    """Share of the period that event time has passed, 0 to 1."""
    until: int | None = None
    """Event time at which the reference is complete, once that is known."""


@dataclass(frozen=True, slots=True)
class ColumnFrame:
    """The few bins in which one column is drawn; in a vector of counts its quality cells follow its bins."""

    first: int
    """Where the column's counts begin."""
    bins: int
    kinds: tuple[str, ...]
    """Names of the quality cells."""
    borders: tuple[float, ...] = ()
    """Ends of the bins of a number; the outermost bins hold what lies beyond these ends too. Empty for categories."""
    names: tuple[str, ...] = ()
    """The categories, the last for all others; empty for numbers."""
    few: bool = False
    """Whether a number has so few bins that each is drawn as wide as the next."""

    @property
    def cells(self) -> int:
        """Bins and quality cells."""
        return self.bins + len(self.kinds)

    def of(self, counts: Counts) -> Counts:
        """Return this column's part of a vector of counts."""
        return counts[self.first : self.first + self.cells]


@dataclass(frozen=True, slots=True, eq=False)
class FrameView:
    """How the columns of one version are drawn, with the reference's counts."""

    columns: Mapping[str, ColumnFrame]
    reference: Counts
    rates: Mapping[tuple[str, str], float]
    """(column, quality kind) → share in the reference; also (``flagged``, ``flagged``) and (``error``, ``error``)."""


@dataclass(frozen=True, slots=True)
class WindowView:
    """The latest closed window of one version and slice, with the figures that are shown beside its findings."""

    result: WindowResult
    quality: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """(column, ``missing`` | ``bad`` | ``low`` | ``high`` | ``unseen``) → share of the rows."""
    flagged: float | None = None
    """Share of the predictions at or beyond the decision threshold."""
    errors: float | None = None
    """Share of the requests that failed."""
    latency: Mapping[float, float] = field(default_factory=dict)
    """Quantile, 0 to 1 → seconds the model took."""
    frame: FrameView | None = field(default=None, compare=False)
    """How the columns are drawn; ``None`` for a slice, or without a reference."""
    counts: Counts | None = field(default=None, compare=False)
    """Rows by the frame's cells."""


@dataclass(frozen=True, slots=True)
class FigureView:
    """A figure with its 95 % interval; NaN where it does not exist."""

    value: float
    low: float
    high: float
    n: int
    """Rows that it rests on."""
    bound: float = 0.0
    """How far bins may have moved it."""


@dataclass(frozen=True, slots=True)
class ReliabilityPoint:
    """One bin of the reliability diagram."""

    score: float
    """Mean score."""
    rate: float
    """Share of positives."""
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class PerformanceView:
    """What labels say of the latest judged window of one version and slice.

    ``running`` is as known now and moves as labels come; ``matured`` rests on predictions that are old enough to have
    been judged for good; ``estimated`` needs no labels and must never be taken for either.
    """

    result: WindowResult
    name: str
    """The window's name in the configuration."""
    predictions: int
    labelled: int
    """Predictions with a label now."""
    matured: int
    """Predictions judged for good, those without label left out."""
    unlabelled: int
    """Predictions that came of age without a label."""
    running: Mapping[str, FigureView] = field(default_factory=dict)
    final: Mapping[str, FigureView] = field(default_factory=dict)
    """The same from matured predictions alone."""
    changes: Mapping[str, FigureView] = field(default_factory=dict)
    """``final`` less the baseline."""
    calibration: Mapping[str, FigureView] = field(default_factory=dict)
    estimated: Mapping[str, FigureView] = field(default_factory=dict)
    light: str | None = None
    """``holds``, ``unproven`` or ``broken``: whether labels bear the estimates out; ``None`` without estimates."""
    unsupported: float | None = None
    """Share of the predictions whose scores the baseline does not know."""
    reweighted: Mapping[str, FigureView] = field(default_factory=dict)
    """Estimates from the baseline's outcomes by slice, weighted as the predictions fall; no labels either."""
    reweighted_light: str | None = None
    coverage: FigureView | None = None
    """Share of the predictions that have a label."""
    confusion: tuple[tuple[int, ...], ...] = ()
    """Labels by predictions, of ``running``."""
    classes: tuple[str, ...] = ()
    """Names of the true classes, in the order of ``confusion``."""
    reliability: tuple[ReliabilityPoint, ...] = ()


@dataclass(frozen=True, slots=True)
class StrangerView:
    """A field that records carry beside the known features."""

    name: str
    first_seen: int
    """Event time of the first row with it."""
    partition: int
    offset: int
    """Where that row stands in the log."""
    rows: int
    """Rows with it, of the one record in 64 that is looked at."""


@dataclass(frozen=True, slots=True)
class JoinView:
    """How a model's labels find its predictions."""

    rows: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(``prediction``, ``label`` or ``maturity``; outcome) → rows so far; ``seen`` is all that came."""
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Why labels could not be used → how many so far."""
    flaws: Mapping[str, int] = field(default_factory=dict)
    """Why predictions were judged in part only, or pairs not at all → how many so far."""
    last_label: int | None = None
    """Greatest time of any label, as its record states it."""
    watermark: int | None = None
    """Join time up to which everything is worked off."""
    entities: Mapping[str, int] = field(default_factory=dict)
    """Predictions that no label of an entity can find → how many so far: ``unnamed``, ``overflow``."""
    delays: Mapping[float, float] = field(default_factory=dict)
    """Quantile, 0 to 1 → seconds from a prediction to its label, among those that are joined."""
    coverage: tuple[tuple[int, int, int], ...] = ()
    """(age in microseconds, predictions, those labelled), youngest first, of predictions that may still be joined."""


@dataclass(frozen=True, slots=True)
class ConceptView:
    """One detector of concept drift on the errors or losses of one version."""

    version: str
    column: str
    """``error`` or ``loss``."""
    detector: str
    rows: int
    """Values it has taken since the state began."""
    refused: int
    """Values that do not exist, are not finite or are huge, and never reached it."""
    left_out: int
    """Pairs beyond the bound on an hour, which only a sample of their ids stands for."""
    drifts: int
    warnings: int
    last_alarm: int | None = None
    """Join time of its latest alarm."""
    level: str = ""
    """``warning`` or ``drift``, of the latest alarm as is the rest."""
    direction: int = 0
    """1 when errors or losses rose, -1 when they fell."""
    before: float = float("nan")
    after: float = float("nan")


@dataclass(frozen=True, slots=True)
class ChallengerView:
    """A challenger beside its champion on the same ids so far; differences are the challenger's less the champion's."""

    champion: str
    versions: tuple[str, str]
    """Of the champion and of the challenger."""
    rows: int
    """Ids that both predicted and that have a label."""
    unmatched: int
    """Ids that only one of them had, of all versions."""
    accuracy: float
    accuracy_low: float
    accuracy_high: float
    """McNemar's interval; for one look."""
    loss: float
    loss_low: float
    loss_high: float
    """Holds however often one looks."""
    p_value: float
    """Of equal losses; holds however often one looks."""
    accuracy_p_value: float = float("nan")
    """McNemar's, mid-p; for one look."""
    t_p_value: float = float("nan")
    """Of the paired t test of losses; for one look."""
    sign_p_value: float = float("nan")
    """Of the sign test of losses; for one look."""
    verdict: str = ""
    """What is sure: ``better``, ``worse``, ``changed`` where no one difference is within all intervals so far, else
    nothing; ``insufficient`` below ``performance.min_labels`` rows."""
    end: int | None = None
    """End of the last hour that was compared, microseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class EvidenceView:
    """One fleet of monitors at one severity: what it promises, and what came."""

    fleet: str
    """``inputs``, what is known at prediction time, or ``outcomes``."""
    severity: str
    window: int
    """Length of an evidence window, microseconds."""
    chosen: str
    """Why windows are so long."""
    patience: float
    """Windows between two incidents by chance, on average, at least."""
    monitors: int
    unstable: tuple[str, ...] = ()
    """Monitors that are shown, not judged."""
    drifted: tuple[str, ...] = ()
    """Monitors that were alarmed and have not recovered."""
    windows: int = 0
    """Windows judged so far."""
    promised: float = 0.0
    """Incidents by chance that the budget allowed in them."""
    incidents: int = 0
    """Incidents that came, by chance or not."""
    blind_below: float | None = None
    """Population stability index below which drift of half of its shapes is never found; ``None`` without shapes."""


@dataclass(frozen=True, slots=True)
class EventView:
    """Something that people say happened: a deploy, a flag, a campaign."""

    at: int
    """Event time."""
    kind: str
    what: str
    who: str
    model: str
    """Empty for what concerns all models."""


@dataclass(frozen=True, slots=True)
class AlarmView:
    """One monitor that raised an alarm."""

    column: str
    version: str
    slice: str
    log_evidence: float
    log_threshold: float
    explanation: str


@dataclass(frozen=True, slots=True)
class IncidentView:
    """The alarms of one severity in one window of a model's fleet, and what people said of them."""

    model: str
    fleet: str
    """``inputs``, ``outcomes`` or ``slices``."""
    severity: str
    start: int
    end: int
    alarms: tuple[AlarmView, ...]
    """Strongest first."""
    verdict: str = ""
    """``useful``, ``expected`` or ``noise``; empty while nobody said."""
    marked_by: str = ""
    because: str = ""
    events: tuple[EventView, ...] = ()
    """What else happened, from a day before its window to its end."""


@dataclass(frozen=True, slots=True)
class ModelView:
    """One monitored model."""

    name: str
    owner: str | None = None
    versions: tuple[str, ...] = ()
    references: Mapping[str, str] = field(default_factory=dict)
    """Version → identity of the reference it is compared with; a version without one is absent."""
    learning: LearningView | None = None
    """Set while there is no reference yet."""
    last_prediction: int | None = None
    """Greatest event time of any counted row."""
    seen_at: int | None = None
    """Wall clock when this process last took rows of the model in; ``None`` when it has had none."""
    clocks: tuple[ClockView, ...] = ()
    strangers: tuple[StrangerView, ...] = ()
    join: JoinView | None = None
    """Set where there are labels."""
    changes: tuple[str, ...] = ()
    """What the configuration changed since the state was last open, in sentences."""
    concept: tuple[ConceptView, ...] = ()
    challenger: tuple[ChallengerView, ...] = ()
    evidence: tuple[EvidenceView, ...] = ()
    marks: Mapping[str, int] = field(default_factory=dict)
    """``useful``, ``expected`` or ``noise`` → incidents that an operator marked so."""
    windows: tuple[WindowView, ...] = ()
    """One for each (version, slice, window). Keep the same tuple while no window changed: what was made from it stays
    good as long."""
    performance: tuple[PerformanceView, ...] = ()
    """The same of what labels say."""


@dataclass(frozen=True, slots=True)
class AlertView:
    """One alert that is pending or fires."""

    fingerprint: str
    """The same for its whole life."""
    name: str
    severity: str
    """``page``, ``warn`` or ``info``."""
    model: str
    labels: Mapping[str, str]
    phase: str
    """``pending`` or ``firing``."""
    since: int
    """When it began to be bad, in the time of what it is about."""
    heard_at: int
    """Wall clock of the last that was heard of it."""
    summary: str
    description: str = ""
    next_step: str = ""
    silenced_by: tuple[str, ...] = ()
    """Ids of silences."""
    inhibited_by: str = ""
    """Name of the alert that explains it."""
    shadow: bool = False
    """Whether nobody is told, since its model is on trial."""


@dataclass(frozen=True, slots=True)
class AlertChangeView:
    """An alert that began to fire or ceased to."""

    at: int
    """In the time of what it is about."""
    observed_at: int
    fingerprint: str
    name: str
    severity: str
    model: str
    state: str
    """``firing`` or ``resolved``."""
    because: str
    about: str
    """What tells it from others of its name."""
    explanation: str


@dataclass(frozen=True, slots=True)
class SilenceView:
    """One silence; times are wall clock."""

    id: str
    matchers: str
    starts_at: int
    ends_at: int
    author: str
    comment: str


@dataclass(frozen=True, slots=True)
class ReceiverView:
    """How delivery to one receiver goes."""

    name: str
    waiting: int = 0
    oldest: int | None = None
    """When the oldest message was formed that waits."""
    failures: int = 0
    """Failed attempts in a row."""
    delivered_at: int | None = None
    disabled: bool = False
    """Whether it wants to hear nothing until it is enabled."""
    problem: str = ""
    deliveries: int = 0
    retries: int = 0
    parkings: int = 0


@dataclass(frozen=True, slots=True)
class AuditView:
    """One change that somebody made."""

    at: int
    actor: str
    action: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class AlertsView:
    """All that may be shown of the alerts at one moment."""

    mode: str
    """``builtin``, ``alertmanager``, ``prometheus_only`` or ``shadow``."""
    taken_at: int
    alerts: tuple[AlertView, ...] = ()
    """The likely causes first, at most some hundred."""
    counts: Mapping[tuple[str, str, str, str], int] = field(default_factory=dict)
    """(name, severity, model, phase) → all there are."""
    changes: tuple[AlertChangeView, ...] = ()
    """The latest, newest first."""
    silences: tuple[SilenceView, ...] = ()
    """Those that hold or are still to come."""
    receivers: tuple[ReceiverView, ...] = ()
    audit: tuple[AuditView, ...] = ()
    """The latest, newest first."""
    shadowed: Mapping[str, int | None] = field(default_factory=dict)
    """Model on trial → when that ends, ``None`` for as long as the configuration says so."""
    totals: Mapping[str, int] = field(default_factory=dict)
    """``firing`` and ``resolved`` → how often that came since the store was made."""
    signals_waiting: int = 0
    signals_lost: int = 0


@dataclass(frozen=True, slots=True)
class ProposalView:
    """One proposal to retrain a model; times are wall clock."""

    id: str
    model: str
    owner: str
    version: str
    """Live when it was proposed."""
    trigger: str
    """``condition``, ``schedule`` or ``manual``."""
    because: str
    state: str
    since: int
    """When it came into its state."""
    created_at: int
    dry_run: bool
    target: str
    evidence: Mapping[str, Any]
    """The figures that it rests on, as JSON."""
    approved_by: str = ""
    requested_at: int | None = None
    attempts: int = 0
    run: str = ""
    """What the target calls the run."""
    url: str = ""
    new_version: str = ""
    outcome: str = ""
    problem: str = ""
    frozen: bool = False
    """Whether warnings against the old reference are held back for it."""
    switch: str = ""
    """Where its reference stands: ``asked``, ``switched``, ``holds``, ``undone``; empty where none was to switch."""
    reference: str = ""
    """The same in a sentence, with its times."""
    decided: str = ""
    """The latest decision on it, while it waits: which limit holds it back."""


@dataclass(frozen=True, slots=True)
class PauseView:
    """Retraining is paused, of one model or of all (empty ``model``)."""

    model: str
    at: int
    author: str
    because: str


@dataclass(frozen=True, slots=True)
class RetrainedModelView:
    """A model whose retraining is configured."""

    model: str
    owner: str
    condition: str
    """Empty where only schedule and people ask."""
    dry_run: bool
    approval: bool
    """Whether a person must approve."""


@dataclass(frozen=True, slots=True)
class RetrainingView:
    """All that may be shown of retraining at one moment."""

    taken_at: int
    models: tuple[RetrainedModelView, ...] = ()
    proposals: tuple[ProposalView, ...] = ()
    """The latest, newest first."""
    pauses: tuple[PauseView, ...] = ()
    counts: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(model, decision) → how often it was taken since the store was made."""


@dataclass(frozen=True, slots=True)
class View:
    """All that may be shown of the service at one moment. Times are microseconds since the epoch, UTC."""

    taken_at: int
    """Wall clock."""
    started_at: int
    """Wall clock when the process began."""
    build: str
    """Version of the software."""
    config_hash: str
    models: tuple[ModelView, ...] = ()
    inputs: tuple[InputView, ...] = ()
    counters: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """(model or empty, name) → exact count since the state began, as the partitions keep them."""
    dead_letters_pending: int = 0
    alerts: AlertsView | None = None
    """``None`` where nobody judges what is found."""
    retraining: RetrainingView | None = None
    """``None`` where no retraining is configured."""


class ViewHolder:
    """Hands the newest view from the pipeline's thread to its readers.

    Swapping binds one attribute, which CPython does in one step, so readers need no lock and see a whole view.
    """

    __slots__ = ("_current",)

    def __init__(self, view: View | None = None) -> None:
        self._current = view

    @property
    def current(self) -> View | None:
        """The newest view, ``None`` before the first checkpoint."""
        return self._current

    def swap(self, view: View) -> None:
        """Show this view from now on."""
        self._current = view
