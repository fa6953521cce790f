"""What this process says of itself with each beat: the census of one node. Made by app.py.

Numbers only, each by a name that later releases keep. Called once a beat, so the rate of new connections is
that since the beat before.
"""

from collections.abc import Callable, Iterable

from services.connection.core.hearing import HEARS
from services.shared.model.ids import UserId


class Counting:
    """Counts what the process holds. devices: the user of each, empty before its connect."""

    def __init__(
        self,
        devices: Callable[[], Iterable[UserId | str]],
        channels: Callable[[], int],
        opened: Callable[[], int],
        draining: Callable[[], bool],
        deaf: Callable[[], bool],
        now: Callable[[], float],
    ) -> None:
        self._devices = devices
        self._channels = channels
        self._opened = opened
        self._draining = draining
        self._deaf = deaf
        self._now = now
        self._before = (now(), 0)

    def census(self) -> dict[str, int]:
        """The numbers of this moment. connects: new connections a second, rounded."""
        users = list(self._devices())
        return {
            "connections": len(users),
            "draining": len(users) if self._draining() else 0,
            "users": len({user for user in users if user}),
            "channels": self._channels(),
            "connects": self._rate(),
            HEARS: int(not self._deaf()),
        }

    def _rate(self) -> int:
        (since, had), self._before = self._before, (self._now(), self._opened())
        elapsed_s = self._before[0] - since
        return round((self._before[1] - had) / elapsed_s) if elapsed_s > 0 else 0
