"""Every object of every combination is one that the oldest and the newest supported Kubernetes take whole."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import helm_python
import pytest

from tests.support.chart import CHART, INSTALLS, PRODUCTION, Object, chart, render
from tests.support.chart_schemas import NEWEST, OLDEST, InvalidError, judge
from tests.support.chart_values import COMBINATIONS

ERROR = 2
"""Helm's severity of a warning; what is below is advice."""


def distinct(values: Any) -> list[Object]:
    """The objects of these installs, each once."""
    written = {json.dumps(one, sort_keys=True) for each in values for one in render(each).objects}
    return [json.loads(text) for text in sorted(written)]


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("install", INSTALLS)
def test_the_documented_installs_are_taken(install: str, version: str) -> None:
    for one in render(INSTALLS[install]).objects:
        judge(one, version)


@pytest.mark.slow
@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_combination_is_taken(version: str) -> None:
    objects = distinct(COMBINATIONS.values())
    assert len(objects) > 100
    for one in objects:
        judge(one, version)


@pytest.mark.parametrize("install", INSTALLS)
def test_the_linter_has_nothing_to_say(install: str) -> None:
    said = helm_python.lint(str(CHART), INSTALLS[install], strict=True, namespace="talk")
    assert [one for one in said["messages"] if one["severity"] >= ERROR] == []
    assert said["errors"] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", COMBINATIONS)
def test_the_linter_has_nothing_to_say_of_any_combination(name: str) -> None:
    said = helm_python.lint(str(CHART), COMBINATIONS[name], strict=True, namespace="talk")
    assert [one for one in said["messages"] if one["severity"] >= ERROR] == []


@pytest.mark.parametrize(
    ("kind", "path"),
    [
        ("Deployment", ("spec", "template", "spec")),
        ("ConnectionFleet", ("spec", "drain")),
        ("HTTPRoute", ("spec",)),
        ("PodMonitor", ("spec",)),
    ],
)
def test_a_field_that_is_not_known_is_a_fault(kind: str, path: tuple[str, ...]) -> None:
    one = deepcopy(render(PRODUCTION).of(kind)[0])
    inner = one
    for step in path:
        inner = inner[step]
    inner["unheardOf"] = 1
    with pytest.raises(InvalidError, match="unheardOf"):
        judge(one, NEWEST)


def test_a_fleet_that_breaks_a_rule_of_its_kind_is_a_fault() -> None:
    one = deepcopy(render(PRODUCTION).of("ConnectionFleet")[0])
    one["spec"]["scaling"]["min"] = 11
    with pytest.raises(InvalidError, match="min must not be above max"):
        judge(one, NEWEST)


def test_the_chart_says_which_kubernetes_it_needs() -> None:
    assert chart().metadata["kubeVersion"] == f">={OLDEST}.0-0"
