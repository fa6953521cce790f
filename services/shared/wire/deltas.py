"""Deltas that follow each other in one text, joined into one as bytes: what a slow device is sent.

Called by the connection's outbox. Built on how a delta is written (model/events): its text stands last.
One that is written otherwise, by a later release, is never joined.
"""

import re
from typing import NamedTuple

import msgspec

from services.shared.model.utf16 import units

_SHAPE = re.compile(
    rb'(\{"time":\d+,"type":"[a-z]+\.delta","(?:message|call|subagent)":"([^"]+)","at":(\d+),"text":")(.*)"\}\Z',
    re.DOTALL,
)


class Delta(NamedTuple):
    """One delta, taken apart. text: JSON, between its quotation marks. ends: where in its message the next
    one goes, in UTF-16 code units.
    """

    message: bytes
    at: int
    ends: int
    head: bytes
    text: bytes


def taken_apart(body: bytes) -> Delta | None:
    """The delta an event's body is; None when it is none that can be joined with another."""
    found = _SHAPE.fullmatch(body)
    if found is None:
        return None
    head, message, at, text = found.groups()
    try:
        said = msgspec.json.decode(b'"%s"' % text, type=str)
    except msgspec.DecodeError:  # more members stand behind the text
        return None
    return Delta(message, int(at), int(at) + units(said), head, text)


def joined(head: bytes, texts: list[bytes]) -> bytes:
    """The body of one delta in place of several: `head` of the first, the texts of all."""
    return b'%s%s"}' % (head, b"".join(texts))
