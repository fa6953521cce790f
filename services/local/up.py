"""`continuo up`: everything on this machine until Ctrl-C.

Called by the command line. Starts a Redis with Sentinels unless CONTINUO_REDIS_SENTINELS names one, then the
services, each a process of its own; prints where to connect and what to type next. Must never leave a process
behind.
"""

import argparse
import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from services.local import kept_traces, observed
from services.local.embedded import EmbeddedRedis, EmbeddedRedisError
from services.local.ending import LocalError, alongside, ending_in_a_line, say, stops_on_signals
from services.local.home import API_KEYS_VARIABLE, SECRET_VARIABLE, Home, Running
from services.local.named_agents import GRAPHS_VARIABLE, for_chat
from services.local.servers import port_is_free
from services.local.supervisor import Say, Service, Supervisor
from services.local.tokens import issue_now

SENTINELS_VARIABLE = "CONTINUO_REDIS_SENTINELS"
USERS = ("alice", "bob")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--verbose", action="store_true", help="show the services' logs here too")
    parser.add_argument(
        "--ports",
        type=_ports,
        default=[8001, 8002, 8003, 8004, 8005],
        metavar="A,B,C,D[,E]",
        help="first and second connection process, worker, presence, and the API of back ends: without it"
        " there is none (default 8001,8002,8003,8004,8005)",
    )
    parser.add_argument(
        "--observe", action="store_true", help="have a Prometheus watch them, where it is installed"
    )


def _ports(text: str) -> list[int]:
    parts = text.split(",")
    if wrong := [part for part in parts if not part.isdecimal() or not 0 < int(part) < 1 << 16]:
        raise argparse.ArgumentTypeError(f"{wrong[0]!r} is no port")
    ports = list(map(int, parts))
    if len(ports) not in {4, 5}:
        raise argparse.ArgumentTypeError(
            f"four ports are needed, or five with the API's, {len(ports)} were given"
        )
    return ports


def run(given: argparse.Namespace) -> int:
    return ending_in_a_line("up", _up(Home.of(os.environ), os.environ, given))


async def _up(home: Home, environ: Mapping[str, str], given: argparse.Namespace) -> int:
    prometheus = observed.program(home) if given.observe else None
    with home.claimed():
        async with stops_on_signals(), redis_for(home, environ, say) as sentinels:
            services = Supervisor(
                service_groups(given.ports[:4], _api(home, environ, given.ports[4:])),
                home.logs,
                common_settings(home, environ, sentinels),
                say,
            )
            async with (
                alongside(kept_traces.keep_bounded(home.traces)),
                running(services, home.logs if given.verbose else None),
                _observing(prometheus, home, services) as watched,
            ):
                home.note(Running([server_address(port) for port in given.ports[:2]], sentinels))
                _greet(home, environ, given.ports, watched)
                await services.watch()
    return 0


def _api(home: Home, environ: Mapping[str, str], port: list[int]) -> dict[str, str]:
    """What the first connection process is told of the API; nothing where it has no port."""
    if not port:
        return {}
    if not port_is_free(port[0]):
        raise LocalError(
            f"the API: port {port[0]} is in use; --ports (make run PORTS=a,b,c,d,e) takes others"
        )
    return {"CONTINUO_API_PORT": str(port[0]), API_KEYS_VARIABLE: str(home.api_keys(environ))}


def service_groups(ports: list[int], api: Mapping[str, str] | None = None) -> list[list[Service]]:
    """The services in the order they may end in, last first: connections go before what they depend on.

    api: settings of the first connection process, which alone serves the API here: both would want its port.
    """
    first, second, worker, presence = ports
    return [
        [
            Service("presence", "services.presence", presence),
            Service("conversation", "services.conversation", worker),
        ],
        [
            Service("connection-1", "services.connection", first, {API_KEYS_VARIABLE: "", **(api or {})}),
            Service("connection-2", "services.connection", second, {API_KEYS_VARIABLE: ""}),
        ],
    ]


def common_settings(home: Home, environ: Mapping[str, str], sentinels: str) -> dict[str, str]:
    return {
        # A person waits for the end: running answers are handed over instead of waited for.
        "CONTINUO_DRAIN_S": environ.get("CONTINUO_DRAIN_S", "3"),
        SENTINELS_VARIABLE: sentinels,
        SECRET_VARIABLE: home.secret(environ),
        **kept_traces.settings(home, environ),
    }


def server_address(port: int) -> str:
    return f"ws://127.0.0.1:{port}/connection/websocket"


@asynccontextmanager
async def redis_for(home: Home, environ: Mapping[str, str], say: Say) -> AsyncIterator[str]:
    """The Sentinels to use: those the environment names, or those of a Redis started here and watched
    over.
    """
    if given := environ.get(SENTINELS_VARIABLE):
        say(f"using the Redis behind {given}")
        yield given
        return
    async with EmbeddedRedis(home.redis) as servers:
        say(f"redis is ready: master {servers.master}, two replicas, Sentinels {servers.sentinels}")
        async with alongside(_keep_redis(servers, say)):
            yield servers.sentinels


async def _keep_redis(servers: EmbeddedRedis, say: Say) -> None:
    """Starts a Redis process again that died; the Sentinels decide what it becomes."""
    while True:
        await asyncio.sleep(0.2)
        for name in servers.names:
            if servers.child(name).alive:
                continue
            say(f"{name} ended with {servers.child(name).exit_code}; starting it again")
            try:
                await servers.restart(name)
                say(f"{name} is back; the master is {servers.master}")
            except EmbeddedRedisError as error:
                say(f"{name} does not come back: {error}")


@asynccontextmanager
async def running(services: Supervisor, shown_logs: Path | None) -> AsyncIterator[None]:
    """The services, ready; ended in order when the block ends, also when it never began."""
    try:
        async with alongside(_show_logs(shown_logs)) if shown_logs else contextlib.nullcontext():
            await services.start()
            yield
    finally:
        await asyncio.shield(services.stop())


def _observing(
    prometheus: Path | None, home: Home, services: Supervisor
) -> contextlib.AbstractAsyncContextManager[str]:
    """Where a Prometheus that watches them is, in a sentence; empty where none was asked for."""
    if prometheus is None:
        return contextlib.nullcontext("")
    return observed.observing(prometheus, home, services.services, say)


async def _show_logs(logs: Path) -> None:
    """Prints what is appended to any log from now on, each line behind its process's name."""
    read: dict[Path, int] = {}
    _print_news(logs, read, show=False)
    while True:
        await asyncio.sleep(0.2)
        _print_news(logs, read, show=True)


def _print_news(logs: Path, read: dict[Path, int], *, show: bool) -> None:
    for file in sorted(logs.glob("*.log")):
        with file.open(errors="replace") as log:
            log.seek(read.get(file, 0))
            for line in log:
                if show:
                    print(f"{file.stem:>14} | {line.rstrip()}", flush=True)
            read[file] = log.tell()


def _greet(home: Home, environ: Mapping[str, str], ports: list[int], watched: str) -> None:
    secret = home.secret(environ)
    print(
        f"\nContinuo is ready. Devices connect to {server_address(ports[0])} or {server_address(ports[1])}."
    )
    for user in USERS:
        print(f"  token of {user}: {issue_now(secret, user)}")
    for port in ports[4:]:
        given = environ.get(API_KEYS_VARIABLE)
        keys = f"a key of {given}" if given else f"the key in {home.api_key}"
        print(f"Back ends ask http://127.0.0.1:{port}/api/v1 with {keys} (docs/api.md).")
    print("Logs are in", home.logs)
    if watched:
        print(watched)
    print("Now type in another terminal:\n")
    naming = for_chat(environ.get(GRAPHS_VARIABLE, ""))
    print(f"    {_command()} chat --user alice{naming}\n")
    if naming:
        print("That begins a conversation with it; without --agents one goes on with the newest.\n")
    if kept_traces.settings(home, environ):
        print("What became of a message, step by step (without an id: the latest messages):\n")
        elsewhere = (
            f" --file {environ[kept_traces.FILE_VARIABLE]}" if environ.get(kept_traces.FILE_VARIABLE) else ""
        )
        print(f"    {_command()} trace{elsewhere} <message id>\n")
    print("Ctrl-C here ends everything.", flush=True)


def _command() -> str:
    """What a person types to run `continuo` from here: its name when the shell finds it, else its path."""
    if shutil.which("continuo"):
        return "continuo"
    beside = Path(sys.executable).with_name("continuo")
    try:
        return str(beside.relative_to(Path.cwd()))
    except ValueError:
        return str(beside)
