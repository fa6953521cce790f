"""What an event's JSON says of the trace it belongs to, found at its beginning or end without parsing it.

Called by connection pods for what they show. The scripts write the members of an event in the order of its
fields (model/events.py), `time` first; what stands otherwise belongs to no trace here.
"""

import re
from typing import NamedTuple

_BEGINNING = re.compile(
    rb'\{"time":\d+,"type":"([a-z.]+)","trace":"([0-9a-f-]+)","conversation":"([^"]+)"'
    rb'(?:,"message":"([^"]+)")?(?:,"(?:user|agent)":"[^"]*")?(?:,"turn":"([^"]+)")?'
)
_KEEP = re.compile(rb',"keep":"([a-z]+)"\}\Z')
_KEEP_BYTES = 32

_BEFORE_MESSAGE = len(b'{"time":1700000000000,"type":"message.delta","message":"')
_BEHIND_MESSAGE = _BEFORE_MESSAGE + len("00000000-0000-7000-8000-000000000000")


class Traced(NamedTuple):
    """An event of a trace; `message` and `turn` are empty where it is of none."""

    type: str
    trace: str
    """W3C traceparent of the span that accepted the message."""
    conversation: str
    message: str
    turn: str


def traced(body: bytes) -> Traced | None:
    """What an event says of its trace; None if it belongs to none."""
    found = _BEGINNING.match(body)
    return Traced(*(each.decode() if each else "" for each in found.groups())) if found else None


def keep_of(body: bytes) -> str:
    """Why the trace of a turn that finished is kept; empty if it is not. What people say cannot end so: a
    quotation mark within a text is escaped.
    """
    found = _KEEP.search(body, max(0, len(body) - _KEEP_BYTES))
    return found[1].decode() if found else ""


def message_of_delta(body: bytes) -> bytes:
    """The message that a delta is of. One look at a fixed place: this is done for every delta."""
    return body[_BEFORE_MESSAGE:_BEHIND_MESSAGE]
