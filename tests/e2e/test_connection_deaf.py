"""A connection process hears nothing of what is published, while its sockets stay open and its commands are
answered.
"""

from pathlib import Path
from typing import Any

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.events import ConversationUpdated
from services.shared.model.ids import UserId
from tests.support.deaf_link import DeafLink
from tests.support.door import Door
from tests.support.official_client import Followed, Official
from tests.support.open_bus import fresh_id, fresh_user
from tests.support.waiting import eventually

NOTICED_S = 5.0
"""What is promised: from the first thing unheard to its repair, and to the word on the pages."""


async def test_a_deaf_pod_notices_in_5_s_says_so_and_brings_its_devices_everything_from_the_journal(
    redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    async with (
        DeafLink(redis) as link,
        Door(redis, tmp_path, CONTINUO_REDIS_SENTINELS=link.sentinels) as door,
    ):
        device, conversation, followed = await _following(door)
        await _say(bus, device, conversation, "heard")
        await eventually(lambda: followed.said() == ["heard"])
        link.deafen()
        for round_ in ("first", "second"):
            await _say(bus, device, conversation, round_)
            await _tell(bus, device, round_)
            await eventually(lambda: [*followed.said()[-1:], *_told(device)[-1:]] == [round_] * 2, NOTICED_S)  # noqa: B023
        assert await eventually(lambda: door.metric("continuo_feed_deaf 1.0"), NOTICED_S)
        assert (await door.checks())["feed"] == {"ok": False, "hearing": False, "silent_s": _Any()}
        assert await eventually(lambda: _silent_for(door, 15.0), 30)
        assert await door.status("/readyz") == 200, "the only pod of a fleet stays ready"
        assert not await door.metric("continuo_feeds_deaf_total 0.0")

        link.heal()
        await eventually(lambda: door.metric("continuo_feed_deaf 0.0"), NOTICED_S)
        await _say(bus, device, conversation, "third")
        await eventually(lambda: followed.said() == ["heard", "first", "second", "third"])
        assert _told(device) == ["first", "second"]
        _nobody_had_to_do_anything(device, followed)
        assert (await door.checks())["feed"]["ok"]
        await device.leave()


async def test_a_pod_that_alone_stays_deaf_becomes_unready_and_is_ready_as_soon_as_it_hears_or_all_are_deaf(
    redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    async with (
        DeafLink(redis) as link,
        DeafLink(redis) as other_link,
        Door(redis, tmp_path / "a", CONTINUO_REDIS_SENTINELS=link.sentinels) as door,
        Door(redis, tmp_path / "b", CONTINUO_REDIS_SENTINELS=other_link.sentinels) as other,
    ):
        device, conversation, followed = await _following(door)
        link.deafen()
        assert await eventually(lambda: _ready(door, False), 30)
        assert (await door.checks())["ears"] == {"ok": False, "others_hearing": 1, "others_deaf": 0}
        assert await _ready(other, True)
        assert "deaf among neighbours that hear" in door.log()
        await _say(bus, device, conversation, "unready")
        await eventually(lambda: followed.said() == ["unready"], NOTICED_S)

        other_link.deafen()  # now nobody hears
        assert await eventually(lambda: _ready(door, True), 15)
        assert await eventually(lambda: _silent_for(other, 15.0), 30)
        assert await _ready(other, True)
        assert await _ready(door, True)

        other_link.heal()
        assert await eventually(lambda: _ready(door, False), 15)
        link.heal()
        assert await eventually(lambda: _ready(door, True), NOTICED_S)
        _nobody_had_to_do_anything(device, followed)
        await device.leave()


class _Any:
    """Equal to every number."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, int | float)

    def __hash__(self) -> int:
        return 0


async def _following(door: Door) -> tuple[Official, str, Followed]:
    user = fresh_user("ann")
    device = await Official(door.address, lambda: door.token(user)).connect()
    conversation = await device.create()
    _, followed = await device.follow(conversation)
    return device, conversation, followed


def _user(device: Official) -> UserId:
    return UserId(device.noted.server_side[0].channel.removeprefix("#"))


async def _say(bus: Bus, device: Official, conversation: str, text: str) -> None:
    await bus.messages.accept(conversation, _user(device), fresh_id(), text)


async def _tell(bus: Bus, device: Official, title: str) -> None:
    event = ConversationUpdated(conversation="c", title=title)
    await bus.journal.append_user(_user(device), event, once=title)


def _told(device: Official) -> list[str]:
    data: list[Any] = [publication.pub.data for publication in device.noted.publications]
    return [each["title"] for each in data if each["type"] == "conversation.updated"]


async def _silent_for(door: Door, seconds: float) -> bool:
    return bool((await door.checks())["feed"]["silent_s"] > seconds)


async def _ready(door: Door, ready: bool) -> bool:
    return await door.status("/readyz") == (200 if ready else 503)


def _nobody_had_to_do_anything(device: Official, followed: Followed) -> None:
    """No reconnect, no unsubscribe, no second subscription."""
    assert (device.noted.connecting, device.noted.disconnected) == ([0], [])
    assert (len(followed.subscribed), followed.unsubscribed, followed.errors) == (1, [], [])
