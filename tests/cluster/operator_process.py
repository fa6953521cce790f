"""The operator as it is, `python -m continuo_operator`, in front of a served simulator."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import yaml

from tests.cluster.cluster import NAMESPACE
from tests.cluster.served import Served

ROOT = Path(__file__).parents[2]


def kubeconfig(url: str) -> str:
    """One that names this server and nothing else."""
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "simulator",
            "contexts": [{"name": "simulator", "context": {"cluster": "simulator", "user": "operator"}}],
            "clusters": [{"name": "simulator", "cluster": {"server": url}}],
            "users": [{"name": "operator", "user": {"token": "none"}}],
        }
    )


@asynccontextmanager
async def operator(served: Served, folder: Path, identity: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start one; it is ended at the latest when the block is left. Its log is in the folder."""
    config, token = folder / "kubeconfig", folder / "token"
    config.write_text(kubeconfig(served.url), encoding="utf-8")
    token.write_text(served.token + "\n", encoding="utf-8")
    env = {
        **os.environ,
        "KUBECONFIG": str(config),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "operator")]),
        "CONTINUO_OPERATOR_NAMESPACE": NAMESPACE,
        "CONTINUO_OPERATOR_IDENTITY": identity,
        "CONTINUO_OPERATOR_LOOP_S": "0.5",
        "CONTINUO_OPERATOR_LEASE_S": "3",
        "CONTINUO_OPERATOR_PORT": "0",
        "CONTINUO_HOST": "127.0.0.1",
        "CONTINUO_ADMIN_TOKEN_FILE": str(token),
    }
    with (folder / f"{identity}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "continuo_operator", env=env, cwd=ROOT, stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
