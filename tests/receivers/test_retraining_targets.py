"""Every target against a server that starts runs, loses answers and refuses."""

from __future__ import annotations

import json
import secrets
import socket
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks import Webhook

from alerts.net.guard import Guard, Policy
from alerts.net.http import Endpoint
from alerts.net.secret import Secret
from alerts.net.tls import Tls
from alerts.receivers.kafka import ProducerError
from alerts.receivers.parts import Parts
from alerts.receivers.settings import ReceiversError, ReceiverSettings
from alerts.retraining.targets.aws import AwsSigner
from alerts.retraining.targets.build import build_targets
from alerts.retraining.targets.http import HttpTemplateError, check, fill
from alerts.retraining.targets.port import Answer, NotStarted, Order, Refused, Started, Target, Unknown, answer_of
from tests.receivers.orchestrators import CRONJOB, TOKEN, Orchestrators
from tests.receivers.running import Running, here, within

ORDER = Order(
    "a" * 32, "driftline-" + "a" * 32, "fraud", "payments", "7", "condition", 'ROC AUC "fell" — by 0.05',
    {"alerts": [{"rule": "PerformanceDrop"}]}, "https://driftline.example/api/v1/retraining/" + "a" * 32 + "/result",
    "2026-11-21T10:00:00.000000Z",
)  # fmt: skip
KEYED = {
    "idempotency_key": "{key}",
    "parameters": {"why": "{because}", "evidence": "{evidence}", "text": "e={evidence}"},
}
OPTIONS: dict[str, dict[str, Any]] = {
    "airflow": {"dag_id": "retrain", "username": "ana", "password": "pw"},
    "airflow 2": {"dag_id": "retrain", "username": "ana", "password": "pw", "version": "2"},
    "argo_workflows": {"namespace": "ml", "template": "retrain", "bearer_token": TOKEN},
    "kubernetes": {"namespace": "ml", "cronjob": "retrain", "bearer_token": TOKEN},
    "github": {"repository": "acme/fraud", "token": TOKEN},
    "http": {"idempotent": True, "body": KEYED, "run": "run.id", "known_statuses": [409], "bearer_token": TOKEN},
    "http free": {"body": "{order}"},
}
KNOWING = ["airflow", "airflow 2", "argo_workflows", "kubernetes", "http"]
PATHS = {"http": "/keyed/{model}", "http free": "/free"}


@pytest.fixture
def server() -> Iterator[Orchestrators]:
    with Orchestrators() as running:
        yield running


def made(name: str, url: str, port: int, **changes: Any) -> Target:
    """Return a target as the configuration makes it."""
    options = {("api_url" if name == "github" else "url"): url + PATHS.get(name, ""), **OPTIONS[name], **changes}
    settings = ReceiverSettings("ci", name.partition(" ")[0], options)
    return build_targets([settings], Parts(policy=here(port)))["ci"]


def send(target: Target, seconds: float = 5.0) -> Answer:
    return target.send(ORDER.key, target.body(ORDER), within(seconds))


@pytest.mark.parametrize("name", OPTIONS)
def test_a_run_starts(name: str, server: Orchestrators) -> None:
    answer = send(made(name, server.url(), server.port))
    assert isinstance(answer, Started)
    assert len(server.started) == 1
    assert ORDER.id in server.started[0]
    if name in {"airflow", "airflow 2", "argo_workflows", "kubernetes"}:
        assert answer.run == ORDER.key
    if name == "http":
        assert answer.run == "r-1"


@pytest.mark.parametrize("name", KNOWING)
@pytest.mark.parametrize("fate", ["lost", "late"])
def test_a_lost_answer_and_the_same_request_again_are_one_run(name: str, fate: str, server: Orchestrators) -> None:
    server.fate = lambda number: fate if number == 1 else "ok"
    target = made(name, server.url(), server.port)
    assert target.idempotent
    assert isinstance(send(target), Unknown)
    assert isinstance(send(target), Started)
    assert isinstance(send(target), Started)
    assert len(server.started) == 1


@pytest.mark.parametrize("name", ["github", "http free"])
def test_a_target_that_knows_no_key_says_so(name: str, server: Orchestrators) -> None:
    server.fate = lambda _: "lost"
    target = made(name, server.url(), server.port)
    assert not target.idempotent
    assert isinstance(send(target), Unknown)
    assert len(server.started) == 1


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, Refused), (404, Refused), (422, Refused), (301, Refused), (307, Refused), (429, NotStarted), (500, Unknown),
     (502, Unknown), (408, Unknown)],
)  # fmt: skip
def test_what_statuses_mean(name: str, status: int, kind: type, server: Orchestrators) -> None:
    server.fate = lambda _: status
    answer = send(made(name, server.url(), server.port))
    assert type(answer) is kind
    assert not isinstance(answer, Started)
    assert str(status) in answer.reason
    if status == 429:
        assert answer == NotStarted(answer.reason, 7.0)
    assert server.started == []


@pytest.mark.parametrize("name", OPTIONS)
def test_nothing_listens(name: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        answer = send(made(name, f"http://127.0.0.1:{port}", port))
    assert isinstance(answer, NotStarted)


@pytest.mark.parametrize("way", ["hang", "drip", "reset", "close", "garbage"])
def test_whatever_happens_after_sending_leaves_the_run_unknown(way: str, shared: Running) -> None:
    settings = ReceiverSettings("ci", "http", {"url": shared.url(way), "body": "{order}"})
    target = build_targets([settings], Parts(policy=here(shared.port)))["ci"]
    begun = time.monotonic()
    assert isinstance(send(target, 0.6), Unknown)
    assert time.monotonic() - begun < 2.0


def test_the_guard_refuses_before_anything_is_sent(server: Orchestrators) -> None:
    endpoint = Endpoint(Secret(server.url("/free")), Guard(Policy(clear=True, ports=frozenset({server.port}))), Tls())
    answer = answer_of(lambda: Started(str(endpoint.post(b"", {}, within(1)))))
    assert isinstance(answer, Refused)
    assert server.seen == []


def test_airflow_3_wants_a_logical_date_and_a_token(server: Orchestrators) -> None:
    send(made("airflow", server.url(), server.port))
    token, run = server.seen
    assert (token.path, token.body) == ("/auth/token", {"username": "ana", "password": "pw"})
    assert run.headers["authorization"] == f"Bearer {TOKEN}"
    assert run.body["logical_date"] is None
    assert run.body["dag_run_id"] == ORDER.key
    assert run.body["conf"] == ORDER.document()
    send(made("airflow 2", server.url(), server.port))
    assert server.seen[-1].path == "/api/v1/dags/retrain/dagRuns"
    assert server.seen[-1].headers["authorization"].startswith("Basic ")


def test_a_wrong_password_and_a_name_taken_by_others(server: Orchestrators) -> None:
    assert isinstance(send(made("airflow", server.url(), server.port, password="no")), Refused)  # noqa: S106
    server.fate = lambda _: 409
    for name in ("airflow", "argo_workflows"):
        assert isinstance(send(made(name, server.url(), server.port)), Refused)
    assert isinstance(send(made("kubernetes", server.url(), server.port)), NotStarted)
    assert server.started == []


def test_argo_gets_texts_by_name(server: Orchestrators) -> None:
    send(made("argo_workflows", server.url(), server.port, parameters=["model", "evidence"]))
    (request,) = server.seen
    assert request.body["resourceKind"] == "WorkflowTemplate"
    assert request.body["submitOptions"]["name"] == ORDER.key
    assert request.body["submitOptions"]["parameters"] == [
        "model=fraud", 'evidence={"alerts":[{"rule":"PerformanceDrop"}]}',
    ]  # fmt: skip


def test_github_gets_at_most_ten_keys(server: Orchestrators) -> None:
    send(made("github", server.url(), server.port))
    (request,) = server.seen
    assert request.body["event_type"] == "driftline-retrain"
    assert request.body["client_payload"] == ORDER.document()
    assert len(request.body["client_payload"]) <= 10
    assert request.headers["accept"] == "application/vnd.github+json"


def test_the_job_is_the_cronjobs_with_the_order_in_its_environment(server: Orchestrators) -> None:
    send(made("kubernetes", server.url(), server.port))
    look, create = server.seen
    assert (look.method, create.method) == ("GET", "POST")
    job = create.body
    assert (job["kind"], job["metadata"]["name"]) == ("Job", ORDER.key)
    assert job["metadata"]["annotations"] == {"note": "kept", "cronjob.kubernetes.io/instantiate": "manual"}
    assert job["metadata"]["labels"] == {"team": "ml", "driftline.io/retraining": ORDER.id}
    (container,) = job["spec"]["template"]["spec"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert len(environment) == len(container["env"])
    assert environment["KEPT"] == "1"
    assert environment["DRIFTLINE_ID"] == ORDER.id
    assert json.loads(environment["DRIFTLINE_ORDER"]) == ORDER.document()
    assert job["spec"]["suspend"] is False
    assert CRONJOB["spec"]["jobTemplate"]["metadata"]["labels"] == {"team": "ml"}  # type: ignore[index]


def test_a_cronjob_that_is_not_there(server: Orchestrators) -> None:
    answer = send(made("kubernetes", server.url(), server.port, cronjob="other"))
    assert isinstance(answer, Refused)
    assert "CronJob other" in answer.reason


def test_templates_fill_address_headers_and_body(server: Orchestrators) -> None:
    target = made("http", server.url(), server.port, headers={"X-Why": "{because}", "X-Model": "{model}"})
    send(target)
    (request,) = server.seen
    assert request.path == "/keyed/fraud"
    assert request.body["parameters"]["evidence"] == ORDER.evidence
    assert request.body["parameters"]["why"] == ORDER.because
    assert request.body["parameters"]["text"] == 'e={"alerts":[{"rule":"PerformanceDrop"}]}'
    assert request.headers["x-model"] == "fraud"
    assert request.headers["x-why"].isascii()
    assert TOKEN.encode() not in target.body(ORDER)


def test_braces_and_text_that_looks_like_a_name_are_kept() -> None:
    values = {"model": "{owner}", "owner": "x", "evidence": {"a": "{model}"}}
    assert fill("{{model}} {model}", values) == "{model} {owner}"
    assert fill(["{evidence}", 1, None, {"{model}": True}], values) == [{"a": "{model}"}, 1, None, {"{owner}": True}]
    for bad in ("{", "}", "{}", "{modell}", "{model.__class__}", {"x": object()}, [["{nope}"]]):
        with pytest.raises(HttpTemplateError):
            check(bad)


def test_signatures_of_amazon_equal_the_published_ones() -> None:
    """Of the AWS Signature Version 4 test suite: get-vanilla, post-vanilla, get-vanilla-query-order-key-case."""
    moment = 1_440_938_160
    signer = AwsSigner(
        "us-east-1", "service", Secret("AKIDEXAMPLE"), Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        clock=lambda: moment,
    )  # fmt: skip
    base = "https://example.amazonaws.com/"
    for method, url, signature in (
        ("GET", base, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", base, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "GET",
            base + "?Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
    ):
        headers = signer(method, url, {}, b"")
        assert headers["X-Amz-Date"] == "20150830T123600Z"
        assert headers["Authorization"].endswith(f"Signature={signature}")


def test_amazon_gets_what_names_it_signed(server: Orchestrators) -> None:
    options = {
        "url": server.url("/free"), "aws_region": "eu-west-1", "aws_access_key": "AK", "aws_secret_key": "SK",
        "headers": {"X-Amz-Target": "SageMaker.StartPipelineExecution", "Content-Type": "application/x-amz-json-1.1"},
        "body": {"id": "{id}", "Order": "{order} "},
    }  # fmt: skip
    settings = ReceiverSettings("ci", "http", options)
    target = build_targets([settings], Parts(policy=here(server.port), clock=lambda: 1_440_938_160))["ci"]
    assert isinstance(send(target), Started)
    (request,) = server.seen
    assert "SignedHeaders=content-type;host;x-amz-date;x-amz-target," in request.headers["authorization"]
    assert request.headers["content-type"] == "application/x-amz-json-1.1"
    assert json.loads(request.body["Order"]) == ORDER.document()


def test_events_are_signed_and_carry_the_key(server: Orchestrators) -> None:
    secret = "whsec_" + b64encode(secrets.token_bytes(32)).decode()
    settings = ReceiverSettings("ci", "webhook", {"url": server.url("/free"), "secret": secret})
    target = build_targets([settings], Parts(policy=here(server.port)))["ci"]
    send(target)
    (request,) = server.seen
    assert Webhook(secret).verify(request.raw, request.headers)["id"] == ORDER.key
    assert request.body["type"] == "io.driftline.retraining.requested.v1"
    assert request.body["data"] == ORDER.document()
    assert not target.idempotent


class Topic:
    """A producer that keeps records, or fails."""

    def __init__(self, error: ProducerError | None = None) -> None:
        self.records: list[tuple[str, bytes, bytes]] = []
        self._error = error

    def publish(
        self,
        topic: str,
        key: bytes,
        value: bytes,
        headers: Sequence[tuple[str, bytes]],  # noqa: ARG002
        seconds: float,  # noqa: ARG002
    ) -> None:
        if self._error is not None:
            raise self._error
        self.records.append((topic, key, value))


@pytest.mark.parametrize(
    ("error", "kind"),
    [(None, Started), (ProducerError("no answer"), Unknown), (ProducerError("too large", lasting=True), Refused)],
)
def test_kafka(error: ProducerError | None, kind: type) -> None:
    topic = Topic(error)
    settings = ReceiverSettings("ci", "kafka", {"topic": "ml.retrain"})
    target = build_targets([settings], Parts(producer=topic))["ci"]
    assert isinstance(send(target), kind)
    if error is None:
        ((name, key, value),) = topic.records
        assert (name, key, json.loads(value)["id"]) == ("ml.retrain", b"fraud", ORDER.key)


@pytest.mark.parametrize(
    ("kind", "options", "problem"),
    [
        ("airflow", {"url": "https://a.example"}, "dag_id: is missing"),
        ("airflow", {"url": "ftp://a.example", "dag_id": "x"}, "not a web address"),
        ("airflow", {"url": "https://10.0.0.1", "dag_id": "x"}, "denied: private"),
        ("argo_workflows", {"url": "https://a.example", "namespace": "n", "template": "t", "parameters": "x"}, "all"),
        ("github", {"repository": "acme", "token": "t"}, "owner/name"),
        ("github", {"repository": "a/b", "token": "t", "event_type": "x" * 101}, "100 characters"),
        ("http", {"url": "https://a.example/{modle}", "body": {}}, "there is no {modle}"),
        ("http", {"url": "https://a.example/", "body": {"x": "{y}"}}, "there is no {y}"),
        ("http", {"url": "https://a.example/", "aws_region": "eu-west-1"}, "aws_access_key"),
        ("http", {"url": "http://a.example/"}, "http is not encrypted"),
        ("kafka", {"topic": "t"}, "no Kafka"),
        ("argo_events", {"url": "https://a.example:12000/x", "secret": "x"}, "unknown key"),
        ("airfow", {}, "did you mean airflow"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_the_configuration_is_told(kind: str, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ReceiversError, match=problem.replace("{", r"\{")):
        build_targets([ReceiverSettings("ci", kind, options)])


def test_secrets_are_read_again(server: Orchestrators, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("stale")
    options = {"url": server.url(), "namespace": "ml", "template": "retrain", "bearer_token_file": str(file)}
    target = build_targets([ReceiverSettings("ci", "argo_workflows", options)], Parts(policy=here(server.port)))["ci"]
    assert isinstance(send(target), Refused)
    file.write_text(TOKEN + "\n")
    assert isinstance(send(target), Started)
