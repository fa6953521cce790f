"""A simulated world of presence on fake time: users with devices, pods, replicas of the service, a Redis.

Everything random comes from one seed. After each step the invariants are checked against what is really so:
no leave within the grace, no connection listed 10 s after its pod's death, every real leave told once.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random

from services.presence.core.machine import Told
from services.shared.model.ids import ConnectionId, NodeId, UserId
from services.shared.model.presence import State
from tests.support.presence_actors import STEP_MS, Pod, Porter
from tests.support.presence_store import Place, Rules, Store, Who

GONE_MS = 10_000
"""Within so long of its pod's death a connection is listed no more."""
TOLD_MS = 8_000
"""Within so long past its grace a leave is told: 2 s less than is promised, for machines that are slow."""
FROZEN_MS = 5_000
"""A pod that stands still for less keeps everybody in."""
QUIET_MS = 45_000
"""At the end nothing more happens for so long."""


class ViolationError(AssertionError):
    """An invariant that does not hold."""


NOWHERE = ConnectionId("")


@dataclass
class Device:
    """A device: where it is connected, and which seats it has there."""

    user: UserId
    conversations: tuple[str, ...]
    pod: Pod | None = None
    connection: ConnectionId = NOWHERE
    came: int = 0


@dataclass
class World:
    """The simulation. `run` plays it to its end, or raises ViolationError."""

    seed: int
    users: int = 1_500
    seconds: int = 100
    rules: Rules = field(default_factory=Rules)
    told: Counter[Told] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.now = 0
        self.store = Store(self.rules, 8, self._hear)
        self._named = 0
        self._later: list[tuple[int, int, Callable[[], None]]] = []
        self._here: Counter[Who] = Counter()
        self._gone: dict[Who, int] = {}
        #: When the last visit ended that came to a seat. One that came to none ends no absence.
        self._seen: dict[Who, int] = {}
        self._unannounced: set[Who] = set()
        self._dead: dict[NodeId, int] = {}
        self._calm_since = 0
        self._present: set[Who] = set()
        self.pods = [self._pod() for _ in range(6)]
        self.porters = [Porter(self._name("porter"), self.store, 0) for _ in range(3)]
        self._devices = [device for number in range(self.users) for device in self._devices_of(number)]
        self._devices_by: dict[Who, list[Device]] = defaultdict(list)
        for device in self._devices:
            for conversation in device.conversations:
                self._devices_by[conversation, device.user].append(device)

    def run(self) -> None:
        """Play, then let it come to rest and compare everything."""
        quiet_from = self.seconds * 1_000
        for device in self._devices:
            self._at(self.random.randrange(5_000), partial(self._connect, device))
        self._at(8_000, self._hurt)
        while self.now < quiet_from + QUIET_MS:
            self.now = self.store.now = self.now + STEP_MS
            while self._later and self._later[0][0] <= self.now:
                heapq.heappop(self._later)[2]()
            for pod in list(self.pods):
                pod.step(self.now)
                self._end_if_drained(pod)
            for porter in self.porters:
                porter.step(self.now)
            self._check()
        self._check_rest()

    # what happens

    def _hurt(self) -> None:
        if self.now > self.seconds * 1_000:
            return
        faults = [self._kill_pod, self._kill_pod, self._drain_pod, self._drain_all, self._freeze_pod]
        faults += [self._pause, self._pause, self._kill_porter, self._kill_porters, self._freeze_porter]
        for fault in self.random.sample(faults, self.random.choice((1, 1, 2))):
            self.happened[fault.__name__] += 1
            fault()
        self._at(self.random.randrange(4_000, 25_000), self._hurt)

    def _kill_pod(self) -> None:
        self._bury(self.random.choice(self.pods))
        self._at(self.random.randrange(1_000, 6_000), lambda: self.pods.append(self._pod()))

    def _drain_pod(self) -> None:
        self._drain(self.random.choice(self.pods))
        self.pods.append(self._pod())

    def _drain_all(self) -> None:
        """A rollout: one after the other, three seconds apart."""
        for number, pod in enumerate(list(self.pods)):
            self._at(3_000 * number, partial(self._drain, pod))
        self.pods += [self._pod() for _ in self.pods]

    def _freeze_pod(self) -> None:
        self.random.choice(self.pods).freeze(self.now, self.random.randrange(1_000, 12_000))

    def _pause(self) -> None:
        self.store.up = False
        self._at(self.random.randrange(1_000, 11_000), self._resume)

    def _resume(self) -> None:
        self.store.up = True
        self._calm_since = self.now

    def _kill_porter(self) -> None:
        for porter in self.random.sample(self.porters, min(1, len(self.porters))):
            self._replace(porter)

    def _kill_porters(self) -> None:
        for porter in list(self.porters):
            self._replace(porter)

    def _replace(self, porter: Porter) -> None:
        self.porters.remove(porter)
        self._at(self.random.randrange(500, 15_000), self._start_porter)
        self._calm_since = self.now

    def _start_porter(self) -> None:
        self.porters.append(Porter(self._name("porter"), self.store, self.now))
        self._calm_since = self.now

    def _freeze_porter(self) -> None:
        if not self.porters:
            return
        self._calm_since = self.now
        self.random.choice(self.porters).frozen_until = until = self.now + self.random.randrange(
            1_000, 20_000
        )
        self._at(until - self.now, lambda: setattr(self, "_calm_since", self.now))

    # devices

    def _connect(self, device: Device) -> None:
        serving = [pod for pod in self.pods if pod.leaves_by is None and self.now >= pod.frozen_until]
        if device.pod is not None:
            return
        if not serving:
            self._at(1_000, lambda: self._connect(device))
            return
        device.pod, device.connection = self.random.choice(serving), ConnectionId(self._name("c"))
        device.came = self.now
        for conversation in device.conversations:
            who = conversation, device.user
            self._here[who] += 1
            self._gone.pop(who, None)
        self._sit(device, device.pod, device.connection)
        self._at(self.random.randrange(2_000, 60_000), partial(self._wander, device, device.pod))

    def _sit(self, device: Device, pod: Pod, connection: ConnectionId) -> None:
        """Subscribe: that needs Redis, so it is tried until it answers."""
        if device.pod is not pod or device.connection != connection:
            return
        if not self.store.up:
            self._at(self.random.randrange(250, 1_000), lambda: self._sit(device, pod, connection))
            return
        for conversation in device.conversations:
            place = conversation, connection
            pod.seats[place] = pod.due[place] = device.user

    def _wander(self, device: Device, pod: Pod) -> None:
        if device.pod is not pod or self.now > self.seconds * 1_000:
            return
        self._disconnect(device)
        back = self.random.choice(((200, 9_500), (200, 9_500), (9_000, 30_000), None))
        if back:
            self._at(self.random.randrange(*back), lambda: self._connect(device))

    def _disconnect(self, device: Device) -> None:
        """The device is gone; its pod, if it still runs, frees the seats."""
        pod, device.pod = device.pod, None
        assert pod is not None
        for conversation in device.conversations:
            place, who = (conversation, device.connection), (conversation, device.user)
            if pod.seats.pop(place, None) is not None:
                pod.due[place] = device.user
            self._here[who] -= 1
            if place in self.store.ever:
                self._seen[who] = pod.away_since(self.now, FROZEN_MS) or self.now
            if not self._here[who]:
                self._gone[who] = self.now
                self._unannounced.add(who)

    def _drain(self, pod: Pod) -> None:
        if pod not in self.pods or pod.leaves_by is not None:
            return
        pod.leaves_by = self.now + 10_000
        for device in [each for each in self._devices if each.pod is pod]:
            self._disconnect(device)
            self._at(self.random.randrange(250, 3_000), partial(self._connect, device))

    def _end_if_drained(self, pod: Pod) -> None:
        if pod.leaves_by is not None and (not pod.due or self.now >= pod.leaves_by):
            self._bury(pod)

    def _bury(self, pod: Pod) -> None:
        self.pods.remove(pod)
        self._dead[pod.node] = self.now
        for device in [each for each in self._devices if each.pod is pod]:
            self._disconnect(device)
            if self.random.random() < 0.8:
                self._at(self.random.randrange(250, 9_000), partial(self._connect, device))

    # what must hold

    def _hear(self, told: Told, who: Who) -> None:
        self.told[told] += 1
        if (told is Told.JOIN) == (who in self._present):
            raise ViolationError(f"{told} of {who} told twice at {self.now}")
        self._present ^= {who}
        if told is Told.LEAVE:
            if self._away_ms(who) < 10_000:
                raise ViolationError(f"{who} was away for {self._away_ms(who)} ms, has left at {self.now}")
            self._unannounced.discard(who)

    def _away_ms(self, who: Who) -> int:
        """For how long a user is away, or was who came back and has no seat yet. Pods that stand still are
        out of reach: who came back to one is not back.
        """
        here = [each for each in self._devices_by[who] if each.pod]
        if any((who[0], each.connection) in self.store.ever for each in here):
            return 0
        stuck = all(each.pod is None or self.now < each.pod.frozen_until for each in here)
        return (self.now if stuck else min(each.came for each in here)) - self._seen[who]

    def _check(self) -> None:
        if not self.store.up or not any(self.now >= each.frozen_until for each in self.porters):
            self._calm_since = self.now
        for node, died in self._dead.items():
            if self.now > max(died, self._calm_since) + GONE_MS and self.store.seats.get(node):
                raise ViolationError(f"{node} died at {died} and is listed at {self.now}")
        for who in list(self._unannounced):
            since = self._gone.get(who)
            if since is None or who not in self._present:
                if since is None or self.now > max(since, self._calm_since) + GONE_MS:
                    self._unannounced.discard(who)
            elif self.now > max(since, self._calm_since) + 10_000 + TOLD_MS:
                raise ViolationError(f"{who} is gone since {since} and nobody was told by {self.now}")

    def _check_rest(self) -> None:
        here = {who for who, count in self._here.items() if count}
        if here != self._present:
            raise ViolationError(f"present in the end, but not so: {sorted(here ^ self._present)[:5]}")
        seats: dict[Place, NodeId] = {
            (conversation, device.connection): device.pod.node
            for device in self._devices
            if device.pod
            for conversation in device.conversations
        }
        if seats != self.store.listed:
            raise ViolationError(
                f"listed, but not so: {sorted(seats.items() ^ self.store.listed.items())[:5]}"
            )
        states = {who for who, each in self.store.standings.items() if each.state is State.PRESENT}
        if states != here:
            raise ViolationError(f"states that are not so: {sorted(states ^ here)[:5]}")

    # small things

    def _at(self, in_ms: int, deed: Callable[[], None]) -> None:
        self._named += 1
        heapq.heappush(self._later, (self.now + in_ms, self._named, deed))

    def _name(self, kind: str) -> str:
        self._named += 1
        return f"{kind}{self._named}"

    def _pod(self) -> Pod:
        return Pod(NodeId(self._name("pod")), self.store, self.now + self.random.randrange(2_000))

    def _devices_of(self, number: int) -> list[Device]:
        conversations = tuple(
            f"c{each}" for each in self.random.sample(range(300), self.random.choice((1, 2)))
        )
        count = self.random.choice((1, 1, 1, 2, 3))
        return [Device(UserId(f"u{number}"), conversations) for _ in range(count)]
