"""Commands about alerts: against a running service, against the state, and mistakes in the configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alerts.signal import Signal
from monitor.alerting.opening import open_desk
from monitor.commands import alerts as commands
from monitor.commands.alerts import Where
from monitor.commands.drill import drill
from monitor.config.load import examine, load
from monitor.metrics import make_registry
from monitor.server import Server
from monitor.service import Health
from monitor.views import ViewHolder
from tests.alerting_service import Clock
from tests.example_view import NOW, model, view

TOKEN = "token-token-token-token"  # noqa: S105 - of a test
CONFIG = """\
version: 1
models: [{{name: m, owner: pay, predictions: {{topic: p, time_format: rfc3339}}}}]
alerts:
  mode: builtin
  receivers:
    - {{name: ops, kind: webhook, url: "https://ops.example/x"}}
    - {{name: pager, kind: pagerduty, routing_key: "${{file:key}}"}}
  route: {{receiver: ops, routes: [{{matchers: ["severity=page"], receiver: pager, group_wait: 0s}}]}}
http: {{listen: "127.0.0.1:{port}", tokens: [{{name: ada, token: {token}, actions: [silence, resolve, receivers]}}]}}
state: {{path: "{folder}/state"}}
"""


def written(folder: Path, port: int = 1) -> Path:
    """Return a configuration; nothing listens at port 1."""
    (folder / "key").write_text("secret-key\n")
    path = folder / "driftline.yaml"
    path.write_text(CONFIG.format(port=port, folder=folder, token=TOKEN))
    return path


def fired(path: Path) -> None:
    """Have one alert fire in the state."""
    desk = open_desk(load(path, {}), path.parent, clock=Clock(NOW), dispatch=False)
    desk.engine.apply([Signal(number=1, kind="quality", observed_at=NOW, model="m", column="age", status="drift")], NOW)
    desk.close()


def test_while_no_service_answers_the_state_is_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path)
    where = Where(path, {})
    assert commands.list_alerts(where, as_json=False) == 1
    assert "there are no alerts yet" in capsys.readouterr().err
    fired(path)
    assert commands.list_alerts(where, as_json=False) == 0
    assert "QualityProblem" in capsys.readouterr().out
    assert commands.silence(where, ['model="m"', "severity=page"], "2h", "known") == 0
    name = capsys.readouterr().out.split()[1]
    assert commands.list_alerts(where, as_json=True) == 0
    [alert] = json.loads(capsys.readouterr().out)["alerts"]
    assert alert["told"] == "silenced"
    assert commands.silence(where, ["model=m"], "2 hours", "known") == 1
    assert "not a duration" in capsys.readouterr().err
    assert commands.expire(where, [name]) == 0
    assert commands.expire(where, [name]) == 1
    assert commands.enable(where, "nobody", "x") == 1
    assert commands.resolve(where, alert["fingerprint"], "mended") == 0
    assert commands.resolve(where, alert["fingerprint"], "mended") == 1
    capsys.readouterr()
    assert commands.audit(where, 10, as_json=True) == 0
    lines = json.loads(capsys.readouterr().out)
    assert [line["action"] for line in lines] == ["resolve", "expire", "silence"]
    assert commands.test(where, "opps") == 1


def test_a_running_service_is_asked_with_the_token(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = load(written(tmp_path, 0), {})
    desk = open_desk(config, tmp_path, clock=Clock(NOW), dispatch=False)
    holder = ViewHolder(view(model(), alerts=desk.view))
    registry, _ = make_registry(holder, 1000)
    server = Server(config.http, registry, holder, Health(not_ready=None))
    server.start()
    server.api.open(desk)
    path = written(tmp_path, server.port)
    try:
        assert commands.silence(Where(path, {}), ["model=m"], "2h", "known") == 1
        assert "401" in capsys.readouterr().err
        (tmp_path / "token").write_text(f"{TOKEN}\n")
        for where in (Where(path, {"DRIFTLINE_TOKEN": TOKEN}), Where(path, {}, token_file=tmp_path / "token")):
            assert commands.silence(where, ["model=m"], "2h", "known") == 0
            assert commands.expire(where, [capsys.readouterr().out.splitlines()[-1].split()[1]]) == 0
            assert commands.test(where, "ops") == 0
        assert commands.list_alerts(Where(path, {}), as_json=False) == 0
        capsys.readouterr()
        assert commands.audit(Where(path, {}), 10, as_json=False) == 0
        assert capsys.readouterr().out.count("ada  silence") == 2
    finally:
        server.stop()
        desk.close()


def test_who_would_hear_of_an_alert(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path)
    assert commands.test_routes(path, {}, ["model=m", "severity=page"]) == 0
    assert capsys.readouterr().out.startswith("pager: grouped by model, alertname, after 0s")
    assert commands.test_routes(path, {}, ["severity=warn"]) == 0
    assert capsys.readouterr().out.startswith("ops: ")
    assert commands.test_routes(path, {}, ["severity"]) == 2


def test_a_drill_goes_from_detection_to_a_receiver_and_back_to_calm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drill(None, {}, None) == 0
    said = capsys.readouterr().out
    assert "an alert fired" in said
    assert said.count("has heard of it") == 2
    assert drill(written(tmp_path), {}, "opps") == 1
    assert "did you mean ops?" in capsys.readouterr().err


def test_mistakes_are_told_at_their_place_all_at_once(tmp_path: Path) -> None:
    path = tmp_path / "driftline.yaml"
    path.write_text("""\
version: 1
models: [{name: m, predictions: {topic: p, time_format: rfc3339}}]
alerts:
  receivers:
    - {name: ops, kind: slack, url: "https://hooks.slack.example/services/SECRET", topic: x}
    - {name: ops, kind: webhook, url: "http://10.0.0.1/SECRET"}
    - {name: am, kind: alertmanager, urls: ["https://am.example"]}
  route: {receiver: opps, routes: [{matchers: ["severity=page", "x"], receiver: ops}]}
  rules:
    - {name: A, kinds: [drift], when: {above: 0.3, clear: 0.4}}
    - {name: B, kinds: [drift], when: {above: 0.3, below: 0.1}}
    - {name: C, kinds: [drift], when: {above: 2, against: reference}}
    - {name: D, kinds: [drift], annotations: {summary: "{colum}"}}
  without: [FeatureDirft]
  heartbeat: {receiver: nope, every: 1s}
  silences: [{matchers: ["a!=b"], until: 2026-01-01T00:00:00Z, comment: x}]
http: {tokens: [{name: a, token: short, actions: [silence]}, {name: a, token: long-long-long-long, actions: [silense]}]}
""")
    found = examine(path, {}).problems
    told = {problem.path: problem for problem in found}
    assert {name for name in told if not told[name].is_warning} == {
        "alerts.receivers[0].topic", "alerts.receivers[1].name", "alerts.receivers[1].url", "alerts.route.receiver",
        "alerts.route.routes[0].matchers[1]", "alerts.rules[0].when", "alerts.rules[1].when",
        "alerts.rules[2].when.against", "alerts.rules[3]", "alerts.without[0]", "alerts.heartbeat.receiver",
        "alerts.heartbeat.every", "alerts.silences[0].matchers", "http.tokens[1].actions[0]",
    }  # fmt: skip
    assert told["alerts.route.receiver"].hint == "did you mean ops?"
    assert (told["alerts.without[0]"].line, told["alerts.without[0]"].column) == (14, 13)
    assert "SECRET" not in "".join(map(str, found))
    assert "url_file" not in "".join(map(str, found))
