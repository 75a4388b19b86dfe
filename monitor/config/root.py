"""The whole configuration file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from monitor.config.model import DetectorConfig, ModelConfig, ReferenceConfig, Section, WindowConfig
from monitor.config.types import Duration, Moment, Size


class SecurityConfig(Section):
    """How to talk to a secured cluster."""

    protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = None
    username: str | None = None
    password: SecretStr | None = None
    token_file: str | None = None
    """OAUTHBEARER: a file that holds the current token; read again at every connection."""
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    key_password: SecretStr | None = None
    check_hostname: bool = True


class DeadLettersConfig(Section):
    """Where records go that cannot be counted."""

    topic: str | None = None
    file: str | None = None
    payload: bool = True
    """Whether the raw key and value go along; ``false`` keeps position and reason only."""


class KafkaConfig(Section):
    """The cluster."""

    bootstrap_servers: Annotated[list[str], Field(min_length=1)] = Field(default_factory=lambda: ["localhost:9092"])
    client: Literal["kafka-python", "librdkafka"] = "kafka-python"
    security: SecurityConfig = SecurityConfig()
    group_id: str = "driftline"
    """Advisory commits for lag tools; the truth is in the state."""
    isolation_level: Literal["read_committed", "read_uncommitted"] = "read_committed"
    start: Literal["earliest", "latest"] | Moment = "earliest"
    """Where to begin when there is no state; never used again."""
    dead_letters: DeadLettersConfig | None = None
    request_timeout: Duration = 30_000_000


class DefaultsConfig(Section):
    """Merged into every model that does not say otherwise."""

    reference: ReferenceConfig | None = None
    windows: dict[str, WindowConfig] | None = None
    detectors: list[DetectorConfig] | None = None


class CalendarConfig(Section):
    """Local days."""

    timezone: str = "UTC"
    holidays: list[str] = Field(default_factory=list)


class ShardsConfig(Section):
    """Which share of the partitions this process owns."""

    count: Annotated[int, Field(ge=1)] = 1
    index: Annotated[int, Field(ge=0)] = 0


class StateConfig(Section):
    """Where the state lives."""

    path: str = "driftline-state"
    checkpoint: Duration = 1_000_000
    checkpoint_records: Annotated[int, Field(ge=1)] = 50_000
    generation_every: Duration = 600_000_000
    generations: Annotated[int, Field(ge=1, le=100)] = 2
    history: Duration = 90 * 86_400_000_000
    """How long evaluated windows are kept."""
    shards: ShardsConfig = ShardsConfig()


class HttpConfig(Section):
    """The service's own port: metrics, health, readiness."""

    listen: str = "0.0.0.0:9464"


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
    max_features_per_model: Annotated[int, Field(ge=1)] = 1000
    max_record_bytes: Size = 1 << 20
    max_depth: Annotated[int, Field(ge=1, le=500)] = 32
    max_keys: Annotated[int, Field(ge=1)] = 10_000
    max_rows_per_record: Annotated[int, Field(ge=1)] = 10_000
    max_dead_letters: Annotated[int, Field(ge=0)] = 10_000
    """Dead letters that may wait to be published; the rest is counted only."""
    versions: Annotated[int, Field(ge=1, le=64)] = 4


class LogConfig(Section):
    """The service's log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


class Config(Section):
    """One configuration file."""

    version: Literal[1]
    kafka: KafkaConfig = KafkaConfig()
    defaults: DefaultsConfig = DefaultsConfig()
    calendar: CalendarConfig = CalendarConfig()
    models: Annotated[list[ModelConfig], Field(min_length=1)]
    state: StateConfig = StateConfig()
    http: HttpConfig = HttpConfig()
    metrics: MetricsConfig = MetricsConfig()
    limits: LimitsConfig = LimitsConfig()
    log: LogConfig = LogConfig()
