"""A text message as the server's side of RFC 6455 writes it: header and payload in one piece, unmasked.

Called by hub.py and device.py: once per event for all devices, once per reply. Receiving, control frames and
the close handshake belong to gateway.py.
"""

from struct import Struct

from services.shared.wire.codec import push_publication

_FIN_TEXT = 0x81
_SHORT = Struct("!BB")
_MEDIUM = Struct("!BBH")
_LONG = Struct("!BBQ")
_SHORT_MAX = 125
_MEDIUM_MAX = 0xFFFF


def text_frame(payload: bytes) -> bytes:
    """Frame a whole text message; `payload` is UTF-8."""
    size = len(payload)
    if size <= _SHORT_MAX:
        return _SHORT.pack(_FIN_TEXT, size) + payload
    if size <= _MEDIUM_MAX:
        return _MEDIUM.pack(_FIN_TEXT, 126, size) + payload
    return _LONG.pack(_FIN_TEXT, 127, size) + payload


def publication_frame(channel: str, body: bytes, offset: int) -> bytes:
    """Frame an event for the followers of a channel."""
    return text_frame(push_publication(channel, body, offset))
