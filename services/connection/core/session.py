"""One connection's protocol: events in, effects out, through one door.

Called by device.py for every connection. Pure: never awaits, never reads a clock, never raises for what a
client sends. Commands are processed one by one in the order they came; those behind one that waits for I/O
wait too, within bounds, and each is answered within `Limits.answer_s` of its arrival, a timed-out one with
temporary error 100.

    NEW --connect--> CONNECTING --good token, user channel joined--> OPEN
     |                   `--error reply--> REFUSED (discards all)      |
     `---------- any breach, time-out or dismissal --> CLOSED <--------'
"""

from collections import deque
from dataclasses import dataclass
from math import inf

from services.connection.core.admission import Limits
from services.connection.core.asking import DIALOGUES
from services.connection.core.dialogue import BreachError, Dialogue, RefusedError
from services.connection.core.effects import Effect
from services.connection.core.events import (
    Answer,
    Dismissed,
    Event,
    FrameReceived,
    Moved,
    Parting,
    Ref,
    Removed,
    TimePassed,
    TransportLost,
)
from services.connection.core.standing import Phase, Standing
from services.shared.model.ids import Channel, ConnectionId, UserId
from services.shared.model.revocation import Credential
from services.shared.wire import codec
from services.shared.wire.codes import INTERNAL, PERMISSION_DENIED, Disconnect, Fault, Unsubscribe
from services.shared.wire.protocol import Command, MalformedError, Request, decode_frame


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A command that arrived: what it asks and until when it must be answered."""

    id: int
    method: str
    request: Request
    size: int
    deadline: float


@dataclass(slots=True)
class _Running:
    """The command under way: `dialogue` waits for the answer to `ref`."""

    id: int
    method: str
    request: Request
    deadline: float
    dialogue: Dialogue
    ref: Ref


@dataclass(frozen=True, slots=True)
class UnderWay:
    """The command that waits for an answer from outside, and when it arrived (seconds as in `handle`)."""

    method: str
    request: Request
    arrived: float


@dataclass(frozen=True, slots=True)
class Settled:
    """A command was answered: error code (0: none) and seconds since it arrived."""

    method: str
    request: Request
    code: int
    seconds: float


class Session:
    """The protocol state of one connection."""

    __slots__ = (
        "_at",
        "_next_ping",
        "_parting",
        "_pong_due",
        "_running",
        "_settled",
        "_stale_at",
        "_waiting",
        "_waiting_bytes",
    )

    def __init__(
        self, connection: ConnectionId, limits: Limits, *, version: str, now: float, jitter: float
    ) -> None:
        """Begin at the moment the WebSocket opened.

        version: the server's, told at connect. jitter: random in [0, 1), spreads the first pings over half an
        interval.
        """
        self._at = Standing(connection, limits, version, now)
        self._running: _Running | None = None
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._settled: list[Settled] | None = None
        self._stale_at = now + limits.stale_s
        self._next_ping = now + limits.ping_s * (0.5 + jitter / 2)
        self._pong_due = inf
        self._parting: Disconnect | None = None

    @property
    def user(self) -> UserId:
        """Whose connection this is; empty before the token was verified."""
        return self._at.user

    @property
    def credential(self) -> Credential | None:
        """What the connection's token may be revoked by; None before connect."""
        return self._at.credential

    @property
    def opened(self) -> float:
        """When the WebSocket opened (seconds as in `handle`)."""
        return self._stale_at - self._at.limits.stale_s

    @property
    def under_way(self) -> UnderWay | None:
        """What the questions among the last effects are asked for; None when nothing waits for an answer."""
        running = self._running
        if running is None:
            return None
        return UnderWay(running.method, running.request, running.deadline - self._at.limits.answer_s)

    @property
    def closed(self) -> bool:
        """Whether this session is over; it has no effects any more."""
        return self._at.phase is Phase.CLOSED

    @property
    def channels(self) -> frozenset[Channel]:
        """The live subscriptions."""
        return frozenset(self._at.channels)

    def handle(self, event: Event, now: float) -> list[Effect]:
        """Take one event in and return the effects to perform, in order. `now`: monotonic seconds, never
        falling.
        """
        at = self._at
        if at.phase is Phase.CLOSED:
            return []
        at.now, at.out = now, []
        self._take(event)
        self._part()
        if at.phase in {Phase.REFUSED, Phase.CLOSED}:
            self._forget_commands()
        out, at.out = at.out, []
        return out

    def settled(self) -> list[Settled]:
        """Hand over, once, which commands were answered since this was last asked: for metrics."""
        settled, self._settled = self._settled, None
        return settled or []

    def ended(self) -> list[Unsubscribe]:
        """Hand over, once, why subscriptions were ended from this side since this was last asked."""
        ended, self._at.ended = self._at.ended, None
        return ended or []

    def due(self) -> float:
        """When `TimePassed` is wanted next (seconds as in `handle`); infinity once closed."""
        at = self._at
        if at.phase is Phase.CLOSED:
            return inf
        answer_by = self._running.deadline if self._running else inf
        if at.phase is not Phase.OPEN:
            return min(self._stale_at, answer_by)
        grace = at.limits.grace_s
        over = min(at.expires_at, min(at.expiries.values(), default=inf)) + grace
        return min(answer_by, self._next_ping, self._pong_due, over)

    def _take(self, event: Event) -> None:
        match event:
            case FrameReceived():
                self._hear(event)
            case TimePassed():
                self._check_times()
            case Removed():
                self._remove(event.channel, event.why)
            case Moved():
                self._move(event)
            case Dismissed():
                self._at.close(event.why)
            case Parting():
                self._parting = event.why
            case TransportLost():
                self._at.phase = Phase.CLOSED
            case _:
                self._resume(event)

    def _hear(self, frame: FrameReceived) -> None:
        at = self._at
        if at.phase is Phase.REFUSED:
            return  # clients pipeline behind connect: what follows a refused one is discarded, not punished
        if len(frame.data) > at.limits.message_bytes:
            at.close(Disconnect.TOO_BIG)
            return
        try:
            commands = [] if frame.binary else decode_frame(frame.data)
        except MalformedError:
            commands = []
        if not commands:
            at.close(Disconnect.BAD_REQUEST)
        for command, size in commands:
            self._enqueue(command, size)
            if at.phase in {Phase.REFUSED, Phase.CLOSED}:
                return

    def _enqueue(self, command: Command, size: int) -> None:
        at, asked = self._at, command.asked()
        if command.is_pong:
            self._take_pong()
        elif asked is None:
            at.close(Disconnect.BAD_REQUEST)
        elif self._is_full(size):
            at.close(Disconnect.TOO_MANY_REQUESTS)
        else:
            self._waiting.append(_Waiting(command.id, *asked, size, at.now + at.limits.answer_s))
            self._waiting_bytes += size
            self._work()

    def _is_full(self, size: int) -> bool:
        limits = self._at.limits
        return (
            len(self._waiting) >= limits.waiting_commands or self._waiting_bytes + size > limits.waiting_bytes
        )

    def _take_pong(self) -> None:
        if self._pong_due == inf:
            self._at.close(Disconnect.BAD_REQUEST)
        self._pong_due = inf

    def _work(self) -> None:
        """Start waiting commands until one waits for an answer."""
        at = self._at
        while self._begins and at.phase in {Phase.NEW, Phase.OPEN}:
            command = self._waiting.popleft()
            self._waiting_bytes -= command.size
            if (command.method == "connect") != (at.phase is Phase.NEW):
                at.close(Disconnect.BAD_REQUEST)
            elif command.deadline <= at.now:
                at.refuse(command.id, INTERNAL)
                self._note(command, INTERNAL.code)
            else:
                self._start(command)

    @property
    def _begins(self) -> bool:
        """Whether a waiting command is begun now."""
        return bool(self._waiting) and self._running is None and self._parting is None

    def _part(self) -> None:
        """End the connection if it is to end and nothing is under way."""
        if self._parting is not None and self._running is None and self._at.phase is not Phase.CLOSED:
            self._at.close(self._parting)

    def _start(self, command: _Waiting) -> None:
        dialogue = DIALOGUES[command.method](self._at, command.id, command.request)
        self._running = _Running(
            command.id, command.method, command.request, command.deadline, dialogue, Ref(0)
        )
        self._advance(self._running, None)

    def _resume(self, answer: Answer) -> None:
        """Go on with an answer; one to an effect that was given up meanwhile is ignored."""
        if self._running and self._running.ref == answer.ref:
            self._advance(self._running, answer)
            self._work()

    def _advance(self, running: _Running, answer: Answer | None) -> None:
        try:
            asked = running.dialogue.send(answer) if answer else next(running.dialogue)
        except StopIteration:
            self._running = None
            self._note(running, 0)
        except RefusedError as refused:
            self._end(running, refused.fault)
        except BreachError as breach:
            self._at.close(breach.why)
        else:
            running.ref = asked.ref
            self._at.out.append(asked)

    def _give_up(self, running: _Running, fault: Fault) -> None:
        """Stop waiting for an answer; should it come, it is ignored."""
        running.dialogue.close()
        self._end(running, fault)
        self._work()

    def _end(self, running: _Running, fault: Fault) -> None:
        """Answer the command under way with an error, and undo what it had begun."""
        self._running = None
        self._at.give_back()
        self._at.refuse(running.id, fault)
        self._note(running, fault.code)

    def _note(self, command: _Waiting | _Running, code: int) -> None:
        arrived = command.deadline - self._at.limits.answer_s
        if self._settled is None:
            self._settled = []
        self._settled.append(Settled(command.method, command.request, code, self._at.now - arrived))

    def _forget_commands(self) -> None:
        if self._running:
            self._running.dialogue.close()
        self._running = None
        self._waiting.clear()
        self._waiting_bytes = 0

    def _remove(self, channel: Channel, why: Unsubscribe) -> None:
        """End a subscription, or the attempt at one."""
        at = self._at
        if channel in at.channels:
            at.unsubscribe(channel, why)
        elif self._running and channel in at.held:
            for_good = why is Unsubscribe.SERVER and at.phase is Phase.OPEN
            self._give_up(self._running, PERMISSION_DENIED if for_good else INTERNAL)

    def _move(self, moved: Moved) -> None:
        """Tell of a new position; what the client subscribed itself it recovers by itself."""
        at = self._at
        if at.channels.get(moved.channel):
            at.write(codec.push_subscribe(moved.channel.name, moved.position))
        else:
            self._remove(moved.channel, Unsubscribe.INSUFFICIENT)

    def _check_times(self) -> None:
        at = self._at
        if at.phase is not Phase.OPEN and at.now >= self._stale_at:
            at.close(Disconnect.STALE)
        elif at.now >= at.expires_at + at.limits.grace_s:
            at.close(Disconnect.EXPIRED)
        elif at.phase is Phase.OPEN:
            self._check_pulse()
        if at.phase is Phase.CLOSED:
            return
        for channel, end in list(at.expiries.items()):
            if at.now >= end + at.limits.grace_s:
                at.unsubscribe(channel, Unsubscribe.EXPIRED)
        if self._running and at.now >= self._running.deadline:
            self._give_up(self._running, INTERNAL)

    def _check_pulse(self) -> None:
        at, limits = self._at, self._at.limits
        if at.now >= self._pong_due + limits.pong_s:
            # This late a check means that the process itself slept: the pong may wait unread in the socket.
            self._pong_due = at.now + limits.pong_s
            self._next_ping = at.now + limits.ping_s
        elif at.now >= self._pong_due:
            at.close(Disconnect.NO_PONG)
        elif at.now >= self._next_ping:
            at.write(codec.PING)
            self._pong_due = at.now + limits.pong_s
            self._next_ping = at.now + limits.ping_s
