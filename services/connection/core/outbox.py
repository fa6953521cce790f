"""What a device that reads too slowly is still owed, within a bound.

Called by device.py while the transport's own buffer is full. Pure. Overflow policy: the device is told so and
closed (3008); it recovers later from the journal, so nothing is lost, and nobody else waits for it.
"""

from collections import deque


class Outbox:
    """Frames waiting for the transport, oldest first.

    limit: most bytes it may hold, the transport's own buffer included.
    """

    __slots__ = ("_frames", "_limit", "_size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._frames: deque[bytes] = deque()
        self._size = 0

    @property
    def size(self) -> int:
        """Bytes waiting here."""
        return self._size

    def put(self, frame: bytes, in_transport: int) -> bool:
        """Keep a frame; False when that would exceed the limit: then it is not kept, and never will be.

        in_transport: bytes the transport itself still has to send.
        """
        if self._size + len(frame) + in_transport > self._limit:
            return False
        self._frames.append(frame)
        self._size += len(frame)
        return True

    def take(self, room: int) -> list[bytes]:
        """Take frames out, oldest first: at least one if there is any, then as many as fit into `room`
        bytes.
        """
        taken: list[bytes] = []
        while self._frames and (not taken or len(self._frames[0]) <= room):
            frame = self._frames.popleft()
            taken.append(frame)
            room -= len(frame)
            self._size -= len(frame)
        return taken

    def drop(self) -> None:
        """Forget everything: the device is being closed."""
        self._frames.clear()
        self._size = 0
