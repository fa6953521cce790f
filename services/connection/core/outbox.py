"""What a device that reads too slowly is still owed, within a bound.

Called by device.py while the transport's own buffer is full. Pure. An agent's words come in pieces of a few
characters, each with an event around it: those of one text that wait are joined, so who reads slowly gets
fewer and larger ones and is owed little more than the text. Overflow policy: the device is told so and closed
(3008); it recovers later from the journal, so nothing is lost, and nobody else waits for it.
"""

from collections import OrderedDict
from collections.abc import Callable

from services.shared.wire.deltas import Delta, joined

MOST_JOINED = 16_384
"""Bytes of text in one joined event: beyond it another begins."""


class _Text:
    """Deltas that follow each other in one text of one channel, as one event at the last one's place."""

    __slots__ = ("channel", "delta", "offset", "size", "texts")

    def __init__(self, channel: str, offset: int, delta: Delta) -> None:
        self.channel = channel
        self.offset = offset
        self.delta = delta
        self.texts = [delta.text]
        self.size = len(delta.head) + len(delta.text)

    def takes(self, delta: Delta) -> bool:
        return delta.at == self.delta.ends and self.size + len(delta.text) <= MOST_JOINED

    def take(self, delta: Delta, offset: int) -> None:
        self.offset = offset
        self.texts.append(delta.text)
        self.size += len(delta.text)
        self.delta = self.delta._replace(ends=delta.ends)


class Outbox:
    """Frames waiting for the transport, oldest first.

    limit: most bytes it may hold, the transport's own buffer included. framed: makes an event's frame, from
    its channel's name, its body and its offset.
    """

    __slots__ = ("_framed", "_kept", "_limit", "_open", "_size", "_waiting")

    def __init__(self, limit: int, framed: Callable[[str, bytes, int], bytes]) -> None:
        self._limit = limit
        self._framed = framed
        self._waiting: OrderedDict[int, bytes | _Text] = OrderedDict()
        """By the number under which each was kept."""
        self._open: dict[tuple[str, bytes], int] = {}
        """The number of a text's last event that waits, by channel and message."""
        self._kept = 0
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes waiting here, but for the frames around texts."""
        return self._size

    def put(self, frame: bytes, in_transport: int) -> bool:
        """Keep a frame; False when that would exceed the limit: then it is not kept, and never will be.

        in_transport: bytes the transport itself still has to send.
        """
        return self._keep(frame, len(frame), in_transport)

    def put_delta(self, channel: str, delta: Delta, offset: int, in_transport: int) -> bool:
        """Keep more of a text, in one event with what waits of it; as `put`.

        That event goes behind all that waits: a channel's offsets keep rising, and of this text nothing else
        waits.
        """
        name = channel, delta.message
        number = self._open.get(name, 0)
        text = self._waiting.get(number)
        if not isinstance(text, _Text) or not text.takes(delta):
            text = _Text(channel, offset, delta)
            self._open[name] = self._kept + 1
            return self._keep(text, text.size, in_transport)
        if self._size + len(delta.text) + in_transport > self._limit:
            return False
        text.take(delta, offset)
        self._waiting.move_to_end(number)
        self._size += len(delta.text)
        return True

    def take(self, room: int) -> list[bytes]:
        """Take frames out, oldest first: at least one if there is any, then as many as fit into `room`
        bytes.
        """
        taken: list[bytes] = []
        while self._waiting:
            first = next(iter(self._waiting.values()))
            size = first.size if isinstance(first, _Text) else len(first)
            if taken and size > room:
                break
            self._waiting.popitem(last=False)
            taken.append(self._frame_of(first))
            room -= size
            self._size -= size
        return taken

    def drop(self) -> None:
        """Forget everything: the device is being closed."""
        self._waiting.clear()
        self._open.clear()
        self._size = 0

    def _keep(self, what: "bytes | _Text", size: int, in_transport: int) -> bool:
        if self._size + size + in_transport > self._limit:
            return False
        self._kept += 1
        self._waiting[self._kept] = what
        self._size += size
        return True

    def _frame_of(self, what: "bytes | _Text") -> bytes:
        if isinstance(what, _Text):
            self._open.pop((what.channel, what.delta.message), None)
            return self._framed(what.channel, joined(what.delta.head, what.texts), what.offset)
        return what
