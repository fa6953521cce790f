"""Short questions to Redis servers and Sentinels, each on a connection of its own.

Called by the room that runs everything on one machine: to know when its servers are ready, who the master is,
and for `continuo doctor`. Must never be on a message's way: nothing here retries, pools or waits longer than
half a second.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

ANSWER_WITHIN_S = 0.5

Address = tuple[str, int]


class UnansweredError(Exception):
    """The server did not answer, or answered with an error; the message is its own words."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a server wants to know of who asks; None where it asks for nothing."""

    username: str | None = None
    password: str | None = None


OPEN = Access()


@dataclass(frozen=True, slots=True)
class Replication:
    """What a data server says of its part in the replication."""

    role: str
    loading: bool
    link_up: bool
    """A replica's: connected to its master and not in a first copy."""
    online_replicas: int
    """A master's: replicas that have the whole data set and follow it."""
    master_replid: str
    offset: int


@dataclass(frozen=True, slots=True)
class SentinelView:
    """What one Sentinel believes of the master it watches."""

    master: Address
    flags: frozenset[str]
    quorum: int
    quorum_reachable: bool
    usable_replicas: int
    replicas: tuple[Address, ...]
    """Every replica it knows, also those that are down."""
    other_sentinels: int
    candidates: tuple[Address, ...] = ()
    """The replicas it could make master now."""


@asynccontextmanager
async def asking(address: Address, access: Access = OPEN) -> AsyncIterator[Any]:
    """A connection to this one server. What goes wrong in the block is raised as UnansweredError."""
    client = redis.asyncio.Redis(
        host=address[0],
        port=address[1],
        username=access.username,
        password=access.password,
        decode_responses=True,
        socket_timeout=ANSWER_WITHIN_S,
        socket_connect_timeout=ANSWER_WITHIN_S,
        retry=redis.asyncio.retry.Retry(NoBackoff(), 0),
        single_connection_client=True,
    )
    try:
        yield client
    except (RedisError, OSError) as error:
        raise UnansweredError(f"{address[0]}:{address[1]}: {error}") from error
    finally:
        await client.aclose()


async def info(address: Address, access: Access = OPEN) -> dict[str, Any]:
    """The server's INFO, all sections. Raises UnansweredError."""
    async with asking(address, access) as client:
        return dict(await client.info("everything"))


async def replication(address: Address, access: Access = OPEN) -> Replication:
    """The server's part in the replication. Raises UnansweredError, also while it loads its data."""
    async with asking(address, access) as client:
        said = await client.info("replication")
    replicas = [entry for key, entry in said.items() if key[:5] == "slave" and isinstance(entry, dict)]
    syncing = said.get("master_sync_in_progress", 0)
    return Replication(
        role=str(said.get("role", "")),
        loading=False,
        link_up=said.get("master_link_status") == "up" and not syncing,
        online_replicas=sum(entry.get("state") == "online" for entry in replicas),
        master_replid=str(said.get("master_replid", "")),
        offset=int(said.get("slave_repl_offset", said.get("master_repl_offset", 0))),
    )


async def modules(address: Address, access: Access = OPEN) -> dict[str, int]:
    """Names (lower case) and versions of the modules a server has loaded. Raises UnansweredError."""
    async with asking(address, access) as client:
        return {str(module["name"]).lower(): int(module["ver"]) for module in await client.module_list()}


async def configuration(address: Address, *names: str, access: Access = OPEN) -> dict[str, str]:
    """The server's running configuration for these names. Raises UnansweredError, also when CONFIG is
    forbidden.
    """
    async with asking(address, access) as client:
        return dict(await client.config_get(*names))


async def holds(address: Address, key: str, access: Access = OPEN) -> bool:
    """Whether the server has this key. Raises UnansweredError, also when that is not the user's to ask."""
    async with asking(address, access) as client:
        return bool(await client.exists(key))


async def sentinel_view(address: Address, master: str, access: Access = OPEN) -> SentinelView:
    """What this Sentinel believes of `master`. Raises UnansweredError, also when it does not watch that
    name.
    """
    async with asking(address, access) as client:
        state = await client.sentinel_master(master)
        replicas = await client.sentinel_slaves(master)
        try:
            reachable = bool(await client.execute_command("SENTINEL", "CKQUORUM", master))
        except redis.ResponseError:
            reachable = False
    return SentinelView(
        master=(str(state["ip"]), int(state["port"])),
        # One string from the library, where it speaks RESP2's shapes as everywhere here.
        flags=frozenset(str(state["flags"]).split(",")),
        quorum=int(state["quorum"]),
        quorum_reachable=reachable,
        usable_replicas=sum(_usable(replica) for replica in replicas),
        replicas=tuple((str(replica["ip"]), int(replica["port"])) for replica in replicas),
        other_sentinels=int(state["num-other-sentinels"]),
        candidates=tuple(
            (str(replica["ip"]), int(replica["port"])) for replica in replicas if _could_be_master(replica)
        ),
    )


def _could_be_master(replica: dict[str, Any]) -> bool:
    down = replica["is_sdown"] or replica["is_odown"] or replica["is_disconnected"]
    return not down and int(replica.get("slave-priority", 1)) > 0


def _usable(replica: dict[str, Any]) -> bool:
    down = replica["is_sdown"] or replica["is_odown"] or replica["is_disconnected"]
    return not down and replica["master-link-status"] == "ok"


async def master_address(sentinels: list[Address], master: str, access: Access = OPEN) -> Address | None:
    """The master by the word of the first Sentinel that answers; None when none of them knows it."""
    for sentinel in sentinels:
        try:
            async with asking(sentinel, access) as client:
                said = await client.sentinel_get_master_addr_by_name(master)
        except UnansweredError:
            continue
        if said is not None:
            return str(said[0]), int(said[1])
    return None


def master_address_now(sentinels: list[Address], master: str) -> Address | None:
    """As `master_address`, for callers that can't await (a property); blocks half a second per dead
    Sentinel.
    """
    for host, port in sentinels:
        client = redis.Redis(
            host=host,
            port=port,
            decode_responses=True,
            socket_timeout=ANSWER_WITHIN_S,
            socket_connect_timeout=ANSWER_WITHIN_S,
            retry=redis.retry.Retry(NoBackoff(), 0),
        )
        try:
            said: Any = client.sentinel_get_master_addr_by_name(master)
        except (RedisError, OSError):
            continue
        finally:
            client.close()
        if said is not None:
            return str(said[0]), int(said[1])
    return None
