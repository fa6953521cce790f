"""No worker lives while people go on talking: turns queue up to the bound, then messages are refused and
leave nothing behind; with a worker alive again, messages are taken again.
"""

import asyncio
import time
from collections import Counter

import websockets

from services.local.device import new_id
from services.shared.model.ids import ConversationId, UserId
from tests.bench.flat_meter import MIB, Finding, at_most, exactly, grown, rss, used_memory
from tests.bench.flat_slow import NO_PING_S
from tests.bench.rig import OTHER_CORE, PATH, SERVER_CORE, Rig, token
from tests.support.door import Device
from tests.support.waiting import eventually

TALKS = 20
MESSAGES_A_SECOND = 40
QUEUE = 800
"""The bound of the whole queue: reached in a fifth of the time, so that the rest shows what comes after."""
TURN_KIB = 4.0
"""What a message with its waiting turn may take in Redis: message, event, turn, record of its id."""
RSS_MIB = 12.0
AFTERWARDS_MIB = 2.0
"""What Redis may grow by once the bound is reached: nothing is stored, but clients and ticks come and go."""


async def no_worker_lives(rig: Rig, seconds: float) -> list[Finding]:
    """Measure it for so long."""
    queue = min(QUEUE, int(seconds * MESSAGES_A_SECOND / 5))
    async with rig.service("connection", SERVER_CORE, queue_length=queue, ping_s=NO_PING_S) as (
        process,
        port,
    ):
        load = await _Load.open(rig, port)
        async with rig.service("conversation", OTHER_CORE, token_ms=0):
            await load.run(5)
            await eventually(lambda: _is_idle(rig), within_s=120)
        warm = load.replies.total()
        before, stored = rss(process), await used_memory(rig.bus)
        began, peak, filled, deepest = time.monotonic(), before, 0, 0
        while time.monotonic() - began < seconds:
            await load.run(1)
            peak, deepest = max(peak, rss(process)), max(deepest, await rig.bus.backlog.depth())
            if not filled and load.replies[111]:
                filled = await used_memory(rig.bus)
        after, kept = await used_memory(rig.bus), await load.kept()
        accepted, refused, others = load.outcomes()
        async with rig.service("conversation", OTHER_CORE, token_ms=0):
            again = await _taken_again(load)
        await load.close()
    queued = accepted - warm
    return [
        grown("no worker: connection, resident at most", before, peak, RSS_MIB),
        grown("no worker: Redis, up to the bound", stored, filled, queued * TURN_KIB * 1024 / MIB + 4),
        grown("no worker: Redis, from the bound on", filled, after, AFTERWARDS_MIB),
        at_most("no worker: turns queued at most", deepest, queue + MESSAGES_A_SECOND),
        at_most("no worker: sends not refused", queued, queue + MESSAGES_A_SECOND),
        Finding("no worker: sends refused with 111", str(refused), "some", refused > 0),
        exactly("no worker: other answers", others, {}),
        exactly("no worker: messages kept", kept, accepted),
        exactly("worker again: messages taken again", again, True),
    ]


class _Load:
    """So many devices, each in a conversation of its own with an agent; each message is said once."""

    def __init__(self, rig: Rig, talks: list[tuple[ConversationId, Device]]) -> None:
        self.replies: Counter[int] = Counter()
        self._rig = rig
        self._talks = talks

    @classmethod
    async def open(cls, rig: Rig, port: int) -> "_Load":
        talks = []
        for number in range(TALKS):
            user, conversation = UserId(f"user-{number}"), ConversationId(new_id())
            await rig.bus.conversations.create(conversation, user)
            device = Device(
                await websockets.connect(f"ws://127.0.0.1:{port}{PATH}", proxy=None, ping_interval=None)
            )
            await device.ask(connect={"token": token(user)})
            talks.append((conversation, device))
        return cls(rig, talks)

    async def run(self, seconds: float) -> None:
        """Say things for so long at an even pace; replies are counted by their code, 0 is success."""
        rounds = max(1, int(seconds * MESSAGES_A_SECOND / TALKS))
        began = time.monotonic()
        for number in range(rounds):
            self.replies.update(await asyncio.gather(*(self._say(*talk) for talk in self._talks)))
            await asyncio.sleep(max(0.0, began + (number + 1) * seconds / rounds - time.monotonic()))

    def outcomes(self) -> tuple[int, int, dict[int, int]]:
        """Accepted, refused, and anything else by its code."""
        others = {code: count for code, count in self.replies.items() if code not in {0, 111}}
        return self.replies[0], self.replies[111], others

    async def kept(self) -> int:
        """Messages of people in Redis."""
        total = 0
        for conversation, _ in self._talks:
            keys = self._rig.bus.floor.keys.conversation(conversation)
            total += int(await self._rig.bus.floor.commands.zcard(keys.accepted))
        return total

    async def close(self) -> None:
        for _, device in self._talks:
            await device.connection.close()

    async def _say(self, conversation: str, device: Device) -> int:
        data = {"conversation": conversation, "id": new_id(), "text": "hello " * 20}
        reply = await device.ask(rpc={"method": "conversation.send", "data": data})
        device.pushes.clear()
        return int(reply["error"]["code"]) if "error" in reply else 0


async def _is_idle(rig: Rig) -> bool:
    return await rig.bus.backlog.depth() == 0


async def _taken_again(load: _Load) -> bool:
    """Whether messages are taken before long."""
    accepted = load.replies[0]
    deadline = time.monotonic() + 90
    while load.replies[0] == accepted and time.monotonic() < deadline:
        await load.run(1)
    return load.replies[0] > accepted
