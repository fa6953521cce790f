"""Threads kept by langgraph-checkpoint-redis, for whoever reads its keys: chosen by
CONTINUO_CHECKPOINTER=redis.

Its keys, documents and reading are the library's own. Its writing is replaced: its checkpoint and the
pointer to it are two commands, its metadata lacks the run's, and pending writes that overtake their
checkpoint leave half a document behind. What it stores are whole states as JSON: it changes types that
`serde` keeps. Must never let redis or redisvl errors out: they become BusUnavailable.
"""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, cast

import msgspec
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.redis.aio import AsyncRedisSaver
from langgraph.checkpoint.redis.util import to_storage_safe_str

from services.conversation.graph.foreign import foreign_errors
from services.conversation.graph.loose import Loose
from services.conversation.graph.threads import (
    AGAIN_S,
    TURN,
    ExecutionSaver,
    Guard,
    Kept,
    said_value,
    says,
)
from services.conversation.graph.watch import UNWATCHED, Watcher, watched
from services.shared.bus.foreign import Command, Foreign
from services.shared.model.errors import BusUnavailable, Temporary, UnreadableCheckpoint
from services.shared.model.ids import AgentName, ConversationId, TurnId
from services.shared.model.turn import Lease
from services.shared.runtime.logging import get_logger
from services.shared.runtime.trouble import Trouble

MEND_S = 10.0
"""Between two looks at the indices: only lists and trims need them."""

log = get_logger(__name__)


class StockThreads(AsyncRedisSaver):
    """The saver of all threads of this process, on a client that belongs to the bus."""

    def __init__(self, foreign: Foreign, *, keep: int) -> None:
        """keep: checkpoints of a thread. Each is a whole state, so all of them would grow with the square of
        the conversation.
        """
        super().__init__(redis_client=foreign.client())
        self.foreign = foreign
        self._keep = keep

    async def open(self) -> None:
        """Make the indices where they are missing. Raises BusUnavailable."""
        with foreign_errors():
            await self.setup()

    async def mend(self) -> bool:
        """Make the indices again if they vanished (a Redis that started empty); tell whether they had."""
        with foreign_errors():
            if await self.checkpoints_index.exists() and await self.checkpoint_writes_index.exists():
                return False
            await self.setup()
            return True

    async def keep_mended(self) -> None:
        """Look after the indices until cancelled."""
        unseen = Trouble(log, "indices not looked at", "indices looked at again")
        while True:
            await asyncio.sleep(MEND_S)
            try:
                if await self.mend():
                    log.warning("indices made anew")
            except BusUnavailable as error:
                unseen.met(error=type(error.__cause__ or error).__name__)
            else:
                unseen.over()

    def thread_of(self, conversation: ConversationId, agent: AgentName) -> str:
        """Return the id of the thread an agent keeps of a conversation, by which its keys lie in the
        conversation's partition.
        """
        return self.foreign.thread(conversation, agent)

    def checkpoint_commands(
        self, config: RunnableConfig, checkpoint: Checkpoint, metadata: CheckpointMetadata
    ) -> list[Command]:
        """What keeps a checkpoint: its document, and the pointer to the thread's latest."""
        named = config["configurable"]
        thread, space = named["thread_id"], named.get("checkpoint_ns", "")
        document = self._naming(thread, space, checkpoint["id"]) | {
            "run_id": "",
            "parent_checkpoint_id": named.get("checkpoint_id") or "",
            "checkpoint_ts": datetime.fromisoformat(checkpoint["ts"]).timestamp() * 1000,
            "checkpoint": self._dump_checkpoint(checkpoint),
            "metadata": self._dump_metadata(metadata),
            "has_writes": True,  # a reader of history looks for them then; they may come before this document
            "source": metadata["source"],
            "step": metadata["step"],
        }
        key = self._make_redis_checkpoint_key_cached(thread, space, checkpoint["id"])
        pointer = self._make_redis_checkpoint_latest_key(thread, space)
        return [("JSON.SET", key, "$", msgspec.json.encode(document)), ("SET", pointer, key)]

    def writes_commands(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task: str, path: str
    ) -> list[Command]:
        """What keeps the writes of a task that finished: documents, and their places in the registry."""
        named = config["configurable"]
        place = named["thread_id"], named.get("checkpoint_ns", ""), named["checkpoint_id"]
        assert self._key_registry is not None, "open() was called"
        registry = self._key_registry.make_write_keys_zset_key(*place)
        commands: list[Command] = []
        for score, write in enumerate(self._dump_writes(*place, task, writes)):
            key = self._make_redis_checkpoint_writes_key_cached(*place, task, write["idx"])
            commands.append(("JSON.SET", key, "$", msgspec.json.encode(write | {"task_path": path})))
            commands.append(("ZADD", registry, score, key))
        return commands

    def _naming(self, thread: str, space: str, checkpoint: str) -> dict[str, Any]:
        return {
            "thread_id": thread,
            "checkpoint_ns": to_storage_safe_str(space),
            "checkpoint_id": checkpoint,
        }

    def reader(self) -> BaseCheckpointSaver[str]:
        """Return a saver that only reads."""
        return StockReader(self)

    def writer(
        self,
        guard: Guard,
        marks: Mapping[str, str],
        kept: Kept,
        watcher: Watcher = UNWATCHED,
        reader: BaseCheckpointSaver[str] | None = None,  # noqa: ARG002 - the library's own reads are its own
    ) -> "StockTurnSaver":
        """Return a saver for one execution; `watcher` hears of each write."""
        return StockTurnSaver(self, guard, marks, kept, watcher)

    async def trim(self, lease: Lease, thread: str) -> None:  # noqa: ARG002
        """Forget all but the thread's latest checkpoints. The library asks nobody whose thread it is. Raises
        BusUnavailable.
        """
        with foreign_errors():
            await self.aprune([thread], keep_last=self._keep)

    async def delete(self, guard: Guard, thread: str) -> None:
        """Forget a thread. The library asks nobody whose it is. Raises LeaseLost, BusUnavailable."""
        await guard.passage()
        with foreign_errors():
            await self.adelete_thread(thread)

    async def forget(self, guard: Guard, thread: str, turns: Collection[TurnId]) -> None:
        """Forget all that turns brought, of the graph and of those it ran. Raises LeaseLost, BusUnavailable,
        and UnreadableCheckpoint where nothing is kept of what was before.
        """
        with foreign_errors():
            commands = await self._forgetting(thread, turns)
        await StockTurnSaver(self, guard, {}, lambda _: None, UNWATCHED).keep(commands, acknowledged=True)

    async def _forgetting(self, thread: str, turns: Collection[TurnId]) -> list[Command]:
        """What drops the turns' documents and their writes, and points to the newest that stay."""
        assert self._key_registry is not None, "open() was called"
        newest, commands = {"": ""}, list[Command]()
        listed = [
            each async for each in self.alist({"configurable": {"thread_id": thread}})
        ]  # the newest first
        going = _behind(thread, listed, turns)
        for each in listed:
            named = each.config["configurable"]
            place = thread, named.get("checkpoint_ns", ""), named["checkpoint_id"]
            key = self._make_redis_checkpoint_key_cached(*place)
            if place[1:] not in going:
                newest[place[1]] = newest.get(place[1]) or key
                continue
            newest.setdefault(place[1], "")
            registry = self._key_registry.make_write_keys_zset_key(*place)
            written: list[Any] = await self.foreign.client().zrange(registry, 0, -1)
            commands += [("DEL", gone) for gone in (key, registry, *map(bytes.decode, written))]
        for space, key in newest.items():
            pointer = self._make_redis_checkpoint_latest_key(thread, space)
            commands.append(("SET", pointer, key) if key else ("DEL", pointer))
        return commands


def _behind(
    thread: str, listed: Sequence[CheckpointTuple], turns: Collection[TurnId]
) -> set[tuple[str, str]]:
    """Space and id of what turns made, and of all in the root behind the first of it. Raises
    UnreadableCheckpoint where what that stood on is not kept.
    """
    spots = {_spot(each.config): each for each in listed}
    made = {spot for spot, each in spots.items() if each.metadata.get(TURN) in turns}
    first = min((spot for spot in made if not spot[0]), default=None)
    if first is None:
        return made
    parent = spots[first].parent_config
    if parent is not None and _spot(parent) not in spots:
        raise UnreadableCheckpoint(thread, first[1], "what it stood on is not kept any more")
    return made | {spot for spot in spots if not spot[0] and spot >= first}


def _spot(config: RunnableConfig) -> tuple[str, str]:
    named = config["configurable"]
    return named.get("checkpoint_ns", ""), named["checkpoint_id"]


class StockReader(BaseCheckpointSaver[str]):
    """StockThreads for reading."""

    def __init__(self, store: StockThreads) -> None:
        super().__init__(serde=store.serde)
        self._store = store

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        with foreign_errors():
            return await self._store.aget_tuple(config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - the base class's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        with foreign_errors():
            async for each in self._store.alist(config, filter=filter, before=before, limit=limit):
                yield each

    def get_next_version(self, current: str | None, channel: None) -> str:
        version: str = self._store.get_next_version(current, cast(Any, channel))
        return version


class StockTurnSaver(StockReader, ExecutionSaver):
    """StockThreads in the hands of one execution."""

    def __init__(
        self, store: StockThreads, guard: Guard, marks: Mapping[str, str], kept: Kept, watcher: Watcher
    ) -> None:
        super().__init__(store)
        self._watcher = watcher
        self._guard = guard
        self._marks = marks
        self._kept = kept
        self._loose = Loose[Sequence[Command]]()

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint with this execution's marks. Raises LeaseLost."""
        space = config["configurable"].get("checkpoint_ns", "")
        changes = not space and says(new_versions)
        said = said_value(checkpoint)
        marked = cast(CheckpointMetadata, {**metadata, **self._marks})
        commands = self._store.checkpoint_commands(config, checkpoint, marked)
        thread = config["configurable"]["thread_id"]
        with watched(self._watcher.write(thread, checkpoint["id"], _size(commands), 0)):
            await self.keep(commands, acknowledged=changes)
        if changes:
            self._kept(said)
        named = {"thread_id": thread, "checkpoint_ns": space, "checkpoint_id": checkpoint["id"]}
        return {"configurable": named}

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store what a finished node wrote: it need not run again. Raises LeaseLost."""
        if writes:
            commands = self._store.writes_commands(config, writes, task_id, task_path)
            place = config["configurable"]["thread_id"], config["configurable"]["checkpoint_id"]
            with watched(self._watcher.write(*place, _size(commands), len(writes))):
                await self.keep(commands, acknowledged=False)

    async def keep(self, commands: Sequence[Command], *, acknowledged: bool) -> None:
        """Write while the lease is ours, and again until Redis has answered: a graph waits rather than
        fails.
        """
        keep = partial(self._store.foreign.keep, commands=commands, acknowledged=acknowledged)
        unwritten = Trouble(log, "checkpoint not written yet", "checkpoint written at last")
        while True:
            mark = self._loose.mark()
            try:
                await self._guard.through(keep)
            except Temporary as error:
                unwritten.met(error=type(error).__name__)
                await asyncio.sleep(AGAIN_S)
                continue
            unwritten.over()
            if acknowledged:
                self._loose.confirmed(mark)
            else:
                self._loose.add(commands)
            return

    async def settle(self) -> None:
        """Repeat what a failover might have taken back, and wait for a replica to have it."""
        if loose := [command for commands in self._loose.taken() for command in commands]:
            await self.keep(loose, acknowledged=True)


def _size(commands: Sequence[Command]) -> int:
    """Bytes of the documents among them."""
    return sum(len(part) for command in commands for part in command if isinstance(part, bytes))
