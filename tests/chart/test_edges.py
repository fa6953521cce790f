"""Network policies are the table of edges, no more and no less."""

from __future__ import annotations

from copy import deepcopy
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.chart import (
    DEVELOPMENT,
    INSTALLS,
    PRODUCTION,
    Rendered,
    default_values,
    edges,
    merged,
    render,
)
from tests.support.chart_values import COMBINATIONS

INSIDE = ("connection", "conversation", "presence", "operator", "redis", "tools")
ANY_PORT = 0
FROM_TOOLS = [{"podSelector": {"matchLabels": {"app.kubernetes.io/component": "tools"}}}]
Edge = tuple[str, str, int]
"""From, to, port; "?" is a party that no edge of the table is about."""


def holds(when: str, values: dict[str, Any]) -> bool:
    parties = values["networkPolicy"]["parties"]
    return {
        "always": True,
        "operator": values["operator"]["enabled"],
        "api": bool(
            values["development"]["apiKey"]
            if values["development"]["insecureSecrets"]
            else values["api"]["existingSecret"]
        ),
        "prometheus": parties["prometheus"]["enabled"],
        "redisInside": values["redis"]["development"]["enabled"],
        "redisOutside": not values["redis"]["development"]["enabled"],
        "jwks": bool(values["tokens"]["jwksUrl"]),
        "models": parties["models"]["enabled"],
        "otlp": parties["otlp"]["enabled"] or bool(values["tracing"]["endpoint"]),
    }[when]


def expected(given: dict[str, Any], direction: str) -> set[Edge]:
    """The edges of the table between these parties, those of missing components left out."""
    values = merged(default_values(), given)
    found: set[Edge] = set()
    present = {"operator": values["operator"]["enabled"], "redis": values["redis"]["development"]["enabled"]}
    for edge in edges():
        mine = edge["to"] if direction == "ingress" else edge["from"]
        if mine in INSIDE and present.get(mine, True) and holds(edge["when"], values):
            party = edge["to"] if edge["to"] not in INSIDE else edge["from"]
            ports = _ports(party, values) if edge["ports"] == "party" else edge["ports"]
            found |= {(edge["from"], edge["to"], port) for port in ports}
    return found


def _ports(party: str, values: dict[str, Any]) -> list[int]:
    """Those of a party outside; where none are given for the issuer or the collector, that of its address."""
    given: list[int] = values["networkPolicy"]["parties"][party]["ports"]
    address = {"jwks": values["tokens"]["jwksUrl"], "otlp": values["tracing"]["endpoint"]}.get(party)
    if given or address is None:
        return given
    url = urlsplit(address)
    return [url.port or {"http": 80, "https": 443}[url.scheme]] if address else [4317, 4318]


def allowed(rendered: Rendered, given: dict[str, Any], direction: str) -> set[Edge]:
    """What the policies let through. Parties outside are told apart by their peers and ports."""
    values = merged(default_values(), given)
    parties = values["networkPolicy"]["parties"]
    found: set[Edge] = set()
    for policy in rendered.of("NetworkPolicy"):
        mine = policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        for rule in policy["spec"][direction]:
            peers = rule.get("from" if direction == "ingress" else "to")
            ports = [port["port"] for port in rule.get("ports", [{"port": ANY_PORT}])]
            for other in _named(peers, sorted(set(ports)), mine, direction, parties, values):
                pair = (other, mine) if direction == "ingress" else (mine, other)
                found |= {(*pair, port) for port in ports}
    return found


def _named(
    peers: Any, ports: list[int], mine: str, direction: str, parties: dict[str, Any], values: dict[str, Any]
) -> list[str]:
    selectors = [peer.get("podSelector", {}).get("matchLabels", {}) for peer in peers or ()]
    inside = [one.get("app.kubernetes.io/component", "?") for one in selectors]
    if set(inside) & set(INSIDE):
        return inside
    side, other = ("to", "from") if direction == "ingress" else ("from", "to")
    matching = [
        edge[other]
        for edge in edges()
        if edge[side] == mine
        and edge[other] in parties
        and holds(edge["when"], values)
        and (parties[edge[other]]["peers"] or None) == peers
        and sorted(_ports(edge[other], values) if edge["ports"] == "party" else edge["ports"]) == ports
    ]
    return matching or ["?"]


@pytest.mark.parametrize("direction", ["ingress", "egress"])
@pytest.mark.parametrize("name", COMBINATIONS)
def test_policies_let_through_exactly_the_table(name: str, direction: str) -> None:
    values = COMBINATIONS[name]
    rendered = render(values)
    if merged(default_values(), values)["networkPolicy"]["enabled"]:
        assert allowed(rendered, values, direction) == expected(values, direction)
    else:
        assert not rendered.of("NetworkPolicy")


@pytest.mark.parametrize(
    ("direction", "opening"),
    [
        ("ingress", {"ports": [{"protocol": "TCP", "port": 9999}]}),
        ("ingress", {"from": [{"namespaceSelector": {}}], "ports": [{"protocol": "TCP", "port": 8080}]}),
        ("ingress", {"from": [{"namespaceSelector": {}}, *FROM_TOOLS], "ports": [{"port": 8000}]}),
        ("egress", {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"protocol": "TCP", "port": 443}]}),
        ("ingress", {}),
        ("egress", {"to": [{"namespaceSelector": {}}]}),
    ],
)
def test_an_opening_that_the_table_does_not_name_is_seen(direction: str, opening: dict[str, Any]) -> None:
    rendered = deepcopy(render(PRODUCTION))
    for policy in rendered.of("NetworkPolicy"):
        if policy["metadata"]["name"] == "continuo-connection":
            policy["spec"][direction].append(opening)
    assert allowed(rendered, PRODUCTION, direction) != expected(PRODUCTION, direction)


def test_an_edge_between_two_components_is_open_on_both_sides() -> None:
    for values in (PRODUCTION, DEVELOPMENT):
        rendered = render(values)
        out, into = (allowed(rendered, values, direction) for direction in ("egress", "ingress"))
        inside = {edge for edge in out | into if edge[0] in INSIDE and edge[1] in INSIDE}
        assert inside
        assert inside <= out
        assert inside <= into


@pytest.mark.parametrize("install", INSTALLS)
def test_every_pod_has_a_policy_and_every_policy_closes_both_ways(install: str) -> None:
    rendered = render(INSTALLS[install])
    policies = rendered.of("NetworkPolicy")
    assert {tuple(one["spec"]["policyTypes"]) for one in policies} == {("Ingress", "Egress")}
    selectors = [one["spec"]["podSelector"]["matchLabels"].items() for one in policies]
    for name, metadata, _ in rendered.pods():
        assert sum(selector <= metadata["labels"].items() for selector in selectors) == 1, name


@pytest.mark.parametrize("install", INSTALLS)
def test_ports_of_the_table_are_ports_of_containers(install: str) -> None:
    rendered = render(INSTALLS[install])
    open_ports = {
        (metadata["labels"]["app.kubernetes.io/component"], port["containerPort"])
        for _, metadata, spec in rendered.pods()
        for one in spec["containers"]
        for port in one.get("ports", [])
    }
    named = {(to, port) for _, to, port in expected(INSTALLS[install], "ingress") if to != "redis"}
    assert named <= open_ports


def test_the_admin_port_is_open_to_the_operator_alone() -> None:
    assert {edge["from"] for edge in edges() if edge["to"] == "connection" and 8081 in edge["ports"]} == {
        "operator"
    }


def test_the_api_is_open_to_back_ends_alone() -> None:
    assert {edge["from"] for edge in edges() if edge["to"] == "connection" and 8090 in edge["ports"]} == {
        "backends"
    }


@pytest.mark.parametrize(
    ("url", "given", "ports"),
    [
        ("https://id.example.org/jwks", [], [443]),
        ("http://id.example.org/jwks", [], [80]),
        ("https://id.example.org:8443/jwks?of=1:2", [], [8443]),
        ("http://keycloak.id.svc:8080", [], [8080]),
        ("https://[2001:db8::1]/jwks", [], [443]),
        ("https://[2001:db8::1]:9443/jwks", [], [9443]),
        ("https://id.id.svc:443/jwks", [8443, 9443], [8443, 9443]),
    ],
)
def test_the_way_to_the_issuer_is_open_on_the_port_of_its_address(
    url: str, given: list[int], ports: list[int]
) -> None:
    parties = {"jwks": {"peers": [{"ipBlock": {"cidr": "192.0.2.7/32"}}], "ports": given}}
    values = merged(PRODUCTION, {"tokens": {"jwksUrl": url}, "networkPolicy": {"parties": parties}})
    policy = render(values).one("NetworkPolicy", "continuo-connection")
    [rule] = [one for one in policy["spec"]["egress"] if "192.0.2.7" in str(one)]
    assert rule["ports"] == [{"protocol": "TCP", "port": port} for port in ports]


def test_names_are_asked_by_both_protocols() -> None:
    [policy] = [
        one for one in render(PRODUCTION).of("NetworkPolicy") if one["metadata"]["name"].endswith("presence")
    ]
    asked = {(port["protocol"], port["port"]) for rule in policy["spec"]["egress"] for port in rule["ports"]}
    assert {("UDP", 53), ("TCP", 53)} <= asked
