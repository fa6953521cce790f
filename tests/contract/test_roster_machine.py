"""The scripts on a real Redis and the pure rule side by side: the same deeds, the same state and words."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.local.embedded import EmbeddedRedis
from services.presence.core import machine
from services.presence.core.machine import NEVER_HERE, Standing, Told
from services.shared.bus import keys
from services.shared.model.ids import ConnectionId, NodeId, UserId
from tests.contract.test_roster import Ear
from tests.support.bus_house import House, fresh, open_house

USERS = (UserId("ann"), UserId("bob"))
AGES_MS = 3_600_000
SAID = {"j": Told.JOIN, "l": Told.LEAVE}

seats = st.tuples(st.sampled_from(USERS), st.integers(0, 2))
deeds = st.one_of(
    st.tuples(st.just("enter"), seats, st.just(0)),
    st.tuples(st.sampled_from(["leave", "reap late", "reap"]), seats, st.sampled_from([0, AGES_MS])),
    st.tuples(st.just("depart"), seats, st.just(0)),
    st.tuples(st.just("depart too late"), seats, st.just(0)),
)
Deed = tuple[str, tuple[UserId, int], int]


@pytest.fixture(scope="module")
def house(shared_redis: EmbeddedRedis) -> Iterator[tuple[asyncio.Runner, House]]:
    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            yield runner, runner.run(stack.enter_async_context(open_house(shared_redis.sentinels)))
        finally:
            runner.run(stack.aclose())


class Both:
    """One conversation in Redis and as values."""

    def __init__(self, house: House, conversation: Any) -> None:
        self._house, self._conversation = house, conversation
        self._at = house.floor.keys.conversation(conversation)
        self._node = NodeId(f"node-{fresh()}")
        self._standings = dict.fromkeys(USERS, NEVER_HERE)
        self._connections = {
            (user, n): ConnectionId(f"{user}-{n}-{fresh()}") for user in USERS for n in range(3)
        }
        self._told: list[tuple[Told, UserId]] = []

    async def do(self, deed: Deed) -> None:
        """The same to both."""
        what, (user, number), grace_ms = deed
        connection, roster = self._connections[user, number], self._house.roster
        standing, told = self._standings[user], None
        if what == "enter":
            await roster.enter(self._conversation, connection, user, None, self._node)
            standing, told = machine.enter(standing, connection, await self._stamp(connection))
        elif what == "leave":
            await roster.leave(self._conversation, connection, user, self._node, grace_ms=grace_ms)
            standing = machine.leave(standing, connection, 0, grace_ms)
        elif what.startswith("reap"):
            stamp = "0" if what == "reap late" else standing.seats.get(connection, "0")
            held = f"{connection} {self._conversation}".encode(), f"{user} {stamp}".encode()
            await self._house.floor.scripts.batch([roster._freeing_held(*held, grace_ms)])
            standing = machine.leave(standing, connection, 0, grace_ms, stamp)
        elif what == "depart":
            await roster.depart_due()
            for each in USERS:
                if each != user:
                    self._depart(each)
            standing, told = machine.depart(standing, 1)
        else:
            await roster.depart_due(judged_ms=1)
        self._standings[user] = standing
        if told:
            self._told.append((told, user))

    async def compare(self, heard: list[tuple[str, str]]) -> None:
        """That both stand alike, and said the same."""
        assert sorted(self._told) == sorted((SAID[kind], UserId(user)) for kind, user in heard)
        for user in USERS:
            told = [word for word, of in self._told if of == user]
            assert told == [SAID[kind] for kind, of in heard if of == user]
            assert await self._kept(user) == _told_of(self._standings[user]), user

    def _depart(self, user: UserId) -> None:
        self._standings[user], told = machine.depart(self._standings[user], 1)
        if told:
            self._told.append((told, user))

    async def _stamp(self, connection: ConnectionId) -> str:
        held: Any = await self._house.floor.commands.hget(
            keys.seats(self._node), f"{connection} {self._conversation}"
        )
        return str(held.decode().split(" ")[1])

    async def _kept(self, user: UserId) -> tuple[set[ConnectionId], int, bool, bool]:
        commands, at = self._house.floor.commands, self._at
        roster = await self._house.roster.of(self._conversation)
        seated: Any = await commands.hget(at.seated, user)
        present: Any = await commands.hexists(at.present, user)
        due: Any = await commands.zscore(at.shared.departing, f"{self._conversation} {user}")
        own = {connection for connection, seat in roster.items() if seat.user == user}
        return own, int(seated or 0), bool(present), due is not None


def _told_of(standing: Standing) -> tuple[set[ConnectionId], int, bool, bool]:
    seats = set(standing.seats)
    return seats, len(seats), standing.announced, standing.due_ms is not None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(deeds, max_size=14))
def test_scripts_and_rule_agree(house: tuple[asyncio.Runner, House], steps: list[Deed]) -> None:
    runner, opened = house

    async def play() -> None:
        conversation = await opened.conversation("bob")
        both = Both(opened, conversation)
        async with Ear(opened, conversation) as ear:
            for deed in steps:
                await both.do(deed)
            await both.compare(await ear.all())

    runner.run(play())
