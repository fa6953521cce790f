"""A whole Redis for one machine: a master, two replicas and three Sentinels as processes of their own.

Called by `continuo up`, the demonstrations and the tests, which also hurt it: `kill`, `freeze`, `thaw`,
`restart` take the names in `names`. Holds no object of an event loop, so one instance may be used from
several loops in turn. Must never let a data server serve as master because it was master once: a master that
comes back may hold an older data set than its replicas do and would make them copy its past. So a restarted
server waits for the Sentinels' word, and a whole group that starts again begins with the master the Sentinels
had agreed on last.
"""

import asyncio
import secrets
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from services.local.ending import LocalError
from services.local.lastmaster import (
    DATA_SERVERS,
    SENTINELS,
    forget_aside,
    is_whole,
    last_master,
    remember_ports,
)
from services.local.processes import Child
from services.local.servers import (
    LOOPBACK,
    MASTER_NAME,
    REDIS_PORTS,
    DataSeat,
    SentinelSeat,
    ServerProgram,
    data_server_config,
    find_program,
    free_ports,
    port_is_free,
    sentinel_config,
)
from services.shared.bus import examine

SETTLES_WITHIN_S = 60.0
"""Sentinels take some 25 s until they count on a master that froze and came back as a replica."""
_STOPS_WITHIN_S = 5.0
_LOST_PORT = "Failed listening"
_AGREED = "the Sentinels to agree on a master with two replicas"


class EmbeddedRedisError(LocalError):
    """A server did not start or ended; the message is one line with its name and its own last words."""


class EmbeddedRedis:
    """Master, two replicas, three Sentinels; `async with` starts and stops them.

    `folder` keeps the data of each server and is made when missing; `ports` are six loopback ports (three
    data servers, then three Sentinels), free ones when not given. `announced` are the ports by which servers
    and clients reach each other when something stands in between (a proxy), the same as `ports` when not
    given; only our own looks go to `ports` then.
    """

    def __init__(
        self,
        folder: Path,
        ports: Sequence[int] = (),
        program: ServerProgram | None = None,
        announced: Sequence[int] = (),
    ) -> None:
        if ports and len(ports) != len(DATA_SERVERS) + len(SENTINELS):
            raise ValueError(f"six ports are needed, {len(ports)} were given")
        if announced and len(announced) != len(ports):
            raise ValueError("ports are announced together with those they lead to")
        self.folder = folder
        self._wanted_ports = tuple(ports)
        self._program = program
        self._ports: dict[str, int] = {}
        self._wanted_announced = tuple(announced)
        self._announced: dict[str, int] = {}
        self._children: dict[str, Child] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """Every process's name: the data servers, then the Sentinels."""
        return DATA_SERVERS + SENTINELS

    @property
    def sentinels(self) -> str:
        """The Sentinels as CONTINUO_REDIS_SENTINELS wants them: "host:port,host:port,host:port"."""
        return ",".join(f"{LOOPBACK}:{self._announced[name]}" for name in SENTINELS)

    @property
    def ports(self) -> dict[str, int]:
        """The ports the servers listen on."""
        return dict(self._ports)

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by name, also of servers that ended."""
        return {name: child.pid for name, child in self._children.items()}

    @property
    def master(self) -> str:
        """The master's name by the word of a Sentinel that answers now. Raises EmbeddedRedisError when none
        does.
        """
        said = examine.master_address_now(self._sentinel_addresses(), MASTER_NAME)
        if said is None:
            raise EmbeddedRedisError("no Sentinel names a master")
        return self._name_at(said)

    @property
    def replicas(self) -> tuple[str, ...]:
        """The names of the data servers that are not the master now."""
        master = self.master
        return tuple(name for name in DATA_SERVERS if name != master)

    def child(self, name: str) -> Child:
        """The process of this name, for whoever watches over it."""
        return self._children[name]

    def address(self, name: str) -> tuple[str, int]:
        """Where this server listens."""
        return LOOPBACK, self._ports[name]

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Starts everything; returns when the Sentinels know the master and both replicas follow it.

        Raises NoServerError, or EmbeddedRedisError when a port is in use or a server does not come up.
        """
        self._program = self._program or find_program()
        for port in self._wanted_ports:
            if not port_is_free(port):
                raise EmbeddedRedisError(f"port {port} is in use")
        for tries_left in (2, 1, 0):
            try:
                await self._start_on(self._wanted_ports or free_ports(6, REDIS_PORTS))
                return
            except EmbeddedRedisError as error:
                await self.stop()
                # Between our look at a free port and its use, another process may have taken it.
                if self._wanted_ports or _LOST_PORT not in str(error) or not tries_left:
                    raise
            except BaseException:
                await self.stop()
                raise

    async def stop(self) -> None:
        """Ends everything: the Sentinels first (nobody is to fail over), then the master, which waits for its
        replicas.
        """
        try:
            master = self.master if self._children else ""
        except EmbeddedRedisError:
            master = ""
        for name in SENTINELS:
            if name in self._children:
                self._children[name].kill()
        for name in sorted(self._children.keys() & set(DATA_SERVERS), key=lambda name: name != master):
            await self._children[name].end(_STOPS_WITHIN_S)

    def kill(self, name: str) -> None:
        """SIGKILL, at once."""
        self._children[name].kill()

    def freeze(self, name: str) -> None:
        """SIGSTOP: the process keeps its sockets and says nothing."""
        self._children[name].freeze()

    def thaw(self, name: str) -> None:
        """SIGCONT."""
        self._children[name].thaw()

    async def restart(self, name: str) -> None:
        """Ends a server if it still runs and starts it again on its old data; returns when it takes part.

        A data server starts as a replica of the master the Sentinels name, and waits until they name another
        than itself. Only when no other data server is alive and its own disk is whole it may be the master:
        nobody holds newer data then.
        """
        child = self._children[name]
        child.kill()
        if name in SENTINELS:
            child.start()
            await self._until(lambda: self._sentinel_settled(name), f"{name} to see the master", [child])
            return
        master = await self._sentinels_word(name)
        self._write_data_config(name, None if master == name else master)
        child.start()
        await self._until(lambda: self._answers(name), f"{name} to answer", [child])
        if master != name:
            await self._until(lambda: self._follows(name), f"{name} to follow {master}", [child])

    async def settled(self) -> None:
        """Returns when one master is known to every Sentinel and both other data servers follow it."""
        await self._until(self._all_settled, _AGREED)

    # -- starting --------------------------------------------------------------------------------------------

    async def _start_on(self, ports: Sequence[int]) -> None:
        master = last_master(self.folder)
        self._ports = dict(zip(self.names, ports, strict=True))
        self._announced = dict(zip(self.names, self._wanted_announced or ports, strict=True))
        self._children = {}
        replicas = [name for name in DATA_SERVERS if name != master]
        forget_aside(self.folder / master)
        self._begin_data_server(master, None)
        await self._until(lambda: self._answers(master), f"{master} to answer")
        for name in replicas:
            self._begin_data_server(name, master)
        for name in replicas:
            await self._until(partial(self._follows, name), f"{name} to follow {master}")
        self._begin_sentinels(master, replicas)
        remember_ports(self.folder, self._announced)
        # All of them: one that lost its port to another process may have ended before anybody looked.
        await self._until(self._all_settled, _AGREED, list(self._children.values()))

    def _begin_data_server(self, name: str, master: str | None) -> None:
        (self.folder / name).mkdir(parents=True, exist_ok=True)
        self._write_data_config(name, master)
        self._begin(name)

    def _write_data_config(self, name: str, master: str | None) -> None:
        assert self._program is not None, "start() finds the program"
        master_port = None if master is None else self._announced[master]
        seat = DataSeat(self._ports[name], self._announced[name])
        config = data_server_config(self._program, seat, self.folder / name, master_port)
        (self.folder / name / "server.conf").write_text(config)

    def _begin_sentinels(self, master: str, replicas: Sequence[str]) -> None:
        seats = {
            name: SentinelSeat(self._ports[name], self._announced[name], secrets.token_hex(20))
            for name in SENTINELS
        }
        for name, seat in seats.items():
            home = self.folder / name
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir(parents=True)
            others = [other for other in seats.values() if other is not seat]
            replica_ports = [self._announced[replica] for replica in replicas]
            config = sentinel_config(seat, others, home, self._announced[master], replica_ports)
            (home / "server.conf").write_text(config)
            self._begin(name)

    def _begin(self, name: str) -> None:
        assert self._program is not None, "start() finds the program"
        home = self.folder / name
        conf = str(home / "server.conf")
        argv = [str(self._program.binary), conf]
        if name in SENTINELS:
            argv = [str(self._program.sentinel), conf, "--sentinel"]
        self._children[name] = Child(name, argv, home / "log.txt")
        self._children[name].start()

    # -- looking ---------------------------------------------------------------------------------------------

    def _name_at(self, announced: tuple[str, int]) -> str:
        """The data server a Sentinel means by this address. Raises EmbeddedRedisError when it is none of
        ours.
        """
        for name in DATA_SERVERS:
            if self._announced[name] == announced[1]:
                return name
        raise EmbeddedRedisError(f"the Sentinels name a master of somebody else: port {announced[1]}")

    def _sentinel_addresses(self) -> list[tuple[str, int]]:
        return [self.address(name) for name in SENTINELS if name in self._ports]

    async def _sentinels_word(self, name: str) -> str:
        """The master a majority of the Sentinels names, once that is not `name` or nobody else is alive and
        `name` has all it held.
        """
        agreed = ""

        async def spoken() -> bool:
            nonlocal agreed
            asked = (examine.master_address([address], MASTER_NAME) for address in self._sentinel_addresses())
            votes = Counter(said for said in await asyncio.gather(*asked) if said is not None)
            said, count = votes.most_common(1)[0] if votes else (None, 0)
            if said is None or count < 2:
                return False
            agreed = self._name_at(said)
            alone = not any(self._children[other].alive for other in DATA_SERVERS if other != name)
            return agreed != name or (alone and is_whole(self.folder / name))

        await self._until(spoken, f"the Sentinels to name a master other than {name}", [])
        return agreed

    async def _answers(self, name: str) -> bool:
        await examine.replication(self.address(name))
        return True

    async def _follows(self, name: str) -> bool:
        said = await examine.replication(self.address(name))
        return said.role == "slave" and said.link_up

    async def _sentinel_settled(self, name: str, replicas: int = 0) -> bool:
        view = await examine.sentinel_view(self.address(name), MASTER_NAME)
        sees_all = view.quorum_reachable and view.usable_replicas >= replicas
        return sees_all and "s_down" not in view.flags

    async def _all_settled(self) -> bool:
        views = [await examine.sentinel_view(self.address(name), MASTER_NAME) for name in SENTINELS]
        if len({view.master for view in views}) != 1:
            return False
        said = await examine.replication(self.address(self._name_at(views[0].master)))
        sees_all = [await self._sentinel_settled(name, replicas=2) for name in SENTINELS]
        return said.role == "master" and said.online_replicas == 2 and all(sees_all)

    async def _until(
        self, condition: Callable[[], Awaitable[bool]], awaited: str, needed: Sequence[Child] | None = None
    ) -> None:
        """Polls until the condition holds; a server that ended or half a minute end the waiting with one
        line.
        """
        deadline = asyncio.get_running_loop().time() + SETTLES_WITHIN_S
        running = [child for child in self._children.values() if child.alive] if needed is None else needed
        reason = ""
        while asyncio.get_running_loop().time() < deadline:
            for child in running:
                if not child.alive:
                    raise EmbeddedRedisError(
                        f"{child.name} ended with {child.exit_code}: {child.last_words()}"
                    )
            try:
                if await condition():
                    return
            except examine.UnansweredError as error:
                reason = f" ({error})"
            await asyncio.sleep(0.01)
        raise EmbeddedRedisError(f"waited {SETTLES_WITHIN_S:.0f} s for {awaited}{reason}")
