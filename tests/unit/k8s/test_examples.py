"""Every YAML under k8s/ is what it says: the chart's values, a cluster's objects, kind's configuration."""

from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml
from helm_python import Chart
from kubernetes_validate import validate

from continuo_operator.arithmetic import times
from continuo_operator.spec import FleetSpec

HOUSE = Path(__file__).parents[3]
CHART = HOUSE / "charts/continuo"
FILES = sorted((HOUSE / "k8s").rglob("*.yaml"))
VALUES = ["k8s/values-dev.yaml", "k8s/examples/own-agents/values.yaml"]
WATCHED = "k8s/examples/monitoring/continuo.yaml"
WATCHING = [WATCHED, "k8s/examples/monitoring/prometheus.yaml", "k8s/examples/monitoring/traces.yaml"]
"""Held to each other in test_monitoring.py."""
OBJECTS = ["k8s/examples/gateway.yaml", "k8s/examples/fleet.yaml"]
VERSIONS = ["1.30.0", "1.37.0"]


def read(path: str | Path) -> Any:
    return yaml.safe_load((HOUSE / path).read_text())


def merged(*files: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for file in files:
        _merge(values, read(file))
    return values


def _merge(into: dict[str, Any], more: dict[str, Any]) -> None:
    for key, value in more.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def rendered(*files: str) -> list[dict[str, Any]]:
    """The objects that the chart makes of these values."""
    pages = Chart.load(str(CHART)).render(merged(*files), name="continuo", namespace="continuo")
    texts = [text for name, text in pages.items() if name.endswith(".yaml")]
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


def test_every_file_is_held_to_something_here() -> None:
    known = {*VALUES, *OBJECTS, *WATCHING, "k8s/kind.yaml"}
    assert {str(path.relative_to(HOUSE)) for path in FILES} == known


@pytest.mark.parametrize("files", [VALUES[:1], VALUES, [*VALUES[:1], WATCHED]])
def test_the_chart_takes_the_values_and_makes_valid_objects_of_them(files: list[str]) -> None:
    objects = rendered(*files)
    core = [
        each
        for each in objects
        if "." not in each["apiVersion"].partition("/")[0] or "k8s.io" in each["apiVersion"]
    ]
    assert {"Deployment", "Service", "Secret"} <= {each["kind"] for each in core}
    for each in core:
        for version in VERSIONS:
            validate(each, version, strict=True)


def test_agents_of_ones_own_get_into_the_workers_environment() -> None:
    [workers] = [
        each
        for each in rendered(*VALUES)
        if each["kind"] == "Deployment" and each["metadata"]["name"].endswith("-conversation")
    ]
    [container] = workers["spec"]["template"]["spec"]["containers"]
    assert container["image"] == read(VALUES[1])["conversation"]["image"]
    environ = {each["name"]: each.get("value") for each in container["env"]}
    assert environ["CONTINUO_GRAPHS"] == "assistant=my_agents.graphs:counter,echo=my_agents.graphs:echo"
    assert container["envFrom"] == [{"secretRef": {"name": "my-models", "optional": True}}]


def test_the_drain_of_the_development_values_takes_what_their_comment_says() -> None:
    values = read(VALUES[0])
    drain, most = values["drain"], values["operator"]["scaling"]["max"]
    alone = drain["capacityPerPod"] / drain["podRatePerSecond"]
    together = most * drain["capacityPerPod"] / drain["fleetRatePerSecond"]
    assert f"= {max(alone, together):.0f} s" in (HOUSE / VALUES[0]).read_text()


def test_the_example_fleet_is_of_the_resources_own_schema() -> None:
    fleet = read("k8s/examples/fleet.yaml")
    crd = read("charts/continuo/crds/connectionfleet.yaml")
    [version] = crd["spec"]["versions"]
    assert fleet["apiVersion"] == f"{crd['spec']['group']}/{version['name']}"
    schema = version["schema"]["openAPIV3Schema"]
    jsonschema.validate(fleet, schema)
    assert fields_of(fleet["spec"]) == fields_of(schema["properties"]["spec"])


def fields_of(part: Any, path: str = "") -> set[str]:
    """Every field, named with its path, of an object or of the schema of one."""
    if not isinstance(part, dict):
        return {path}
    if "type" in part and not isinstance(part["type"], dict):
        return fields_of(part["properties"], path) if part["type"] == "object" else {path}
    return {field for name, inner in part.items() for field in fields_of(inner, f"{path}.{name}")}


def test_the_example_fleet_has_the_deadline_that_its_numbers_need() -> None:
    spec = msgspec.convert(read("k8s/examples/fleet.yaml")["spec"], FleetSpec)
    drain = spec.drain
    needed = times(
        capacity=drain.capacity_per_pod,
        pod_rate=drain.pod_rate_per_second,
        fleet_rate=drain.fleet_rate_per_second,
        max_pods=spec.scaling.max,
        propagation=drain.propagation_seconds,
    )
    assert drain.deadline_seconds == drain.propagation_seconds + needed.drain


def test_the_example_fleet_has_the_labels_by_which_its_operator_finds_it() -> None:
    objects = {(each["kind"], each["metadata"]["name"]): each for each in rendered(VALUES[0])}
    [container] = objects["Deployment", "continuo-operator"]["spec"]["template"]["spec"]["containers"]
    [asked] = [each["value"] for each in container["env"] if each["name"] == "CONTINUO_OPERATOR_SELECTOR"]
    wanted = dict(term.split("=") for term in asked.split(","))
    assert wanted == read("k8s/examples/fleet.yaml")["metadata"]["labels"]
    assert wanted.items() <= objects["ConnectionFleet", "continuo"]["metadata"]["labels"].items()


def test_the_gateway_is_what_the_charts_route_is_told_to_name() -> None:
    gateway = read("k8s/examples/gateway.yaml")
    text = (HOUSE / "k8s/examples/gateway.yaml").read_text()
    assert (gateway["kind"], gateway["apiVersion"]) == ("Gateway", "gateway.networking.k8s.io/v1")
    assert f"parentRefs[0].name={gateway['metadata']['name']}" in text
    assert f"hostnames[0]={gateway['spec']['listeners'][0]['hostname']}" in text


def test_the_kind_cluster_has_workers_to_drain() -> None:
    kind = read("k8s/kind.yaml")
    assert (kind["kind"], kind["apiVersion"]) == ("Cluster", "kind.x-k8s.io/v1alpha4")
    assert [node["role"] for node in kind["nodes"]] == ["control-plane", "worker", "worker"]
