"""The kubelets of all nodes:

They start containers, ask whether they are ready, and end them in their grace.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count

from tests.cluster.caches import Bounds
from tests.cluster.kinds import NODES, PODS
from tests.cluster.objects import (
    Object,
    at,
    condition,
    is_going,
    name_of,
    namespace_of,
    uid_of,
    with_condition,
)
from tests.cluster.processes import Process, Runs
from tests.cluster.store import Event, Store
from tests.cluster.world import Timer, World

EXTRA = 2.0
"""What a container gets to end when its preStop has eaten the whole grace."""
UNHEARD = 40.0
"""After how many seconds without its kubelet a node's pods count as not ready."""
TOLERATED = 300.0
"""How much longer they are borne there; then they are told to end, which nobody on that node hears."""
UNREACHABLE = {"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}


@dataclass(frozen=True, slots=True)
class Pace:
    """How quick kubelets are, in seconds from-to.

    `probe` is the readiness period, `start` from node to running.
    """

    notice: Bounds = (0.0, 0.5)
    start: Bounds = (0.5, 4.0)
    probe: float = 2.0
    restart: Bounds = (1.0, 10.0)


@dataclass(slots=True)
class _Run:
    """One pod on its node."""

    pod: Object
    process: Process | None = None
    restarts: int = 0
    going: bool = False
    kill: Timer | None = None


class Kubelets:
    """`address` gives a pod its IP; `lost` hears of a process that ended without being asked to."""

    name = "kubelet"

    def __init__(
        self, world: World, store: Store, runs: Runs, pace: Pace, address: Callable[[], str] | None = None
    ) -> None:
        self.world = world
        self.store = store
        self.pace = pace
        self._runs = runs
        self._pods: dict[str, _Run] = {}
        self._dead: set[str] = set()
        numbers = count(1)
        self._address = address or (lambda: f"10.0.{(n := next(numbers)) // 250}.{n % 250 + 1}")
        store.listeners.append(self._on)

    def process_of(self, pod: Object) -> Process | None:
        """What runs in it now."""
        run = self._pods.get(uid_of(pod))
        return run.process if run else None

    def probe(self, pod: Object) -> None:
        """Ask its readiness now."""
        if run := self._pods.get(uid_of(pod)):
            self._probe(run)

    def crash(self, pod: Object) -> None:
        """Its process dies at once; the kubelet starts another."""
        if process := self.process_of(pod):
            process.kill()

    def lose_node(self, name: str) -> None:
        """Everything on the node dies in silence;

        Its pods show as not ready after a while, are told to end later, and go with the node only.
        """
        self._dead.add(name)
        for run in self._on_node(name):
            if run.process:
                run.process.kill()
        self.world.after(UNHEARD, partial(self._unheard, name))
        self.world.after(UNHEARD + TOLERATED, partial(self._evict, name))

    def _unheard(self, name: str) -> None:
        for run in self._on_node(name):
            self._mark(run, ready=False, heard=False)
        if node := self.store.find(NODES, "", name):
            taints = [*at(node, "spec", "taints", default=[]), UNREACHABLE]
            self.store.replace(NODES, {**node, "spec": {**node["spec"], "taints": taints}}, "node-controller")

    def _evict(self, name: str) -> None:
        for run in self._on_node(name):
            if not is_going(run.pod):
                self.store.delete(PODS, *_key(run), "taint-eviction")

    def _on_node(self, name: str) -> list[_Run]:
        return [run for run in self._pods.values() if run.pod["spec"].get("nodeName") == name]

    def remove_node(self, name: str) -> None:
        """The node's object goes, and the pods it left behind."""
        if self.store.find(NODES, "", name):
            self.store.delete(NODES, "", name)
        for run in self._on_node(name):
            self._remove(run)

    def _on(self, event: Event) -> None:
        if event.kind is not PODS or event.now is None or not event.now["spec"].get("nodeName"):
            return
        pod, run = event.now, self._pods.get(uid_of(event.now))
        if run is None:
            run = self._pods[uid_of(pod)] = _Run(pod)
            self.world.after(self.world.between(self.pace.start), partial(self._start, run))
        grace_before = run.pod["metadata"].get("deletionGracePeriodSeconds")
        run.pod = pod
        if is_going(pod) and not run.going:
            run.going = True
            self.world.after(self.world.between(self.pace.notice), partial(self._stop, run))
        elif is_going(pod) and pod["metadata"]["deletionGracePeriodSeconds"] != grace_before and run.kill:
            run.kill.cancel()
            run.kill = self.world.after(
                pod["metadata"]["deletionGracePeriodSeconds"], partial(self._kill, run)
            )
        elif event.before is not None and pod["spec"].get("readinessGates"):
            self.world.after(self.world.between(self.pace.notice), partial(self._probe, run))

    def _silent(self, run: _Run) -> bool:
        return run.pod["spec"]["nodeName"] in self._dead

    def _start(self, run: _Run) -> None:
        if run.going or self._silent(run) or run.process is not None:
            return
        process: Process | None = None

        def ended() -> None:
            self.world.after(0.0, partial(self._ended, run, process))

        process = run.process = self._runs(self.world, run.pod, ended)
        if at((run.pod["spec"].get("containers") or [{}])[0], "command"):
            process.kill()  # no image here has a program of any name
        self._mark(run, ready=False)
        self._watch(run, process)

    def _watch(self, run: _Run, process: Process) -> None:
        if run.process is not process or not process.alive:
            return
        self._probe(run)
        self.world.after(self.pace.probe, partial(self._watch, run, process))

    def _probe(self, run: _Run) -> None:
        if run.process is None or self._silent(run) or self.store.find(PODS, *_key(run)) is None:
            return
        self._mark(run, ready=run.process.is_ready)

    def _stop(self, run: _Run) -> None:
        if self._silent(run):
            return
        grace = run.pod["metadata"]["deletionGracePeriodSeconds"]
        if run.process is None or not run.process.alive:
            self._remove(run)
            return
        rest = at((run.pod["spec"].get("containers") or [{}])[0], "lifecycle", "preStop", "sleep", "seconds")
        rest = min(float(rest or 0), grace)
        run.kill = self.world.after(
            grace if rest < grace or not rest else grace + EXTRA, partial(self._kill, run)
        )
        self.world.after(rest, partial(self._terminate, run))

    def _terminate(self, run: _Run) -> None:
        if run.process and run.process.alive and not self._silent(run):
            run.process.terminate()

    def _kill(self, run: _Run) -> None:
        if run.process and run.process.alive:
            run.process.kill()

    def _ended(self, run: _Run, process: Process | None) -> None:
        if run.process is not process or self._silent(run):
            return
        run.process = None
        if run.going:
            self._remove(run)
            return
        run.restarts += 1
        self._mark(run, ready=False)
        self.world.after(self.world.between(self.pace.restart), partial(self._start, run))

    def _remove(self, run: _Run) -> None:
        if run.kill:
            run.kill.cancel()
        self._pods.pop(uid_of(run.pod), None)
        found = self.store.find(PODS, *_key(run))
        if found is not None and uid_of(found) == uid_of(run.pod):
            self.store.delete(PODS, *_key(run), self.name, grace=0)

    def _mark(self, run: _Run, *, ready: bool, heard: bool = True) -> None:
        """heard: whether the kubelet says so, who knows its containers; else somebody says it of the node."""
        pod = self.store.find(PODS, *_key(run))
        if pod is None or uid_of(pod) != uid_of(run.pod):
            return
        status = dict(pod["status"])
        conditions = status.get("conditions", [])
        gates = [each["conditionType"] for each in pod["spec"].get("readinessGates", [])]
        open_gates = all((condition(pod, gate) or {}).get("status") == "True" for gate in gates)
        for kind, holds in (("ContainersReady", ready), ("Ready", ready and open_gates)):
            conditions = with_condition(conditions, {"type": kind, "status": str(holds)}, self.world.stamp())
        status |= {"phase": "Running", "conditions": conditions}
        status["podIP"] = status.get("podIP") or self._address()
        if heard:
            status["containerStatuses"] = [_container(run, ready)]
        if status != pod["status"]:
            self.store.replace(PODS, {**pod, "status": status}, self.name, "status")


def _key(run: _Run) -> tuple[str, str]:
    return namespace_of(run.pod), name_of(run.pod)


def _container(run: _Run, ready: bool) -> Object:
    """One whose process has ended waits for its next start."""
    runs = run.process is not None and run.process.alive
    name = (run.pod["spec"].get("containers") or [{}])[0].get("name", "main")
    state: Object = {"running": {}} if runs else {"waiting": {"reason": "CrashLoopBackOff"}}
    return {"name": name, "restartCount": run.restarts, "ready": ready, "state": state}
