"""Changing alerts over real HTTP: tokens, owners, forms, the audit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from alerts.signal import Signal
from monitor.alerting.desk import Desk
from monitor.alerting.opening import open_desk
from monitor.config.load import load
from monitor.config.root import Config
from monitor.metrics import make_registry
from monitor.server import Server
from monitor.service import Health
from monitor.views import ViewHolder
from tests.alerting_service import SECOND, Clock
from tests.example_view import NOW, model, view

ALL = "all-all-all-all-all"
PAY = "pay-pay-pay-pay-pay"
LOOK = "look-look-look-look"
CONFIG = f"""\
version: 1
models:
  - {{name: fraud, owner: payments, predictions: {{topic: a, time_format: rfc3339}}}}
  - {{name: churn, owner: crm, predictions: {{topic: b, time_format: rfc3339}}}}
defaults: {{alerts: {{mode: live}}}}
alerts:
  receivers: [{{name: ops, kind: webhook, url: "https://ops.example/hook"}}]
http:
  listen: "127.0.0.1:0"
  tokens:
    - {{name: root, token: "${{file:token}}", actions: [silence, resolve, receivers, approve, pause]}}
    - {{name: pay, token: {PAY}, owner: payments, actions: [silence, resolve]}}
    - {{name: look, token: {LOOK}, actions: [approve]}}
state: {{path: "STATE"}}
"""


@dataclass
class Api:
    """A running server over alerts that are driven by hand."""

    config: Config
    desk: Desk
    clock: Clock
    client: httpx2.Client
    holder: ViewHolder

    def call(self, method: str, path: str, token: str | None, **body: Any) -> httpx2.Response:
        """Ask for something with a token."""
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        if method in {"GET", "DELETE"}:
            return self.client.request(method, path, headers=headers)
        return self.client.request(method, path, headers=headers, json=body)

    def turn(self) -> None:
        """Let the alerts work, and the page show them."""
        self.clock.wind(60)
        self.desk.touch()
        self.desk.turn()
        self.holder.swap(view(model(), alerts=self.desk.view))

    def audit(self) -> list[tuple[str, str]]:
        """Return who did what, the latest first."""
        lines = self.call("GET", "/api/v1/audit", None).json()["lines"]
        return [(line["actor"], line["action"]) for line in lines]


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    (tmp_path / "token").write_text(f"{ALL}\n")
    path = tmp_path / "driftline.yaml"
    path.write_text(CONFIG.replace("STATE", str(tmp_path / "state")))
    config, clock = load(path, {}), Clock(NOW)
    desk = open_desk(config, tmp_path, clock=clock, dispatch=False)
    holder = ViewHolder(view(model()))
    registry, _ = make_registry(holder, 1000)
    owners = {one.name: one.owner or "" for one in config.models}
    server = Server(config.http, registry, holder, Health(not_ready=None), owners=owners)
    server.start()
    server.api.open(desk)
    with httpx2.Client(base_url=f"http://127.0.0.1:{server.port}") as client:
        one = Api(config, desk, clock, client, holder)
        firing = Signal(
            number=1, kind="performance", observed_at=NOW, model="fraud", owner="payments", column="roc_auc",
            window="day:outcomes", start=NOW - 10, end=NOW, status="drift", n=1000,
        )  # fmt: skip
        desk.offer([firing], "here")
        one.turn()
        yield one
    server.stop()
    desk.close()


def test_who_may_silence_what(api: Api) -> None:
    asked = {"matchers": 'model="fraud"', "for": "2h", "comment": "known"}
    assert api.call("POST", "/api/v1/silences", None, **asked).status_code == 401
    refused = api.call("POST", "/api/v1/silences", "wrong", **asked)
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert api.call("POST", "/api/v1/silences", LOOK, **asked).status_code == 403
    assert api.audit() == []
    made = api.call("POST", "/api/v1/silences", PAY, **asked)
    assert made.status_code == 201
    assert made.json()["author"] == "pay"
    others = {**asked, "matchers": 'model="churn"'}
    assert api.call("POST", "/api/v1/silences", PAY, **others).status_code == 403
    assert api.call("POST", "/api/v1/silences", PAY, **{**asked, "matchers": 'severity="warn"'}).status_code == 403
    assert (
        api.call("POST", "/api/v1/silences", PAY, **{**asked, "matchers": 'owner=~"payments|crm"'}).status_code == 403
    )
    theirs = api.call("POST", "/api/v1/silences", ALL, **others).json()["id"]
    assert api.call("DELETE", f"/api/v1/silences/{theirs}", PAY).status_code == 403
    assert api.call("DELETE", f"/api/v1/silences/{theirs}", ALL).status_code == 200
    assert api.call("DELETE", f"/api/v1/silences/{theirs}", ALL).status_code == 404
    assert api.audit() == [("root", "expire"), ("root", "silence"), ("pay", "silence")]
    api.turn()
    assert [one.silenced_by for one in api.desk.view.alerts] == [(made.json()["id"],)]


@pytest.mark.parametrize(
    "body",
    [{}, {"matchers": 'model="fraud"', "comment": "x"}, {"matchers": "fraud", "for": "2h", "comment": "x"},
     {"matchers": 'model="fraud"', "for": "2 h", "comment": "x"}, {"matchers": 'a=""', "for": "2h", "comment": "x"},
     {"matchers": 'model="fraud"', "for": "2h", "comment": " "}, {"matchers": 'model="fraud"', "for": "2h", "cmt": "x"},
     {"matchers": 'model="fraud"', "until": "2020-01-01T00:00:00Z", "comment": "x"}],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_a_reason(api: Api, body: dict[str, str]) -> None:
    answer = api.call("POST", "/api/v1/silences", ALL, **body)
    assert answer.status_code == 400
    assert answer.json()["error"]
    assert api.audit() == []


def test_requests_are_bounded_and_of_their_kind(api: Api) -> None:
    headers = {"authorization": f"Bearer {ALL}"}
    assert api.client.post("/api/v1/silences", headers=headers, data={"a": "b"}).status_code == 415
    large = api.client.post("/api/v1/silences", headers=headers, json={"matchers": "x" * 70_000})
    assert large.status_code == 413
    assert api.client.post("/api/v1/silences", headers={**headers, "content-type": "application/json"}, content=b"[1"
                           ).status_code == 400  # fmt: skip
    assert api.client.get("/api/v1/silences").status_code == 405
    assert api.client.get("/alerts/silence").status_code == 405


def test_a_rotated_token_holds_at_once(api: Api, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("new-new-new-new-new")
    assert api.call("POST", "/api/v1/receivers/ops/test", ALL).status_code == 401
    assert api.call("POST", "/api/v1/receivers/ops/test", "new-new-new-new-new").status_code == 202


def test_resolving_and_receivers_leave_lines_in_the_audit(api: Api) -> None:
    [alert] = [one for one in api.desk.view.alerts if one.name == "PerformanceDrop"]
    way = f"/api/v1/alerts/{alert.fingerprint}/resolve"
    assert api.call("POST", way, LOOK, because="mended").status_code == 403
    assert api.call("POST", way, PAY).status_code == 400
    assert api.call("POST", way, PAY, because="mended").status_code == 202
    assert api.call("POST", "/api/v1/alerts/none/resolve", ALL, because="x").status_code == 404
    assert api.call("POST", "/api/v1/receivers/ops/test", PAY).status_code == 403
    assert api.call("POST", "/api/v1/receivers/nope/test", ALL).status_code == 404
    assert api.call("POST", "/api/v1/receivers/ops/enable", ALL, because="repaired").status_code == 202
    api.turn()
    assert not api.desk.view.alerts
    assert set(api.audit()) == {("root", "enable"), ("pay", "resolve")}
    assert api.call("GET", "/api/v1/audit?limit=0", None).status_code == 400


def test_the_page_silences_by_its_form(api: Api) -> None:
    page = api.client.get("/alerts").text
    assert "PerformanceDrop" in page
    assert 'action="/alerts/silence"' in page
    fields = {"matchers": 'model="fraud"', "for": "2h", "comment": "known", "token": PAY}
    elsewhere = api.client.post("/alerts/silence", data=fields, headers={"sec-fetch-site": "cross-site"})
    assert elsewhere.status_code == 403
    wrong = api.client.post("/alerts/silence", data={**fields, "token": "x"})
    assert wrong.status_code == 401
    assert "no such token" in wrong.text.lower()
    assert PAY not in wrong.text
    done = api.client.post("/alerts/silence", data=fields, headers={"sec-fetch-site": "same-origin"})
    assert (done.status_code, done.headers["location"]) == (303, "/alerts")
    api.turn()
    api.holder.swap(view(model(), alerts=api.desk.view, taken_at=NOW + SECOND))
    shown = api.client.get("/api/v1/alerts").json()
    assert [one["author"] for one in shown["silences"]["silences"]] == ["pay"]
    assert shown["alerts"]["alerts"][0]["told"] == "silenced"
    ended = api.client.post("/alerts/expire", data={"id": shown["silences"]["silences"][0]["id"], "token": PAY})
    assert ended.status_code == 303


def test_health_and_metrics_do_not_ask_receivers(api: Api) -> None:
    assert api.client.get("/-/healthy").status_code == 200
    assert api.client.get("/-/ready").status_code == 200
    text = api.client.get("/metrics").text
    assert 'driftline_alerts{alertname="PerformanceDrop",model="fraud",severity="page",state="firing"} 1.0' in text
    assert 'driftline_alert_deliveries_total{outcome="delivered",receiver="ops"} 0.0' in text
