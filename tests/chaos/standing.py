"""Where a device stands in a conversation, as its SDK counts. Pure; used by the rules of the devices."""

from dataclasses import dataclass

from tests.chaos.ground import Position
from tests.chaos.records import DeviceLine, Loaded, Pub, Subscribed, SubscribeError

UNRECOVERABLE = 112


@dataclass(slots=True)
class Standing:
    """`position` is None before the first page or subscribe, and after a 112 until the next."""

    position: Position | None = None

    def take(self, line: DeviceLine) -> None:
        """Move as this line says."""
        match line:
            case Loaded(epoch=epoch, offset=offset):
                self.position = Position(epoch, offset)
            case Subscribed(epoch=epoch, offset=offset, recovered=recovered):
                # A recovery's publications follow; until they are here the device stands where it stood.
                stood = self.position if recovered else None
                self.position = Position(epoch, stood.offset if stood else offset)
            case Pub(offset=offset) if offset > 0:
                before = self.position or Position("", 0)
                self.position = Position(before.epoch, max(before.offset, offset))
            case SubscribeError(code=code) if code == UNRECOVERABLE:
                self.position = None
