"""The services as processes of this machine: started, watched over, ended in order.

Called by `continuo up` and the demonstrations. A child that dies is named in one line and started again,
later each time; one that keeps dying ends everything. Must never know what a service does: a module name,
settings, a health page is all it sees of one.
"""

import asyncio
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import services
from services.local.ending import LocalError
from services.local.probe import status_of
from services.local.processes import Child
from services.local.servers import LOOPBACK, port_is_free

READY_WITHIN_S = 60.0
STOP_WITHIN_S = 27.0
DEATHS_ALLOWED = 5
"""How often a child may die before it ran well for `WELL_AFTER_S` seconds in a row."""
WELL_AFTER_S = 60.0
_LOOK_EVERY_S = 0.1
_PACKAGE_ROOT = str(Path(services.__path__[0]).parent)

Say = Callable[[str], None]


class ChildDiedError(LocalError):
    """A child did not become ready or keeps dying; the message is one line."""


@dataclass(frozen=True, slots=True)
class Service:
    """One process to run: its name here, its module, the port of its pages, its further settings."""

    name: str
    module: str
    port: int
    settings: Mapping[str, str] = field(default_factory=dict)


def backoff_s(deaths: int) -> float:
    """Seconds to wait before the restart after the n-th death in a row: 0.2, 0.4, ... at most 5."""
    return float(min(0.2 * 2 ** (deaths - 1), 5.0))


class Supervisor:
    """Runs `services`; they end in reverse order of their groups, each group at once."""

    def __init__(
        self, groups: Sequence[Sequence[Service]], logs: Path, common: Mapping[str, str], say: Say
    ) -> None:
        self._groups = groups
        self._logs = logs
        self._common = common
        self._say = say
        self._children: dict[str, Child] = {}
        self._restarts: dict[str, asyncio.Task[None]] = {}
        self._deaths: dict[str, int] = {}
        self._began_at: dict[str, float] = {}

    @property
    def services(self) -> list[Service]:
        return [service for group in self._groups for service in group]

    def child(self, name: str) -> Child:
        return self._children[name]

    async def start(self) -> None:
        """Starts all and returns when all are ready. Raises ChildDiedError naming a port in use or who
        died.
        """
        for service in self.services:
            if not port_is_free(service.port):
                others = "--ports (make run PORTS=a,b,c,d,e) takes others"
                raise ChildDiedError(f"{service.name}: port {service.port} is in use; {others}")
        for service in self.services:
            self._begin(service)
        async with asyncio.TaskGroup() as waiting:
            for service in self.services:
                waiting.create_task(self._until_ready(service))

    async def watch(self) -> None:
        """Restarts what dies, until cancelled. Raises ChildDiedError when a child keeps dying."""
        async with asyncio.TaskGroup() as watching:
            for service in self.services:
                watching.create_task(self._watch_one(service))

    async def stop(self) -> None:
        """Ends the services, the last group first; returns when none is left."""
        for group in reversed(self._groups):
            children = [self._children[one.name] for one in group if one.name in self._children]
            await asyncio.gather(*(child.end(STOP_WITHIN_S) for child in children))

    def kill(self) -> None:
        """Ends the services at once."""
        for child in self._children.values():
            child.kill()

    def _begin(self, service: Service) -> None:
        # The package must be found by the child as it was by us, wherever we were started.
        path = os.pathsep.join(part for part in (_PACKAGE_ROOT, os.environ.get("PYTHONPATH")) if part)
        own = {"CONTINUO_HOST": LOOPBACK, "CONTINUO_PORT": str(service.port), "PYTHONPATH": path}
        child = Child(
            service.name,
            [sys.executable, "-m", service.module],
            self._logs / f"{service.name}.log",
            {**os.environ, **self._common, **own, **service.settings},
        )
        child.start()
        self._children[service.name] = child
        self._began_at[service.name] = asyncio.get_running_loop().time()

    async def _until_ready(self, service: Service) -> None:
        child = self._children[service.name]
        deadline = asyncio.get_running_loop().time() + READY_WITHIN_S
        while await status_of(service.port, "/readyz") != 200:
            if not child.alive:
                raise ChildDiedError(_epitaph(child))
            if asyncio.get_running_loop().time() > deadline:
                raise ChildDiedError(f"{service.name} was not ready within {READY_WITHIN_S:.0f} s")
            await asyncio.sleep(_LOOK_EVERY_S)
        self._say(f"{service.name} is ready on port {service.port} (pid {child.pid})")

    async def _watch_one(self, service: Service) -> None:
        while True:
            child = self._children[service.name]
            if child.alive:
                await asyncio.sleep(_LOOK_EVERY_S)
                continue
            deaths = self._count_death(service)
            self._say(f"{_epitaph(child)}; starting it again")
            if deaths > DEATHS_ALLOWED:
                raise ChildDiedError(f"{service.name} keeps dying: {child.last_words()}")
            await asyncio.sleep(backoff_s(deaths))
            self._begin(service)
            await self._until_ready_again(service)

    async def _until_ready_again(self, service: Service) -> None:
        try:
            await self._until_ready(service)
        except ChildDiedError:
            if self._children[service.name].alive:
                raise

    def _count_death(self, service: Service) -> int:
        ran_s = asyncio.get_running_loop().time() - self._began_at[service.name]
        before = 0 if ran_s > WELL_AFTER_S else self._deaths.get(service.name, 0)
        self._deaths[service.name] = before + 1
        return before + 1


def _epitaph(child: Child) -> str:
    code = child.exit_code
    if code is not None and code < 0:
        return f"{child.name} was killed by signal {-code}"
    return f"{child.name} ended with {code}: {child.last_words()}"
