"""Faults of services and devices: killed, frozen, restarted, killed at a step of the path; bad clients."""

import json
import signal
from functools import partial

from tests.chaos.faultpoints import LOOK_EVERY_S, POINTS
from tests.chaos.intruders import ENDED_BY, INTRUDERS
from tests.chaos.scene import Inject, Scene

HITS_WITHIN_S = 12.0
"""An armed point that nobody passes in this time was no fault."""


async def killed(service: str, scene: Scene) -> str:
    """One of its processes dies, and is started again."""
    name = scene.any_of(service)
    scene.stage.child(name).kill()
    await scene.wait(0.2, 2.0)
    await scene.stage.begin(name)
    return name


async def all_killed(service: str, scene: Scene) -> str:
    """All its processes die at once."""
    names = scene.stage.named(service)
    for name in names:
        scene.stage.child(name).kill()
    await scene.wait(0.2, 1.0)
    for name in names:
        await scene.stage.begin(name)
    return ",".join(names)


async def frozen(service: str, least_s: float, most_s: float, scene: Scene) -> str:
    """One of its processes stands still, and goes on."""
    name = scene.any_of(service)
    scene.stage.child(name).freeze()
    await scene.wait(least_s, most_s)
    scene.stage.child(name).thaw()
    return name


async def restarted(service: str, scene: Scene) -> str:
    """One of its processes is told to end, and is started again."""
    name = scene.any_of(service)
    await scene.stage.child(name).end(12.0)
    await scene.stage.begin(name)
    return name


async def killed_at(point: str, scene: Scene) -> str:
    """A process dies at a step of the message's path: armed, and passed by a message under way."""
    service = next(each.service for each in POINTS if each.name == point)
    name = scene.any_of(service)
    armed, child = scene.stage.folder / "arm" / name, scene.stage.child(name)
    hit = armed.with_suffix(".hit")
    hit.unlink(missing_ok=True)
    armed.write_text(json.dumps({"point": point, "nth": scene.dice.randint(1, 2)}))
    died = await child.ended(HITS_WITHIN_S)
    armed.unlink()
    if not died and not await child.ended(
        10 * LOOK_EVERY_S
    ):  # it may have passed just before it was disarmed
        return ""
    assert hit.exists(), f"{name} ended by itself: {child.last_words()}"
    await scene.wait(0.1, 1.0)
    await scene.stage.begin(name)
    return name


async def devices_killed(scene: Scene) -> str:
    """A process of devices dies; they begin anew and know nothing."""
    group = scene.dice.choice(scene.crowd.groups)
    await group.kill()
    await scene.wait(0.2, 2.0)
    await group.start()
    return group.devices


async def devices_frozen(scene: Scene) -> str:
    """A process of devices stands still, its sockets open, and goes on."""
    group = scene.dice.choice(scene.crowd.groups)
    group.signal(signal.SIGSTOP)
    await scene.wait(1.0, 6.0)
    group.signal(signal.SIGCONT)
    return group.devices


async def intruder(kind: str, scene: Scene) -> str:
    """A slow, mute or hostile client beside the others; it counts if the server ended it for what it did."""
    name = scene.any_of("connection")
    address, sample = scene.stage.straight(name), ENDED_BY[kind]
    before = await scene.stage.metric(name, sample)
    await INTRUDERS[kind](address, scene.dice)
    return name if await scene.stage.metric(name, sample) > before else ""


SERVICES: dict[str, Inject] = {
    "connection.kill": partial(killed, "connection"),
    "connection.kill.all": partial(all_killed, "connection"),
    "connection.freeze": partial(frozen, "connection", 1.0, 6.0),
    "connection.restart": partial(restarted, "connection"),
    "worker.kill": partial(killed, "conversation"),
    "worker.kill.all": partial(all_killed, "conversation"),
    "worker.freeze": partial(frozen, "conversation", 6.5, 10.0),
    "worker.restart": partial(restarted, "conversation"),
    "presence.kill": partial(killed, "presence"),
    "presence.freeze": partial(frozen, "presence", 1.0, 4.0),
    "presence.restart": partial(restarted, "presence"),
    **{f"step.{point.name}": partial(killed_at, point.name) for point in POINTS},
}
DEVICES: dict[str, Inject] = {
    "devices.kill": devices_killed,
    "devices.freeze": devices_frozen,
    **{f"client.{kind}": partial(intruder, kind) for kind in INTRUDERS},
}
