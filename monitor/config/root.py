"""The whole configuration file."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias, get_args

from pydantic import Field, SecretStr

from monitor.config.alerts import AlertsConfig, TokenConfig
from monitor.config.model import (
    DetectorConfig,
    ModelAlertsConfig,
    ModelConfig,
    ReferenceConfig,
    Section,
    TimeFormat,
    WindowConfig,
)
from monitor.config.retraining import RetrainingConfig
from monitor.config.types import Budget, Duration, Moment, Size


class SecurityConfig(Section):
    """How to talk to a secured cluster."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """Whether connections are encrypted, and whether the client logs in."""
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = None
    """How the client logs in; needs a SASL protocol."""
    username: str | None = None
    """For PLAIN and SCRAM."""
    password: SecretStr | None = None
    """For PLAIN and SCRAM; best written ``${file:/run/secrets/kafka}``."""
    token_file: str | None = None
    """OAUTHBEARER: a file that holds the current token; read again at every connection."""
    ca_file: str | None = None
    """PEM; whom to trust. By default the system's authorities."""
    cert_file: str | None = None
    """PEM; the client's own certificate (mTLS), with ``key_file``."""
    key_file: str | None = None
    """PEM; the key of ``cert_file``."""
    key_password: SecretStr | None = None
    """Opens ``key_file``."""
    check_hostname: bool = True
    """Whether the broker's certificate must carry its name."""


class DeadLettersConfig(Section):
    """Where records go that cannot be counted."""

    topic: str | None = None
    """A topic of its own; it must exist."""
    file: str | None = None
    """A file of JSON Lines that grows."""
    payload: bool = True
    """Whether the raw key and value go along; ``false`` keeps position and reason only."""


class KafkaConfig(Section):
    """The cluster."""

    bootstrap_servers: Annotated[list[str], Field(min_length=1)] = Field(default_factory=lambda: ["localhost:9092"])
    """``host:port``, several for when one is down."""
    client: Literal["kafka-python", "librdkafka"] = "kafka-python"
    """``librdkafka`` needs the extra of that name."""
    security: SecurityConfig = SecurityConfig()
    """TLS and login."""
    group_id: str = "driftline"
    """Advisory commits for lag tools; the truth is in the state."""
    isolation_level: Literal["read_committed", "read_uncommitted"] = "read_committed"
    """Whether records of aborted transactions are left out."""
    start: Literal["earliest", "latest"] | Moment = "earliest"
    """Where to begin when there is no state; never used again."""
    dead_letters: DeadLettersConfig | None = None
    """Where rejected records go; by default they are only counted."""
    request_timeout: Duration = 30_000_000
    """How long an answer of the broker may take."""


class DefaultsConfig(Section):
    """Merged into every model that does not say otherwise."""

    reference: ReferenceConfig | None = None
    """Fills what a model's ``reference`` leaves out."""
    windows: Annotated[dict[str, WindowConfig], Field(min_length=1)] | None = None
    """For models without ``windows``."""
    detectors: Annotated[list[DetectorConfig], Field(min_length=1)] | None = None
    """For models without ``detectors``."""
    alerts: ModelAlertsConfig | None = None
    """For models without ``alerts``."""


Kind: TypeAlias = Literal[
    "performance", "calibration", "quality", "flagged_share", "score", "prediction", "features", "slices"
]
"""What a monitor of evidence is about."""
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
PAGING: Final[tuple[Kind, ...]] = ("performance", "calibration", "quality", "flagged_share")


class PageConfig(Section):
    """Alarms that may wake somebody."""

    false_incidents: Budget = 365 * 86_400_000_000
    """How often chance alone may cause one, over all models of the service."""
    kinds: list[Kind] = Field(default_factory=lambda: list(PAGING))
    """What they listen to. A feature alone pages nobody, unless it is named here."""
    ignore_below: Literal["auto"] | Annotated[float, Field(ge=0, le=10)] = 0.1
    """Drifts of a smaller population stability index are of no interest. ``auto`` is the least at which days of the
    reference keep the budget; it is never less."""


class WarnConfig(Section):
    """Alarms for office hours."""

    false_incidents: Budget = 7 * 86_400_000_000
    """How often chance alone may cause one, over all models of the service."""
    kinds: list[Kind] = Field(default_factory=lambda: list(KINDS))
    """What they listen to."""
    ignore_below: Literal["auto"] | Annotated[float, Field(ge=0, le=10)] = "auto"
    """Drifts of a smaller population stability index are of no interest."""


class AlarmsConfig(Section):
    """Budgets of false alarms. They hold for evidence, not for the thresholds of ``detectors``. False is by chance."""

    page: PageConfig = PageConfig()
    """Alarms that may wake somebody."""
    warn: WarnConfig = WarnConfig()
    """Alarms for office hours."""


class CalendarConfig(Section):
    """Local days."""

    timezone: str = "UTC"
    """A name of the IANA database, such as ``Europe/Berlin``."""
    holidays: list[str] = Field(default_factory=list)
    """Days such as ``2026-12-25``."""


class ChangeEventsConfig(Section):
    """A topic that tells of deploys, flags and campaigns. A record is what ``POST /api/v1/events`` takes."""

    topic: str
    """The topic; it must exist."""
    start: Literal["earliest", "latest"] = "latest"
    """Where to begin when it was never read."""
    time_format: TimeFormat = "rfc3339"
    """Of ``at``. A record without ``at`` is of the time at which it was logged."""


class ShardsConfig(Section):
    """Which share of the partitions this process owns."""

    count: Annotated[int, Field(ge=1)] = 1
    """How many processes share the partitions."""
    index: Annotated[int, Field(ge=0)] = 0
    """Which of them this one is, from 0."""


class StateConfig(Section):
    """Where the state lives."""

    path: str = "driftline-state"
    """A folder on a local disk, of this process alone."""
    checkpoint: Duration = 1_000_000
    """How often everything is written at once."""
    checkpoint_records: Annotated[int, Field(ge=1)] = 50_000
    """Written after so many records too."""
    generation_every: Duration = 600_000_000
    """How often a whole copy (hard links) is made."""
    generations: Annotated[int, Field(ge=1, le=100)] = 2
    """How many such copies are kept."""
    history: Duration = 90 * 86_400_000_000
    """How long evaluated windows are kept."""
    shards: ShardsConfig = ShardsConfig()
    """Which share of the partitions this process owns."""


class HttpConfig(Section):
    """The service's own port: the page, metrics, health, readiness. Reading needs no login, changing needs a token."""

    listen: str = "0.0.0.0:9464"
    """``host:port``."""
    tokens: list[TokenConfig] = Field(default_factory=list)
    """Who may change something."""


class ReportConfig(Section):
    """One report, such as for every Monday, or of every month for those who answer for a model's risk."""

    schedule: str
    """Five fields of cron, such as ``0 8 * * mon``, in ``calendar.timezone``."""
    folder: str
    """Where it is written to, as ``driftline-2026-11-23T0700Z.html``, or ``driftline-2026-10.html`` of a month."""
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", max_length=60)] = "driftline"
    """With what its files' names begin."""
    format: Literal["html", "md", "json"] = "html"
    """What is written."""
    period: Literal["day", "week", "month"] | None = None
    """Have it cover the last whole one of ``calendar.timezone``, instead of ``covers``."""
    covers: Duration = 7 * 86_400_000_000
    """How far back it looks."""
    keep: Annotated[int, Field(ge=1)] = 100
    """How many are kept."""


class MetricsConfig(Section):
    """What is exported beside the defaults."""

    export: list[
        Literal[
            "ks", "jensen_shannon", "hellinger", "wasserstein", "chi2", "g_test", "total_variation", "l_infinity",
            "cramer_von_mises", "p_value", "quality",
        ]
    ] = Field(default_factory=list)  # fmt: skip
    """Figures of every feature, beside its drift ratio and PSI; each adds a series a feature and window."""


class LimitsConfig(Section):
    """Bounds that keep one bad producer from taking the service down."""

    max_series: Annotated[int, Field(ge=100)] = 20_000
    """Time series that ``/metrics`` may hold."""
    max_features_per_model: Annotated[int, Field(ge=1)] = 1000
    """Features beyond that are counted as overflow."""
    max_record_bytes: Size = 1 << 20
    """A larger record is rejected."""
    max_depth: Annotated[int, Field(ge=1, le=500)] = 32
    """A record nested more deeply is rejected."""
    max_keys: Annotated[int, Field(ge=1)] = 10_000
    """A record with more keys is rejected."""
    max_rows_per_record: Annotated[int, Field(ge=1)] = 10_000
    """A record that explodes into more rows is rejected."""
    max_dead_letters: Annotated[int, Field(ge=0)] = 10_000
    """Dead letters that may wait to be published; the rest is counted only."""
    versions: Annotated[int, Field(ge=1, le=64)] = 4
    """Versions of a model that are counted apart; the rest is ``other``."""


class LogConfig(Section):
    """The service's log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is written."""
    format: Literal["auto", "json", "console"] = "auto"
    """``auto`` is ``console`` on a terminal and ``json`` elsewhere."""


class Config(Section):
    """One configuration file."""

    version: Literal[1]
    """The version of this surface."""
    kafka: KafkaConfig = KafkaConfig()
    """The cluster."""
    defaults: DefaultsConfig = DefaultsConfig()
    """Merged into every model that does not say otherwise."""
    calendar: CalendarConfig = CalendarConfig()
    """Local days."""
    models: Annotated[list[ModelConfig], Field(min_length=1)]
    """The models that are watched."""
    alarms: AlarmsConfig = AlarmsConfig()
    """Budgets of false alarms."""
    alerts: AlertsConfig = AlertsConfig()
    """Who hears of what."""
    retraining: RetrainingConfig = RetrainingConfig()
    """What the retraining of all models has in common."""
    reports: list[ReportConfig] = Field(default_factory=list)
    """Reports that are written by the calendar."""
    change_events: ChangeEventsConfig | None = None
    """Where deploys are told of, besides by ``driftline event`` and over HTTP."""
    state: StateConfig = StateConfig()
    """Where the state lives."""
    http: HttpConfig = HttpConfig()
    """The service's own port."""
    metrics: MetricsConfig = MetricsConfig()
    """What ``/metrics`` holds beside the defaults."""
    limits: LimitsConfig = LimitsConfig()
    """Bounds against a bad producer."""
    log: LogConfig = LogConfig()
    """The service's log."""
