"""One clockwork for all connections of the process: wakes each device when its session wants to look at
the time.

Called by device.py after every event. One timer for all sockets instead of one each: a wake is a reference in
a coarse slot. Late by at most one slot, never early. Must never raise for one device's fault.
"""

import asyncio
from collections import defaultdict
from math import ceil, inf
from typing import Protocol

SLOT_S = 0.25
"""Width of a slot: a ping may be so late, which no client can tell."""


class Wakeable(Protocol):
    """What can be woken. `wake_at`: when it is waiting to be woken, infinity when it is not."""

    wake_at: float

    def wake(self) -> None:
        """The time has come; earlier wakes that were moved are not delivered."""
        ...


class Pulse:
    """Slots of devices by time. `start` begins the ticking, `stop` ends it."""

    __slots__ = ("_loop", "_next", "_slots", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: defaultdict[int, list[Wakeable]] = defaultdict(list)
        self._next = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to tick."""
        self._next = int(self._loop.time() / SLOT_S)
        self._tick()

    def stop(self) -> None:
        """End; nobody is woken any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._slots.clear()

    def schedule(self, device: Wakeable, at: float) -> None:
        """Wake `device` at that loop time, or leave it alone if it will be woken earlier anyway."""
        if at >= device.wake_at:
            return
        device.wake_at = at
        self._slots[max(ceil(at / SLOT_S), self._next)].append(device)

    def _tick(self) -> None:
        now = self._loop.time()
        try:
            while self._next <= int(now / SLOT_S):
                devices = self._slots.pop(self._next, [])
                self._next += 1
                self._wake(devices, now)
        finally:  # a fault in one device must not stop the clockwork of all
            self._timer = self._loop.call_at(self._next * SLOT_S, self._tick)

    def _wake(self, devices: list[Wakeable], now: float) -> None:
        """Wake those that still want it. When one raises, the others of its slot are put off to the next."""
        while devices:
            device = devices.pop()
            if device.wake_at > now:  # it was closed, or moved to an earlier slot and back
                continue
            device.wake_at = inf
            try:
                device.wake()
            except BaseException:
                self._slots[self._next].extend(devices)
                raise
