"""How a device comes into a channel and leaves it.

Called by app.py's house for the session's `Join`, `GoLive` and `Leave`. The order is the point: registered
first (what the channel shows is kept), then one atomic read of membership, journal and unfinished messages,
then a tick that confirms the reading is replicated; `go_live` then adds what was shown above the reading, in
the same step as the session's reply.
"""

import asyncio
from typing import Protocol

import msgspec

from services.connection.attendance import Attendance
from services.connection.core.effects import Join
from services.connection.core.events import Dismissed, Failed, Joined, Publication, Removed
from services.connection.device import Device
from services.connection.follows import Arrival, Followed, Follows
from services.connection.hub import frame_entry
from services.connection.ticker import Ticker
from services.shared.model import permissions
from services.shared.model.conversation import Reading
from services.shared.model.errors import ContinuoError
from services.shared.model.ids import Channel, ChannelKind
from services.shared.model.permissions import Operation
from services.shared.model.position import serves
from services.shared.runtime.metrics import Metrics
from services.shared.wire import rpc
from services.shared.wire.codes import INTERNAL, Disconnect, Unsubscribe, fault_of

BEYOND = 1 << 53
"""An offset no journal reaches: whoever asks for nothing gets no entries, only the top and what is open."""

AGAIN_S = 0.02
"""Pause before reading again: the channel is just moving to another master."""


class Journal(Protocol):
    """What is needed of the bus's journals."""

    async def read(
        self, channel: Channel, since: int, *, user: str | None, deltas: bool, sessions: bool
    ) -> Reading: ...


class Repairs(Protocol):
    """What is needed of outbound.py."""

    def looked(self, followed: Followed, reading: Reading) -> None:
        """A reading of a followed channel is at hand: its head may tell of what was not heard."""
        ...


class Arrivals:
    """Joins, go-lives and leaves of all devices."""

    def __init__(
        self,
        follows: Follows,
        journal: Journal,
        ticker: Ticker,
        repairs: Repairs,
        attendance: Attendance,
        metrics: Metrics,
    ) -> None:
        self._follows = follows
        self._journal = journal
        self._ticker = ticker
        self._repairs = repairs
        self._attendance = attendance
        self._metrics = metrics

    def register(self, device: Device, asked: Join) -> Followed:
        """Take a device in among the arrivals, before anything is read for it."""
        followed = self._follows.hold(asked.channel)
        followed.arrive(device, Arrival(asked.user, asked.info))
        device.joining = [*(device.joining or ()), asked.channel]
        return followed

    async def join(self, device: Device, asked: Join, followed: Followed) -> Joined | Failed:
        """Read for a registered device; on failure, and when cancelled, it is as if it never came."""
        arrival = followed.arrivals.get(device)
        if arrival is None:
            return Failed(asked.ref, INTERNAL)
        try:
            await self._follows.opened(followed)
            reading = await self._read(followed, device, arrival, asked)
        except ContinuoError as error:
            self._forget(followed, device, arrival)
            return Failed(asked.ref, fault_of(error))
        except BaseException:
            self._forget(followed, device, arrival)
            raise
        return self._answer(asked, reading) if reading else Failed(asked.ref, INTERNAL)

    def go_live(self, device: Device, channel: Channel) -> bytes:
        """The reply was just written: return what the device lacks, framed; everything later comes by
        itself.
        """
        followed = self._follows.find(channel)
        if followed is None or followed.joins is None or device not in followed.arrivals:
            return b""
        top = followed.arrivals[device].top
        entries = followed.joins.answer(top) if top else None
        arrival = followed.depart(device)
        _part(device, channel)
        if top is None or entries is None or arrival is None:
            # Between its reading and now the channel moved on by more than is kept: the device comes again.
            device.feed(_fall_back(channel))
            self._follows.release(followed)
            return b""
        followed.audience.admit(device, max(top.offset, followed.shown), followed.shown)
        device.audiences.append(followed.audience)
        self._metrics.subscriptions.labels(kind=channel.kind.value).inc()
        if channel.kind is ChannelKind.CONVERSATION:
            seat = channel.id, device.connection
            self._attendance.enter(*seat, arrival.user, arrival.info, device.trace)
        return b"".join(frame_entry(channel, entry) for entry in entries)

    def leave(self, device: Device, channel: Channel) -> None:
        """Let go of a channel, joined or live; harmless when it is neither."""
        followed = self._follows.find(channel)
        if followed is None:
            return
        followed.depart(device)
        _part(device, channel)
        if followed.audience in device.audiences:
            followed.audience.dismiss(device)
            device.audiences.remove(followed.audience)
            self._metrics.subscriptions.labels(kind=channel.kind.value).dec()
            if channel.kind is ChannelKind.CONVERSATION:
                self._attendance.leave(channel.id, device.connection, device.user)
        self._follows.release(followed)

    async def _read(
        self, followed: Followed, device: Device, arrival: Arrival, asked: Join
    ) -> Reading | None:
        """Read until reading, confirmation and what was shown meanwhile fit; None when the device is gone."""
        member = asked.user if asked.channel.kind is ChannelKind.CONVERSATION else None
        since = asked.since.offset if asked.since else BEYOND
        sessions = bool(device.trace) and asked.since is not None
        while followed.arrivals.get(device) is arrival:
            reading = await self._journal.read(
                asked.channel, since, user=member, deltas=False, sessions=sessions
            )
            if member:
                role = reading.role if reading.exists else None
                permissions.check(role, Operation.SUBSCRIBE, asked.user, asked.channel.name)
            self._repairs.looked(followed, reading)
            replid = await self._ticker.replicated()
            top = reading.head.position
            if replid == reading.replid and followed.joins and followed.joins.answer(top) is not None:
                arrival.top = top
                return reading
            await asyncio.sleep(AGAIN_S)
        return None

    def _answer(self, asked: Join, reading: Reading) -> Joined:
        recovered = asked.since is not None and reading.whole and serves(reading.head, asked.since)
        if asked.since is not None:
            self._metrics.recoveries.labels(outcome="recovered" if recovered else "reset").inc()
        missed = [Publication(each.offset, each.body) for each in reading.entries] if recovered else []
        data = b""
        if asked.channel.kind is ChannelKind.CONVERSATION:
            questions = [rpc.Asked.of(each) for each in reading.asked]
            told = {"open": reading.open, "asked": questions, "settings": reading.settings}
            told["read"] = reading.read
            told["underway"] = [rpc.Underway.of(each) for each in reading.underway]
            data = msgspec.json.encode(told)
        top = reading.head.position
        unfinished = len(reading.open)
        return Joined(asked.ref, top, recovered, tuple(missed), data, unfinished, reading.sessions)

    def _forget(self, followed: Followed, device: Device, arrival: Arrival) -> None:
        if followed.arrivals.get(device) is arrival:
            followed.depart(device)
            _part(device, followed.channel)
        self._follows.release(followed)


def _part(device: Device, channel: Channel) -> None:
    if device.joining and channel in device.joining:
        device.joining = [each for each in device.joining if each != channel] or None


def _fall_back(channel: Channel) -> Removed | Dismissed:
    """How a device is told to recover: what it subscribed itself it subscribes again, else it reconnects."""
    if channel.kind is ChannelKind.CONVERSATION:
        return Removed(channel, Unsubscribe.INSUFFICIENT)
    return Dismissed(Disconnect.INSUFFICIENT)
