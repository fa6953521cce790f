"""One message's story with all that can befall it, on real processes: sent at one server and shown at two,
begun by a worker that is killed in mid-answer, finished by another through a failover of Redis.

Who calls it says where spans go, by settings of tracing for both kinds of process, and which came: the first
worker dies when its wait has been told, for a killed process takes with it what ended in its last half
second.
"""

import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from services.local.device import new_id
from services.local.embedded import EmbeddedRedis
from services.shared.runtime.tracing import spans
from tests.story.agent import PAUSE_VARIABLE
from tests.support.door import Door
from tests.support.official_client import Followed, Official
from tests.support.waiting import eventually
from tests.support.workers import WorkerProcess

HOUSE = Path(__file__).parents[2]
TEXT = "count to 120"
PAUSE_S = 0.03
SHORT_LEASE_S, LONG_LEASE_S = 1.5, 15.0
"""The first worker's is soon over, when it has died. The second's outlives a failover."""
MIDST = 2
"""Deltas after which an answer is in its midst."""
PATIENCE_S = 60
NODES = ("server-a", "server-b")


@dataclass(frozen=True)
class Story:
    """What was told: the ids that people know."""

    conversation: str
    message: str


@dataclass(frozen=True)
class Where:
    """Where spans go."""

    connections: Mapping[str, str]
    workers: Mapping[str, str]
    """Settings of tracing."""
    came: Callable[[str], object]
    """Whether a span of this name has come."""


async def played(folder: Path, where: Where) -> Story:
    """Play it; returns when all processes have ended in order, the killed one apart."""
    async with EmbeddedRedis(folder / "redis") as redis:
        doors = [Door(redis, folder / node, CONTINUO_NODE=node, **where.connections) for node in NODES]
        async with doors[0], doors[1]:
            ann, bob = [await _arrived(door, user) for door, user in zip(doors, ("ann", "bob"), strict=True)]
            conversation = await ann.create("bob")
            followed = [(await one.follow(conversation))[1] for one in (ann, bob)]
            message = await _told(redis, folder, where, followed, lambda: _sent(ann, conversation))
            for one in (ann, bob):
                await one.leave()
        return Story(conversation, message)


async def _arrived(door: Door, user: str) -> Official:
    return await Official(door.address, lambda: door.token(user)).connect()


async def _sent(ann: Official, conversation: str) -> str:
    message = new_id()
    await ann.rpc("conversation.send", conversation=conversation, id=message, text=TEXT)
    return message


async def _told(
    redis: EmbeddedRedis,
    folder: Path,
    where: Where,
    followed: list[Followed],
    send: Callable[[], Awaitable[str]],
) -> str:
    """From the sending to the end of the answer; the message's id."""
    first = WorkerProcess(redis, folder, "first", **_worker("worker-1", where.workers, SHORT_LEASE_S))
    heir = WorkerProcess(redis, folder, "heir", **_worker("worker-2", where.workers, LONG_LEASE_S))
    async with first:
        message = await send()
        await eventually(lambda: all(_in_the_midst(one, 1) for one in followed), PATIENCE_S)
        await eventually(lambda: where.came(spans.WAIT.name), PATIENCE_S)
        first.child.kill()
        async with heir:
            await eventually(lambda: all(_in_the_midst(one, 2) for one in followed), PATIENCE_S)
            lost = redis.master
            redis.kill(lost)
            await eventually(lambda: all(one.events("turn.finished") for one in followed), PATIENCE_S)
            # services may have heard of the new one from another Sentinel than is asked here
            await eventually(lambda: redis.master != lost, PATIENCE_S)
            for one in followed:
                [end] = one.events("turn.finished")
                assert (end["outcome"], end["keep"]) == ("completed", "fault"), heir.log.read_text()
            heir.signal(signal.SIGTERM)
            assert await heir.child.ended(PATIENCE_S)
    return message


def _in_the_midst(seen: Followed, attempt: int) -> bool:
    """Whether so many answers have been begun, and the last one has some words."""
    begun = seen.events("message.started")
    words = [one for one in seen.events("message.delta") if begun and one["message"] == begun[-1]["message"]]
    return len(begun) == attempt and len(words) >= MIDST


def _worker(name: str, tracing: Mapping[str, str], lease_s: float) -> dict[str, str]:
    path = os.pathsep.join(part for part in (str(HOUSE), os.environ.get("PYTHONPATH", "")) if part)
    return {
        **tracing,
        "CONTINUO_GRAPHS": "assistant=tests.story.agent:build",
        "CONTINUO_LEASE_S": str(lease_s),
        "OTEL_RESOURCE_ATTRIBUTES": f"service.instance.id={name}",
        "PYTHONPATH": path,
        PAUSE_VARIABLE: str(PAUSE_S),
    }
