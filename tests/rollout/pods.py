"""Connection servers as the simulated kubelet's processes: real ones, each on a loopback address of its own.

The kubelet starts, probes, tells and kills; what it is told of readiness is the process's own `/readyz`. A
pod's image says which release it is: `connection:<anything>-next` is the one to come.
"""

import asyncio
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from services.local.probe import status_of
from services.local.processes import Child
from tests.cluster.objects import Object, name_of
from tests.cluster.processes import Process
from tests.cluster.world import World
from tests.rollout.launched import FOLDER, PROCESS, RELEASE, WITHOUT
from tests.rollout.ways import NEXT

PROBE_S = 0.25
FAILURES = 3
"""Probes in a row that must fail before a pod that was ready is not, as Kubernetes counts."""
SERVICE = "services.connection"


class Ports:
    """The ports that every pod listens on, at its own address."""

    client = 8000
    pages = 8080
    admin = 8081


class Addresses:
    """Hands out loopback addresses; `latest` is what the kubelet writes down for the pod just started."""

    def __init__(self) -> None:
        self._number = 0
        self.latest = ""

    def take(self) -> str:
        """One that nobody had."""
        self._number += 1
        self.latest = f"127.9.{self._number // 250}.{self._number % 250 + 1}"
        return self.latest


class ServerPod(Process):
    """One connection server."""

    def __init__(
        self, world: World, pod: Object, ended: Callable[[], None], child: Child, address: str
    ) -> None:
        super().__init__(world, pod, ended)
        self.name = name_of(pod)
        self.address = address
        self.child = child
        self.told = False
        self.crashed = False
        """Whether it ended without having been told to, or not well."""
        self._ready = False
        child.start()
        self.watching = asyncio.get_running_loop().create_task(self._watch())

    @property
    def is_ready(self) -> bool:
        return self.alive and self._ready

    def terminate(self) -> None:
        self.told = True
        self.child.signal(signal.SIGTERM)

    def kill(self) -> None:
        self.crashed = self.crashed or self.child.alive
        self.child.kill()

    async def _watch(self) -> None:
        failed = 0
        while self.child.alive:
            said = await status_of(Ports.pages, "/readyz", self.address)
            failed = 0 if said == 200 else failed + 1
            self._ready = said == 200 or (self._ready and failed < FAILURES)
            await asyncio.sleep(PROBE_S)
        self.crashed = self.crashed or not self.told or self.child.exit_code != 0
        self.end()


class Servers:
    """Starts the pods' processes and keeps them for the end. without: the protection they lack, if any."""

    def __init__(self, folder: Path, environ: Mapping[str, str], without: str = "") -> None:
        self._folder = folder
        self._environ = environ
        self._without = without
        self.addresses = Addresses()
        self.all: list[ServerPod] = []

    def run(self, world: World, pod: Object, ended: Callable[[], None]) -> Process:
        """What runs in a pod, for the kubelet."""
        name, address = name_of(pod), self.addresses.take()
        [container] = pod["spec"]["containers"]
        release = NEXT if container["image"].endswith(f"-{NEXT}") else ""
        own = {
            "CONTINUO_HOST": address,
            "CONTINUO_PORT": str(Ports.client),
            "CONTINUO_PAGES_PORT": str(Ports.pages),
            "CONTINUO_ADMIN_HOST": address,
            "CONTINUO_ADMIN_PORT": str(Ports.admin),
            "CONTINUO_NODE": name,
            "CONTINUO_LOG_LEVEL": "debug",  # each close is told, see `paced`
            FOLDER: str(self._folder),
            PROCESS: name,
            RELEASE: release,
            WITHOUT: self._without,
        }
        argv = [sys.executable, "-m", "tests.rollout.launched", SERVICE]
        child = Child(name, argv, self._folder / "logs" / f"{name}.log", {**self._environ, **own})
        started = ServerPod(world, pod, ended, child, address)
        self.all.append(started)
        return started

    def crashed(self) -> list[str]:
        """Servers that ended otherwise than well."""
        return [f"{each.name}: {each.child.last_words()}" for each in self.all if each.crashed]

    def end(self) -> None:
        """End all that still run, at once."""
        for each in self.all:
            each.watching.cancel()
            each.child.kill()
