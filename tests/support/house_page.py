"""A small page by which a script in another language kills a server of the house and has it started again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from services.shared.runtime.lifecycle import Tasks
from services.shared.runtime.side_server import SideServer
from tests.support.whole_house import WholeHouse


@asynccontextmanager
async def controlled(house: WholeHouse) -> AsyncIterator[str]:
    """Serve it; its address."""
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
