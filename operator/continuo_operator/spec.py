"""The ConnectionFleet resource as Python: what its owner asks for and what the operator says of it.

`crd` makes the published schema from these structs, so the two cannot differ. Field names are camelCase on
the wire and snake_case here. Unknown fields are passed over: an operator reads a newer schema's objects too.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

GROUP = "continuo.dev"
VERSION = "v1alpha1"
KIND = "ConnectionFleet"
PLURAL = "connectionfleets"
API_VERSION = f"{GROUP}/{VERSION}"

Whole = Annotated[int, Meta(ge=0, le=1_000_000)]
Positive = Annotated[int, Meta(ge=1, le=1_000_000)]
Percent = Annotated[int, Meta(ge=0, le=1000)]


class Owner(Enum):
    """Who decides the number of pods."""

    OPERATOR = "Operator"
    EXTERNAL = "External"


class Up(Struct, frozen=True, kw_only=True, rename="camel"):
    """How the fleet grows."""

    window_seconds: Annotated[
        Whole, Meta(description="Seconds the need for more pods must last before any is added.")
    ] = 15
    max_step: Annotated[Positive, Meta(description="Most pods added at once.")] = 4


class Down(Struct, frozen=True, kw_only=True, rename="camel"):
    """How the fleet shrinks."""

    window_seconds: Annotated[
        Whole, Meta(description="Seconds the need for fewer pods must last before any is drained.")
    ] = 300
    max_step: Annotated[Positive, Meta(description="Most pods drained at once.")] = 1


class Scaling(Struct, frozen=True, kw_only=True, rename="camel"):
    """How many pods, and who says so."""

    owner: Annotated[
        Owner,
        Meta(
            description="Operator: from the connections. External: spec.replicas, which an autoscaler or a "
            "person writes through the scale subresource."
        ),
    ] = Owner.OPERATOR
    min: Annotated[Positive, Meta(description="Fewest pods.")] = 1
    max: Annotated[Positive, Meta(description="Most pods.")] = 10
    target_connections_per_pod: Annotated[Positive, Meta(description="Connections a pod shall hold.")] = 2000
    headroom_percent: Annotated[Percent, Meta(description="Room kept above the connections there are.")] = 20
    up: Up = Up()
    down: Down = Down()


class Drain(Struct, frozen=True, kw_only=True, rename="camel"):
    """How connections are moved; the chart gives the pods the same numbers."""

    capacity_per_pod: Annotated[Positive, Meta(description="C: most connections a pod admits.")] = 5000
    pod_rate_per_second: Annotated[Positive, Meta(description="r: most closes of one pod, a second.")] = 100
    fleet_rate_per_second: Annotated[Positive, Meta(description="R: most closes of the fleet, a second.")] = (
        200
    )
    propagation_seconds: Annotated[
        Whole, Meta(description="Seconds until nobody is sent to a pod that left the endpoints.")
    ] = 5
    deadline_seconds: Annotated[
        Positive, Meta(description="Seconds from leaving the endpoints until a pod must be empty.")
    ] = 255


class Rollout(Struct, frozen=True, kw_only=True, rename="camel"):
    """How a new version takes over."""

    takeover_percent: Annotated[
        int,
        Meta(
            ge=1,
            le=1000,
            description="New capacity, in percent of demand, at which all old pods stop being endpoints.",
        ),
    ] = 100


class FleetSpec(Struct, frozen=True, kw_only=True, rename="camel"):
    """What is asked for."""

    deployment: Annotated[
        str,
        Meta(min_length=1, max_length=253, description="The Deployment whose number of pods it owns."),
    ]
    replicas: Annotated[
        Whole, Meta(description="Wished pods; read when the scaling's owner is External.")
    ] = 1
    admin_port: Annotated[int, Meta(ge=1, le=65535, description="Port of the pods' admin pages.")] = 8081
    scaling: Scaling = Scaling()
    drain: Drain = Drain()
    rollout: Rollout = Rollout()
    drain_tainted_nodes: Annotated[
        bool, Meta(description="Drain pods on cordoned nodes ahead of their eviction; needs the ClusterRole.")
    ] = False
    paused: Annotated[bool, Meta(description="Decide nothing; only report.")] = False


class Draining(Struct, frozen=True, kw_only=True, rename="camel"):
    """One pod that is being emptied."""

    pod: str
    plan: str
    reason: str
    connections: int


class Trend(Struct, frozen=True, kw_only=True, rename="camel"):
    """Since when another number of pods is needed, so that a window outlives the operator."""

    direction: Literal["Up", "Down"]
    since: str
    bound: int
    """The number needed all that time that is nearest to what runs."""


class Course(Struct, frozen=True, kw_only=True, rename="camel"):
    """Which way the number of pods last went, whoever wrote it, so that turns stay a window apart."""

    replicas: int
    """The number as it was last seen."""
    direction: Literal["Up", "Down", "Still"] = "Still"
    """Still: it was never seen to change."""
    since: str | None = None
    """When it turned to this way; absent while it never turned."""


class Condition(Struct, frozen=True, kw_only=True, rename="camel"):
    """One condition as Kubernetes writes it."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str
    last_transition_time: str
    observed_generation: int


class FleetStatus(Struct, frozen=True, kw_only=True, rename="camel"):
    """What is so, as the operator last wrote it."""

    observed_generation: int = 0
    replicas: int = 0
    ready_replicas: int = 0
    desired_replicas: int = 0
    selector: str = ""
    connections: int = 0
    draining_replicas: int = 0
    draining_connections: int = 0
    counted_time: str | None = None
    last_scale_time: str | None = None
    trend: Trend | None = None
    course: Course | None = None
    drains: Annotated[tuple[Draining, ...], Meta(max_length=10)] = ()
    conditions: tuple[Condition, ...] = ()


CONDITIONS = (
    "Ready",
    "ScalingActive",
    "ScalingLimited",
    "Draining",
    "MetricsStale",
    "ScaleConflict",
    "BudgetInfeasible",
    "VictimMismatch",
)


class Rule(Struct, frozen=True):
    """One check across fields, made by the API server: where it stands, in CEL, and what it tells."""

    at: tuple[str, ...]
    rule: str
    message: str


RULES = (
    Rule(("scaling",), "self.min <= self.max", "min must not be above max"),
    Rule(("scaling",), "self.headroomPercent >= 0", "headroomPercent must not be negative"),
    Rule(
        ("drain",),
        "self.deadlineSeconds > self.propagationSeconds",
        "deadlineSeconds must be longer than propagationSeconds",
    ),
    Rule(
        ("drain",),
        "self.capacityPerPod <= self.podRatePerSecond * (self.deadlineSeconds - self.propagationSeconds)",
        "a full pod cannot be emptied in deadlineSeconds - propagationSeconds at podRatePerSecond",
    ),
    Rule(
        (),
        "self.scaling.targetConnectionsPerPod <= self.drain.capacityPerPod",
        "targetConnectionsPerPod must not be above capacityPerPod",
    ),
)


def read_spec(raw: object) -> FleetSpec:
    """A resource's `spec`. Raises msgspec.ValidationError naming the field that is wrong."""
    return msgspec.convert(raw, FleetSpec)


def read_status(raw: object) -> FleetStatus:
    """A resource's `status`; what cannot be read counts as never written."""
    try:
        return msgspec.convert(raw or {}, FleetStatus)
    except msgspec.ValidationError:
        return FleetStatus()


def written(value: Struct) -> dict[str, object]:
    """A struct as it goes to the API server, every field there, absent ones null."""
    plain: dict[str, object] = msgspec.json.decode(msgspec.json.encode(value))
    return plain
