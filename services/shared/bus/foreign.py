"""Foreign: the stock LangGraph saver's way to Redis, for the conversation service.

The graph room must not import redis. It takes a client from here to read with, writes through `keep`, which
only a conversation's owner may, and asks here what an exception of the saver means. The client finds the
master as all others do and has its own pool: a saver's many commands must not delay leases.
"""

from collections.abc import Sequence

from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.shared.bus.floor import Floor
from services.shared.bus.lease import Argument
from services.shared.bus.sentinel import COMMAND_TIMEOUT_S, Masters
from services.shared.model.errors import BusUnavailable
from services.shared.model.ids import AgentName, ConversationId
from services.shared.model.turn import Lease

CONNECTIONS = 16

Command = Sequence[str | bytes | int]
"""A Redis command, its key second: `("SET", key, value)`."""


class Foreign:
    """The stock saver's way to Redis: keys and documents are its own."""

    def __init__(self, masters: Masters, floor: Floor) -> None:
        self._client = masters.client("threads", CONNECTIONS, COMMAND_TIMEOUT_S)
        self._keys = floor.keys
        self._scripts = floor.scripts

    def client(self) -> Redis:
        """The client, Sentinel-managed and with retries; the same each time, closed with the bus."""
        return self._client

    def thread(self, conversation: ConversationId, agent: AgentName) -> str:
        """The name of an agent's thread; the keys made of it lie in the conversation's partition."""
        return self._keys.conversation(conversation).thread(agent)

    async def keep(self, lease: Lease, commands: Sequence[Command], *, acknowledged: bool) -> None:
        """Carry out the saver's writes, all of them or none, if the lease is still the conversation's.

        acknowledged: return only once a replica holds them. The writes must be harmless to repeat. Raises
        LeaseLost, BusUnavailable, NotReplicated.
        """
        args: list[Argument] = [lease.token, lease.attempt]
        for command in commands:
            args += [len(command), *command]
        keys = [self._keys.conversation(lease.conversation).lease, *(str(command[1]) for command in commands)]
        run = self._scripts.acknowledged if acknowledged else self._scripts.run
        await run("keep", keys, args)


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
