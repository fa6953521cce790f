"""The channels this process follows in Redis: opened by the first device that joins, let go some time
after the last one left.

Called by outbound.py and arrivals.py. Never reads a journal or writes to a device.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, Protocol

from services.connection.core.joining import JoinMerge
from services.connection.core.merge import ChannelMerge
from services.connection.device import Device
from services.connection.hub import Audience
from services.shared.model.errors import BusUnavailable, ContinuoError, Temporary
from services.shared.model.ids import Channel, UserId
from services.shared.model.position import Position
from services.shared.runtime.lifecycle import Tasks
from services.shared.runtime.logging import get_logger
from services.shared.runtime.metrics import Metrics
from services.shared.wire.traced import Traced

LINGER_S = 2.0
"""How long a channel nobody follows stays followed: a reload of a page or a move to a new epoch comes back at
once."""

log = get_logger(__name__)


class LiveFeed(Protocol):
    """What is needed of the bus to follow; `follow` returns when Redis has confirmed the subscription."""

    async def follow(self, channel: Channel) -> None: ...
    async def unfollow(self, channel: Channel) -> None: ...
    def renew(self, channel: Channel) -> None: ...


@dataclass(slots=True)
class Arrival:
    """A device on its way into a channel: registered, not live yet. `top`: of its confirmed reading."""

    user: UserId
    info: bytes
    top: Position | None = None


class Message:
    """An agent's message on its way to the devices here, as traces tell of it."""

    __slots__ = ("deltas", "first_ns", "followers", "told")

    def __init__(self, first_ns: int, followers: int, told: Traced | None = None) -> None:
        self.first_ns = first_ns
        self.followers = followers
        self.told = told
        """None when the channel was followed from the midst of it."""
        self.deltas = 0


class Way(NamedTuple):
    """What traces are still to tell: when first events were heard, by offset, and messages by their ids."""

    heard: dict[int, int]
    messages: dict[bytes, Message]


class Followed:
    """One channel of this process.

    joins: None while nobody joins. reading: a repair is under way. held_since: when what is held began to
    be, None if nothing is. opening: the subscription under way or done; None before. way: what traces are to
    tell of it, None while there is nothing.
    """

    __slots__ = (
        "arrivals",
        "audience",
        "channel",
        "held_since",
        "joins",
        "lingering",
        "merge",
        "opening",
        "reading",
        "way",
    )

    def __init__(self, channel: Channel, *, immediate: bool, burst_bytes: int) -> None:
        self.channel = channel
        self.audience = Audience(channel, burst_bytes)
        self.merge = ChannelMerge(immediate=immediate)
        self.joins: JoinMerge | None = None
        self.arrivals: dict[Device, Arrival] = {}
        self.opening: asyncio.Task[ContinuoError | None] | None = None
        self.lingering: asyncio.TimerHandle | None = None
        self.held_since: float | None = None
        self.reading = False
        self.way: Way | None = None

    @property
    def shown(self) -> int:
        """The offset up to which devices here have seen everything."""
        return self.merge.shown.offset if self.merge.shown else 0

    def arrive(self, device: Device, arrival: Arrival) -> None:
        """Register a device: what the channel shows from now on is kept for it."""
        if self.joins is None:
            self.joins = JoinMerge()
        self.joins.begin(self.merge.shown)
        self.arrivals[device] = arrival

    def depart(self, device: Device) -> Arrival | None:
        """Take a device off the arrivals, because it is live or gone."""
        arrival = self.arrivals.pop(device, None)
        if arrival is not None and self.joins is not None:
            self.joins.end()
            if not self.arrivals:
                self.joins = None
        return arrival

    def devices_of(self, user: UserId) -> list[Device]:
        """This user's devices that are here or on their way."""
        return [device for device in (*self.audience, *self.arrivals) if device.user == user]

    @property
    def deserted(self) -> bool:
        """Whether no device is here or on its way."""
        return not self.arrivals and not len(self.audience)


class Follows:
    """All followed channels by name."""

    def __init__(
        self, live: LiveFeed, tasks: Tasks, metrics: Metrics, *, immediate: bool, burst_bytes: int
    ) -> None:
        """`immediate`: show without waiting for replication (acks=master). burst_bytes: see `Audience`."""
        self._live = live
        self._tasks = tasks
        self._metrics = metrics
        self._make = partial(Followed, immediate=immediate, burst_bytes=burst_bytes)
        self._followed: dict[Channel, Followed] = {}
        self._closing: dict[Channel, asyncio.Task[None]] = {}
        self._closed: Callable[[Followed], None] = lambda _: None

    def __iter__(self) -> Iterator[Followed]:
        return iter(list(self._followed.values()))

    def __len__(self) -> int:
        return len(self._followed)

    def on_closed(self, closed: Callable[[Followed], None]) -> None:
        """Have `closed` called for each channel that is let go."""
        self._closed = closed

    @property
    def find(self) -> Callable[[Channel], Followed | None]:
        """Look a channel up; None when it is not followed."""
        return self._followed.get

    def hold(self, channel: Channel) -> Followed:
        """Return the channel, followed from now on or soon."""
        followed = self._followed.get(channel)
        if followed is None:
            followed = self._followed[channel] = self._make(channel)
            self._metrics.channels_followed.set(len(self._followed))
        if followed.lingering is not None:
            followed.lingering.cancel()
            followed.lingering = None
        return followed

    async def opened(self, followed: Followed) -> None:
        """Wait until Redis has confirmed that it is followed. Raises Temporary."""
        if followed.opening is None:
            followed.opening = self._tasks.start("follow", self._open(followed.channel))
        task = followed.opening
        await asyncio.wait({task})
        if task.cancelled():
            raise BusUnavailable(
                f"{followed.channel.name} was let go before Redis confirmed that it is followed"
            )
        if error := task.result():
            if followed.opening is task:
                followed.opening = None
            raise error

    def renew(self, followed: Followed) -> None:
        """Something of the channel was not heard: ask Redis for it once more, if that is done already."""
        if self._is_current(followed) and followed.opening is not None and followed.opening.done():
            self._live.renew(followed.channel)

    def release(self, followed: Followed) -> None:
        """Let go of a deserted channel, a little later; harmless for one that was let go long ago."""
        if self._is_current(followed) and followed.deserted and followed.lingering is None:
            loop = asyncio.get_running_loop()
            followed.lingering = loop.call_later(LINGER_S, self._close, followed)

    async def _open(self, channel: Channel) -> ContinuoError | None:
        try:
            if closing := self._closing.get(channel):
                await asyncio.wait({closing})
            await self._live.follow(channel)
        except ContinuoError as error:
            return error
        return None

    def _close(self, followed: Followed) -> None:
        followed.lingering = None
        if not (self._is_current(followed) and followed.deserted):
            return
        del self._followed[followed.channel]
        self._closed(followed)
        self._metrics.channels_followed.set(len(self._followed))
        if followed.opening is not None:
            self._closing[followed.channel] = self._tasks.start("unfollow", self._unfollow(followed))

    def _is_current(self, followed: Followed) -> bool:
        """Whether this is how the channel is followed now: a slow errand may hold one that was let go."""
        return self._followed.get(followed.channel) is followed

    async def _unfollow(self, followed: Followed) -> None:
        try:
            if followed.opening is not None:
                followed.opening.cancel()  # nobody waits for it any more, and without Redis it never ends
            await self._live.unfollow(followed.channel)
        except Temporary as error:
            log.debug("channel not unfollowed", channel=followed.channel.name, error=str(error))
        finally:
            if self._closing.get(followed.channel) is asyncio.current_task():
                del self._closing[followed.channel]
