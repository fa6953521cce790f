"""Checkpoints: what graphs know between their steps, for the conversation service's saver.

A thread is two keys in its conversation's partition (see docs/design/20261122.threads.md and
`thread_records`). Each method is one script, so a reader never sees half a checkpoint; each that writes
compares the lease inside Redis with that of the thread's own conversation. Must never keep state, nor look
into what a graph made: values are bytes here.

Beside what each method says, all raise BusUnavailable and Broken; those that write raise LeaseLost; those
that read raise UnreadableCheckpoint, which names thread and checkpoint, where a record is damaged, missing
or of a format this release does not know.
"""

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from typing import Any

from services.shared.bus import thread_replies as replies
from services.shared.bus.floor import Floor
from services.shared.bus.keys import THREADS
from services.shared.bus.scripts import Arg, Reply
from services.shared.bus.thread_records import (
    HIGHEST,
    encode_header,
    encode_typed,
    encode_value,
    encode_write,
    name,
    plain,
)
from services.shared.model.errors import BadRequest, UnreadableCheckpoint
from services.shared.model.thread import (
    Garbage,
    Keeping,
    KeptCheckpoint,
    NewCheckpoint,
    Outline,
    Past,
    Place,
    Survey,
    Write,
)
from services.shared.model.turn import Lease

ANCESTORS = 64
"""How many ancestors one script walks. Each takes the server, and this process's loop, some 40 us, in which
they do nothing else."""
SCANNED = 1000
"""How many keys one look for threads passes."""


class Checkpoints:
    """Threads of graphs, by thread id."""

    def __init__(self, floor: Floor) -> None:
        self._keys = floor.keys
        self._scripts = floor.scripts

    async def put(self, lease: Lease, new: NewCheckpoint, *, ttl_s: int, acknowledged: bool) -> Keeping:
        """Keep a checkpoint with the values and elements it brings, all or nothing; a repeat changes nothing.

        ttl_s: the thread ends so long after its last writing; 0: never. acknowledged: return only once a
        replica holds it; else NotReplicated.
        """
        run = self._scripts.acknowledged if acknowledged else self._scripts.run
        args: list[Arg] = [lease.token, lease.attempt, ttl_s, *_new(new)]
        reply = await run("thread_put", self._keys.thread(new.place.thread).writing, args)
        return Keeping(reply.decode())

    async def put_writes(
        self, lease: Lease, place: Place, writes: Sequence[Write], *, ttl_s: int, acknowledged: bool = False
    ) -> None:
        """Keep what tasks wrote, pending at the checkpoint `place.id`, which need not be there yet.

        Of writes with one task and index the first counts, below index zero the latest. ttl_s and
        acknowledged: as of `put`.
        """
        run = self._scripts.acknowledged if acknowledged else self._scripts.run
        args: list[Arg] = [lease.token, lease.attempt, ttl_s]
        for write in writes:
            args.append("latest" if write.index < 0 else "first")
            args += [name("w", place.space, place.id, write.task, write.index), encode_write(write)]
        await run("thread_writes", self._keys.thread(place.thread).writing, args)

    async def read(self, place: Place) -> KeptCheckpoint | None:
        """A checkpoint as of one moment, the space's latest when `place.id` is empty; None: there is none."""
        reply = await self._reading("thread_read", place.thread, [place.space, place.id])
        return replies.checkpoint(place, reply) if reply else None

    async def spaces(self, thread: str) -> list[str]:
        """The spaces that have checkpoints, sorted."""
        keys = self._keys.thread(thread)
        return [space.decode() for space in await self._scripts.run("thread_spaces", [keys.order])]

    async def page(self, thread: str, space: str, *, before: str, count: int) -> list[Outline]:
        """Up to `count` checkpoints of a space, newest first; with ids below `before` unless it is empty."""
        if count < 1:
            return []
        reply = await self._reading("thread_page", thread, [space, before, count])
        return [replies.outline(thread, space, fields) for fields in reply]

    async def past(self, place: Place, channels: Collection[str]) -> Mapping[str, Past]:
        """What the ancestors of a checkpoint contributed to each channel.

        These are the writes of its ancestors, oldest first, down to the nearest one that has a value of the
        channel, and that value; that one's own writes are among them, for they came after the value. Walks
        in steps of `ANCESTORS`.
        """
        history, at = replies.History(place, channels), place.id
        while history.open:
            args: list[Arg] = [place.space, at, ANCESTORS, *sorted(history.open)]
            _, behind, asked, ancestors = await self._reading("thread_past", place.thread, args)
            history.add(asked, ancestors)
            if not behind:
                break
            at = behind.decode()
        return history.pasts()

    async def survey(self, thread: str) -> Survey:
        """All that a thread keeps, without contents."""
        return replies.survey(thread, await self._reading("thread_survey", thread, []))

    async def drop(
        self,
        lease: Lease,
        thread: str,
        garbage: Garbage,
        *,
        surveyed: str = "",
        acknowledged: bool = False,
    ) -> bool:
        """Take out what is garbage, in one script; what is not there is passed over.

        surveyed: digest of the survey by which it is garbage. False: nothing was dropped, for checkpoints or
        writes came or went since (or this very call had done so, and its reply was lost): survey again.

        acknowledged: a replica has it on return, also where nothing was left to drop. Raises NotReplicated.
        """
        run = self._scripts.acknowledged if acknowledged else self._scripts.run
        args: list[Arg] = [lease.token, lease.attempt, surveyed, *_listed(garbage)]
        return bool(await run("thread_drop", self._keys.thread(thread).writing, args))

    async def delete(self, lease: Lease, thread: str) -> None:
        """Forget a thread."""
        keys = self._keys.thread(thread)
        await self._scripts.run("thread_delete", keys.writing, [lease.token, lease.attempt])

    async def copy(self, lease: Lease, source: str, target: str) -> bool:
        """Make `target` the thread that `source` is, with what time that has left. False: it has nothing.

        lease: of the target's conversation, which may be in another partition. A repeat is harmless. Raises
        Refused when the target has other checkpoints.
        """
        into = self._keys.thread(target)
        dump = await self._scripts.run("thread_dump", self._keys.thread(source).reading)
        args: list[Arg] = [lease.token, lease.attempt, *(dump or ("", "", 0, ""))]
        return bool(await self._scripts.run("thread_restore", into.writing, args))

    async def threads(self) -> AsyncIterator[str]:
        """The ids of all threads, each once. Those that come or go meanwhile may be among them or not."""
        seen, cursor, master = set[str](), b"0", b""
        while True:
            replid, after, keys = await self._scripts.run("thread_scan", [], [cursor, THREADS, SCANNED])
            if master not in (b"", replid):  # a cursor means nothing to another master
                master, cursor = b"", b"0"
                continue
            found = {
                thread for key in keys if (thread := self._keys.thread_of(key.decode(errors="replace")))
            } - seen
            for thread in found:
                yield thread
            seen |= found
            master, cursor = replid, after
            if cursor == b"0":
                return

    async def _reading(self, script: str, thread: str, args: Sequence[Arg]) -> Reply:
        """What a script that reads answered. Raises UnreadableCheckpoint where it met a bad record."""
        reply = await self._scripts.run(script, self._keys.thread(thread).reading, args)
        if isinstance(reply, list) and reply and reply[0] == b"unreadable":
            raise UnreadableCheckpoint(thread, reply[1].decode(), reply[2].decode(errors="replace"))
        return reply


def _new(new: NewCheckpoint) -> Iterator[Arg]:
    """ARGV of `thread_put` from the fourth on."""
    space, header = plain(new.place.space), new.header
    elements = [
        (name("e", space, channel, number), encode_typed(element))
        for channel, numbered in new.elements.items()
        for number, element in _numbered(numbered).items()
    ]
    yield from (int(new.whole), space, plain(new.place.id), header.parent)
    stands_on = [name("w", space, header.parent, task, index) for task, index in new.stands_on]
    yield from (encode_header(header), encode_typed(new.body), len(stands_on), len(elements))
    yield from stands_on
    for field, record in elements:
        yield from (field, record)
    for channel, value in new.values.items():
        yield name("v", space, channel, header.versions[channel])
        yield b"" if value is None else encode_value(value)


def _numbered(elements: Mapping[int, Any]) -> Mapping[int, Any]:
    if any(not 0 <= number < HIGHEST for number in elements):
        raise BadRequest("elements are numbered from 0 to 2^53 - 1")
    return elements


def _listed(garbage: Garbage) -> Iterator[Arg]:
    """ARGV of `thread_drop` from the fourth on."""
    for places in (garbage.checkpoints, garbage.writes):
        yield len(places)
        for place in places:
            yield from (place.space, place.id)
    for items in (garbage.values, garbage.elements):
        yield len(items)
        for item in items:
            yield from item
