"""The kinds of panels that our dashboards are made of, each over Prometheus queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.builders import common as options
from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.dashboard import DashboardLink, ThresholdsConfig
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import (
    DataTransformerConfig,
    DynamicConfigValue,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)

SOURCE: Final = DataSourceRef(type_val="prometheus", uid="${datasource}")
LINE: Final = "^(threshold|1 = threshold)"
"""Legends of what is drawn as a threshold."""
_INTERVAL: Final = "lower|upper"
OK, WARN, BAD = "green", "orange", "red"
WHOLE, HALF, THIRD, QUARTER, SIXTH = 24, 12, 8, 6, 4


@dataclass(frozen=True, slots=True)
class Query:
    """One expression and how its series are called; ``{{label}}`` stands for a label's value."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Steps:
    """Colours by value: green, orange from ``warn`` on, red from ``bad`` on; ``falling`` when less is worse."""

    warn: float | None = None
    bad: float | None = None
    falling: bool = False

    def build(self) -> ThresholdsConfig:
        """Return the SDK's builder."""
        rising = [(None, OK), (self.warn, WARN), (self.bad, BAD)]
        sinking = [(None, BAD), (self.bad, WARN), (self.warn, OK)]
        chosen = sinking if self.falling else rising
        first, *rest = chosen
        steps = [Threshold(value=None, color=first[1])]
        steps += [Threshold(value=value, color=color) for value, color in rest if value is not None]
        return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


def lines(
    title: str,
    *queries: Query,
    about: str,
    unit: str = "short",
    width: int = HALF,
    low: float | None = None,
    high: float | None = None,
    links: Sequence[tuple[str, str]] = (),
) -> timeseries.Panel:
    """Return curves over time.

    A legend that starts with ``threshold`` is drawn as a dashed red line, one that ends in ``lower`` or ``upper`` as a
    thin one.
    """
    panel = (
        timeseries.Panel().title(title).description(about).datasource(SOURCE).unit(unit).span(width).height(8)
        .show_points(common.VisibilityMode.NEVER).line_width(2).fill_opacity(0)
        .legend(options.VizLegendOptions().show_legend(True).display_mode(common.LegendDisplayMode.LIST)
                .placement(common.LegendPlacement.BOTTOM))
        .tooltip(options.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING))
        .override_by_regexp(LINE, [
            DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [8, 6]}),
            DynamicConfigValue("color", {"mode": "fixed", "fixedColor": BAD}),
            DynamicConfigValue("custom.lineWidth", 1),
        ])
        .override_by_regexp(f".*({_INTERVAL})$", [
            DynamicConfigValue("custom.lineWidth", 1),
            DynamicConfigValue("custom.lineStyle", {"fill": "dot", "dash": [2, 4]}),
        ])
    )  # fmt: skip
    if low is not None:
        panel.min(low)
    if high is not None:
        panel.max(high)
    if links:
        panel.data_links([DashboardLink(text).url(url) for text, url in links])
    for ref, query in zip("ABCDEFGHIJ", queries, strict=False):
        panel.with_target(_target(query, ref))
    return panel


def number(
    title: str, query: Query, *, about: str, unit: str = "short", steps: Steps | None = None, width: int = SIXTH
) -> stat.Panel:
    """Return one large figure, or one a series."""
    return (
        stat.Panel().title(title).description(about).datasource(SOURCE).unit(unit).span(width).height(4)
        .color_mode(common.BigValueColorMode.VALUE).graph_mode(common.BigValueGraphMode.NONE)
        .no_value("none").thresholds((steps or Steps()).build())
        .reduce_options(options.ReduceDataOptions().calcs(["lastNotNull"]))
        .with_target(_target(query, "A").instant())
    )  # fmt: skip


def states(title: str, query: Query, *, about: str, width: int = WHOLE, height: int = 10) -> statetimeline.Panel:
    """Return a row a series, coloured by how a ratio stands to 1, its threshold."""
    return (
        statetimeline.Panel().title(title).description(about).datasource(SOURCE).span(width).height(height)
        .decimals(2).show_value(common.VisibilityMode.NEVER).merge_values(False).row_height(0.9)
        .thresholds(Steps(0.5, 1.0).build())
        .legend(options.VizLegendOptions().show_legend(True).display_mode(common.LegendDisplayMode.LIST)
                .placement(common.LegendPlacement.BOTTOM))
        .tooltip(options.VizTooltipOptions().mode(common.TooltipDisplayMode.SINGLE))
        .with_target(_target(query, "A"))
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Column:
    """A figure of a table: its heading, where it comes from, its unit and colours."""

    title: str
    expr: str
    unit: str = "short"
    steps: Steps | None = None


def grid(
    title: str,
    by: Sequence[str],
    columns: Sequence[Column],
    *,
    about: str,
    links: Sequence[tuple[str, str, str]] = (),
    height: int = 9,
) -> table.Panel:
    """Return a table with a row for each combination of labels.

    Parameters
    ----------
    by
        The labels; every column's expression has these and no others.
    links
        (label, text, address) of where a label's cell leads.
    """
    panel = (
        table.Panel().title(title).description(about).datasource(SOURCE).span(WHOLE).height(height)
        .with_transformation(DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(DataTransformerConfig(id_val="organize", options={
            "excludeByName": {"Time": True},
            "indexByName": {name: place for place, name in enumerate([*by, *_values(columns)])},
            "renameByName": {value: column.title for value, column in zip(_values(columns), columns, strict=True)},
        }))
    )  # fmt: skip
    for ref, column in zip("ABCDEFGHIJ", columns, strict=False):
        panel.with_target(_target(Query(column.expr), ref).instant().format("table"))  # type: ignore[arg-type]
        properties = [DynamicConfigValue("unit", column.unit)]
        if column.steps is not None:
            steps = column.steps.build().build().to_json()
            properties += [
                DynamicConfigValue("thresholds", steps),
                DynamicConfigValue("custom.cellOptions", {"type": "color-text"}),
            ]
        panel.override_by_name(column.title, properties)
    for name, text, url in links:
        panel.override_by_name(name, [DynamicConfigValue("links", [{"title": text, "url": url}])])
    return panel


def words(texts: dict[str, tuple[str, str]]) -> list[ValueMapping]:
    """Return what to show instead of values: value → (text, colour)."""
    mapped: dict[str, ValueMappingResult] = {
        value: ValueMappingResult(text=text, color=color) for value, (text, color) in texts.items()
    }
    return [ValueMap(options=mapped)]


def _values(columns: Sequence[Column]) -> list[str]:
    """Return the names that Grafana gives the values of queries A, B, … in a merged table."""
    if len(columns) == 1:
        return ["Value"]
    return [f"Value #{ref}" for ref, _ in zip("ABCDEFGHIJ", columns, strict=False)]


def _target(query: Query, ref: str) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).ref_id(ref).datasource(SOURCE)
    return target.legend_format(query.legend) if query.legend else target
