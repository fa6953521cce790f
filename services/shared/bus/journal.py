"""Journals: one atomic read for recovery and repair, tops in batches, appends to a user's channel,
transients.

Called by the connection pods (every subscribe, every repair, the comparison of tops) and by whoever tells a
user something. Must never judge: whether a position can be served is `model.position.serves`, on the head it
reads.
"""

from collections import defaultdict
from collections.abc import Iterable
from itertools import islice

from services.shared.bus import replies
from services.shared.bus.floor import Floor
from services.shared.bus.scripts import Arg, Call, script
from services.shared.model.conversation import Appended, Reading
from services.shared.model.events import Event
from services.shared.model.ids import Channel, ChannelKind
from services.shared.model.position import Head
from services.shared.wire.envelopes import encode_event

_ALL = -1
_BEYOND = 1 << 53
"""An offset no journal reaches."""
TOPS_AT_ONCE = 500
"""Heads one script looks at: below a millisecond of the master's time."""


class Journal:
    """The journals of conversations and of users."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    async def read(
        self,
        channel: Channel,
        since: int,
        *,
        user: str | None = None,
        deltas: bool,
        sessions: bool = False,
    ) -> Reading:
        """Read everything after offset `since`, the head, the role of `user`, and the unfinished messages, as
        of one moment.

        Without deltas it is what one device will be told, and bounded by the setting recovery_bytes:
        see `Reading.whole`. A user's journal is made by its first read. sessions: also which sessions of the
        user left here lately. Raises BusUnavailable.
        """
        most_bytes = _ALL if deltas else self._floor.settings.recovery_bytes
        bounds = (_ALL, most_bytes, 0)
        before = user if sessions else None
        return await self._read(channel, since, user=user, deltas=deltas, bounds=bounds, before=before)

    async def excerpt(
        self, channel: Channel, at: int | None, *, user: str | None, limit: int, reverse: bool
    ) -> Reading:
        """Read as `read`, without deltas, at most `limit` entries: those after offset `at` (None: from the
        oldest), or in reverse those before it (None: from the newest). As many as fit into reply_bytes.
        """
        start = at if at is not None else _BEYOND if reverse else 0
        bounds = (limit, self._floor.settings.reply_bytes, int(reverse))
        return await self._read(channel, start, user=user, deltas=False, bounds=bounds)

    async def _read(
        self,
        channel: Channel,
        at: int,
        *,
        user: str | None,
        deltas: bool,
        bounds: tuple[int, int, int],
        before: str | None = None,
    ) -> Reading:
        args = (at, int(deltas), user or "", self._head_ttl(channel), *bounds)
        reply = await self._floor.scripts.run("read", self._read_keys(channel, before), args)
        exists, top, low, forks, replid, role, entries, streamed, low_delta, whole, *more = reply
        sessions, asked, settings, read = more
        unfinished, underway = replies.unfinished(streamed)
        return Reading(
            exists=bool(exists),
            head=replies.head(top, low, forks, low_delta),
            replid=replid.decode(),
            role=role.decode() if role is not None else None,
            since=at,
            entries=tuple(map(replies.entry, entries)),
            open=unfinished,
            underway=underway,
            whole=bool(whole),
            sessions=tuple(sessions.decode().split(",")) if sessions else (),
            asked=tuple(map(replies.question, sorted(asked))),
            settings=replies.settings(settings),
            read=replies.read_up_to(read),
        )

    async def tops(self, channels: Iterable[Channel]) -> dict[Channel, Head]:
        """Read the heads of many journals in one round trip; a channel without a journal is left out. Raises
        BusUnavailable.
        """
        shared = self._by_partition(channels)
        answers = await self._floor.scripts.batch([self._tops_call(group) for group in shared])
        return {
            channel: replies.head(*fields)
            for group, answer in zip(shared, answers, strict=True)
            for channel, fields in zip(group, answer, strict=True)
            if fields[2]
        }

    async def append_user(self, user: str, event: Event, *, once: str) -> Appended:
        """Append to a user's channel; a repeat under the same `once` gets the first position.

        A seam: the relay appends memberships in its own script, other notices for a user's devices come this
        way. Raises BusUnavailable, or NotReplicated: then the same call may be repeated.
        """
        keys = self._floor.keys.user(user)
        args: list[Arg] = [*self._floor.settings.user_journal_args(), encode_event(event)]
        reply = await self._floor.scripts.acknowledged(
            "append_user", [*keys.appending, keys.once(once)], args
        )
        return replies.appended(reply)

    async def transient(self, channel: Channel, kind: str, body: bytes) -> None:
        """Publish `body` (a JSON object) to who follows now; it has no offset and is kept nowhere.

        A seam: what pods hear this way (kind `t`) they show; typing has a script of its own
        (bus/receipts.py). Raises BusUnavailable.
        """
        await self._floor.scripts.run("transient", [self._floor.keys.channel(channel).live], [kind, body])

    def _read_keys(self, channel: Channel, before: str | None) -> list[str]:
        if channel.kind is ChannelKind.USER:
            of_user = self._floor.keys.user(channel.id)
            return [of_user.head, of_user.journal]
        keys = self._floor.keys.conversation(channel.id)
        names = [keys.head, keys.journal, keys.members, keys.open, keys.spoken]
        return [*names, keys.sessions(before)] if before else names

    def _head_ttl(self, channel: Channel) -> int:
        return self._floor.settings.user_ttl_s if channel.kind is ChannelKind.USER else 0

    def _by_partition(self, channels: Iterable[Channel]) -> list[list[Channel]]:
        shared: defaultdict[int, list[Channel]] = defaultdict(list)
        for channel in channels:
            shared[self._floor.keys.channel(channel).partition].append(channel)
        return [part for group in shared.values() for part in _parts(group)]

    def _tops_call(self, channels: list[Channel]) -> Call:
        owners = map(self._floor.keys.channel, channels)
        return Call(script("tops"), [key for owner in owners for key in (owner.head, owner.journal)])


def _parts(channels: list[Channel]) -> Iterable[list[Channel]]:
    rest = iter(channels)
    while part := list(islice(rest, TOPS_AT_ONCE)):
        yield part
