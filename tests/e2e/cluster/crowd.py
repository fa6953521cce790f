"""A hundred of the official clients in a pod of the cluster: this text runs there, in the tools image.

It writes a line of JSON every second: how many are connected, and how many clients connected how often.
"""

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path

from centrifuge import Client, ClientEventHandler, ConnectedContext, ConnectingContext


class Counted(ClientEventHandler):
    """How often one client was connected, and whether it is."""

    def __init__(self) -> None:
        self.times = 0
        self.up = False

    async def on_connected(self, ctx: ConnectedContext) -> None:
        self.times += 1
        self.up = True

    async def on_connecting(self, ctx: ConnectingContext) -> None:
        self.up = False


async def main(url: str, tokens: list[str]) -> None:
    crowd = [Counted() for _ in tokens]
    for counted, token in zip(crowd, tokens, strict=True):
        await Client(url, events=counted, token=token).connect()
    while True:
        times = Counter(each.times for each in crowd)
        line = {"up": sum(each.up for each in crowd), "times": {str(k): v for k, v in sorted(times.items())}}
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()
        await asyncio.sleep(1.0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))))
