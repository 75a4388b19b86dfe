"""What docs show: configurations load, commands exist, links lead somewhere, generated pages are as generated."""

from __future__ import annotations

import json
import re
import shlex
from base64 import b64encode
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from alerts.builtin import RULES
from detectors.calibration.distribution import DistributionTable
from monitor import catalogue, figure_metrics
from monitor.commands.manual import PAGES
from monitor.config import document
from monitor.config.load import load
from monitor.config.model import ModelConfig
from monitor.config.performance_checks import figure_names
from monitor.config.root import Config
from monitor.decoding.decoder import Decoder
from monitor.decoding.schema import Schema
from monitor.events import Records
from tests.shown import is_command, yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
TEXTS = sorted({ROOT / "README.md", *DOCS.rglob("*.md")})
MODEL = {"name": "m", "predictions": {"topic": "p", "map": {"features": "value.f", "score": "value.s"}}}
LABELLED = MODEL | {
    "positive_class": 1, "predictions": {"topic": "p", "map": {
        "id": "value.id", "time": "value.ts", "features": "value.f", "score": "value.s"}},
    "labels": {"topic": "l", "matures_after": "1d", "map": {"id": "value.id", "time": "value.at", "label": "value.y"}},
}  # fmt: skip
SIGNING = "whsec_" + b64encode(bytes(range(32))).decode()
ALERTS = {
    rule["alert"]
    for group in yaml(ROOT / "deploy/prometheus/rules/driftline.yaml")["groups"]
    for rule in group["rules"]
    if "alert" in rule
}


def blocks(kind: str) -> list[Any]:
    fence = re.compile(rf"^```{kind}\n(.*?)^```", re.MULTILINE | re.DOTALL)
    return [
        pytest.param(text, id=f"{file.relative_to(ROOT)}-{number}")
        for file in TEXTS
        for number, text in enumerate(fence.findall(file.read_text(encoding="utf-8")))
    ]


def whole(text: str) -> dict[str, Any]:
    """Return a configuration from one that is shown, or from a part of one that is."""
    said = YAML(typ="safe").load(text)
    if text.startswith("# values.yaml"):
        said = said["config"]
    if isinstance(said, list):
        said = {"models": [LABELLED | {"name": "fraud-scorer"}, *said]}
    elif said.keys() == {"target"}:
        said = {"retraining": {"when": "performance drop", "dry_run": False, **said}}
    if "version" in said:
        return dict(said)
    if said.keys() <= Config.model_fields.keys() and not said.get("retraining", {}).keys() & {"when", "target"}:
        models = [merged(LABELLED, model) for model in said.get("models", [MODEL])]
        return {"version": 1, **said, "models": models}
    assert said.keys() <= ModelConfig.model_fields.keys(), "neither a configuration nor a part of a model"
    return {
        "version": 1,
        "models": [merged(LABELLED if said.keys() & {"labels", "retraining", "performance"} else MODEL, said)],
        "retraining": {"url": "https://driftline.example", "secret": SIGNING},
    }


def merged(first: dict[str, Any], second: dict[str, Any]) -> dict[str, Any]:
    """Return the second with what only the first says, at every depth; a stream with a topic stands alone."""
    both = {key: merged(first[key], value) for key, value in second.items()
            if isinstance(value, dict) and isinstance(first.get(key), dict) and "topic" not in value}  # fmt: skip
    return {**first, **second, **both}


def revealed(said: Any, key: str = "") -> Any:
    """Return it with something of the right kind where a file is named."""
    if isinstance(said, dict):
        return {name: revealed(value, name) for name, value in said.items()}
    if isinstance(said, list):
        return [revealed(value, key) for value in said]
    if not isinstance(said, str) or "${file:" not in said:
        return said
    known = {"url": "https://hooks.example/services/x", "secret": SIGNING}
    return re.sub(r"\$\{file:[^}]+\}", known.get(key, "x" * 32), said)


@pytest.mark.parametrize("text", [block for block in blocks("yaml") if not block.values[0].startswith("# .github")])
def test_every_configuration_loads(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = whole(text)
    YAML().dump(revealed(config), tmp_path / "driftline.yaml")
    load(tmp_path / "driftline.yaml", {"SLACK_URL": "https://hooks.example/x"}, needs_references=False)


@pytest.mark.parametrize("text", blocks("(?:console|sh)"))
def test_every_command_exists(text: str) -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for line in text.splitlines():
        words = shlex.split(line.removeprefix("$ "), comments=True)
        if words[:1] == ["driftline"]:
            is_command(words[1:])
        elif words[:1] == ["make"]:
            assert words[1] in targets
        else:
            for word in words[1:]:
                if word.startswith("deploy/"):
                    assert (ROOT / word).exists(), word


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_links_and_names_lead_somewhere(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", re.sub(r"`[^`\n]*`", "", text)):
        if "://" not in target:
            assert (file.parent / target).exists(), target
    families = {metric.family for metric in catalogue.metrics()}
    for name in re.findall(r"`(driftline_\w+)", text):
        assert any(name.startswith(family) for family in families), name


def test_every_figure_says_its_interval() -> None:
    text = (DOCS / "figures.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] if line.startswith("|") else line for line in text.splitlines()]
    patterns = re.findall(r"`([a-z0-9_*]+)`", "\n".join(rows))
    claims = DistributionTable(0.9, (0.1,), 1.0, normal=True)
    named = {
        *figure_names("binary_classification", amount=True), *figure_names("multiclass", ("a", "b"), tops=(3,)),
        *figure_names("regression"), *figure_names("ranking"), *figure_metrics.CALIBRATION,
        *claims.figures(np.zeros((1, claims.size), np.int64)), "recall_weighted",
    }  # fmt: skip
    for name in {one.split("[")[0] for one in named}:
        assert any(fnmatch(name, pattern) for pattern in patterns), name


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_as_generated(name: str) -> None:
    kept = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    assert kept == PAGES[name](), f"run: python -m monitor.commands.manual {Path(name).name} > docs/{name}.md"


def test_configuration_and_metrics_are_as_generated() -> None:
    assert (DOCS / "reference/configuration.md").read_text(encoding="utf-8") == document.render()
    assert (DOCS / "reference/metrics.md").read_text(encoding="utf-8").strip() == catalogue.reference_page().strip()


def test_every_alert_has_its_runbook_and_no_other_has_one() -> None:
    pages = {file.stem for file in (DOCS / "runbooks").glob("*.md")} - {"README"}
    assert pages == ALERTS | {rule.name for rule in RULES}
    index = (DOCS / "runbooks/README.md").read_text()
    for name in pages:
        text = (DOCS / f"runbooks/{name}.md").read_text()
        assert text.startswith(f"# {name}\n")
        assert "## Look" in text
        assert "## Do" in text
        assert f"({name}.md)" in index


def test_every_how_to_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text()
    assert {f"how-to/{file.name}" for file in (DOCS / "how-to").glob("*.md")} == set(
        re.findall(r"how-to/[\w-]+\.md", index)
    )


def test_a_capture_of_sagemaker_is_read_as_shown(tmp_path: Path) -> None:
    (text,) = (block.values[0] for block in blocks("yaml") if "from-sagemaker" in str(block.id))
    YAML().dump(whole(text), tmp_path / "driftline.yaml")
    config = load(tmp_path / "driftline.yaml", {}, needs_references=False)
    capture = {
        "captureData": {
            "endpointInput": {"observedContentType": "application/json", "mode": "INPUT", "encoding": "JSON",
                              "data": json.dumps({"instances": [{"features": [28, 2.5]}]})},
            "endpointOutput": {"mode": "OUTPUT", "data": json.dumps({"predictions": [{"score": 0.98}]})},
        },
        "eventMetadata": {"eventId": "7ddb", "inferenceTime": "2024-01-19T19:27:57Z"},
        "eventVersion": "0",
    }  # fmt: skip
    truth = {"groundTruthData": {"data": "1", "encoding": "CSV"}, "eventMetadata": {"eventId": "7ddb"}}
    decoder = Decoder([Schema.of(config.models[0])], config.limits)
    labels = Decoder([Schema.of_labels(config.models[0])], config.limits)
    (row,), (label,) = (
        made.decode(Records(topic, 0, 1, [0], [9], True, [None], [json.dumps(value).encode()])).batches
        for made, topic, value in ((decoder, "endpoint.capture", capture), (labels, "endpoint.ground-truth", truth))
    )
    assert row.ids == label.ids == ["7ddb"]
    assert {name: list(column) for name, column in row.columns.items() if name in {"age", "income", "score"}} == {
        "age": [28.0], "income": [2.5], "score": [0.98]}  # fmt: skip
    assert list(label.columns["label"]) == ["1"]
