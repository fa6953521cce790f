"""Threads in Redis: LangGraph's Redis saver, bound to one execution of one turn at a time.

`ThreadStore` is the process's saver. Each run gets a `TurnSaver` of it: it writes only while its lease is
surely held, marks every checkpoint with turn and attempt (by which a successor knows that this turn was
entered), and reports messages once the checkpoint that holds them is replicated: not earlier, or a final
could be told that a failover takes out of the thread.

Must never let redis or redisvl errors out: they become BusUnavailable.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
)
from langgraph.checkpoint.redis.aio import AsyncRedisSaver

from services.shared.bus.checkpoints import unavailable
from services.shared.model.errors import BusUnavailable
from services.shared.model.ids import AgentName, ConversationId
from services.shared.runtime.logging import get_logger

TURN = "turn"
ATTEMPT = "attempt"
"""Keys of a checkpoint's metadata."""

KEEP_LAST = 8
"""Checkpoints a thread keeps: the last two turns of a small graph. The saver stores whole states, so all
of them would grow with the square of the conversation."""


MEND_S = 10.0
"""Between two looks at the indices: only lists and trims need them."""

log = get_logger(__name__)


class Guard(Protocol):
    """The right to write, as the keeper knows it."""

    async def passage(self) -> None:
        """Return once the lease is surely held; raise LeaseLost when it is not, or the execution was
        stopped.
        """
        ...


Confirm = Callable[[], Awaitable[object]]
"""Returns when everything this process wrote so far is replicated (the bus's confirmer)."""

Kept = Callable[[Sequence[Any]], None]
"""Hears the thread's messages each time a checkpoint with them is safe."""


class ThreadStore(AsyncRedisSaver):
    """The saver of all threads of this process, on a client that belongs to the bus."""

    def __init__(self, client: Any, confirm: Confirm) -> None:
        super().__init__(redis_client=client)
        self.confirm = confirm

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
        while True:
            await asyncio.sleep(MEND_S)
            try:
                if await self.mend():
                    log.warning("indices made anew")
            except BusUnavailable as error:
                log.warning("indices not looked at", reason=str(error))

    async def stands(self, config: RunnableConfig) -> bool:
        """Tell whether the checkpoint that `config` names is on the present master."""
        named = config["configurable"]
        names = (named["thread_id"], named["checkpoint_ns"], named["checkpoint_id"])
        return bool(await self._redis.exists(self._make_redis_checkpoint_key_cached(*names)))

    async def trim(self, thread: str) -> None:
        """Forget all but the thread's latest checkpoints. Raises BusUnavailable."""
        with foreign_errors():
            await self.aprune([thread], keep_last=KEEP_LAST)


class TurnSaver(BaseCheckpointSaver[str]):
    """A ThreadStore in the hands of one execution."""

    def __init__(self, store: ThreadStore, guard: Guard, marks: Mapping[str, str], kept: Kept) -> None:
        super().__init__(serde=store.serde)
        self._store = store
        self._guard = guard
        self._marks = marks
        self._kept = kept

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

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Store a checkpoint with this execution's marks. Raises LeaseLost, BusUnavailable."""
        await self._guard.passage()
        marked = cast(CheckpointMetadata, {**metadata, **self._marks})
        with foreign_errors():
            written: RunnableConfig = await self._store.aput(config, checkpoint, marked, new_versions)
            messages = checkpoint["channel_values"].get("messages")
            outermost = not config["configurable"].get("checkpoint_ns")
            if messages and outermost and "messages" in new_versions:
                await self._confirm(written)
                self._kept(messages)
        return written

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store what a finished node wrote: it need not run again. Raises LeaseLost, BusUnavailable."""
        await self._guard.passage()
        with foreign_errors():
            await self._store.aput_writes(config, writes, task_id, task_path)

    def get_next_version(self, current: str | None, channel: None) -> str:
        version: str = self._store.get_next_version(current, cast(Any, channel))
        return version

    async def _confirm(self, written: RunnableConfig) -> None:
        """Wait for replication, and make sure that no failover took the checkpoint between its write and
        that.
        """
        await self._store.confirm()
        if not await self._store.stands(written):
            raise BusUnavailable("a checkpoint was lost in a failover of Redis")


def thread_of(conversation: ConversationId, agent: AgentName) -> str:
    """Return the id of the thread an agent keeps of a conversation. Without a colon: the saver does not
    escape it.
    """
    return f"{conversation}.{agent}"


@contextmanager
def foreign_errors() -> Iterator[None]:
    """Turn what Redis raised through the saver and its library into BusUnavailable."""
    try:
        yield
    except Exception as error:
        if (meaning := unavailable(error)) is None:
            raise
        raise meaning from error
