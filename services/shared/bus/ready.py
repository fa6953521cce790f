"""The ready streams: how workers learn which conversations have turns waiting. Behind `turns`.

A ready entry is only word that a conversation has work; its FIFO is the truth. An entry read and never
claimed (its reader died) is taken over after 5 s, and a lease that ran out is found in its partition's
`running`; both are the same thing to a worker: a `Ready`.
"""

import random
from typing import Any

from redis.exceptions import ResponseError

from services.shared.bus.floor import Floor
from services.shared.bus.groups import ensure_group, is_missing_group
from services.shared.bus.scripts import Call, script
from services.shared.bus.sentinel import BLOCK_LIMIT_S, mapped
from services.shared.model.ids import ConversationId, NodeId
from services.shared.model.turn import Ready

GROUP = "workers"
STALE_MS = 5_000
"""A ready entry its reader did not claim for so long is another worker's to claim."""
SWEEP_COUNT = 16
"""Orphans found per partition and sweep; the next sweep finds more."""


class ReadyStreams:
    """Reads all partitions' ready streams as one consumer of the group of workers."""

    def __init__(self, floor: Floor) -> None:
        self._scripts = floor.scripts
        self._commands = floor.commands
        self._blocking = floor.blocking
        self._partitions = floor.keys.shared()
        self._number = {each.ready.encode(): each.partition for each in self._partitions}

    async def ready(self, worker: NodeId, *, block_ms: int, count: int) -> list[Ready]:
        """Wait up to `block_ms` (bounded by the pool's limit) for at most `count` entries.

        What is there already is read from as few streams as there are entries wanted, the longest waiting
        first: an entry read is nobody else's for a while. Only when nothing is there, all streams are
        waited for; what comes beyond `count` then is left to the next sweep of any worker.
        """
        async with mapped("ready"):
            try:
                waiting = await self._waiting()
                for first in range(0, len(waiting), count):
                    if found := await self._read(worker, waiting[first : first + count], 1):
                        return found
                patience = max(1, min(block_ms, int(BLOCK_LIMIT_S * 1000)))
                found = await self._read(worker, list(self._number), 1, patience)
            except ResponseError as error:
                if not is_missing_group(error):
                    raise
                await ensure_group(self._commands, GROUP, list(self._number))
                return []
            return await self._within(worker, found, count)

    async def orphans(self, worker: NodeId, count: int) -> list[Ready]:
        """Expired leases and stale ready entries of all partitions, at most `count`; one round trip each.

        Where more leases ran out than are wanted, half of what is taken are those that did so first, so that
        none waits for ever, and half are any: workers that look at the same time find different ones.
        """
        expired = _shared_out(await self._expired(), count)
        if len(expired) == count:
            return expired
        async with mapped("orphans"):
            return [*expired, *await self._within(worker, await self._stale(worker), count - len(expired))]

    async def oldest_s(self) -> float:
        """For how long the longest waiting entry has waited, by the clock of Redis; 0 when none waits."""
        async with mapped("queue age"):
            oldest = [entry for _, entry in await self._heads()]
            if not oldest:
                return 0.0
            seconds, micros = await self._commands.time()
        return max(0.0, int(seconds) + int(micros) / 1e6 - min(oldest)[0] / 1000)

    async def _waiting(self) -> list[bytes]:
        """Streams that hold entries, the longest waiting first; whoever claims an entry deletes it."""
        return [name for name, _ in sorted(await self._heads(), key=lambda head: head[1])]

    async def _heads(self) -> list[tuple[bytes, tuple[int, int]]]:
        """The first entry's id of each stream that has one; taken from nobody."""
        found: Any = await self._commands.xread(dict.fromkeys(self._number, "0"), count=1)
        return [(name, _moment(entries[0][0])) for name, entries in found or [] if entries]

    async def _read(
        self, worker: NodeId, names: list[bytes], count: int, patience_ms: int | None = None
    ) -> list[Ready]:
        streams: dict[Any, Any] = dict.fromkeys(names, ">")
        client = self._commands if patience_ms is None else self._blocking
        found: Any = await client.xreadgroup(GROUP, worker, streams, count=count, block=patience_ms)
        return [self._entry(name, entry) for name, entries in found or [] for entry in entries]

    async def _within(self, worker: NodeId, found: list[Ready], count: int) -> list[Ready]:
        """Keep `count` entries; make the others look as if their reader had died, for any sweep to take."""
        surplus = found[count:]
        if surplus:
            names = {each: name for name, each in self._number.items()}
            async with self._commands.pipeline(transaction=False) as pipe:
                for each in surplus:
                    assert each.entry is not None
                    name = names[each.partition]
                    pipe.xclaim(name, GROUP, worker, 0, [each.entry], idle=STALE_MS, justid=True)
                await pipe.execute()
        return found[:count]

    async def _expired(self) -> list[Ready]:
        """At most SWEEP_COUNT of each partition, the longest expired of all first."""
        calls = [Call(script("expired"), [each.running], [SWEEP_COUNT]) for each in self._partitions]
        replies = await self._scripts.batch(calls)
        found = [
            (int(ended_ms), Ready(each.partition, ConversationId(conversation.decode())))
            for each, reply in zip(self._partitions, replies, strict=True)
            for conversation, ended_ms in zip(reply[::2], reply[1::2], strict=True)
        ]
        return [ready for _, ready in sorted(found, key=lambda each: each[0])]

    async def _stale(self, worker: NodeId) -> list[Ready]:
        async with self._commands.pipeline(transaction=False) as pipe:
            for name in self._number:
                pipe.xautoclaim(name, GROUP, worker, STALE_MS, count=SWEEP_COUNT)
            replies = await pipe.execute(raise_on_error=False)
        answered = zip(self._number, replies, strict=True)
        return [self._entry(name, each) for name, reply in answered for each in _claimed(reply)]

    def _entry(self, stream: bytes, entry: tuple[bytes, dict[bytes, bytes]]) -> Ready:
        entry_id, fields = entry
        return Ready(self._number[stream], ConversationId(fields[b"c"].decode()), entry_id.decode())


def _shared_out(expired: list[Ready], count: int) -> list[Ready]:
    """At most `count` of those whose lease ran out, who come with the longest expired first."""
    first = (count + 1) // 2
    others = expired[first:]
    return expired[:first] + random.sample(others, min(count - first, len(others)))


def _claimed(reply: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """The entries an XAUTOCLAIM took; none where the group is still to be made."""
    if isinstance(reply, ResponseError):
        if is_missing_group(reply):
            return []
        raise reply
    return [entry for entry in reply[1] if entry[1]]


def _moment(entry: bytes) -> tuple[int, int]:
    """An entry's id as numbers: its milliseconds, and its place among those of the same."""
    ms, _, place = entry.partition(b"-")
    return int(ms), int(place)
