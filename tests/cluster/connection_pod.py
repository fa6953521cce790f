"""A connection pod: the service's own drain (core/drain.py) and pace (core/pacing.py) around sockets that
are names.

What of the service is not here: protocol, journal, outboxes. A socket is one client that hears of its end.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from services.connection.core.drain import (
    CLOSING,
    ENDING,
    Hurried,
    Looked,
    Ordered,
    Standing,
    State,
    Terms,
    Told,
    Withdrawn,
    Word,
    after,
)
from services.connection.core.pacing import Pace, Rates
from tests.cluster.budget import AwayError, FleetBudget
from tests.cluster.caches import Bounds
from tests.cluster.objects import Object, at, name_of
from tests.cluster.processes import Process
from tests.cluster.world import World

STEP_S = 0.1
"""Between two looks while sockets are closed."""


class Client(Protocol):
    """What a pod knows of a client."""

    def closed(self, *, planned: bool) -> None: ...


@dataclass(frozen=True, slots=True)
class Manner:
    """A connection pod's settings:

    Capacity C, rates r and R, and seconds until it is ready after its start.
    """

    capacity: int = 0
    pod_rate: float = 0.0
    fleet_rate: float = 0.0
    propagation_s: float = 5.0
    drain_s: float = 15.0
    warm_up: Bounds = (1.0, 5.0)


class ConnectionPod(Process):
    """Follows the contract of docs/design/20261128.kubernetes.md, sections 2 and 3."""

    def __init__(
        self, world: World, pod: Object, ended: Callable[[], None], manner: Manner, budget: FleetBudget
    ) -> None:
        super().__init__(world, pod, ended)
        self.name = name_of(pod)
        self.manner = manner
        self.budget = budget
        self.sockets: dict[Client, None] = {}
        self.standing = Standing()
        self.silent = False
        """Whether its admin port does not answer."""
        self.flapping = False
        """Whether its readiness probe fails though nothing is wrong."""
        self.propped = False
        """Whether its readiness probe passes though it is empty and closed."""
        self.closed = 0
        self._terms = Terms(manner.propagation_s, manner.drain_s)
        self._pace: Pace | None = None
        self._looking = False
        self._warm = False
        world.after(world.between(manner.warm_up), self._warmed)

    # ------------------------------------------------------------------------------------ as a client sees it

    def handshake(self, client: Client) -> bool:
        """Let a client in; False: 503."""
        full = bool(self.manner.capacity) and len(self.sockets) >= self.manner.capacity
        if not self.alive or not self._warm or self.standing.closed or full:
            return False
        self.sockets[client] = None
        return True

    def leave(self, client: Client) -> None:
        """The client goes of itself."""
        self.sockets.pop(client, None)

    # --------------------------------------------------------------------------------- as the kubelet sees it

    @property
    def is_ready(self) -> bool:
        empty = self.standing.empty and not self.propped
        return self.alive and self._warm and not empty and not self.flapping

    def terminate(self) -> None:
        self._hear(Hurried(self.world.now) if self.standing.state in ENDING else Told(self.world.now))

    def kill(self) -> None:
        gone, self.sockets = list(self.sockets), {}
        self.end()
        for client in gone:
            client.closed(planned=False)

    # -------------------------------------------------------------------------------- as the operator sees it

    def status(self) -> dict[str, Any]:
        """The page /status."""
        return {
            "format": 1,
            "node": str(at(self.pod, "spec", "nodeName", default="")),
            "state": self.standing.state.shown,
            "cordoned": self.standing.plan is not None,
            "plan": self.standing.plan,
            "connections": len(self.sockets),
            "capacity": self.manner.capacity,
            "redis": not self.budget.away,
            "closed": self.closed,
            "deadline_s": self.standing.left_s(self.world.now),
        }

    def order(self, plan: str, within_s: float) -> None:
        """POST /drain."""
        self._hear(Ordered(self.world.now, plan, within_s))

    def withdraw(self, plan: str) -> None:
        """POST /undrain. Raises RefusedError: 409."""
        self._hear(Withdrawn(self.world.now, plan))

    # ---------------------------------------------------------------------------------------------- its drain

    def _warmed(self) -> None:
        self._warm = True

    def _hear(self, word: Word) -> None:
        before, self.standing = self.standing, after(self.standing, word, self._terms)
        if before.state is State.SERVING and self.standing.state is not State.SERVING:
            self.closed = 0
        if self.standing.state not in CLOSING:
            self._pace = None
        if self.standing.state is State.GONE:
            self.end()
        elif self.standing != before:
            self._look_in(0.0)

    def _look(self) -> None:
        self._looking = False
        if self.alive:
            self._hear(Looked(self.world.now, len(self.sockets)))
        if self.standing.state in CLOSING:
            self._step()
        self._look_in(STEP_S)

    def _look_in(self, seconds: float) -> None:
        if self.alive and not self._looking and self.standing.state in CLOSING | {State.LAME_DUCK}:
            self._looking = True
            self.world.after(seconds, self._look)

    def _step(self) -> None:
        now, deadline = self.world.now, self.standing.deadline
        assert deadline is not None
        if self._pace is None:
            self._pace = Pace(Rates(self.manner.pod_rate, self.manner.fleet_rate), now)
        due = self._pace.due(now, len(self.sockets), deadline)
        granted = due.may
        if self.manner.fleet_rate and due.may:
            try:
                granted = self.budget.take(due.may, due.must)
            except AwayError:
                granted = due.must
        self._pace.closed(granted)
        self._close(granted)

    def _close(self, count: int) -> None:
        going = list(self.sockets)[:count]
        self.closed += len(going)
        for client in going:
            del self.sockets[client]
            client.closed(planned=True)
