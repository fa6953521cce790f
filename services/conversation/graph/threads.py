"""Threads in the hands of a worker: one saver to look with, and one for each execution of a turn.

Called by `agent`. An execution's saver marks every checkpoint with turn and attempt (by which a successor
knows that this turn was entered), writes under the worker's lease, waits while Redis is away, and reports
messages once the checkpoint that holds them is replicated: not earlier, or a final could be told that a
failover takes out of the thread. `stock` does the same with langgraph-checkpoint-redis.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Any, Protocol, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver, ChannelVersions, Checkpoint, CheckpointMetadata
from langgraph.checkpoint.serde.types import _DeltaSnapshot
from langgraph.constants import END

from services.conversation.graph.caller import untold
from services.conversation.graph.loose import Loose
from services.conversation.graph.reader import Reader
from services.conversation.graph.records import TURN as TURN
from services.conversation.graph.saver import STEP_BYTES, Addition, RolledBack, Saver
from services.conversation.graph.serde import ThreadSerializer
from services.conversation.graph.turnstile import Turnstile
from services.conversation.graph.watch import UNWATCHED, Watcher, watched
from services.shared.bus.checkpoints import Checkpoints
from services.shared.model.errors import LeaseLost, Temporary
from services.shared.model.ids import AgentName, ConversationId, TurnId
from services.shared.model.thread import Keeping, Place
from services.shared.model.turn import Lease
from services.shared.runtime.logging import get_logger
from services.shared.runtime.trouble import Trouble

ATTEMPT = "attempt"
TRACE = "trace"
"""Keys of a checkpoint's metadata, beside TURN."""

MESSAGES = "messages"
"""The channel of what is said."""

AGAIN_S = 0.1
"""Pause before a write that Redis did not answer is repeated."""

log = get_logger(__name__)

Done = TypeVar("Done")


class Guard(Protocol):
    """The right to write, as the keeper knows it. The script has the last word."""

    @property
    def lease(self) -> Lease:
        """The lease to write under."""
        ...

    @property
    def closed(self) -> bool:
        """Whether the execution was stopped, or has ended: nothing of it may be done any more."""
        ...

    async def passage(self) -> None:
        """Return once the lease is surely held; raise LeaseLost when it is not, or the execution was
        stopped.
        """
        ...

    async def through(self, write: Callable[[Lease], Awaitable[Done]]) -> Done:
        """Write behind the passage. What was begun is carried out, also when the caller is cancelled: whoever
        stops an execution can wait until nothing of it is under way.
        """
        ...


RETURNED = END
"""The channel of what an entrypoint returned."""

Kept = Callable[[Any], None]
"""Hears what is said in the thread each time a checkpoint with it is safe; None when its channel keeps only
what changed (DeltaChannel), and the thread has to be read to know it."""


class ExecutionSaver(BaseCheckpointSaver[str]):
    """A saver for one execution."""

    async def settle(self) -> None:
        """Return once all that was written is replicated: no later put would find it missing.

        To be called when the graph came to its end, before anybody is told so. Raises LeaseLost, RolledBack.
        """
        raise NotImplementedError


class Threads(Protocol):
    """All threads of a process, whoever keeps them."""

    def thread_of(self, conversation: ConversationId, agent: AgentName) -> str:
        """Return the id of the thread an agent keeps of a conversation."""
        ...

    def reader(self) -> BaseCheckpointSaver[str]:
        """Return a saver that only reads."""
        ...

    def writer(
        self,
        guard: Guard,
        marks: Mapping[str, str],
        kept: Kept,
        watcher: Watcher = UNWATCHED,
        reader: BaseCheckpointSaver[str] | None = None,
    ) -> ExecutionSaver:
        """Return a saver for one execution; `watcher` hears of each write. reader: one that has just read the
        thread, under the same lease; nothing was written since.
        """
        ...

    async def trim(self, lease: Lease, thread: str) -> None:
        """Forget a thread's old checkpoints. Raises LeaseLost, BusUnavailable."""
        ...

    async def forget(self, guard: Guard, thread: str, turns: Collection[TurnId]) -> None:
        """Forget all that turns brought, the thread's latest: it is where it was before the first of them, or
        gone if it began with it. A replica has it so on return; a repeat is harmless. Raises LeaseLost,
        UnreadableCheckpoint.
        """
        ...

    async def delete(self, guard: Guard, thread: str) -> None:
        """Forget a thread. A repeat is harmless. Raises LeaseLost, BusUnavailable."""
        ...


def says(new_versions: Collection[str]) -> bool:
    """Tell whether a checkpoint with these changes changes what is said."""
    return MESSAGES in new_versions or RETURNED in new_versions


def said_value(checkpoint: Checkpoint) -> Any:
    """Return what is said in a checkpoint; None when it stands in what its ancestors' tasks wrote."""
    values = checkpoint["channel_values"]
    said = values[RETURNED] if RETURNED in values else values.get(MESSAGES)
    return said.value if isinstance(said, _DeltaSnapshot) else said


class NoRights:
    """For reading."""

    async def lease(self, thread: str) -> Lease:
        """Refuse."""
        raise LeaseLost(f"thread {thread} is open for reading only")


class HeldRights:
    """A lease, taken on trust: the script refuses it when it is gone."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease

    async def lease(self, thread: str) -> Lease:  # noqa: ARG002 - the script knows whose thread it is
        """Return it."""
        return self._lease


class ContinuoThreads:
    """Threads kept by Continuo's own saver. ttl_s, keep, turns, step_bytes: as of Saver."""

    def __init__(
        self,
        checkpoints: Checkpoints,
        serde: ThreadSerializer,
        *,
        ttl_s: int,
        keep: int,
        turns: int = 0,
        step_bytes: int = STEP_BYTES,
    ) -> None:
        self._checkpoints = checkpoints
        self._serde = serde
        self._keep = keep
        self._turns = turns
        self._ttl_s = ttl_s
        self._step_bytes = step_bytes
        self._turnstile = Turnstile()

    def thread_of(self, conversation: ConversationId, agent: AgentName) -> str:
        """Return `<conversation>.<agent>`."""
        return f"{conversation}.{agent}"

    def reader(self) -> Saver:
        """Return a saver that only reads."""
        return Saver(self._checkpoints, NoRights(), serde=self._serde, turnstile=self._turnstile)

    def writer(
        self,
        guard: Guard,
        marks: Mapping[str, str],
        kept: Kept,
        watcher: Watcher = UNWATCHED,
        reader: BaseCheckpointSaver[str] | None = None,
    ) -> "TurnSaver":
        """Return a saver for one execution."""
        saver = TurnSaver(
            self._checkpoints,
            guard,
            marks,
            kept,
            watcher,
            serde=self._serde,
            turnstile=self._turnstile,
            ttl_s=self._ttl_s,
            step_bytes=self._step_bytes,
        )
        saver.foreseen = reader.seen if isinstance(reader, Reader) else None
        return saver

    async def trim(self, lease: Lease, thread: str) -> None:
        """Forget a thread's old checkpoints. Raises LeaseLost, BusUnavailable."""
        rights, keep, turns = HeldRights(lease), self._keep, self._turns
        await Saver(self._checkpoints, rights, serde=self._serde, keep=keep, turns=turns).trim(thread)

    async def forget(self, guard: Guard, thread: str, turns: Collection[TurnId]) -> None:
        """Forget all that turns brought, of the graph and of those it ran. Raises LeaseLost."""
        await self.writer(guard, {}, lambda _: None).forget_turns(thread, turns)

    async def delete(self, guard: Guard, thread: str) -> None:
        """Forget a thread. Raises LeaseLost."""
        await self.writer(guard, {}, lambda _: None).adelete_thread(thread)


class TurnSaver(Saver, ExecutionSaver):
    """A saver in the hands of one execution."""

    def __init__(
        self,
        checkpoints: Checkpoints,
        guard: Guard,
        marks: Mapping[str, str],
        kept: Kept,
        watcher: Watcher,
        *,
        serde: ThreadSerializer,
        turnstile: Turnstile,
        ttl_s: int,
        step_bytes: int,
    ) -> None:
        super().__init__(
            checkpoints,
            NoRights(),  # writes go through the guard, see `written`
            serde=serde,
            turnstile=turnstile,
            ttl_s=ttl_s,
            step_bytes=step_bytes,
        )
        self._guard = guard
        self._marks = marks
        self._kept = kept
        self._watcher = watcher
        self._loose = Loose[Addition]()

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """As Saver's, without what the graph was told of the turn."""
        return await super().aput(untold(config), checkpoint, metadata, new_versions)

    def marked(self, metadata: CheckpointMetadata) -> CheckpointMetadata:
        """Return the metadata with this execution's marks."""
        return cast(CheckpointMetadata, {**metadata, **self._marks})

    def telling(self, place: Place, new_versions: Collection[str]) -> bool:
        """Whether a checkpoint changes what is said."""
        return not place.space and says(new_versions)

    def kept(self, place: Place, checkpoint: Checkpoint, new_versions: Collection[str]) -> None:
        """Report messages that are safe now."""
        if self.telling(place, new_versions):
            self._kept(said_value(checkpoint))

    async def added(self, addition: Addition, *, acknowledged: bool) -> Keeping:
        """Carry out an addition; note it until a replica has it, or a later one."""
        mark, place = self._loose.mark(), addition.place
        with watched(self._watcher.write(place.thread, place.id, addition.size, addition.writes)):
            keeping = await super().added(addition, acknowledged=acknowledged)
        if keeping is Keeping.KEPT and acknowledged:
            self._loose.confirmed(mark)
        elif keeping is Keeping.KEPT:
            self._loose.add(addition)
        return keeping

    async def settle(self) -> None:
        """Repeat what a failover might have taken back, and wait for a replica to have it.

        Raises RolledBack when a space's last checkpoint has lost what it stands on. One before it may have: a
        failover took it back, and a later one was kept whole.
        """
        loose = self._loose.taken()
        last: dict[str, Keeping] = {}
        for place, addition in enumerate(loose, 1):
            keeping = await super().added(addition, acknowledged=place == len(loose))
            if not addition.writes:
                last[addition.place.space] = keeping
        if any(keeping is not Keeping.KEPT for keeping in last.values()):
            raise RolledBack("what the graph ended with has lost what it stands on")

    async def written(self, thread: str, write: Callable[[Lease], Awaitable[Done]]) -> Done:
        """Write while the lease is ours, and again until Redis has answered: a graph waits rather than
        fails.
        """
        del thread  # the script knows whose it is
        unwritten = Trouble(log, "checkpoint not written yet", "checkpoint written at last")
        while True:
            try:
                done = await self._guard.through(write)
            except Temporary as error:
                unwritten.met(error=type(error).__name__)
                await asyncio.sleep(AGAIN_S)
            else:
                unwritten.over()
                return done
