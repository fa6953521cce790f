"""Which local devices follow which channel, and how an event reaches all of them: framed once, written to
each.

Called by outbound.py only. The hot loop hands the same bytes to every follower's transport: no task, no queue
and no per-device work for devices that keep up. A device whose transport is full goes its own, bounded way
(device.py) and delays nobody.
"""

from collections.abc import Callable, Iterable, Iterator

from services.connection.device import Device
from services.connection.frames import publication_frame, text_frame
from services.shared.model.conversation import Entry
from services.shared.model.ids import Channel
from services.shared.wire.codec import push_join, push_leave
from services.shared.wire.deltas import taken_apart
from services.shared.wire.envelopes import KIND_DELTA, KIND_JOIN, KIND_LEAVE

Framed = tuple[Entry, bytes]
"""An event, and its frame."""


class Audience:
    """The devices that follow one channel.

    Early devices have read further than the channel has shown: they get only what lies above their reading.
    """

    __slots__ = ("_burst_bytes", "_early", "_live", "_slow", "_stale", "_writes", "channel")

    def __init__(self, channel: Channel, burst_bytes: int) -> None:
        """`burst_bytes`: most bytes of frames joined into one write; 0: each frame is a write of its own."""
        self.channel = channel
        self._burst_bytes = burst_bytes
        self._live: dict[Device, None] = {}
        self._early: dict[Device, int] = {}
        self._writes: tuple[Callable[[bytes], None], ...] = ()
        self._slow: tuple[Device, ...] = ()
        self._stale = False

    def __len__(self) -> int:
        return len(self._live) + len(self._early)

    def __iter__(self) -> Iterator[Device]:
        """All devices; a copy, so that they may leave meanwhile."""
        return iter((*self._live, *self._early))

    def above(self, device: Device, shown: int) -> int:
        """The offset up to which this device has everything, where the channel has shown up to `shown`."""
        return max(shown, self._early.get(device, 0))

    def admit(self, device: Device, above: int, shown: int) -> None:
        """Take a device in that has everything up to `above`."""
        if above > shown:
            self._early[device] = above
        else:
            self._live[device] = None
            self._stale = True

    def dismiss(self, device: Device) -> None:
        """Let a device go; harmless when it is not here."""
        self._early.pop(device, None)
        if device in self._live:
            del self._live[device]
            self._stale = True

    def refresh(self) -> None:
        """A device here was paused or resumed: who is written to directly changes."""
        self._stale = True

    def show(self, entries: Iterable[Entry]) -> int:
        """Write entries to all devices, in order; return how many frames were handed over."""
        framed = [(entry, frame_entry(self.channel, entry)) for entry in entries]
        for burst in _bursts(framed, self._burst_bytes):
            if self._stale:  # also in mid-way: whoever the last burst filled must not be written to directly
                self._sort()
            frames = burst[0][1] if len(burst) == 1 else b"".join([frame for _, frame in burst])
            for write in self._writes:
                write(frames)
            if self._slow:
                self._owe(burst)
        if self._early:
            self._show_early(framed)
        return len(framed) * len(self._live)

    def _owe(self, burst: list[Framed]) -> None:
        """To who reads too slowly: deltas apart, to be joined with those that wait."""
        owed = [
            (entry, frame, entry.kind == KIND_DELTA and taken_apart(entry.body)) for entry, frame in burst
        ]
        for device in self._slow:
            for entry, frame, delta in owed:
                if delta and device.paused:
                    device.send_delta(self.channel, delta, entry.offset)
                else:
                    device.send(frame)

    def _sort(self) -> None:
        self._stale = False
        self._writes = tuple([device.write for device in self._live if not device.paused])
        self._slow = tuple([device for device in self._live if device.paused])

    def _show_early(self, framed: list[Framed]) -> None:
        for device, above in tuple(self._early.items()):
            frames = [frame for entry, frame in framed if entry.offset > above or not entry.offset]
            if frames:
                device.send(b"".join(frames))
        shown = framed[-1][0].offset
        for device in [each for each, above in self._early.items() if above <= shown]:
            del self._early[device]
            self._live[device] = None
            self._stale = True


def frame_entry(channel: Channel, entry: Entry) -> bytes:
    """Frame a channel's event, as every device gets it."""
    if entry.kind == KIND_JOIN:
        return text_frame(push_join(channel.name, entry.body))
    if entry.kind == KIND_LEAVE:
        return text_frame(push_leave(channel.name, entry.body))
    return publication_frame(channel.name, entry.body, entry.offset)


def _bursts(framed: list[Framed], most: int) -> Iterator[list[Framed]]:
    """Gather frames into as few writes of `most` bytes as can be; a larger frame goes alone."""
    burst: list[Framed] = []
    size = 0
    for each in framed:
        if burst and size + len(each[1]) > most:
            yield burst
            burst, size = [], 0
        burst.append(each)
        size += len(each[1])
    if burst:
        yield burst
