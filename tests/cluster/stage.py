"""One run:

A cluster with a fleet and its clients, operators that come and go, and what is looked at afterwards.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from continuo_operator.apply import Applier
from continuo_operator.decide import decide
from continuo_operator.gather import Gatherer
from continuo_operator.plan import Plan
from continuo_operator.ports import ApiError
from continuo_operator.snapshot import Policy, Snapshot
from continuo_operator.stamps import PlanId
from tests.cluster.budget import FleetBudget
from tests.cluster.caches import Bounds
from tests.cluster.clients import Crowd
from tests.cluster.cluster import NAMESPACE, Lags, SimulatedCluster
from tests.cluster.connection_pod import ConnectionPod
from tests.cluster.fleets import DEPLOYMENT, FLEET, Design, connection_pods, install, runs_of, upgrade
from tests.cluster.in_process import InProcessAdmin, InProcessCluster, Life
from tests.cluster.kinds import DEPLOYMENTS, FLEETS, PODS, REPLICASETS
from tests.cluster.loop import run_in
from tests.cluster.objects import Object, annotations_of, at, condition, is_going, labels_of, name_of
from tests.cluster.store import Event
from tests.cluster.world import EPOCH, World, seconds_of

LOOP_S = 2.0
ABSENCE: Bounds = (0.0, 4.0)
"""Seconds until a killed operator's successor runs;

With one loop this stays within the chart's reaction time.
"""

Decision = Callable[[Snapshot, Policy, float], Plan]


@dataclass(frozen=True, slots=True)
class Kill:
    """The n-th call counted from the last start is an operator's last; its work may have been done.

    at_scale: the n-th write of a number of pods is, which is done, and nothing after it.
    """

    at_call: int | None = None
    after_the_work: bool = False
    at_scale: int | None = None


@dataclass
class Stage:
    """Everything of one run."""

    design: Design
    seed: int
    lags: Lags = field(default_factory=Lags)
    decision: Decision = decide
    policy: Policy = field(default_factory=Policy)
    epoch: float = EPOCH
    address: Callable[[], str] | None = None
    plans: list[tuple[float, Plan]] = field(default_factory=list)
    sizes: list[tuple[float, int]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    kills: int = 0
    wrongs: list[str] = field(default_factory=list)
    """What a scene itself saw that must not be."""
    adversary: bool = False
    """Whether the busiest pod's readiness fails in the moment the fleet shrinks."""
    wrong_victim: bool = False
    """Whether besides the emptied pods count as ready in that moment: the busiest then goes first."""
    told: dict[str, float] = field(default_factory=dict)
    """When each of the fleet's conditions was first true."""
    planned: dict[str, float] = field(default_factory=dict)
    """When each pod's plan began, by the plan."""
    taken: list[tuple[str, int]] = field(default_factory=list)
    """Pods that a controller told to end, and how many sockets each had then."""

    def __post_init__(self) -> None:
        self.world = World(self.seed, self.epoch)
        self.budget = FleetBudget(self.world, self.design.fleet_rate)
        runs = runs_of(self.design, self.budget)
        self.cluster = SimulatedCluster(self.world, runs, nodes=4, lags=self.lags, address=self.address)
        self.store = self.cluster.store
        self.crowd = Crowd(self.cluster)
        self.store.listeners.append(self._note)
        install(self.cluster, self.design)
        self._tasks: list[asyncio.Task[None]] = []

    # ---------------------------------------------------------------------------------------------- operators

    def operate(
        self, kills: Sequence[Kill] = (), stalls: Mapping[int, float] | None = None
    ) -> asyncio.Task[None]:
        """Start an operator; each kill ends one, and the next starts a little later.

        stalls: seconds for which it stands still before its n-th write of a number of pods.
        """
        lives = self._lives(list(kills), stalls or {})
        task = asyncio.get_running_loop().create_task(lives)
        self._tasks.append(task)
        return task

    def operate_once(self, kill: Kill) -> None:
        """Start an operator that nobody follows when it is killed."""
        self._tasks.append(asyncio.get_running_loop().create_task(self._life(kill, {})))

    async def retire(self) -> None:
        """No operator any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _lives(self, kills: list[Kill], stalls: Mapping[int, float]) -> None:
        while True:
            await self._life(kills.pop(0) if kills else None, stalls)
            await asyncio.sleep(self.world.between(ABSENCE))

    async def _life(self, kill: Kill | None, stalls: Mapping[int, float]) -> None:
        kill = kill or Kill()
        life = Life(kill.at_call, kill.after_the_work, stalls, kill.at_scale)
        async with asyncio.TaskGroup() as group:
            body = group.create_task(self._loop(life))
            await life.died.wait()
            body.cancel()
        self.kills += 1

    async def _loop(self, life: Life) -> None:
        cluster, admin = (
            InProcessCluster(self.cluster, life, self.policy.manager),
            InProcessAdmin(self.cluster, life),
        )
        gatherer = Gatherer(cluster, admin, self.policy)
        applier = Applier(cluster, admin, self.policy)
        while True:
            try:
                if (snapshot := await gatherer.snapshot(FLEET, self.wall())) is not None:
                    plan = self.decision(snapshot, self.policy, self.wall())
                    self.plans.append((self.world.now, plan))
                    applied = await applier.apply(snapshot, plan)
                    self.faults += [why for _, why in applied.failed]
            except ApiError as fault:
                self.faults.append(str(fault))
            await asyncio.sleep(LOOP_S)

    # ------------------------------------------------------------------------------------------- what happens

    def play(self, scene: Callable[["Stage"], Coroutine[Any, Any, None]]) -> "Stage":
        """Run the scene to its end on virtual time."""

        async def whole() -> None:
            try:
                await scene(self)
            finally:
                await self.retire()

        run_in(self.world, whole())
        return self

    async def open(self, clients: int, settle_s: float = 60.0) -> None:
        """Pods up, clients in, nothing counted yet."""
        await self.until(lambda: self.ready_pods() == self.design.pods)
        self.crowd.become(clients, over_s=5.0)
        await self.until(lambda: self.crowd.connected == clients)
        await asyncio.sleep(settle_s)
        self.crowd.begin()

    def upgrade(self, version: str) -> None:
        """`helm upgrade` to another image: the chart applied anew, without replicas."""
        upgrade(self.cluster, self.design, version)

    async def until(self, holds: Callable[[], bool], within_s: float = 1200.0, every_s: float = 0.5) -> None:
        """Wait; raises AssertionError where it does not come about."""
        end = self.world.now + within_s
        while not holds():
            assert self.world.now < end, f"not within {within_s} s: {self.picture()}"
            await asyncio.sleep(every_s)

    async def rest(self, seconds: float) -> None:
        """Let so much of the world's time pass."""
        end = self.world.now + seconds
        await self.until(lambda: self.world.now >= end)

    async def rolled(self) -> None:
        """Wait for the end of a rollout: only new pods, all clients in."""
        await self.until(self.is_rolled)

    # ------------------------------------------------------------------------------------------- what is seen

    def wall(self) -> float:
        return self.world.epoch + self.world.now

    def is_rolled(self) -> bool:
        sets = self.store.all(REPLICASETS, NAMESPACE)
        wanted = self.size
        living = [each for each in sets if at(each, "status", "replicas", default=0)]
        whole = len(living) == 1 and at(living[0], "status", "availableReplicas") == wanted
        calm = len(self.store.all(PODS, NAMESPACE)) == wanted
        thing = self.store.get(DEPLOYMENTS, NAMESPACE, DEPLOYMENT)
        seen = at(thing, "status", "observedGeneration") == thing["metadata"]["generation"]
        newest = at(thing, "status", "updatedReplicas") == wanted
        return seen and whole and calm and newest and self.crowd.connected == len(self.crowd.devices)

    @property
    def size(self) -> int:
        return int(self.store.get(DEPLOYMENTS, NAMESPACE, DEPLOYMENT)["spec"]["replicas"])

    def ready_pods(self) -> int:
        return sum(pod.is_ready for pod in connection_pods(self.cluster).values())

    def fleet_condition(self, kind: str) -> Object | None:
        return condition(self.store.get(FLEETS, NAMESPACE, FLEET), kind)

    def last_scale(self) -> float | None:
        """When the fleet says that its number of pods was last changed, by the world's clock."""
        stamp = at(self.store.get(FLEETS, NAMESPACE, FLEET), "status", "lastScaleTime")
        return None if stamp is None else seconds_of(stamp) - self.world.epoch

    def cordons(self) -> list[str]:
        """Pods with any trace of a plan on them that are not on their way out."""
        found = []
        for pod in self.store.all(PODS, NAMESPACE):
            name = pod["metadata"]["name"]
            process = connection_pods(self.cluster).get(name)
            marked = labels_of(pod).get("continuo.dev/accepts") == "no"
            marked = marked or any(key in annotations_of(pod) for key in MARKS)
            if (marked or (process and process.standing.plan)) and not pod["metadata"].get(
                "deletionTimestamp"
            ):
                found.append(name)
        return found

    def picture(self) -> str:
        """Where everything stands, for a failure's message."""
        pods = {
            name: (len(pod.sockets), pod.standing.state.shown, pod.standing.plan)
            for name, pod in connection_pods(self.cluster).items()
        }
        return f"{self.world.now:.0f} s, size {self.size}, {self.crowd.connected} connected, {pods}"

    def _note(self, event: Event) -> None:
        if event.now is None:
            return
        if event.kind is DEPLOYMENTS:
            size = int(event.now["spec"]["replicas"])
            if self.adversary and self.sizes and size < self.sizes[-1][1]:
                self._trip()
            if not self.sizes or self.sizes[-1][1] != size:
                self.sizes.append((self.world.now, size))
        if event.kind is FLEETS:
            self._note_conditions(event.now)
        plan = PlanId.read(annotations_of(event.now).get("continuo.dev/plan"))
        if event.kind is PODS and plan:
            self.planned[name_of(event.now)] = plan.at - self.world.epoch
        began = event.before is not None and not is_going(event.before) and is_going(event.now)
        if event.kind is PODS and began:
            process = self.cluster.kubelets.process_of(event.now)
            sockets = len(process.sockets) if isinstance(process, ConnectionPod) else 0
            self.taken.append((name_of(event.now), sockets))

    def _note_conditions(self, fleet: Object) -> None:
        for each in at(fleet, "status", "conditions", default=[]):
            if each["status"] == "True":
                self.told.setdefault(each["type"], self.world.now)

    def _trip(self) -> None:
        """The kubelet sees the busiest pod fail its probe, now, and for some seconds."""
        free = [pod for pod in connection_pods(self.cluster).values() if pod.standing.plan is None]
        if not free:
            return
        busiest = max(free, key=lambda pod: len(pod.sockets))
        busiest.flapping = True
        self.world.after(0.0, lambda: self.cluster.kubelets.probe(busiest.pod))
        self.world.after(5.0, lambda: setattr(busiest, "flapping", False))
        if self.wrong_victim:
            for pod in connection_pods(self.cluster).values():
                pod.propped = pod.standing.empty
                self.world.after(0.0, partial(self.cluster.kubelets.probe, pod.pod))
                self.world.after(5.0, partial(setattr, pod, "propped", False))


MARKS = (
    "continuo.dev/plan",
    "continuo.dev/cost-plan",
    "controller.kubernetes.io/pod-deletion-cost",
)
