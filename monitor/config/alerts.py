"""The section ``alerts``: who hears of what, how often, and from when on."""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias, get_args

from pydantic import Field

from monitor.config.model import Section
from monitor.config.types import Duration, Moment, SecretText

_DAY: Final = 86_400_000_000
ReceiverKind: TypeAlias = Literal["webhook", "slack", "pagerduty", "alertmanager", "teams", "email", "kafka", "apprise"]
SignalKind: TypeAlias = Literal[
    "drift", "score", "quality", "volume", "performance", "estimate", "calibration", "fairness", "challenger",
    "concept", "evidence", "last_prediction", "last_label", "rejected", "late", "lag", "coverage", "delivery",
]  # fmt: skip
"""What a rule can listen to."""
Figure: TypeAlias = Literal["statistic", "effect", "low", "high", "p_value", "evidence", "n"]
Status: TypeAlias = Literal["ok", "warn", "drift"]
Severity: TypeAlias = Literal["page", "warn", "info"]
Action: TypeAlias = Literal["silence", "resolve", "receivers", "approve", "pause", "mark"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
Names: TypeAlias = Annotated[list[str], Field(min_length=1)]


class ReceiverConfig(Section):
    """One place that alerts are told to. ``docs/reference/receivers.md`` says which keys belong to which kind."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    """What routes call it; unique."""
    kind: ReceiverKind
    """What it is."""
    send_resolved: bool = True
    """Whether it hears of what is over."""
    max_alerts: Annotated[int, Field(ge=1, le=1000)] = 50
    """Alerts in one message; the rest is counted."""
    messages_per_hour: Annotated[int, Field(ge=1)] = 60
    """What is beyond waits, and is then told together."""
    give_up_after: Duration = 3 * _DAY
    """A message that could not be delivered for so long is parked."""
    url: SecretText | None = None
    """``webhook``, ``slack``, ``teams``, ``apprise``: where to. ``pagerduty``: another address of the Events API."""
    urls: Names | None = None
    """``alertmanager``: one address for each replica."""
    format: Literal["alertmanager", "cloudevents"] | None = None
    """``webhook``: the body."""
    secret: SecretText | None = None
    """``webhook``: signs every message, ``whsec_…`` of Standard Webhooks."""
    previous_secret: SecretText | None = None
    """``webhook``: signs as well, while receivers change over."""
    bearer_token: SecretText | None = None
    """``webhook``, ``alertmanager``: for the header ``Authorization``."""
    username: str | None = None
    """``webhook``, ``alertmanager``, ``email``: the login, with ``password``."""
    password: SecretText | None = None
    """Of ``username``."""
    token: SecretText | None = None
    """``slack``: a bot's token, with ``channel``; then a group's messages are one thread."""
    channel: str | None = None
    """``slack``: where the bot posts."""
    api_url: str | None = None
    """``slack``: another address of ``chat.postMessage``."""
    routing_key: SecretText | None = None
    """``pagerduty``: the integration's key."""
    change_url: str | None = None
    """``pagerduty``: another address for change events."""
    client: str | None = None
    """``pagerduty``: what an incident says it comes from."""
    resend_interval: Duration | None = None
    """``alertmanager``: what fires is told again after so long."""
    host: str | None = None
    """``email``: the mail server."""
    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    """``email``: its port."""
    encryption: Literal["starttls", "tls", "none"] | None = None
    """``email``: how the connection is kept secret."""
    from_: Annotated[str | None, Field(alias="from")] = None
    """``email``: the sender's address."""
    to: Names | None = None
    """``email``: the recipients' addresses."""
    topic: str | None = None
    """``kafka``: where to; it must exist."""
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


class RouteConfig(Section):
    """Who hears of which alerts. What is left out is taken from the route above."""

    receiver: str | None = None
    """A receiver's name; a receiver alone is the first route's."""
    matchers: list[str] = Field(default_factory=list)
    """Such as ``severity="page"`` or ``alertname=~"FeatureDrift|ScoreDrift"``; all must fit. Not on the first route."""
    group_by: list[str] | None = None
    """Labels that must be equal in one message; by default ``model`` and ``alertname``, ``...`` for every label."""
    group_wait: Duration | None = None
    """How long the first message of a group waits for more alerts; 30s."""
    group_interval: Duration | None = None
    """How long news about a group waits after its last message; 5m."""
    repeat_interval: Duration | None = None
    """After how long a message is repeated while alerts fire; 12h."""
    continue_: Annotated[bool, Field(alias="continue")] = False
    """Whether the routes after this one are tried too."""
    routes: list[RouteConfig] = Field(default_factory=list)
    """Routes below, tried in their order."""


class InhibitConfig(Section):
    """While a source alert fires, target alerts with the same values of ``equal`` are not told."""

    source: Names
    """Matchers of what silences."""
    target: Names
    """Matchers of what is silenced."""
    equal: list[str] = Field(default_factory=list)
    """Labels that must be equal on both."""


class WhenConfig(Section):
    """What a rule asks of one signal: a figure beyond a bound, or a status."""

    figure: Figure = "statistic"
    """Which figure is compared."""
    above: float | None = None
    """It fires beyond this bound; give ``above``, ``below`` or ``status``."""
    below: float | None = None
    """It fires under this bound."""
    clear: float | None = None
    """It is well again on the good side of this bound; by default the bound itself."""
    against: Literal["absolute", "reference", "threshold", "last_week"] = "absolute"
    """What the bounds are measured against: nothing, the same figure in the reference, the signal's own threshold, or
    the mean of the same hour last week."""
    as_: Annotated[Literal["times", "plus"], Field(alias="as")] = "times"
    """Whether the bound is ``times`` what it is measured against, or that ``plus`` the bound."""
    status: Annotated[list[Status], Field(min_length=1)] | None = None
    """It fires on these statuses of a finding, and is well again at ``ok``."""


class RuleConfig(Section):
    """An alert of one's own. One with the name of a built-in rule replaces it."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$")]
    """The label ``alertname``."""
    kinds: Annotated[list[SignalKind], Field(min_length=1)]
    """Which signals it listens to."""
    matchers: list[str] = Field(default_factory=list)
    """Which of them: by ``model``, ``owner``, ``version``, ``slice``, ``column``, ``detector``, ``window`` or
    ``kind``."""
    when: WhenConfig = WhenConfig(status=["drift"])
    """What must hold."""
    severity: Severity = "warn"
    """Whether it wakes somebody."""
    times: Annotated[str, Field(pattern=r"^\s*\d+\s+of\s+\d+\s*$")] | None = None
    """In how many of the last windows it must hold, such as ``2 of 3``."""
    for_: Annotated[Duration, Field(alias="for")] = 0
    """For how long it must hold, in the signals' own time."""
    clear_times: Annotated[str, Field(pattern=r"^\s*\d+\s+of\s+\d+\s*$")] | None = None
    """In how many of the last windows it must be clear to be over."""
    clear_for: Duration = 0
    """For how long it must be clear to be over."""
    min_samples: Annotated[int, Field(ge=0)] = 0
    """Signals that rest on fewer rows say nothing."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Added to the alert's; may name its identity, as ``{model}``."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Texts, such as ``summary`` and ``next_step``; may name every figure, as ``{statistic:.3g}``."""
    forget_after: Duration | None = None
    """An alert that no signal was heard of for so long is ended; 7d."""


class SilenceConfig(Section):
    """For a while, alerts with these labels are not told."""

    matchers: Names
    """Such as ``model="fraud"``."""
    from_: Annotated[Moment | None, Field(alias="from")] = None
    """When it begins; by default it has begun."""
    until: Moment
    """When it is over."""
    comment: Annotated[str, Field(min_length=1)]
    """Why, for whoever is on call."""


class HeartbeatConfig(Section):
    """A message that always comes, for a dead man's switch: when it stops, nothing else comes either."""

    receiver: str
    """The receiver that raises the alarm when it hears nothing."""
    every: Duration = 300_000_000
    """How often."""


class AlertsConfig(Section):
    """Who hears of what. Without it alerts are judged and shown, and nothing is sent."""

    mode: Literal["builtin", "alertmanager", "prometheus_only", "shadow"] | None = None
    """``builtin``: to the receivers here. ``alertmanager``: all to the one receiver of that kind, which routes them.
    ``prometheus_only``: shown and exported, never sent. ``shadow``: a daily digest of what would have been sent.
    By default ``builtin`` where there are receivers, otherwise ``shadow``."""
    shadow_for: Duration = 14 * _DAY
    """A model's first time, in which nothing is sent but the digest."""
    digest_to: str | None = None
    """The receiver of the daily digest; by default that of the first route."""
    digest_at: Duration = 8 * 3_600_000_000
    """The digest's time of day (UTC)."""
    receivers: list[ReceiverConfig] = Field(default_factory=list)
    """Where alerts go."""
    route: RouteConfig | None = None
    """The first route, which takes every alert; needed where there are several receivers."""
    inhibit: list[InhibitConfig] = Field(default_factory=list)
    """What silences what, beside the built-in pairs."""
    rules: list[RuleConfig] = Field(default_factory=list)
    """Rules beside the built-in ones, or in the place of those of the same name."""
    without: list[str] = Field(default_factory=list)
    """Built-in rules that are left out."""
    silences: list[SilenceConfig] = Field(default_factory=list)
    """Silences that are known beforehand."""
    heartbeat: HeartbeatConfig | None = None
    """A dead man's switch."""
    external_url: str = ""
    """The service as people reach it; messages link to its page, at that time."""
    dashboards: str = ""
    """Grafana as people reach it; messages link to the model's dashboard, at that time."""
    runbooks: str = ""
    """An address under which every rule has a page of its name; messages link there."""
    late_delivery: Duration = 600_000_000
    """A receiver with a message that waits longer is an alert of its own."""
    attempt_timeout: Duration = 15_000_000
    """How long one attempt of delivery may take."""
    keep: Duration = 90 * _DAY
    """How long history, audit and delivered messages are kept."""


class TokenConfig(Section):
    """Who may change something over HTTP. Reading needs no token."""

    name: Annotated[str, Field(min_length=1, max_length=64)]
    """Stands in the audit."""
    token: SecretText
    """At least 16 characters; sent as ``Authorization: Bearer …``."""
    owner: str | None = None
    """Only models of this owner; by default all, and what concerns no model."""
    actions: Annotated[list[Action], Field(min_length=1)]
    """``silence`` alerts, ``resolve`` them, enable and test ``receivers``, ``approve`` or reject retrainings, ``pause``
    them all, ``mark`` incidents, accept drifts and tell of events."""
