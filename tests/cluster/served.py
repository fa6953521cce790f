"""The simulator over HTTP and in real time: the API server, and each pod's admin port at an address of its
own.

For an operator that runs as it is. The world's clock follows the real one; what is late is caught up with, at
the world's own times. Everything listens on loopback.
"""

import asyncio
import json
import os
import socket
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from aiohttp import web

from services.connection.core.drain import RefusedError
from tests.cluster.api import Request, place_of
from tests.cluster.cluster import NAMESPACE, SimulatedCluster
from tests.cluster.connection_pod import ConnectionPod
from tests.cluster.errors import ApiError
from tests.cluster.kinds import PODS
from tests.cluster.objects import at
from tests.cluster.watching import Watch

TICK_S = 0.02
BOOKMARK_S = 2.0
ADDRESSES = 60
"""Pods a run may have, one after another."""


class Served:
    """One cluster's sockets. `url` is the API server's; `admin_port` is the port at every pod's address."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.url = ""
        self.admin_port = 0
        self._cluster: SimulatedCluster | None = None
        block = f"127.{20 + os.getpid() % 200}.{(os.getpid() // 200) % 250}"
        self._addresses = [f"{block}.{number}" for number in range(1, ADDRESSES + 1)]
        self._next = count()

    def address(self) -> str:
        """The next pod's."""
        return self._addresses[next(self._next)]

    @property
    def cluster(self) -> SimulatedCluster:
        assert self._cluster is not None
        return self._cluster

    @asynccontextmanager
    async def open(self) -> Any:
        """Listen; the cluster comes by `show`."""
        api, admin = web.Application(), web.Application()
        api.router.add_route("*", "/{path:.*}", self._answer)
        admin.router.add_route("*", "/{path:.*}", self._administer)
        runners = [web.AppRunner(api, shutdown_timeout=0.1), web.AppRunner(admin, shutdown_timeout=0.1)]
        for runner in runners:
            await runner.setup()
        try:
            site = web.TCPSite(runners[0], "127.0.0.1", 0)
            await site.start()
            self.url = f"http://127.0.0.1:{runners[0].addresses[0][1]}"
            self.admin_port = _free_port(self._addresses[0])
            for address in self._addresses:
                await web.TCPSite(runners[1], address, self.admin_port).start()
            yield self
        finally:
            for runner in runners:
                await runner.cleanup()

    @asynccontextmanager
    async def show(self, cluster: SimulatedCluster) -> Any:
        """Serve this cluster, and let its time pass."""
        self._cluster = cluster
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(self._tick())
            yield
            ticking.cancel()

    async def _tick(self) -> None:
        loop, world = asyncio.get_running_loop(), self.cluster.world
        began = loop.time() - world.now
        while True:
            world.run_until(loop.time() - began)
            await asyncio.sleep(TICK_S)

    async def _answer(self, asked: web.Request) -> web.StreamResponse:
        body = await asked.json() if asked.can_read_body else None
        manager = asked.query.get("fieldManager", asked.headers.get("User-Agent", "unknown").split("/")[0])
        request = Request(asked.method, asked.path, dict(asked.query), body, asked.content_type, manager)
        if asked.method == "GET" and asked.query.get("watch") == "true":
            return await self._stream(asked, request)
        status, answer = self.cluster.api.answer(request)
        return web.json_response(answer, status=status)

    async def _stream(self, asked: web.Request, request: Request) -> web.StreamResponse:
        heard: asyncio.Queue[Any] = asyncio.Queue()
        try:
            watch = Watch(self.cluster.store, request, place_of(request.path), heard.put_nowait)
        except ApiError as error:
            return web.json_response(error.body(), status=error.status)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(asked)
        end = asyncio.get_running_loop().time() + float(request.query.get("timeoutSeconds", "300"))
        try:
            while (left := end - asyncio.get_running_loop().time()) > 0:
                try:
                    async with asyncio.timeout(min(BOOKMARK_S, left)):
                        event = await heard.get()
                    await response.write(json.dumps(event).encode() + b"\n")
                except TimeoutError:
                    watch.bookmark()
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            watch.close()
        return response

    async def _administer(self, asked: web.Request) -> web.Response:
        assert asked.transport is not None
        pod = self._pod_at(asked.transport.get_extra_info("sockname")[0])
        if pod is None or not pod.alive or pod.silent:
            return web.json_response({}, status=503)
        if asked.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({}, status=401)
        if asked.method == "POST":
            body = await asked.json()
            try:
                if asked.path == "/drain":
                    pod.order(body["plan"], body["within_s"])
                else:
                    pod.withdraw(body["plan"])
            except RefusedError as refusal:
                return web.json_response({"error": str(refusal)}, status=409)
        return web.json_response(pod.status())

    def _pod_at(self, address: str) -> ConnectionPod | None:
        for thing in self.cluster.store.all(PODS, NAMESPACE):
            process = self.cluster.kubelets.process_of(thing)
            if at(thing, "status", "podIP") == address and isinstance(process, ConnectionPod):
                return process
        return None


def _free_port(address: str) -> int:
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
