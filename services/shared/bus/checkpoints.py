"""Checkpoints: hands the conversation service a client for the LangGraph saver, which speaks Redis by itself.

The graph room must not import redis, so it takes the client from here, and asks here what an exception of
the saver means. The client finds the master as all others do and has its own pool: a saver's many commands
must not delay leases.
"""

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.shared.bus.sentinel import COMMAND_TIMEOUT_S, Masters
from services.shared.model.errors import BusUnavailable

CONNECTIONS = 16


class Checkpoints:
    """The saver's way to Redis."""

    def __init__(self, masters: Masters) -> None:
        self._client = masters.client(CONNECTIONS, COMMAND_TIMEOUT_S)

    def client(self) -> Redis:
        """The client, Sentinel-managed and with retries; the same each time, closed with the bus."""
        return self._client


def unavailable(error: BaseException) -> BusUnavailable | None:
    """Read an exception that came through the saver: what the bus would have raised, or None if Redis is
    not behind it.

    The saver and its library wrap what the client raised, so the chain of causes is followed.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, RedisError | ConnectionError | TimeoutError):
            return BusUnavailable(f"checkpoints: Redis did not answer: {type(cause).__name__}: {cause}")
        cause = cause.__cause__ or cause.__context__
    return None
