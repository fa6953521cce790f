"""The single orders of a planned failover, each on a connection of its own.

Called by `continuo failover`, which knows when to give which; that order is what makes it safe. Must never
retry by itself: whoever plans decides what an order that was not answered means.
"""

from redis.exceptions import NoPermissionError, ResponseError

from services.shared.bus.examine import OPEN, Access, Address, UnansweredError, asking

_NOBODY = "-"
_NO_PORT = "-1"


class CalledOffError(Exception):
    """The Sentinel said no, and nothing happened; the message is its own words."""


async def forbidden(server: Address, access: Access = OPEN) -> list[str]:
    """Which of the commands needed on a data server this user may not give; raises UnansweredError.

    Each is tried with arguments that no server takes: what is allowed is answered with a complaint about
    these.
    """
    tries = {"CLIENT PAUSE": ("CLIENT", "PAUSE", _NOBODY), "REPLICAOF": ("REPLICAOF", _NOBODY, _NO_PORT)}
    return [name for name, command in tries.items() if await _is_forbidden(server, access, *command)]


async def sentinel_forbids(sentinel: Address, access: Access = OPEN) -> bool:
    """Whether this user may not order a failover there; raises UnansweredError."""
    return await _is_forbidden(sentinel, access, "SENTINEL", "FAILOVER", _NOBODY)


async def _is_forbidden(address: Address, access: Access, *command: str) -> bool:
    async with asking(address, access) as client:
        try:
            await client.execute_command(*command)
        except NoPermissionError:
            return True
        except ResponseError:
            return False
    raise UnansweredError(f"{address[0]}:{address[1]}: took {' '.join(command)}")


async def pause(master: Address, for_ms: int, access: Access = OPEN) -> None:
    """Writes wait from now on, for so long or as long as they already were to; reads and replication go on.
    Raises UnansweredError: then they may wait or not.
    """
    async with asking(master, access) as client:
        await client.execute_command("CLIENT", "PAUSE", for_ms, "WRITE")


async def unpause(master: Address, access: Access = OPEN) -> None:
    """Writes go on. Raises UnansweredError."""
    async with asking(master, access) as client:
        await client.execute_command("CLIENT", "UNPAUSE")


async def order(sentinel: Address, master: str, access: Access = OPEN) -> None:
    """Have this Sentinel make a replica master, without asking the others.

    Raises CalledOffError, or UnansweredError: then it may be doing so or not.
    """
    async with asking(sentinel, access) as client:
        try:
            await client.execute_command("SENTINEL", "FAILOVER", master)
        except ResponseError as refused:
            raise CalledOffError(str(refused)) from refused


async def demote(old: Address, new: Address, access: Access = OPEN) -> str:
    """Make the old master a replica of the new one, as Sentinels would some seconds later.

    Its clients are sent away, those whose writes it held back first of all, and look for the master anew.
    Returns why it could not write down what it is now, empty when it could. Raises UnansweredError.
    """
    async with asking(old, access) as client, client.pipeline(transaction=False) as orders:
        orders.execute_command("REPLICAOF", *new)
        orders.execute_command("CONFIG", "REWRITE")
        orders.execute_command("CLIENT", "KILL", "TYPE", "normal")
        orders.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        orders.execute_command("CLIENT", "UNPAUSE")
        demoted, written, *_ = await orders.execute(raise_on_error=False)
    if isinstance(demoted, Exception):
        raise UnansweredError(f"{old[0]}:{old[1]}: {demoted}") from demoted
    return str(written) if isinstance(written, Exception) else ""
