"""What watches comes into the cluster whole: the rules as promtool tried them, each dashboard as it is."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
import yaml

from observability.alerts import ALERTS, OPERATOR
from observability.dashboards import BOARDS
from tests.support.chart import CHART, PRODUCTION, WITHOUT_OPERATOR, Object, merged, render
from tests.support.chart_schemas import NEWEST, InvalidError, judge

WATCHED = {"alerts": {"enabled": True}, "dashboards": {"enabled": True}}
SIZE = 1_048_576
"""Bytes that a ConfigMap may hold."""


def rule_of(values: dict[str, Any]) -> Object:
    [found] = render(merged(values, WATCHED)).of("PrometheusRule")
    return found


def committed() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((CHART / "files/rules.yaml").read_text())["groups"]
    return found


def test_nothing_of_it_is_made_unless_it_is_asked_for() -> None:
    rendered = render(PRODUCTION)
    assert rendered.of("PrometheusRule") == []
    assert not [one for one in rendered.of("ConfigMap") if "dashboard" in one["metadata"]["name"]]


def test_the_rules_are_those_that_were_tried() -> None:
    assert rule_of(PRODUCTION)["spec"]["groups"] == committed()


def test_without_the_operator_nothing_is_said_of_it() -> None:
    left = [group for group in committed() if group["name"] != OPERATOR]
    assert len(left) == len(committed()) - 1
    assert rule_of(WITHOUT_OPERATOR)["spec"]["groups"] == left


def test_every_alert_tells_where_its_page_can_be_read() -> None:
    told = rule_of(merged(PRODUCTION, {"alerts": {"runbooks": "https://docs.example.org/"}}))
    rules = [rule for group in told["spec"]["groups"] for rule in group["rules"] if "alert" in rule]
    pages = [rule["annotations"]["runbook_url"] for rule in rules]
    assert sorted(pages) == sorted(f"https://docs.example.org/{alert.page}" for alert in ALERTS)


def test_each_dashboard_has_a_config_map_that_the_sidecar_takes() -> None:
    found = [
        one for one in render(merged(PRODUCTION, WATCHED)).of("ConfigMap") if "grafana_dashboard" in str(one)
    ]
    shown: dict[str, Any] = {}
    for one in found:
        assert one["metadata"]["labels"]["grafana_dashboard"] == "1"
        assert one["metadata"]["namespace"] == "talk"
        [(name, text)] = one["data"].items()
        assert len(text.encode()) < SIZE
        shown[name] = json.loads(text)
    files = {f"continuo-{board.name}.json": CHART / f"files/dashboards/{board.name}.json" for board in BOARDS}
    assert shown == {name: json.loads(path.read_text()) for name, path in files.items()}


def test_a_rule_that_neither_records_nor_alerts_is_a_fault() -> None:
    one = deepcopy(rule_of(PRODUCTION))
    del one["spec"]["groups"][0]["rules"][0]["record"]
    with pytest.raises(InvalidError):
        judge(one, NEWEST)
    one["spec"]["groups"][0]["rules"][0] |= {"record": "some:thing", "unheardOf": 1}
    with pytest.raises(InvalidError, match="unheardOf"):
        judge(one, NEWEST)
