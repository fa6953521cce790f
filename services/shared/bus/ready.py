"""The ready streams: how workers learn which conversations have turns waiting. Behind `turns`.

A ready entry is only word that a conversation has work; its FIFO is the truth. An entry read and never
claimed (its reader died) is taken over after 5 s, and a lease that ran out is found in its partition's
`running`; both are the same thing to a worker: a `Ready`.
"""

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
        """Wait up to `block_ms` (bounded by the pool's limit) for at most `count` entries a stream."""
        async with mapped("ready"):
            streams: dict[Any, Any] = dict.fromkeys(self._number, ">")
            patience = min(block_ms, int(BLOCK_LIMIT_S * 1000))
            try:
                found: Any = await self._blocking.xreadgroup(
                    GROUP, worker, streams, count=count, block=patience
                )
            except ResponseError as error:
                if not is_missing_group(error):
                    raise
                await ensure_group(self._commands, GROUP, list(self._number))
                return []
        return [self._entry(name, entry) for name, entries in found or [] for entry in entries]

    async def orphans(self, worker: NodeId) -> list[Ready]:
        """Expired leases and stale ready entries of all partitions; one round trip each."""
        return [*await self._expired(), *await self._stale(worker)]

    async def _expired(self) -> list[Ready]:
        calls = [Call(script("expired"), [each.running], [SWEEP_COUNT]) for each in self._partitions]
        replies = await self._scripts.batch(calls)
        return [
            Ready(each.partition, ConversationId(conversation.decode()))
            for each, reply in zip(self._partitions, replies, strict=True)
            for conversation in reply
        ]

    async def _stale(self, worker: NodeId) -> list[Ready]:
        async with mapped("stale"), self._commands.pipeline(transaction=False) as pipe:
            for name in self._number:
                pipe.xautoclaim(name, GROUP, worker, STALE_MS, count=SWEEP_COUNT)
            replies = await pipe.execute(raise_on_error=False)
        answered = zip(self._number, replies, strict=True)
        return [self._entry(name, each) for name, reply in answered for each in _claimed(reply)]

    def _entry(self, stream: bytes, entry: tuple[bytes, dict[bytes, bytes]]) -> Ready:
        entry_id, fields = entry
        return Ready(self._number[stream], ConversationId(fields[b"c"].decode()), entry_id.decode())


def _claimed(reply: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """The entries an XAUTOCLAIM took; none where the group is still to be made."""
    if isinstance(reply, ResponseError):
        if is_missing_group(reply):
            return []
        raise reply
    return [entry for entry in reply[1] if entry[1]]
