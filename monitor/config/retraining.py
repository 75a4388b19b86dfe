"""The sections ``retraining``: of a model, and of all."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import Field, WithJsonSchema

from monitor.config.section import Section
from monitor.config.types import Duration, SecretText

_DAY: Final = 86_400_000_000
TargetKind: TypeAlias = Literal[
    "webhook", "kafka", "airflow", "argo_workflows", "argo_events", "github", "kubernetes", "http"
]
Template: TypeAlias = Annotated[Any, WithJsonSchema({"$comment": "any JSON"})]
Names: TypeAlias = Annotated[list[str], Field(min_length=1)]
Day: TypeAlias = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: Final[tuple[Day, ...]] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Clock: TypeAlias = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Date: TypeAlias = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class TargetConfig(Section):
    """Where a retraining is requested. ``docs/retraining.md`` says which keys belong to which kind."""

    kind: TargetKind
    """What it is."""
    url: SecretText | None = None
    """All but ``kafka`` and ``github``: where to. ``http`` may name parts of the order in it, as ``{model}``."""
    secret: SecretText | None = None
    """``webhook``: signs every request, ``whsec_…`` of Standard Webhooks."""
    previous_secret: SecretText | None = None
    """``webhook``: signs as well, while the receiver changes over."""
    bearer_token: SecretText | None = None
    """For the header ``Authorization``."""
    username: str | None = None
    """The login, with ``password``."""
    password: SecretText | None = None
    """Of ``username``."""
    idempotent: bool | None = None
    """``webhook``, ``http``: whether a second request with the same key starts nothing. Otherwise a request whose
    answer was lost is parked, and a person is asked."""
    topic: str | None = None
    """``kafka``: where to; it must exist."""
    dag_id: str | None = None
    """``airflow``: the DAG."""
    version: Literal["3", "2"] | None = None
    """``airflow``: its major version; 3."""
    namespace: str | None = None
    """``argo_workflows``, ``kubernetes``: where it runs."""
    template: str | None = None
    """``argo_workflows``: the template that is submitted."""
    template_kind: Literal["WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow"] | None = None
    """``argo_workflows``: what ``template`` is; a WorkflowTemplate."""
    parameters: Names | None = None
    """``argo_workflows``: those of ``id``, ``model``, ``version``, ``because``, ``callback`` and ``evidence`` that the
    template declares."""
    repository: str | None = None
    """``github``: ``owner/name``."""
    event_type: str | None = None
    """``github``: what the workflow listens to; ``driftline-retrain``."""
    token: SecretText | None = None
    """``github``: a token that may write contents."""
    api_url: str | None = None
    """``github``: another server."""
    cronjob: str | None = None
    """``kubernetes``: the CronJob whose template becomes the Job; it may be suspended."""
    method: Literal["POST", "PUT"] | None = None
    """``http``: ``POST``."""
    headers: dict[str, str] | None = None
    """``http``: headers; may name parts of the order."""
    body: Template = None
    """``http``: what is sent as JSON; its texts may name parts of the order, ``"{order}"`` alone is all of it."""
    known_statuses: list[int] | None = None
    """``http``, idempotent: statuses such as 409 by which the API says that it knows the key."""
    run: str | None = None
    """``http``: where in the answer the run's name stands, as ``run.id``."""
    aws_region: str | None = None
    """``http``: signs requests for this region of AWS (Signature Version 4)."""
    aws_service: str | None = None
    """``http``: the service's name in signatures; ``sagemaker``."""
    aws_access_key: SecretText | None = None
    """``http``: signs, with ``aws_secret_key``."""
    aws_secret_key: SecretText | None = None
    """``http``: of ``aws_access_key``."""
    aws_session_token: SecretText | None = None
    """``http``: of temporary keys."""
    allow: Names | None = None
    """Networks or host names that may be reached although they are not public; cloud metadata never."""
    allow_ports: Annotated[list[Annotated[int, Field(ge=1, le=65_535)]], Field(min_length=1)] | None = None
    """Ports beside the usual ones."""
    allow_http: bool | None = None
    """Whether ``http://`` may be used."""
    ca_file: str | None = None
    """PEM; whom to trust instead of the system's authorities."""
    cert_file: str | None = None
    """PEM; the certificate to show, with ``key_file``."""
    key_file: str | None = None
    """PEM; the key of ``cert_file``."""


class BlackoutConfig(Section):
    """A time in which nothing is requested, in ``calendar.timezone``."""

    days: Annotated[list[Day], Field(min_length=1)] = Field(default_factory=lambda: list(DAYS))
    """Days on which it begins."""
    from_: Annotated[Clock, Field(alias="from")] = "00:00"
    """Time of day at which it begins."""
    to: Clock = "00:00"
    """Time of day at which it ends, on the next day when that is not later. Both 00:00 is the whole day."""
    first: Date | None = None
    """The first day on which it may begin, such as ``2026-12-20``."""
    last: Date | None = None
    """The last."""


class GuardrailsConfig(Section):
    """The limits. A proposal that meets one waits, and the audit says which."""

    cooldown: Duration = 3 * _DAY
    """No request so long after the last, whatever became of it."""
    max_per_day: Annotated[int, Field(ge=1)] = 1
    """Requests in any 24 hours."""
    max_per_30d: Annotated[int, Field(ge=1)] = 4
    """Requests in any 30 days."""
    cost_per_run: Annotated[float, Field(ge=0)] = 0.0
    """What a run costs, in any currency."""
    monthly_budget: Annotated[float, Field(ge=0)] | None = None
    """What the runs of any 30 days may cost."""
    min_matured_labels: Annotated[int, Field(ge=0)] = 1_000
    """Predictions that were judged by their label since the last request."""
    min_label_coverage: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the mature predictions that have a label."""
    approval: Literal["required", "none"] = "required"
    """Whether a person must approve."""
    holds_for: Duration = 0
    """How long the condition must have held."""
    settle: Duration = _DAY
    """What began so soon after a deploy or a change of one's own settings follows from it, and is no reason."""
    clean_for: Duration = 3_600_000_000
    """No request so long after the last fault of the data or the pipeline."""
    blackouts: list[BlackoutConfig] = Field(default_factory=list)
    """Times in which nothing is requested."""
    lapses_after: Duration = 7 * _DAY
    """A proposal that nobody approves for so long is withdrawn."""
    result_within: Duration = 2 * _DAY
    """A run that reports nothing for so long has failed."""
    adopted_within: Duration = 14 * _DAY
    """Warnings against the old reference are held back no longer than this."""


class NewReferenceConfig(Section):
    """How the reference switches once a new version is live."""

    learn: Annotated[Duration, Field(ge=_DAY)] = 7 * _DAY
    """Whole days of its rows, from the next midnight (UTC) on, that become the reference."""


class ModelRetrainingConfig(Section):
    """When to retrain a model, by whom, and within which limits."""

    when: str | None = None
    """The condition, such as ``performance drop or (drift and estimated drop)``; ``docs/retraining.md`` has all
    words. Without it only ``schedule`` and people ask."""
    schedule: str | None = None
    """Five fields of cron, such as ``0 3 * * sun``, in ``calendar.timezone``. The limits hold all the same."""
    target: TargetConfig
    """Where it is requested."""
    dry_run: bool = True
    """Whether everything is done but sending."""
    reference: NewReferenceConfig | None = None
    """Has the reference switch by itself to rows of the new version, and back when that version does not hold.
    Without it, give the new reference when you deploy."""
    guardrails: GuardrailsConfig = GuardrailsConfig()
    """The limits."""


class RetrainingConfig(Section):
    """What the retraining of all models has in common."""

    url: str = ""
    """This service as targets reach it, for their results; without it requests name no address for them."""
    secret: SecretText | None = None
    """Results must be signed by it, ``whsec_…`` of Standard Webhooks; without it none is taken."""
    previous_secret: SecretText | None = None
    """May sign as well, while pipelines change over."""
    attempt_timeout: Duration = 15_000_000
    """How long one attempt of a request may take."""
    give_up_after: Duration = 21_600_000_000
    """A request that could not be made for so long has failed, or is parked when it may have been heard."""
