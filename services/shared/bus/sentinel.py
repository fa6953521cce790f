"""The way to the Redis master through Sentinel: two pools that survive failovers, and the map of errors.

Opened by `house.Bus`. Remedies for what the client library does not do by itself (each was measured against
kill, freeze and planned failover of the master):
- a connection asks the Sentinels again every time it connects, also in the middle of a retry: else it stays
  pinned to a frozen master for a minute;
- every connection has retries with exponential jitter: connections made through Sentinel have none by
  default;
- the Sentinels are asked in shuffled order, with half a second and no retry each: else the first dead one
  costs seconds;
- many may look for the master at once: else one of the Sentinels' clients can be lost from the list;
- a watcher on every Sentinel drops all sockets when another master is named: a demoted master keeps accepting
  for seconds;
- the protocol is left unset: set to 3, the replies of modules change shape under the LangGraph saver;
- blocking reads have a pool of their own whose socket timeout is longer than any BLOCK.
Must never: let a redis exception out of the room (use `mapped`).
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from copy import copy
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.connection import Connection, ConnectionPool
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool, SentinelManagedConnection
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import DataError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from services.shared.bus.credentials import login
from services.shared.bus.failover import Failover
from services.shared.bus.settings import RedisSettings
from services.shared.model.errors import Broken, BusUnavailable
from services.shared.runtime.logging import get_logger
from services.shared.runtime.metrics import Metrics

COMMAND_TIMEOUT_S = 2.0
"""A command that takes longer is lost; WAIT (1.5 s) fits in."""
BLOCK_LIMIT_S = 4.0
"""The longest BLOCK anybody may ask for."""
BLOCKING_TIMEOUT_S = BLOCK_LIMIT_S + 2.0
CONNECT_TIMEOUT_S = 1.0
SENTINEL_TIMEOUT_S = 0.5
RETRIES = 20
MOVED = "+switch-master"
BEGINS = ("+try-failover", "+failover-state-select-slave", "+selected-slave")
CALLED_OFF = (
    "-failover-abort-not-elected",
    "-failover-abort-no-good-slave",
    "-failover-abort-slave-timeout",
)
"""What the Sentinels publish, by what it means."""
WATCH_PING_S = 2.0
"""A Sentinel that says nothing for so long is pinged; one that does not answer is connected to again."""

log = get_logger(__name__)


class PromptConnection(Connection):
    """A connection whose sends can be cancelled.

    The library sends under `asyncio.wait_for`, which up to Python 3.11 drops a cancellation that arrives as
    the send completes: the task then goes on for ever, and whoever cancelled it waits for ever.
    """

    async def send_packed_command(
        self, command: bytes | str | Iterable[bytes], check_health: bool = True
    ) -> None:
        """Send, connecting first where needed. Raises redis errors, never a partial success."""
        if not self.is_connected:
            await self.connect_check_health(check_health=False)
        if check_health:
            await self.check_health()  # type: ignore[no-untyped-call]
        raw = command.encode() if isinstance(command, str) else command
        try:
            async with asyncio.timeout(self.socket_timeout):
                await self._send_packed_command([raw] if isinstance(raw, bytes) else raw)
        except TimeoutError as late:
            await self.disconnect(nowait=True)
            raise RedisTimeoutError("timeout writing to the socket") from late
        except (OSError, RuntimeError) as error:  # the latter of uvloop, for a transport that has closed
            await self.disconnect(nowait=True)
            raise RedisConnectionError(f"error writing to the socket: {error}") from error
        except BaseException:
            await self.disconnect(nowait=True)
            raise


class SteadySentinel(Sentinel):
    """The Sentinels, of which none is lost when many look for the master at once.

    The library puts whoever answered to the front by swapping two places of the list that other callers are
    just walking: after a failover one client can stand there twice, and another, with its sockets, nowhere.
    """

    async def discover_master(self, service_name: str) -> tuple[str, int]:
        """Ask one after the other who the master is; the one that knew is asked first from then on."""
        walk = copy(self)
        walk.sentinels = list(self.sentinels)
        found: tuple[str, int] = await Sentinel.discover_master(walk, service_name)
        self.sentinels.sort(key=lambda one: one is not walk.sentinels[0])
        return found


class MasterConnection(SentinelManagedConnection, PromptConnection):
    """A connection that asks who the master is whenever it connects, retries included."""

    _was_open = False

    async def connect_check_health(
        self, check_health: bool = True, retry_socket_connect: bool = True
    ) -> None:
        """Connect to the master of this moment: the library asks in `connect`, which a retry skips."""
        connects = not self.is_connected
        if connects:
            self.host, self.port = await self.connection_pool.get_master_address()
        await super().connect_check_health(check_health, retry_socket_connect)
        if connects:
            self._note_opening()

    def _note_opening(self) -> None:
        if self._was_open:
            self.connection_pool.reopened()
        self._was_open = True

    async def connect_to(self, address: tuple[str, int]) -> None:
        """Connect; `address` was just asked for, and `connect_check_health` asks for itself."""
        del address
        await self.connect_check_health(self.connection_pool.check_connection, retry_socket_connect=False)

    async def _connect_retry(self) -> None:
        if not self.is_connected:
            await self.connect_check_health(self.connection_pool.check_connection, retry_socket_connect=False)


class MasterPool(SentinelConnectionPool):
    """A pool whose callers wait for a free connection instead of failing, in the order they came."""

    def __init__(self, service_name: str, sentinel_manager: Sentinel, **kwargs: Any) -> None:
        super().__init__(service_name, sentinel_manager, **kwargs)  # type: ignore[no-untyped-call]
        self._room = asyncio.Semaphore(self.max_connections)
        self._handed: set[Any] = set()
        self.reopened: Callable[[], None] = lambda: None
        """Called when a connection that was open before is open again."""

    async def get_connection(self, *_command: Any, **_options: Any) -> Any:
        """Take a connected connection, waiting until one is free."""
        await self._room.acquire()
        try:
            connection = await super().get_connection()  # type: ignore[no-untyped-call]
        except BaseException:
            self._room.release()
            raise
        self._handed.add(connection)
        return connection

    async def release(self, connection: Any) -> None:
        """Give a connection back."""
        try:
            await super().release(connection)
        finally:
            if connection in self._handed:
                self._handed.discard(connection)
                self._room.release()


class Masters:
    """Both pools, and the watch over who is master."""

    def __init__(self, settings: RedisSettings, metrics: Metrics) -> None:
        addresses = settings.sentinel_addresses()
        random.shuffle(addresses)
        self._settings = settings
        self._metrics = metrics
        self._sentinel = SteadySentinel([])  # type: ignore[no-untyped-call]
        self._sentinel.sentinels = [_sentinel_client(settings, *address) for address in addresses]
        self.failover = Failover()
        self._moved: list[Callable[[], None]] = []
        self._clients: list[Redis] = []
        self.commands = self.client("commands", settings.redis_command_connections, COMMAND_TIMEOUT_S)
        """For commands and scripts."""
        self.blocking = self.client("blocking", settings.redis_blocking_connections, BLOCKING_TIMEOUT_S)
        """For BLOCK and pub/sub."""

    def client(self, pool: str, connections: int, timeout_s: float) -> Redis:
        """Make one more client with a pool of its own; it is watched over and closed with the others."""
        reconnects = self._metrics.redis_reconnects.labels(pool=pool)
        made: Redis = self._sentinel.master_for(
            self._settings.redis_master,
            connection_pool_class=MasterPool,
            connection_class=MasterConnection,
            max_connections=connections,
            socket_timeout=timeout_s,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            socket_keepalive=True,
            retry=Retry(ExponentialWithJitterBackoff(cap=1.0, base=0.05), RETRIES),
            **login(self._settings.redis_password, self._settings.redis_username),
        )
        assert isinstance(made.connection_pool, MasterPool)
        made.connection_pool.reopened = reconnects.inc
        self._clients.append(made)
        return made

    def on_moved(self, callback: Callable[[], None]) -> None:
        """Have `callback` called after the Sentinels named another master and the pools were dropped."""
        self._moved.append(callback)

    async def watch(self) -> None:
        """Watch all Sentinels until cancelled."""
        async with asyncio.TaskGroup() as watchers:
            for sentinel in self._sentinel.sentinels:
                watchers.create_task(self._watch_one(sentinel))

    async def close(self) -> None:
        """Close every socket. The Sentinels' clients too."""
        for client in self._clients:
            await client.connection_pool.aclose()
        await self._sentinel.aclose()

    async def _watch_one(self, sentinel: Redis) -> None:
        while True:
            try:
                await self._listen(sentinel)
            except (RedisError, OSError) as error:
                log.debug("sentinel unreachable", error=str(error))
                await asyncio.sleep(0.5 + random.random() / 2)  # noqa: S311 - spreads reconnects

    async def _listen(self, sentinel: Redis) -> None:
        async with sentinel.pubsub() as feed:
            await feed.subscribe(MOVED, *BEGINS, *CALLED_OFF)
            silent = 0
            while silent < 2:
                said = await feed.get_message(timeout=WATCH_PING_S)
                silent = 0 if said else silent + 1
                if said and said["type"] == "message":
                    await self._told(said["channel"].decode(), said["data"].decode())
                elif silent:
                    await feed.ping()

    async def _told(self, what: str, said: str) -> None:
        if self._settings.redis_master not in said.split(" "):
            return
        if what == MOVED:
            await self._switched(said)
        elif what in BEGINS:
            self.failover.begin()
        else:
            self.failover.end()

    async def _switched(self, said: str) -> None:
        self.failover.begun += 1
        if said != _Told.switch:  # each Sentinel says so, and to each of a process's buses
            _Told.switch = said
            log.info("master moved", switch=said)
        self._metrics.redis_failovers.inc()
        await self.drop()
        self.failover.end()
        for callback in self._moved:
            callback()

    async def drop(self) -> None:
        """Close all sockets to data servers; what was under way is retried on the master of the moment."""
        for client in self._clients:
            try:
                await client.connection_pool.disconnect(inuse_connections=True)
            except (RedisError, OSError) as error:
                log.debug("a dropped socket did not close well", error=str(error))


class _Told:
    """The last move of the master that this process has logged."""

    switch = ""


def _sentinel_client(settings: RedisSettings, host: str, port: int) -> Redis:
    pool = ConnectionPool(
        connection_class=PromptConnection,
        host=host,
        port=port,
        socket_timeout=SENTINEL_TIMEOUT_S,
        socket_connect_timeout=SENTINEL_TIMEOUT_S,
        **login(settings.redis_sentinel_password),
    )
    return Redis.from_pool(pool)


@asynccontextmanager
async def mapped(operation: str, *, within_s: float | None = None) -> AsyncIterator[None]:
    """Turn what Redis and its client raise into `BusUnavailable` with its cause, within so many seconds.

    What can't be sent at all is the caller's mistake: `Broken`, which nobody repeats.
    """
    try:
        async with asyncio.timeout(within_s):
            yield
    except DataError as error:
        raise Broken(f"{operation}: this can't be sent to Redis: {error}") from error
    except (RedisError, OSError, TimeoutError) as error:
        raise BusUnavailable(f"{operation}: Redis did not answer: {type(error).__name__}: {error}") from error
