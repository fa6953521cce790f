"""What to do, as data: `decide` makes it, `apply` carries it out, tests and the simulator read it.

Effects are in order. `key` names what an effect touches: when one fails, later ones with the same key and the
events about it are left out, and the next loop decides anew. Every write of an object carries what the
decision was based on: the object's resourceVersion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from continuo_operator.spec import FleetStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class OfPod:
    """What is done to one pod."""

    pod: str

    @property
    def key(self) -> str:
        return f"pod/{self.pod}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfScale:
    """What is done to the Deployment's number of pods."""

    deployment: str
    resource_version: str | None

    @property
    def key(self) -> str:
        return "scale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Relabel(OfPod):
    """Let a pod be an endpoint or not, with the plan whose victim it is (None: nobody's)."""

    resource_version: str | None
    accepts: bool
    plan: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain(OfPod):
    """Ask a pod to empty itself within so many seconds."""

    plan: str
    within_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Undrain(OfPod):
    """Ask a pod to serve again; `plan` is the one that it said it follows."""

    plan: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCost(OfPod):
    """Make an emptied pod the cheapest to delete."""

    resource_version: str | None
    plan: str
    at: float
    cost: int = -1000


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearCost(OfPod):
    """Take the deletion cost off a pod."""

    resource_version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim(OfScale):
    """Become the owner of the Deployment's replicas by server-side apply, leaving their number as it is."""

    replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale(OfScale):
    """Change the number of pods."""

    from_replicas: int
    to_replicas: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteStatus:
    """Say what is so; what this plan changes is told by the next, which sees it."""

    status: FleetStatus
    resource_version: str | None
    """None: whatever it is now; the status has one writer."""

    @property
    def key(self) -> str:
        return "status"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmitEvent:
    """Tell people of a decision. `name` is the same for the same decision, so that telling twice is once."""

    name: str
    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    about: tuple[str, ...] = ()
    """Keys of the effects it tells of: told if one of them succeeded; empty: always."""

    @property
    def key(self) -> str:
        return f"event/{self.name}"


Effect = Relabel | Drain | Undrain | SetCost | ClearCost | Claim | Scale | WriteStatus | EmitEvent


@dataclass(frozen=True, slots=True)
class Plan:
    """Effects in order; empty: all is well as it is."""

    effects: tuple[Effect, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.effects)
