"""Dashboards as Grafana reads them: the one room for grafana-foundation-sdk."""

from __future__ import annotations

from string import ascii_uppercase

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphTresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
)

from observability.panels import Board, Bounds, Panel

TAG = "continuo"
SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
GOOD, WARN, BAD, NEUTRAL = "green", "orange", "red", "blue"

Drawn = stat.Panel | timeseries.Panel


def written(board: Board) -> str:
    """The dashboard's JSON, in a stable form."""
    return JSONEncoder(sort_keys=True, indent=1).encode(made(board).build()) + "\n"


def made(board: Board) -> dashboard.Dashboard:
    """The dashboard with its variables, links to its siblings, and rows."""
    found = (
        dashboard.Dashboard(board.title)
        .uid(f"continuo-{board.name}")
        .description(board.about)
        .tags([TAG])
        .time("now-3h", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .with_variable(_releases())
        .link(_siblings())
    )
    for row in board.rows:
        found.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            found.with_panel(_drawn(panel))
    return found


def _releases() -> dashboard.QueryVariable:
    """All of them stands for those there are, not for any job: other programs tell of their process too."""
    return (
        dashboard.QueryVariable("job")
        .label("Release")
        .description("The job of the release, as its PodMonitor makes it: namespace/name.")
        .datasource(SOURCE)
        .query("label_values(continuo_process, job)")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .include_all(True)
        .multi(True)
    )


def _siblings() -> dashboard.DashboardLink:
    link = dashboard.DashboardLink("Continuo").type(DashboardLinkType.DASHBOARDS)
    return link.tags([TAG]).as_dropdown(True).include_vars(True).keep_time(True)


def _drawn(panel: Panel) -> Drawn:
    made = _number() if panel.number else _lines(panel.bounds)
    made.title(panel.title).description(panel.about).unit(panel.unit)
    made.datasource(SOURCE).span(panel.span).height(4 if panel.number else 8)
    made.thresholds(_thresholds(panel.bounds))
    if panel.decimals is not None:
        made.decimals(panel.decimals)
    for letter, query in zip(ascii_uppercase, panel.queries, strict=False):
        target = (
            prometheus.Dataquery().expr(query.expr).legend_format(query.legend or "__auto").ref_id(letter)
        )
        made.with_target(target.exemplar("_bucket" in query.expr))
    return made


def _number() -> stat.Panel:
    reduced = common.ReduceDataOptions().calcs(["lastNotNull"])
    return (
        stat.Panel()
        .graph_mode(BigValueGraphMode.AREA)
        .color_mode(BigValueColorMode.VALUE)
        .reduce_options(reduced)
    )


def _lines(bounds: Bounds) -> timeseries.Panel:
    legend = common.VizLegendOptions().display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    shown = GraphTresholdsStyleMode.OFF if bounds.bad is None else GraphTresholdsStyleMode.DASHED
    style = common.GraphThresholdsStyleConfig().mode(shown)
    return (
        timeseries.Panel()
        .legend(legend.show_legend(True))
        .min(0)
        .fill_opacity(10)
        .span_nulls(False)
        .thresholds_style(style)
    )


def _thresholds(bounds: Bounds) -> dashboard.ThresholdsConfig:
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(_steps(bounds))


def _steps(bounds: Bounds) -> list[Threshold]:
    """The colours from the lowest value up."""
    warn, bad = bounds.warn, bounds.bad
    if bounds.only is not None:
        return [Threshold(None, BAD), Threshold(bounds.only, GOOD), Threshold(bounds.only + 0.5, BAD)]
    if warn is None or bad is None:
        return [Threshold(None, NEUTRAL)]
    if bad < warn:
        return [Threshold(None, BAD), Threshold(bad, WARN), Threshold(warn, GOOD)]
    return [Threshold(None, GOOD), Threshold(warn, WARN), Threshold(bad, BAD)]
