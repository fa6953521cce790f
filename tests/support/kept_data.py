"""All that a Redis holds, taken out and put back under the running servers: the master stays the same one."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kept:
    """Every key's content and what is left of its time."""

    keys: dict[bytes, tuple[bytes, int]]

    @classmethod
    async def of(cls, redis: Any) -> "Kept":
        names = [key async for key in redis.scan_iter(count=1000)]
        return cls({name: (await redis.dump(name), max(0, await redis.pttl(name))) for name in names})

    async def put_back(self, redis: Any) -> None:
        await redis.flushall()
        async with redis.pipeline(transaction=True) as pipe:
            for name, (content, ttl_ms) in self.keys.items():
                pipe.restore(name, ttl_ms, content)
            await pipe.execute()


async def told(redis: Any) -> dict[str, Any]:
    """What every key says, without the ids of stream entries and without times."""
    found: dict[str, Any] = {}
    async for key in redis.scan_iter(count=1000):
        name = key.decode()
        found[name] = await _said(redis, name, (await redis.type(name)).decode())
    return found


_TIMES = {b"lease_token", b"touched_ms", b"cancel_ms"}


async def _said(redis: Any, name: str, kind: str) -> Any:
    match kind:
        case "hash":
            return {field: each for field, each in (await redis.hgetall(name)).items() if field not in _TIMES}
        case "list":
            return await redis.lrange(name, 0, -1)
        case "zset":
            return sorted(await redis.zrange(name, 0, -1))
        case "stream" if name.endswith(":journal"):
            return await redis.xrange(name)
        case "stream":
            return sorted(sorted(fields.items()) for _, fields in await redis.xrange(name))
        case _:
            return None if name.startswith("{continuo}:tick") else await redis.get(name)
