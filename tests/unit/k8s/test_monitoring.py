"""The example of monitoring: three files that have to fit each other, the chart, and what the code says."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from helm_python import Chart
from kubernetes_validate import validate

from observability.alerts import ALERTS
from services.shared.runtime.settings import load
from services.shared.runtime.tracing import TracingSettings, exemplar_of

HOUSE = Path(__file__).parents[3]
FOLDER = HOUSE / "k8s/examples/monitoring"
NAMESPACE = "monitoring"
Object = dict[str, Any]


def read(name: str) -> Any:
    return yaml.safe_load((FOLDER / name).read_text())


def objects() -> list[Object]:
    return list(yaml.safe_load_all((FOLDER / "traces.yaml").read_text()))


def one(kind: str, name: str) -> Object:
    [found] = [each for each in objects() if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def rendered() -> list[Object]:
    """What the chart makes of the development values with these over them."""
    values = yaml.safe_load((HOUSE / "k8s/values-dev.yaml").read_text())
    for key, value in read("continuo.yaml").items():
        values[key] = {**values.get(key, {}), **value}
    pages = Chart.load(str(HOUSE / "charts/continuo")).render(values, name="continuo", namespace="continuo")
    texts = [text for name, text in pages.items() if name.endswith(".yaml")]
    return [found for text in texts for found in yaml.safe_load_all(text) if found]


def serves(address: str) -> None:
    """Some Service of the example is reached so, and a container of its pods listens there."""
    url = urlsplit(address if "//" in address else f"//{address}")
    name, _, namespace = (url.hostname or "").partition(".")
    service = one("Service", name)
    assert namespace == service["metadata"]["namespace"] == NAMESPACE
    [port] = [each for each in service["spec"]["ports"] if each["port"] == url.port]
    pod = one("Deployment", name)["spec"]["template"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    [container] = pod["spec"]["containers"]
    assert (port["targetPort"], url.port) in {
        (each["name"], each["containerPort"]) for each in container["ports"]
    }


@pytest.mark.parametrize("version", ["1.30.0", "1.37.0"])
def test_the_objects_are_valid(version: str) -> None:
    for each in objects():
        validate(each, version, strict=True)
    assert {each["metadata"]["namespace"] for each in objects()} == {NAMESPACE}


def test_every_service_of_ours_sends_its_traces_to_the_collector_and_is_let_through() -> None:
    endpoint = read("continuo.yaml")["tracing"]["endpoint"]
    serves(endpoint)
    policies = {
        each["metadata"]["name"]: each["spec"] for each in rendered() if each["kind"] == "NetworkPolicy"
    }
    for service in ("connection", "conversation", "presence"):
        [pod] = [
            each["spec"]["template"]["spec"]
            for each in rendered()
            if each["kind"] == "Deployment" and each["metadata"]["name"] == f"continuo-{service}"
        ]
        env = {each["name"]: each.get("value", "") for each in pod["containers"][0]["env"]}
        settings = load(TracingSettings, env)
        assert (settings.into, settings.endpoint, settings.protocol) == ("otlp", endpoint, "grpc")
        rules = policies[f"continuo-{service}"]["egress"]
        [rule] = [each for each in rules if each["ports"] == [{"protocol": "TCP", "port": 4317}]]
        assert rule["to"][0]["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": NAMESPACE}


def test_the_collector_hands_on_what_it_takes() -> None:
    told = yaml.safe_load(one("ConfigMap", "otel-collector")["data"]["config.yaml"])
    for pipeline in told["service"]["pipelines"].values():
        for part in ("receivers", "processors", "exporters"):
            assert pipeline[part]
            assert set(pipeline[part]) <= told[part].keys()
    assert set(told["service"]["extensions"]) <= told["extensions"].keys()
    for protocol in ("grpc", "http"):
        listens = told["receivers"]["otlp"]["protocols"][protocol]["endpoint"]
        serves(f"otel-collector.{NAMESPACE}:{urlsplit('//' + listens).port}")
    serves(told["exporters"]["otlp/jaeger"]["endpoint"])
    [container] = one("Deployment", "otel-collector")["spec"]["template"]["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"]["port"] == int(
        told["extensions"]["health_check"]["endpoint"].rpartition(":")[2]
    )


def test_a_dot_of_a_dashboard_leads_to_its_trace() -> None:
    values = read("prometheus.yaml")
    assert "exemplar-storage" in values["prometheus"]["prometheusSpec"]["enableFeatures"]
    [source] = values["grafana"]["additionalDataSources"]
    leads = values["grafana"]["sidecar"]["datasources"]["exemplarTraceIdDestinations"]
    assert leads["datasourceUid"] == source["uid"]
    assert [leads["traceIdLabelName"]] == [*(exemplar_of(f"00-{1:032x}-{1:016x}-01") or {})]
    serves(source["url"])


def test_grafana_finds_the_dashboards_by_their_label() -> None:
    sidecar = read("prometheus.yaml")["grafana"]["sidecar"]["dashboards"]
    boards = [each for each in rendered() if "-dashboard-" in each["metadata"]["name"]]
    assert len(boards) == 7
    for board in boards:
        assert board["metadata"]["labels"][sidecar["label"]] == sidecar["labelValue"]
        assert board["metadata"]["annotations"][sidecar["folderAnnotation"]] == "Continuo"


def test_every_severity_of_an_alert_has_a_receiver() -> None:
    told = read("prometheus.yaml")["alertmanager"]["config"]
    routed = {route["matchers"][1]: route["receiver"] for route in told["route"]["routes"]}
    assert routed.keys() == {f'severity = "{severity}"' for severity in {each.severity for each in ALERTS}}
    assert {*routed.values(), told["route"]["receiver"]} == {each["name"] for each in told["receivers"]}
    assert all(each.name.startswith("Continuo") for each in ALERTS)
