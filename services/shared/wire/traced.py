"""What an event's JSON says of the trace it belongs to, found at its beginning or end without parsing it.

Called by connection pods for what they show. The scripts write the members of an event in the order of its
fields (model/events), behind `time` and what a later release may put before it; an event that is written
otherwise belongs to no trace here. Quotation marks within a text are escaped: nobody can say what is looked
for.
"""

import re
from typing import NamedTuple

_TYPE = b',"type":"'
_TYPE_WITHIN = 64
_BEGINNING = re.compile(
    rb',"type":"([a-z.]+)","trace":"([0-9a-f-]+)","conversation":"([^"]+)"'
    rb'(?:,"message":"([^"]+)")?(?:,"(?:user|agent)":"[^"]*")?(?:,"turn":"([^"]+)")?'
)
_KEEP = re.compile(rb',"keep":"([a-z]+)"\}\Z')
_KEEP_BYTES = 32

_MESSAGE = b',"message":"'
_MESSAGE_WITHIN = 128
_MESSAGE_BYTES = len("00000000-0000-7000-8000-000000000000")


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
    begins = body.find(_TYPE, 0, _TYPE_WITHIN)
    found = _BEGINNING.match(body, begins) if begins > 0 else None
    return Traced(*(each.decode() if each else "" for each in found.groups())) if found else None


def keep_of(body: bytes) -> str:
    """Why the trace of a turn that finished is kept; empty if it is not."""
    found = _KEEP.search(body, max(0, len(body) - _KEEP_BYTES))
    return found[1].decode() if found else ""


def message_of_delta(body: bytes) -> bytes:
    """The message that a delta is of, at its beginning: this is done for every delta."""
    begins = body.find(_MESSAGE, 0, _MESSAGE_WITHIN)
    begins += len(_MESSAGE)
    return body[begins : begins + _MESSAGE_BYTES] if begins > len(_MESSAGE) else b""
