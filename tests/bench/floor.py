"""The floor: uvicorn with a bare WebSocket protocol that writes one prepared frame to all transports, in a
loop.

Started by the bench beside the real service: same machine, same core, same client. Arguments: port, frames.
It begins when stdin says so, and says the monotonic time at which it began.
"""

import asyncio
import json
import sys
import time
from typing import Any

import uvicorn
import uvloop
from websockets.http11 import Request
from websockets.server import ServerProtocol

FRAME = bytes([0x81, 126]) + (200).to_bytes(2, "big") + b"x" * 200
transports: list[Any] = []


class Bare(asyncio.Protocol):
    """Shakes hands, then is only a transport."""

    def __init__(self, config: Any, server_state: Any, app_state: Any) -> None:
        del config, server_state, app_state
        self.frames = ServerProtocol()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.frames.receive_data(data)
        for event in self.frames.events_received():
            if isinstance(event, Request):
                self.frames.send_response(self.frames.accept(event))
                self.transport.write(b"".join(self.frames.data_to_send()))
                transports.append(self.transport)


async def main() -> None:
    """Serve, write, end with stdin."""
    port, frames = map(int, sys.argv[1:3])
    loop = asyncio.get_running_loop()
    config = uvicorn.Config("", port=port, ws=Bare, lifespan="off", log_config=None, http="httptools")
    config.load_app = lambda: None  # type: ignore[method-assign]
    serving = loop.create_task(uvicorn.Server(config).serve())
    await loop.run_in_executor(None, sys.stdin.readline)
    writes = [transport.write for transport in transports]
    print(json.dumps({"began": time.monotonic()}), flush=True)
    for _ in range(frames):
        for write in writes:
            write(FRAME)
        await asyncio.sleep(0)
    await loop.run_in_executor(None, sys.stdin.read)
    serving.cancel()


if __name__ == "__main__":
    uvloop.run(main())
