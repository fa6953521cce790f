"""The chart's development Redis as processes on loopback: the very scripts of charts/continuo/files, with
each pod's volume a folder and its two containers two processes.

Called by the tests of those scripts, which stop, kill and start pods in every order and lose volumes. Servers
find each other by a name ("localhost"), as pods do.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import redis.asyncio

from services.local.processes import Child
from services.local.servers import REDIS_PORTS, find_program, free_ports
from services.shared.bus import examine
from tests.support.waiting import eventually

FILES = Path(__file__).parents[2] / "charts" / "continuo" / "files"
PODS = (0, 1, 2)
NAME = "continuo"
HOST = "localhost"
SETTLES_WITHIN_S = 90.0
STOPS_WITHIN_S = 30.0
GONE_LOOKS = 200
"""A hundredth of a second each."""


class RedisPod:
    """One pod: a data server and a Sentinel, each started by its script, on one volume."""

    def __init__(self, number: int, folder: Path, shell: Sequence[str], environ: Mapping[str, str]) -> None:
        self.number = number
        self.volume = folder / f"volume-{number}"
        self.run = folder / f"run-{number}"
        for made in (self.volume, self.run):
            made.mkdir(parents=True)
        own = {"REDIS_ME": str(number), "REDIS_FOLDER": str(self.volume), "REDIS_RUN": str(self.run)}
        self.environ = {**environ, **own}
        self.shell = shell
        self._told_before = 0
        self.hook_log = folder / f"hooks-{number}.log"
        self.server = self._child("redis-start.sh", folder / f"server-{number}.log")
        self.sentinel = self._child("redis-sentinel.sh", folder / f"sentinel-{number}.log")

    def _child(self, script: str, log: Path) -> Child:
        return Child(f"{script} {self.number}", [*self.shell, str(FILES / script)], log, self.environ)

    def start(self) -> None:
        self._told_before = self.server.log.stat().st_size if self.server.log.exists() else 0
        self.sentinel.start()
        self.server.start()

    def kill(self) -> None:
        for child in (self.server, self.sentinel):
            _kill_whole(child)
        (self.run / "redis-waiting").unlink(missing_ok=True)

    def lose_volume(self) -> None:
        shutil.rmtree(self.volume)
        self.volume.mkdir()

    @property
    def whole(self) -> bool:
        """Whether the disk has all that the data server copied."""
        return (self.volume / "redis" / "whole").exists()

    @property
    def aof(self) -> Path:
        """The folder of the append-only file."""
        return self.volume / "redis" / "appendonlydir"

    @property
    def aside(self) -> Path:
        """Where commands go while the append-only file is written anew behind a copy."""
        return self.aof / "temp-appendonly.aof.incr"

    def put_aside(self, before_the_manifest_s: int = 0) -> None:
        """As left by a data server that was stopped in that time; in an earlier life, if so long before the
        append-only file was written anew.
        """
        self.aside.touch()
        if before_the_manifest_s:
            written = (self.aof / "appendonly.aof.manifest").stat().st_mtime
            os.utime(self.aside, (written - before_the_manifest_s,) * 2)

    @property
    def spoken(self) -> list[str]:
        """What the start script said since the pod was started: why it waits, or as what it starts."""
        told = self.server.log.read_bytes()[self._told_before :].decode(errors="replace")
        lines = (line.partition("redis-start.sh: ") for line in told.splitlines())
        return [said for before, script, said in lines if script and not before]

    @property
    def has_spoken(self) -> bool:
        return bool(self.spoken)


def _kill_whole(child: Child) -> None:
    """As a container ends: with what its script started beside the server."""
    if child.exit_code is None and not child.alive:
        return  # never started
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
        child.kill()
        for _ in range(GONE_LOOKS):  # where nobody reaps orphans they stay, dead
            os.killpg(child.pid, 0)
            time.sleep(0.01)


class ChartRedis:
    """Three such pods. `shell` runs the scripts; `cli` is the redis-cli they use."""

    def __init__(
        self,
        folder: Path,
        shell: Sequence[str] = ("sh",),
        cli: Path | None = None,
        patience_s: int = 600,
    ) -> None:
        self._program = find_program()
        ports = free_ports(6, REDIS_PORTS)
        self.servers = [(HOST, port) for port in ports[:3]]
        self.sentinels = [(HOST, port) for port in ports[3:]]
        folder.mkdir(parents=True, exist_ok=True)
        environ = {**self._settings(_tools(folder, cli), patience_s), **self._addresses()}
        self.pods = [RedisPod(number, folder, shell, environ) for number in PODS]

    def _addresses(self) -> dict[str, str]:
        return {
            "REDIS_SERVERS": " ".join(f"{host}:{port}" for host, port in self.servers),
            "REDIS_SENTINELS": " ".join(f"{host}:{port}" for host, port in self.sentinels),
        }

    def _settings(self, cli: Path, patience_s: int) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "REDIS_NAME": NAME,
            "REDIS_BIND": "127.0.0.1",
            "REDIS_SERVER": str(self._program.binary),
            "REDIS_MODULES": " ".join(map(str, self._program.modules)),
            "REDIS_CLI": str(cli),
            "REDIS_DOWN_AFTER_MS": "2000",
            "REDIS_FAILOVER_TIMEOUT_MS": "6000",
            "REDIS_PATIENCE_S": str(patience_s),
            "REDIS_ROUND_S": "0.3",
        }

    # -- hurting ---------------------------------------------------------------------------------------------

    def start(self, *numbers: int) -> None:
        for number in numbers:
            self.pods[number].start()

    def kill(self, *numbers: int) -> None:
        """SIGKILL for both containers of these pods, all at once."""
        for number in numbers:
            for child in (self.pods[number].server, self.pods[number].sentinel):
                child.signal(signal.SIGKILL)
        for number in numbers:
            self.pods[number].kill()

    def rename(self, number: int, host: str) -> None:
        """From their next start on, all pods know this one by another name."""
        self.servers[number] = (host, self.servers[number][1])
        self.sentinels[number] = (host, self.sentinels[number][1])
        for pod in self.pods:
            pod.environ.update(self._addresses())

    async def stop(self, number: int) -> None:
        """As the kubelet ends a pod: the Sentinel at once, the data server after its preStop hook."""
        pod = self.pods[number]
        handover = Child(
            "handover", [*pod.shell, str(FILES / "redis-handover.sh")], pod.hook_log, pod.environ
        )
        handover.start()
        pod.sentinel.signal(signal.SIGTERM)
        assert await handover.ended(SETTLES_WITHIN_S)
        await pod.server.end(STOPS_WITHIN_S)
        await pod.sentinel.end(STOPS_WITHIN_S)

    async def start_one_by_one(self, order: Iterable[int]) -> None:
        """Each pod starts when the one before has looked around and taken its part or said why it waits."""
        for number in order:
            self.start(number)
            pod = self.pods[number]
            await eventually(lambda pod=pod: pod.has_spoken, within_s=SETTLES_WITHIN_S)

    # -- looking ---------------------------------------------------------------------------------------------

    @property
    def sentinel_names(self) -> tuple[str, ...]:
        """The Sentinels as CONTINUO_REDIS_SENTINELS wants them."""
        return tuple(f"{host}:{port}" for host, port in self.sentinels)

    async def masters(self) -> list[int]:
        """The pods whose data server says now that it is a master."""
        found = []
        for number in PODS:
            try:
                said = await examine.replication(self.servers[number])
            except examine.UnansweredError:
                continue
            if said.role == "master":
                found.append(number)
        return found

    async def settled(self, pods: Sequence[int] = PODS, could_fail_over: bool = False) -> int:
        """Waits until one of `pods` is the master, the others follow it, on disk as well, and their Sentinels
        name it; the master's number. With `could_fail_over`, until each Sentinel also knows all others and
        that each replica could replace the master, which it asks for every ten seconds.
        """

        async def agreed() -> list[int]:
            try:
                return [await self._agreed(pods, could_fail_over)]
            except examine.UnansweredError as error:
                raise AssertionError(str(error)) from error

        [master] = await eventually(agreed, within_s=SETTLES_WITHIN_S, every_s=0.1)
        return int(master)

    async def _agreed(self, pods: Sequence[int], could_fail_over: bool) -> int:
        views = [await examine.sentinel_view(self.sentinels[number], NAME) for number in pods]
        assert len({view.master for view in views}) == 1, views
        master = self.servers.index(views[0].master)
        assert await self.masters() == [master]
        for number in pods:
            said = await examine.replication(self.servers[number])
            follows = said.role == "slave" and said.link_up
            assert follows or (number == master and said.online_replicas == len(pods) - 1), (number, said)
            assert self.pods[number].whole, number
        for view in views:
            assert view.flags == {"master"}, view
            if could_fail_over:
                assert view.quorum_reachable, view
                assert view.other_sentinels == len(PODS) - 1, view
                assert view.usable_replicas == len(view.candidates) == len(pods) - 1, view
        return master

    # -- writing ---------------------------------------------------------------------------------------------

    async def write(self, master: int, key: str, confirmed_by: int = 2) -> None:
        """Writes a key, as acknowledged: that many replicas hold it."""
        async with self.client(master) as client:
            await client.set(key, "kept")
            assert await client.wait(confirmed_by, 10_000) >= confirmed_by

    async def keys(self, number: int) -> set[str]:
        async with self.client(number) as client:
            return {key.decode() for key in await client.keys("*")}

    def client(self, number: int) -> redis.asyncio.Redis:
        host, port = self.servers[number]
        return redis.asyncio.Redis(host=host, port=port)


def _tools(folder: Path, cli: Path | None) -> Path:
    """A redis-cli as one program: the one given, else ours in Python."""
    if cli is not None:
        return cli
    program = folder / "redis-cli"
    program.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -I -S "{Path(__file__).parent}/redis_cli.py" "$@"\n'
    )
    program.chmod(0o755)
    return program
