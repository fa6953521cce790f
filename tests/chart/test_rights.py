"""What the operator may do in the cluster: what its code calls, in its own namespace, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from continuo_operator.rbac import CLUSTER_ROLE, ROLE, Rule
from tests.support.chart import DEVELOPMENT, PRODUCTION, WITHOUT_OPERATOR, Object, Rendered, merged, render
from tests.support.chart_values import COMBINATIONS


def needed(rules: Iterable[Rule]) -> dict[tuple[str, str], set[str]]:
    """What the operator's own table says that its code calls."""
    return {(rule.group, rule.resource): set(rule.verbs) for rule in rules}


def rights(rules: list[Object]) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                found.setdefault((group, resource), set()).update(rule["verbs"])
    return found


@pytest.mark.parametrize("name", COMBINATIONS)
def test_no_role_touches_secrets_deletes_or_reaches_out_of_the_namespace(name: str) -> None:
    rendered = render(COMBINATIONS[name])
    for role in (*rendered.of("Role"), *rendered.of("ClusterRole")):
        for (_, resource), verbs in rights(role["rules"]).items():
            assert resource not in {"secrets", "configmaps", "pods/exec", "pods/eviction", "*"}
            assert not verbs & {"delete", "deletecollection", "escalate", "bind", "impersonate", "*"}
    for role in rendered.of("ClusterRole"):
        assert rights(role["rules"]) == needed(CLUSTER_ROLE)
    for one in rendered.objects:
        if not one["kind"].startswith("Cluster"):
            assert one["metadata"]["namespace"] == "talk", one["metadata"]["name"]


def test_the_operators_role_is_what_it_needs() -> None:
    [role] = render(PRODUCTION).of("Role")
    assert rights(role["rules"]) == needed(ROLE)
    assert len(needed(ROLE)) == len(ROLE)


def test_it_scales_one_deployment_and_holds_one_lease() -> None:
    rendered = render(PRODUCTION)
    [role] = rendered.of("Role")
    bound = {
        rule["resources"][0]: rule["resourceNames"] for rule in role["rules"] if rule.get("resourceNames")
    }
    assert bound == {"deployments/scale": ["continuo-connection"], "leases": ["continuo-operator"]}
    operator = rendered.one("Deployment", "continuo-operator")["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "CONTINUO_OPERATOR_LEASE", "value": "continuo-operator"} in operator["env"]
    [fleet] = rendered.of("ConnectionFleet")
    assert fleet["spec"]["deployment"] == "continuo-connection"


def test_nodes_are_seen_only_when_it_is_asked_for() -> None:
    assert not render(PRODUCTION).of("ClusterRole")
    rendered = render(merged(PRODUCTION, {"operator": {"drainTaintedNodes": True}}))
    assert len(rendered.of("ClusterRole")) == len(rendered.of("ClusterRoleBinding")) == 1
    assert _setting(rendered, "CONTINUO_OPERATOR_NODES") == "true"
    assert _setting(render(PRODUCTION), "CONTINUO_OPERATOR_NODES") == "false"


def _setting(rendered: Rendered, name: str) -> str:
    operator = rendered.one("Deployment", "continuo-operator")["spec"]["template"]["spec"]["containers"][0]
    [value] = [one["value"] for one in operator["env"] if one["name"] == name]
    return str(value)


def test_bindings_bind_the_operators_account_to_its_role() -> None:
    rendered = render(merged(DEVELOPMENT, {"operator": {"drainTaintedNodes": True}}))
    for binding in (*rendered.of("RoleBinding"), *rendered.of("ClusterRoleBinding")):
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": "continuo-operator", "namespace": "talk"}
        ]
        kind = binding["kind"].removesuffix("Binding")
        assert binding["roleRef"]["kind"] == kind
        assert rendered.one(kind, binding["roleRef"]["name"])


def test_without_the_operator_nobody_has_rights() -> None:
    rendered = render(WITHOUT_OPERATOR)
    assert not any(rendered.of(kind) for kind in ("Role", "RoleBinding", "ClusterRole", "ConnectionFleet"))
