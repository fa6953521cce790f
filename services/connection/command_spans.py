"""The spans of what clients ask: connect, subscribe and send, from a command's arrival to its reply.

Called by reception.py, only while traces are on. A device has one command under way at a time, and so one
such span; what is done for it runs inside. Must never take a text of a client for an id.
"""

import re
from typing import TypeGuard

import msgspec

from services.connection.core.effects import Call, Join, Publish, Question
from services.connection.core.events import Answer, Joined
from services.connection.core.session import Settled, UnderWay
from services.connection.device import Device
from services.shared.model.ids import Channel, ChannelKind, is_uuid, is_uuid7
from services.shared.runtime.clock import Clock
from services.shared.runtime.tracing import NOTHING, Span, Tracing, spans
from services.shared.wire.codes import INTERNAL, Disconnect
from services.shared.wire.protocol import ConnectRequest, SubscribeRequest

NS = 1_000_000_000
_SOFTWARE = re.compile(r"[A-Za-z0-9_.+/-]{1,40}")
"""What a client may call its software, to be told here."""


_INTERRUPT = re.compile(r"[0-9a-f]{32}")
"""What ids of interrupts look like."""


class _Said(msgspec.Struct):
    """What a send says of itself, before it is judged."""

    traceparent: str = ""
    conversation: str = ""
    id: str = ""
    interrupt: str = ""


_said = msgspec.json.Decoder(_Said)


class CommandSpans:
    """Begins and ends them."""

    def __init__(self, tracing: Tracing, clock: Clock) -> None:
        self._tracing = tracing
        self._clock = clock

    def begin(self, device: Device, question: Question) -> None:
        """A command waits for an answer: with its first question its span begins, as of its arrival."""
        under_way = device.session.under_way
        if device.span is not NOTHING or under_way is None:
            return
        if isinstance(under_way.request, ConnectRequest):
            device.span = self._connect(device, under_way.request)
            device.trace = device.span.traceparent
        elif isinstance(under_way.request, SubscribeRequest):
            device.span = self._subscribe(device, under_way, under_way.request)
        elif is_send(question):
            device.span = self._send(device, under_way, question)
        elif isinstance(question, Call) and question.method == "conversation.answer":
            device.span = self._answer(device, under_way, question)

    def answered(self, device: Device, question: Question, answer: Answer) -> None:
        """What was read for a subscription is known. One that goes on where another stood links to the user's
        sessions that left the conversation lately: with one device that is the one before.
        """
        under_way = device.session.under_way
        if not isinstance(question, Join) or not isinstance(answer, Joined) or under_way is None:
            return
        if isinstance(under_way.request, SubscribeRequest):
            outcome = "recovered" if answer.recovered else "reset" if question.since else "fresh"
            events = len(answer.publications)
            device.span.set(outcome=outcome, events=events, open_messages=answer.unfinished)
            for before in answer.sessions:
                if before != device.trace:
                    device.span.link(before)

    def settled(self, device: Device, settled: Settled) -> None:
        """The command under way is answered. A send that failed by a fault of this side is kept."""
        span, device.span = device.span, NOTHING
        span.set(code=settled.code)
        if settled.code == INTERNAL.code:
            span.fail(str(settled.code))
            self._tracing.keep(span.traceparent, "failed")
        span.end()

    def ended(self, device: Device, why: Disconnect) -> None:
        """The device is over: what was under way gets no answer."""
        span, device.span = device.span, NOTHING
        span.fail(str(why.code))
        span.end()

    def _connect(self, device: Device, asked: ConnectRequest) -> Span:
        return self._tracing.begin(
            spans.CONNECT,
            started_ns=self._when(device.session.opened),
            connection=device.connection,
            client=_software(asked.name),
            client_version=_software(asked.version),
            address=device.peer or None,
        )

    def _subscribe(self, device: Device, under_way: UnderWay, asked: SubscribeRequest) -> Span:
        channel = Channel.parse(asked.channel)
        is_talk = channel is not None and channel.kind is ChannelKind.CONVERSATION
        return self._tracing.begin(
            spans.SUBSCRIBE,
            device.trace,
            started_ns=self._when(under_way.arrived),
            connection=device.connection,
            channel=channel.name if channel else None,
            conversation=channel.id if channel and is_talk else None,
        )

    def _send(self, device: Device, under_way: UnderWay, question: Call | Publish) -> Span:
        said = _read(question.data)
        parent, links = self._tracing.of_client(said.traceparent)
        asked = question.channel.id if isinstance(question, Publish) else said.conversation
        conversation, message = asked.lower(), said.id.lower()
        return self._tracing.begin(
            spans.SEND,
            parent,
            links,
            started_ns=self._when(under_way.arrived),
            connection=device.connection,
            conversation=conversation if is_uuid(conversation) else None,
            message=message if is_uuid7(message) else None,
        )

    def _answer(self, device: Device, under_way: UnderWay, question: Call) -> Span:
        said = _read(question.data)
        parent, links = self._tracing.of_client(said.traceparent)
        conversation = said.conversation.lower()
        return self._tracing.begin(
            spans.ANSWER,
            parent,
            links,
            started_ns=self._when(under_way.arrived),
            connection=device.connection,
            conversation=conversation if is_uuid(conversation) else None,
            interrupt=said.interrupt if _INTERRUPT.fullmatch(said.interrupt) else None,
        )

    def _when(self, monotonic: float) -> int:
        """Wall time of a moment lately, in nanoseconds."""
        return self._clock.now_ns() - int((self._clock.monotonic() - monotonic) * NS)


def is_send(question: Question) -> TypeGuard[Call | Publish]:
    """Whether this is `conversation.send`, in either of its two forms."""
    return isinstance(question, Publish) or (
        isinstance(question, Call) and question.method == "conversation.send"
    )


def _read(data: bytes) -> _Said:
    try:
        return _said.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Said()


def _software(name: str) -> str | None:
    return name if _SOFTWARE.fullmatch(name) else None
