"""The `Cluster` port over HTTP, for one namespace. Reads what must be fresh and does all writes.

kopf watches; this does the rest. Lists come from kopf's indexes where there are any (`Indexed`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import aiohttp

from continuo_operator.access import Access
from continuo_operator.ports import ApiError, Cluster, Conflict, Exists, Kind, Missing, Object

WITHIN_S = 10.0
CLUSTER_WIDE = frozenset({Kind.NODES})
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


class ApiClient:
    """Requests to the API server, each answered or ended within ten seconds."""

    def __init__(
        self, session: aiohttp.ClientSession, access: Access, *, namespace: str, manager: str
    ) -> None:
        self._session = session
        self._access = access
        self._namespace = namespace
        self._manager = manager

    async def list(self, kind: Kind, *, selector: str = "") -> Sequence[Object]:
        query = {"labelSelector": selector} if selector else {}
        found = await self._call("GET", self._path(kind), query=query)
        items: list[Object] = found.get("items") or []
        return items

    async def get(self, kind: Kind, name: str) -> Object:
        return await self._call("GET", self._path(kind, name))

    async def patch(
        self,
        kind: Kind,
        name: str,
        patch: Object,
        *,
        subresource: str = "",
        resource_version: str | None = None,
    ) -> Object:
        body: dict[str, Any] = dict(patch)
        if resource_version is not None:
            body["metadata"] = {**body.get("metadata", {}), "resourceVersion": resource_version}
        path = self._path(kind, name, subresource)
        return await self._call("PATCH", path, body, MERGE, {"fieldManager": self._manager})

    async def create(self, kind: Kind, body: Object) -> Object:
        return await self._call(
            "POST", self._path(kind), body, "application/json", {"fieldManager": self._manager}
        )

    async def apply(self, kind: Kind, name: str, body: Object, *, subresource: str = "") -> Object:
        query = {"fieldManager": self._manager, "force": "true"}
        return await self._call("PATCH", self._path(kind, name, subresource), body, APPLY, query)

    def _path(self, kind: Kind, name: str = "", subresource: str = "") -> str:
        root = f"/apis/{kind.api_version}" if kind.value[0] else f"/api/{kind.api_version}"
        place = [] if kind in CLUSTER_WIDE else ["namespaces", self._namespace]
        return "/".join([root, *place, kind.plural, *filter(None, (name, subresource))])

    async def _call(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        content: str = "",
        query: Mapping[str, str] | None = None,
    ) -> Object:
        if not self._access.known:
            raise ApiError("not logged in yet")
        headers = self._access.headers() | ({"Content-Type": content} if content else {})
        data = None if body is None else json.dumps(body).encode()
        try:
            async with self._session.request(
                method,
                self._access.server + path,
                params=query,
                data=data,
                headers=headers,
                ssl=self._access.tls,
                timeout=aiohttp.ClientTimeout(total=WITHIN_S),
            ) as said:
                return _answer(said.status, await said.read(), f"{method} {path}")
        except (aiohttp.ClientError, TimeoutError, OSError) as fault:
            raise ApiError(f"{method} {path}: {fault!r}") from fault


class Indexed:
    """A cluster whose lists come from what kopf watches: no request, and as late as a watch may be."""

    def __init__(self, cluster: Cluster, seen: Callable[[Kind], Sequence[Object] | None]) -> None:
        self._seen = seen
        self.get = cluster.get
        self.patch = cluster.patch
        self.create = cluster.create
        self.apply = cluster.apply
        self._list = cluster.list

    async def list(self, kind: Kind, *, selector: str = "") -> Sequence[Object]:
        seen = self._seen(kind)
        if seen is None:
            return await self._list(kind, selector=selector)
        wanted = [one.partition("=")[::2] for one in selector.split(",") if one]
        return [one for one in seen if all(_label(one, name) == value for name, value in wanted)]


def _label(raw: Object, name: str) -> str | None:
    return (raw["metadata"].get("labels") or {}).get(name)


def _answer(status: int, text: bytes, asked: str) -> Object:
    try:
        said: Any = json.loads(text or b"{}")
    except ValueError as fault:
        raise ApiError(f"{asked}: {status}, and no JSON", status) from fault
    if status < 300:
        found: Object = said
        return found
    about = said if isinstance(said, dict) else {}
    message = f"{asked}: {status} {about.get('message', '')}"
    if status == 404:
        raise Missing(message, status)
    if status == 409:
        raise (Exists if about.get("reason") == "AlreadyExists" else Conflict)(message, status)
    raise ApiError(message, status)
