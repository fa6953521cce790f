"""What docs/kubernetes.md says moves more than it seems: it does, and what it does not name stays."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.chart import CHART, PRODUCTION, WITHOUT_OPERATOR, Object, crd, merged, render

PAGE = (CHART.parents[1] / "docs" / "kubernetes.md").read_text(encoding="utf-8")
ROOMY = {"drain": {"fleetRatePerSecond": 20_000}}
"""Where a pod alone takes the longest: C / r above Nmax * C / R."""


def template(values: dict[str, Any], of: str = "connection") -> Object:
    found: Object = render(values).one("Deployment", f"continuo-{of}")["spec"]["template"]
    return found


@pytest.mark.parametrize(
    ("base", "change", "replaced"),
    [
        ({}, {"operator": {"scaling": {"max": 11}}}, True),
        ({}, {"drain": {"fleetRatePerSecond": 210}}, True),
        ({}, {"drain": {"propagationSeconds": 6}}, True),
        (ROOMY, {"operator": {"scaling": {"max": 11}}}, False),
        ({}, {"operator": {"scaling": {"min": 3}}}, False),
        ({}, {"operator": {"scaling": {"owner": "External"}}}, False),
        ({}, {"operator": {"paused": True}}, False),
        ({}, {"connection": {"maxSurge": "50%"}}, False),
    ],
)
def test_what_changes_the_drain_replaces_all_connection_pods(
    base: dict[str, Any], change: dict[str, Any], replaced: bool
) -> None:
    before = merged(PRODUCTION, base)
    assert (template(before) != template(merged(before, change))) is replaced
    assert template(before, "conversation") == template(merged(before, change), "conversation")


def test_switching_the_operator_replaces_all_connection_pods() -> None:
    off = {"operator": {"enabled": False}, "connection": {"replicas": 6}}
    assert template(PRODUCTION) != template(merged(PRODUCTION, off))
    more = merged(WITHOUT_OPERATOR, {"connection": {"replicas": 4}})
    assert template(WITHOUT_OPERATOR) != template(more)


def test_nobody_in_the_chart_says_how_many_pods_a_fleet_of_an_external_owner_has() -> None:
    [fleet] = render(merged(PRODUCTION, {"operator": {"scaling": {"owner": "External"}}})).of(
        "ConnectionFleet"
    )
    assert "replicas" not in fleet["spec"]
    [version] = crd()["spec"]["versions"]
    assert (
        version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["replicas"]["default"] == 1
    )
    assert version["subresources"]["scale"]["specReplicasPath"] == ".spec.replicas"


def test_workers_that_are_scaled_by_keda_lose_the_number_that_helm_gave_them() -> None:
    counted = merged(
        PRODUCTION, {"conversation": {"autoscaling": {"enabled": True, "prometheusAddress": "http://p:9090"}}}
    )
    assert "replicas" in render(PRODUCTION).one("Deployment", "continuo-conversation")["spec"]
    assert "replicas" not in render(counted).one("Deployment", "continuo-conversation")["spec"]


def test_the_operator_is_waited_for_before_it_is_paused() -> None:
    """Paused, it takes no pod back: whoever pauses first waits for ever."""
    steps = PAGE[PAGE.index("Off: have it finish") : PAGE.index("`helm uninstall`")]
    wait = "--for=condition=Draining=False"
    first, pause, second = steps.index(wait), steps.index('"paused":true'), steps.rindex(wait)
    assert first < pause < second < steps.index("operator.enabled=false") < steps.index("accepts=no")
    assert "rollout restart deployment/continuo-connection" in steps
