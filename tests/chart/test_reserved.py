"""What the chart writes itself cannot be given beside it: in Kubernetes the second of two would win."""

from __future__ import annotations

import re
from typing import Any

import pytest
from helm_python import HelmRenderError

from services.connection.settings import ConnectionSettings
from services.conversation.settings import WorkerSettings
from services.presence.settings import PresenceSettings
from services.shared.runtime.settings import describe
from tests.support.chart import PRODUCTION, Object, containers, merged, render
from tests.support.chart_values import COMBINATIONS

SETTINGS = {"connection": ConnectionSettings, "conversation": WorkerSettings, "presence": PresenceSettings}
SERVICES = (*SETTINGS, "operator")
PLAIN = merged(PRODUCTION, {"conversation": {"graphs": {"assistant": "my_agents.graph:build"}}})


def pod_of(component: str, values: dict[str, Any] = PLAIN) -> Object:
    template: Object = render(values).one("Deployment", f"continuo-{component}")["spec"]["template"]
    return template


def written(component: str) -> list[str]:
    """The environment that the chart gives without being told."""
    [container] = pod_of(component)["spec"]["containers"]
    return [one["name"] for one in container["env"]]


def refused(component: str, more: dict[str, Any]) -> str:
    with pytest.raises(HelmRenderError) as error:
        render(merged(PLAIN, {component: more}))
    return str(error.value)


COMPUTED = [
    (component, name)
    for component in SERVICES
    for name in written(component)
    if (component, name) != ("operator", "CONTINUO_LOG_LEVEL")
]
LAID_OVER = {"CONTINUO_LOG_LEVEL"}
"""What the chart gives all services, and what one of them may be given otherwise."""


@pytest.mark.parametrize(("component", "name"), COMPUTED)
def test_what_the_chart_computes_is_refused_in_the_further_environment(component: str, name: str) -> None:
    assert name in refused(component, {"env": [{"name": name, "value": "1"}]})


@pytest.mark.parametrize(
    ("component", "name"),
    [each for each in COMPUTED if each[0] != "operator" and each[1] not in LAID_OVER],
)
def test_what_the_chart_computes_is_refused_among_settings(component: str, name: str) -> None:
    assert name in refused(component, {"settings": {name.removeprefix("CONTINUO_"): "1"}})


@pytest.mark.parametrize("component", SETTINGS)
def test_a_secret_is_given_neither_in_a_setting_nor_in_a_file_of_ones_own(component: str) -> None:
    kinds = {row.variable: row.kind for row in describe(SETTINGS[component])}
    secrets = [
        name for name, kind in kinds.items() if kind == "a secret text" and name.startswith("CONTINUO_")
    ]
    assert secrets
    for name in secrets:
        for given in (name, f"{name}_FILE"):
            assert given in refused(component, {"settings": {given.removeprefix("CONTINUO_"): "x"}})


@pytest.mark.parametrize("component", SETTINGS)
def test_all_pods_cannot_be_given_one_name(component: str) -> None:
    assert "CONTINUO_NODE" in refused(component, {"settings": {"NODE": "me"}})
    with pytest.raises(HelmRenderError, match="CONTINUO_NODE"):
        render(merged(PLAIN, {"settings": {"NODE": "me"}}))


@pytest.mark.parametrize("component", SETTINGS)
def test_a_setting_is_given_as_a_setting(component: str) -> None:
    """Beside the one in `settings` it would stand twice."""
    said = refused(component, {"env": [{"name": "CONTINUO_LOG_LEVEL", "value": "debug"}]})
    assert f"CONTINUO_LOG_LEVEL in {component}.settings" in said


def test_the_operators_other_settings_are_given_in_its_environment() -> None:
    pace = {"name": "CONTINUO_OPERATOR_LOOP_S", "value": "5"}
    pod = pod_of("operator", merged(PLAIN, {"operator": {"env": [pace]}}))
    assert pace in pod["spec"]["containers"][0]["env"]


@pytest.mark.parametrize("component", SERVICES)
def test_labels_that_pods_are_found_by_are_refused(component: str) -> None:
    for label in (*pod_of(component)["metadata"]["labels"], "pod-template-hash", "continuo.dev/accepts"):
        assert f"{component}.labels: pods are found by {label}" in refused(
            component, {"labels": {label: "x"}}
        )


@pytest.mark.parametrize("name", ["continuo.dev/plan", "controller.kubernetes.io/pod-deletion-cost"])
def test_annotations_of_the_operator_are_refused(name: str) -> None:
    assert f"connection.annotations: {name}" in refused("connection", {"annotations": {name: "x"}})


def test_all_that_is_taken_is_named_at_once() -> None:
    more = {"env": [{"name": "CONTINUO_DRAIN_S", "value": "1"}], "labels": {"continuo.dev/accepts": "no"}}
    assert len(re.findall(r"^- connection", refused("connection", more), re.MULTILINE)) == 2


@pytest.mark.parametrize("name", COMBINATIONS)
def test_no_variable_stands_twice(name: str) -> None:
    for pod, _, spec in render(COMBINATIONS[name]).pods():
        for container in containers(spec):
            names = [one["name"] for one in container.get("env", [])]
            assert len(names) == len(set(names)), pod
