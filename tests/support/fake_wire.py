"""A device's surroundings without a socket, a loop or Redis: what it writes, holds and asks is only noted."""

from services.connection.core.admission import Limits
from services.connection.core.effects import Effect, Question
from services.connection.core.events import Event
from services.connection.core.session import Session, Settled
from services.connection.device import Device
from services.shared.model.ids import Channel, ConnectionId
from services.shared.wire.codes import Disconnect, Unsubscribe


class FakeWire:
    """A transport that is told how full it is."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closed: tuple[int, str] | None = None
        self.held = 0

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def unsent(self) -> int:
        return self.held

    def peer(self) -> str:
        return "192.0.2.1"

    def close(self, code: int, reason: str) -> None:
        self.closed = code, reason


class FakePulse:
    """Notes when somebody wants to be woken."""

    def __init__(self) -> None:
        self.wakes: list[float] = []

    def schedule(self, device: Device, at: float) -> None:
        device.wake_at = at
        self.wakes.append(at)


class FakeHouse:
    """Notes what a device asks for; channels it goes live in owe it what `owed` says."""

    def __init__(self, outbox_bytes: int = 1000) -> None:
        self.pulse = FakePulse()
        self.outbox_bytes = outbox_bytes
        self.high_water = 100
        self.owed = b""
        self.asked: list[Question] = []
        self.left: list[Channel] = []
        self.commands: list[tuple[str, int]] = []
        self.unsubscribes: list[Unsubscribe] = []
        self.over: list[Disconnect] = []

    def now(self) -> float:
        return 1000.0

    def ask(self, device: Device, question: Question) -> None:
        self.asked.append(question)

    def go_live(self, device: Device, channel: Channel) -> bytes:
        return self.owed

    def leave(self, device: Device, channel: Channel) -> None:
        self.left.append(channel)
        device.audiences[:] = [each for each in device.audiences if each.channel != channel]

    def opened(self, device: Device) -> None:
        pass

    def settled(self, device: Device, settled: Settled) -> None:
        self.commands.append((settled.method, settled.code))

    def unsubscribed(self, why: Unsubscribe) -> None:
        self.unsubscribes.append(why)

    def ended(self, device: Device, why: Disconnect) -> None:
        self.over.append(why)


class ScriptedSession(Session):
    """A session whose effects are written down beforehand: event type name -> effects."""

    __slots__ = ("script",)

    def __init__(self, script: dict[str, list[Effect]]) -> None:
        super().__init__(ConnectionId("c"), Limits(), version="test", now=1000.0, jitter=0.5)
        self.script = script

    def handle(self, event: Event, now: float) -> list[Effect]:
        scripted = self.script.pop(type(event).__name__, None)
        return super().handle(event, now) if scripted is None else scripted


def device_on(wire: FakeWire, house: FakeHouse, **script: list[Effect]) -> Device:
    """A device over these."""
    return Device(house, wire, ConnectionId("c"), ScriptedSession(script))  # type: ignore[arg-type]
