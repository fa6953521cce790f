"""Whatever three users do at once with two devices each, on two servers: in the end all devices agree on who
is there and on what is unread. Real processes, real sockets, the official client.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from centrifuge import ReplyError, SubscribedContext, Subscription
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.shared.wire.codes import PERMISSION_DENIED, REFUSED
from tests.support.official_client import Followed, Official
from tests.support.open_bus import fresh_user
from tests.support.waiting import eventually
from tests.support.whole_house import WholeHouse

USERS, SERVERS = range(3), range(2)
NOT_ALLOWED = {PERMISSION_DENIED.code, REFUSED.code}
"""What one who was put out meanwhile is told; anything else is a fault."""
Deed = tuple[str, int, int, int]

deeds = st.tuples(
    st.sampled_from(["say", "say", "read", "read", "put out", "let in", "delete", "away", "follow"]),
    st.sampled_from(USERS),
    st.sampled_from(SERVERS),
    st.integers(1, 6),
)
at_once = st.lists(deeds, min_size=1, max_size=5)


class View:
    """What one device makes of a conversation by what it is told alone. deaf_to: what it passes over."""

    def __init__(self, official: Official, *, deaf_to: str = "") -> None:
        self.official, self.deaf_to = official, deaf_to
        self.followed = Followed()
        self.subscription: Subscription | None = None
        self.page: dict[str, Any] = {"messages": []}

    async def follow(self, conversation: str) -> None:
        """Follow it, unless that is so already, and read what was said before."""
        if self.subscription is None:
            self.subscription, self.followed = self.official.subscription(conversation)
            await self.subscription.subscribe()
            await eventually(lambda: self.followed.subscribed or self.followed.unsubscribed)
        if not self.followed.unsubscribed:
            self.page = await self.official.rpc("conversation.history", conversation=conversation, limit=200)

    async def forget(self) -> None:
        if self.subscription is not None:
            await self.subscription.unsubscribe()
            self.official.client.remove_subscription(self.subscription)
        self.subscription = None

    @property
    def standing(self) -> tuple[int, int]:
        """(read up to, unread)."""
        said = {each["id"]: each["seq"] for each in self.page["messages"]}
        read = 0
        for told in self.followed.told:
            if isinstance(told, SubscribedContext):
                read = max(read, told.data["read"]["seq"])
            elif (event := told.pub.data)["type"] != self.deaf_to:
                if event["type"] == "message.created":
                    said[event["message"]] = event["seq"]
                if event.get("user") == self.official.user:  # whoever comes back has read nothing
                    read = 0 if event["type"] == "member.left" else max(read, event.get("seq", 0))
        return read, sum(seq > read for seq in said.values())


class Play:
    """One conversation of all three, with all six devices."""

    def __init__(self, devices: list[list[Official]], *, deaf_to: str = "") -> None:
        self.devices = devices
        self.views = [[View(each, deaf_to=deaf_to) for each in own] for own in devices]
        self.owner = devices[0][0]
        self.said: list[str] = []
        self.conversation = ""

    async def begin(self) -> None:
        others = [own[0].user for own in self.devices[1:]]
        created = await self.owner.rpc("conversation.create", members=others, answers={"assistant": "never"})
        self.conversation = created["conversation"]
        await asyncio.gather(*(own[1].follow(self.conversation) for own in self.views))

    async def together(self, some: list[Deed]) -> None:
        """Several deeds at once; who was put out by one of them may be refused another."""
        by_device: dict[tuple[int, int], list[Deed]] = {}
        for deed in some:
            by_device.setdefault(deed[1:3], []).append(deed)
        await asyncio.gather(*map(self._in_turn, by_device.values()))

    async def _in_turn(self, some: list[Deed]) -> None:
        for deed in some:
            try:
                await self._do(deed)
            except ReplyError as error:
                if error.code not in NOT_ALLOWED:
                    raise

    async def _do(self, deed: Deed) -> None:
        what, number, server, count = deed
        device, view = self.devices[number][server], self.views[number][server]
        there: dict[str, Any] = {"conversation": self.conversation}
        match what:
            case "say":
                self.said.append((await device.send(self.conversation, what))["message"])
            case "read":
                await device.rpc("conversation.read", seq=count, **there)
            case "put out" if number:
                await self.owner.rpc("conversation.members.remove", user=device.user, **there)
            case "let in":
                await self.owner.rpc("conversation.members.add", user=device.user, **there)
            case "delete" if self.said:
                message = self.said[count % len(self.said)]
                await device.rpc("message.delete", id=message, **there)
            case "away" if device is not self.owner:
                await device.client.disconnect()
                await device.connect()
            case "follow" if not view.followed.unsubscribed:
                await view.follow(self.conversation)

    async def members(self) -> set[str]:
        page = await self.owner.rpc("conversation.members.list", conversation=self.conversation)
        return {each["user"] for each in page["members"]}

    async def agreed(self) -> bool:
        """Whether every device shows what the others of its user show, and what is kept."""
        members = await self.members()
        kept = await self.owner.rpc("conversation.history", conversation=self.conversation, limit=200)
        for own, views in zip(self.devices, self.views, strict=True):
            listed = [await self._listed(each) for each in own]
            if listed[0] != listed[1] or (listed[0] is None) != (own[0].user not in members):
                return False
            if listed[0] is None:
                continue
            read, unread = listed[0]
            if unread != sum(each["seq"] > read for each in kept["messages"]):
                return False
            shown = [each.standing for each in views if each.subscription and not each.followed.unsubscribed]
            if any(each != (read, unread) for each in shown):
                return False
        return True

    async def _listed(self, device: Official) -> tuple[int, int] | None:
        for each in (await device.rpc("conversation.list", limit=500))["conversations"]:
            if each["id"] == self.conversation:
                return each["read"], each["unread"]
        return None

    async def end(self) -> None:
        for views in self.views:
            for view in views:
                await view.forget()
        await self.owner.rpc("conversation.delete", conversation=self.conversation)


@pytest.fixture(scope="module")
def stage(house: WholeHouse) -> Iterator[tuple[asyncio.Runner, list[list[Official]]]]:
    """Three users with two devices each, one on each server, and the loop they live on."""
    with asyncio.Runner() as runner:
        users = [fresh_user(name) for name in ("ann", "bob", "cleo")]

        def device(user: str, server: int) -> Official:
            return Official(house.address(server), lambda: house.token(user, ttl_s=3600), user)

        async def come() -> list[list[Official]]:
            return [[await device(user, server).connect() for server in SERVERS] for user in users]

        devices = runner.run(come())
        try:
            yield runner, devices
        finally:
            for own in devices:
                for each in own:
                    runner.run(each.leave())


@pytest.mark.slow
@settings(
    max_examples=100,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(at_once, min_size=1, max_size=4))
def test_all_devices_agree_whatever_is_done_at_once(
    stage: tuple[asyncio.Runner, list[list[Official]]], steps: list[list[Deed]]
) -> None:
    runner, devices = stage

    async def play() -> None:
        talk = Play(devices)
        await talk.begin()
        for some in steps:
            await talk.together(some)
        await eventually(talk.agreed, within_s=20)
        await talk.end()

    runner.run(play())


@pytest.mark.slow
@pytest.mark.parametrize("deaf_to", ["receipt.read", "message.created"])
def test_a_device_that_does_not_hear_of_it_is_caught(
    stage: tuple[asyncio.Runner, list[list[Official]]], deaf_to: str
) -> None:
    """The same check, of devices that do not take one kind of event: they never agree."""
    runner, devices = stage

    async def play() -> None:
        talk = Play(devices, deaf_to=deaf_to)
        await talk.begin()
        await talk.together([("say", 0, 0, 1)])
        await talk.together([("say", 0, 1, 1)])
        await talk.together([("read", 1, 0, 1)])
        follower = talk.views[1][1].followed
        await eventually(lambda: follower.events("receipt.read"), within_s=10)
        assert not await talk.agreed()
        for views in talk.views:
            for view in views:
                view.deaf_to = ""
        assert await talk.agreed()
        await talk.end()

    runner.run(play())
