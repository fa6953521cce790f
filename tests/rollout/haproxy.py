"""A real HAProxy in TCP mode, at random, without checks or retries: what a Service is to a client.

Endpoints are added and taken out through its runtime socket, so nothing is ever reloaded. One that is taken
out (maintenance) gets no new connection and keeps those it has, as a Service does. `make rollout` installs
the program.
"""

import asyncio
import os
import shutil
from pathlib import Path

from services.local.processes import Child
from tests.support.waiting import eventually

HERE = Path(__file__).parents[2] / ".continuo" / "haproxy"
CONFIG = """
global
    maxconn 8000
    stats socket {socket} mode 600 level admin
defaults
    mode tcp
    retries 0
    no option redispatch
    timeout connect 5s
    timeout client 1h
    timeout server 1h
frontend clients
    bind 127.0.0.1:{port}
    default_backend pods
backend pods
    balance random(1)
"""


class NoHaproxyError(RuntimeError):
    """The program is not there; the message says how to get it."""


def program() -> tuple[str, dict[str, str]]:
    """The program and what its environment needs. Raises NoHaproxyError."""
    unpacked = HERE / "usr" / "sbin" / "haproxy"
    if unpacked.exists():
        libraries = ":".join(sorted({str(file.parent) for file in (HERE / "usr" / "lib").rglob("*.so*")}))
        return str(unpacked), {"LD_LIBRARY_PATH": libraries}
    found = shutil.which("haproxy", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise NoHaproxyError("haproxy is missing: .ci/haproxy gets it, and `make rollout` runs that first")
    return found, {}


class Balancer:
    """The proxy's process and its endpoints, by pod."""

    def __init__(self, folder: Path, port: int) -> None:
        binary, environ = program()
        self.port = port
        self.endpoints: dict[str, str] = {}
        self._socket = folder / "haproxy.sock"
        self._known: set[str] = set()
        config = folder / "haproxy.cfg"
        config.write_text(CONFIG.format(socket=self._socket, port=port))
        argv = [binary, "-db", "-f", str(config)]
        self._child = Child("haproxy", argv, folder / "haproxy.log", {**os.environ, **environ})

    async def start(self) -> None:
        """Return when it takes orders. Raises AssertionError with its last words."""
        self._child.start()

        async def answers() -> bool:
            assert self._child.alive, self._child.last_words()
            return self._socket.exists() and "HAProxy" in await self.order("show info")

        await eventually(answers, 10)

    async def set(self, endpoints: dict[str, str]) -> None:
        """Make these pods (name: address and port) the endpoints, and no others."""
        for pod in self.endpoints.keys() - endpoints.keys():
            await self._done(f"set server pods/{pod} state maint")
        for pod, address in endpoints.items():
            if pod not in self._known:
                await self._done(f"add server pods/{pod} {address}")
                self._known.add(pod)
            if pod not in self.endpoints:
                await self._done(f"set server pods/{pod} state ready")
        self.endpoints = dict(endpoints)

    async def order(self, words: str) -> str:
        """One command of its runtime interface, and what it answers."""
        reader, writer = await asyncio.open_unix_connection(self._socket)
        try:
            writer.write(words.encode() + b"\n")
            return (await reader.read()).decode().strip()
        finally:
            writer.close()

    async def _done(self, words: str) -> None:
        answer = await self.order(words)
        assert answer in {"", "New server registered."}, f"haproxy: {words}: {answer}"

    def end(self) -> None:
        """End it; what is connected is cut."""
        self._child.kill()
