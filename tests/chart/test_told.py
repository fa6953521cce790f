"""What a release tells of itself: traces, audit log, lines, as the services' own settings read it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from helm_python import HelmRenderError, HelmValuesError

from services.connection.settings import ConnectionSettings
from services.conversation.settings import WorkerSettings
from services.presence.settings import PresenceSettings
from services.shared.bus.settings import RedisSettings
from services.shared.runtime.settings import load
from services.shared.runtime.tracing import TracingSettings
from tests.support.chart import PRODUCTION, Object, containers, merged, render
from tests.support.chart_values import COMBINATIONS

SERVICES: dict[str, type[msgspec.Struct]] = {
    "connection": ConnectionSettings,
    "conversation": WorkerSettings,
    "presence": PresenceSettings,
}
COLLECTOR = "http://otel-collector.monitoring:4317"


def env(component: str, values: dict[str, Any]) -> dict[str, Object]:
    """The container's environment, by name."""
    pod = render(merged(PRODUCTION, values)).one("Deployment", f"continuo-{component}")
    [container] = containers(pod["spec"]["template"]["spec"])
    return {one["name"]: one for one in container["env"]}


def plain(component: str, values: dict[str, Any]) -> dict[str, str]:
    return {name: one["value"] for name, one in env(component, values).items() if "value" in one}


def egress(component: str, values: dict[str, Any]) -> list[set[int]]:
    """The ports of each rule by which this component may reach others."""
    policy = render(merged(PRODUCTION, values)).one("NetworkPolicy", f"continuo-{component}")
    return [{port["port"] for port in rule["ports"]} for rule in policy["spec"]["egress"]]


@pytest.mark.parametrize("component", SERVICES)
def test_without_an_endpoint_nothing_is_traced(component: str) -> None:
    given = plain(component, {})
    assert not [name for name in given if "OTLP" in name or "TRACES" in name]
    assert load(TracingSettings, given).into == "off"


@pytest.mark.parametrize("component", SERVICES)
def test_an_endpoint_is_where_every_service_sends_its_traces(component: str) -> None:
    read = load(TracingSettings, plain(component, {"tracing": {"endpoint": COLLECTOR, "ratio": 0.25}}))
    assert (read.into, read.endpoint, read.protocol, read.traces_ratio) == ("otlp", COLLECTOR, "grpc", 0.25)


@pytest.mark.parametrize("component", SERVICES)
def test_a_collector_elsewhere_is_spoken_to_as_it_is_said(component: str) -> None:
    values = COMBINATIONS["production: traced elsewhere"]
    read = load(TracingSettings, plain(component, values))
    assert (read.protocol, read.endpoint) == ("http/protobuf", "https://otlp.example.org/of/us/v1/traces")
    assert (read.traces_ratio, read.traces_slow_s, read.traces_clients) == (1, 5, "parent")
    assert plain(component, values)["OTEL_EXPORTER_OTLP_HEADERS_FILE"] == "/etc/continuo/collector/headers"
    assert read.otlp_headers is not None
    pod = render(merged(PRODUCTION, values)).one("Deployment", f"continuo-{component}")["spec"]["template"]
    [mounted] = [one for one in pod["spec"]["volumes"] if one["name"] == "collector"]
    [source] = mounted["projected"]["sources"]
    assert source["secret"] == {"name": "collector", "items": [{"key": "otlp", "path": "headers"}]}


def test_the_operator_tells_no_traces() -> None:
    values = {"tracing": {"endpoint": COLLECTOR}}
    assert not [name for name in env("operator", values) if "OTEL" in name]
    assert egress("operator", values) == egress("operator", {})


@pytest.mark.parametrize("component", SERVICES)
@pytest.mark.parametrize(
    ("endpoint", "given", "open_"),
    [
        (COLLECTOR, [], {4317}),
        ("http://tempo:4318/", [], {4318}),
        ("https://otlp.example.org", [], {443}),
        ("http://otlp.example.org", [], {80}),
        ("https://otlp.example.org", [8443], {8443}),
    ],
)
def test_the_way_to_the_collector_is_open(
    component: str, endpoint: str, given: list[int], open_: set[int]
) -> None:
    told = {
        "tracing": {"endpoint": endpoint},
        "networkPolicy": {"parties": {"models": {"enabled": False}, "otlp": {"ports": given}}},
    }
    assert open_ in egress(component, told)
    assert open_ not in egress(component, merged(told, {"tracing": {"endpoint": ""}}))


@pytest.mark.parametrize(
    "tracing",
    [
        {"endpoint": "otel-collector:4317"},
        {"endpoint": COLLECTOR, "protocol": "http/json"},
        {"endpoint": COLLECTOR, "ratio": 1.1},
        {"endpoint": COLLECTOR, "sampler": "always_on"},
    ],
)
def test_what_makes_no_sense_is_refused(tracing: dict[str, Any]) -> None:
    with pytest.raises(HelmValuesError, match="tracing"):
        render(merged(PRODUCTION, {"tracing": tracing}))


def test_headers_without_a_way_are_refused() -> None:
    with pytest.raises(HelmRenderError, match=r"tracing\.endpoint"):
        render(merged(PRODUCTION, {"tracing": {"headersSecret": "collector"}}))


@pytest.mark.parametrize("component", SERVICES)
def test_a_collector_is_named_once(component: str) -> None:
    """A graph may send spans of its own while ours are off; beside ours its variable would stand twice."""
    own = {component: {"env": [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://here:4318"}]}}
    assert plain(component, own)["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://here:4318"
    with pytest.raises(HelmRenderError, match="OTEL_EXPORTER_OTLP_ENDPOINT itself"):
        render(merged(PRODUCTION, merged(own, {"tracing": {"endpoint": COLLECTOR}})))


@pytest.mark.parametrize("component", SERVICES)
@pytest.mark.parametrize("name", ["TRACES_RATIO", "METRIC_NAMES", "AUDIT_DAYS"])
def test_what_has_a_value_of_its_own_is_no_setting(component: str, name: str) -> None:
    with pytest.raises(HelmRenderError, match=f"CONTINUO_{name} itself"):
        render(merged(PRODUCTION, {component: {"settings": {name: 1}}}))


@pytest.mark.parametrize("component", SERVICES)
def test_every_service_keeps_the_audit_log_alike(component: str) -> None:
    read = load(RedisSettings, plain(component, {"audit": {"days": 30, "length": 12345678}}))
    assert (read.audit, read.audit_days, read.audit_length) == ("on", 30, 12345678)
    assert load(RedisSettings, plain(component, {"audit": {"enabled": False}})).audit == "off"


def test_the_chart_keeps_the_audit_log_as_the_services_do_by_themselves() -> None:
    alone = load(RedisSettings, {"CONTINUO_REDIS_SENTINELS": "here:26379"})
    read = load(RedisSettings, plain("presence", {}))
    assert (read.audit, read.audit_days, read.audit_length) == (
        alone.audit,
        alone.audit_days,
        alone.audit_length,
    )
    assert TracingSettings().traces_ratio == 0.01 == _default_ratio()


def _default_ratio() -> float:
    return load(TracingSettings, plain("presence", {"tracing": {"endpoint": COLLECTOR}})).traces_ratio


def test_models_and_tools_that_metrics_name_are_the_workers() -> None:
    values = {"conversation": {"metricNames": ["gpt-5", "search"]}}
    assert plain("conversation", values)["CONTINUO_METRIC_NAMES"] == "gpt-5,search"
    assert "CONTINUO_METRIC_NAMES" not in plain("connection", values)


def test_lines_are_as_many_as_is_said_and_one_service_may_say_more() -> None:
    values = {"logLevel": "warning", "connection": {"settings": {"LOG_LEVEL": "debug"}}}
    levels = {each: plain(each, values)["CONTINUO_LOG_LEVEL"] for each in (*SERVICES, "operator")}
    assert levels.pop("connection") == "debug"
    assert levels == dict.fromkeys(("conversation", "presence", "operator"), "warning")
    loud = {"operator": {"env": [{"name": "CONTINUO_LOG_LEVEL", "value": "debug"}]}}
    assert plain("operator", merged(values, loud))["CONTINUO_LOG_LEVEL"] == "debug"
    assert plain("presence", {"settings": {"LOG_LEVEL": "error"}})["CONTINUO_LOG_LEVEL"] == "error"
    with pytest.raises(HelmValuesError, match="logLevel"):
        render(merged(PRODUCTION, {"logLevel": "loud"}))
