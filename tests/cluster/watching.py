"""One watch:

What of the store's events a watcher sees, in its own words (ADDED, MODIFIED, DELETED, BOOKMARK).
"""

from collections.abc import Callable

from tests.cluster.api import Place, Request, Selection, selection_of
from tests.cluster.objects import Object
from tests.cluster.store import Event, Store


class Watch:
    """Hands every matching event to `hear`, those since the asked version at once. Close it when done.

    Raises ApiError 410 where that version is forgotten. An object that leaves the selection is told as
    DELETED, one that enters it as ADDED.
    """

    def __init__(self, store: Store, request: Request, place: Place, hear: Callable[[Object], None]) -> None:
        self._store = store
        self._place = place
        self._selection: Selection = selection_of(request, place)
        self._hear = hear
        since = request.query.get("resourceVersion", "")
        if since in {"", "0"}:
            for thing in store.all(place.kind):
                if self._selection.takes(thing):
                    hear({"type": "ADDED", "object": thing})
        else:
            for event in store.since(place.kind, int(since)):
                self._told(event)
        store.listeners.append(self._told)

    def bookmark(self) -> None:
        """Tell how far the watch has come, though nothing matched."""
        version = {"resourceVersion": str(self._store.version)}
        kind = self._place.kind
        thing = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": version}
        self._hear({"type": "BOOKMARK", "object": thing})

    def close(self) -> None:
        if self._told in self._store.listeners:
            self._store.listeners.remove(self._told)

    def _told(self, event: Event) -> None:
        if event.kind is not self._place.kind:
            return
        before = event.before is not None and self._selection.takes(event.before)
        now = event.now is not None and self._selection.takes(event.now)
        if now:
            self._hear({"type": "MODIFIED" if before else "ADDED", "object": event.now})
        elif before:
            self._hear({"type": "DELETED", "object": event.thing})
