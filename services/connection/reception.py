"""What all devices of the process share: who gets in, whose errands run, and how everybody is sent away.

Composed by app.py; gateway.py and device.py call it. Keeps the list of devices, and nothing else about them.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice

from services.connection.arrivals import Arrivals
from services.connection.auditing import Auditing
from services.connection.command_spans import CommandSpans, is_send
from services.connection.core.admission import Limits
from services.connection.core.effects import Join, Question, VerifyToken
from services.connection.core.events import Answer, Dismissed, Failed, Joined
from services.connection.core.session import Session, Settled
from services.connection.device import Device, Wire
from services.connection.expelling import Expelling
from services.connection.follows import Followed
from services.connection.inbound import Inbound
from services.connection.pulse import Pulse
from services.connection.sends import count_send
from services.connection.tokens import Tokens
from services.shared.model.ids import Channel, ChannelKind, ConnectionId
from services.shared.runtime import logging, origin
from services.shared.runtime.clock import Clock
from services.shared.runtime.lifecycle import Tasks
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.tracing import Tracing, trace_id
from services.shared.wire.codes import INTERNAL, Disconnect, Unsubscribe
from services.shared.wire.envelopes import ControlEntry

HIGH_WATER = 64 * 1024
"""Unsent bytes in a transport above which its device goes its own way (outbox)."""

log = logging.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Closed:
    """Why a handshake is refused: a word for the metrics, a sentence for the client."""

    why: str
    told: str


FULL = Closed("full", "This server is full.")


@dataclass(frozen=True, slots=True)
class Manners:
    """How devices are received. origins: None lets all in. most: connections, 0 for no bound."""

    limits: Limits
    version: str
    origins: Sequence[str | None] | None
    most: int
    outbox_bytes: int


class Reception:
    """The devices of this process."""

    def __init__(
        self,
        manners: Manners,
        arrivals: Arrivals,
        inbound: Inbound,
        tokens: Tokens,
        tasks: Tasks,
        pulse: Pulse,
        clock: Clock,
        metrics: Metrics,
        new_id: Callable[[], str],
        refuses: Callable[[], Closed | None],
        tracing: Tracing,
        auditing: Auditing | None = None,
        expelling: Expelling | None = None,
    ) -> None:
        """`new_id`: makes a UUIDv7. refuses: why nobody is to be let in just now, None when all may come.
        auditing: None while there is no audit log. expelling: None where tokens are not revoked.
        """
        self.pulse = pulse
        self.origins = manners.origins
        self.message_bytes = manners.limits.message_bytes
        self.outbox_bytes = manners.outbox_bytes
        self.high_water = HIGH_WATER
        self._refuses = refuses
        self.devices: dict[Device, None] = {}
        self._parting = 0
        self.connected = 0
        """How many devices got through connect, ever."""
        self.go_live = arrivals.go_live
        self.leave = arrivals.leave
        self.now = clock.monotonic
        self._manners = manners
        self._arrivals = arrivals
        self._inbound = inbound
        self._tokens = tokens
        self._tasks = tasks
        self._new_id = new_id
        self._metrics = metrics
        self._tracing = tracing
        self._auditing = auditing
        self._expelling = expelling
        self._spans = CommandSpans(tracing, clock) if tracing.on else None
        metrics.outboxes.set_function(lambda: sum(device.paused for device in self.devices))

    # ----------------------------------------------------------------------------------------- gateway's Door

    @property
    def full(self) -> bool:
        """Whether no more connections are wanted here."""
        return 0 < self._manners.most <= len(self.devices)

    def closed_because(self) -> str | None:
        """Why nobody is let in just now, or None."""
        closed = self._refuses() or (FULL if self.full else None)
        if closed is None:
            return None
        self._metrics.handshakes_refused.labels(why=closed.why).inc()
        return closed.told

    def welcome(self, wire: Wire) -> Device:
        """A WebSocket opened: make its device."""
        connection = ConnectionId(self._new_id())
        session = Session(
            connection,
            self._manners.limits,
            version=self._manners.version,
            now=self.now(),
            jitter=random.random(),  # noqa: S311 - spreads the pings
        )
        device = Device(self, wire, connection, session)
        self.devices[device] = None
        self._metrics.connections.set(len(self.devices))
        return device

    # ----------------------------------------------------------------------------------------- devices' House

    def ask(self, device: Device, question: Question) -> None:
        """Begin an errand; its answer is fed to the device later."""
        followed = self._arrivals.register(device, question) if isinstance(question, Join) else None
        device.errands += 1
        if self._spans is not None:
            self._spans.begin(device, question)
        self._tasks.start("errand", self._run(device, question, followed))

    def opened(self, device: Device) -> None:
        """A device got through connect."""
        if self._auditing is not None:
            self._auditing.connected(device)
        self._metrics.connections_opened.inc()
        self.connected += 1
        if self._expelling is not None:
            self._expelling.opened(device)
        log.info("connection opened", connection=device.connection, **_trace_of(device))

    def settled(self, device: Device, settled: Settled) -> None:
        """A command was answered."""
        exemplar = device.span.exemplar
        if self._auditing is not None:
            self._auditing.settled(device, settled)
        if self._spans is not None:
            self._spans.settled(device, settled)
        self._metrics.commands.labels(method=settled.method, code=str(settled.code)).inc()
        self._metrics.command_seconds.labels(method=settled.method).observe(settled.seconds, exemplar)

    def unsubscribed(self, why: Unsubscribe) -> None:
        """A subscription was ended from the server's side."""
        self._metrics.unsubscribes.labels(code=str(why.code)).inc()

    def ended(self, device: Device, why: Disconnect) -> None:
        """A device is over; it holds nothing any more."""
        if self._auditing is not None:
            self._auditing.ended(device, why)
        if self._spans is not None:
            self._spans.ended(device, why)
        if device in self.devices:
            del self.devices[device]
            self._parting -= device.parting
        self._metrics.connections.set(len(self.devices))
        counter = self._metrics.disconnects if device.user else self._metrics.connections_refused
        counter.labels(code=str(why.code)).inc()
        facts = {"connection": device.connection, "code": why.code, **_trace_of(device)}
        if device.user:
            log.info("connection closed", **facts)
        else:
            log.debug("connection refused", **facts)
        if why is Disconnect.SLOW:
            self._metrics.slow_closes.inc()

    async def _run(self, device: Device, question: Question, followed: Followed | None) -> None:
        began, span = self.now(), device.span
        logging.bind(connection=device.connection)
        channel = getattr(question, "channel", None)
        if isinstance(channel, Channel) and channel.kind is ChannelKind.CONVERSATION:
            logging.bind(conversation=channel.id)
        origin.come_from(device.connection, trace_id(device.trace))
        try:
            with self._tracing.inside(span):
                answer = await self._outcome(device, question, followed)
        finally:
            device.errands -= 1
        if is_send(question):
            self._sent(answer, self.now() - began, span.exemplar)
        if self._spans is not None:
            self._spans.answered(device, question, answer)
        device.feed(answer)

    def _sent(self, answer: Answer, seconds: float, exemplar: dict[str, str] | None) -> None:
        code = answer.fault.code if isinstance(answer, Failed) else 0
        count_send(self._metrics, code, seconds, exemplar)

    async def _outcome(self, device: Device, question: Question, followed: Followed | None) -> Answer:
        try:
            async with asyncio.timeout(self._manners.limits.answer_s + 1):
                return await self._answer(device, question, followed)
        except TimeoutError:  # the session has given up before
            return Failed(question.ref, INTERNAL)
        except Exception:  # the task's root: a fault of ours is this client's error 100, and our log line
            log.exception("errand failed", errand=type(question).__name__)
            return Failed(question.ref, INTERNAL)

    async def _answer(self, device: Device, question: Question, followed: Followed | None) -> Answer:
        match question:
            case VerifyToken():
                judged = await self._tokens.verify(question)
                return await self._expelling.judge(judged) if self._expelling is not None else judged
            case Join() if followed is not None:
                answer = await self._arrivals.join(device, question, followed)
                if isinstance(answer, Joined) and question.since is not None and not answer.recovered:
                    log.info("position not served", channel=question.channel.kind.value)
                return answer
            case Join():
                return Failed(question.ref, INTERNAL)
            case _:
                return await self._inbound.perform(question)

    def told(self, entry: ControlEntry) -> None:
        """Word from the control channel."""
        if self._expelling is not None:
            self._expelling.obey(entry, self.devices)

    # ------------------------------------------------------------------------------------------------ the end

    def __len__(self) -> int:
        """How many devices are here."""
        return len(self.devices)

    @property
    def staying(self) -> int:
        """How many devices were not told to go yet."""
        return len(self.devices) - self._parting

    def part(self, most: int) -> int:
        """Tell up to so many devices to go elsewhere (3001), those with no command under way first, each
        when what it asked is answered; return how many were told.
        """
        idle = islice((each for each in self.devices if not each.parting and not each.errands), most)
        chosen = list(idle)
        if len(chosen) < most:
            busy = (each for each in self.devices if not each.parting and each.errands)
            chosen += islice(busy, most - len(chosen))
        for device in chosen:
            self._parting += 1
            device.part(Disconnect.SHUTDOWN)
        return len(chosen)

    def cut(self) -> int:
        """Close all that are left (3001), whatever is under way; return how many."""
        left = list(self.devices)
        for device in left:
            device.feed(Dismissed(Disconnect.SHUTDOWN))
        return len(left)


def _trace_of(device: Device) -> dict[str, str]:
    """The trace of its connect: it opens and closes in no span of its own."""
    return {"trace": trace_id(device.trace)} if device.trace else {}
