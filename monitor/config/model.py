"""What one model's section of the configuration may hold."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from monitor.config.types import Duration

TimeFormat = Literal["rfc3339", "epoch_s", "epoch_ms", "epoch_us"]
FieldDecoding = Literal["json", "csv", "base64"]


class Section(BaseModel):
    """A strict section: unknown keys are errors, values never appear in error texts."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class MapConfig(Section):
    """Where each role stands in a record.

    A path starts at ``value``, ``key``, ``headers``, ``topic`` or ``timestamp`` (the record's log time) and goes on with
    ``.name``, ``[i]`` or, once, ``[*]``; under ``explode`` the row itself is ``row`` and its index ``{row}``. ``id`` may
    be a template such as ``"{headers.ce_id}:{row}"``.
    """

    id: str = "value.prediction_id"
    time: str = "value.ts"
    version: str | None = None
    features: str | dict[str, str] | None = None
    """A path to an object that holds them all, or a path a feature."""
    score: str | None = None
    prediction: str | None = None
    label: str | None = None
    latency: str | None = None
    """Milliseconds the model took."""
    error: str | None = None
    """Truthy, or a status of 400 and above, when serving failed."""
    decode: dict[str, FieldDecoding] = Field(default_factory=dict)
    """A path whose value is itself encoded → how; applied before deeper paths are followed."""


class StreamConfig(Section):
    """One stream of records: a topic or a file, and how its records are read."""

    topic: str | None = None
    file: str | None = None
    format: Literal["json"] = "json"
    where: dict[str, str | int | float | bool] = Field(default_factory=dict)
    """Only records in which each path has this value belong to the model."""
    explode: str | None = None
    """A path with ``[*]`` to the list of rows in one record."""
    feature_names: list[str] | None = None
    """Names for positional features (``map.features`` then leads to a list)."""
    map: MapConfig = MapConfig()
    time_format: TimeFormat = "rfc3339"
    sample: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Share of the ids that is kept, by hash of the id."""


class FeatureConfig(Section):
    """One feature. What is left out is taken from the reference."""

    type: Literal["numeric", "categorical", "id", "ignore"] | None = None
    range: tuple[float, float] | None = None
    """Values outside count as ``low`` or ``high``; by default the reference's smallest and largest."""
    top_k: Annotated[int, Field(ge=1, le=1000)] = 100
    """At most so many categories are counted one by one."""
    importance: Annotated[float, Field(ge=0)] = 1.0
    protected: bool = False


class ReferenceConfig(Section):
    """What the live stream is compared with."""

    source: str | None = None
    """A reference file made by ``driftline reference build``."""
    learn: Duration | None = None
    """Learn from the live stream for so long."""
    bins: Annotated[int, Field(ge=16, le=4096)] = 256


class WindowConfig(Section):
    """A window that people look at, aligned to the epoch."""

    size: Duration
    slide: Duration | None = None
    """How far apart windows start; by default ``size`` (tumbling)."""
    lateness: Duration = 60_000_000
    min_samples: Annotated[int, Field(ge=1)] = 200
    restate_for: Duration = 7 * 86_400_000_000
    """Rows that come later than this after the window's end no longer restate it."""


class DetectorConfig(Section):
    """One statistic to show, with the thresholds that make its status."""

    kind: Literal[
        "psi", "ks", "jensen_shannon", "hellinger", "wasserstein", "chi2", "g_test", "total_variation", "l_infinity",
        "cramer_von_mises", "rate",
    ]  # fmt: skip
    on: list[str] = Field(default_factory=lambda: ["features", "score", "prediction"])
    """Columns, or ``features``, ``numeric``, ``categorical``, ``score``, ``prediction``, ``quality``, ``flagged``, ``volume``."""
    window: str | None = None
    """Name of the window; by default every window."""
    warn: float | None = None
    alert: float | None = None
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.01
    correction: Literal["none", "bonferroni", "benjamini_hochberg"] = "benjamini_hochberg"


class JoinConfig(Section):
    """How long predictions and labels wait for each other."""

    wait: Duration = 14 * 86_400_000_000
    max_pending: Annotated[int, Field(ge=1)] = 5_000_000
    sample: Annotated[float, Field(gt=0, le=1)] = 1.0


class SliceConfig(Section):
    """Counts kept apart for the commonest values of some columns."""

    by: Annotated[list[str], Field(min_length=1, max_length=2)]
    top_k: Annotated[int, Field(ge=1, le=1000)] = 20
    min_samples: Annotated[int, Field(ge=1)] = 300


class ModelConfig(Section):
    """One monitored model."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    owner: str | None = None
    task: Literal["binary_classification", "multiclass", "regression"] = "binary_classification"
    positive_class: str | int | bool | None = None
    decision: str | None = None
    """The operating threshold, such as ``score >= 0.92``."""
    predictions: StreamConfig
    features: dict[str, FeatureConfig] = Field(default_factory=dict)
    reference: ReferenceConfig | None = None
    windows: Annotated[dict[str, WindowConfig], Field(min_length=1)] | None = None
    detectors: list[DetectorConfig] | None = None
    slices: list[SliceConfig] = Field(default_factory=list)
    skew: Duration = 3_600_000_000
    """How far an event time may run ahead before it needs confirmation."""
    idle_timeout: Duration = 60_000_000
    """A partition without rows for so long (wall clock) no longer holds windows open."""
    lost_records: Literal["fail", "reset"] = "fail"


