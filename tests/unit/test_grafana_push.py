"""``driftline dashboards``: what is asked of Grafana, and what its failures come to."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dashboards.grafana.annotate import annotate
from dashboards.grafana.committed import committed
from dashboards.grafana.connection import Connection, GrafanaProblemError
from dashboards.grafana.incidents import Incident, incidents
from dashboards.grafana.push import diff, differences, push
from monitor.commands import dashboards as commands
from monitor.events import HOUR
from monitor.findings import Finding, WindowResult
from monitor.history import History
from tests.example_view import NOW, finding
from tests.grafana import TOKEN, Grafana, serving
from tests.prometheus import free_port


@pytest.fixture
def grafana() -> Iterator[Grafana]:
    with serving(Grafana()) as served:
        yield served


def test_a_push_makes_the_folder_and_every_dashboard(grafana: Grafana) -> None:
    ours = committed()
    assert push(Connection(grafana.url, TOKEN)) == dict.fromkeys(ours, "created")
    assert grafana.folders == {"driftline": "Driftline"}
    written = [body for method, path, body in grafana.requests if (method, path) == ("POST", "/api/dashboards/db")]
    assert [body["dashboard"] for body in written] == list(ours.values())
    assert {(body["folderUid"], body["overwrite"]) for body in written} == {("driftline", True)}
    posts = [path for method, path, _ in grafana.requests if method == "POST"]
    assert posts == ["/api/folders", *["/api/dashboards/db"] * len(ours)]


def test_a_second_push_writes_nothing_and_a_third_only_what_somebody_changed(grafana: Grafana) -> None:
    to = Connection(grafana.url, TOKEN)
    push(to)
    before = len(grafana.requests)
    assert set(push(to).values()) == {"unchanged"}
    assert {method for method, _, _ in grafana.requests[before:]} == {"GET"}
    grafana.dashboards["driftline-model"]["panels"][1]["title"] = "Mine"
    found = diff(to)
    assert found["model"] == ["panels[1].title: 'Mine' → 'Warnings'"]
    assert not any(found[name] for name in found if name != "model")
    assert push(to) == {name: "updated" if name == "model" else "unchanged" for name in committed()}
    assert not any(diff(to).values())


def test_what_is_missing_is_told_as_missing(grafana: Grafana) -> None:
    assert diff(Connection(grafana.url, TOKEN)) == {name: ["missing"] for name in committed()}
    assert grafana.requests[0][1] == "/api/frontend/settings"


@pytest.mark.parametrize(
    ("ours", "theirs", "told"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": None, "b": [], "c": False}, {}, []),
        ({"a": 0.5}, {}, ["a: missing"]),
        ({"a": [{"b": 1}]}, {"a": [{"b": 2}]}, ["a[0].b: 2 → 1"]),
        ({"a": [1]}, {"a": [1, 2]}, ["a: 2 → 1 of them"]),
        ({"a": {"b": 1}}, {"a": None}, ["a: None → {'b': 1}"]),
    ],
)
def test_differences(ours: object, theirs: object, told: list[str]) -> None:
    assert list(differences(ours, theirs)) == told


def test_a_path_under_the_host_needs_no_slash() -> None:
    with serving(Grafana(prefix="/grafana")) as grafana:
        push(Connection(grafana.url, TOKEN))
        assert {path.split("/")[1] for _, path, _ in grafana.requests} == {"grafana"}


def command(*arguments: str, token: str = TOKEN) -> tuple[int, str, str]:
    """Run the command as a person would."""
    program = [sys.executable, "-W", "error", "-m", "monitor.cli", "dashboards", *arguments]
    environ = {"GRAFANA_TOKEN": token, "PATH": "/usr/bin:/bin"}
    done = subprocess.run(program, env=environ, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def test_the_command_pushes_and_tells_the_difference(grafana: Grafana) -> None:
    assert command("push", "--grafana", grafana.url) == (0, "".join(f"{n}: created\n" for n in committed()), "")
    grafana.dashboards["driftline-slices"]["title"] = "Mine"
    status, out, err = command("diff", "--grafana", grafana.url)
    assert (status, err) == (3, "")
    assert "slices: differs\n  title: 'Mine' → 'Driftline / Slices'\n" in out
    assert "model: same\n" in out


def refusal(grafana: Grafana, token: str = TOKEN) -> tuple[int, str]:
    """Return the status and the sentence of a push that fails."""
    with serving(grafana), pytest.raises(GrafanaProblemError) as failed:
        push(Connection(grafana.url, token))
    text = str(failed.value)
    assert "\n" not in text
    assert TOKEN not in text
    assert text.startswith(grafana.url)
    return failed.value.status, text


def test_failures_say_one_clear_line() -> None:
    status, text = refusal(Grafana(), token="wrong")  # noqa: S106 - of nobody
    assert (status, "the token is not accepted; a service account with the role Editor" in text) == (77, True)
    status, text = refusal(Grafana(deny=403))
    assert (status, "the token may not do it" in text) == (77, True)
    status, text = refusal(Grafana(version="9.5.2"))
    assert (status, "Grafana 9.5 is too old; 10.0 or newer is needed" in text) == (76, True)
    status, text = refusal(Grafana(page=True))
    assert (status, "is not Grafana" in text) == (69, True)
    status, text = refusal(Grafana(redirect="http://127.0.0.1:1/login"))
    assert (status, "answers with a redirect" in text) == (69, True)
    status, text = refusal(Grafana(deny=400))
    assert (status, "cannot make the folder" in text) == (65, True)
    status, text = refusal(Grafana(deny=500))
    assert (status, "Server Error 500" in text) == (69, True)


def test_the_command_ends_with_one_line_and_a_status() -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    assert command("push", "--grafana", nobody) == (69, "", f"{nobody}/: cannot be reached\n")
    assert command("push", "--grafana", nobody, token="") == (
        2, "", "no token: set GRAFANA_TOKEN, or name a file with --token-file\n")  # fmt: skip
    assert command("diff", "--grafana", "grafana:3000")[::2] == (
        2, "'grafana:3000' is not an address such as https://grafana.example/\n")  # fmt: skip


def test_a_token_file_is_read(grafana: Grafana, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert commands.push(commands.Grafana(grafana.url, tmp_path / "token"), {}, "Driftline") == 0
    assert commands.push(commands.Grafana(grafana.url, tmp_path / "none"), {}, "Driftline") == 2


def result(start: int, *findings: Finding, window: str = "evidence", version: str = "1", n: int = 9) -> WindowResult:
    begin = NOW + start * HOUR
    return WindowResult("fraud", version, "", window, begin, begin + HOUR, 0, n, findings)


def test_windows_in_a_row_are_one_incident() -> None:
    quiet, drifted = finding("a", "evidence"), finding("a", "evidence", "drift")
    other = finding("b.missing", "evidence_page", "drift")
    changed = finding("accuracy", "performance_change", "drift")
    warns = finding("a", "evidence", "warn")
    found = incidents([
        result(0, warns), result(1, drifted), result(2, warns, other), result(3, quiet), result(4, drifted),
        result(1, finding("a", "psi", "drift"), window="fast"), result(2, changed, window="daily:outcomes"),
        result(6, quiet, version="2"),
    ])  # fmt: skip
    assert [(one.kind, (one.start - NOW) // HOUR, one.end and (one.end - NOW) // HOUR, one.text) for one in found] == [
        ("drift", 1, 3, "Evidence of drift: fraud (version 1): a, b.missing"),
        ("performance", 2, None, "Performance: fraud (version 1): accuracy"),
        ("drift", 4, None, "Evidence of drift: fraud (version 1): a"),
        ("version_change", 6, None, "fraud: version 2 begins"),
    ]
    assert len({one.id for one in found}) == 4


def test_an_annotation_is_written_once_and_ends_when_the_incident_does(grafana: Grafana) -> None:
    to = Connection(grafana.url, TOKEN)
    open_ = Incident("drift", "fraud & co", "1", NOW, None, "amount")
    other = Incident("version_change", "fraud & co", "2", NOW + HOUR, None, "2 begins")
    assert annotate(to, [open_, other]) == {"added": 2, "updated": 0, "unchanged": 0}
    assert annotate(to, [open_, other]) == {"added": 0, "updated": 0, "unchanged": 2}
    ended = replace(open_, end=NOW + 3 * HOUR, text="amount, age")
    assert annotate(to, [ended, other]) == {"added": 0, "updated": 1, "unchanged": 1}
    assert annotate(to, [ended, other])["unchanged"] == 2
    kept = grafana.annotations[0]
    assert kept["tags"] == ["driftline", "drift", "model:fraud & co", f"driftline-id:{open_.id}"]
    assert (kept["time"], kept["timeEnd"], kept["text"]) == (NOW // 1000, (NOW + 3 * HOUR) // 1000, "amount, age")
    assert len(grafana.annotations) == 2
    assert [m for m, path, _ in grafana.requests if path.startswith("/api/annotations") and m != "GET"] == [
        "POST", "POST", "PATCH"]  # fmt: skip
    assert annotate(to, []) == {"added": 0, "updated": 0, "unchanged": 0}


def test_the_command_annotates_from_a_state(
    grafana: Grafana, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = commands.Grafana(grafana.url)
    assert commands.annotate(server, {"GRAFANA_TOKEN": TOKEN}, tmp_path, "3650d", None) == 74
    history = History(tmp_path / "history.sqlite")
    history.upsert([result(0, finding("a", "evidence", "drift"))])
    history.close()
    assert commands.annotate(server, {"GRAFANA_TOKEN": TOKEN}, tmp_path, "3650d", None) == 0
    assert capsys.readouterr().out == "1 added, 0 updated, 0 unchanged\n"
    assert grafana.annotations[0]["text"] == "Evidence of drift: fraud (version 1): a"
    assert commands.annotate(server, {"GRAFANA_TOKEN": TOKEN}, tmp_path, "soon", None) == 2


def test_files_for_provisioning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert commands.render(tmp_path, "Models: all", "/var/lib/grafana/driftline", "http://prometheus:9090") == 0
    written = capsys.readouterr().out.splitlines()
    assert len(written) == len(committed()) + 2
    for name, dashboard in committed().items():
        assert json.loads((tmp_path / "dashboards" / f"{name}.json").read_text()) == dashboard
    told = (tmp_path / "provisioning/dashboards/driftline.yaml").read_text()
    assert 'folder: "Models: all"' in told
    assert 'path: "/var/lib/grafana/driftline"' in told
    assert "http://prometheus:9090" in (tmp_path / "provisioning/datasources/prometheus.yaml").read_text()
