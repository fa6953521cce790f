"""Labels and annotations that the operator reads and writes; docs/design/20261128.kubernetes.md section 4."""

from __future__ import annotations

ACCEPTS = "continuo.dev/accepts"
PLAN = "continuo.dev/plan"
COST = "controller.kubernetes.io/pod-deletion-cost"
COST_PLAN = "continuo.dev/cost-plan"
COST_AT = "continuo.dev/cost-at"
REVISION = "deployment.kubernetes.io/revision"
TEMPLATE_HASH = "pod-template-hash"
CONTAINER = "connection"
"""The container that holds the connections; others that a mesh may add say nothing of these."""

NODE_TAINTS = frozenset(
    {
        "DeletionCandidateOfClusterAutoscaler",
        "ToBeDeletedByClusterAutoscaler",
        "karpenter.sh/disrupted",
        "karpenter.sh/disruption",
        "node.kubernetes.io/out-of-service",
        "node.kubernetes.io/unschedulable",
    }
)
"""Taints of nodes from which pods will be evicted."""
