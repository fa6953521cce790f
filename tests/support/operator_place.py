"""A namespace of a small cluster over HTTP, and the operator in it as the process it is."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from continuo_operator.ports import Kind
from services.local.servers import free_ports
from tests.support.small_api import TOKEN, SmallApi
from tests.support.small_cluster import SmallCluster


class Place:
    """A namespace, and operators in it."""

    def __init__(self, folder: Path, cluster: SmallCluster, api: SmallApi) -> None:
        self.folder = folder
        self.cluster = cluster
        self.api = api
        self.port = free_ports(1)[0]
        self.started: list[asyncio.subprocess.Process] = []

    async def operator(
        self, identity: str, port: int | None = None, **more: str
    ) -> asyncio.subprocess.Process:
        environ = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
        environ |= {
            "KUBECONFIG": str(self._kubeconfig()),
            "PYTHONPATH": os.pathsep.join([".", "operator"]),
            "CONTINUO_OPERATOR_NAMESPACE": "here",
            "CONTINUO_OPERATOR_IDENTITY": identity,
            "CONTINUO_OPERATOR_LEASE_S": "3",
            "CONTINUO_OPERATOR_LOOP_S": "0.3",
            "CONTINUO_OPERATOR_PORT": str(port or self.port),
            "CONTINUO_HOST": "127.0.0.1",
            "CONTINUO_ADMIN_TOKEN_FILE": str(self.folder / "token"),
            **more,
        }
        (self.folder / "token").write_text(TOKEN + "\nolder\n")
        log = (self.folder / f"{identity}.log").open("wb")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "continuo_operator", env=environ, stdout=log, stderr=log
        )
        log.close()
        self.started.append(process)
        return process

    def log(self, identity: str) -> list[dict[str, object]]:
        lines = (self.folder / f"{identity}.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def _kubeconfig(self) -> Path:
        kept = self.folder / "kubeconfig"
        document = {
            "current-context": "x",
            "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "clusters": [{"name": "x", "cluster": {"server": self.api.url}}],
            "users": [{"name": "x", "user": {"token": "who"}}],
        }
        kept.write_text(yaml.safe_dump(document))
        return kept

    async def live(self) -> None:
        """Let the pods go on with what they do."""
        while True:
            await asyncio.sleep(0.1)
            self.cluster.advance(0.1)


@asynccontextmanager
async def place_with(folder: Path, spec: Mapping[str, Any]) -> AsyncIterator[Place]:
    """Three pods and their fleet, alive; the operators that were started end with it."""
    cluster = SmallCluster([60, 10, 30], spec=spec, now=time.time())
    api = SmallApi(cluster)
    await api.open()
    cluster.object(Kind.FLEETS, "default")["spec"]["adminPort"] = api.admin_port
    made = Place(folder, cluster, api)
    living = asyncio.create_task(made.live())
    try:
        yield made
    finally:
        for process in made.started:
            if process.returncode is None:
                process.kill()
                await process.wait()
        living.cancel()
        await api.close()
