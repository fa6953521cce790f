"""Any order of invitations, answers, additions, removals, roles and marks by several people, carried to their
own partitions late, twice and in any order, beside a model of one conversation.

On a real Redis: the scripts themselves are what is tried. Each call is taken, repeated or refused as the
model says; when all is carried, everybody's lists are what the conversation holds.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.shared.bus import scripts
from services.shared.bus.marks import UserMarks
from services.shared.bus.members import Members
from services.shared.bus.outbox import _carried
from services.shared.model.errors import BadRequest, BusUnavailable, ContinuoError, NotMember, Refused
from services.shared.model.ids import ConversationId, UserId
from services.shared.model.permissions import GIVEN, Operation, may
from tests.support.bus_house import House, fresh
from tests.support.driven_house import driven_house

NAMES = ("ann", "bob", "cleo", "dan")
PEOPLE, ROLES = st.sampled_from(NAMES), st.sampled_from(GIVEN)
DOERS = st.sampled_from(("ann", "ann", *NAMES))
"""She owns it at first, so she comes through most often."""
STEPS = st.one_of(
    st.tuples(st.sampled_from(["invite", "add", "role"]), DOERS, PEOPLE, ROLES),
    st.tuples(st.just("remove"), DOERS, PEOPLE),
    st.tuples(st.sampled_from(["accept", "decline", "mute"]), PEOPLE),
    st.tuples(st.just("carry"), st.integers(0, 5), st.booleans()),
)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, House]]:
    yield from driven_house(tmp_path_factory.mktemp("redis"))


@dataclass
class Model:
    """One conversation, by the words of docs/people.md alone."""

    roles: dict[str, str] = field(default_factory=lambda: {"ann": "owner"})
    invited: dict[str, str] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    """Whose membership or invitation ended, and is known for repeats."""
    events: list[tuple[str, str]] = field(default_factory=lambda: [("member.joined", "ann")])

    def able(self, by: str, operation: Operation) -> type[ContinuoError] | None:
        """What one is told who may not."""
        if by not in self.roles:
            return NotMember
        return None if may(self.roles[by], operation) else Refused

    def invite(self, by: str, user: str, role: str) -> type[ContinuoError] | None:
        unable = self.able(by, Operation.INVITE_OWNER if role == "owner" else Operation.INVITE)
        if unable is None and user not in self.roles and user not in self.invited:
            self.invited[user] = role
            self._begins("member.invited", user)
        return unable

    def add(self, by: str, user: str, role: str) -> type[ContinuoError] | None:
        unable = self.able(by, Operation.ADD_OWNER if role == "owner" else Operation.ADD)
        if unable is None and user not in self.roles:
            self.roles[user] = role
            self.invited.pop(user, None)
            self._begins("member.joined", user)
        return unable

    def accept(self, user: str) -> type[ContinuoError] | None:
        if user in self.roles:
            return None
        if user not in self.invited:
            return NotMember
        self.roles[user] = self.invited.pop(user)
        self._begins("member.joined", user)
        return None

    def decline(self, user: str) -> type[ContinuoError] | None:
        if user in self.roles:
            return Refused
        if user in self.ended:
            return None
        if user not in self.invited:
            return NotMember
        self.invited.pop(user)
        self._ends("member.declined", user)
        return None

    def remove(self, by: str, user: str) -> type[ContinuoError] | None:
        unable = self.able(by, Operation.LEAVE if by == user else Operation.REMOVE)
        if user in self.ended and (unable is None or by == user):
            return None
        if unable is None and user in self.roles:
            del self.roles[user]
            self._ends("member.left", user)
        elif unable is None and user in self.invited:
            del self.invited[user]
            self._ends("member.declined", user)
        return unable

    def role(self, by: str, user: str, role: str) -> type[ContinuoError] | None:
        if unable := self.able(by, Operation.ROLE):
            return unable
        if user not in self.roles:
            return BadRequest
        if self.roles[user] == role:
            return None
        if self.roles[user] == "owner" and list(self.roles.values()).count("owner") == 1:
            return Refused
        self.roles[user] = role
        self.events.append(("member.changed", user))
        return None

    def _begins(self, kind: str, user: str) -> None:
        self.ended.discard(user)
        self.events.append((kind, user))

    def _ends(self, kind: str, user: str) -> None:
        self.ended.add(user)
        self.events.append((kind, user))


class Play:
    """The same steps on the real thing."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._members, self._marks = Members(house.floor), UserMarks(house.floor)
        self._salt = fresh()
        self._conversation = ConversationId(fresh())
        self._model = Model()

    async def begin(self) -> None:
        await self._house.conversations.create(self._conversation, self._user("ann"))

    def _user(self, name: str) -> UserId:
        return UserId(f"{name}-{self._salt}")

    async def step(self, step: tuple[Any, ...]) -> None:
        """One step; it comes out as the model's does."""
        name, *rest = step
        if name == "carry":
            await self._carry(*rest)
        elif name == "mute":
            await self._mute(*rest)
        else:
            await self._call(name, rest)

    async def _call(self, name: str, rest: list[Any]) -> None:
        expected = getattr(self._model, name)(*rest)
        words = [self._user(each) if each in NAMES else each for each in rest]
        port: Any = {
            "add": self._house.conversations.add_member,
            "remove": self._house.conversations.remove_member,
            "role": self._members.change_role,
        }.get(name) or getattr(self._members, name)
        try:
            await port(self._conversation, *words)
            outcome: type[ContinuoError] | None = None
        except ContinuoError as error:
            outcome = type(error)
        assert outcome is expected, (name, rest)

    async def _mute(self, name: str) -> None:
        try:
            await self._marks.mute(self._conversation, self._user(name), None)
        except NotMember:
            assert name not in self._model.roles
        except BusUnavailable:
            assert name in self._model.roles  # its partition has not learnt of it
        else:
            assert name in self._model.roles

    async def _carry(self, place: int, twice: bool) -> None:
        """Whichever entry is told first, and again."""
        if waiting := await self._waiting():
            entry = waiting[place % len(waiting)]
            await self._house.outbox.carry([entry, entry] if twice else [entry])

    async def _waiting(self) -> list[Any]:
        stream = self._house.floor.keys.conversation(self._conversation).shared.outbox
        entries: Any = await self._house.floor.commands.xrange(stream)
        every = [_carried(stream.encode(), *entry) for entry in entries]
        return [entry for entry in every if entry.conversation == self._conversation]

    async def come_to_rest(self) -> None:
        """All is carried, and everybody's lists are what the conversation holds."""
        await self._house.outbox.carry(await self._waiting())
        told = await self._house.events(self._conversation)
        assert [(each["type"], each["user"].partition("-")[0]) for each in told] == self._model.events
        assert await self._fields("invited") == set(self._model.invited)
        assert await self._fields("left") == self._model.ended
        for name in NAMES:
            await self._look(name)

    async def _fields(self, what: str) -> set[str]:
        """Who has a field in a hash of the conversation's."""
        key = getattr(self._house.floor.keys.conversation(self._conversation), what)
        names: Any = await self._house.floor.commands.hkeys(key)  # type: ignore[misc]  # redis' types
        return {each.decode().partition("-")[0] for each in names}

    async def _look(self, name: str) -> None:
        user, role = self._user(name), self._model.roles.get(name)
        assert await self._house.conversations.role(self._conversation, user) == role
        listed = await self._house.conversations.list_of(user)
        assert [each.role for each in listed] == ([role] if role else [])
        asked = (await self._members.invitations(user)).invitations
        assert [each.role for each in asked] == [
            each for user, each in self._model.invited.items() if user == name
        ]
        at, commands = self._house.floor.keys.user(user), self._house.floor.commands
        kept = {key: await commands.exists(key) for key in (at.conversations, at.invitations, at.marks)}
        assert kept[at.conversations] == bool(role)
        assert kept[at.invitations] == (name in self._model.invited)
        assert role or not kept[at.marks]


async def live(house: House, steps: list[tuple[Any, ...]]) -> None:
    """One conversation's life."""
    played = Play(house)
    await played.begin()
    for step in steps:
        await played.step(step)
    await played.come_to_rest()


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(STEPS, min_size=1, max_size=30))
def test_everybody_is_told_what_the_conversation_holds(
    house: tuple[asyncio.Runner, House], steps: list[tuple[Any, ...]]
) -> None:
    runner, opened = house
    runner.run(live(opened, steps))


MUTANTS = {
    "what is carried late undoes what is newer": (
        "relay_user",
        "if version <= known() then",
        "if false then",
    ),
    "a mark outlives the membership": ("relay_user", "redis.call('HDEL', KEYS[7], conversation)", ""),
    "who accepts stays invited": ("member_accept", "redis.call('HDEL', KEYS[7], user)\n", "\n"),
    "who is added stays invited": ("member_add", "redis.call('HDEL', KEYS[7], user)\n", "\n"),
    "the last owner goes": ("member_role", "and owners() == 1", "and false"),
    "who declines again is a stranger": ("member_decline", "if known then return known end", ""),
    "an invitation is told twice": ("member_invite", "{ KEYS[4], KEYS[7] }", "{ KEYS[4] }"),
    "an end is known too long": ("member_invite", "redis.call('HDEL', KEYS[6], user)\n", "\n"),
}
"""Lua file, a text of it, and what stands in its place."""


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS)
def test_scripts_that_do_otherwise_are_found(
    house: tuple[asyncio.Runner, House], mutant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, opened = house
    file, text, instead = MUTANTS[mutant]
    honest = scripts._source
    assert honest(file).count(text) == 1

    @settings(
        max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate]
    )
    @given(st.lists(STEPS, min_size=20, max_size=40))
    def same(steps: list[tuple[Any, ...]]) -> None:
        runner.run(live(opened, steps))

    def edited(name: str) -> str:
        return honest(name).replace(text, instead) if name == file else honest(name)

    monkeypatch.setattr(scripts, "_source", edited)
    scripts.script.cache_clear()
    try:
        with pytest.raises((AssertionError, BaseExceptionGroup)):
            same()
    finally:
        monkeypatch.undo()
        scripts.script.cache_clear()
