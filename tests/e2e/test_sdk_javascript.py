"""The official JavaScript client, as it comes, under Node: tests/e2e/js, each of its tests as one of ours."""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from services.shared.runtime.lifecycle import Tasks
from services.shared.runtime.side_server import SideServer
from tests.support.node import NODE, SCRIPTS, install
from tests.support.whole_house import SECRET, WholeHouse

SCRIPT = "sdk.test.mjs"
NAMES = re.findall(r"^test\('([^']+)'", (SCRIPTS / SCRIPT).read_text(), re.MULTILINE)
ANSWERS_WITHIN_S = 90


@pytest.fixture(scope="session")
def packages() -> None:
    """What package-lock.json names."""
    install()


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
        cwd=SCRIPTS,
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
