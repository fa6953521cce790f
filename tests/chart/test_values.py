"""Values: every one has a meaning, a default that the schema takes, and its place in what is rendered."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from helm_python import HelmRenderError, HelmValuesError

from services.connection.settings import ConnectionSettings
from services.conversation.settings import WorkerSettings
from services.presence.settings import PresenceSettings
from services.shared.runtime.settings import Described, SettingsError, describe, load
from tests.support.chart import (
    CHART,
    DEVELOPMENT,
    PRODUCTION,
    WITHOUT_OPERATOR,
    Rendered,
    chart,
    default_values,
    merged,
    render,
)
from tests.support.chart_values import COMBINATIONS

SCHEMA = chart().schema
FREE = {
    "settings",
    "graphs",
    "labels",
    "annotations",
    "nodeSelector",
    "affinity",
    "requests",
    "limits",
    "global",
}
"""Maps whose keys are the user's own."""


def refusal(values: dict[str, Any]) -> str:
    with pytest.raises((HelmRenderError, HelmValuesError)) as refused:
        render(values)
    return str(refused.value)


def maps(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every map that the schema describes, with its path."""
    if "$ref" in schema:
        schema = SCHEMA["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    if schema.get("type") == "object":
        yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from maps(inner, f"{path}.{name}".lstrip("."))


def test_every_map_is_closed_but_those_whose_keys_are_the_users_own() -> None:
    open_maps = [path for path, one in maps(SCHEMA) if one.get("additionalProperties") is not False]
    assert {path.rsplit(".", 1)[-1] for path in open_maps} <= FREE
    assert len(list(maps(SCHEMA))) > 50


def test_every_value_has_a_meaning_and_a_default() -> None:
    def walk(schema: dict[str, Any], values: Any, path: str) -> None:
        for name, one in schema["properties"].items():
            here = f"{path}.{name}"
            assert one.get("description"), here
            if name == "global":
                continue
            assert name in values, here
            if "properties" in one:
                walk(one, values[name], here)

    walk(SCHEMA, default_values(), "")


def test_what_a_plain_install_lacks_is_named_all_at_once() -> None:
    said = refusal({})
    for value in ("tokens.existingSecret", "admin.existingSecret", "redis.sentinels", "redis.existingSecret"):
        assert value in said


@pytest.mark.parametrize(
    ("base", "more", "said"),
    [
        (PRODUCTION, {"redis": {"existingSecret": ""}}, "redis.existingSecret"),
        (PRODUCTION, {"redis": {"sentinels": []}}, "redis.sentinels"),
        (PRODUCTION, {"tokens": {"existingSecret": ""}}, "tokens.existingSecret"),
        (PRODUCTION, {"admin": {"existingSecret": ""}}, "admin.existingSecret"),
        (PRODUCTION, {"redis": {"development": {"enabled": True}}}, "exclude each other"),
        (PRODUCTION, {"development": {"hmac": "x"}}, "only for development.insecureSecrets"),
        (DEVELOPMENT, {"development": {"hmac": ""}}, "needs development.hmac"),
        (DEVELOPMENT, {"tokens": {"existingSecret": "x"}}, "makes the Secrets itself"),
        (DEVELOPMENT, {"api": {"existingSecret": "x"}}, "leave api.existingSecret empty"),
        (PRODUCTION, {"development": {"apiKey": "x" * 16}}, "only for development.insecureSecrets"),
        (DEVELOPMENT, {"development": {"apiKey": "short"}}, "apiKey"),
        (PRODUCTION, {"operator": {"scaling": {"min": 11}}}, "above operator.scaling.max, 10"),
        (PRODUCTION, {"drain": {"capacityPerPod": 1999}}, "above drain.capacityPerPod, 1999"),
        (PRODUCTION, {"httpRoute": {"parentRefs": []}}, "httpRoute.parentRefs"),
        (PRODUCTION, {"ingress": {"enabled": True}}, "ingress.hosts"),
        (PRODUCTION, {"ingress": {"preset": "apache"}}, "preset"),
        (PRODUCTION, {"conversation": {"autoscaling": {"enabled": True}}}, "prometheusAddress"),
        (PRODUCTION, {"conversation": {"graphs": {"a": "no attribute"}}}, "graphs"),
        (PRODUCTION, {"conversation": {"graphs": {"a": "two,words.json"}}}, "graphs"),
        (PRODUCTION, {"redis": {"sentinels": ["no-port"]}}, "sentinels"),
        (PRODUCTION, {"connection": {"resources": {"limits": None}}}, "limits"),
        (PRODUCTION, {"connection": {"maxSurge": "0%"}}, "maxSurge"),
        (PRODUCTION, {"connection": {"maxSurge": 0}}, "maxSurge"),
    ],
)
def test_what_does_not_fit_together_is_refused(base: dict[str, Any], more: dict[str, Any], said: str) -> None:
    assert said in refusal(merged(base, more))


@pytest.mark.parametrize("name", COMBINATIONS)
def test_secrets_are_made_in_development_only(name: str) -> None:
    insecure = COMBINATIONS[name].get("development", {}).get("insecureSecrets", False)
    assert bool(render(COMBINATIONS[name]).of("Secret")) is insecure


def test_secrets_of_development_are_those_that_pods_mount() -> None:
    rendered = render(DEVELOPMENT)
    made = {one["metadata"]["name"]: set(one["stringData"]) for one in rendered.of("Secret")}
    assert made == {
        "continuo-development-tokens": {"hmac"},
        "continuo-development-admin": {"tokens"},
        "continuo-development-api": {"keys"},
    }
    _, _, pod = next(one for one in rendered.pods() if one[0] == "Deployment continuo-connection")
    sources = [
        source for volume in pod["volumes"] for source in volume.get("projected", {}).get("sources", [])
    ]
    for source in sources:
        [item] = source["secret"]["items"]
        there = item["key"] in made[source["secret"]["name"]]
        assert there or source["secret"]["optional"]


def environment(rendered: Rendered, component: str, *, only: str = "") -> dict[str, str]:
    [pod] = [
        spec
        for name, metadata, spec in rendered.pods()
        if name.startswith("Deployment") and metadata["labels"]["app.kubernetes.io/component"] == component
    ]
    env = pod["containers"][0]["env"]
    return {one["name"]: one.get("value", "") for one in env if one["name"].startswith(only)}


def test_settings_become_environment_and_those_of_one_service_win() -> None:
    values = merged(
        PRODUCTION, {"settings": {"GRACE_S": 7.5, "ACKS": "master"}, "presence": {"settings": {"GRACE_S": 9}}}
    )
    rendered = render(values)
    assert environment(rendered, "connection")["CONTINUO_GRACE_S"] == "7.5"
    assert environment(rendered, "presence")["CONTINUO_GRACE_S"] == "9"
    assert environment(rendered, "conversation")["CONTINUO_ACKS"] == "master"


def known(settings: type[msgspec.Struct]) -> dict[str, Described]:
    """The settings that a process reads, those of a secret's file among them."""
    rows = {row.variable: row for row in describe(settings)}
    files = {f"{name}_FILE": row for name, row in rows.items() if row.kind == "a secret text"}
    return rows | files


READ_BY: dict[str, type[msgspec.Struct]] = {
    "connection": ConnectionSettings,
    "conversation": WorkerSettings,
    "presence": PresenceSettings,
}


@pytest.mark.parametrize("component", READ_BY)
@pytest.mark.parametrize("name", COMBINATIONS)
def test_every_variable_is_a_setting_that_the_service_takes(component: str, name: str) -> None:
    given = environment(render(COMBINATIONS[name]), component, only="CONTINUO_")
    if name == "production: settings of all":
        given = {variable: value for variable, value in given.items() if variable != "CONTINUO_GRACE_S"}
    assert given.keys() <= known(READ_BY[component]).keys()


@pytest.mark.parametrize("component", READ_BY)
def test_a_service_starts_with_what_the_chart_gives_it(component: str, tmp_path: Path) -> None:
    """Its own reader of settings takes all values, whose bounds it knows best."""
    (tmp_path / "hmac").write_text("secret")
    environ = environment(render(COMBINATIONS["production: plain"]), component, only="CONTINUO_")
    here = {name: value.replace("/etc/continuo/tokens", str(tmp_path)) for name, value in environ.items()}
    assert load(READ_BY[component], here)


@pytest.mark.parametrize(
    ("drain", "bound"), [("propagationSeconds", "propagation_s"), ("maxGraceSeconds", "drain_s")]
)
def test_what_the_schema_takes_the_connection_service_takes(drain: str, bound: str) -> None:
    most = SCHEMA["properties"]["drain"]["properties"][drain]["maximum"]
    secret = {"CONTINUO_TOKEN_HMAC_SECRET": "s"}
    assert load(ConnectionSettings, {f"CONTINUO_{bound.upper()}": str(most)} | secret)
    with pytest.raises(SettingsError, match="at most"):
        load(ConnectionSettings, {f"CONTINUO_{bound.upper()}": str(most + 1)} | secret)


def test_a_large_number_is_written_out() -> None:
    rendered = render(merged(PRODUCTION, {"settings": {"USER_TTL_S": 31536000}}))
    assert environment(rendered, "presence")["CONTINUO_USER_TTL_S"] == "31536000"


def test_graphs_are_listed_for_the_workers_alone() -> None:
    graphs = {"assistant": "my_agents.graph:build", "other": "my_agents.more:graph"}
    rendered = render(merged(PRODUCTION, {"conversation": {"graphs": graphs}}))
    listed = "assistant=my_agents.graph:build,other=my_agents.more:graph"
    assert environment(rendered, "conversation")["CONTINUO_GRAPHS"] == listed
    assert "CONTINUO_GRAPHS" not in environment(rendered, "connection")


def test_a_project_is_listed_by_its_path() -> None:
    graphs = {"other": "my_agents.more:graph", "project": "/app/langgraph.json"}
    rendered = render(merged(PRODUCTION, {"conversation": {"graphs": graphs}}))
    listed = "other=my_agents.more:graph,/app/langgraph.json"
    assert environment(rendered, "conversation")["CONTINUO_GRAPHS"] == listed


def test_names_of_two_releases_differ_and_stay_short() -> None:
    long = "a-release-with-a-name-as-long-as-helm-takes-it-53-abc"
    for name in ("one", "two", long):
        names = [one["metadata"]["name"] for one in render(PRODUCTION, name=name).objects]
        assert all(each.startswith(name[:20]) for each in names)
        assert max(map(len, names)) <= 63


@pytest.mark.parametrize("name", COMBINATIONS)
def test_no_object_is_made_twice(name: str) -> None:
    names = [(one["kind"], one["metadata"]["name"]) for one in render(COMBINATIONS[name]).objects]
    assert len(names) == len(set(names))


def test_the_api_takes_the_key_that_development_gives() -> None:
    """Its Secret holds what a connection pod looks a key up by: the name and the hash."""
    rendered = render(merged(DEVELOPMENT, {"development": {"apiKey": "a-key-for-the-test"}}))
    [line] = rendered.one("Secret", "continuo-development-api")["stringData"]["keys"].splitlines()
    assert line == f"development:{hashlib.sha256(b'a-key-for-the-test').hexdigest()}"


@pytest.mark.parametrize("name", COMBINATIONS)
def test_the_api_has_a_service_where_pods_serve_it(name: str) -> None:
    rendered = render(COMBINATIONS[name])
    served = "CONTINUO_API_KEYS_FILE" in environment(rendered, "connection")
    services = {one["metadata"]["name"].rsplit("-", 1)[1]: one["spec"] for one in rendered.of("Service")}
    assert ("api" in services) is served
    if served:
        assert services["api"]["selector"] == services["connection"]["selector"]
        [port] = services["api"]["ports"]
        assert port["targetPort"] == "api"


def test_the_client_service_selects_pods_that_accept_and_the_deployment_all() -> None:
    rendered = render(PRODUCTION)
    service = rendered.one("Service", "continuo-connection")
    deployment = rendered.one("Deployment", "continuo-connection")["spec"]
    assert service["spec"]["selector"]["continuo.dev/accepts"] == "yes"
    assert deployment["template"]["metadata"]["labels"]["continuo.dev/accepts"] == "yes"
    assert "continuo.dev/accepts" not in deployment["selector"]["matchLabels"]


def test_a_budget_lets_one_go_at_a_time_and_sick_ones_always() -> None:
    for budget in render(PRODUCTION).of("PodDisruptionBudget"):
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_nothing_bounds_how_long_a_websocket_lasts() -> None:
    [route] = render(PRODUCTION).of("HTTPRoute")
    [rule] = route["spec"]["rules"]
    assert rule["timeouts"] == {"request": "0s"}
    assert "/connection/websocket".startswith(rule["matches"][0]["path"]["value"])


def test_workers_that_keda_counts_have_no_number_of_their_own() -> None:
    rendered = render(COMBINATIONS["production: workers by queue"])
    assert "replicas" not in rendered.one("Deployment", "continuo-conversation")["spec"]
    [scaled] = rendered.of("ScaledObject")
    assert scaled["spec"]["scaleTargetRef"]["name"] == "continuo-conversation"


def test_workers_are_counted_by_their_own_releases_queue() -> None:
    """Two releases may share a namespace. The query picks by a label that the PodMonitor brings along."""
    values = COMBINATIONS["production: workers by queue"]
    for release in ("continuo", "other"):
        rendered = render(values, name=release)
        [scaled], [monitor] = rendered.of("ScaledObject"), rendered.of("PodMonitor")
        [trigger] = scaled["spec"]["triggers"]
        wanted = dict(re.findall(r'(\w+)="([^"]*)"', trigger["metadata"]["query"]))
        assert wanted == {"namespace": "talk", "app_kubernetes_io_instance": release}
        brought = {re.sub(r"\W", "_", label): label for label in monitor["spec"]["podTargetLabels"]}
        (workers,) = [
            metadata["labels"]
            for name, metadata, _ in rendered.pods()
            if name.startswith("Deployment") and name.endswith("-conversation")
        ]
        assert workers[brought["app_kubernetes_io_instance"]] == release


def test_notes_warn_of_what_is_not_for_production() -> None:
    assert "WARNING" not in render(PRODUCTION).notes
    for value in ("development.insecureSecrets", "redis.development"):
        assert f"WARNING: {value}" in render(DEVELOPMENT).notes
    assert "WARNING: operator.enabled is false" in render(WITHOUT_OPERATOR).notes


def test_notes_say_where_the_fleet_starts() -> None:
    assert "The fleet starts at 1 pod" in render(PRODUCTION).notes
    assert "port-forward service/continuo-connection 8000:80" in render(PRODUCTION).notes


def test_helm_test_asks_what_the_service_serves() -> None:
    [probe] = render(PRODUCTION).of("Pod")
    assert probe["metadata"]["annotations"]["helm.sh/hook"] == "test"
    args = probe["spec"]["containers"][0]["args"]
    assert args[:2] == ["probe", "ws://continuo-connection.talk.svc.cluster.local:80/connection/websocket"]
    assert not render(COMBINATIONS["production: keys of an issuer"]).of("Pod")


def test_the_readme_is_beside_the_chart() -> None:
    assert (CHART / "README.md").read_text(encoding="utf-8").count("`drain.capacityPerPod`") == 1
