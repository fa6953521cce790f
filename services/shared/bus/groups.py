"""Consumer groups made on demand: behind the ready streams and the outbox.

Nobody makes groups ahead of time: a Redis that came up empty, or a stream that is new, is met by the first
reader. Every process is a consumer under a name of its own; who ends is struck off, and who died is once
others took over what it held.
"""

from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from services.shared.bus.scripts import Call, Scripts, script


def is_missing_group(error: ResponseError) -> bool:
    """Whether the stream or its group does not exist (yet, or any more)."""
    return str(error).startswith("NOGROUP")


async def strike_off(
    scripts: Scripts, group: str, streams: Sequence[str], *, consumer: str = "", idle_ms: int = 0
) -> int:
    """Take consumers that hold nothing off a group: the one named, or all that read nothing for `idle_ms`;
    how many. Raises BusUnavailable.
    """
    calls = [Call(script("consumers"), [stream], [group, consumer, idle_ms]) for stream in streams]
    return sum(await scripts.batch(calls))


async def ensure_group(client: Redis, group: str, streams: Sequence[str | bytes]) -> None:
    """Make `group` on every stream, from its first entry, with the stream if need be; those that exist
    stay as they are.
    """
    async with client.pipeline(transaction=False) as pipe:
        for stream in streams:
            pipe.xgroup_create(stream, group, id="0", mkstream=True)
        for reply in await pipe.execute(raise_on_error=False):
            if isinstance(reply, ResponseError) and not str(reply).startswith("BUSYGROUP"):
                raise reply
