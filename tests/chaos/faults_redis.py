"""Faults of Redis: its servers killed, frozen, restarted, cut off, and the master moved on purpose.

One copy of the data is hurt at a time: the loss or the isolation of the master alone is what the house
promises to survive.
"""

import asyncio
import sys
from collections.abc import Callable
from functools import partial

from tests.chaos.scene import Inject, Scene
from tests.support.waiting import eventually

Which = Callable[[Scene], str]
NAMED_WITHIN_S = 30.0


def the_master(scene: Scene) -> str:
    """The master of this moment."""
    return scene.stage.redis.master


def a_replica(scene: Scene) -> str:
    """Any data server but the master."""
    return scene.dice.choice(scene.stage.redis.replicas)


def a_sentinel(scene: Scene) -> str:
    """Any Sentinel."""
    return scene.dice.choice([each for each in scene.stage.redis.names if each.startswith("sentinel")])


async def killed(which: Which, least_s: float, most_s: float, scene: Scene) -> str:
    """A server dies and is started again; a data server then waits for the Sentinels' word."""
    name = which(scene)
    scene.stage.redis.kill(name)
    await scene.wait(least_s, most_s)
    await scene.stage.redis.restart(name)
    return name


async def frozen(which: Which, least_s: float, most_s: float, scene: Scene) -> str:
    """A server stands still, its sockets open, and goes on."""
    name = which(scene)
    scene.stage.redis.freeze(name)
    await scene.wait(least_s, most_s)
    scene.stage.redis.thaw(name)
    return name


async def master_replaced(scene: Scene) -> str:
    """The master dies and comes back when another one has been master for a while."""
    redis = scene.stage.redis
    lost = redis.master
    redis.kill(lost)
    await eventually(lambda: redis.master != lost, NAMED_WITHIN_S, every_s=0.1)
    await scene.wait(0.0, 3.0)
    await redis.restart(lost)
    return lost


async def lagging_master_killed(scene: Scene) -> str:
    """The replicas are behind when the master dies: what they lack was acknowledged to nobody."""
    links, redis = scene.stage.links, scene.stage.redis
    lost = redis.master
    rules = [await links.cut(name, lost, resets=True) for name in redis.replicas]
    await scene.wait(0.8, 1.8)
    redis.kill(lost)
    await links.heal(*rules)
    await redis.restart(lost)
    return lost


async def master_isolated(scene: Scene) -> str:
    """Nobody reaches the master, nor it anybody."""
    stage = scene.stage
    lost = stage.redis.master
    rules = await stage.links.isolate(lost, resets=scene.dice.random() < 0.5)
    await scene.wait(5.0, 8.0)
    await stage.links.heal(*rules)
    return lost


async def isolated(which: Which, scene: Scene) -> str:
    """Nobody reaches a server that is not the master, nor it anybody."""
    name = which(scene)
    rules = await scene.stage.links.isolate(name, resets=scene.dice.random() < 0.5)
    await scene.wait(1.0, 5.0)
    await scene.stage.links.heal(*rules)
    return name


async def master_moved(scene: Scene) -> str:
    """`continuo failover`, as an operator types it. Raises AssertionError with what it said when it fails."""
    redis = scene.stage.redis
    lost = redis.master
    moving = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "services.local", "failover", "--sentinels", redis.sentinels),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await moving.communicate()
    assert moving.returncode == 0, said.decode()
    return lost


REDIS: dict[str, Inject] = {
    "redis.master.kill": master_replaced,
    "redis.master.kill.lagging": lagging_master_killed,
    "redis.master.freeze": partial(frozen, the_master, 4.0, 7.0),
    # Within down-after: the Sentinels may not have noticed.
    "redis.master.restart": partial(killed, the_master, 0.0, 0.8),
    "redis.master.isolate": master_isolated,
    "redis.failover.planned": master_moved,
    "redis.replica.kill": partial(killed, a_replica, 0.5, 2.0),
    "redis.replica.freeze": partial(frozen, a_replica, 1.0, 4.0),
    "redis.replica.isolate": partial(isolated, a_replica),
    "redis.sentinel.isolate": partial(isolated, a_sentinel),
    "redis.sentinel.kill": partial(killed, a_sentinel, 0.5, 2.0),
    "redis.sentinel.freeze": partial(frozen, a_sentinel, 1.0, 4.0),
}
