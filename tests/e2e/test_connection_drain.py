"""A connection process that ends or is emptied, as devices and the operator see it: real processes and
sockets, official clients among them.
"""

import asyncio
import signal
import urllib.error
from pathlib import Path

import pytest

from services.local.device import new_id
from services.local.embedded import EmbeddedRedis
from services.local.probe import status_of
from services.shared.bus.house import Bus
from services.shared.model.ids import ConversationId, UserId
from tests.support.door import page_of
from tests.support.draining import LONG, Pod, all_sent_away, arrived, pod
from tests.support.official_client import Official
from tests.support.waiting import eventually


async def test_a_lame_duck_serves_late_handshakes_and_then_sends_all_away(
    redis: EmbeddedRedis, tmp_path: Path
) -> None:
    settings = {"CONTINUO_PROPAGATION_S": "2", "CONTINUO_DRAIN_S": LONG}
    async with pod(redis, tmp_path, **settings) as door:
        devices = await arrived(door, 5)
        door.child.signal(signal.SIGTERM)
        await eventually(lambda: door.says(state="lame_duck"))
        late = await door.arrive("late")
        assert (await late.ask(rpc={"method": "conversation.list", "data": {}}))["rpc"]
        assert await door.status("/readyz") == 200
        await all_sent_away([*devices, late])
        assert await door.exits_well()


async def test_a_cordoned_process_refuses_newcomers_empties_itself_and_goes_back(
    redis: EmbeddedRedis, tmp_path: Path
) -> None:
    async with pod(redis, tmp_path) as door:
        devices = await arrived(door, 5)
        assert await door.says(state="serving", connections=5, redis=True, capacity=0, plan=None)
        code, status = await door.ask("/drain", plan="p1", within_s=60)
        assert (code, status["cordoned"], status["plan"]) == (200, True, "p1")
        assert await door.refuses()
        await all_sent_away(devices)
        await eventually(lambda: door.says(state="emptied", connections=0, closed=5))
        assert await door.status("/readyz") == 503
        assert (await door.ask("/undrain", plan="p2"))[0] == 409
        assert (await door.ask("/undrain", plan="p1"))[1]["state"] == "serving"
        assert await door.status("/readyz") == 200
        back = await door.arrive("user-0")
        assert await door.metric('continuo_handshakes_refused_total{why="cordoned"} 1.0')
        door.child.signal(signal.SIGTERM)
        await all_sent_away([back])
        assert await door.exits_well()


async def test_a_cordoned_process_that_is_told_to_end_is_no_lame_duck(
    redis: EmbeddedRedis, tmp_path: Path
) -> None:
    settings = {"CONTINUO_PROPAGATION_S": LONG, "CONTINUO_POD_RATE": "1", "CONTINUO_DRAIN_S": LONG}
    async with pod(redis, tmp_path, **settings) as door:
        devices = await arrived(door, 4)
        await door.ask("/drain", plan="p1", within_s=200)
        door.child.signal(signal.SIGTERM)

        async def ends() -> bool:
            return float((await door.status_now())["deadline_s"]) <= float(LONG)

        await eventually(ends)
        assert await door.refuses()
        assert (await door.ask("/undrain", plan="p1"))[0] == 409
        door.child.signal(signal.SIGTERM)
        await all_sent_away(devices)
        assert await door.exits_well()


async def test_a_second_signal_hurries_and_nobody_is_cut(redis: EmbeddedRedis, tmp_path: Path) -> None:
    """A rate so small that only the deadline sends anybody away; told twice, half of it must do."""
    settings = {"CONTINUO_POD_RATE": "0.1", "CONTINUO_DRAIN_S": "6"}
    async with pod(redis, tmp_path, **settings) as door:
        devices = await arrived(door, 20)
        door.child.signal(signal.SIGTERM)
        await eventually(lambda: door.says(state="draining"))
        before = await door.status_now()
        door.child.signal(signal.SIGTERM)
        await eventually(lambda: "told to stop twice" in door.log())
        after = await door.status_now()
        assert after["deadline_s"] <= before["deadline_s"] / 2
        await all_sent_away(devices)
        assert await door.exits_well()


async def test_the_deadline_wins_over_a_fleets_rate_that_is_too_small(
    redis: EmbeddedRedis, tmp_path: Path
) -> None:
    settings = {"CONTINUO_FLEET_RATE": "0.5", "CONTINUO_FLEET": tmp_path.name[:60], "CONTINUO_DRAIN_S": "2"}
    async with pod(redis, tmp_path, **settings) as door:
        devices = await arrived(door, 30)
        door.child.signal(signal.SIGTERM)
        await all_sent_away(devices)
        assert await door.exits_well()


async def test_a_command_in_flight_is_answered_before_its_device_goes(
    redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    """Redis' replicas sleep, so an acceptance waits; the word to end comes meanwhile."""
    async with pod(redis, tmp_path, CONTINUO_DRAIN_S=LONG) as door:
        sender, idle = await door.arrive("ann"), await door.arrive("bob")
        conversation = new_id()
        await bus.conversations.create(ConversationId(conversation), UserId("ann"))
        asleep = [
            redis.child(name) for name in redis.names if name.startswith("redis") and name != redis.master
        ]
        for each in asleep:
            each.freeze()
        sent = {"conversation": conversation, "id": new_id(), "text": "the last word"}
        number = await sender.begin(rpc={"method": "conversation.send", "data": sent})
        await bus_holds(bus, conversation, sent["id"])
        door.child.signal(signal.SIGTERM)
        assert await idle.closed() == (3001, "shutdown")
        for each in asleep:
            each.thaw()
        while (line := await sender.line()).get("id") != number:
            pass
        assert "error" not in line
        assert await sender.closed() == (3001, "shutdown")
        assert await door.exits_well()


async def bus_holds(bus: Bus, conversation: str, message: str) -> None:
    """Wait until the master has the message, acknowledged or not."""
    key = bus.floor.keys.conversation(ConversationId(conversation)).message(message)

    async def there() -> bool:
        return bool(await bus.floor.commands.exists(key))

    await eventually(there)


async def test_official_clients_move_once_and_miss_nothing(redis: EmbeddedRedis, tmp_path: Path) -> None:
    """Two processes; one is drained while they talk. Each client is told once and goes on elsewhere."""
    settings = {"CONTINUO_POD_RATE": "10", "CONTINUO_DRAIN_S": LONG}
    async with pod(redis, tmp_path / "old", **settings) as old, pod(redis, tmp_path / "new") as new:
        watcher = await Official(new.address, lambda: new.token("user-0")).connect()
        conversation = await watcher.create(*(f"user-{number}" for number in range(1, 6)))
        movers = [
            await Official(old.address, lambda n=number: old.token(f"user-{n}")).connect()
            for number in range(1, 6)
        ]
        follows = [(await mover.follow(conversation))[1] for mover in movers]
        old.child.signal(signal.SIGTERM)
        for mover in movers:
            mover.client._address = new.address  # where a Service would send it now
        for number in range(10):
            await watcher.send(conversation, f"word {number}")
        await eventually(lambda: all(len(each.noted.connected) == 2 for each in movers), within_s=15)
        await eventually(lambda: all(len(each.said()) == 10 for each in follows), within_s=15)
        assert [each.noted.connecting[1:] for each in movers] == [[3001]] * 5
        assert all(each.said() == [f"word {number}" for number in range(10)] for each in follows)
        assert await old.exits_well()
        for each in (watcher, *movers):
            await each.leave()


async def test_pages_have_a_port_of_their_own_where_one_is_set(redis: EmbeddedRedis, tmp_path: Path) -> None:
    async with Pod(redis, tmp_path, own_pages=True) as door:
        assert await page_of(door.pages, "/readyz") == "ready"
        assert "continuo_connections" in await page_of(door.pages, "/metrics")
        for page in ("/livez", "/readyz", "/health", "/metrics"):
            assert await status_of(door.port, page) == 404
        await door.arrive("ann")


async def test_the_admin_port_is_closed_without_a_file_of_tokens(
    redis: EmbeddedRedis, tmp_path: Path
) -> None:
    async with pod(redis, tmp_path, CONTINUO_ADMIN_TOKEN_FILE="") as door:
        with pytest.raises(urllib.error.URLError):
            await door.ask("/status")


async def test_who_says_half_of_what_it_wants_at_the_admin_port_is_cut(
    redis: EmbeddedRedis, tmp_path: Path
) -> None:
    async with pod(redis, tmp_path, CONTINUO_STALE_S="0.5") as door:
        for half in (b"GET /sta", b"POST /drain HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n{"):
            reader, writer = await asyncio.open_connection("127.0.0.1", door.admin)
            writer.write(half)
            async with asyncio.timeout(20):
                await reader.read()
            writer.close()
        assert (await door.ask("/status"))[0] == 200
