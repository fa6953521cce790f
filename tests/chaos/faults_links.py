"""Faults of links: replication cut and slowed, a service's way to Redis cut, slowed and reset."""

from functools import partial

from tests.chaos.scene import Inject, Scene


async def replication_slow(scene: Scene) -> str:
    """Every replica hears late."""
    links, master = scene.stage.links, scene.stage.redis.master
    late_ms = [scene.dice.uniform(50, 400) for _ in scene.stage.redis.replicas]
    replicas = zip(scene.stage.redis.replicas, late_ms, strict=True)
    rules = [await links.delay(name, master, ms) for name, ms in replicas]
    await scene.wait(1.0, 4.0)
    await links.heal(*rules)
    return f"*->{master}"


async def replication_cut(scene: Scene) -> str:
    """One replica hears nothing."""
    links, redis = scene.stage.links, scene.stage.redis
    name, master = scene.dice.choice(redis.replicas), redis.master
    rule = await links.cut(name, master, resets=scene.dice.random() < 0.5)
    await scene.wait(1.0, 4.0)
    await links.heal(rule)
    return f"{name}->{master}"


async def replication_all_cut(scene: Scene) -> str:
    """No replica hears anything: for a while no write is acknowledged."""
    links, redis = scene.stage.links, scene.stage.redis
    master = redis.master
    rules = [await links.cut(name, master) for name in redis.replicas]
    await scene.wait(0.5, 3.0)
    await links.heal(*rules)
    return f"*->{master}"


async def cut(service: str, least_s: float, most_s: float, scene: Scene) -> str:
    """A process reaches neither Redis nor Sentinels; on healing, bytes held flow on or connections end."""
    name = scene.any_of(service)
    rule = await scene.stage.links.cut(name, "*", resets=scene.dice.random() < 0.5)
    await scene.wait(least_s, most_s)
    await scene.stage.links.heal(rule)
    return name


async def slow(service: str, scene: Scene) -> str:
    """A process's way to Redis takes longer."""
    name = scene.any_of(service)
    rule = await scene.stage.links.delay(name, "redis-*", scene.dice.uniform(30, 250))
    await scene.wait(1.0, 4.0)
    await scene.stage.links.heal(rule)
    return name


async def reset(service: str, scene: Scene) -> str:
    """A process's connections end, and new ones too for a moment."""
    name = scene.any_of(service)
    rule = await scene.stage.links.reset(name, "*")
    await scene.wait(0.0, 1.0)
    await scene.stage.links.heal(rule)
    return name


async def device_cut(scene: Scene) -> str:
    """A process of devices reaches no server; on healing, bytes held flow on or connections end."""
    group = scene.dice.choice(scene.crowd.groups)
    rule = await scene.stage.links.cut(group.name, "connection-*", resets=scene.dice.random() < 0.5)
    await scene.wait(1.0, 6.0)
    await scene.stage.links.heal(rule)
    return group.devices


async def device_slow(scene: Scene) -> str:
    """All devices' bytes take longer."""
    rule = await scene.stage.links.delay("devices-*", "connection-*", scene.dice.uniform(50, 300))
    await scene.wait(1.0, 4.0)
    await scene.stage.links.heal(rule)
    return "devices-*->connection-*"


async def device_reset(scene: Scene) -> str:
    """The connections of all devices to one server end, and new ones too for a moment."""
    name = scene.any_of("connection")
    rule = await scene.stage.links.reset("*", name)
    await scene.wait(0.0, 1.0)
    await scene.stage.links.heal(rule)
    return f"*->{name}"


LINKS: dict[str, Inject] = {
    "link.replication.slow": replication_slow,
    "link.replication.cut": replication_cut,
    "link.replication.cut.all": replication_all_cut,
    "link.connection.cut": partial(cut, "connection", 1.0, 6.0),
    "link.connection.slow": partial(slow, "connection"),
    "link.connection.reset": partial(reset, "connection"),
    "link.device.cut": device_cut,
    "link.device.slow": device_slow,
    "link.device.reset": device_reset,
    "link.worker.cut": partial(cut, "conversation", 2.0, 9.0),
    "link.worker.slow": partial(slow, "conversation"),
    "link.worker.reset": partial(reset, "conversation"),
}
