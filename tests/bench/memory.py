"""Memory of an idle connection with all our state: connected as a user of its own, subscribed to its `#user`
channel and to one conversation of a hundred members.
"""

import asyncio
import json
from dataclasses import dataclass

from services.local.device import new_id
from services.shared.model.ids import ConversationId, UserId
from tests.bench.rig import SERVER_CORE, Rig, hello

DEVICES = 5000
MEMBERS = 100
SETTLES_S = 3.0
"""Roster writes, close-by garbage collections."""


@dataclass(frozen=True)
class Memory:
    """KiB of resident memory of the process for each idle connection."""

    connected: float
    """With `#user` only."""
    subscribed: float
    """And with a conversation."""


async def measure(rig: Rig) -> Memory:
    """Compare the process's resident memory without and with idle connections."""
    connected = [[hello(f"idle-{number}")] for number in range(DEVICES)]
    subscribed = [[*says, line] for says, line in zip(connected, await _subscribes(rig), strict=True)]
    return Memory(await _each(rig, connected), await _each(rig, subscribed))


async def _each(rig: Rig, says: list[list[str]]) -> float:
    async with rig.service("connection", SERVER_CORE, ping_s=600) as (process, port):
        async with rig.devices(port, 50, says[:50]):  # what the first ones cost is not a connection's
            await asyncio.sleep(1)
        before = process.rss_kib()
        async with rig.devices(port, len(says), says):
            await asyncio.sleep(SETTLES_S)
            return (process.rss_kib() - before) / len(says)


async def _subscribes(rig: Rig) -> list[str]:
    """The subscribe command of each device; makes the conversations."""
    lines = []
    for start in range(0, DEVICES, MEMBERS):
        users = [UserId(f"idle-{number}") for number in range(start, start + MEMBERS)]
        conversation = ConversationId(new_id())
        await rig.bus.conversations.create(conversation, users[0], members=users[1:])
        subscribe = {"id": 2, "subscribe": {"channel": f"conversation:{conversation}"}}
        lines += [json.dumps(subscribe)] * len(users)
    return lines
