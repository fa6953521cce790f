"""What happens in a run, and what must hold afterwards: each check answers with sentences about what does
not.

A mutant is a run of the same scene with one step of the operator taken out; some sentence must then come.
"""

import asyncio
import math
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

from continuo_operator.decide import decide
from continuo_operator.victims import Steps
from tests.cluster.cluster import NAMESPACE
from tests.cluster.fleets import Design, connection_pods
from tests.cluster.kinds import PODS
from tests.cluster.objects import name_of
from tests.cluster.stage import Kill, Stage

ONE_S = 1.0
LATE_S = 0.5


def stage_of(design: Design, seed: int, steps: Steps | None = None) -> Stage:
    """A stage whose operators take these steps."""
    return Stage(design, seed, decision=partial(decide, steps=steps or Steps()))


# ---------------------------------------------------------------------------------------------------- rollout


async def rollout(stage: Stage, clients: int, kills: Sequence[Kill] = ()) -> None:
    """Every pod is replaced once, with the operator there, or killed and there again soon."""
    stage.operate()
    await stage.open(clients)
    await stage.retire()
    stage.operate(kills)
    stage.upgrade("2")
    await stage.rolled()
    await asyncio.sleep(10.0)


def one_hop(stage: Stage) -> list[str]:
    """Each client moved exactly once, was never refused, never lost, and the fleet's rate held."""
    found = []
    hops = sorted({device.hops for device in stage.crowd.devices})
    if hops != [1]:
        found.append(f"clients moved {hops} times")
    if refused := sum(device.refusals for device in stage.crowd.devices):
        found.append(f"{refused} handshakes were refused")
    return [*found, *nobody_lost(stage), *rate_kept(stage), *no_traces(stage)]


def nobody_lost(stage: Stage) -> list[str]:
    lost = stage.crowd.unplanned
    return [f"{lost} sockets ended unannounced"] if lost else []


def rate_kept(stage: Stage) -> list[str]:
    """At most R closes in any second, and a tenth more;

    A whole token more, where a tenth is less than one.
    """
    most = stage.crowd.most_in(ONE_S)
    bound = stage.design.fleet_rate + max(1.0, 0.1 * stage.design.fleet_rate)
    return [f"{most} closes in a second, {bound:.0f} are allowed"] if most > math.ceil(bound) else []


def no_traces(stage: Stage) -> list[str]:
    return [f"{name} still bears a plan" for name in stage.cordons()]


# ------------------------------------------------------------------------------------------------- scale-down


async def shrink(
    stage: Stage,
    clients: int,
    left: int,
    kills: Sequence[Kill] = (),
    flaps: float = 0.0,
    *,
    adversary: bool = False,
) -> None:
    """Most clients go, and pods go after them.

    flaps: how often a second some pod's readiness fails for a while.

    adversary: in the moment the fleet shrinks, the busiest pod's readiness fails.
    """
    stage.adversary = adversary
    stage.operate()
    await stage.open(clients)
    await stage.retire()
    stage.operate(kills)
    stage.taken.clear()
    stage.sizes.clear()
    stage.crowd.become(left)
    flapping = asyncio.get_running_loop().create_task(_flap(stage, flaps)) if flaps else None
    try:
        await stage.until(lambda: stage.size == wanted(stage.design, left), within_s=4000.0)
    finally:
        if flapping:
            flapping.cancel()
    await stage.until(lambda: stage.crowd.connected == left)
    await asyncio.sleep(30.0)


async def _flap(stage: Stage, often: float) -> None:
    while True:
        await asyncio.sleep(stage.world.dice.expovariate(often))
        pods = list(connection_pods(stage.cluster).values())
        pod = stage.world.dice.choice(pods) if pods else None
        if pod is not None and not pod.standing.plan:
            pod.flapping = True
            await asyncio.sleep(3.0)
            pod.flapping = False


def wanted(design: Design, clients: int) -> int:
    """The number of pods that the policy asks for."""
    target, headroom = design.capacity // 2, design.scaling.get("headroomPercent", 20)
    need = math.ceil(clients * (100 + headroom) / (100 * target))
    return max(design.scaling.get("min", 1), min(design.most, need))


def only_empty_pods_went(stage: Stage) -> list[str]:
    """Whoever was taken away had nobody left."""
    return [f"{name} was taken away with {sockets} sockets" for name, sockets in stage.taken if sockets]


def deadlines_kept(stage: Stage) -> list[str]:
    """Every close came within the deadline of its plan; LATE_S for the way of the order and one look."""
    most = stage.design.propagation_s + stage.design.drain_s + LATE_S
    return [
        f"{each.pod} closed {each.at - stage.planned[each.pod]:.1f} s after its plan began"
        for each in stage.crowd.closes
        if each.at - stage.planned[each.pod] > most
    ]


def never_below(stage: Stage, least: int) -> list[str]:
    low = min((size for _, size in stage.sizes), default=least)
    return [f"{low} pods, {least} were needed"] if low < least else []


def shrunk(stage: Stage, left: int) -> list[str]:
    """A scale-down cost nobody more than its one paced move per pod that went."""
    return [
        *stage.wrongs,
        *only_empty_pods_went(stage),
        *never_below(stage, wanted(stage.design, left)),
        *nobody_lost(stage),
        *rate_kept(stage),
        *no_traces(stage),
    ]


# ------------------------------------------------------------------------------------------- load that varies


async def follow(stage: Stage, load: Callable[[float], int], seconds: float) -> None:
    """The number of clients follows a curve, looked at every 5 s."""
    stage.operate()
    await stage.open(load(0.0))
    began = stage.world.now
    stage.sizes.clear()
    while (passed := stage.world.now - began) < seconds:
        stage.crowd.become(load(passed), over_s=4.0)
        await asyncio.sleep(5.0)


def reversals(sizes: Sequence[tuple[float, int]]) -> list[float]:
    """When the number of pods changed its direction."""
    turns, before = [], 0
    for (_, old), (moment, new) in pairwise(sizes):
        way = 1 if new > old else -1
        if before and way != before:
            turns.append(moment)
        before = way
    return turns


def steady(stage: Stage, window_s: float) -> list[str]:
    """At most one change of direction in any window."""
    turns = reversals(stage.sizes)
    return [
        f"turned at {one:.0f} s and at {two:.0f} s: {stage.sizes}"
        for one, two in pairwise(turns)
        if two - one < window_s
    ]


# -------------------------------------------------------------------------------------- two operators at once


async def two_at_once(stage: Stage, clients: int, left: int, stall: tuple[int, float]) -> None:
    """Two operators that both believe they lead, one of which stands still for a while before its n-th
    scaling.

    Clients go, then come back: whoever acts on what it saw before does harm unless it is refused.
    """
    stage.operate()
    await stage.open(clients)
    stage.operate(stalls=dict([stall]))
    stage.taken.clear()
    stage.sizes.clear()
    stage.crowd.become(left)
    await stage.until(lambda: stage.size < stage.design.pods)
    stage.crowd.become(clients, over_s=5.0)
    await asyncio.sleep(12.0)
    seen = len(stage.sizes)
    await asyncio.sleep(48.0)
    stage.wrongs += [
        f"at {two[0]:.0f} s {one[1]} pods became {two[1]} though {clients} clients were back"
        for one, two in pairwise(stage.sizes[seen - 1 :])
        if two[1] < one[1]
    ]
    stage.crowd.become(left)
    await stage.until(lambda: stage.size == wanted(stage.design, left), within_s=4000.0)
    await stage.until(lambda: stage.crowd.connected == left)
    await asyncio.sleep(30.0)


# ------------------------------------------------------------------------------------------------ by any hand


async def by_any_hand(stage: Stage, clients: int, blows: Sequence[str]) -> None:
    """Pods deleted, evicted, crashed, nodes lost: with the operator there.

    It may be shrinking the fleet when all is mended: a plan that is followed ends soon.
    """
    stage.operate()
    await stage.open(clients)
    for blow in blows:
        strike(stage, blow)
        await asyncio.sleep(stage.world.between((1.0, 60.0)))
    await stage.until(lambda: stage.crowd.connected == clients and stage.ready_pods() >= stage.size)
    await asyncio.sleep(120.0)
    await stage.until(lambda: stage.cordons() == [], within_s=120.0)


def strike(stage: Stage, blow: str) -> None:
    """One misfortune."""
    cluster, store, dice = stage.cluster, stage.store, stage.world.dice
    pods = [pod for pod in store.all(PODS, NAMESPACE) if name_of(pod) in connection_pods(cluster)]
    if not pods:
        return
    pod = dice.choice(pods)
    if blow == "delete":
        store.delete(PODS, NAMESPACE, name_of(pod), "person")
    elif blow == "crash":
        cluster.kubelets.crash(pod)
    elif blow == "node":
        cluster.kubelets.lose_node(node := pod["spec"]["nodeName"])
        stage.world.after(60.0, partial(cluster.kubelets.remove_node, node))
    elif blow == "rollout":
        stage.upgrade(f"{dice.random()}")
