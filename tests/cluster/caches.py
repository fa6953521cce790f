"""What a controller sees of the store:

Everything, in order, and late. And the loop that every controller is.
"""

from collections.abc import Callable

from tests.cluster.errors import ApiError
from tests.cluster.kinds import Kind
from tests.cluster.objects import Object, name_of, namespace_of
from tests.cluster.store import Event, Key, Store
from tests.cluster.world import World

Bounds = tuple[float, float]
AGAIN: Bounds = (0.02, 0.2)
"""After how many seconds a controller tries again what was refused."""


class Cache:
    """A view of some kinds that lags behind the store by so many seconds, each kind in its own order."""

    def __init__(self, world: World, store: Store, kinds: tuple[Kind, ...], lag: Bounds) -> None:
        self._world = world
        self.lag = lag
        self._kinds: dict[Kind, dict[Key, Object]] = {kind: {} for kind in kinds}
        self._last: dict[Kind, float] = dict.fromkeys(kinds, 0.0)
        self.heard: list[Callable[[Event], None]] = []
        for kind in kinds:
            for thing in store.all(kind):
                self._kinds[kind][namespace_of(thing), name_of(thing)] = thing
        store.listeners.append(self._on)

    def all(self, kind: Kind, namespace: str = "") -> list[Object]:
        found = self._kinds[kind].values()
        return [each for each in found if not namespace or namespace_of(each) == namespace]

    def find(self, kind: Kind, key: Key) -> Object | None:
        return self._kinds[kind].get(key)

    def _on(self, event: Event) -> None:
        if event.kind in self._kinds:
            due = max(self._last[event.kind], self._world.now + self._world.between(self.lag))
            self._last[event.kind] = due
            self._world.after(due - self._world.now, lambda: self._seen(event))

    def _seen(self, event: Event) -> None:
        key = (namespace_of(event.thing), name_of(event.thing))
        if event.now is None:
            self._kinds[event.kind].pop(key, None)
        else:
            self._kinds[event.kind][key] = event.now
        for hear in self.heard:
            hear(event)


class Controller:
    """Looks at one key at a time, each soon after something about it was heard; a refusal is tried again."""

    kinds: tuple[Kind, ...] = ()
    name = "kube-controller-manager"

    def __init__(self, world: World, store: Store, lag: Bounds, reaction: Bounds = (0.0, 0.05)) -> None:
        self.world = world
        self.store = store
        self.cache = Cache(world, store, self.kinds, lag)
        self._reaction = reaction
        self._asked: set[Key] = set()
        self._later: dict[Key, float] = {}
        self.cache.heard.append(self.on)

    def on(self, event: Event) -> None:
        """Ask for a look at whatever the event concerns."""
        raise NotImplementedError

    def look(self, key: Key) -> None:
        """Bring the world one step nearer to what the object asks for."""
        raise NotImplementedError

    def ask(self, key: Key) -> None:
        if key not in self._asked:
            self._asked.add(key)
            self.world.after(self.world.between(self._reaction), lambda: self._look(key))

    def ask_at(self, key: Key, moment: float) -> None:
        """Ask once more, later; only the earliest such wish of a key is kept."""
        if self._later.get(key, float("inf")) <= moment:
            return
        self._later[key] = moment

        def come() -> None:
            if self._later.get(key) == moment:
                del self._later[key]
                self.ask(key)

        self.world.after(moment - self.world.now, come)

    def _look(self, key: Key) -> None:
        self._asked.discard(key)
        try:
            self.look(key)
        except ApiError as error:
            if error.status not in {404, 409}:
                raise
            self.world.after(self.world.between(AGAIN), lambda: self.ask(key))
