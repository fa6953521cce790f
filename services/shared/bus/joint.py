"""Pipelines that callers share: what is to be sent in one turn of the loop goes in one round trip.

Behind `scripts`. Whoever comes first carries what others add until the loop comes back to it; nobody waits
for more than that. What is carried must be harmless to repeat: whose carrier was cancelled sends again. Must
never let one caller's mistake be another's: what could not even be packed is tried by each alone.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import DataError, RedisError

Command = tuple[Any, ...]

MOST_BYTES = 65_536
"""Of one shared pipeline, about. What is larger goes alone: others would wait for its way on the wire."""
MOST_COMMANDS = 64
"""Of one shared pipeline: for so many scripts none waits longer than a few milliseconds."""


class _AbandonedError(Exception):
    """The carrier did not come through. alone: it may be somebody's own mistake."""

    def __init__(self, *, alone: bool) -> None:
        self.alone = alone


@dataclass(slots=True)
class _Load:
    """What one carrier takes, caller by caller."""

    commands: list[Command] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    waiting: list[asyncio.Future[list[Any]]] = field(default_factory=list)
    """Of all callers but the carrier."""
    bytes: int = 0

    def has_room(self, commands: Sequence[Command], size: int) -> bool:
        return len(self.commands) + len(commands) <= MOST_COMMANDS and self.bytes + size <= MOST_BYTES

    def add(self, commands: Sequence[Command], size: int) -> None:
        self.commands += commands
        self.ends.append(len(self.commands))
        self.bytes += size

    def deliver(self, replies: list[Any]) -> list[Any]:
        """Give everybody theirs, and what stands behind all; return the carrier's."""
        behind, begin, shares = replies[len(self.commands) :], 0, []
        for end in self.ends:
            shares.append(replies[begin:end] + behind)
            begin = end
        for future, share in zip(self.waiting, shares[1:], strict=True):
            if not future.done():
                future.set_result(share)
        return shares[0]

    def abandon(self, error: BaseException) -> None:
        for future in self.waiting:
            if not future.done():
                future.set_exception(error)


class Joint:
    """One client's shared pipelines, by what is asked behind all of their commands."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._open: dict[tuple[Command, ...], _Load] = {}

    async def send(self, commands: Sequence[Command], behind: tuple[Command, ...]) -> list[Any]:
        """Send commands; return their replies and those to what is asked `behind` all: once for everybody."""
        size = sum(map(_size, commands))
        alone = size > MOST_BYTES
        while not alone:
            try:
                return await self._together(commands, behind, size)
            except _AbandonedError as error:
                alone = error.alone
        return await self._sent([*commands, *behind])

    async def _together(
        self, commands: Sequence[Command], behind: tuple[Command, ...], size: int
    ) -> list[Any]:
        load = self._open.get(behind)
        if load is not None and load.has_room(commands, size):
            load.add(commands, size)
            future: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
            load.waiting.append(future)
            return await future
        load = self._open[behind] = _Load()
        load.add(commands, size)
        return await self._carried(load, behind)

    async def _carried(self, load: _Load, behind: tuple[Command, ...]) -> list[Any]:
        try:
            try:
                await asyncio.sleep(0)
            finally:
                if self._open.get(behind) is load:
                    del self._open[behind]
            return load.deliver(await self._sent([*load.commands, *behind]))
        except (RedisError, OSError, TimeoutError) as error:
            if not isinstance(error, DataError):
                load.abandon(error)
                raise
            raise self._mistaken(load) from error
        except Exception as error:
            raise self._mistaken(load) from error
        except BaseException:
            load.abandon(_AbandonedError(alone=False))
            raise

    def _mistaken(self, load: _Load) -> _AbandonedError:
        load.abandon(_AbandonedError(alone=True))
        return _AbandonedError(alone=True)

    async def _sent(self, commands: Sequence[Command]) -> list[Any]:
        async with self._client.pipeline(transaction=False) as pipe:
            for command in commands:
                pipe.execute_command(*command)
            replies: list[Any] = await pipe.execute(raise_on_error=False)
            return replies


def _size(command: Command) -> int:
    return sum(len(each) for each in command if isinstance(each, str | bytes))
