"""The right of one execution to write into its thread: made by the worker, a `Guard` to the graph's room.

What was begun is carried out, whoever stops waiting; behind `close` nothing is written any more.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar, cast

from services.conversation.keeper import Hold
from services.shared.model.errors import LeaseLost
from services.shared.model.turn import Lease
from services.shared.runtime.lifecycle import Tasks

Done = TypeVar("Done")


class Passage:
    """The right of one execution to write checkpoints: the lease's, until the execution is stopped."""

    def __init__(self, hold: Hold, tasks: Tasks) -> None:
        self._hold = hold
        self._tasks = tasks
        self._under_way: set[asyncio.Task[Any]] = set()
        self.lease = hold.lease
        self.closed = False

    async def passage(self) -> None:
        """Return once a write is surely ours to make. Raises LeaseLost."""
        await self._hold.until_fresh()
        if self.closed:
            raise LeaseLost(f"an execution in {self._hold.lease.conversation} was stopped")

    async def through(self, write: Callable[[Lease], Awaitable[Done]]) -> Done:
        """Write once that is surely ours to do; what was begun is carried out, whoever stops waiting."""
        await self.passage()
        writing = self._tasks.start("thread write", _outcome(partial(write, self.lease)))
        self._under_way.add(writing)
        writing.add_done_callback(self._under_way.discard)
        done, error = await asyncio.shield(writing)
        if error is not None:
            raise error
        return cast(Done, done)

    async def close(self) -> None:
        """Let nothing through any more; returns when nothing is under way."""
        self.closed = True
        if self._under_way:
            await asyncio.wait(self._under_way)


async def _outcome(write: Callable[[], Awaitable[Done]]) -> tuple[Done | None, Exception | None]:
    """What became of a write; an error is told to who waits for it, and is nobody's when nobody does.

    write: called by the task's first step; of a task that is cancelled before, no write is left half made.
    """
    try:
        return await write(), None
    except Exception as error:  # noqa: BLE001 - raised again where it is waited for
        return None, error
