"""Who works for which shard: the replicas' beats and the leases in, what to take, keep and give back out.

A shard is a group of partitions. Called by `services.presence.shards`, once a sweep. All replicas see
the same beats and leases and count the same fair shares, so they agree without talking: who has more gives
back, who has less takes what is free. Two owners for a moment are harmless: the scripts they run
decide, each by itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from services.shared.model.presence import ShardLook


@dataclass(frozen=True, slots=True)
class Plan:
    """What one replica does with the shards: `keep` are its own, `take` are free, `give` are too many."""

    keep: frozenset[int]
    take: tuple[int, ...]
    give: tuple[int, ...]


def plan(me: str, seen: ShardLook, *, shards: int, ttl_ms: int) -> Plan:
    """Decide for replica `me`. A replica counts while its beat is younger than `ttl_ms`; one that asks counts
    always.
    """
    alive = sorted({me, *(replica for replica, at in seen.beats.items() if seen.now_ms - at < ttl_ms)})
    rank = alive.index(me)
    share = _share(rank, len(alive), shards)
    held = {shard: lease for shard, lease in seen.leases.items() if lease.until_ms > seen.now_ms}
    mine = sorted(shard for shard, lease in held.items() if lease.replica == me and shard < shards)
    free = [shard for shard in _from(rank * shards // len(alive), shards) if shard not in held]
    take = free[: max(0, share - len(mine))]
    return Plan(frozenset(mine[:share]), tuple(take), tuple(mine[share:]))


def _share(rank: int, replicas: int, shards: int) -> int:
    """An equal part; what is left over goes to the first ones, one each."""
    each, over = divmod(shards, replicas)
    return each + (rank < over)


def _from(first: int, shards: int) -> Iterator[int]:
    """All shards, beginning with `first`: replicas that look at once begin at different ends."""
    return (number % shards for number in range(first, first + shards))
