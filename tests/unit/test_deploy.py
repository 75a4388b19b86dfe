"""What is deployed: each part checked by what can read it here. What was not run is told in docs/deploy.md."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from dashboards.grafana.committed import FOLDER
from dashboards.grafana.render import render
from monitor.config.load import load
from tests.image import instructions
from tests.json_schema import errors
from tests.prometheus import find_tool
from tests.shown import is_command, yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm/driftline"
RULES = DEPLOY / "prometheus/rules/driftline.yaml"
DOCKERFILE = (DEPLOY / "docker/Dockerfile").read_text(encoding="utf-8")


def loads(config: Any, folder: Path) -> None:
    """Check a configuration as the service would."""
    file = folder / "driftline.yaml"
    YAML().dump(config, file)
    load(file, {"KAFKA": "kafka:9092"}, needs_references=False)


def test_the_chart_carries_the_rules_and_the_dashboards() -> None:
    assert (CHART / "files/rules/driftline.yaml").read_bytes() == RULES.read_bytes()
    carried = {file.name: file.read_bytes() for file in (CHART / "files/dashboards").iterdir()}
    assert carried == {file.name: file.read_bytes() for file in FOLDER.iterdir()}


def test_the_charts_values_fit_their_schema_and_make_a_sound_configuration(tmp_path: Path) -> None:
    values, schema = yaml(CHART / "values.yaml"), json.loads((CHART / "values.schema.json").read_text())
    assert errors(values, schema, schema) == []
    assert values.keys() <= schema["properties"].keys()
    for wrong in ({"replicas": 2}, {"persistence": {"size": "lots"}}, {"service": {"port": 0}},
                  {"config": {"version": 1, "models": [], "http": {"listen": "x"}}}):  # fmt: skip
        assert errors({**values, **wrong}, schema, schema), wrong
    loads({**values["config"], "state": {"path": "/var/lib/driftline/state"}}, tmp_path)


def test_templates_use_every_value_and_no_other() -> None:
    texts = {file.name: file.read_text() for file in (CHART / "templates").iterdir()}
    used = {tuple(match.split(".")) for text in texts.values() for match in re.findall(r"\.Values\.([\w.]+)", text)}
    values = yaml(CHART / "values.yaml")
    for path in used:
        place = values
        for step in path:
            assert step in place or path[0] in {"nameOverride", "fullnameOverride"}, path
            place = place.get(step, {})
    tops = {path[0] for path in used}
    assert values.keys() <= tops
    for name, text in texts.items():
        opened = len(re.findall(r"{{-? *(?:if|range|with|define)\b", text))
        assert opened == len(re.findall(r"{{-? *end\b", text)), name


def test_helm_renders_what_kubernetes_would_take(tmp_path: Path) -> None:
    """With helm at hand the whole; without it the chart is checked by the tests above alone."""
    helm = shutil.which("helm")
    documents = _rendered(helm) if helm else []
    for document in documents:
        assert document["apiVersion"]
        assert document["metadata"]["labels"]["app.kubernetes.io/name"] == "driftline"
    kinds = {document["kind"] for document in documents}
    assert not helm or kinds == {
        "ConfigMap", "NetworkPolicy", "PodDisruptionBudget", "PrometheusRule", "Service", "ServiceAccount",
        "ServiceMonitor", "StatefulSet",
    }  # fmt: skip
    for document in documents:
        if document["kind"] == "PrometheusRule":
            assert document["spec"] == yaml(RULES)
        if document["kind"] == "ConfigMap" and "driftline.yaml" in document["data"]:
            loads(YAML(typ="safe").load(document["data"]["driftline.yaml"]), tmp_path)


def _rendered(helm: str) -> list[Any]:
    switches = "serviceMonitor.enabled=true,prometheusRule.enabled=true,dashboards.enabled=true,secrets={kafka}"
    command: list[str | Path] = [helm, "template", "x", CHART, "--kube-version", "1.32.0", "--set", switches]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [document for document in YAML(typ="safe").load_all(done.stdout) if document]


def hardened(container: Any) -> None:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert container["livenessProbe"]["httpGet"]["path"] == "/-/healthy"
    is_command(container["args"])


def test_the_sidecar_is_a_native_one_and_its_configuration_is_sound(tmp_path: Path) -> None:
    config, workload = YAML(typ="safe").load_all((DEPLOY / "sidecar/driftline-sidecar.yaml").read_text())
    loads(YAML(typ="safe").load(config["data"]["driftline.yaml"]), tmp_path)
    pod = workload["spec"]["template"]["spec"]
    (sidecar,) = pod["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    hardened(sidecar)
    volumes = {volume["name"] for volume in pod["volumes"]} | {"state"}
    for container in (sidecar, *pod["containers"]):
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
    assert workload["spec"]["selector"]["matchLabels"] == workload["spec"]["template"]["metadata"]["labels"]


def test_compose() -> None:
    compose = yaml(DEPLOY / "compose/compose.yaml")
    services = compose["services"]
    assert services.keys() == {"kafka", "producer", "driftline", "prometheus", "alertmanager", "grafana"}
    for name, service in services.items():
        image = service["image"]
        assert "build" in service or re.search(r":v?\d+\.\d+", image), f"{name}: {image} floats"
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), f"{name} is open to everybody"
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (DEPLOY / "compose" / source).exists(), volume
        for other, how in service.get("depends_on", {}).items():
            assert "healthcheck" in services[other]
            assert how == {"condition": "service_healthy"}
        if "build" in service:
            is_command(service["command"])
            assert service["read_only"] is True
            assert service["cap_drop"] == ["ALL"]
            assert (DEPLOY / "compose" / service["build"]["context"] / service["build"]["dockerfile"]).exists()
    assert services["producer"]["healthcheck"]["test"][1] == "driftline"
    is_command(services["producer"]["healthcheck"]["test"][2:])


def test_compose_provisions_what_the_command_renders(tmp_path: Path) -> None:
    render(tmp_path, path="/var/lib/driftline-dashboards", prometheus="http://prometheus:9090")
    for file in ("dashboards/driftline.yaml", "datasources/prometheus.yaml"):
        kept = yaml(DEPLOY / "compose/grafana/provisioning" / file)
        assert kept == yaml(tmp_path / "provisioning" / file)


def test_prometheus_and_alertmanager_take_their_files(promtool: str, tmp_path: Path) -> None:
    config = (DEPLOY / "compose/prometheus.yml").read_text()
    (tmp_path / "prometheus.yml").write_text(config.replace("/etc/prometheus/rules", str(RULES.parent)))
    commands: tuple[list[str | Path], ...] = (
        [promtool, "check", "config", tmp_path / "prometheus.yml"],
        [find_tool("amtool", "prometheus-alertmanager"), "check-config", DEPLOY / "compose/alertmanager.yml"],
    )
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    alerts = {rule["alert"] for group in yaml(RULES)["groups"] for rule in group["rules"] if "alert" in rule}
    named = re.findall(r'alertname=~?"([^"]+)"', (DEPLOY / "compose/alertmanager.yml").read_text())
    assert {name for names in named for name in names.split("|")} <= alerts


def test_the_image_is_slim_and_runs_as_nobody() -> None:
    steps = list(instructions(DOCKERFILE))
    stages = [rest.rpartition(" AS ")[2] for _, word, rest in steps if word == "FROM"]
    assert stages[-1] == "service"
    assert [rest for stage, word, rest in steps if word == "USER" and stage == "base"] == ["65532:65532"]
    assert not [rest for stage, word, rest in steps if word == "RUN" and stage == "service"]
    copied = {name for stage, word, rest in steps if word == "COPY" and stage == "build" for name in rest.split()[:-1]}
    assert all((ROOT / name).exists() for name in copied)
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(packages["packages"]) <= copied
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert {line[1:] for line in ignored if line.startswith("!")} == copied
    assert any("--require-hashes" in rest for _, word, rest in steps if word == "RUN")
    (command,) = (json.loads(rest) for _, word, rest in steps if word == "ENTRYPOINT")
    assert command == ["driftline"]
    is_command(json.loads(next(rest for stage, word, rest in steps if word == "CMD" and stage == "service")))


def test_the_unit_starts_commands_that_exist() -> None:
    unit = (DEPLOY / "systemd/driftline.service").read_text()
    started = re.findall(r"^ExecStart(?:Pre)?=/opt/driftline/bin/driftline (.+)$", unit, re.MULTILINE)
    assert len(started) == 2
    for words in started:
        is_command(words.split())
    for hardening in ("NoNewPrivileges=yes", "ProtectSystem=strict", "DynamicUser=yes", "RestartPreventExitStatus=78"):
        assert hardening in unit


@pytest.fixture(scope="module")
def promtool() -> str:
    return find_tool("promtool")
