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
class Relabel:
    """Let a pod be an endpoint or not, with the plan whose victim it is (None: nobody's)."""

    pod: str
    resource_version: str | None
    accepts: bool
    plan: str | None

    @property
    def key(self) -> str:
        return f"pod/{self.pod}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drain:
    """Ask a pod to empty itself within so many seconds."""

    pod: str
    plan: str
    within_s: float

    @property
    def key(self) -> str:
        return f"pod/{self.pod}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Undrain:
    """Ask a pod to serve again; `plan` is the one that it said it follows."""

    pod: str
    plan: str

    @property
    def key(self) -> str:
        return f"pod/{self.pod}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCost:
    """Make an emptied pod the cheapest to delete."""

    pod: str
    resource_version: str | None
    plan: str
    at: float
    cost: int = -1000

    @property
    def key(self) -> str:
        return f"pod/{self.pod}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClearCost:
    """Take the deletion cost off a pod."""

    pod: str
    resource_version: str | None

    @property
    def key(self) -> str:
        return f"pod/{self.pod}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Become the owner of the Deployment's replicas by server-side apply, leaving their number as it is."""

    deployment: str
    replicas: int
    resource_version: str | None

    @property
    def key(self) -> str:
        return "scale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Change the number of pods."""

    deployment: str
    from_replicas: int
    to_replicas: int
    resource_version: str | None

    @property
    def key(self) -> str:
        return "scale"


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteStatus:
    """Say what is so. Left out when a Scale of the same plan failed: it would tell of it."""

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
