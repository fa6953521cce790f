"""`continuo failover`: moves the master to a replica on purpose. Writes wait meanwhile, nothing is lost.

Called by the command line, for the Redis of CONTINUO_REDIS_SENTINELS, else the one `continuo up` started.
SENTINEL FAILOVER alone loses what was acknowledged: the old master goes on taking writes for some ten seconds
until it is demoted. So:

1. look: everything a Sentinel could choose must be in step with the master, else refuse;
2. pause writes on the master, briefly;
3. wait until every replica that could be chosen holds all of it; else unpause and give up;
4. pause for longer than a promotion and a demotion by Sentinels take together; order the failover;
5. until most Sentinels name the new master, keep pausing;
6. demote the old one ourselves, before it may take a write again.

Killed before 4, the brief pause runs out and nothing has happened. Killed later, the Sentinels finish what
was ordered, or replace the paused master by themselves, demotion included, within the long pause.

Must never unpause the old master once a failover was ordered, unless the Sentinel that was given the order
and all others say that nothing is under way, or the old master is a replica. A Sentinel that froze carries
out what it was ordered whenever it thaws, however late: nothing it decides by then looks at the time. Silence
means nothing, then; and a master that is paused for long the others replace, which takes the order from it.
"""

import argparse
import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NoReturn

from services.local.ending import LocalError, ending_in_a_line, say
from services.local.fitness import Group, agreed, behind, name, unfit
from services.local.reached import redis_environment
from services.shared.bus import examine, handover
from services.shared.bus.examine import Access, Address, Replication, SentinelView, UnansweredError
from services.shared.bus.handover import CalledOffError
from services.shared.bus.settings import RedisSettings
from services.shared.runtime.settings import SettingsError, load

BRIEF_PAUSE_MS = 1500
"""Below the Sentinels' down-after: they publish through the master, and a paused one looks dead to them."""
CATCH_UP_S = 0.7
"""So long replicas have to take what the master wrote last; well below the brief pause."""
LONG_PAUSE_MS = 20_000
"""A promotion takes the Sentinels 1 to 3 s, a demotion 8 to 10 s from there."""
UNCLEAR_S = 60.0
"""So long writes wait while the Sentinel that has the order cannot be asked. The others replace the paused
master meanwhile, their down-after and some seconds after the pause began (30 s by Sentinel's own default).
"""
DEMOTE_WITHIN_S = 10.0
FLOW_WITHIN_S = 10.0
FOLLOWS_WITHIN_S = 30.0
_LOOK_EVERY_S = 0.02
_PAUSE_AGAIN_S = 1.0

Say = Callable[[str], None]


class NotMovedError(LocalError):
    """The master is the one it was, and takes writes."""


class UnclearError(LocalError):
    """The master moves or may move yet, by the Sentinels' hand; its writes were not let go on."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sentinels", metavar="HOST:PORT,...", help="the Redis to fail over")
    parser.epilog = (
        "Exit codes: 0 the master moved; 1 it did not, and takes writes; 2 typed wrongly; "
        "3 it is being moved or may be yet, see what was said."
    )


def run(given: argparse.Namespace) -> int:
    try:
        settings = load(RedisSettings, redis_environment(given.sentinels, os.environ))
    except SettingsError as error:
        print(f"continuo failover: {error}")
        return 1
    return ending_in_a_line("failover", _moved(settings))


async def _moved(settings: RedisSettings) -> int:
    try:
        await Planned(settings, say).run()
    except UnclearError as unclear:
        say(f"continuo failover: {unclear}")
        return 3
    return 0


class Planned:
    """One planned failover, told in lines through `say`."""

    def __init__(self, settings: RedisSettings, say: Say) -> None:
        self._master_name = settings.redis_master
        self._sentinels = settings.sentinel_addresses()
        self._keeper = Access(None, settings.redis_sentinel_password.reveal() or None)
        self._user = Access(settings.redis_username or None, settings.redis_password.reveal() or None)
        self._say = say
        self._loop = asyncio.get_running_loop()

    async def run(self) -> float:
        """Move the master; the seconds that writes were paused. Raises NotMovedError or UnclearError."""
        group, old = await self._fit()
        leader = next(address for address, view in group.views.items() if view is not None)
        self._say(f"the master is {name(old)}; could take over: {', '.join(map(name, group.replicas))}")
        began = self._loop.time()
        await self._pause(group, old)
        await self._order(leader, old)
        new = await self._promoted(group, old, leader)
        self._say(f"most Sentinels name {name(new)}")
        async with asyncio.TaskGroup() as both:
            both.create_task(self._demote(old, new))
            flows = both.create_task(self._flowing(new))
        paused_s = flows.result() - began
        self._say(f"{name(new)} takes writes; they were paused for {paused_s:.1f} s")
        if await self._until(lambda: self._settled(old, new), FOLLOWS_WITHIN_S):
            self._say(f"{name(old)} follows it, and every Sentinel that answers knows")
        else:
            self._say(f"{name(old)} does not follow it yet: `continuo doctor` says what is wrong")
        return paused_s

    # -- 1: look ---------------------------------------------------------------------------------------------

    async def _fit(self) -> tuple[Group, Address]:
        asked = await self._views()
        if None in asked:  # on a busy machine half a second can be too short for once
            asked = await self._views()
        views = dict(zip(self._sentinels, asked, strict=True))
        seen = [view for view in views.values() if view is not None]
        if not seen:
            reason = await self._why_unseen(self._sentinels[0])
            raise NotMovedError(
                f"no Sentinel answers for {self._master_name!r} ({reason}). Nothing was changed"
            )
        old = seen[0].master
        candidates = sorted({address for view in seen for address in view.candidates} - {old})
        group = Group(
            views, await self._said(old), await self._all_said(candidates), await self._denied(views, old)
        )
        if reasons := unfit(group):
            raise NotMovedError(f"not safe now: {'; '.join(reasons)}. Nothing was changed")
        return group, old

    async def _denied(self, views: Mapping[Address, SentinelView | None], old: Address) -> tuple[str, ...]:
        try:
            denied = await handover.forbidden(old, self._user)
            for sentinel, view in views.items():
                if view is not None and await handover.sentinel_forbids(sentinel, self._keeper):
                    return (*denied, "SENTINEL FAILOVER")
        except UnansweredError:
            return ()  # whoever does not answer is named for that
        return tuple(denied)

    # -- 2 to 4: pause, catch up, order ----------------------------------------------------------------------

    async def _pause(self, group: Group, old: Address) -> None:
        """Writes wait for longer than all that follows, and every replica holds what was written before."""
        lagging: list[Address] = []
        try:
            await handover.pause(old, BRIEF_PAUSE_MS, self._user)
            self._say("writes are paused")
            lagging = await self._lagging(group, old)
            if not lagging:
                await handover.pause(old, LONG_PAUSE_MS, self._user)
        except UnansweredError as error:
            await self._give_up(old, str(error))
        except asyncio.CancelledError:
            await self._unpause(old)
            raise
        if lagging:
            await self._give_up(old, f"{', '.join(map(name, lagging))} did not catch up in {CATCH_UP_S} s")
        self._say("the replicas hold everything")

    async def _lagging(self, group: Group, old: Address) -> list[Address]:
        written = (await examine.replication(old, self._user)).offset
        lagging: list[Address] = []

        async def level() -> bool:
            lagging[:] = behind(written, await self._all_said(list(group.replicas)))
            return not lagging

        await self._until(level, CATCH_UP_S)
        return lagging

    async def _order(self, leader: Address, old: Address) -> None:
        try:
            await handover.order(leader, self._master_name, self._keeper)
            self._say(f"Sentinel {name(leader)} moves the master")
        except CalledOffError as refused:
            await self._give_up(old, f"the Sentinel refused: {refused}")
        except UnansweredError:
            self._say(f"Sentinel {name(leader)} did not answer, and may be moving the master")

    async def _give_up(self, old: Address, reason: str) -> NoReturn:
        """Let writes go on, unless somebody else is moving the master, and end."""
        views = [view for view in await self._views() if view is not None]
        if any(_is_moving(view) or view.master != old for view in views):
            raise UnclearError(f"{reason}; another failover is under way, and the pause ends with it")
        await self._unpause(old)
        raise NotMovedError(f"{reason}. The master is still {name(old)}, and writes go on")

    async def _unpause(self, old: Address) -> None:
        try:
            await handover.unpause(old, self._user)
        except UnansweredError as error:
            self._say(f"the pause could not be ended and runs out by itself: {error}")

    # -- 5: wait for the Sentinels ---------------------------------------------------------------------------

    async def _promoted(self, group: Group, old: Address, leader: Address) -> Address:
        paused_at = clear_at = self._loop.time()
        told = ""
        while True:
            named = await asyncio.gather(*map(self._named, self._sentinels))
            if (new := agreed(named, group.majority, old)) is not None:
                return new
            led = await self._view(leader)
            if led is not None and (_is_moving(led) or led.master != old):
                clear_at = self._loop.time()
            elif silent := await self._cannot_tell(group, led, leader):
                if silent != told:
                    self._say(f"{silent}; writes wait")
                    told = silent
            else:
                await self._give_up(old, "the Sentinels called it off")
            now = self._loop.time()
            if now - clear_at > UNCLEAR_S:
                raise UnclearError(_left(told))
            if now - paused_at > _PAUSE_AGAIN_S:
                await self._pause_on(old)
                paused_at = now
            await asyncio.sleep(_LOOK_EVERY_S)

    async def _cannot_tell(self, group: Group, led: SentinelView | None, leader: Address) -> str:
        """Why nobody can say that the order is off; empty when it is for certain."""
        if led is None:
            return f"Sentinel {name(leader)}, which was to move the master, does not answer"
        for sentinel, view in zip(self._sentinels, await self._views(), strict=True):
            if view is None and group.views[sentinel] is not None:
                return f"Sentinel {name(sentinel)}, which may be moving the master, does not answer"
        for replica, said in (await self._all_said(list(group.replicas))).items():
            if said is None:
                return f"replica {name(replica)}, which may have been chosen, does not answer"
            if said.role != "slave":
                return f"replica {name(replica)} says it is a {said.role}"
        return ""

    async def _pause_on(self, old: Address) -> None:
        try:
            await handover.pause(old, LONG_PAUSE_MS, self._user)
        except UnansweredError as error:
            self._say(f"the old master does not answer, the Sentinels go on: {error}")

    # -- 6: demote -------------------------------------------------------------------------------------------

    async def _demote(self, old: Address, new: Address) -> None:
        async def done() -> bool:
            if unwritten := await handover.demote(old, new, self._user):
                self._say(f"{name(old)} could not write down that it is a replica: {unwritten}")
            return True

        if await self._until(done, DEMOTE_WITHIN_S):
            self._say(f"{name(old)} is a replica now")
        else:
            self._say(f"{name(old)} does not answer; the Sentinels demote it when it does")

    async def _flowing(self, new: Address) -> float:
        """When the new master had a replica to confirm writes."""

        async def flows() -> bool:
            said = await examine.replication(new, self._user)
            return said.role == "master" and said.online_replicas >= 1

        if not await self._until(flows, FLOW_WITHIN_S):
            self._say(f"no replica follows {name(new)} yet: nothing can be acknowledged until one does")
        return self._loop.time()

    async def _settled(self, old: Address, new: Address) -> bool:
        said = await examine.replication(old, self._user)
        views = await self._views()
        know = all(view.master == new and not _is_moving(view) for view in views if view is not None)
        return said.role == "slave" and said.link_up and know

    # -- asking ----------------------------------------------------------------------------------------------

    async def _views(self) -> list[SentinelView | None]:
        return list(await asyncio.gather(*map(self._view, self._sentinels)))

    async def _view(self, sentinel: Address) -> SentinelView | None:
        try:
            return await examine.sentinel_view(sentinel, self._master_name, self._keeper)
        except UnansweredError:
            return None

    async def _why_unseen(self, sentinel: Address) -> str:
        try:
            await examine.sentinel_view(sentinel, self._master_name, self._keeper)
        except UnansweredError as error:
            return str(error)
        return "it does now"

    async def _named(self, sentinel: Address) -> Address | None:
        return await examine.master_address([sentinel], self._master_name, self._keeper)

    async def _said(self, server: Address) -> Replication | None:
        try:
            return await examine.replication(server, self._user)
        except UnansweredError:
            return None

    async def _all_said(self, servers: Sequence[Address]) -> dict[Address, Replication | None]:
        return dict(zip(servers, await asyncio.gather(*map(self._said, servers)), strict=True))

    async def _until(self, condition: Callable[[], Awaitable[bool]], within_s: float) -> bool:
        """Whether it came true in time; what does not answer is asked again."""
        deadline = self._loop.time() + within_s
        while self._loop.time() < deadline:
            with contextlib.suppress(UnansweredError):
                if await condition():
                    return True
            await asyncio.sleep(_LOOK_EVERY_S)
        return False


def _left(reason: str) -> str:
    return (
        f"{reason}, and the other Sentinels did not replace the master in {UNCLEAR_S:.0f} s. Writes go on in "
        f"{LONG_PAUSE_MS // 1000} s: end that process before then, for if it comes back later and the master "
        "moves, they are lost"
    )


def _is_moving(view: SentinelView) -> bool:
    return "failover_in_progress" in view.flags
