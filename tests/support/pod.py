"""The parts of a connection pod over one bus, without a socket, and devices for it."""

from dataclasses import dataclass, field

from services.connection.arrivals import Arrivals
from services.connection.attendance import Attendance
from services.connection.core.admission import Limits
from services.connection.core.effects import Join
from services.connection.core.events import Joined
from services.connection.core.session import Session
from services.connection.device import Device
from services.connection.follows import Follows
from services.connection.outbound import Outbound
from services.shared.bus.house import Bus
from services.shared.model.ids import Channel, ConnectionId, ConversationId, NodeId, UserId
from services.shared.runtime.lifecycle import Tasks
from tests.support.bus_house import ANN, fresh, house_of
from tests.support.fake_wire import FakeHouse, FakeWire
from tests.support.waiting import eventually


@dataclass
class Pod:
    """A pod's parts over one bus, and a way to make devices."""

    bus: Bus
    node: NodeId = field(default_factory=lambda: NodeId(f"node-{fresh()}"))
    tasks: Tasks = field(default_factory=Tasks)

    def __post_init__(self) -> None:
        bus, metrics = self.bus, self.bus.floor.metrics
        self.follows = Follows(bus.live, self.tasks, metrics, immediate=False, burst_bytes=65_536)
        self.outbound = Outbound(
            self.follows, bus.journal, bus.confirmer, self.tasks, bus.floor.clock, metrics
        )
        self.attendance = Attendance(bus.roster, self.node, 0, dict)
        self.arrivals = Arrivals(
            self.follows, bus.journal, self.outbound.ticker, self.outbound, self.attendance, metrics
        )

    def run(self) -> None:
        """Start what the process would run."""
        self.tasks.start("hear", self.outbound.hear(self.bus.live))
        self.tasks.start("ticker", self.outbound.ticker.run())
        self.tasks.start("attendance", self.attendance.run())

    async def come_and_go(self, conversation: ConversationId) -> None:
        """A device joins, sees one message, sits in the roster, and leaves; then nothing is left of it."""
        wire, channel = FakeWire(), Channel.of_conversation(conversation)
        device, asked = a_device(wire), Join(fresh(), channel, ANN, b"")  # type: ignore[arg-type]
        joined = await self.arrivals.join(device, asked, self.arrivals.register(device, asked))
        assert isinstance(joined, Joined)
        device.write(self.arrivals.go_live(device, channel))
        await house_of(self.bus).ask(conversation, "can you see this?")
        await eventually(lambda: b"".join(wire.written).count(b"can you see this?") == 1)
        await self.attendance.settled()
        assert await self.bus.roster.count(conversation) == (1, 1)
        self.arrivals.leave(device, channel)
        await self.nobody_is_here(conversation)

    async def nobody_is_here(self, conversation: ConversationId) -> None:
        """The pod follows nothing and holds no seat."""
        await eventually(lambda: len(self.follows) == 0)
        await eventually(lambda: not self.bus.live._followed)
        await self.attendance.settled()
        assert await self.bus.roster.count(conversation) == (0, 0)
        assert await self.bus.roster.held(self.node) == {}


class AnnsDevice(Device):
    """One that is through its connect."""

    @property
    def user(self) -> UserId:
        return ANN


def a_device(wire: FakeWire) -> Device:
    session = Session(ConnectionId("c"), Limits(), version="test", now=1000.0, jitter=0.5)
    return AnnsDevice(FakeHouse(), wire, ConnectionId(fresh()), session)  # type: ignore[arg-type]
