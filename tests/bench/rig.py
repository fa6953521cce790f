"""What the measurements stand on: a real Redis, processes pinned to cores, tokens. Nothing here measures."""

import asyncio
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import jwt

from services.local.embedded import EmbeddedRedis
from services.local.servers import free_ports
from services.shared.bus.house import Bus
from services.shared.bus.settings import RedisSettings
from services.shared.runtime.clock import SystemClock
from services.shared.runtime.metrics import Metrics

ROOT = Path(__file__).parent.parent.parent
SECRET = "the secret of the bench, long enough for HS256"
PATH = "/connection/websocket"
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, OTHER_CORE = CORES[0], CORES[-1]
"""The process under measurement has a core of its own; Redis, the devices and the driver share another."""


class Process:
    """A child that speaks JSON lines, if it speaks."""

    def __init__(
        self, *argv: str, core: int, env: dict[str, str] | None = None, log: Path | None = None
    ) -> None:
        self._child = subprocess.Popen(
            ["taskset", "-c", str(core), sys.executable, *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log.open("ab") if log else None,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
            cwd=ROOT,
        )
        self.pid = self._child.pid

    async def said(self, within_s: float = 90) -> dict[str, Any]:
        """The next line it says."""
        assert self._child.stdout is not None
        loop = asyncio.get_running_loop()
        line = await asyncio.wait_for(loop.run_in_executor(None, self._child.stdout.readline), within_s)
        assert line, f"{self._child.args!r} ended early"
        said: dict[str, Any] = json.loads(line)
        return said

    def go(self) -> None:
        """Tell it to begin."""
        assert self._child.stdin is not None
        self._child.stdin.write(b"go\n")
        self._child.stdin.flush()

    def rss_kib(self) -> int:
        """Resident memory."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])

    def cpu_s(self) -> float:
        """Processor time it has used."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        """Stop it, if need be by force."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._child.terminate()
        try:
            self._child.wait(20)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()


class Rig:
    """A Redis, and services on it."""

    def __init__(self, redis: EmbeddedRedis, bus: Bus, folder: Path) -> None:
        self.redis = redis
        self.bus = bus
        self.folder = folder

    @asynccontextmanager
    async def service(
        self, name: str, core: int, environ: Mapping[str, str] | None = None, **settings: object
    ) -> AsyncIterator[tuple[Process, int]]:
        """One service process, ready, and its port. environ: further variables, by their whole names."""
        (port,) = free_ports(1)
        given = dict(environ or {}) | {
            f"CONTINUO_{key.upper()}": str(value) for key, value in settings.items()
        }
        base = {
            "CONTINUO_REDIS_SENTINELS": self.redis.sentinels,
            "CONTINUO_TOKEN_HMAC_SECRET": SECRET,
            "CONTINUO_PORT": str(port),
            "CONTINUO_DRAIN_S": "1",
        }
        process = Process(
            "-m", f"services.{name}", core=core, env=base | given, log=self.folder / f"{name}.log"
        )
        try:
            await _ready(port)
            yield process, port
        finally:
            process.end()

    @asynccontextmanager
    async def devices(
        self, port: int, count: int, says: list[list[str]], frames: int = 0, path: str = PATH
    ) -> AsyncIterator[Process]:
        """Cheap devices, all connected and answered."""
        script = self.folder / "says.json"
        script.write_text(json.dumps(says))
        arguments = (str(port), str(count), str(script), str(frames), path)
        process = Process(str(ROOT / "tests/bench/devices.py"), *arguments, core=OTHER_CORE)
        try:
            await process.said()
            yield process
        finally:
            process.end()


@asynccontextmanager
async def open_rig(folder: Path) -> AsyncIterator[Rig]:
    """Start Redis with its Sentinels, beside everything but the process under measurement."""
    os.sched_setaffinity(0, {OTHER_CORE})
    async with EmbeddedRedis(folder / "redis") as redis:
        settings = RedisSettings(redis_sentinels=tuple(redis.sentinels.split(",")))
        bus = await Bus.open(settings, process="bench", clock=SystemClock(), metrics=Metrics())
        try:
            yield Rig(redis, bus, folder)
        finally:
            await bus.close()


def token(user: str) -> str:
    """A connection token for an hour."""
    return jwt.encode({"sub": user, "exp": time.time() + 3600}, SECRET, algorithm="HS256")


def hello(user: str) -> str:
    """The connect command."""
    return json.dumps({"id": 1, "connect": {"token": token(user)}})


async def _ready(port: int, within_s: float = 20) -> None:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            await asyncio.to_thread(urllib.request.urlopen, f"http://127.0.0.1:{port}/readyz", timeout=1)
        except (urllib.error.URLError, OSError):
            await asyncio.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nothing ready on port {port} within {within_s} s")
