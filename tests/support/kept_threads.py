"""Threads for contract tests of the checkpoint port: a lease, short words for checkpoints, a look beneath."""

import os
import zlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from services.local.embedded import EmbeddedRedis
from services.shared.bus.checkpoints import Checkpoints
from services.shared.bus.house import Bus
from services.shared.bus.keys import ThreadKeys
from services.shared.bus.thread_records import name
from services.shared.model.ids import AttemptId, ConversationId, NodeId
from services.shared.model.thread import (
    Header,
    Keeping,
    KeptCheckpoint,
    Kind,
    NewCheckpoint,
    Place,
    Shared,
    Typed,
    Write,
)
from services.shared.model.turn import Lease
from tests.support.open_bus import fresh_id, open_bus

NO_TTL = 0


def packed(content: str) -> Typed:
    """A serialised value, as the port sees it: a form and bytes, some of them NUL."""
    return "msgpack", b"\x00\xff" + content.encode()


def framed(content: bytes, format_: int = 1) -> bytes:
    """A record with this content: its format, and a checksum that holds."""
    begin = bytes((format_,))
    return begin + zlib.crc32(begin + content).to_bytes(4, "big") + content


def write(
    content: str, channel: str = "messages", *, task: str = "task", index: int = 0, path: str = ""
) -> Write:
    """A pending write."""
    return Write(task, index, path, channel, packed(content))


def shared(*runs: tuple[int, int], kind: Kind = Kind.LIST) -> Shared:
    """A value of shared elements, as it is put."""
    return Shared(kind, runs)


@dataclass(frozen=True)
class Thread:
    """One thread and the lease of its conversation."""

    bus: Bus
    lease: Lease
    id: str

    @property
    def port(self) -> Checkpoints:
        return self.bus.checkpoints

    @property
    def keys(self) -> ThreadKeys:
        return self.bus.floor.keys.thread(self.id)

    def place(self, id_: str = "", space: str = "") -> Place:
        return Place(self.id, space, id_)

    def new(
        self,
        id_: str,
        parent: str = "",
        versions: Mapping[str, str] | None = None,
        values: Mapping[str, Typed | Shared | None] | None = None,
        elements: Mapping[str, Mapping[int, Typed]] | None = None,
        *,
        space: str = "",
        whole: bool = False,
        needs: tuple[str, ...] = (),
    ) -> NewCheckpoint:
        header = Header(parent, versions or {}, needs)
        body = packed(f"body of {id_}")
        return NewCheckpoint(self.place(id_, space), header, body, values or {}, elements or {}, whole)

    async def put(self, id_: str, *args: Any, ttl_s: int = NO_TTL, **kwargs: Any) -> Keeping:
        """Keep a checkpoint; arguments as of `new`."""
        new = self.new(id_, *args, **kwargs)
        return await self.port.put(self.lease, new, ttl_s=ttl_s, acknowledged=False)

    async def write(self, id_: str, *writes: Write, space: str = "", ttl_s: int = NO_TTL) -> None:
        await self.port.put_writes(self.lease, self.place(id_, space), writes, ttl_s=ttl_s)

    async def read(self, id_: str = "", space: str = "") -> KeptCheckpoint:
        """A checkpoint that must be there."""
        kept = await self.port.read(self.place(id_, space))
        assert kept is not None
        return kept

    async def ids(self, space: str = "") -> list[str]:
        """All checkpoints of a space, newest first."""
        return [each.place.id for each in await self.port.page(self.id, space, before="", count=10_000)]

    async def beneath(self) -> list[Any]:
        """Both keys as Redis dumps them."""
        return [await self.bus.floor.commands.dump(key) for key in self.keys.reading]

    async def spoil(self, record: bytes | None, *named: str | int) -> None:
        """Replace a record by these bytes, or take it away."""
        field: Any = name(*(str(each) for each in named))
        if record is None:
            assert await self.bus.floor.commands.hdel(self.keys.records, field) == 1
        else:
            assert await self.bus.floor.commands.hset(self.keys.records, field, record) == 0

    async def record(self, *named: str | int) -> bytes:
        """A record's bytes."""
        found: Any = await self.bus.floor.commands.hget(
            self.keys.records,
            name(*(str(each) for each in named)),
        )
        assert isinstance(found, bytes)
        return found

    async def sibling(self, agent: str = "other") -> "Thread":
        """Another agent's thread in the same conversation."""
        return Thread(self.bus, self.lease, f"{self.lease.conversation}.{agent}")


async def owned(bus: Bus) -> Thread:
    """A new thread, whose conversation this test owns."""
    conversation, attempt = ConversationId(fresh_id()), AttemptId(fresh_id())
    token = int.from_bytes(os.urandom(2), "big")
    fields: Any = {"token": token, "attempt": attempt}
    await bus.floor.commands.hset(bus.floor.keys.conversation(conversation).lease, mapping=fields)
    return Thread(bus, Lease(conversation, token, attempt, NodeId("worker")), f"{conversation}.assistant")


@asynccontextmanager
async def a_thread(redis: EmbeddedRedis) -> AsyncIterator[Thread]:
    """A new thread on a bus of its own."""
    async with open_bus(redis) as bus:
        yield await owned(bus)


def contents(writes: Sequence[Write]) -> list[str]:
    """What was written, as `write` took it."""
    return [each.value[1][2:].decode() for each in writes]
