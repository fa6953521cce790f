"""Containers of this run: started as restricted as the chart's pods are, and all of them removed at the end.

Used by tests/images. Whatever talks does so on a network of its own, or through ports published on loopback.
"""

import asyncio
import inspect
import json
import secrets
import subprocess
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from services.local.probe import status_of
from tests.images.charted import Charted
from tests.support.waiting import eventually

HOUSE = Path(__file__).parents[2]
TAG = tomllib.loads((HOUSE / "pyproject.toml").read_text())["project"]["version"]
CLIENT, PAGES, ADMIN, API = 8000, 8080, 8081, 8090
# What charts/continuo sets in securityContext; its bounds come with what it renders (charted.py).
NO_RIGHTS = ["--user", "10001:10001", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
NO_RIGHTS += ["--pids-limit", "256"]
PLAIN = ["--memory", "640m", "--memory-swap", "640m", "--tmpfs", "/tmp:size=64m,mode=1777"]
"""Bounds of what is no part of the chart."""


def image(target: str) -> str:
    return f"continuo-{target}:{TAG}"


def docker(*arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs docker. Raises AssertionError with what it said when it failed, unless not to check."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done


class Container:
    """One container by its name, which is also its address on the network."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def state(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads(docker("inspect", "--format", "{{json .State}}", self.name).stdout)
        return said

    @property
    def log(self) -> str:
        said = docker("logs", self.name)
        return said.stdout + said.stderr

    def port(self, inner: int) -> int:
        """The loopback port that leads to a port of it."""
        return int(docker("port", self.name, f"{inner}/tcp").stdout.splitlines()[0].rpartition(":")[2])

    def until(self, fact: Callable[[], Any], within_s: float = 60.0) -> None:
        """Waits for something to hold, as long as it runs: what ended may have made it hold by its end."""

        async def held() -> Any:
            runs = self.state["Running"]
            found = fact()
            holds = await found if inspect.isawaitable(found) else found
            assert holds or runs, "it ended"
            return holds

        try:
            asyncio.run(eventually(held, within_s=within_s, every_s=0.1))
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self.name} said:\n{self.log}") from late

    def until_ready(self) -> Self:
        port = self.port(PAGES)
        self.until(lambda: _is_ready(port))
        return self

    async def stop(self, grace_s: int) -> None:
        """As the kubelet ends a pod: SIGTERM, and SIGKILL when the grace is over."""
        await asyncio.to_thread(docker, "stop", "--time", str(grace_s), self.name)


async def _is_ready(port: int) -> bool:
    return await status_of(port, "/readyz") == 200


class Containers:
    """A network and what was started on it."""

    def __init__(self) -> None:
        self.network = f"continuo-test-{secrets.token_hex(4)}"
        self._started: list[str] = []

    def __enter__(self) -> Self:
        docker("network", "create", self.network)
        return self

    def __exit__(self, *_: object) -> None:
        if self._started:
            docker("rm", "--force", "--volumes", *self._started, check=False)
        docker("network", "rm", self.network, check=False)

    def run(
        self,
        name: str,
        of: str,
        *command: str,
        environ: Mapping[str, str] | None = None,
        ports: Sequence[int] = (),
        writable: bool = False,
        more: Sequence[str] = (),
        bounds: Sequence[str] = (),
    ) -> Container:
        """Starts a container. of: an image. ports: published on loopback. writable: its root file system."""
        arguments = ["run", "--detach", "--name", f"{self.network}-{name}", "--hostname", name]
        arguments += [
            "--network",
            self.network,
            "--network-alias",
            name,
            *NO_RIGHTS,
            *(bounds or PLAIN),
            *more,
        ]
        arguments += [] if writable else ["--read-only"]
        for port in ports:
            arguments += ["--publish", f"127.0.0.1::{port}"]
        for variable, value in (environ or {}).items():
            arguments += ["--env", f"{variable}={value}"]
        self._started.append(f"{self.network}-{name}")
        docker(*arguments, of, *command)
        return Container(self._started[-1])

    def started(self, name: str, charted: Charted, ports: Sequence[int] = ()) -> Container:
        """Starts a container of the chart, as it renders it."""
        return self.run(name, charted.image, environ=charted.environ, ports=ports, bounds=charted.options)

    def tool(self, charted: Charted, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command of the tools image in a container of the chart, to its end."""
        environ = [word for pair in charted.environ.items() for word in ("--env", "=".join(pair))]
        return self.once(charted.image, *command, more=environ, bounds=charted.options)

    def once(
        self, of: str, *command: str, more: Sequence[str] = (), bounds: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Runs a container to its end; what it printed and its exit code."""
        arguments = ["run", "--rm", "--network", self.network, *NO_RIGHTS, *(bounds or PLAIN)]
        arguments += ["--read-only", *more]
        return docker(*arguments, of, *command, check=False)
