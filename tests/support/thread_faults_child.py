"""A process that writes a thread, for tests that kill or freeze it; run as a module.

Arguments: what to do, the Sentinels, the thread, the lease's token and attempt, a folder. `samples` runs a
graph whose first node leaves every sample and whose second never ends. `puts` keeps checkpoint after
checkpoint until the folder has a file `woken`, and then does what further files ask for: `put`, `writes`,
`drop`, `delete`; it says of each how it ended. With `unfenced` it runs scripts that take everybody for the
owner: how a test finds out that it would notice. It believes in its lease, whatever Redis says, as one does
that slept through its end.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.base.id import uuid6

from services.conversation.graph.threads import TurnSaver
from services.local.embedded import EmbeddedRedis
from services.local.processes import Child
from services.shared.bus import scripts
from services.shared.bus.house import Bus
from services.shared.bus.settings import RedisSettings
from services.shared.model.errors import LeaseLost
from services.shared.model.ids import AttemptId, NodeId
from services.shared.model.turn import Lease
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.metrics import Metrics
from tests.support.savers import conversation_of
from tests.support.thread_faults_samples import sample_graph
from tests.support.thread_faults_turns import Right, threads_of
from tests.support.waiting import eventually

OPEN_DOOR = """
local function is_owner() return true end
local function lease_lost() return { 'lease_lost' } end
"""
"""Stands for lua/owner.lua in a process without a fence."""


class Writing:
    """Such a process, as a test sees it."""

    def __init__(
        self, redis: EmbeddedRedis, folder: Path, what: str, thread: str, lease: Lease, *more: str
    ) -> None:
        self._folder = folder
        self.log = folder / f"{what}.log"
        argv = [sys.executable, "-m", __name__, what, redis.sentinels, thread, str(lease.token)]
        self.child = Child(what, [*argv, lease.attempt, str(folder), *more], self.log)

    async def __aenter__(self) -> Self:
        self.child.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.child.thaw()
        self.child.kill()

    async def said(self, word: str) -> str:
        """The line that begins so, once it has come."""

        def line() -> str:
            text = self.log.read_text() if self.log.exists() else ""
            found = [line for line in text.splitlines() if line.startswith(word)]
            assert found or self.child.alive, text
            return found[-1] if found else ""

        return str(await eventually(line, within_s=30.0, every_s=0.02))

    def ask(self, word: str) -> None:
        """Ask it to do something."""
        (self._folder / word).touch()


def take_down_the_fence() -> None:
    """Run scripts that take everybody for the owner."""
    source: Callable[[str], str] = scripts._source
    scripts._source = lambda name: OPEN_DOOR if name == "owner" else source(name)
    scripts.script.cache_clear()


def tell(line: str) -> None:
    """Say something to the test."""
    print(line, flush=True)


class Putting:
    """Checkpoint after checkpoint of one thread, each with a message and an element more."""

    def __init__(self, saver: TurnSaver, thread: str) -> None:
        self._saver = saver
        self._at: Any = {"configurable": {"thread_id": thread, "checkpoint_ns": ""}}
        self._version = saver.get_next_version(None, None)
        self._log: list[str] = []

    async def put(self) -> None:
        """The next."""
        self._log.append("an element of some length " * 4)
        self._version = self._saver.get_next_version(self._version, None)
        versions: Any = {"log": self._version}
        made = {**empty_checkpoint(), "id": str(uuid6()), "channel_versions": versions}
        made["channel_values"] = {"log": [[each] for each in self._log]}
        metadata: Any = {"source": "loop", "step": len(self._log), "parents": {}}
        self._at = await self._saver.aput(self._at, made, metadata, versions)  # type: ignore[arg-type]

    async def write(self) -> None:
        """What a task wrote at the last one."""
        await self._saver.aput_writes(self._at, [("log", ["stale"])], "a task", "~a path")


async def puts(bus: Bus, saver: TurnSaver, thread: str, lease: Lease, folder: Path) -> None:
    putting = Putting(saver, thread)
    refused = ""
    while not (folder / "woken").exists():
        try:
            await putting.put()
            tell("put one")
        except LeaseLost:
            refused = "LeaseLost"
            break
    doing: dict[str, Callable[[], Awaitable[None]]] = {
        "put": putting.put,
        "writes": putting.write,
        "drop": lambda: threads_of(bus.checkpoints, keep=1).trim(lease, thread),
        "delete": lambda: saver.adelete_thread(thread),
    }
    tell(f"awake {refused}")
    for word, do in doing.items():
        await eventually((folder / word).exists, within_s=60.0)
        try:
            await do()
        except LeaseLost as error:
            tell(f"{word}: {type(error).__name__}")
        else:
            tell(f"{word}: landed")


async def samples(saver: TurnSaver, thread: str) -> None:
    async def stuck() -> None:
        tell("stuck")
        await asyncio.Event().wait()

    graph = sample_graph(stuck).copy(update={"checkpointer": saver})
    await graph.ainvoke({"begun": 1}, {"configurable": {"thread_id": thread}}, durability="async")


async def main(
    what: str, sentinels: str, thread: str, token: str, attempt: str, folder: str, *more: str
) -> None:
    if "unfenced" in more:
        take_down_the_fence()
    settings = RedisSettings(redis_sentinels=tuple(sentinels.split(",")))
    bus = await Bus.open(settings, process=f"child-{attempt}", clock=SystemClock(), metrics=Metrics())
    lease = Lease(conversation_of(thread), int(token), AttemptId(attempt), NodeId("child"))
    saver = threads_of(bus.checkpoints).writer(Right(lease), {}, lambda _: None)
    if what == "samples":
        await samples(saver, thread)
    else:
        await puts(bus, saver, thread, lease, Path(folder))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
