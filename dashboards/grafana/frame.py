"""What all our dashboards have in common: variables, annotations, links between them."""

from __future__ import annotations

from typing import Any, Final

from grafana_foundation_sdk.builders.dashboard import (
    AnnotationQuery,
    AnnotationTarget,
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
)
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from dashboards.grafana.committed import TAG
from dashboards.grafana.panels import SOURCE

_GRAFANA: Final = DataSourceRef(type_val="grafana", uid="-- Grafana --")
WHOLE_POPULATION: Final = "()"
"""As a regular expression it matches no value but the empty one: series without a ``slice`` label."""

_OF_MODEL: Final = 'model="$model"'
_OF_WINDOW: Final = f'{_OF_MODEL},window="$window"'
_VARIABLES: Final[dict[str, tuple[str, str]]] = {
    "model": ("Model", "label_values(driftline_model_info, model)"),
    "version": ("Version", f"label_values(driftline_model_info{{{_OF_MODEL}}}, version)"),
    "window": ("Window", f"label_values(driftline_window_samples{{{_OF_MODEL}}}, window)"),
    "feature": ("Column", f'label_values(driftline_feature_drift_ratio{{{_OF_WINDOW},feature!=""}}, feature)'),
    "slice": ("Slice", f'label_values(driftline_window_samples{{{_OF_WINDOW},slice!=""}}, slice)'),
}
"""Name → (label, query)."""


def board(name: str, title: str, about: str, *variables: str, span: str = "now-7d") -> Dashboard:
    """Return an empty dashboard with its variables, annotations and links.

    Parameters
    ----------
    name
        Its uid is ``driftline-`` and this.
    variables
        Which of ``model``, ``version``, ``window``, ``feature``, ``slice`` there are, beside the data source.
    span
        What part of time is shown at first.
    """
    made = (
        Dashboard(title).uid(f"driftline-{name}").tags([TAG]).description(about).time(span, "now").refresh("1m")
        .timezone("browser").tooltip(DashboardCursorSync.CROSSHAIR).editable()
        .with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
        .link(DashboardLink("Driftline").type(DashboardLinkType.DASHBOARDS).tags([TAG]).as_dropdown(True)
              .include_vars(True).keep_time(True))
    )  # fmt: skip
    for variable in variables:
        made.with_variable(_variable(variable))
    for annotation in _annotations(of_model="model" in variables):
        made.annotation(annotation)
    return made


def _variable(name: str) -> QueryVariable:
    label, query = _VARIABLES[name]
    made = (
        QueryVariable(name).label(label).query({"qryType": 1, "query": query, "refId": f"Variable-{name}"})
        .definition(query).datasource(SOURCE).refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
    )  # fmt: skip
    match name:
        case "version":
            made.multi(True).include_all(True).current(VariableOption(text=["All"], value=["$__all"]))
        case "feature":
            made.multi(True).include_all(False)
        case "slice":
            made.include_all(True).all_value(WHOLE_POPULATION).current(VariableOption(text="All", value="$__all"))
            made.description("All stands for all rows together, not for each slice.")
    return made


def _annotations(*, of_model: bool) -> list[AnnotationQuery]:
    model = f"{{{_OF_MODEL}}}" if of_model else ""
    return [
        _from_metrics(
            "Drift begins", "red",
            f"sum by (model) (driftline_evidence_incidents_total{model})"
            f" > sum by (model) (driftline_evidence_incidents_total{model} offset 5m)",
            "incident of evidence", "{{model}}",
        ),
        _from_metrics(
            "New version", "blue",
            f"count by (model, version) (driftline_model_info{model})"
            f" unless count by (model, version) (driftline_model_info{model} offset 5m)",
            "new version", "{{model}} {{version}}",
        ),
        *(_pushed(kind, color) for kind, color in (("drift", "red"), ("performance", "purple"),
                                                   ("version_change", "blue"), ("retraining", "green"))),
    ]  # fmt: skip


def _from_metrics(name: str, color: str, expr: str, title: str, text: str) -> AnnotationQuery:
    return (
        AnnotationQuery().name(name).datasource(SOURCE).enable(True).icon_color(color).expr(expr).step("5m")
        .title_format(title).text_format(text)
    )  # fmt: skip


def _pushed(kind: str, color: str) -> AnnotationQuery:
    """Return what ``driftline dashboards annotate`` or a pipeline of yours wrote under these tags."""
    target: Any = AnnotationTarget().tags([TAG, kind]).type("tags").match_any(False).limit(100)
    return (
        AnnotationQuery().name(f"Noted: {kind.replace('_', ' ')}").datasource(_GRAFANA).enable(True)
        .icon_color(color).target(target)
    )  # fmt: skip
