"""The live road: one pub/sub connection per process, which notices by itself when it has gone deaf.

Called by the connection pods. What it hears is a hint that arrives early: it may miss entries (while it
reconnects, in a failover), and says so through `resubscribed`, upon which the caller compares tops and reads
the journal. Uses a bare connection, not the library's PubSub, which resubscribes in silence after a break.
Must never decide what devices see.

A session is one connection from its first SUBSCRIBE to its end. It ends when the connection breaks, when
Redis moved (the pools are dropped), or when the feed's own probe, published every second through the command
pool, has not come back for 3.5 s: a connection can stay open and deaf for hours. How well the feed hears is
told by `hearing`, over all sessions.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from math import inf
from typing import Any, NoReturn

from redis.exceptions import RedisError

from services.shared.bus import keys
from services.shared.bus.floor import Floor
from services.shared.model.hearing import Hearing
from services.shared.model.ids import Channel
from services.shared.runtime.lifecycle import forget_answered_cancels
from services.shared.runtime.logging import get_logger
from services.shared.runtime.trouble import Trouble
from services.shared.wire.envelopes import EnvelopeError, LivePush, decode_live

PROBE_EVERY_S = 1.0
DEAF_AFTER_S = 3.5
"""Three probes unheard. With a look every tenth of it, deafness is noticed within 5 s of its beginning."""
SUBSCRIBE_AT_ONCE = 512
"""Channels one SUBSCRIBE names: a few tens of kilobytes, well below the server's query buffer."""

Heard = Callable[[Channel, LivePush], None]
log = get_logger(__name__)


class _SessionEndedError(Exception):
    """This connection is of no use any more; the text says why."""


class LiveFeed:
    """What is published on the channels this process follows."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._probe = keys.probe(floor.process).encode()
        self._followed: dict[bytes, Channel] = {}
        self._confirmed: dict[bytes, asyncio.Future[None]] = {}
        self._asked: Counter[bytes] = Counter()
        self._orders: list[tuple[str, bytes]] = []
        self._ordered = asyncio.Event()
        self._open = False
        self._fresh = False
        self._heard_at = floor.clock.monotonic()
        self._unanswered = 0
        self._broken = Trouble(log, "live feed broke", "live feed hears again")

    async def follow(self, channel: Channel) -> None:
        """Follow a channel; return once Redis confirmed the subscription, which waits for as long as there is
        no connection.

        Cancelling it leaves the channel followed: `unfollow` it then.
        """
        name = self._name(channel)
        if name not in self._followed:
            self._followed[name] = channel
            self._confirmed[name] = asyncio.get_running_loop().create_future()
            self._asked[name] += 1
            self._order("SUBSCRIBE", name)
        await asyncio.shield(self._confirmed[name])

    async def unfollow(self, channel: Channel) -> None:
        """Stop following; nothing of this channel is handed on from now on."""
        name = self._name(channel)
        if self._followed.pop(name, None) is not None:
            waiting = self._confirmed.pop(name)
            if not waiting.done():
                waiting.set_result(None)
            self._order("UNSUBSCRIBE", name)

    def renew(self, channel: Channel) -> None:
        """Ask Redis for a followed channel once more: something of it was not heard, so the subscription may
        be gone there. Harmless where it is not, and while an answer is still awaited nothing is asked.
        """
        name = self._name(channel)
        if name in self._followed and not self._asked[name]:
            self._asked[name] += 1
            self._order("SUBSCRIBE", name)

    @property
    def hearing(self) -> Hearing:
        """How well it hears now."""
        silent_s = self._floor.clock.monotonic() - self._heard_at
        return Hearing(silent_s, self._unanswered, deaf=silent_s > DEAF_AFTER_S)

    async def run(self, heard: Heard, resubscribed: Callable[[], None]) -> None:
        """Hand on what is published, until cancelled.

        heard: called for each publication, in the order of each channel; must not block. resubscribed: called
        when all followed channels are confirmed on a new connection: anything may have been missed before.
        """
        self._hears()
        self._floor.metrics.feed_deaf.set_function(lambda: float(self.hearing.deaf))
        async with asyncio.TaskGroup() as feed:
            feed.create_task(self._publish_probes())
            feed.create_task(self._sessions(heard, resubscribed))

    async def _sessions(self, heard: Heard, resubscribed: Callable[[], None]) -> NoReturn:
        while True:
            try:
                await self._session(heard, resubscribed)
            except* (RedisError, OSError, _SessionEndedError) as ended:
                self._broken.met(reasons=[str(error) for error in ended.exceptions])
            forget_answered_cancels()
            await asyncio.sleep(random.uniform(0.05, 0.3))  # noqa: S311 - spreads the pods' reconnects

    async def _session(self, heard: Heard, resubscribed: Callable[[], None]) -> None:
        pool = self._floor.blocking.connection_pool
        connection = await self._connected(pool)
        try:
            _hear_quietly(connection)
            self._begin()
            async with asyncio.TaskGroup() as session:
                session.create_task(self._listen(connection, heard, resubscribed))
                session.create_task(self._send_orders(connection))
                session.create_task(self._watch_hearing())
        finally:
            self._open = False
            await connection.disconnect(nowait=True)
            await pool.release(connection)

    async def _connected(self, pool: Any) -> Any:
        try:
            async with asyncio.timeout(DEAF_AFTER_S):
                return await pool.get_connection()
        except TimeoutError:
            raise _SessionEndedError(f"no connection within {DEAF_AFTER_S} s") from None

    def _begin(self) -> None:
        """Ask anew for everything that is followed; what was asked of the last connection counts no more."""
        names = [self._probe, *self._followed]
        self._asked = Counter(names)
        self._orders = [("SUBSCRIBE", name) for name in names]
        self._ordered.set()
        self._open = self._fresh = True

    # -- asking ----------------------------------------------------------------------------------------------

    def _order(self, verb: str, name: bytes) -> None:
        # or it would grow while Redis is away; a new session asks anew for all that is followed
        if self._open:
            self._orders.append((verb, name))
            self._ordered.set()

    async def _send_orders(self, connection: Any) -> None:
        while True:
            await self._ordered.wait()
            self._ordered.clear()
            orders, self._orders = self._orders, []
            for verb, names in _batches(orders):
                _still_open(connection)
                await connection.send_command(verb, *names, check_health=False)

    # -- hearing ---------------------------------------------------------------------------------------------

    async def _listen(self, connection: Any, heard: Heard, resubscribed: Callable[[], None]) -> None:
        while True:
            _still_open(connection)
            said = await connection.read_response(timeout=inf, push_request=True, disconnect_on_error=False)
            kind, name, data = said[0], said[1], said[2]
            if kind == b"message":
                self._hear(name, data, heard)
            elif kind == b"subscribe":
                self._confirm(name, resubscribed)

    def _hear(self, name: bytes, data: bytes, heard: Heard) -> None:
        self._hears()
        channel = self._followed.get(name)
        if channel is None:
            return
        try:
            push = decode_live(data)
        except EnvelopeError as error:
            log.error("live payload not understood", channel=channel.name, error=type(error).__name__)  # noqa: TRY400
            return
        heard(channel, push)

    def _confirm(self, name: bytes, resubscribed: Callable[[], None]) -> None:
        """Count an answer. A channel left and followed again is confirmed by the answer to the last SUBSCRIBE
        only.
        """
        self._asked[name] -= 1
        if self._asked[name] > 0:
            return
        del self._asked[name]
        waiting = self._confirmed.get(name)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)
        if self._fresh and not self._asked:
            self._fresh = False
            self._broken.over(channels=len(self._followed))
            resubscribed()

    def _hears(self) -> None:
        self._heard_at = self._floor.clock.monotonic()
        self._unanswered = 0

    async def _watch_hearing(self) -> NoReturn:
        """Count the silence of this session. No look adds more than two: a process that stood still, frozen
        or busy, could not hear.
        """
        every_s, clock = DEAF_AFTER_S / 10, self._floor.clock
        silent_s, looked = 0.0, clock.monotonic()
        while silent_s <= DEAF_AFTER_S:
            await asyncio.sleep(every_s)
            before, looked = looked, clock.monotonic()
            silent_s = 0.0 if self._heard_at >= before else silent_s + min(looked - before, 2 * every_s)
        self._floor.metrics.feeds_deaf.inc()
        raise _SessionEndedError(f"heard nothing for {silent_s:.1f} s, not even the feed's own probe")

    async def _publish_probes(self) -> NoReturn:
        while True:
            await self._publish_probe()
            await asyncio.sleep(PROBE_EVERY_S)

    async def _publish_probe(self) -> None:
        """Publish on the master of the moment. That it failed says nothing of our ears; that it is not heard
        does.
        """
        try:
            self._unanswered += 1  # before it is sent: its echo may be here before its reply
            async with asyncio.timeout(PROBE_EVERY_S):
                await self._floor.commands.publish(self._probe, b"")
        except (RedisError, OSError, TimeoutError) as error:
            self._unanswered = max(0, self._unanswered - 1)
            log.debug("probe not published", error=str(error))

    def _name(self, channel: Channel) -> bytes:
        return self._floor.keys.channel(channel).live.encode()


def _batches(orders: Iterable[tuple[str, bytes]]) -> Iterator[tuple[str, list[bytes]]]:
    for verb, run in groupby(orders, key=lambda order: order[0]):
        names = (name for _, name in run)
        while batch := list(islice(names, SUBSCRIBE_AT_ONCE)):
            yield verb, batch


def _still_open(connection: Any) -> None:
    """Refuse to use a connection somebody closed: the library would open it again in silence, without its
    channels.
    """
    if not connection.is_connected:
        raise _SessionEndedError("the connection was closed")


def _hear_quietly(connection: Any) -> None:
    """Hand pushes on as they are: the library's own handler builds a log line of each."""

    async def hand_on(push: Any) -> Any:
        return push

    connection._parser.set_pubsub_push_handler(hand_on)  # noqa: SLF001 - there is no public way but its PubSub
