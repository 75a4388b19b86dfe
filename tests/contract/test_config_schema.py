"""The JSON Schema and the loader agree on what a configuration may hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitor.config.document import sections
from monitor.config.read import read_tree
from monitor.config.schema import DRAFT, json_schema
from tests.config_files import FIFTEEN_LINES, FULL, loaded, minimal, problems
from tests.json_schema import errors

SCHEMA = json_schema()


def parsed(text: str) -> Any:
    """Return what an editor sees: the file before variables are replaced."""
    tree = read_tree(text, "driftline.yaml", [])
    assert tree is not None
    return tree.data


@pytest.mark.parametrize("text", [FIFTEEN_LINES, FULL, minimal()])
def test_the_documented_examples_fit(text: str) -> None:
    assert errors(parsed(text), SCHEMA, SCHEMA) == []


@pytest.mark.parametrize(
    "text",
    [
        minimal(extra="state: {checkpoint: 2s, generations: '${N}', checkpoint_records: '${N:-3}'}"),
        minimal(model="skew: 0", extra="limits: {max_record_bytes: 2 MB}"),
        minimal(extra="limits: {max_record_bytes: 2000000}"),
        minimal(extra="kafka: {start: latest}"),
        minimal(extra="kafka: {start: 2026-11-01T00:00:00Z}"),
        minimal(model="positive_class: true\nowner: null"),
        minimal(model="windows: {a: {size: 1h30m, slide: 30m}, b: {size: ' 1w '}}"),
        minimal(model="detectors: [{kind: psi, alert: 1, warn: '${W:-0.5}'}]"),
        minimal("topic: t, where: {value.a: 1, value.b: x, value.c: true}, map: {features: {a: value.a}}"),
        minimal("topic: t, map: {features: value.f, decode: {value.f: json}}, sample: 1"),
    ],
)
def test_what_loads_fits(tmp_path: Path, text: str) -> None:
    loaded(tmp_path, text, {"N": "2"})
    assert errors(parsed(text), SCHEMA, SCHEMA) == []


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("models: [{name: m, predictions: {topic: t}}]\n", ".version: is missing"),
        ("version: 2\nmodels: [{name: m, predictions: {topic: t}}]\n", ".version: fits no alternative"),
        ("version: 1\nmodels: []\n", ".models: too short or too long"),
        (minimal(extra="modles: 1"), ".modles: unknown key"),
        (minimal("topic: t, sampel: 1"), ".models[0].predictions.sampel: unknown key"),
        (minimal("topic: t, sample: 0"), ".models[0].predictions.sample: fits no alternative"),
        (minimal(model="task: clustering"), ".models[0].task: fits no alternative"),
        (minimal(model="name: a b").replace("  - name: m\n    ", "  - "), ".models[0].name: fits no alternative"),
        (minimal(model="windows: {a: {size: 15}}"), ".models[0].windows: fits no alternative"),
        (minimal(extra="state: {generations: true}"), ".state.generations: fits no alternative"),
        (minimal(extra="kafka: {start: 5}"), ".kafka.start: fits no alternative"),
        (minimal(extra="http: 9464"), ".http: not object"),
    ],
)
def test_what_is_refused_does_not_fit(tmp_path: Path, text: str, where: str) -> None:
    assert problems(tmp_path, text)
    assert errors(parsed(text), SCHEMA, SCHEMA) == [where]


def test_every_section_and_key_is_described() -> None:
    assert SCHEMA["$schema"] == DRAFT
    assert set(SCHEMA["$defs"]) == {section.__name__ for section, _ in sections()} - {"Config"}
    for definition in SCHEMA["$defs"].values():
        assert definition["description"]
        assert definition["additionalProperties"] is False
        for name, rules in definition["properties"].items():
            assert "description" in rules or "$ref" in rules, name


def test_defaults_fit_their_own_schema() -> None:
    for definition in (SCHEMA, *SCHEMA["$defs"].values()):
        for name, rules in definition["properties"].items():
            if "default" in rules:
                assert errors(rules["default"], rules, SCHEMA) == [], name
