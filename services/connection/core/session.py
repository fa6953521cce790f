"""One connection's protocol: events in, effects out, through one door.

Called by device.py for every connection. Pure: never awaits, never reads a clock, never raises for what a
client sends.
"""

from services.connection.core.admission import Limits
from services.connection.core.effects import Effect
from services.connection.core.events import Event
from services.shared.model.ids import ConnectionId


class Session:
    """The protocol state of one connection."""

    def __init__(
        self, connection: ConnectionId, limits: Limits, *, version: str, now: float, jitter: float
    ) -> None:
        """Begin at the moment the WebSocket opened. `version`: the server's. `jitter`: random in [0, 1),
        spreads pings.
        """

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take one event in and return the effects to perform, in order. `now`: monotonic seconds, never
        falling.
        """
        raise NotImplementedError

    def due(self) -> float:
        """When `TimePassed` is wanted next (seconds as in `handle`); infinity once closed."""
        raise NotImplementedError
