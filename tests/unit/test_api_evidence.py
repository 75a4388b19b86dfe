"""Marks, accepted drifts and events over real HTTP: tokens, owners, the audit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from alerts.store import Store
from monitor.config.load import load
from monitor.events import DAY, HOUR
from monitor.evidence.orders import Orders
from monitor.findings import Finding, WindowResult
from monitor.history import History
from monitor.labels import label
from monitor.metrics import make_registry
from monitor.reference import Reference
from monitor.server import Server
from monitor.service import Health
from monitor.store.rocks import RocksStore
from monitor.views import ViewHolder
from tests.evidence_service import BEGIN, configured, logs, rows, run
from tests.example_view import model, view

ALL = "all-all-all-all-all"
PAY = "pay-pay-pay-pay-pay"
LOOK = "look-look-look-look"
CONFIG = f"""\
version: 1
models:
  - {{name: fraud, owner: payments, predictions: {{topic: a, time_format: rfc3339}}}}
  - {{name: churn, owner: crm, predictions: {{topic: b, time_format: rfc3339}}}}
http:
  listen: "127.0.0.1:0"
  tokens:
    - {{name: root, token: {ALL}, actions: [mark]}}
    - {{name: pay, token: {PAY}, owner: payments, actions: [mark]}}
    - {{name: look, token: {LOOK}, actions: [silence]}}
state: {{path: "STATE"}}
"""
NAN = float("nan")


@dataclass
class Api:
    client: httpx2.Client
    orders: Orders
    store: Store

    def post(self, path: str, token: str | None, **body: Any) -> int:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return self.client.post(path, headers=headers, json=body).status_code

    def audit(self) -> list[tuple[Any, ...]]:
        return self.store.look("SELECT actor, action, subject, detail FROM audit ORDER BY seq")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    path = tmp_path / "driftline.yaml"
    path.write_text(CONFIG.replace("STATE", str(tmp_path / "state")))
    config, holder = load(path, {}), ViewHolder(view(model()))
    owners = {one.name: one.owner or "" for one in config.models}
    server = Server(config.http, make_registry(holder, 1000)[0], holder, Health(not_ready=None), owners=owners)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def api(server: Server, tmp_path: Path) -> Iterator[Api]:
    (tmp_path / "state").mkdir()
    history = History(tmp_path / "state" / "history.sqlite")
    for name in ("fraud", "churn"):
        drift = Finding("age", "evidence", 9.0, NAN, NAN, NAN, NAN, 7.0, "drift", 0, "drift: x")
        history.upsert([WindowResult(name, "1", "", "evidence", 5 * HOUR, 6 * HOUR, 0, 10, (drift,))])
    history.close()
    store = Store(tmp_path / "alerts.sqlite")
    server.evidence.open(load(tmp_path / "driftline.yaml", {}), store)
    with httpx2.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
        yield Api(client, Orders(tmp_path / "state"), store)
    store.close()


def test_an_incident_is_marked_by_who_may(api: Api) -> None:
    asked = {"model": "fraud", "column": "age", "verdict": "noise", "because": "a test"}
    path = "/api/v1/incidents/mark"
    assert api.post(path, None, **asked) == 401
    assert api.post(path, LOOK, **asked) == 403
    assert api.post(path, PAY, **{**asked, "model": "churn"}) == 403
    assert api.orders.after(0) == []
    assert api.post(path, PAY, **asked) == 201
    (order,) = api.orders.after(0)
    assert (order.who, order.kind, order.model, order.column, order.until) == ("pay", "noise", "fraud", "age", 5 * HOUR)
    assert api.audit()[-1] == ("pay", "evidence noise", "fraud.age", "a test")
    told = api.client.get("/api/v1/incidents", params={"model": "fraud"}).json()
    assert told["total"] == 1
    assert told["incidents"][0]["mark"] == {"verdict": "noise", "by": "pay", "because": "a test"}
    assert api.client.get("/api/v1/incidents").json()["total"] == 2


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"verdict": "bad"}, 400), ({"column": "size"}, 404), ({"model": "other"}, 404), ({"at": "noon"}, 400),
        ({"at": "1970-01-01T07:00:00Z"}, 404), ({"more": 1}, 400), ({"column": ""}, 400),
    ],
)  # fmt: skip
def test_marks_without_sense_change_nothing(api: Api, change: dict[str, Any], status: int) -> None:
    asked: dict[str, Any] = {"model": "fraud", "column": "age", "verdict": "noise", **change}
    assert api.post("/api/v1/incidents/mark", ALL, **asked) == status
    assert api.orders.after(0) == []
    assert api.audit() == []


def test_drifts_are_accepted_and_events_told(api: Api) -> None:
    until = "2026-12-01T00:00:00Z"
    accepted = {"model": "fraud", "column": "age", "until": until, "because": "a campaign"}
    assert api.post("/api/v1/drifts/accept", PAY, **accepted) == 201
    assert api.post("/api/v1/drifts/accept", PAY, **accepted, slice="country=fr") == 201
    assert api.post("/api/v1/drifts/accept", PAY, **{**accepted, "because": " "}) == 400
    assert api.post("/api/v1/events", PAY, what="v7") == 403, "an event of all models is not for one owner to tell"
    assert api.post("/api/v1/events", PAY, what="v7", model="fraud", at="1970-01-01T05:30:00Z") == 201
    assert api.post("/api/v1/events", ALL, what="new prices", kind="campaign") == 201
    assert [(one.kind, one.model, one.column) for one in api.orders.after(0)] == [
        ("accept", "fraud", "age"), ("accept", "fraud", "age in country=fr"), ("event", "fraud", "deploy"),
        ("event", "", "campaign"),
    ]  # fmt: skip
    told = api.client.get("/api/v1/incidents?model=fraud").json()["incidents"][0]
    assert told["events"] == [{"kind": "deploy", "what": "v7", "at": "1970-01-01T05:30:00Z", "by": "pay"}]
    assert [line[1] for line in api.audit()] == [*["evidence accept"] * 2, *["evidence event"] * 2]


def test_before_the_service_is_open_it_says_so(server: Server) -> None:
    with httpx2.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
        assert client.get("/api/v1/incidents").status_code == 503


def send(api: Api, path: str, **fields: str) -> httpx2.Response:
    """Send a form as a browser does."""
    return api.client.post(path, data=fields, headers={"sec-fetch-site": "same-origin"}, follow_redirects=False)


def test_a_form_of_the_page_marks_and_leads_back_to_the_model(api: Api) -> None:
    asked = {"model": "fraud", "column": "age", "at": "1970-01-01T05:00:00Z", "verdict": "useful", "because": ""}
    assert send(api, "/evidence/mark", **asked, token=LOOK[::-1]).status_code == 401
    assert api.orders.after(0) == []
    answer = send(api, "/evidence/mark", **asked, token=PAY)
    assert (answer.status_code, answer.headers["location"]) == (303, "/evidence?model=fraud")
    (order,) = api.orders.after(0)
    assert (order.who, order.kind, order.until, order.because) == ("pay", "useful", 5 * HOUR, "")
    answer = send(api, "/evidence/event", model="fraud", what="v7", kind="deploy", at="", token=PAY)
    assert (answer.status_code, answer.headers["location"]) == (303, "/model?model=fraud")
    assert api.orders.after(1)[0].because == "v7"


def test_names_are_known_as_the_page_writes_them(api: Api, tmp_path: Path) -> None:
    odd = "age\u202e" + "x" * 500
    history = History(tmp_path / "state" / "history.sqlite")
    drift = Finding(odd, "evidence", 9.0, NAN, NAN, NAN, NAN, 7.0, "drift", 0, "drift: x")
    history.upsert([WindowResult("churn", "1", "", "evidence", 7 * HOUR, 8 * HOUR, 0, 10, (drift,))])
    history.close()
    assert send(api, "/evidence/mark", model="churn", column=label(odd), verdict="noise", token=ALL).status_code == 303
    assert api.orders.after(0)[-1].column == odd


def test_a_reference_is_promoted_by_who_may(tmp_path: Path, server: Server, api: Api) -> None:
    """What goes in is what the service counted; the order, the file and the audit come of it."""
    path = "/api/v1/reference/promote"
    asked = {"model": "m", "since": "2026-11-02T00:00:00Z", "until": "2026-11-04T00:00:00Z", "because": "new prices"}
    assert api.post(path, ALL, **{**asked, "model": "fraud"}) == 409, "there is no state"
    service = tmp_path / "service"
    config = configured(service)
    with closing(RocksStore.open(service / "state" / "store", create=True)) as store:
        run(config, service, logs(rows(BEGIN, BEGIN + 2 * DAY, 60, 3)), store=store).assembly.history.close()
    server.evidence.open(config, api.store, service)
    before = Reference.load(service / "reference.json")
    assert api.post(path, None, **asked) == 401
    assert api.post(path, LOOK, **asked) == 403
    assert api.post(path, PAY, **asked) == 403
    assert api.post(path, ALL, **{**asked, "model": "x"}) == 404
    assert api.post(path, ALL, **{**asked, "until": asked["since"]}) == 400
    assert api.post(path, ALL, **{**asked, "out": "mine.json"}) == 400
    assert api.post(path, ALL, **{**asked, "since": "2026-11-03T23:00:00Z"}) == 409, "60 rows are too few"
    assert Reference.load(service / "reference.json").checksum == before.checksum
    assert api.post(path, ALL, **asked) == 201
    assert Reference.load(service / "reference.json").rows == 2 * 24 * 60
    (old,) = service.glob("reference.json.*")
    assert Reference.load(old).checksum == before.checksum
    (order,) = Orders(service / "state").after(0)
    assert (order.who, order.kind, order.model, order.because) == ("root", "promote", "m", "new prices")
    assert api.audit()[-1] == ("root", "evidence promote", "m", "new prices")
    assert api.post(path, ALL, **asked, live="yes") == 400
    assert api.post(path, ALL, **asked, live=True) == 201
    assert api.audit()[-1] == ("root", "evidence switch", "m", "new prices")
    back = {"model": "m", "because": "too soon"}
    assert api.post("/api/v1/reference/revert", ALL, **back, order=1) == 404, "that was no switch"
    assert api.post("/api/v1/reference/revert", LOOK, **back, order=2) == 403
    assert api.post("/api/v1/reference/revert", ALL, **back, order="2") == 400
    assert api.post("/api/v1/reference/revert", ALL, **back, order=2) == 201
    assert [order.kind for order in Orders(service / "state").after(0)] == ["promote", "switch", "switch_back"]
