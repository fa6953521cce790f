"""What gather, apply and the lease need of the outside: a cluster's API and the pods' admin ports.

`client` and `admin` speak to real ones over HTTP; the simulator of the tests implements the same protocols in
process. Objects are plain JSON mappings as the API server gives them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from continuo_operator.snapshot import Report
from continuo_operator.spec import GROUP, PLURAL, VERSION

Object = Mapping[str, Any]


class Kind(Enum):
    """The kinds of objects it deals with: API group, version, plural."""

    FLEETS = (GROUP, VERSION, PLURAL)
    DEPLOYMENTS = ("apps", "v1", "deployments")
    REPLICASETS = ("apps", "v1", "replicasets")
    PODS = ("", "v1", "pods")
    NODES = ("", "v1", "nodes")
    EVENTS = ("", "v1", "events")
    LEASES = ("coordination.k8s.io", "v1", "leases")

    @property
    def plural(self) -> str:
        return self.value[2]

    @property
    def api_version(self) -> str:
        group, version, _ = self.value
        return f"{group}/{version}" if group else version


class ApiError(Exception):
    """The API server did not do it: status and reason as it gave them. The next loop tries anew."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Conflict(ApiError):
    """The object changed since it was read (409 Conflict)."""


class Exists(ApiError):
    """There is an object of that name already (409 AlreadyExists)."""


class Missing(ApiError):
    """There is no such object (404)."""


class AdminError(Exception):
    """A pod did not answer, or refused (409: it is ending, or another plan holds it)."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Cluster(Protocol):
    """A namespace's API. Raises ApiError or one of its kinds."""

    async def list(self, kind: Kind, *, selector: str = "") -> Sequence[Object]:
        """All objects of a kind with these labels; may lag behind, as watches do."""
        ...

    async def get(self, kind: Kind, name: str) -> Object:
        """One object, as it is now: never from a watch."""
        ...

    async def patch(
        self,
        kind: Kind,
        name: str,
        patch: Object,
        *,
        subresource: str = "",
        resource_version: str | None = None,
    ) -> Object:
        """A merge patch; with a resourceVersion, only if the object still has it (else Conflict)."""
        ...

    async def create(self, kind: Kind, body: Object) -> Object: ...

    async def apply(self, kind: Kind, name: str, body: Object, *, subresource: str = "") -> Object:
        """A server-side apply under the operator's field manager, forced; a resourceVersion in it holds."""
        ...


@dataclass(frozen=True, slots=True)
class Door:
    """Where a pod's admin port is."""

    pod: str
    ip: str
    port: int


class Admin(Protocol):
    """The pods' admin ports. Raises AdminError."""

    async def status(self, door: Door) -> Report: ...

    async def drain(self, door: Door, *, plan: str, within_s: float) -> Report: ...

    async def undrain(self, door: Door, *, plan: str) -> Report: ...
