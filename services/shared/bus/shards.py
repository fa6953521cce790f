"""Shards: which replica of the presence service works for which group of partitions, as leases in Redis.

Used by `services.presence.shards`, which asks its core what to take and what to give back. A lease ends by
itself, so a replica that is gone is followed by another. Must never be what keeps a thing from being done
twice: two may hold a shard for a moment, and the scripts they run decide.
"""

from collections.abc import Collection, Sequence
from typing import Any

from services.shared.bus import keys as names
from services.shared.bus.floor import Floor
from services.shared.model.presence import ShardLease, ShardLook


class Shards:
    """The leases and the replicas' beats."""

    def __init__(self, floor: Floor) -> None:
        self._scripts = floor.scripts

    async def look(self, replica: str, shards: int, ttl_ms: int) -> ShardLook:
        """Beat, renew what the replica holds, and tell who holds what. Raises Temporary."""
        keys = [names.PORTERS, *map(names.shard, range(shards))]
        now_ms, beats, held = await self._scripts.run("shards", keys, [replica, ttl_ms])
        return ShardLook(
            {who.decode(): int(at) for who, at in zip(beats[::2], beats[1::2], strict=True)},
            dict(_leases(now_ms, held)),
            now_ms,
        )

    async def change(
        self, replica: str, take: Sequence[int], give: Collection[int], ttl_ms: int
    ) -> frozenset[int]:
        """Take these if they are free, give back those; which of the first are held now. Raises Temporary."""
        taken = await self._change(replica, take, give, ttl_ms, ends=False)
        return frozenset(shard for shard, is_own in zip(take, taken, strict=True) if is_own)

    async def end(self, replica: str, held: Collection[int]) -> None:
        """Give back all, and count no more. Raises Temporary."""
        await self._change(replica, (), held, 1, ends=True)

    async def _change(
        self, replica: str, take: Sequence[int], give: Collection[int], ttl_ms: int, *, ends: bool
    ) -> Any:
        keys = [names.PORTERS, *map(names.shard, (*take, *give))]
        return await self._scripts.run("shards_change", keys, [replica, ttl_ms, len(take), int(ends)])


def _leases(now_ms: int, held: Sequence[Any]) -> list[tuple[int, ShardLease]]:
    pairs = zip(held[::2], held[1::2], strict=True)
    return [
        (shard, ShardLease(holder.decode(), now_ms + left_ms))
        for shard, (holder, left_ms) in enumerate(pairs)
        if holder
    ]
