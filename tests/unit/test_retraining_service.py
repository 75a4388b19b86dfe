"""Retraining in the service: configuration, HTTP, page, command line, schedule, and a whole turn of the loop."""

from __future__ import annotations

import json
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from standardwebhooks import Webhook
from typer.testing import CliRunner

from alerts.signal import Signal
from monitor.alerting.desk import Desk
from monitor.alerting.opening import open_desk
from monitor.calendar import next_after
from monitor.chores import start_chores
from monitor.cli import app
from monitor.config.load import ConfigError, load
from monitor.config.root import Config, ReportConfig
from monitor.events import HOUR
from monitor.history import History
from monitor.metrics import make_registry
from monitor.reports import ScheduledReports
from monitor.retraining.facts import facts_of, latest_coverage, latest_rows
from monitor.retraining.keeper import RetrainingKeeper
from monitor.retraining.policy import policy_of, terms_of
from monitor.server import Server
from monitor.service import Health
from monitor.views import JoinView, View, ViewHolder, WindowView
from tests.alerting_service import Clock
from tests.example_view import NOW, judged, model, view, window
from tests.receivers.orchestrators import Orchestrators

ROOT = "root-root-root-root"
OTHER = "other-other-other-1"
SECRET = "whsec_" + b64encode(bytes(range(32))).decode()
DAY = 86_400_000_000
CONFIG = """\
version: 1
models:
  - name: fraud
    owner: payments
    task: binary_classification
    positive_class: 1
    predictions: {topic: a, time_format: rfc3339, map: {id: value.id, score: value.s}}
    labels: {topic: l, time_format: rfc3339, map: {id: value.id, label: value.y}}
    retraining:
      when: "performance drop or (drift and estimated drop)"
      schedule: "0 3 * * sun"
      DRY
      target: {kind: http, url: "URL/keyed", idempotent: true,
               allow: [127.0.0.1], allow_ports: [PORT], allow_http: true,
               body: {idempotency_key: "{key}", callback: "{callback}", order: "{order}"},
               run: run.id}
      guardrails: {min_matured_labels: 100, settle: 1h, cooldown: 1d}
  - {name: churn, owner: crm, predictions: {topic: b, time_format: rfc3339}}
defaults: {alerts: {mode: live}}
retraining: {url: "https://driftline.example", secret: "SECRET"}
http:
  listen: "127.0.0.1:0"
  tokens:
    - {name: root, token: "ROOT", actions: [approve, pause]}
    - {name: crm, token: "OTHER", owner: crm, actions: [approve, pause]}
state: {path: "STATE"}
"""


@dataclass
class Running:
    """A server over retraining that is driven by hand."""

    config: Config
    desk: Desk
    keeper: RetrainingKeeper
    clock: Clock
    client: httpx2.Client
    holder: ViewHolder
    target: Orchestrators
    path: Path
    latest: View

    def call(self, method: str, path: str, token: str | None = ROOT, **body: Any) -> httpx2.Response:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return self.client.request(method, path, headers=headers, json=body if method == "POST" else None)

    def tell(self, kind: str, status: str = "drift") -> None:
        """Give the alerts one signal."""
        number = self.desk.engine.last_applied + 1
        self.desk.offer([Signal(
            number=number, kind=kind, observed_at=self.clock.now, model="fraud", owner="payments", column="roc_auc",
            window="day:outcomes", start=self.clock.now - 10, end=self.clock.now, status=status, n=1_000,
            statistic=0.81, reference=0.9, explanation="roc_auc fell from 0.9 to 0.81.",
        )], "here")  # fmt: skip

    def know(self, version: str, reference: str = "abc") -> None:
        """Change what the service sees of the model."""
        now = self.clock.now
        one = replace(
            model(closed(version, now)),
            references={version: reference}, last_prediction=now,
            join=JoinView(rows={("maturity", "labelled"): 5_000, ("maturity", "unlabelled"): 500}),
            performance=(judged(),),
        )  # fmt: skip
        self.latest = view(one)

    def turn(self, seconds: float = 5) -> None:
        """Let time pass and everything have its turn."""
        self.clock.wind(seconds)
        self.desk.turn()
        self.holder.swap(replace(self.latest, alerts=self.desk.view, retraining=self.keeper.picture))

    def one(self) -> dict[str, Any]:
        (found,) = self.call("GET", "/api/v1/retraining/proposals", None).json()["proposals"]
        assert isinstance(found, dict)
        return found

    def waits(self, state: str) -> dict[str, Any]:
        """Wait for the thread that requests."""
        until = time.monotonic() + 10
        while (found := self.one())["state"] != state:
            assert time.monotonic() < until, found
            time.sleep(0.02)
        return found

    def report(self, **fields: Any) -> int:
        """Report a result as a pipeline does."""
        name = self.one()["id"]
        body = json.dumps({"id": name, **fields}).encode()
        stamp = self.clock.now // 1_000_000
        signature = Webhook(SECRET).sign("msg_1", datetime.fromtimestamp(stamp, UTC), body.decode())
        headers = {"webhook-id": "msg_1", "webhook-timestamp": str(stamp), "webhook-signature": signature}
        return self.client.post(f"/api/v1/retraining/{name}/result", content=body, headers=headers).status_code


def closed(version: str, end: int, **fields: Any) -> WindowView:
    """Return an hour's window."""
    one = window(version=version, **fields)
    return replace(one, result=replace(one.result, start=end - HOUR, end=end))


def written(folder: Path, port: int, *, dry: bool) -> Path:
    path = folder / "driftline.yaml"
    text = CONFIG.replace("URL", f"http://127.0.0.1:{port}").replace("PORT", str(port)).replace("SECRET", SECRET)
    text = text.replace("STATE", str(folder / "state")).replace("ROOT", ROOT).replace("OTHER", OTHER)
    path.write_text(text.replace("DRY", "dry_run: true" if dry else "dry_run: false"))
    return path


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Return what starts a service."""
    ends: list[Callable[[], object]] = []

    def start(*, dry: bool = False) -> Running:
        target = Orchestrators()
        target.__enter__()
        path = written(tmp_path, target.port, dry=dry)
        config, clock, holder = load(path, {}), Clock(NOW), ViewHolder()
        desk = open_desk(config, tmp_path, clock=clock, dispatch=False)
        keeper = RetrainingKeeper(config, tmp_path, desk.engine.store, lambda: running.latest, clock=clock)
        desk.beside.append(keeper.turn)
        registry, _ = make_registry(holder, 1_000)
        owners = {each.name: each.owner or "" for each in config.models}
        server = Server(config.http, registry, holder, Health(not_ready=None), owners=owners)
        server.start()
        server.api.open(desk)
        server.retraining.open(keeper)
        client = httpx2.Client(base_url=f"http://127.0.0.1:{server.port}")
        running = Running(config, desk, keeper, clock, client, holder, target, path, view(model()))
        running.know("7")
        ends.extend([client.close, server.stop, keeper.close, desk.close, lambda: target.__exit__(None, None, None)])
        return running

    yield start
    for end in ends:
        end()


def test_from_a_drop_to_the_new_reference(make: Callable[..., Running]) -> None:
    run = make()
    run.tell("performance")
    run.turn()
    found = run.one()
    assert (found["state"], found["version"], found["because"]) == (
        "awaiting_approval", "7", "roc_auc fell from 0.9 to 0.81.",
    )  # fmt: skip
    path = f"/api/v1/retraining/proposals/{found['id'][:8]}/approve"
    assert run.call("POST", path, None).status_code == 401
    assert run.call("POST", path, OTHER).status_code == 403
    assert run.call("POST", path, because="looked at it").status_code == 200
    assert run.call("POST", path).status_code == 409
    run.turn()
    assert run.waits("running")["run"] == "r-1"
    (request,) = run.target.seen
    assert request.body["callback"] == f"https://driftline.example/api/v1/retraining/{found['id']}/result"
    assert request.body["order"]["evidence"]["alerts"][0]["statistic"] == 0.81
    assert run.report(status="succeeded", version="8") == 204
    assert run.report(status="succeeded", version="8") == 200
    run.turn()
    silences = run.desk.engine.silences.list()
    assert [silence.author for silence in silences] == ["driftline"]
    run.know("8", "abc")
    run.turn()
    run.know("8", "abc")
    run.turn(2 * 3600)
    assert (run.one()["state"], run.one()["frozen"]) == ("cooldown", True)
    run.know("8", "def")
    run.turn()
    assert (run.one()["frozen"], run.desk.engine.silences.list()) == (False, [])
    actors = [(line.actor, line.action) for line in reversed(run.desk.engine.audit(100))]
    assert ("root", "retraining approved") in actors
    assert ("callback msg_1", "retraining succeeded") in actors
    assert actors.index(("driftline", "retraining proposed")) < actors.index(("driftline", "retraining fired"))


def test_metrics_and_page_show_it(make: Callable[..., Running]) -> None:
    run = make(dry=True)
    run.tell("performance")
    run.turn()
    run.turn()
    metrics = run.client.get("/metrics").text
    assert 'driftline_retraining_decisions_total{model="fraud",outcome="proposed"} 1.0' in metrics
    assert 'driftline_retraining_proposals{model="fraud",state="awaiting_approval"} 1.0' in metrics
    assert 'driftline_retraining_paused{model="fraud"} 0.0' in metrics
    page = run.client.get("/retraining").text
    assert "roc_auc fell from 0.9 to 0.81." in page
    assert "awaits approval, dry run" in page
    assert run.client.get("/api/v1/retraining").json()["retraining"]["waiting"] == 1
    name = run.one()["id"]
    refused = run.client.post("/retraining/approve", data={"id": name, "token": "wrong"})
    assert refused.status_code == 401
    done = run.client.post("/retraining/approve", data={"id": name, "token": ROOT})
    assert (done.status_code, done.headers["location"]) == (303, "/retraining")
    away = run.client.post(
        "/retraining/approve", data={"id": name, "token": ROOT}, headers={"sec-fetch-site": "cross-site"}
    )
    assert away.status_code == 403
    run.turn()
    assert (run.one()["state"], run.one()["outcome"], run.target.seen) == ("cooldown", "dry_run", [])
    assert run.client.get("/retraining/approve").status_code in {404, 405}


def test_pausing_and_proposing_by_people(make: Callable[..., Running]) -> None:
    run = make()
    assert run.call("POST", "/api/v1/retraining/pause", OTHER, because="x").status_code == 403
    assert run.call("POST", "/api/v1/retraining/pause", OTHER, because="x", model="fraud").status_code == 403
    assert run.call("POST", "/api/v1/retraining/pause", because="the holidays").status_code == 200
    assert run.call("POST", "/api/v1/retraining/propose", model="churn", because="x").status_code == 404
    assert run.call("POST", "/api/v1/retraining/propose", model="fraud", because="new data").status_code == 201
    assert run.call("POST", "/api/v1/retraining/propose", model="fraud", because="again").status_code == 409
    run.turn()
    assert run.one()["state"] == "proposed"
    assert run.call("POST", "/api/v1/retraining/resume").status_code == 200
    assert run.call("POST", "/api/v1/retraining/resume").status_code == 409
    run.turn()
    assert run.one()["state"] == "awaiting_approval"
    assert run.call("POST", f"/api/v1/retraining/proposals/{run.one()['id']}/reject").status_code == 400


def test_the_command_line_decides_on_a_state_folder(make: Callable[..., Running], tmp_path: Path) -> None:
    run = make(dry=True)
    run.tell("performance")
    run.turn()
    name = run.one()["id"]
    folder = ["--state", str(tmp_path / "state")]
    command = CliRunner()
    listed = command.invoke(app, ["retrain", "list", *folder])
    assert name[:12] in listed.output
    assert "awaiting approval, dry run" in listed.output
    shown = json.loads(command.invoke(app, ["retrain", "show", name[:6], *folder]).output)
    assert shown["evidence"]["labels"]["matured"] == 5_000
    approved = command.invoke(app, ["retrain", "approve", name[:6], *folder])
    assert "nothing is sent" in approved.output
    assert command.invoke(app, ["retrain", "approve", name[:6], *folder]).exit_code == 1
    assert command.invoke(app, ["retrain", "pause", "--because", "x", *folder]).exit_code == 0
    assert "paused: all retraining" in command.invoke(app, ["retrain", "list", *folder]).output
    assert command.invoke(app, ["retrain", "resume", *folder]).exit_code == 0
    assert command.invoke(app, ["retrain", "list", "--state", str(tmp_path / "nowhere")]).exit_code == 74
    run.turn()
    assert run.one()["outcome"] == "dry_run"


def test_the_command_line_asks_a_service(make: Callable[..., Running], tmp_path: Path) -> None:
    run = make()
    run.tell("performance")
    run.turn()
    name, url = run.one()["id"], str(run.client.base_url).rstrip("/")
    (tmp_path / "token").write_text(ROOT)
    command = CliRunner()
    assert name[:12] in command.invoke(app, ["retrain", "list", "--url", url]).output
    refused = command.invoke(app, ["retrain", "reject", name, "--because", "known", "--url", url])
    assert (refused.exit_code, "token" in refused.output) == (1, True)
    allowed = ["--url", url, "--token-file", str(tmp_path / "token")]
    assert command.invoke(app, ["retrain", "reject", name, "--because", "known", *allowed]).exit_code == 0
    assert run.one()["state"] == "rejected"
    assert command.invoke(app, ["retrain", "propose", "fraud", "--because", "new data", *allowed]).exit_code == 0
    assert command.invoke(app, ["retrain", "list", "--url", "http://127.0.0.1:1"]).exit_code == 69


def test_a_schedule_proposes_once_also_what_was_missed(make: Callable[..., Running]) -> None:
    run = make()
    assert run.keeper.due("fraud") is None
    run.clock.wind(2 * 3_600)
    assert run.keeper.due("fraud") is None
    run.clock.wind(30 * 86_400)
    made = run.keeper.due("fraud")
    assert made is not None
    assert (made.trigger, made.state) == ("schedule", "proposed")
    assert run.keeper.due("fraud") is None
    run.turn()
    assert run.one()["state"] == "awaiting_approval"
    assert run.keeper.due("churn") is None


def test_schedules_run_on_the_scheduler(make: Callable[..., Running], tmp_path: Path) -> None:
    run = make()
    history = History(tmp_path / "history.sqlite")
    config = run.config.model_copy(
        update={"reports": [ReportConfig(schedule="0 8 * * mon", folder=str(tmp_path / "out"), format="md")]}
    )
    reports = ScheduledReports(config, run.desk.engine.store, lambda *_: False, run.clock)
    chores = start_chores(config, history, run.keeper, reports)
    try:
        jobs = {job.id: job.next_run_time for job in chores.get_jobs()}
    finally:
        chores.shutdown()
        history.close()
    assert {"prune", "retrain fraud", "report 0", "reports missed"} == jobs.keys()
    assert (jobs["report 0"].weekday(), jobs["report 0"].hour) == (0, 8)
    assert (jobs["retrain fraud"].weekday(), jobs["retrain fraud"].hour) == (6, 3)


@pytest.mark.parametrize(
    ("schedule", "zone", "after", "expected"),
    [
        ("0 3 * * sun", "UTC", "2026-11-21T12:00", "2026-11-22T03:00"),
        ("0 3 * * sun", "UTC", "2026-11-22T03:00", "2026-11-29T03:00"),
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00", "2026-03-29T01:30"),
        ("0 0 30 2 *", "UTC", "2026-01-01T00:00", None),
    ],
)
def test_when_schedules_are_due(schedule: str, zone: str, after: str, expected: str | None) -> None:
    at = round(datetime.fromisoformat(f"{after}+00:00").timestamp() * 1e6)
    due = next_after(schedule, zone, at)
    shown = None if due is None else datetime.fromtimestamp(due / 1e6, UTC).strftime("%Y-%m-%dT%H:%M")
    assert shown == expected


def test_facts_come_from_the_latest_windows() -> None:
    windows = (
        closed("7", NOW - 2 * HOUR, n=9_000),
        closed("7", NOW, n=10),
        closed("8", NOW, n=90),
        closed("8", NOW, n=5_000, slice="country=DE"),
    )
    assert latest_rows(windows) == {"7": 10, "8": 90}
    assert latest_rows(()) == {}
    one = replace(model(*windows), references={"7": "a", "8": "a"}, join=None)
    (facts,) = facts_of(view(one), {"fraud": "t"}).values()
    assert (facts.version, facts.matured_labels, dict(facts.references)) == ("8", None, {"7": "a", "8": "a"})
    assert facts_of(None, {"fraud": "t"}) == {}
    assert facts_of(view(one), {}) == {}
    assert latest_coverage(()) != latest_coverage(())
    assert 0 <= latest_coverage([judged()]) <= 1


def test_terms_change_with_what_judges(tmp_path: Path) -> None:
    path = written(tmp_path, 1, dry=True)
    first = load(path, {}).models[0]
    path.write_text(path.read_text().replace("positive_class: 1", 'positive_class: 1\n    decision: "score >= 0.9"'))
    second = load(path, {}).models[0]
    assert terms_of(first) != terms_of(second)
    other = second.model_copy(update={"retraining": None, "owner": "somebody"})
    assert terms_of(second) == terms_of(other)


def test_the_policy_follows_the_configuration(tmp_path: Path) -> None:
    path = written(tmp_path, 1, dry=True)
    text = path.read_text().replace(
        "cooldown: 1d}", "cooldown: 1d, approval: none, blackouts: [{days: [fri], from: '22:00', to: '06:00'}]}"
    )
    path.write_text(text + "calendar: {timezone: Europe/Berlin}\n")
    policy = policy_of(load(path, {})).models["fraud"]
    assert (policy.dry_run, policy.guardrails.approval, policy.guardrails.cooldown) == (True, False, DAY)
    (blackout,) = policy.guardrails.blackouts
    assert (blackout.days, blackout.begin, blackout.end, blackout.timezone) == (
        frozenset({4}), 22 * 60, 6 * 60, "Europe/Berlin",
    )  # fmt: skip
    assert policy_of(load(path, {})).url == "https://driftline.example"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("performance drop or", "performanse drop or", "models[0].retraining.when: 'performanse' is no word"),
        ("performance drop or", "quality or", "no reason to retrain"),
        ("0 3 * * sun", "0 3 * sun", "models[0].retraining.schedule: no schedule"),
        ('"{key}"', '"{kee}"', "models[0].retraining.target.body: there is no {kee}"),
        ("allow: [127.0.0.1], ", "", "models[0].retraining.target.url: 127.0.0.1"),
        ("cooldown: 1d}", "cooldown: 1d, blackouts: [{first: 2026-12-24, last: 2026-12-01}]}", "ends before it begins"),
        ("cooldown: 1d}", "cooldwn: 1d}", "did you mean cooldown"),
        (SECRET, "whsec_x", "retraining.secret: a signing secret is not"),
        ("kind: http", "kind: htp", "models[0].retraining.target.kind"),
        ("    labels: {topic: l, time_format: rfc3339, map: {id: value.id, label: value.y}}\n", "", "has no labels"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(old: str, new: str, problem: str, tmp_path: Path) -> None:
    path = written(tmp_path, 443, dry=True)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    assert problem in str(caught.value)
    assert SECRET not in str(caught.value)


def test_secrets_of_targets_show_nowhere(tmp_path: Path) -> None:
    config = load(written(tmp_path, 443, dry=True), {})
    for shown in (repr(config), config.model_dump_json(), str(policy_of(config))):
        assert SECRET not in shown
        assert ROOT not in shown
