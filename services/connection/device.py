"""One connected device: feeds its session what happens and performs what the session wants, in order.

Made by gateway.py when a WebSocket opened. Everything here is synchronous but errands: a command that needs
Redis or a key runs as one task, and its outcome comes back as an event. Holds no protocol knowledge (the
session's) and no channel knowledge (outbound's).
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import TYPE_CHECKING, Protocol

from services.connection.core.effects import Close, Effect, GoLive, Leave, Opened, Question, Write
from services.connection.core.events import Dismissed, Event, Parting, TimePassed, TransportLost
from services.connection.core.outbox import Outbox
from services.connection.core.session import Session, Settled
from services.connection.frames import publication_frame, text_frame
from services.shared.model.ids import Channel, ConnectionId, UserId
from services.shared.runtime.logging import get_logger
from services.shared.runtime.tracing import NOTHING, Span
from services.shared.wire.codes import Disconnect, Unsubscribe
from services.shared.wire.deltas import Delta

if TYPE_CHECKING:
    from services.connection.hub import Audience
    from services.connection.pulse import Pulse

log = get_logger(__name__)


class Wire(Protocol):
    """The device's end of the socket, as gateway.py provides it."""

    def write(self, data: bytes) -> None:
        """Hand bytes to the transport, behind everything written before."""
        ...

    def unsent(self) -> int:
        """Bytes the transport still holds."""
        ...

    def peer(self) -> str:
        """The address it comes from; empty if that is not known."""
        ...

    def close(self, code: int, reason: str) -> None:
        """Send a close frame, await the peer's for a while, then cut the connection."""
        ...


class House(Protocol):
    """What devices share; app.py provides one for the process."""

    pulse: Pulse
    outbox_bytes: int
    high_water: int

    def now(self) -> float:
        """Monotonic seconds."""
        ...

    def ask(self, device: Device, question: Question) -> None:
        """Begin an errand; its answer is fed to the device later."""
        ...

    def go_live(self, device: Device, channel: Channel) -> bytes:
        """Make a joined channel live; return what it owes the device, framed."""
        ...

    def leave(self, device: Device, channel: Channel) -> None:
        """Let go of a channel, joined or live."""
        ...

    def opened(self, device: Device) -> None:
        """A device got through connect."""
        ...

    def settled(self, device: Device, settled: Settled) -> None:
        """A command was answered."""
        ...

    def unsubscribed(self, why: Unsubscribe) -> None:
        """A subscription was ended from the server's side."""
        ...

    def ended(self, device: Device, why: Disconnect) -> None:
        """A device is over; it holds nothing any more."""
        ...


class Device:
    """A connection's state in the shell.

    write: the transport's own write, for the hub's hot loop. paused: the transport is full; what is sent goes
    into the outbox. audiences: where this device is live. joining: channels it is on its way into.
    errands: how many are under way. parting: it was told to go. wake_at: see `Pulse`. span: of the command
    under way. trace: of its connect, empty while traces are off.
    """

    __slots__ = (
        "_backlog",
        "_house",
        "_outbox",
        "_performing",
        "_wire",
        "audiences",
        "connection",
        "errands",
        "joining",
        "parting",
        "paused",
        "session",
        "span",
        "trace",
        "wake_at",
        "write",
    )

    def __init__(self, house: House, wire: Wire, connection: ConnectionId, session: Session) -> None:
        self._house = house
        self._wire: Wire | None = wire
        self._outbox: Outbox | None = None
        self._performing = False
        self._backlog: list[Event] | None = None
        self.write: Callable[[bytes], None] = wire.write
        self.connection = connection
        self.session = session
        self.paused = False
        self.audiences: list[Audience] = []
        self.joining: list[Channel] | None = None
        self.errands = 0
        self.parting = False
        self.wake_at = inf
        self.span: Span = NOTHING
        self.trace = ""
        self._house.pulse.schedule(self, session.due())

    @property
    def user(self) -> UserId:
        """Whose device this is; empty before connect."""
        return self.session.user

    @property
    def peer(self) -> str:
        """The address it comes from; empty if that is not known."""
        return self._wire.peer() if self._wire is not None else ""

    def feed(self, event: Event) -> None:
        """Tell the session and perform what follows. Events that come of performing wait their turn."""
        if self._performing:
            self._backlog = [*(self._backlog or ()), event]
            return
        self._performing = True
        try:
            self._handle(event)
            while self._backlog:
                self._handle(self._backlog.pop(0))
        except Exception:  # a device's root: its fault must not reach the loop that serves the others
            log.exception("device failed", happening=type(event).__name__, connection=self.connection)
            self._fail()
        finally:
            self._performing = False
        for why in self.session.ended():
            self._house.unsubscribed(why)
        if not self.session.closed:
            self._house.pulse.schedule(self, self.session.due())

    def wake(self) -> None:
        """`Pulse`: the session's due time has come."""
        self.feed(TimePassed())

    def send(self, frames: bytes) -> None:
        """Write to this device alone: at once, or through the outbox while its transport is full.

        Above the outbox's bound the device is closed as slow, without waiting for it.
        """
        if not self.paused:
            self.write(frames)
        elif self._wire is not None:
            self._kept(self._owed(self._wire).put(frames, self._wire.unsent()))

    def send_delta(self, channel: Channel, delta: Delta, offset: int) -> None:
        """Owe this device more of a text, whose transport is full: in one event with what waits of it.

        As `send` above the bound.
        """
        if self._wire is not None:
            self._kept(self._owed(self._wire).put_delta(channel.name, delta, offset, self._wire.unsent()))

    def pause(self) -> None:
        """The transport is full."""
        self.paused = True
        for audience in self.audiences:
            audience.refresh()

    def resume(self) -> None:
        """The transport has room again: hand on what waited, as long as it has."""
        self.paused = False
        while self._outbox is not None and self._outbox.size and not self.paused:
            for frame in self._outbox.take(self._house.high_water):
                self.write(frame)
        if not self.paused:
            self._outbox = None
            for audience in self.audiences:
                audience.refresh()

    def part(self, why: Disconnect) -> None:
        """Have it go elsewhere: at once, or when the command under way is answered."""
        self.parting = True
        self.feed(Parting(why))

    def lost(self, why: Disconnect = Disconnect.CLOSED) -> None:
        """The socket is gone, its peer has said goodbye, or has broken the WebSocket protocol (`why`)."""
        if not self.session.closed:
            self.feed(TransportLost())
            self._release(why)

    def _owed(self, wire: Wire) -> Outbox:
        if self._outbox is None:
            # What filled the transport may be a long recovery, which the device asked for itself: it does not
            # count, or a device that missed much would be cut each time it comes back for it.
            self._outbox = Outbox(self._house.outbox_bytes + wire.unsent(), publication_frame)
        return self._outbox

    def _kept(self, kept: bool) -> None:
        if not kept and self._outbox is not None:
            self._outbox.drop()
            self.feed(Dismissed(Disconnect.SLOW))

    def _handle(self, event: Event) -> None:
        """What is settled is told before the next command may ask its first question."""
        effects = self.session.handle(event, self._house.now())
        for settled in self.session.settled():
            self._house.settled(self, settled)
        self._perform(effects)

    def _perform(self, effects: list[Effect]) -> None:
        """Perform effects in order; neighbouring replies and pushes share one frame."""
        lines: list[bytes] = []
        for effect in effects:
            if isinstance(effect, Write):
                lines.append(effect.data)
                continue
            self._flush(lines)
            match effect:
                case GoLive():
                    if owed := self._house.go_live(self, effect.channel):
                        self.send(owed)
                case Leave():
                    self._house.leave(self, effect.channel)
                case Opened():
                    self._house.opened(self)
                case Close():
                    self._close(effect.why)
                case _:
                    self._house.ask(self, effect)
        self._flush(lines)

    def _flush(self, lines: list[bytes]) -> None:
        if lines:
            self.send(text_frame(b"\n".join(lines)))
            lines.clear()

    def _fail(self) -> None:
        """A fault of ours: this device is closed and comes back, the others never notice."""
        self._backlog = None
        self.session.handle(TransportLost(), self._house.now())
        self._close(Disconnect.SERVER_ERROR)

    def _close(self, why: Disconnect) -> None:
        """Send what is owed, but not to a slow device, and say why it ends."""
        wire = self._wire
        if wire is None:
            return
        if self._outbox is not None and why is not Disconnect.SLOW:
            for frame in self._outbox.take(self._outbox.size):
                wire.write(frame)
        wire.close(why.code, why.reason)
        self._release(why)

    def _release(self, why: Disconnect) -> None:
        """Hold nothing any more."""
        for audience in tuple(self.audiences):
            self._house.leave(self, audience.channel)
        for channel in tuple(self.joining or ()):
            self._house.leave(self, channel)
        self._wire = None
        self._outbox = None
        self.write = _write_to_nobody
        self.wake_at = inf
        self._house.ended(self, why)


def _write_to_nobody(_: bytes) -> None:
    """What a device that is over does with what still reaches it."""
