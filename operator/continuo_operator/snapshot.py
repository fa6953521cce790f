"""What is, at one moment, as far as `decide` needs it: made by `gather`, read by nobody else.

Times are seconds since 1970. A pod's report is what its admin port last said, with the moment it was asked;
a report that is missing or old means unknown, and unknown is full.
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import Struct

from continuo_operator.spec import FleetSpec, FleetStatus


class Report(Struct, frozen=True, kw_only=True):
    """A connection pod's own word: its `/status` (format 1)."""

    node: str = ""
    state: str = "serving"
    cordoned: bool = False
    plan: str | None = None
    connections: int = 0
    capacity: int = 0
    redis: bool = True
    closed: int = 0
    deadline_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """One connection pod."""

    name: str
    uid: str
    resource_version: str
    revision: str
    """Its pod-template-hash."""
    ip: str | None = None
    node: str | None = None
    ready: bool = False
    ready_since: float | None = None
    created: float = 0.0
    deleted: float | None = None
    """Since when it is going; None while it is not."""
    ends: float | None = None
    """When its grace is over; None while it is not going. Where its node is dead, nobody ends it then."""
    finished: bool = False
    """Its processes ended for good (Succeeded or Failed): it counts for nothing."""
    runs: bool = True
    """Whether a process runs in it; where none does, it holds nobody."""
    restarts: int = 0
    """How often that process was begun anew: what an earlier one said and held ended with it."""
    accepts: bool = True
    plan: str | None = None
    cost: int | None = None
    cost_plan: str | None = None
    cost_at: float | None = None
    report: Report | None = None
    reported: float | None = None

    @property
    def alive(self) -> bool:
        return self.deleted is None and not self.finished


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """The Deployment that the fleet owns the scale of."""

    name: str
    uid: str
    resource_version: str
    replicas: int
    observed: bool
    """Whether its controller has seen its newest spec."""
    revision: str | None
    """pod-template-hash of the newest revision; None while that is not known."""
    selector: str = ""
    max_surge: str | int = "100%"
    min_ready_s: int = 0
    replicas_manager: str | None = None
    """The field manager that last wrote the replicas; None: nobody has claimed them."""
    counted: int | None = None
    """Pods that its controller counts, those that end not among them; None: not known."""
    scaled_at: float | None = None
    """When the operator last changed the replicas, by the API server's clock: it outlives whoever did it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The ConnectionFleet."""

    name: str
    namespace: str
    uid: str
    resource_version: str
    generation: int
    spec: FleetSpec
    status: FleetStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything that one decision is made on."""

    fleet: Fleet
    deployment: Deployment | None
    taken: float = 0.0
    pods: tuple[Pod, ...] = ()
    leaving_nodes: frozenset[str] = frozenset()
    """Nodes that are cordoned or tainted to be emptied; only known with the ClusterRole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The operator's own numbers; seconds where not said otherwise."""

    manager: str = "continuo-operator"
    """Field manager of all its writes."""
    stale_after_s: float = 6.0
    """A report older than this says nothing."""
    ending_slack_s: float = 30.0
    """So long after its grace a pod that does not answer may still be there: a kubelet ends it late."""
    slack_s: float = 2.0
    """From our watch showing a deletion cost to the scale: the controller's own cache."""
    count_every_s: float = 30.0
    count_change_percent: int = 5
    unready_percent: int = 34
    """With this share of its pods not ready, and at least two, a fleet is not shrunk."""
    spread_s: float = 15.0
    """How long a rollout waits for the rest of the new pods before it takes over what fits."""
    mismatch_shown_s: float = 300.0
