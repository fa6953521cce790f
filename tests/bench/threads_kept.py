"""Everything a conversation of 300 messages leaves in Redis, after a real worker answered each of 150.

The default assistant quotes what it was told, so its answers are about as long as what was asked.
"""

import asyncio
import time
from collections import defaultdict
from typing import Any

from services.local.device import new_id
from services.shared.model.ids import ConversationId, MessageId, UserId
from tests.bench.rig import SERVER_CORE, Rig
from tests.bench.threads_figures import Kept
from tests.bench.threads_savers import question

TURNS = 150
ANSWERS_WITHIN_S = 20.0
LOOK_S = 0.002


async def measure(rig: Rig) -> Kept:
    """Talk, let the worker end its work, and look."""
    conversation, user = ConversationId(new_id()), UserId(f"keeper-{new_id()}")
    async with rig.service("conversation", SERVER_CORE, token_ms=0):
        await rig.bus.conversations.create(conversation, user)
        for _ in range(TURNS):
            await _exchange(rig, conversation, user)
    # The worker has drained: nothing of it is under way any more.
    return await _kept(rig, conversation)


async def _exchange(rig: Rig, conversation: ConversationId, user: UserId) -> None:
    """Send one message; returns when it is answered."""
    text = str(question().content)
    accepted = await rig.bus.messages.accept(conversation, user, MessageId(new_id()), text)
    [turn] = accepted.turns
    record = rig.bus.floor.keys.conversation(conversation).turn(turn)
    deadline = time.monotonic() + ANSWERS_WITHIN_S
    commands: Any = rig.bus.floor.commands
    while (state := await commands.hget(record, "state")) != b"finished":
        assert time.monotonic() < deadline, f"the turn is {state!r} after {ANSWERS_WITHIN_S} s"
        await asyncio.sleep(LOOK_S)
    assert await commands.hget(record, "outcome") == b"completed"


async def _kept(rig: Rig, conversation: ConversationId) -> Kept:
    """Look at every key that is named after the conversation."""
    commands: Any = rig.bus.floor.commands
    at = rig.bus.floor.keys.conversation(conversation)
    keys: defaultdict[str, int] = defaultdict(int)
    sizes: defaultdict[str, int] = defaultdict(int)
    async for key in commands.scan_iter(f"*{conversation}*", count=1000):
        kind = kind_of(key.decode(), at.base)
        keys[kind] += 1
        sizes[kind] += int(await commands.memory_usage(key, samples=0) or 0)
    said = [one.decode() for one in await commands.zrange(at.order, 0, -1)]
    assert len(said) == TURNS * 2, f"{len(said)} messages"
    text = sum([len(await commands.hget(at.message(message), "text")) for message in said])
    return Kept(len(said), text, dict(keys), dict(sizes))


def kind_of(key: str, base: str) -> str:
    """What a key of the conversation is there for, in a word or two."""
    if not key.startswith(base):
        return "thread"  # the stock saver spells its keys otherwise
    part = key.removeprefix(base).removeprefix(":").partition(":")[0]
    kinds = {"m": "messages", "turn": "turns", "journal": "journal", "thread": "thread"}
    return kinds.get(part, "the rest")
