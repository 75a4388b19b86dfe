"""The committed dashboards: as built, by the conventions, over metrics that exist."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.grafana.build import rendered
from dashboards.grafana.committed import FOLDER, committed, expressions
from monitor import catalogue

BOARDS = committed()
NAMES = {
    name
    for metric in catalogue.metrics()
    for name in ((f"{metric.name}_bucket", f"{metric.name}_count") if metric.kind == "histogram" else (metric.name,))
}
BUILT_IN = {"datasource", "__rate_interval"}


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def test_what_is_committed_is_what_is_built() -> None:
    built = rendered()
    assert {file.name for file in FOLDER.iterdir()} == built.keys()
    for name, text in built.items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, "run python -m dashboards.grafana.build"


@pytest.mark.parametrize("name", BOARDS)
def test_the_sdk_reads_every_dashboard_back(name: str) -> None:
    read = Dashboard.from_json(BOARDS[name])
    again = json.loads(json.dumps(read, cls=JSONEncoder))
    assert [panel["title"] for panel in again["panels"]] == [panel["title"] for panel in BOARDS[name]["panels"]]
    assert again["templating"] == BOARDS[name]["templating"]


@pytest.mark.parametrize("name", BOARDS)
def test_conventions(name: str) -> None:
    board = BOARDS[name]
    assert board["uid"] == f"driftline-{name}"
    assert board.get("id") is None
    assert board["tags"] == ["driftline"]
    variables = {one["name"]: one for one in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    source = {"type": "prometheus", "uid": "${datasource}"}
    for variable in variables.values():
        assert variable["type"] == "datasource" or variable["datasource"] == source
    seen: set[tuple[int, int]] = set()
    for panel in panels(board):
        assert panel["datasource"] == source, panel["title"]
        assert panel["description"], panel["title"]
        assert panel["targets"], panel["title"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}  # fmt: skip
        assert not cells & seen, f"{panel['title']} lies over another"
        seen |= cells
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("name", BOARDS)
def test_only_metrics_and_variables_that_exist_are_asked_for(name: str) -> None:
    board = BOARDS[name]
    variables = {one["name"] for one in board["templating"]["list"]} | BUILT_IN
    asked = [expr for _, expr, _ in expressions(board)]
    asked += [one["query"]["query"] for one in board["templating"]["list"] if one["type"] == "query"]
    assert len(asked) > 8
    for expr in asked:
        assert set(re.findall(r"\bdriftline_\w+", expr)) <= NAMES, expr
        assert set(re.findall(r"\$\{?(\w+)", expr)) <= variables, expr
        for metric in re.findall(r"\b(driftline_\w+)\{([^}]*)\}", expr):
            known = next(one for one in catalogue.metrics() if metric[0].startswith(one.name))
            labels = set(re.findall(r"(\w+)(?:=|!=|=~|!~)\"", metric[1]))
            assert labels <= {*known.labels, "le", "job", "instance"}, expr


def test_variables_of_every_kind_are_offered() -> None:
    offered = {one["name"] for board in BOARDS.values() for one in board["templating"]["list"]}
    assert offered == {"datasource", "model", "version", "window", "feature", "slice"}
    repeated = [panel for panel in BOARDS["feature"]["panels"] if panel.get("repeat") == "feature"]
    assert len(repeated) == 1


def test_thresholds_come_from_what_is_exported() -> None:
    drawn = {(title, expr) for board in BOARDS.values() for title, expr, legend in expressions(board)
             if legend.startswith("threshold")}  # fmt: skip
    assert any("driftline_evidence_threshold_log" in expr for _, expr in drawn)
    assert any("driftline_feature_psi" in expr and "driftline_feature_drift_ratio" in expr for _, expr in drawn)
    ratios = {title for title, expr in drawn if expr == "vector(1)"}
    assert all("ratio" in title.lower() or "allowed" in title or "threshold" in title or "moved" in title
               for title in ratios)  # fmt: skip


def test_annotations_of_drift_retraining_and_versions() -> None:
    for board in BOARDS.values():
        notes = board["annotations"]["list"]
        tags = [note["target"]["tags"] for note in notes if "target" in note]
        assert tags == [["driftline", kind] for kind in ("drift", "performance", "version_change", "retraining")]
        assert [note["name"] for note in notes if "expr" in note] == ["Drift begins", "New version"]
