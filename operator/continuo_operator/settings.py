"""The operator's settings, read once at its start from `CONTINUO_*`."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from services.shared.runtime.log_settings import LogSettings


class OperatorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where it acts, under which name, and how it speaks to pods."""

    operator_namespace: Annotated[str, Meta(description="The namespace whose fleets it minds.")]
    operator_identity: Annotated[
        str, Meta(description="Its name in the Lease, the pod's name; empty: the host's.")
    ] = ""
    operator_lease: Annotated[str, Meta(description="Name of the Lease of which only the holder acts.")] = (
        "continuo-operator"
    )
    operator_lease_s: Annotated[
        float, Meta(ge=3, description="Seconds after which another may take a Lease that was not renewed.")
    ] = 15.0
    operator_loop_s: Annotated[float, Meta(gt=0, description="Seconds between two decisions.")] = 2.0
    operator_selector: Annotated[
        str,
        Meta(description="Labels of its fleets, their Deployments, ReplicaSets and pods; it sees no others."),
    ] = "app.kubernetes.io/name=continuo,app.kubernetes.io/component=connection"
    operator_nodes: Annotated[
        bool, Meta(description="Whether it may read nodes (the ClusterRole), for drainTaintedNodes.")
    ] = False
    admin_token_file: Annotated[
        str, Meta(description="File with the token of the pods' admin ports; read anew at each request.")
    ] = ""
    logs: LogSettings = LogSettings()
    host: Annotated[str, Meta(description="Where its own pages are served.")] = "0.0.0.0"
    operator_port: Annotated[int, Meta(ge=0, le=65535, description="Their port; 0: any free one.")] = 8080
