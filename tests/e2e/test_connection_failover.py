"""Redis fails over beneath a connection process: nobody is cut off, nothing lost, repeated or made up."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from centrifuge import OperationTimeoutError, ReplyError

from services.local.device import new_id
from services.local.embedded import EmbeddedRedis
from services.shared.bus import examine
from services.shared.bus.house import Bus
from services.shared.model.errors import Temporary
from services.shared.model.events import ConversationUpdated
from services.shared.model.ids import ConversationId, MessageId, UserId
from tests.chaos.links import Links, redis_behind
from tests.support.door import Door
from tests.support.official_client import Followed, Official
from tests.support.open_bus import fresh_id, open_bus
from tests.support.waiting import eventually

HOUSE = Path(__file__).parents[2]


@pytest.mark.parametrize("fault", ["kill", "freeze"])
async def test_a_failover_moves_the_channels_and_disconnects_nobody(tmp_path: Path, fault: str) -> None:
    """Conversations are subscribed again (2500) and recover; the user's own channel goes on by a push."""
    async with (
        EmbeddedRedis(tmp_path / "redis") as redis,
        Door(redis, tmp_path / "door") as door,
        open_bus(redis) as bus,
    ):
        device = await Official(door.address, lambda: door.token("ann")).connect()
        conversation = await device.create()
        _, followed = await device.follow(conversation)
        said = [await _say(bus, conversation, f"before {number}") for number in range(3)]
        await _tell(bus, "before")
        lost = redis.master
        (redis.kill if fault == "kill" else redis.freeze)(lost)
        said += [await _say(bus, conversation, f"through {number}") for number in range(3)]
        await _tell(bus, "after")
        assert redis.master != lost
        said += [await _say(bus, conversation, f"after {number}") for number in range(3)]
        await eventually(lambda: followed.said() == said, within_s=20)
        await eventually(lambda: _told(device) == ["before", "after"], within_s=20)
        assert followed.offsets() == sorted(set(followed.offsets()))
        assert [each.recovered for each in followed.subscribed[1:]] == [True]
        assert (device.noted.connecting, device.noted.disconnected) == ([0], []), door.log()
        _all_in_one_epoch_after(followed)
        await device.client.disconnect()


@pytest.mark.slow
async def test_a_planned_failover_is_a_pause_to_a_device_and_no_error(tmp_path: Path) -> None:
    async with EmbeddedRedis(tmp_path / "redis") as redis, Door(redis, tmp_path / "door") as door:
        device = await Official(door.address, lambda: door.token("ann")).connect()
        conversation = await _without_agents(redis)
        _, followed = await device.follow(conversation)
        async with _sending(device, conversation) as outbox:
            lost = redis.master
            command = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "services.local", "failover", "--sentinels", redis.sentinels),
                cwd=HOUSE,
                stdout=asyncio.subprocess.PIPE,
            )
            told, _ = await command.communicate()
            assert command.returncode == 0, told.decode()
            assert redis.master != lost
            await outbox.goes_on()
        await eventually(lambda: followed.said() == outbox.sent, within_s=20)
        assert outbox.errors == []
        assert (device.noted.connecting, device.noted.disconnected) == ([0], []), door.log()
        await device.client.disconnect()


@pytest.mark.slow
@pytest.mark.parametrize("reached", ["by nobody", "by services"])
async def test_an_isolated_master_costs_devices_a_pause_and_acknowledges_nothing(
    tmp_path: Path, reached: str
) -> None:
    """Also where services still reach it and only replicas and Sentinels do not."""
    async with (
        Links() as links,
        redis_behind(links, tmp_path / "redis") as redis,
        Door(redis, tmp_path / "door") as door,
    ):
        await links.know("door", door.child.pid)
        device = await Official(door.address, lambda: door.token("ann")).connect()
        conversation = await _without_agents(redis)
        _, followed = await device.follow(conversation)
        async with _sending(device, conversation) as outbox:
            lost = redis.master
            await _isolate(links, lost, "*" if reached == "by nobody" else "[rs]e*-*")
            await eventually(lambda: redis.master != lost, within_s=20)
            await outbox.goes_on()
            await links.heal()
            await eventually(lambda: _follows(redis, lost), within_s=40)
            await outbox.goes_on()
        await eventually(lambda: followed.said() == outbox.sent, within_s=20)
        assert followed.offsets() == sorted(set(followed.offsets()))
        assert [each.recovered for each in followed.subscribed[1:]] == [True]
        assert {error.code for error in outbox.errors if isinstance(error, ReplyError)} <= {100}
        assert (device.noted.connecting, device.noted.disconnected) == ([0], []), door.log()
        await device.client.disconnect()


async def _without_agents(redis: EmbeddedRedis) -> str:
    """A conversation of people only: nobody works here, and no turn is to pile up."""
    conversation = fresh_id()
    async with open_bus(redis) as bus:
        await bus.conversations.create(ConversationId(conversation), UserId("ann"), agents=())
    return conversation


async def _isolate(links: Links, name: str, others: str) -> None:
    await links.cut(others, name)
    await links.cut(name, "*")


async def _follows(redis: EmbeddedRedis, name: str) -> bool:
    try:
        said = await examine.replication(redis.address(name))
    except examine.UnansweredError:  # a Sentinel that demotes a master ends its clients
        return False
    return said.role == "slave" and said.link_up


@dataclass
class Outbox:
    """Messages sent one after the other, each again by its id until it is acknowledged."""

    device: Official
    conversation: str
    sent: list[str] = field(default_factory=list)
    errors: list[Exception] = field(default_factory=list)
    over: bool = False

    async def send_on(self) -> None:
        while not self.over:
            text, message = f"message {len(self.sent)}", new_id()
            while not await self._sent(message, text):
                pass
            self.sent.append(text)

    async def _sent(self, message: str, text: str) -> bool:
        try:
            await self.device.rpc("conversation.send", conversation=self.conversation, id=message, text=text)
        except (ReplyError, OperationTimeoutError) as error:
            if isinstance(error, ReplyError) and not error.temporary:
                raise
            self.errors.append(error)
            return False
        return True

    async def goes_on(self) -> None:
        so_far = len(self.sent)
        await eventually(lambda: len(self.sent) > so_far + 20, within_s=90)


@asynccontextmanager
async def _sending(device: Official, conversation: str) -> AsyncIterator[Outbox]:
    outbox = Outbox(device, conversation)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(outbox.send_on())
        await outbox.goes_on()
        try:
            yield outbox
        finally:
            outbox.over = True


async def _say(bus: Bus, conversation: str, text: str) -> str:
    """Send until it is accepted, as clients do: the message id makes repeats harmless."""
    message = MessageId(fresh_id())
    async with asyncio.timeout(40):
        while True:
            try:
                await bus.messages.accept(ConversationId(conversation), UserId("ann"), message, text)
            except Temporary:
                continue
            return text


async def _tell(bus: Bus, title: str) -> None:
    """An event in the user's own channel."""
    event = ConversationUpdated(conversation="c", title=title)
    async with asyncio.timeout(40):
        while True:
            try:
                await bus.journal.append_user(UserId("ann"), event, once=title)
            except Temporary:
                continue
            return


def _told(device: Official) -> list[str]:
    data = [publication.pub.data for publication in device.noted.publications]
    return [each["title"] for each in data if each["type"] == "conversation.updated"]


def _all_in_one_epoch_after(followed: Followed) -> None:
    epochs = [each.stream_position.epoch for each in followed.subscribed if each.stream_position]
    assert len(set(epochs)) == len(epochs) == 2
