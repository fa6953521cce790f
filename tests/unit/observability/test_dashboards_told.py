"""Dashboards are read at three in the morning: each picture says what it answers, and what is well."""

import json
from pathlib import Path
from typing import Any

import pytest

from observability.dashboards import BOARDS
from observability.panels import Board
from observability.rules import groups
from services.shared.runtime.metrics import PREFIX, Metrics
from tests.support.promql import TARGETS, labels_of, matched, names

FOLDER = Path(__file__).parents[3] / "charts/continuo/files/dashboards"
KNOWN = labels_of()


def panels(board: Board) -> list[dict[str, Any]]:
    """Of the file, as Grafana is given it."""
    shown = json.loads((FOLDER / f"{board.name}.json").read_text())
    return [panel for panel in shown["panels"] if panel["type"] != "row"]


@pytest.fixture(params=BOARDS, ids=lambda board: board.name)
def board(request: pytest.FixtureRequest) -> Board:
    found: Board = request.param
    return found


def test_there_are_seven() -> None:
    assert len(BOARDS) == 7


def test_every_panel_says_what_it_answers_in_which_unit_and_what_is_well(board: Board) -> None:
    for panel in panels(board):
        defaults = panel["fieldConfig"]["defaults"]
        assert len(panel["title"]) > 6, panel
        assert len(panel["description"]) > 15, panel["title"]
        assert defaults["unit"], panel["title"]
        assert defaults["thresholds"]["steps"][0]["value"] is None, panel["title"]
        assert panel["type"] in {"stat", "timeseries"}


def test_a_title_is_a_question_or_a_number_with_a_name(board: Board) -> None:
    for panel in panels(board):
        assert panel["title"].endswith("?") or panel["type"] == "stat", panel["title"]


def test_titles_are_told_apart(board: Board) -> None:
    titles = [panel.title for panel in board.panels]
    assert len(titles) == len(set(titles))


def test_every_query_names_only_series_and_labels_that_exist(board: Board) -> None:
    for panel in panels(board):
        for target in panel["targets"]:
            assert names(target["expr"])
            assert names(target["expr"]) <= KNOWN.keys(), target
            for metric, labels in matched(target["expr"]):
                assert labels <= KNOWN[metric] | TARGETS, target


def test_every_metric_is_drawn_or_judged() -> None:
    """What nobody looks at is not worth its series."""
    drawn = {
        name
        for board in BOARDS
        for panel in board.panels
        for query in panel.queries
        for name in names(query.expr)
    }
    judged = {name for group in groups() for rule in group["rules"] for name in names(rule["expr"])}
    for row in Metrics.table():
        assert any(name.startswith(f"{PREFIX}{row.name}") for name in drawn | judged), row.name


def test_every_query_but_of_alerts_is_of_the_releases_that_are_chosen(board: Board) -> None:
    for panel in panels(board):
        for target in panel["targets"]:
            assert 'job=~"$job"' in target["expr"] or "ALERTS" in target["expr"], target


def test_thresholds_rise_as_grafana_wants_them(board: Board) -> None:
    for panel in panels(board):
        steps = [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1:]]
        assert steps == sorted(steps), panel["title"]


def test_panels_fill_their_rows_without_a_gap_above_24(board: Board) -> None:
    for panel in panels(board):
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24, panel["title"]
