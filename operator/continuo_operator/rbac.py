"""What the operator may do: the one table, which the chart's Roles and docs/operator.md are held equal to."""

from __future__ import annotations

from dataclasses import dataclass

from continuo_operator.spec import GROUP, PLURAL


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a Role: API group, resource (with its subresource), verbs, and what for."""

    group: str
    resource: str
    verbs: tuple[str, ...]
    why: str


ROLE = (
    Rule(GROUP, PLURAL, ("get", "list", "watch"), "what is asked for"),
    Rule(GROUP, f"{PLURAL}/status", ("patch",), "what is so"),
    Rule("apps", "deployments", ("get", "list", "watch"), "the number of pods, and the newest revision"),
    Rule("apps", "deployments/scale", ("get", "patch"), "claims and changes the number of pods"),
    Rule("apps", "replicasets", ("list", "watch"), "which revision a pod is of"),
    Rule("", "pods", ("list", "watch", "patch"), "takes pods out of the endpoints and makes them cheap"),
    Rule("", "events", ("create",), "one for each decision"),
    Rule("coordination.k8s.io", "leases", ("get", "create", "patch"), "only one operator acts"),
)
"""In the fleets' namespace; no secrets, no deleting of anything."""

CLUSTER_ROLE = (Rule("", "nodes", ("list", "watch"), "which nodes will be emptied"),)
"""Only with drainTaintedNodes."""
