"""The small cluster over HTTP, for an operator that runs as a process: discovery, watches, reads, writes.

And its pods' admin ports, all on one port of 127.0.0.x. Watches send what changed every tenth of a second.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from continuo_operator.ports import AdminError, ApiError, Door, Exists, Kind
from tests.support.small_cluster import SmallCluster

TICK_S = 0.1
TOKEN = "let-me-in"
MOST_PODS = 5
PLACE = "/namespaces/{namespace}/{plural}"
KINDS = {
    Kind.FLEETS: "ConnectionFleet",
    Kind.DEPLOYMENTS: "Deployment",
    Kind.REPLICASETS: "ReplicaSet",
    Kind.PODS: "Pod",
    Kind.EVENTS: "Event",
    Kind.LEASES: "Lease",
}


class SmallApi:
    """Serves `cluster` at `url`; `watched` holds the query of each watch."""

    def __init__(self, cluster: SmallCluster) -> None:
        self.cluster = cluster
        self.url = ""
        self.admin_port = 0
        self.watched: list[tuple[str, Mapping[str, str]]] = []
        self._runners: list[web.AppRunner] = []
        self._ends = asyncio.Event()

    async def open(self) -> None:
        self.url = f"http://127.0.0.1:{await self._serve(self._api(), 1)}"
        self.admin_port = await self._serve(self._admin(), MOST_PODS)

    async def close(self) -> None:
        self._ends.set()
        for runner in self._runners:
            await runner.cleanup()

    async def _serve(self, routes: list[web.RouteDef], addresses: int) -> int:
        app = web.Application()
        app.add_routes(routes)
        runner = web.AppRunner(app, shutdown_timeout=1)
        await runner.setup()
        self._runners.append(runner)
        port = 0
        for number in range(1, addresses + 1):
            await web.TCPSite(runner, f"127.0.0.{number}", port).start()
            port = runner.addresses[0][1]
        return port

    def _api(self) -> list[web.RouteDef]:
        routes = [
            web.get("/version", self._version),
            web.get("/apis", self._groups),
            web.get("/api", self._core),
        ]
        for root in ("/api/{version}", "/apis/{group}/{version}"):
            one = root + PLACE + "/{name}"
            routes += [
                web.get(root, self._resources),
                web.get(root + PLACE, self._list),
                web.post(root + PLACE, self._create),
                web.get(one, self._get),
                web.patch(one, self._patch),
                web.patch(one + "/{subresource}", self._patch),
            ]
        return routes

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"major": "1", "minor": "30"})

    async def _core(self, _: web.Request) -> web.Response:
        return web.json_response({"kind": "APIVersions", "versions": ["v1"]})

    async def _groups(self, _: web.Request) -> web.Response:
        found = sorted({kind.value[:2] for kind in KINDS if kind.value[0]})
        versions = [{"groupVersion": f"{group}/{version}", "version": version} for group, version in found]
        groups = [
            {"name": group, "preferredVersion": version, "versions": [version]}
            for (group, _), version in zip(found, versions, strict=True)
        ]
        return web.json_response({"kind": "APIGroupList", "groups": groups})

    async def _resources(self, request: web.Request) -> web.Response:
        group = request.match_info.get("group", "")
        resources = [
            {"name": kind.plural, "kind": name, "namespaced": True, "singularName": "", "verbs": VERBS}
            for kind, name in KINDS.items()
            if kind.value[0] == group
        ]
        if not group:  # kopf waits until it has seen this one, though it never asks for any
            resources.append({**resources[0], "name": "namespaces", "kind": "Namespace", "namespaced": False})
        return web.json_response({"kind": "APIResourceList", "resources": resources})

    async def _list(self, request: web.Request) -> web.StreamResponse:
        kind = _kind(request)
        if request.query.get("watch"):
            self.watched.append((kind.plural, dict(request.query)))
            return await self._watch(request, kind)
        items = await self.cluster.list(kind, selector=request.query.get("labelSelector", ""))
        meta = {"resourceVersion": str(len(self.cluster.writes))}
        return web.json_response({"kind": KINDS[kind] + "List", "metadata": meta, "items": items})

    async def _watch(self, request: web.Request, kind: Kind) -> web.StreamResponse:
        stream = web.StreamResponse(headers={"Content-Type": "application/json"})
        await stream.prepare(request)
        selector = request.query.get("labelSelector", "")
        before: dict[str, Any] = {}
        while not self._ends.is_set():
            after = {one["metadata"]["name"]: one for one in await self.cluster.list(kind, selector=selector)}
            for line in _changes(before, after):
                await stream.write(json.dumps(line).encode() + b"\n")
            before = copy.deepcopy(after)
            await asyncio.sleep(TICK_S)
        return stream

    async def _get(self, request: web.Request) -> web.Response:
        return await _answered(self.cluster.get(_kind(request), request.match_info["name"]))

    async def _create(self, request: web.Request) -> web.Response:
        return await _answered(self.cluster.create(_kind(request), await request.json()))

    async def _patch(self, request: web.Request) -> web.Response:
        kind, name = _kind(request), request.match_info["name"]
        body = json.loads(await request.text())
        subresource = request.match_info.get("subresource", "")
        if "apply" in request.content_type:
            return await _answered(self.cluster.apply(kind, name, body, subresource=subresource))
        version = body.get("metadata", {}).pop("resourceVersion", None)
        return await _answered(
            self.cluster.patch(kind, name, body, subresource=subresource, resource_version=version)
        )

    def _admin(self) -> list[web.RouteDef]:
        return [web.route("*", "/{word}", self._pod)]

    async def _pod(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.json_response({}, status=401)
        address = request.host.partition(":")[0]
        names = [name for name, pod in self.cluster.pods().items() if pod["status"]["podIP"] == address]
        door = Door(names[0] if names else "", address, 0)
        try:
            match request.match_info["word"]:
                case "drain":
                    report = await self.cluster.drain(door, **await request.json())
                case "undrain":
                    report = await self.cluster.undrain(door, **await request.json())
                case _:
                    report = await self.cluster.status(door)
        except AdminError as fault:
            return web.json_response({}, status=fault.status or 503)
        return web.json_response({name: getattr(report, name) for name in report.__struct_fields__})


VERBS = ["get", "list", "watch", "patch", "create"]


def _kind(request: web.Request) -> Kind:
    plural = request.match_info["plural"]
    return next(kind for kind in KINDS if kind.plural == plural)


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    changed = [one for name, one in after.items() if before.get(name) != one]
    lines = [
        {"type": "MODIFIED" if one["metadata"]["name"] in before else "ADDED", "object": one}
        for one in changed
    ]
    return lines + [{"type": "DELETED", "object": one} for name, one in before.items() if name not in after]


async def _answered(asked: Any) -> web.Response:
    try:
        return web.json_response(await asked)
    except ApiError as fault:
        reason = "AlreadyExists" if isinstance(fault, Exists) else "Conflict"
        said = {"kind": "Status", "status": "Failure", "reason": reason, "message": str(fault)}
        return web.json_response(said, status=fault.status)
