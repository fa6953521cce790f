"""Every span of the system and every attribute, in one table; docs/tracing.md is made from it.

Shells name a span by its row and an attribute by its key in `ATTRIBUTES`, as a keyword:
`tracing.span(spans.ACCEPT, message=...)`. A row says which attributes its span may carry. They are ids,
counts, codes and names; never what people or models said, titles, arguments or tokens of access.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Kind = Literal["INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]

LATE = "continuo.sampled"
"""Says `late` on a span that was kept although its trace had not been sampled."""
ERROR = "error.type"


@dataclass(frozen=True, slots=True)
class Attribute:
    """What a span can say of itself."""

    key: str
    """As OpenTelemetry's conventions call it; ours begin with `continuo.`."""
    meaning: str


@dataclass(frozen=True, slots=True)
class SpanRow:
    """One kind of span: a line of the table."""

    name: str
    kind: Kind
    service: str
    step: str
    """Of docs/message-path.md."""
    meaning: str
    attributes: tuple[str, ...] = ()
    """Keys of ATTRIBUTES."""
    always: tuple[tuple[str, str], ...] = ()
    """Attributes that never differ, by their own names."""
    named_by: tuple[str, str] | None = None
    """(word, attribute): such a span is called by both, `chat gpt-5`, as the conventions want it."""
    identified_by: str | None = None
    """The attribute from which the span's id is made, so that others know it without being told."""


ATTRIBUTES = MappingProxyType(
    {
        # What it is about
        "conversation": Attribute("messaging.message.conversation_id", "The conversation"),
        "message": Attribute("messaging.message.id", "The message"),
        "channel": Attribute("messaging.destination.name", "The channel, as clients call it"),
        "partition": Attribute("messaging.destination.partition.id", "The partition of the conversation"),
        "turn": Attribute("continuo.turn", "The turn"),
        "interrupt": Attribute("continuo.interrupt", "What an agent asked, by LangGraph's id"),
        "attempt": Attribute("continuo.attempt", "The attempt; the id of its span is made from it"),
        "number": Attribute(
            "continuo.attempt.number", "How often the turn has been begun, this time counted"
        ),
        "connection": Attribute("continuo.connection", "The connection of the device"),
        "event": Attribute("continuo.event", "The event's type"),
        "offset": Attribute("continuo.offset", "Where the event stands in the journal"),
        # How it went
        "outcome": Attribute(
            "continuo.outcome",
            "How it ended, in the word that the metrics use for it: fresh, completed, ...; of a delivery "
            "also left (nobody follows any more) and moved (the channel goes on in another epoch)",
        ),
        "code": Attribute("continuo.code", "Error code of the reply; 0: none"),
        "kept": Attribute("continuo.keep", "Why the trace is kept whatever was sampled: failed, slow, fault"),
        "repeat": Attribute("continuo.repeat", "Whether the message had been accepted before"),
        "takeover": Attribute("continuo.takeover", "Whether the conversation was another worker's until now"),
        "replication_ms": Attribute("continuo.replication_ms", "Milliseconds the wait for a replica took"),
        # How much it was
        "turns": Attribute("continuo.turns", "Turns that were queued"),
        "messages": Attribute("messaging.batch.message_count", "Messages the turn answers"),
        "events": Attribute("continuo.events", "Events that were given"),
        "open_messages": Attribute("continuo.open_messages", "Unfinished messages that were given"),
        "deltas": Attribute("continuo.deltas", "Deltas of the message"),
        "units": Attribute("continuo.units", "UTF-16 units of text"),
        "followers": Attribute("continuo.followers", "Devices of this process that it was handed to"),
        "bytes": Attribute("continuo.bytes", "Bytes written"),
        "writes": Attribute("continuo.writes", "Entries written"),
        # The door
        "client": Attribute("user_agent.name", "What the client calls itself"),
        "client_version": Attribute("user_agent.version", "Its version, by its own word"),
        "address": Attribute("network.peer.address", "The address the connection comes from"),
        # The back ends' door
        "method": Attribute("http.request.method", "The request's method"),
        "route": Attribute("http.route", "The route, with names in place of ids"),
        "status": Attribute("http.response.status_code", "The status it was answered with"),
        # Graphs, models, tools
        "agent": Attribute("gen_ai.agent.name", "The agent that answers"),
        "thread": Attribute("gen_ai.conversation.id", "The thread of the graph"),
        "node": Attribute("continuo.node", "The node of the graph"),
        "step": Attribute("continuo.step", "The step of the graph"),
        "checkpoint": Attribute("continuo.checkpoint", "The checkpoint"),
        "provider": Attribute("gen_ai.provider.name", "Whose model it is"),
        "model": Attribute("gen_ai.request.model", "The model that was asked for"),
        "answered_by": Attribute("gen_ai.response.model", "The model that answered"),
        "finish": Attribute("gen_ai.response.finish_reasons", "Why the model stopped"),
        "first_chunk_s": Attribute("gen_ai.response.time_to_first_chunk", "Seconds to the first token"),
        "input_tokens": Attribute("gen_ai.usage.input_tokens", "Tokens the model read"),
        "output_tokens": Attribute("gen_ai.usage.output_tokens", "Tokens the model wrote"),
        "tool": Attribute("gen_ai.tool.name", "The tool"),
        "call": Attribute("gen_ai.tool.call.id", "The call's id, which stays the same when it is repeated"),
    }
)


def _messaging(name: str, kind: str) -> tuple[tuple[str, str], ...]:
    return (
        ("messaging.system", "continuo"),
        ("messaging.operation.name", name),
        ("messaging.operation.type", kind),
        ("messaging.destination.template", "conversation:<id>"),
    )


_SOCKET = (("network.protocol.name", "websocket"), ("network.transport", "tcp"))
_ABOUT = ("conversation", "message", "turn")

CONNECT = SpanRow(
    "session.connect",
    "SERVER",
    "connection",
    "1",
    "A device connects, from the open socket to the reply; a trace of its own",
    ("connection", "client", "client_version", "address", "code"),
    _SOCKET,
)
SUBSCRIBE = SpanRow(
    "session.subscribe",
    "SERVER",
    "connection",
    "1, 10",
    "One subscribe, in the trace of the connect: its outcome (fresh, recovered, reset) and what was given; "
    "one that goes on links to the user's sessions that left the conversation in the last minute",
    ("connection", "channel", "conversation", "outcome", "events", "open_messages", "code"),
    _SOCKET,
)
SEND = SpanRow(
    "message.send",
    "SERVER",
    "connection",
    "2",
    "The send command from arrival to reply; root of the message's trace",
    ("conversation", "message", "connection", "code"),
    _SOCKET,
)
ACCEPT = SpanRow(
    "message.accept",
    "PRODUCER",
    "connection",
    "3",
    "The script that takes the message or the answer, and the wait for its replica; an answer links to the "
    "turn that waits for it",
    ("conversation", "message", "interrupt", "turns", "offset", "repeat"),
    _messaging("accept", "send"),
)
ANSWER = SpanRow(
    "input.answer",
    "SERVER",
    "connection",
    "2",
    "An answer to what an agent waits for, from arrival to reply; root of a trace that goes on where the one "
    "of the turn that waits ended",
    ("conversation", "interrupt", "connection", "code"),
    _SOCKET,
)
REQUEST = SpanRow(
    "api.request",
    "SERVER",
    "connection",
    "2",
    "A request of a back end, from its arrival to its answer; of one that says or answers something, the "
    "root of a trace as `message.send` and `input.answer` are. None of those that are refused before they "
    "are whole",
    ("method", "route", "status", "conversation", "message", "interrupt", "connection", "code"),
    (("network.protocol.name", "http"), ("network.transport", "tcp"), ("url.scheme", "http")),
)
WAIT = SpanRow(
    "message.wait",
    "INTERNAL",
    "conversation",
    "4",
    "The turn waits: from queued to claimed; told at the claim",
    (*_ABOUT, "agent"),
)
CLAIM = SpanRow(
    "turn.claim",
    "INTERNAL",
    "conversation",
    "4",
    "Claim and lease, until the lease is replicated",
    (*_ABOUT, "takeover", "partition"),
)
ATTEMPT = SpanRow(
    "turn.attempt",
    "CONSUMER",
    "conversation",
    "5",
    "One attempt from begin to end; of a dead worker told by the next one, which links to it",
    (*_ABOUT, "messages", "attempt", "number", "agent", "thread", "outcome", "kept"),
    (*_messaging("answer", "process"), ("gen_ai.operation.name", "invoke_agent")),
    identified_by="attempt",
)
READ_THREAD = SpanRow(
    "thread.read",
    "INTERNAL",
    "conversation",
    "5",
    "Where the thread stands",
    (*_ABOUT, "thread", "checkpoint", "outcome"),
)
NODE = SpanRow(
    "graph.node",
    "INTERNAL",
    "conversation",
    "6",
    "One execution of one node of the graph",
    (*_ABOUT, "node", "step", "outcome"),
)
CHAT = SpanRow(
    "gen_ai.chat",
    "CLIENT",
    "conversation",
    "6",
    "One call of a model",
    (
        *_ABOUT,
        "provider",
        "model",
        "answered_by",
        "finish",
        "first_chunk_s",
        "input_tokens",
        "output_tokens",
    ),
    (("gen_ai.operation.name", "chat"),),
    named_by=("chat", "model"),
)
TOOL = SpanRow(
    "gen_ai.tool",
    "INTERNAL",
    "conversation",
    "6",
    "One call of a tool",
    (*_ABOUT, "tool", "call", "outcome"),
    (("gen_ai.operation.name", "execute_tool"),),
    named_by=("execute_tool", "tool"),
)
WRITE_THREAD = SpanRow(
    "thread.write",
    "INTERNAL",
    "conversation",
    "6",
    "One write of a checkpoint or of writes",
    (*_ABOUT, "thread", "checkpoint", "bytes", "writes"),
)
PUBLISH = SpanRow(
    "message.publish",
    "PRODUCER",
    "conversation",
    "7",
    "One message of the answer: from its first delta to completed or retracted",
    (*_ABOUT, "attempt", "agent", "deltas", "units", "outcome"),
    _messaging("publish", "send"),
)
FINISH = SpanRow(
    "turn.finish",
    "INTERNAL",
    "conversation",
    "7",
    "The last script and the wait for its replica",
    (*_ABOUT, "attempt", "outcome", "kept"),
)
CONFIRM = SpanRow(
    "message.confirm",
    "INTERNAL",
    "connection",
    "8",
    "Per pod and message: from hearing it first to showing it, the wait for replication",
    ("conversation", "message", "turn", "event", "offset", "replication_ms"),
)
DELIVER = SpanRow(
    "message.deliver",
    "CONSUMER",
    "connection",
    "9",
    "Per pod and message, never per socket: from the first frame to the last; for other events one each",
    (
        "conversation",
        "message",
        "turn",
        "channel",
        "event",
        "offset",
        "deltas",
        "followers",
        "outcome",
    ),
    _messaging("deliver", "process"),
)


def table() -> Iterator[SpanRow]:
    """All rows in their order."""
    yield from (row for row in globals().values() if isinstance(row, SpanRow))
