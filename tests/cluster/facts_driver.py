"""How a fact of Kubernetes is asked after: the same few calls of the simulator, and of a real cluster.

A real one is used where KUBECONFIG names it and CONTINUO_FACTS_IMAGE names an image whose process ends at
SIGTERM (a pause image). Each fact gets a namespace of its own there, and takes it away.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import aiohttp
import kopf

from continuo_operator.snapshot import Policy
from tests.cluster.api import APPLY, MERGE, STRATEGIC, Request, place_of
from tests.cluster.cluster import NAMESPACE, SimulatedCluster
from tests.cluster.kinds import NAMESPACES, Kind
from tests.cluster.objects import Object
from tests.cluster.watching import Watch

MANAGER = "facts"
WITHIN_S = 180.0


class RefusedError(Exception):
    """An answer of 400 and above."""

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status} {body}")
        self.status = status


class Road(Protocol):
    """How calls get there and how time passes."""

    namespace: str
    image: str

    async def call(self, request: Request) -> tuple[int, Any]: ...
    async def text(self, request: Request) -> str: ...
    async def rest(self) -> None: ...
    def now(self) -> float: ...
    def watch(self, request: Request) -> AbstractAsyncContextManager[list[Object]]: ...


class Simulated:
    """The simulator: resting moves its clock."""

    def __init__(self, cluster: SimulatedCluster) -> None:
        self.namespace = NAMESPACE
        self.image = "pause"
        self._cluster = cluster

    async def call(self, request: Request) -> tuple[int, Any]:
        return self._cluster.api.answer(request)

    async def text(self, request: Request) -> str:
        raise NotImplementedError("simulated pods keep no log")

    async def rest(self) -> None:
        self._cluster.world.run(0.25)
        await asyncio.sleep(0)

    def now(self) -> float:
        return self._cluster.world.now

    @asynccontextmanager
    async def watch(self, request: Request) -> Any:
        heard: list[Object] = []
        watch = Watch(self._cluster.store, request, place_of(request.path), heard.append)
        try:
            yield heard
        finally:
            watch.close()


class Real:
    """A cluster behind a kubeconfig."""

    def __init__(self, session: aiohttp.ClientSession, info: kopf.ConnectionInfo, namespace: str) -> None:
        self.namespace = namespace
        self.image = os.environ.get("CONTINUO_FACTS_IMAGE", "")
        self._session = session
        self._info = info

    async def call(self, request: Request) -> tuple[int, Any]:
        headers = {"Content-Type": request.content_type}
        query = (
            {"fieldManager": MANAGER, **request.query}
            if request.method in {"PATCH", "PUT"}
            else request.query
        )
        async with self._session.request(
            request.method,
            self._info.server.rstrip("/") + request.path,
            params=query,
            headers=headers,
            data=None if request.body is None else json.dumps(request.body),
        ) as answer:
            return answer.status, await answer.json()

    async def text(self, request: Request) -> str:
        url = self._info.server.rstrip("/") + request.path
        async with self._session.get(url, params=request.query) as answer:
            return await answer.text() if answer.status < 400 else ""

    async def rest(self) -> None:
        await asyncio.sleep(0.25)

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    @asynccontextmanager
    async def watch(self, request: Request) -> Any:
        heard: list[Object] = []
        async with (
            self._session.get(
                self._info.server.rstrip("/") + request.path, params={**request.query, "watch": "true"}
            ) as answer,
            asyncio.TaskGroup() as group,
        ):

            async def read() -> None:
                async for line in answer.content:
                    event = json.loads(line)
                    heard.append(event)

            task = group.create_task(read())
            yield heard
            task.cancel()


@asynccontextmanager
async def real_road() -> Any:
    """Raises kopf.LoginError where the kubeconfig names nothing usable."""
    info = kopf.login_with_kubeconfig(settings=kopf.OperatorSettings())
    if info is None:
        raise kopf.LoginError("the kubeconfig names no cluster")
    namespace = f"continuo-facts-{os.urandom(4).hex()}"
    connector = aiohttp.TCPConnector(ssl=info.as_ssl_context())
    async with aiohttp.ClientSession(connector=connector, headers=info.as_http_headers()) as session:
        road = Real(session, info, namespace)
        facts = Facts(road)
        await facts.ask("POST", NAMESPACES.root(), {"metadata": {"name": namespace}})
        try:
            await facts.until(facts.may_make_pods)
            yield road
        finally:
            await road.call(Request("DELETE", f"{NAMESPACES.root()}/{namespace}"))


class Facts:
    """What the facts are written with. Every call raises RefusedError on a refusal."""

    def __init__(self, road: Road) -> None:
        self.road = road

    async def ask(
        self, method: str, path: str, body: Any = None, content: str = "application/json", **query: str
    ) -> Any:
        status, answer = await self.road.call(Request(method, path, query, body, content, MANAGER))
        if status >= 400:
            raise RefusedError(status, answer)
        return answer

    def path(self, kind: Kind, name: str = "", sub: str = "") -> str:
        parts = (kind.root(self.road.namespace if kind.namespaced else ""), name, sub)
        return "/".join(part for part in parts if part)

    async def create(self, kind: Kind, thing: Object) -> Object:
        body = {"apiVersion": kind.api_version, "kind": kind.kind, **thing}
        return dict(await self.ask("POST", self.path(kind), body))

    async def get(self, kind: Kind, name: str, sub: str = "") -> Object:
        return dict(await self.ask("GET", self.path(kind, name, sub)))

    async def list(self, kind: Kind, **query: str) -> list[Object]:
        return list((await self.ask("GET", self.path(kind), **query))["items"])

    async def replace(self, kind: Kind, thing: Object) -> Object:
        return dict(await self.ask("PUT", self.path(kind, thing["metadata"]["name"]), thing))

    async def merge(self, kind: Kind, name: str, patch: Object, sub: str = "", **query: str) -> Object:
        return dict(await self.ask("PATCH", self.path(kind, name, sub), patch, MERGE, **query))

    async def apply(
        self, kind: Kind, name: str, body: Object, manager: str, sub: str = "", *, force: bool = False
    ) -> Object:
        if not sub:
            body = {"apiVersion": kind.api_version, "kind": kind.kind, **body}
        query = {"fieldManager": manager, "force": str(force).lower()}
        return dict(await self.ask("PATCH", self.path(kind, name, sub), body, APPLY, **query))

    async def delete(self, kind: Kind, name: str, grace: int | None = None) -> None:
        options = {} if grace is None else {"gracePeriodSeconds": grace}
        await self.ask("DELETE", self.path(kind, name), options)

    async def may_make_pods(self) -> bool:
        """Whether the new namespace has the account that its pods run as: without it they are refused."""
        path = f"/api/v1/namespaces/{self.road.namespace}/serviceaccounts/default"
        status, _ = await self.road.call(Request("GET", path))
        return status < 400

    async def evict(self, pod: str) -> None:
        body = {"apiVersion": "policy/v1", "kind": "Eviction",
                "metadata": {"name": pod, "namespace": self.road.namespace}}  # fmt: skip
        await self.ask("POST", f"{self.road_pods()}/{pod}/eviction", body)

    def road_pods(self) -> str:
        return f"/api/v1/namespaces/{self.road.namespace}/pods"

    async def open_gate(self, pod: str, holds: bool = True) -> None:
        """Let a pod with the facts' readiness gate be ready, or not any more."""
        patch = {"status": {"conditions": [{"type": GATE, "status": str(holds)}]}}
        await self.ask("PATCH", f"{self.road_pods()}/{pod}/status", patch, STRATEGIC)

    async def until(self, found: Callable[[], Awaitable[Any]]) -> Any:
        """The first true value. Raises AssertionError after a long while without one."""
        end = self.road.now() + WITHIN_S
        while True:
            value = await found()
            if value:
                return value
            assert self.road.now() < end, f"not within {WITHIN_S:.0f} s"
            await self.road.rest()

    async def text(self, path: str, **query: str) -> str:
        """What is no JSON: a log. Empty where there is none yet."""
        return await self.road.text(Request("GET", path, query))

    async def slack(self) -> None:
        """Let a controller's cache catch up, as long as the operator lets it."""
        end = self.road.now() + Policy().slack_s
        while self.road.now() < end:
            await self.road.rest()

    def watch(self, kind: Kind, **query: str) -> AbstractAsyncContextManager[list[Object]]:
        return self.road.watch(Request("GET", self.path(kind), query))


GATE = "continuo.dev/fact"
