"""From Redis to devices: what the pod hears or reads passes each channel's merge and comes out of the hub.

Composed by app.py, one per process. Live pushes and journal readings go in, the ticker lets out what is
replicated, the hub writes it to the devices. Never judges a position or decides an order itself:
core/merge.py does.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Protocol

from prometheus_client import Counter

from services.connection.comparing import COMPARE_S, Comparing
from services.connection.core.events import Dismissed, Event, Moved, Removed
from services.connection.core.showing import Effect, Move, Reset, Show
from services.connection.deliveries import Deliveries
from services.connection.device import Device
from services.connection.follows import Followed, Follows
from services.connection.moves import Moves
from services.connection.ticker import Confirmer, Ticker
from services.shared.model.conversation import Entry, Reading
from services.shared.model.errors import Broken, ContinuoError, Temporary
from services.shared.model.events import ConversationDeleted
from services.shared.model.ids import Channel, ChannelKind, ConversationId, UserId
from services.shared.model.position import Head, Position
from services.shared.runtime.clock import Clock
from services.shared.runtime.lifecycle import Tasks
from services.shared.runtime.logging import get_logger
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.trouble import Trouble, Troubles
from services.shared.wire.codes import Disconnect, Unsubscribe
from services.shared.wire.envelopes import KIND_DELTA, KIND_EVENT, ControlEntry, LivePush, time_of

FAREWELL_S = 2.0
"""From the word that a conversation is deleted to the end of subscriptions that heard no last event."""
AGAIN_S = 0.2
"""Pause after Redis did not answer."""

log = get_logger(__name__)


class LiveFeed(Protocol):
    """What is needed of the bus to hear."""

    async def run(
        self, heard: Callable[[Channel, LivePush], None], resubscribed: Callable[[], None]
    ) -> None: ...


class Journal(Protocol):
    """What is needed of the bus's journals."""

    async def read(self, channel: Channel, since: int, *, user: str | None, deltas: bool) -> Reading: ...
    async def tops(self, channels: Iterable[Channel]) -> Mapping[Channel, Head]: ...


class Control(Protocol):
    """What is needed of the bus's control channel."""

    def follow(self) -> AsyncIterator[ControlEntry]: ...


class Memberships(Protocol):
    """What is needed of the bus's conversations."""

    async def role(self, conversation: ConversationId, user: UserId) -> str | None: ...
    async def roles(self, pairs: Sequence[tuple[ConversationId, UserId]]) -> Sequence[str | None]: ...


class Outbound:
    """The followed channels' roads. Its tasks: `hear`, `obey`, and `run` of the ticker and the comparing."""

    def __init__(
        self,
        follows: Follows,
        journal: Journal,
        confirmer: Confirmer,
        tasks: Tasks,
        clock: Clock,
        metrics: Metrics,
        deliveries: Deliveries | None = None,
    ) -> None:
        """`deliveries`: tells what is shown to traces; None while they are off."""
        self.ticker = Ticker(confirmer, self._confirmed)
        self.comparing = Comparing(follows, journal, self._look)
        self._follows = follows
        self._journal = journal
        self._tasks = tasks
        self._clock = clock
        self._metrics = metrics
        self._deliveries = deliveries
        if deliveries is not None:
            follows.on_closed(partial(deliveries.left, outcome="left"))
        self._unreadable = Troubles(log, "journal unreadable", "journal readable again", severe=True)
        self._moves = Moves(tasks)
        self._holding: dict[Followed, None] = {}
        # Counted when somebody looks: while no tick is confirmed nothing else would move the gauge.
        metrics.events_held.set_function(lambda: sum(each.merge.held for each in self._holding))
        self._heard = {kind: metrics.events_heard.labels(kind=name) for kind, name in _KINDS.items()}
        self._shown = {kind: metrics.events_shown.labels(kind=name) for kind, name in _KINDS.items()}
        delivery = metrics.delivery_seconds
        self._delivery = {kind: delivery.labels(kind=_KINDS[kind]) for kind in (KIND_EVENT, KIND_DELTA)}

    # ------------------------------------------------------------------------------------------------- tasks

    async def hear(self, live: LiveFeed) -> None:
        """Take in all live pushes, until cancelled."""
        await live.run(self.heard, self.comparing.doubt)

    async def obey(
        self,
        control: Control,
        memberships: Memberships,
        further: Callable[[ControlEntry], None] | None = None,
    ) -> None:
        """Act on control entries, until cancelled. further: told of each, too."""
        while True:
            try:
                async for entry in control.follow():
                    if entry.kind == "member.removed":
                        await self._removed(entry, memberships)
                    elif entry.kind == "conversation.deleted":
                        self._deleted(entry)
                    elif entry.kind == "gap":
                        await self._check_all(memberships)
                    if further is not None:
                        further(entry)
            except Temporary as error:
                log.debug("control not followed", error=str(error))
                await asyncio.sleep(AGAIN_S)

    async def ended(self) -> None:
        """The process ends: what was on its way to devices ended when they went."""
        if self._deliveries is not None:
            for followed in self._follows:
                self._deliveries.left(followed, "left")

    # ------------------------------------------------------------------------------------------ what comes in

    def heard(self, channel: Channel, push: LivePush) -> None:
        """A live push of any followed channel."""
        counter = self._heard.get(push.kind)
        (counter or self._heard["t"]).inc()
        followed = self._follows.find(channel)
        if followed is not None:
            if self._deliveries is not None and push.kind == KIND_EVENT and push.position is not None:
                self._deliveries.heard(followed, push.position.offset, push.body)
            self._apply(followed, followed.merge.heard(push, self.ticker.begun))

    def looked(self, followed: Followed, reading: Reading) -> None:
        """A joining device has read: the merge begins with the first such reading, and compares with
        others.
        """
        followed.merge.start(reading.head)
        if followed.joins is not None and followed.merge.shown is not None:
            followed.joins.started(followed.merge.shown)
        self._look(followed, reading.head)

    def _look(self, followed: Followed, head: Head) -> None:
        followed.merge.compared(head)
        if followed.merge.wants is not None:
            self._mend(followed, self._metrics.repairs)

    def _confirmed(self, tick: int, replid: str) -> None:
        holding, self._holding = self._holding, {}
        for followed in holding:
            self._apply(followed, followed.merge.confirmed(tick, replid))

    def _mend(self, followed: Followed, counter: Counter) -> None:
        if not followed.reading:
            followed.reading = True
            counter.inc()
            self._tasks.start("repair", self._repair(followed))

    async def _repair(self, followed: Followed) -> None:
        """Read what the merge wants until it wants nothing."""
        try:
            while (since := followed.merge.wants) is not None and self._follows.find(
                followed.channel
            ) is followed:
                try:
                    reading = await self._journal.read(followed.channel, since, user=None, deltas=True)
                except Temporary:
                    await asyncio.sleep(AGAIN_S)
                    continue
                except Broken:  # this channel's fault: others' devices stay, and it is compared again
                    self._unreadable.met(followed.channel, channel=followed.channel.name, exc_info=True)
                    await asyncio.sleep(COMPARE_S)  # or every push of it would read again
                    return
                self._unreadable.over(followed.channel, channel=followed.channel.name)
                if self._deliveries is not None:
                    for entry in (each for each in reading.entries if each.kind == KIND_EVENT):
                        self._deliveries.heard(followed, entry.offset, entry.body)
                self._apply(followed, followed.merge.read(reading, self.ticker.begun))
        finally:
            followed.reading = False

    async def _removed(self, entry: ControlEntry, memberships: Memberships) -> None:
        """End a removed member's subscriptions; entries may come twice, so who was added again stays."""
        channel, user = Channel.of_conversation(entry.conversation), UserId(entry.user)
        followed = self._follows.find(channel)
        if followed is None or not followed.devices_of(user):
            return
        why = Unsubscribe.SERVER
        try:
            if await memberships.role(ConversationId(entry.conversation), user) is not None:
                return
        except ContinuoError:
            why = Unsubscribe.INSUFFICIENT  # unknown: let it subscribe again, and be judged there
        self._metrics.control_entries.labels(kind=entry.kind).inc()
        self._part(followed, user, why)

    def _deleted(self, entry: ControlEntry) -> None:
        """A conversation is over: its last event says so to who follows it. See to who does not hear it."""
        followed = self._follows.find(Channel.of_conversation(entry.conversation))
        if followed is None or followed.deserted:
            return
        self._metrics.control_entries.labels(kind=entry.kind).inc()
        self.comparing.doubt()
        self._tasks.start("farewell", self._see_off(followed))

    async def _see_off(self, followed: Followed) -> None:
        """End what subscriptions are left once the last event had time to come."""
        await asyncio.sleep(FAREWELL_S)
        if self._follows.find(followed.channel) is followed:
            self._part_all(followed)

    async def _check_all(self, memberships: Memberships) -> None:
        """Control entries may be missing: end the subscriptions of all who are no members any more."""
        self._metrics.control_entries.labels(kind="gap").inc()
        here = [
            (followed, user)
            for followed in self._follows
            if followed.channel.kind is ChannelKind.CONVERSATION
            for user in {device.user for device in (*followed.audience, *followed.arrivals) if device.user}
        ]
        pairs = [(ConversationId(followed.channel.id), user) for followed, user in here]
        for (followed, user), role in zip(here, await _roles_of(pairs, memberships), strict=True):
            if role is None:
                self._part(followed, user, Unsubscribe.SERVER)

    def _part_all(self, followed: Followed) -> None:
        self._dismiss(followed, [*followed.audience, *followed.arrivals], Unsubscribe.SERVER)

    def _part(self, followed: Followed, user: UserId, why: Unsubscribe) -> None:
        self._dismiss(followed, followed.devices_of(user), why)

    def _dismiss(self, followed: Followed, devices: Sequence[Device], why: Unsubscribe) -> None:
        """End these subscriptions, in one line of the log."""
        if devices:
            facts = {"conversation": followed.channel.id, "code": why.code, "devices": len(devices)}
            log.info("subscriptions ended", **facts)
        for device in devices:
            device.feed(Removed(followed.channel, why))

    # ------------------------------------------------------------------------------------------ what goes out

    def _apply(self, followed: Followed, effects: list[Effect]) -> None:
        """Perform a merge's effects, and see to what it needs next."""
        for effect in effects:
            if isinstance(effect, Show):
                self._show(followed, effect)
            else:
                self._cross(followed, effect)
        merge = followed.merge
        if merge.holding:
            if followed.held_since is None:
                followed.held_since = self._clock.monotonic()
            self._holding[followed] = None
            self.ticker.want()
        elif followed.held_since is not None:
            self._metrics.held_seconds.observe(self._clock.monotonic() - followed.held_since)
            followed.held_since = None
        if merge.wants is not None:
            self._mend(followed, self._metrics.gaps_repaired)

    def _show(self, followed: Followed, effect: Show) -> None:
        if followed.joins is not None:
            followed.joins.show(effect)
        began_ns = self._clock.now_ns() if self._deliveries is not None else 0
        frames = followed.audience.show(effect.entries)
        self._metrics.frames_sent.inc(frames)
        if self._deliveries is not None:
            self._deliveries.shown(followed, effect.entries, began_ns)
        for entry in effect.entries:
            if counter := self._shown.get(entry.kind):
                counter.inc()
            if frames:
                self._delivered(followed, entry)
            if followed.channel.kind is ChannelKind.CONVERSATION and _ends(entry):
                self._part_all(followed)

    def _delivered(self, followed: Followed, entry: Entry) -> None:
        """Written to who follows: how long after its time. By two machines' clocks, so never below 0."""
        measured, since_ms = self._delivery.get(entry.kind), time_of(entry.body)
        if measured is not None and since_ms is not None:
            seconds = max(0, self._clock.now_ms() - since_ms) / 1000
            told = self._deliveries
            measured.observe(seconds, told.exemplar(followed, entry) if told is not None else None)

    def _cross(self, followed: Followed, effect: Move | Reset) -> None:
        """The channel goes on in another epoch: nobody is shown anything of it before being told."""
        if followed.joins is not None:
            followed.joins.cross(effect.position)
        if self._deliveries is not None:
            self._deliveries.left(followed, "moved")
        self._metrics.epoch_moves.inc()
        self._moves.told(followed.channel, len(followed.audience), reset=isinstance(effect, Reset))
        for device in followed.audience:
            device.feed(_crossing(followed, device, effect))


async def _roles_of(
    pairs: Sequence[tuple[ConversationId, UserId]], memberships: Memberships
) -> Sequence[str | None]:
    unchecked = Trouble(log, "memberships not checked", "memberships checked at last")
    while True:
        try:
            roles = await memberships.roles(pairs)
        except Temporary as error:
            unchecked.met(error=type(error).__name__)
            await asyncio.sleep(AGAIN_S)
        else:
            unchecked.over()
            return roles


def _crossing(followed: Followed, device: Device, effect: Move | Reset) -> Event:
    """What a device is told: conversations are subscribed again, a user's own channel just goes on."""
    channel, to = followed.channel, effect.position
    if channel.kind is ChannelKind.CONVERSATION:
        return Removed(channel, Unsubscribe.INSUFFICIENT)
    if isinstance(effect, Reset):
        return Dismissed(Disconnect.INSUFFICIENT)
    return Moved(channel, Position(to.epoch, followed.audience.above(device, to.offset)))


def _ends(entry: Entry) -> bool:
    """Whether this is a conversation's last event. What people say stands further behind."""
    return entry.kind == KIND_EVENT and _LAST in entry.body[:64]


_LAST = b',"type":"%s",' % ConversationDeleted.type.encode()
_KINDS = {KIND_EVENT: "event", KIND_DELTA: "delta", "t": "transient"}
