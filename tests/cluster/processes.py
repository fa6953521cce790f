"""What runs in a pod, as the kubelet sees it."""

from collections.abc import Callable

from tests.cluster.objects import Object
from tests.cluster.world import World


class Process:
    """One start of one container.

    Subclasses say what it does; this one is the pause image: ready, ends at SIGTERM.

    It tells the kubelet of the end by `ended`, and never ends twice.
    """

    def __init__(self, world: World, pod: Object, ended: Callable[[], None]) -> None:
        self.world = world
        self.pod = pod
        self.alive = True
        self._ended = ended

    @property
    def is_ready(self) -> bool:
        """What its readiness probe answers."""
        return self.alive

    def terminate(self) -> None:
        """SIGTERM."""
        self.end()

    def kill(self) -> None:
        """SIGKILL, or its node's end: no goodbye."""
        self.end()

    def end(self) -> None:
        if self.alive:
            self.alive = False
            self._ended()


Runs = Callable[[World, Object, Callable[[], None]], Process]
"""Makes the process of a pod."""
