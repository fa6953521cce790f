"""The faults of a campaign: each hurts the house, holds for a while, and lets it heal; it says whom it hurt.

Called by `campaign`. What is hurt stays within the house's promise: one copy of the data at a time (design:
loss or isolation of the master alone), any number of services. Randomness comes in as an argument.
"""

import asyncio
import json
import random
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from tests.chaos.crowd import Crowd
from tests.chaos.faultpoints import POINTS
from tests.chaos.intruders import INTRUDERS
from tests.chaos.stage import Stage

HITS_WITHIN_S = 12.0
"""An armed point that nobody passes in this time was no fault."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault may hurt, and the dice."""

    stage: Stage
    crowd: Crowd
    dice: random.Random

    async def wait(self, least_s: float, most_s: float) -> None:
        """Let it hold for a while."""
        await asyncio.sleep(self.dice.uniform(least_s, most_s))

    def any_of(self, service: str) -> str:
        """A process of a service."""
        return self.dice.choice(self.stage.named(service))


Inject = Callable[[Scene], Awaitable[str]]
"""Does it and lets it go; returns whom it hurt, or "" when it came to nothing."""


# ---------------------------------------------------------------------------------------------- services


async def _kill(service: str, scene: Scene) -> str:
    name = scene.any_of(service)
    scene.stage.child(name).kill()
    await scene.wait(0.2, 2.0)
    await scene.stage.begin(name)
    return name


async def _freeze(service: str, least_s: float, most_s: float, scene: Scene) -> str:
    name = scene.any_of(service)
    scene.stage.child(name).freeze()
    await scene.wait(least_s, most_s)
    scene.stage.child(name).thaw()
    return name


async def _restart(service: str, scene: Scene) -> str:
    name = scene.any_of(service)
    await scene.stage.child(name).end(12.0)
    await scene.stage.begin(name)
    return name


async def _all_of(service: str, scene: Scene) -> str:
    names = scene.stage.named(service)
    for name in names:
        scene.stage.child(name).kill()
    await scene.wait(0.2, 1.0)
    for name in names:
        await scene.stage.begin(name)
    return ",".join(names)


async def _step(point: str, scene: Scene) -> str:
    """Die at a step of the message's path: armed, and passed by a message under way."""
    service = next(each.service for each in POINTS if each.name == point)
    name = scene.any_of(service)
    armed, child = scene.stage.folder / "arm" / name, scene.stage.child(name)
    hit = armed.with_suffix(".hit")
    hit.unlink(missing_ok=True)
    armed.write_text(json.dumps({"point": point, "nth": scene.dice.randint(1, 3)}))
    died = await child.ended(HITS_WITHIN_S)
    armed.unlink()
    if not died:
        return ""
    assert hit.exists(), f"{name} ended by itself: {child.last_words()}"
    child.kill()
    await scene.wait(0.1, 1.0)
    await scene.stage.begin(name)
    return name


# ------------------------------------------------------------------------------------------------- Redis


async def _master_killed(scene: Scene) -> str:
    redis = scene.stage.redis
    lost = redis.master
    redis.kill(lost)
    await redis.restart(lost)  # which waits for the Sentinels' word
    return lost


async def _master_frozen(scene: Scene) -> str:
    redis = scene.stage.redis
    lost = redis.master
    redis.freeze(lost)
    await scene.wait(4.0, 7.0)
    redis.thaw(lost)
    return lost


async def _master_restarted(scene: Scene) -> str:
    """Within down-after: the Sentinels may not have noticed."""
    redis = scene.stage.redis
    name = redis.master
    redis.kill(name)
    await scene.wait(0.0, 0.8)
    await redis.restart(name)
    return name


async def _failover_planned(scene: Scene) -> str:
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


async def _master_isolated(scene: Scene) -> str:
    stage = scene.stage
    lost = stage.redis.master
    rules = await stage.links.isolate(lost, resets=scene.dice.random() < 0.5)
    await scene.wait(5.0, 8.0)
    await stage.links.heal(*rules)
    return lost


async def _replica_killed(scene: Scene) -> str:
    redis = scene.stage.redis
    name = scene.dice.choice(redis.replicas)
    redis.kill(name)
    await scene.wait(0.5, 2.0)
    await redis.restart(name)
    return name


async def _replica_frozen(scene: Scene) -> str:
    redis = scene.stage.redis
    name = scene.dice.choice(redis.replicas)
    redis.freeze(name)
    await scene.wait(1.0, 4.0)
    redis.thaw(name)
    return name


async def _sentinel_killed(scene: Scene) -> str:
    redis = scene.stage.redis
    name = scene.dice.choice([each for each in redis.names if each.startswith("sentinel")])
    redis.kill(name)
    await scene.wait(0.5, 2.0)
    await redis.restart(name)
    return name


async def _sentinel_frozen(scene: Scene) -> str:
    redis = scene.stage.redis
    name = scene.dice.choice([each for each in redis.names if each.startswith("sentinel")])
    redis.freeze(name)
    await scene.wait(1.0, 4.0)
    redis.thaw(name)
    return name


# ------------------------------------------------------------------------------------------------- links


async def _replication_slow(scene: Scene) -> str:
    links, master = scene.stage.links, scene.stage.redis.master
    rules = [
        await links.delay(name, master, scene.dice.uniform(50, 400)) for name in scene.stage.redis.replicas
    ]
    await scene.wait(1.0, 4.0)
    await links.heal(*rules)
    return f"*->{master}"


async def _replication_cut(scene: Scene) -> str:
    links, redis = scene.stage.links, scene.stage.redis
    name, master = scene.dice.choice(redis.replicas), redis.master
    rule = await links.cut(name, master, resets=scene.dice.random() < 0.5)
    await scene.wait(1.0, 4.0)
    await links.heal(rule)
    return f"{name}->{master}"


async def _replication_all_cut(scene: Scene) -> str:
    """For a while no write is acknowledged."""
    links, redis = scene.stage.links, scene.stage.redis
    master = redis.master
    rules = [await links.cut(name, master) for name in redis.replicas]
    await scene.wait(0.5, 3.0)
    await links.heal(*rules)
    return f"*->{master}"


async def _lagging_master_killed(scene: Scene) -> str:
    """The replicas are behind when the master dies: what they lack was acknowledged to nobody."""
    links, redis = scene.stage.links, scene.stage.redis
    lost = redis.master
    rules = [await links.cut(name, lost, resets=True) for name in redis.replicas]
    await scene.wait(0.8, 1.8)
    redis.kill(lost)
    await links.heal(*rules)
    await redis.restart(lost)
    return lost


async def _service_cut(service: str, least_s: float, most_s: float, scene: Scene) -> str:
    name = scene.any_of(service)
    rule = await scene.stage.links.cut(name, "*", resets=scene.dice.random() < 0.5)
    await scene.wait(least_s, most_s)
    await scene.stage.links.heal(rule)
    return name


async def _service_slow(service: str, scene: Scene) -> str:
    name = scene.any_of(service)
    rule = await scene.stage.links.delay(name, "redis-*", scene.dice.uniform(30, 250))
    await scene.wait(1.0, 4.0)
    await scene.stage.links.heal(rule)
    return name


async def _connections_reset(service: str, scene: Scene) -> str:
    name = scene.any_of(service)
    rule = await scene.stage.links.reset(name, "*")
    await scene.wait(0.0, 1.0)
    await scene.stage.links.heal(rule)
    return name


# ----------------------------------------------------------------------------------------------- devices


async def _devices_killed(scene: Scene) -> str:
    group = scene.dice.choice(scene.crowd.groups)
    await group.kill()
    await scene.wait(0.2, 2.0)
    await group.start()
    return ",".join(one["name"] for one in group.plan["devices"])


async def _intruder(kind: str, scene: Scene) -> str:
    """A slow, mute or hostile client beside the others."""
    name = scene.any_of("connection")
    address = scene.stage.addresses()[scene.stage.named("connection").index(name)]
    await INTRUDERS[kind](address, scene.dice)
    return name


FAULTS: dict[str, Inject] = {
    "connection.kill": partial(_kill, "connection"),
    "connection.freeze": partial(_freeze, "connection", 1.0, 6.0),
    "connection.restart": partial(_restart, "connection"),
    "connection.kill.all": partial(_all_of, "connection"),
    "worker.kill": partial(_kill, "conversation"),
    "worker.freeze": partial(_freeze, "conversation", 6.5, 10.0),
    "worker.restart": partial(_restart, "conversation"),
    "worker.kill.all": partial(_all_of, "conversation"),
    "presence.kill": partial(_kill, "presence"),
    "presence.freeze": partial(_freeze, "presence", 1.0, 4.0),
    "redis.master.kill": _master_killed,
    "redis.master.kill.lagging": _lagging_master_killed,
    "redis.master.freeze": _master_frozen,
    "redis.master.restart": _master_restarted,
    "redis.master.isolate": _master_isolated,
    "redis.failover.planned": _failover_planned,
    "redis.replica.kill": _replica_killed,
    "redis.replica.freeze": _replica_frozen,
    "redis.sentinel.kill": _sentinel_killed,
    "redis.sentinel.freeze": _sentinel_frozen,
    "link.replication.slow": _replication_slow,
    "link.replication.cut": _replication_cut,
    "link.replication.cut.all": _replication_all_cut,
    "link.connection.cut": partial(_service_cut, "connection", 1.0, 6.0),
    "link.connection.slow": partial(_service_slow, "connection"),
    "link.connection.reset": partial(_connections_reset, "connection"),
    "link.worker.cut": partial(_service_cut, "conversation", 2.0, 9.0),
    "link.worker.slow": partial(_service_slow, "conversation"),
    "link.worker.reset": partial(_connections_reset, "conversation"),
    "devices.kill": _devices_killed,
    "client.slow": partial(_intruder, "slow"),
    "client.mute": partial(_intruder, "mute"),
    "client.hostile": partial(_intruder, "hostile"),
    **{f"step.{point.name}": partial(_step, point.name) for point in POINTS},
}
"""Every fault by name."""


def deck(count: int, dice: random.Random, among: list[str] | None = None) -> list[str]:
    """`count` faults in random order, each kind as often as any other, give or take one."""
    kinds = among or list(FAULTS)
    drawn: list[str] = []
    while len(drawn) < count:
        drawn += dice.sample(kinds, len(kinds))
    return drawn[:count]
