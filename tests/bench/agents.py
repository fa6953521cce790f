"""What serving a graph costs its users: 100 tokens through connection process, Redis and worker to a device,
over the same graph run bare in this process, many turns at a time.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import websockets
from langgraph.checkpoint.memory import InMemorySaver

from services.local.device import new_id
from tests.bench import agents_graph
from tests.bench.agents_figures import Cell, Run, Way
from tests.bench.rig import OTHER_CORE, PATH, SERVER_CORE, Rig, hello

AT_ONCE = (1, 20, 100)
ROUNDS = {1: 12, 20: 4, 100: 3}
ANSWERS_WITHIN_S = 60.0
FRAME_BYTES = 4
"""A WebSocket frame's own, of 126 to 65,535 bytes of payload."""


@dataclass
class _Device:
    """One conversation's follower: a turn at a time, each piece checked against the text."""

    socket: websockets.ClientConnection
    conversation: str = ""
    _lines: list[tuple[dict[str, Any], int]] = field(default_factory=list)

    async def hear(self) -> tuple[dict[str, Any], int]:
        """A line, and the bytes it came as."""
        while not self._lines:
            text = str(await asyncio.wait_for(self.socket.recv(), ANSWERS_WITHIN_S))
            lines = text.splitlines()
            self._lines = [(json.loads(line), len(line.encode()) + FRAME_BYTES) for line in lines]
        return self._lines.pop(0)

    async def ask(self, command: dict[str, Any]) -> dict[str, Any]:
        await self.socket.send(json.dumps(command))
        while "id" not in (line := (await self.hear())[0]):
            pass
        assert "error" not in line, line
        return line

    async def arrive(self, agent: str) -> None:
        """Connect, and follow a new conversation with an agent; its first answer is not measured."""
        await self.socket.send(hello("talker"))
        await self.hear()
        data = {"agents": [agent]}
        made = await self.ask({"id": 2, "rpc": {"method": "conversation.create", "data": data}})
        self.conversation = made["rpc"]["data"]["conversation"]
        await self.ask({"id": 3, "subscribe": {"channel": f"conversation:{self.conversation}"}})
        await self.turn()

    async def turn(self) -> Way:
        """Send, and read to the turn's end. Raises AssertionError for a token lost, repeated or changed."""
        data = {"conversation": self.conversation, "id": new_id(), "text": "Go"}
        began = time.perf_counter()
        await self.socket.send(json.dumps({"id": 9, "rpc": {"method": "conversation.send", "data": data}}))
        first = final = 0.0
        text, deltas_bytes, all_bytes = "", 0, 0
        while True:
            line, size = await self.hear()
            event = line.get("push", {}).get("pub", {}).get("data", {})
            all_bytes += size if event else 0
            match event.get("type"):
                case "message.delta":
                    first = first or time.perf_counter() - began
                    assert event["at"] == len(text)
                    text += event["text"]
                    deltas_bytes += size
                case "message.completed":
                    final = time.perf_counter() - began
                    assert event["text"] == agents_graph.TEXT
                    assert agents_graph.TEXT.startswith(text)
                case "turn.finished":
                    assert event["outcome"] == "completed"
                    assert first, "no delta came"
                    return Way(first, final, len(text), deltas_bytes, all_bytes)


async def measure(rig: Rig) -> Run:
    """All cells, each round's bare run right before its served one."""
    names = ",".join(f"{name}=tests.bench.agents_graph:{name}" for name in agents_graph.PAUSES_S)
    cells = []
    async with (
        rig.service("connection", OTHER_CORE, ping_s=600) as (_, port),
        rig.service("conversation", SERVER_CORE, graphs=names, conversations=max(AT_ONCE)),
    ):
        for name in agents_graph.PAUSES_S:
            for at_once in AT_ONCE:
                async with _devices(port, name, at_once) as devices:
                    cells.append(await _cell(name, devices))
    return Run(tuple(cells))


@asynccontextmanager
async def _devices(port: int, name: str, count: int) -> AsyncIterator[Sequence[_Device]]:
    async with AsyncExitStack() as sockets:
        address = f"ws://127.0.0.1:{port}{PATH}"
        opened = [
            _Device(await sockets.enter_async_context(websockets.connect(address, proxy=None)))
            for _ in range(count)
        ]
        await asyncio.gather(*(each.arrive(name) for each in opened))
        yield opened


async def _cell(name: str, devices: Sequence[_Device]) -> Cell:
    bare: list[Way] = []
    served: list[Way] = []
    for _ in range(ROUNDS[len(devices)]):
        bare += await asyncio.gather(*(_bare(name) for _ in devices))
        served += await asyncio.gather(*(each.turn() for each in devices))
    return Cell(name, len(devices), tuple(bare), tuple(served))


async def _bare(name: str) -> Way:
    """The graph alone, as LangGraph runs it in this process."""
    graph = agents_graph.graph(name).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": new_id()}}
    asked: Any = {"messages": [("human", "Go")]}
    began = time.perf_counter()
    first, tokens = 0.0, 0
    stream: AsyncIterator[Any] = graph.astream(asked, config, stream_mode="messages")
    async for chunk, _ in stream:
        first = first or time.perf_counter() - began
        tokens += bool(chunk.content)
    return Way(first, time.perf_counter() - began, tokens, 0, 0)
