"""What each kind of target makes of its keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from alerts.net.guard import WEB_PORTS
from alerts.net.http import Headers
from alerts.net.secret import Secret
from alerts.net.tls import Tls
from alerts.receivers.credentials import Credentials
from alerts.receivers.options import Options
from alerts.receivers.standard_webhooks import signing_key
from alerts.retraining.targets import kubernetes
from alerts.retraining.targets.airflow import API_VERSIONS, AirflowTarget
from alerts.retraining.targets.argo import KINDS as ARGO_KINDS
from alerts.retraining.targets.argo import PARAMETERS, ArgoTarget
from alerts.retraining.targets.aws import AwsSigner
from alerts.retraining.targets.events import EventTarget, KafkaTarget
from alerts.retraining.targets.github import API, EVENT, LONGEST_EVENT, GitHubTarget
from alerts.retraining.targets.http import METHODS, HttpTarget, HttpTemplateError, Sign, check
from alerts.retraining.targets.kubernetes import KubernetesTarget
from alerts.retraining.targets.parts import Connector
from alerts.retraining.targets.port import Target


def _webhook(options: Options) -> Target | None:
    endpoint = options.endpoint("url", options.secret("url", required=True), options.guard(), options.tls())
    found = [(key, options.secret(key)) for key in ("secret", "previous_secret")]
    secrets = [(key, secret) for key, secret in found if secret is not None]
    for key, secret in secrets:
        options.check(key, partial(_check_signing, secret))
    return EventTarget(
        endpoint,
        [secret for _, secret in secrets],
        options.credentials(),
        idempotent=options.flag("idempotent"),
        clock=options.parts.clock,
    )


def _check_signing(secret: Secret) -> None:
    signing_key(secret.reveal())


def _kafka(options: Options) -> Target | None:
    topic = options.text("topic")
    if options.parts.producer is None:
        options.problem("kind", "there is no Kafka to publish to", "configure kafka")
        return None
    return KafkaTarget(options.parts.producer, topic)


def _airflow(options: Options) -> Target | None:
    connector = _connector(options, 8080)
    dag = options.text("dag_id")
    return AirflowTarget(connector, dag, options.credentials(), options.choice("version", API_VERSIONS))


def _argo(options: Options) -> Target | None:
    connector = _connector(options, 2746)
    namespace, template = options.text("namespace"), options.text("template")
    parameters = options.texts("parameters") or PARAMETERS
    if not set(parameters) <= set(PARAMETERS):
        options.problem("parameters", f"not all of: {', '.join(PARAMETERS)}")
    kind = options.choice("template_kind", ARGO_KINDS)
    return ArgoTarget(connector, namespace, template, options.credentials(), kind, parameters)


def _argo_events(options: Options) -> Target | None:
    """Argo Workflows' own events take any JSON; Argo Events' sources take CloudEvents. Neither knows a key."""
    endpoint = options.endpoint(
        "url", options.secret("url", required=True), options.guard(_ports(12000)), options.tls()
    )
    return EventTarget(endpoint, (), options.credentials(), clock=options.parts.clock)


def _github(options: Options) -> Target | None:
    repository, api = options.text("repository"), options.text("api_url", API)
    if repository and (repository.count("/") != 1 or not all(repository.split("/"))):
        options.problem("repository", "needs owner/name")
    event = options.text("event_type", EVENT)
    if len(event) > LONGEST_EVENT:
        options.problem("event_type", f"has more than {LONGEST_EVENT} characters")
    token = options.secret("token", required=True)
    url = Secret(f"{api.rstrip('/')}/repos/{repository}/dispatches")
    endpoint = options.endpoint("api_url", url, options.guard(), options.tls())
    return GitHubTarget(endpoint, Credentials(token=token), event)


def _kubernetes(options: Options) -> Target | None:
    server, namespace, cronjob = (
        options.text("url", kubernetes.SERVER),
        options.text("namespace"),
        options.text("cronjob"),
    )
    token = options.secret("bearer_token") or Secret.from_file(kubernetes.TOKEN)
    authority = options.file("ca_file")
    if authority is None and server == kubernetes.SERVER:
        authority = Path(kubernetes.AUTHORITY)
    guard, tls = options.guard(_ports(6443)), Tls(authority)
    connector = Connector(Secret(server), guard, tls)
    options.check("url", connector.target)
    return KubernetesTarget(connector, namespace, cronjob, Credentials(token=token))


def _http(options: Options) -> Target | None:
    url, guard, tls = options.secret("url", required=True), options.guard(), options.tls()
    template, headers = options.value("body"), options.value("headers")
    texts = headers if isinstance(headers, Mapping) else {}
    if headers is not None and not all(isinstance(each, str) for pair in texts.items() for each in pair):
        options.problem("headers", "needs names and texts")
    for key, value in (("body", template), ("headers", dict(texts))):
        _check_template(options, key, value)
    if url is not None:
        options.check("url", lambda: _check_template(options, "url", url.reveal()))
    idempotent = options.flag("idempotent")
    known = options.value("known_statuses")
    statuses = frozenset(known) if isinstance(known, list | tuple) and all(isinstance(n, int) for n in known) else None
    if known is not None and statuses is None:
        options.problem("known_statuses", "needs a list of statuses, such as [409]")
    target = HttpTarget(
        url or Secret(""),
        guard,
        tls,
        {} if template is None else template,
        texts,
        _signer(options),
        method=options.choice("method", METHODS),
        idempotent=idempotent,
        known=statuses or frozenset(),
        run=options.text("run", ""),
    )
    if url is not None and not options.faulty:
        options.check("url", target.check)
    return target


def _check_template(options: Options, key: str, template: Any) -> None:
    try:
        check(template)
    except HttpTemplateError as error:
        options.problem(key, str(error))


def _signer(options: Options) -> Sign:
    region, service = options.text("aws_region", ""), options.text("aws_service", "sagemaker")
    access, secret, session = (options.secret(f"aws_{name}") for name in ("access_key", "secret_key", "session_token"))
    credentials = options.credentials()
    if not region:
        return lambda *_: _headers_of(credentials)
    if access is None or secret is None:
        options.problem("aws_region", "needs aws_access_key and aws_secret_key")
        return lambda *_: {}
    return AwsSigner(region, service, access, secret, session, options.parts.clock)


def _headers_of(credentials: Credentials) -> Headers:
    return credentials.headers()


def _connector(options: Options, *ports: int) -> Connector:
    base = options.secret("url", required=True)
    connector = Connector(base or Secret(""), options.guard(_ports(*ports)), options.tls())
    if base is not None:
        options.check("url", connector.target)
    return connector


def _ports(*more: int) -> frozenset[int]:
    return WEB_PORTS | frozenset(more)


KINDS: Final[Mapping[str, Callable[[Options], Target | None]]] = {
    "webhook": _webhook,
    "kafka": _kafka,
    "airflow": _airflow,
    "argo_workflows": _argo,
    "argo_events": _argo_events,
    "github": _github,
    "kubernetes": _kubernetes,
    "http": _http,
}
