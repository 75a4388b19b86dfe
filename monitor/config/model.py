"""What one model's section of the configuration may hold."""

from __future__ import annotations

from typing import Annotated, Final, Literal, get_args

from pydantic import Field

from monitor.config.retraining import ModelRetrainingConfig
from monitor.config.section import Section as Section  # noqa: PLC0414 - who reads sections finds it here
from monitor.config.types import Duration

TimeFormat = Literal["rfc3339", "epoch_s", "epoch_ms", "epoch_us"]
FieldDecoding = Literal["json", "csv", "base64"]


class MapConfig(Section):
    """Where each role stands in a record.

    A path starts at ``value``, ``key``, ``headers``, ``topic``, ``timestamp`` (the record's log time), ``partition``
    or ``offset`` and goes on with ``.name``, ``["a.name"]``, ``[3]`` or, once, ``[*]``. Under ``explode`` the row
    itself is ``row``.
    """

    id: str = "value.prediction_id"
    """What tells a row from all others: a path, or a template such as ``"{headers.ce_id}:{row}"``."""
    time: str = "value.ts"
    """Event time, in the stream's ``time_format``."""
    version: str | None = None
    """The model's version; counts are kept apart by it."""
    features: str | dict[str, str] | None = None
    """A path to an object that holds them all, or a path a feature."""
    score: str | None = None
    """A number, such as the probability of the positive class."""
    scores: str | dict[str, str] | None = None
    """Of several classes: the probability of each. A path to an object whose fields are the ``classes``, or to a list
    in the order of ``score_names``, or a path a class. They are judged by labels, not watched as columns."""
    lower: str | None = None
    """Of a regression: the lower end of the interval that the prediction claims, see ``performance.interval``."""
    upper: str | None = None
    """The upper end of the same."""
    deviation: str | None = None
    """Of a regression: the standard deviation that the prediction claims, of a normal law about it."""
    quantiles: Annotated[dict[str, str], Field(min_length=1, max_length=32)] | None = None
    """Of a regression: a path a quantile that was predicted, such as ``"0.05": value.low``."""
    prediction: str | None = None
    """What the model decided: a class, or the number that a regression predicts."""
    label: str | None = None
    """What was true. Predictions that carry it themselves need no ``labels``; those that do not are not judged, unless
    the row is logged again with it within ``join.wait``."""
    latency: str | None = None
    """Milliseconds the model took."""
    error: str | None = None
    """Truthy, or a status of 400 and above, when serving failed."""
    entity: str | None = None
    """What a prediction is about, such as a customer, where labels name that: see ``labels.match``."""
    action: str | None = None
    """What was done upon the prediction, such as ``approve``, where only some actions lead to labels: see
    ``performance.labelled_when``."""
    propensity: str | None = None
    """How likely that action was, above 0 and at most 1, where rows were explored at random."""
    items: str | None = None
    """Of a ranking: the list of the items that were shown, best first; the first 13 count. Only where labels name an
    item: see ``labels.map.item``."""
    item: str | None = None
    """Of a label of a ranking: the one item that was chosen. Without it ``label`` leads to a list of the relevance of
    the items in the order in which they were shown, whole numbers from 0 to 15."""
    retract: str | None = None
    """Of a label: truthy when it takes back what the label said before."""
    decode: dict[str, FieldDecoding] = Field(default_factory=dict)
    """A path whose value is itself encoded → how; applied before deeper paths are followed."""


class HalfConfig(Section):
    """How requests, or responses, are told from other records."""

    topic: str | None = None
    """Where they are logged, by default ``predictions.topic``."""
    where: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Only records in which each path has this value are of this half; beside the stream's own ``where``."""
    explode: str | None = None
    """A path with ``[*]`` to the list of rows in one record; both halves need the same rows."""


class PairConfig(Section):
    """Requests and responses that are logged as events of their own, and make a prediction together.

    Both carry the same id and may stand in any partition of one topic, or of two. Paths of ``map`` begin with
    ``request.`` or ``response.``; the id and the time may do without.
    """

    request: HalfConfig
    """What the model was given."""
    response: HalfConfig
    """What it answered."""
    timeout: Duration = 60_000_000
    """How far apart the two may lie by log time."""
    max_pending: Annotated[int, Field(ge=1)] = 100_000
    """Halves that may wait for their partners at once; of files, in each."""


class StreamConfig(Section):
    """One stream of records: a topic or a file, and how its records are read."""

    topic: str | None = None
    """A Kafka topic."""
    file: str | None = None
    """JSON Lines, plain, ``.gz`` or ``.zst``; a pattern such as ``logs/*.jsonl`` reads several."""
    format: Literal["json"] = "json"
    """How a record's value is encoded."""
    where: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Only records in which each path has this value belong to the model."""
    explode: str | None = None
    """A path with ``[*]`` to the list of rows in one record."""
    pair: PairConfig | None = None
    """Where requests and responses are events of their own."""
    feature_names: list[str] | None = None
    """Names for positional features (``map.features`` then leads to a list)."""
    score_names: list[str | int | bool] | None = None
    """Classes of positional scores (``map.scores`` then leads to a list)."""
    map: MapConfig = MapConfig()
    """Where each role stands in a record."""
    time_format: TimeFormat = "rfc3339"
    """How times are written; never guessed."""
    sample: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the ids that is kept, by hash of the id."""


def stream_name(stream: StreamConfig) -> str:
    """Return the name under which a stream's rows come: its topic, or its file; of a pair, that of its responses."""
    if stream.file is None and stream.pair is not None and stream.pair.response.topic is not None:
        return stream.pair.response.topic
    return stream.topic if stream.topic is not None else str(stream.file)


def stream_names(stream: StreamConfig) -> tuple[str, ...]:
    """Return every topic or file that a stream is read from; of a pair that is logged apart there are two.

    >>> halves = {"request": {"topic": "asked"}, "response": {"topic": "said"}}
    >>> stream_names(StreamConfig.model_validate({"pair": halves}))
    ('said', 'asked')
    """
    name = stream_name(stream)
    if stream.pair is None or stream.file is not None:
        return (name,)
    other = stream.pair.request.topic
    return tuple(dict.fromkeys((name, str(stream.topic) if other is None else other)))


class LabelMapConfig(MapConfig):
    """Where each role stands in a label's record; paths as in ``predictions.map``."""

    time: str = "timestamp"
    """When the label was made; by default the record's log time."""
    label: str | None = "value.label"
    """What was true: a class, or a number."""


class LabelsConfig(StreamConfig):
    """What was true, logged later, under the ids of the predictions."""

    map: LabelMapConfig = LabelMapConfig()
    """Where each role stands in a record."""
    match: Literal["id", "last_before"] = "id"
    """``id``: a label names its prediction. ``last_before``: ``map.id`` names an entity as ``predictions.map.entity``
    does, and ``map.time`` is the time that the label is about; it belongs to the entity's last prediction at or before
    that time. Such a prediction may be logged 5 minutes after its label at most."""
    matures_after: Duration | None = None
    """The age, by log time, at which a prediction is judged once and for all; by default ``join.wait``."""
    absent_means: str | int | float | bool | None = None
    """The label of a prediction that has none at that age, where labels only ever come for one class or value."""
    on_duplicate: Literal["last_wins", "first_wins"] = "last_wins"
    """Which label counts when two of them differ; the same said again is a duplicate in any case."""


class FeatureConfig(Section):
    """One feature. What is left out is taken from the reference."""

    type: Literal["numeric", "categorical", "vector", "id", "ignore"] | None = None
    """``id`` and ``ignore`` are not counted; by default the reference or the first values decide. A ``vector``, such as
    an embedding, is watched by its cluster, its distance from it, and its main axes; it needs ``reference.source``."""
    size: Annotated[int, Field(ge=1, le=4096)] | None = None
    """How many numbers a ``vector`` has; a list of another length is bad."""
    range: tuple[float, float] | None = None
    """Values outside count as ``low`` or ``high``; by default the reference's smallest and largest."""
    top_k: Annotated[int, Field(ge=1, le=1000)] = 100
    """At most so many categories are counted one by one."""
    importance: Annotated[float, Field(ge=0)] = 1.0
    """Weight beside the other features."""
    protected: bool = False
    """Whether it names a group that must be treated alike. With labels, and ``slices`` by this column alone, findings
    say how far apart the groups are."""


class ReferenceConfig(Section):
    """What the live stream is compared with."""

    source: str | None = None
    """A reference file made by ``driftline reference build``; a relative path starts at the configuration's folder."""
    learn: Duration | None = None
    """Learn from the live stream for so long; whole weeks see every weekday. Not together with ``source``."""
    bins: Annotated[int, Field(ge=16, le=4096)] = 256
    """Bins of a numeric column."""
    season: Literal["auto", "none", "hour_of_day", "hour_of_week"] = "auto"
    """Whether evidence compares each hour with the same hours of other days; ``auto``: where that sees more.
    ``hour_of_week`` compares with the same hours of the same weekdays and needs two whole weeks, better eight."""


class EvidenceConfig(Section):
    """How evidence of drift is gathered."""

    window: Literal["auto", "15m", "1h", "6h", "1d"] = "auto"
    """Each row enters one such window. ``auto`` is the shortest in which the reference has 500 rows or more and its own
    windows do not differ too much."""


class WindowConfig(Section):
    """A window that people look at, aligned to the epoch."""

    size: Duration
    """How long it is: a multiple of ``slide``."""
    slide: Duration | None = None
    """How far apart windows start, by default ``size`` (tumbling): whole minutes that divide 1h, hours that divide 1d,
    or whole days."""
    lateness: Duration = 60_000_000
    """How far rows may lie behind the latest one before the window closes without them."""
    min_samples: Annotated[int, Field(ge=1)] = 200
    """With fewer rows a window's status is ``insufficient``."""
    restate_for: Duration = 7 * 86_400_000_000
    """Rows that come later than this after the window's end no longer restate it."""


ConceptKind = Literal["adwin", "page_hinkley", "ddm", "eddm", "hddm_a", "hddm_w", "kswin", "fhddm"]
CONCEPT_KINDS: Final[tuple[str, ...]] = get_args(ConceptKind)


class RiverConfig(Section):
    """Settings of the detectors of concept drift, under River's names; what is left out has River's default."""

    delta: float | None = None
    """Of ``adwin`` and ``page_hinkley``."""
    clock: int | None = None
    """Of ``adwin``."""
    max_buckets: int | None = None
    """Of ``adwin``."""
    min_window_length: int | None = None
    """Of ``adwin``."""
    grace_period: int | None = None
    """Of ``adwin``."""
    min_instances: int | None = None
    """Of ``page_hinkley``."""
    threshold: float | None = None
    """Of ``page_hinkley``."""
    mode: Literal["up", "down", "both"] | None = None
    """Of ``page_hinkley``."""
    warm_start: int | None = None
    """Of ``ddm`` and ``eddm``."""
    warning_threshold: float | None = None
    """Of ``ddm``."""
    drift_threshold: float | None = None
    """Of ``ddm``."""
    beta: float | None = None
    """Of ``eddm``."""
    drift_confidence: float | None = None
    """Of ``hddm_a`` and ``hddm_w``."""
    warning_confidence: float | None = None
    """Of ``hddm_a`` and ``hddm_w``."""
    two_sided_test: bool | None = None
    """Of ``hddm_a`` and ``hddm_w``."""
    lambda_val: float | None = None
    """Of ``hddm_w``."""
    window_size: int | None = None
    """Of ``kswin``."""
    stat_size: int | None = None
    """Of ``kswin``."""
    seed: int | None = None
    """Of ``kswin``."""
    sliding_window_size: int | None = None
    """Of ``fhddm``."""
    confidence_level: float | None = None
    """Of ``fhddm``."""
    short_window_size: int | None = None
    """Of ``fhddm``."""


class DetectorConfig(RiverConfig):
    """One statistic to show, with the thresholds that make its status; or a detector of concept drift."""

    kind: Literal[
        "psi", "ks", "jensen_shannon", "hellinger", "wasserstein", "chi2", "g_test", "total_variation", "l_infinity",
        "cramer_von_mises", "rate", "mmd", "adwin", "page_hinkley", "ddm", "eddm", "hddm_a", "hddm_w", "kswin", "fhddm",
    ]  # fmt: skip
    """The statistic of a window; or, from ``adwin`` on, what watches the model's errors one by one as labels come.
    ``mmd`` compares vectors whole, and looks at nothing else."""
    on: Annotated[list[str], Field(min_length=1)] = Field(default_factory=lambda: ["features", "score", "prediction"])
    """Columns, or ``features``, ``numeric``, ``categorical``, ``score``, ``prediction``, ``quality``, ``flagged``,
    ``volume``. Of ``volume``, whatever the kind, the statistic is how far the logarithm of rows over expected rows is
    from 0: 0.7 is twice as many or half; it needs no ``min_samples``. ``quality`` also tells of features that vanished
    and of fields that records begin to carry. A detector of concept drift takes ``error`` (1 where the class at the
    operating decision, or as logged, is wrong) or ``loss`` (log loss; of a regression the absolute error), by default
    ``error``, of a regression ``loss``."""
    window: str | None = None
    """Name of the window; by default every window."""
    warn: Annotated[float, Field(ge=0)] | None = None
    """From this value on the status is ``warn``, if chance alone does not reach it; by default ``alert``."""
    alert: Annotated[float, Field(ge=0)] | None = None
    """From this value on the status is ``drift``, if chance alone does not reach it; by default what chance reaches."""
    alpha: Annotated[float, Field(gt=0, le=1)] = 0.01
    """How often chance alone may reach the threshold; ``page_hinkley``, ``eddm`` and ``kswin`` have River's instead."""
    correction: Literal["none", "bonferroni", "benjamini_hochberg"] = "benjamini_hochberg"
    """How p-values are corrected for the number of columns."""

    @property
    def is_concept(self) -> bool:
        """Whether it watches errors one by one."""
        return self.kind in CONCEPT_KINDS

    @property
    def parameters(self) -> dict[str, int | float | str | bool | None]:
        """River's parameters as given; what is left out, or null, has River's default."""
        names = {*RiverConfig.model_fields, "alpha"} & self.model_fields_set
        return {name: value for name in sorted(names) if (value := getattr(self, name)) is not None}


class JoinConfig(Section):
    """How long predictions and labels wait for each other."""

    wait: Duration = 14 * 86_400_000_000
    """By log time."""
    max_pending: Annotated[int, Field(ge=1)] = 5_000_000
    """Rows that may wait at once."""
    sample: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the ids that is joined, by hash of the id."""


class OutcomeCosts(Section):
    """A number for each outcome of a decision; a gain is negative."""

    true_negative: float = 0.0
    """Not flagged, and rightly so."""
    false_positive: float = 0.0
    """Flagged without need."""
    false_negative: float = 0.0
    """Missed."""
    true_positive: float = 0.0
    """Flagged, and rightly so."""


class CostConfig(OutcomeCosts):
    """What one prediction of each outcome costs."""

    per_amount: OutcomeCosts = OutcomeCosts()
    """What it costs besides for each 1 of the ``amount`` at stake."""


class DropConfig(Section):
    """How much worse than the baseline a figure may surely be."""

    drop: Annotated[float, Field(gt=0)]
    """In units of the figure, in the direction that is worse."""


class PerformanceConfig(Section):
    """How the model's performance is judged once labels come."""

    metrics: list[str] | None = None
    """Figures that findings are made of; by default those usual for the task. All are computed."""
    window: str | None = None
    """Name of the window; by default every window of whole hours."""
    baseline: Literal["reference", "previous_version"] | dict[str, float] = "reference"
    """What figures are compared with: the first predictions that matured, the version before, or numbers by metric."""
    learn: Duration | None = None
    """How long the first predictions are learnt from for ``baseline: reference``; by default as ``reference.learn``."""
    alert_when: dict[str, DropConfig] = Field(default_factory=dict)
    """Metric → the change from which on, with its whole 95 % interval, the status is ``drift``; half of it warns. By
    default 0.05 of a share, a tenth of the baseline's value of anything else."""
    tops: Annotated[list[float], Field(min_length=1, max_length=8)] | None = None
    """Of a binary model: the shares of the highest scores for capture and lift, by default 0.01, 0.05 and 0.1. Of
    several classes with ``map.scores``: the k of top-k accuracy, by default 3 and 5 as far as there are so many. Of a
    ranking: the k of precision, recall and NDCG, at most 13, by default 5 and 10."""
    gain: Literal["linear", "exponential"] = "linear"
    """Of a ranking: what relevance is worth to NDCG, itself or 2 to its power less 1."""
    interval: Annotated[float, Field(gt=0, lt=1)] = 0.9
    """Share of the labels that intervals of ``map.lower`` and ``map.upper`` claim to hold."""
    labelled_when: Annotated[list[str | int | bool], Field(min_length=1)] | None = None
    """Actions of ``map.action`` that lead to labels. Only rows with such an action count; figures are of these alone,
    and say so. With ``map.propensity`` some are told for all rows as well, weighted by 1 over it: of a binary model
    such as ``recall_weighted``, of several classes such as ``recall_macro_by_propensity``, of a regression such as
    ``mae_by_propensity``."""
    thresholds: Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(max_length=8)] = Field(default_factory=list)
    """Scores of a binary model from which on to flag, beside ``decision``: the figures of each are told as well, such
    as ``recall[score>=0.3]``."""
    amount: str | None = None
    """A numeric feature that says what is at stake, so that figures can be weighted by it."""
    amount_unit: Annotated[float, Field(gt=0)] = 0.01
    """The smallest difference between two amounts."""
    cost: CostConfig | None = None
    """What outcomes cost, for the mean cost of a prediction."""
    min_labels: Annotated[int, Field(ge=1)] = 100
    """With fewer labels in a window its figures are ``insufficient``."""
    estimate_without_labels: bool = True
    """Whether performance is estimated from scores before labels come, as figures of their own; with ``slices`` also by
    the baseline's outcomes in the first slicing of at most 64 values, weighted as the predictions fall."""


class CalibrationConfig(Section):
    """How far scores may be from the rates that they foretell."""

    bins: Annotated[int, Field(ge=2, le=100)] = 15
    """Bins of equal mass in the baseline."""
    alert_ece: Annotated[float, Field(gt=0, le=1)] | None = None
    """Expected calibration error from which the status is ``drift``, if its interval lies above chance."""


class SliceConfig(Section):
    """Counts kept apart for the commonest values of some columns.

    Within a slice the score, the prediction, the flagged share and errors are compared with the same slice in the
    reference.
    """

    by: Annotated[list[str], Field(max_length=2)] = Field(default_factory=list)
    """One column, or two together. Numbers are cut into at most ten ranges of about equal mass."""
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")] | None = None
    """Names the part that ``where`` says."""
    where: Annotated[str, Field(max_length=2000)] | None = None
    """Instead of ``by``: features compared with constants by ``< <= > >= == != in``, with ``and``, ``or``, ``not``,
    such as ``amount > 1000 and country in ["de", "fr"]``. What hangs on a missing cell is a slice of its own."""
    top_k: Annotated[int, Field(ge=1, le=1000)] = 20
    """The commonest values of a column; the rest is one slice, missing and bad cells are another."""
    min_samples: Annotated[int, Field(ge=1)] = 300
    """With fewer rows a slice is not judged."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns whose values part the rows."""
        return tuple(self.by) if self.where is None else (f"where:{self.name}",)


class FindSlicesConfig(Section):
    """Slices that err most, found by themselves among the parts of all features and of any two of them.

    It needs labels, and a model of classes or numbers. A slice that is found is watched from the next window on.
    """

    enabled: bool = True
    """Whether they are looked for."""
    by: Annotated[list[str], Field(min_length=1, max_length=24)] | None = None
    """The features to look in; by default the 24 most important ones. Each is cut into at most 14 parts."""
    min_samples: Annotated[int, Field(ge=20)] = 200
    """Rows that a slice has in the last twenty windows or so, at least."""
    most: Annotated[int, Field(ge=1, le=64)] = 16
    """Slices that are promoted; twice as many are watched at most."""
    values: Annotated[int, Field(ge=0, le=4)] = 2
    """Columns of many values whose commonest thousand are looked at one by one, at most. Each takes 24 bytes of every
    prediction that waits for its label."""
    large_error: Annotated[float, Field(gt=0)] | None = None
    """Of a regression: a prediction that is off by more counts against its slices. By default what a tenth of the first
    thousand judged predictions exceed."""


class ChallengerConfig(Section):
    """The model that this one would take the place of: both predict the same ids and have the same labels."""

    model: str
    """Name of the champion."""
    bound: Annotated[float, Field(gt=0)] | None = None
    """Of a regression: differences between the absolute errors of the two beyond it are cut to it. It decides how soon
    a difference shows; take the largest error that is not absurd."""

    def bound_of(self, model: ModelConfig) -> float:
        """Return the bound of differences of losses; those of classes lie within 1."""
        return 1.0 if self.bound is None or model.task != "regression" else self.bound


class ModelAlertsConfig(Section):
    """Whether alerts of a model are told."""

    mode: Literal["shadow", "live"] = "shadow"
    """``shadow``: for its first time there is only a daily digest. ``live``: at once."""
    shadow_for: Duration | None = None
    """How long it is in shadow; by default ``alerts.shadow_for``."""


class ModelConfig(Section):
    """One monitored model."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    """Letters, digits, ``.``, ``_`` and ``-``; unique."""
    owner: str | None = None
    """The team that hears of it."""
    task: Literal["binary_classification", "multiclass", "regression", "ranking"] = "binary_classification"
    """What the model predicts: one of two classes, one of several, a number, or the order of a list."""
    positive_class: str | int | bool | None = None
    """The class that the score is the probability of."""
    classes: Annotated[list[str | int | bool], Field(min_length=2, max_length=1000)] | None = None
    """All classes there are; labels of a multiclass model need them. By default a binary model has ``0`` and ``1``, or
    ``false`` and ``true``, where ``positive_class`` is one of these; otherwise any other is the other class."""
    decision: str | None = None
    """The operating threshold, such as ``score >= 0.92``; the share of rows beyond it is watched as ``flagged``."""
    predictions: StreamConfig
    """Where the model's predictions are logged."""
    labels: LabelsConfig | None = None
    """Where what was true is logged."""
    challenger_of: ChallengerConfig | None = None
    """The model that this one is compared with, id by id."""
    join: JoinConfig = JoinConfig()
    """How labels find their predictions."""
    performance: PerformanceConfig = PerformanceConfig()
    """How predictions are judged by their labels."""
    calibration: CalibrationConfig = CalibrationConfig()
    """How scores are judged by their labels."""
    features: dict[str, FeatureConfig] = Field(default_factory=dict)
    """What is to be known of single features; the others are taken from the reference."""
    reference: ReferenceConfig | None = None
    """What the live stream is compared with; by default ``{learn: 14d}``."""
    windows: Annotated[dict[str, WindowConfig], Field(min_length=1)] | None = None
    """Name → window; replaces the default windows."""
    detectors: Annotated[list[DetectorConfig], Field(min_length=1)] | None = None
    """Statistics to show; replaces the default ones."""
    compat: list[Literal["evidently", "nannyml", "sagemaker", "vertex", "deepchecks", "alibi", "whylogs", "river"]] = (
        Field(default_factory=list)
    )
    """Monitors whose default verdict on every column is told beside ours, for who comes from there. Of River it is
    ADWIN's on reference and window; on single rows its detectors are among ``detectors``, with River's defaults."""
    slices: list[SliceConfig] = Field(default_factory=list)
    """Parts of the traffic that are counted apart."""
    find_slices: FindSlicesConfig = FindSlicesConfig()
    """Slices that are found by themselves."""
    evidence: EvidenceConfig = EvidenceConfig()
    """How evidence of drift is gathered."""
    alerts: ModelAlertsConfig | None = None
    """Whether its alerts are told."""
    retraining: ModelRetrainingConfig | None = None
    """When to retrain it, by whom, and within which limits. Without it nothing is ever requested."""
    skew: Duration = 3_600_000_000
    """How far an event time may run ahead before it needs confirmation."""
    idle_timeout: Duration = 60_000_000
    """A partition without rows for so long (wall clock) no longer holds windows open."""
    lost_records: Literal["fail", "reset"] = "fail"
    """What to do when records were deleted before they were read: stop, or go on behind the gap, which is counted."""

    @property
    def is_labelled(self) -> bool:
        """Whether it is told what was true, in records of its own or in those of the predictions."""
        return self.labels is not None or self.predictions.map.label is not None

    @property
    def has_scores(self) -> bool:
        """Whether each of several classes has a score."""
        return self.task == "multiclass" and self.predictions.map.scores is not None

    @property
    def matures_after(self) -> int:
        """The age at which a prediction is judged once and for all: at once where it carries its label itself."""
        if self.labels is None:
            return 0
        return self.join.wait if self.labels.matures_after is None else self.labels.matures_after

    @property
    def statistics(self) -> list[DetectorConfig]:
        """The detectors that compare counts of windows."""
        return [one for one in self.detectors or () if not one.is_concept and one.kind != "mmd"]

    @property
    def discrepancies(self) -> list[DetectorConfig]:
        """The detectors that compare the vectors of windows whole."""
        return [one for one in self.detectors or () if one.kind == "mmd"]

    @property
    def concept(self) -> list[DetectorConfig]:
        """The detectors that watch errors one by one."""
        return [detector for detector in self.detectors or () if detector.is_concept]

    def streams_of(self, detector: DetectorConfig) -> list[str]:
        """Return what a detector of concept drift watches: ``error``, ``loss`` or both."""
        if "on" in detector.model_fields_set:
            return detector.on
        return ["loss" if self.task == "regression" else "error"]

    @property
    def names_items(self) -> bool:
        """Whether a label of a ranking names the item that was chosen."""
        return self.task == "ranking" and self.labels is not None and self.labels.map.item is not None

    def detectors_on(self, selector: str, window: str | None = None) -> list[DetectorConfig]:
        """Return the detectors that name a selector, of all windows or of those that judge one."""
        return [
            detector
            for detector in self.statistics
            if selector in detector.on and (window is None or detector.window in {None, window})
        ]
