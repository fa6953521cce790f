"""Consumer groups made on demand: behind the ready streams and the outbox.

Nobody makes groups ahead of time: a Redis that came up empty, or a stream that is new, is met by the first
reader.
"""

from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import ResponseError


def is_missing_group(error: ResponseError) -> bool:
    """Whether the stream or its group does not exist (yet, or any more)."""
    return str(error).startswith("NOGROUP")


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
