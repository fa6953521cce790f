"""Who is sent away is gone from every server, as the official client sees it, and nobody else is."""

import asyncio
import sys
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from services.shared.wire.codes import Disconnect
from tests.support.official_client import Official
from tests.support.waiting import eventually
from tests.support.whole_house import WholeHouse

Come = Callable[..., Awaitable[Official]]
WELL_WITHIN_S = 10.0
"""It takes far less than a second; a busy machine is no failure."""


def somebody(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:8]}"


@pytest.fixture
async def come(house: WholeHouse) -> AsyncIterator[Come]:
    """Connect a device with a token of these claims."""
    async with AsyncExitStack() as leaving:

        async def come(user: str, server: int = 0, **claims: object) -> Official:
            device = Official(house.address(server), lambda: house.token(user, **claims))
            await device.client.connect()
            leaving.push_async_callback(device.leave)
            await eventually(lambda: device.noted.connected or device.noted.disconnected, WELL_WITHIN_S)
            return device

        yield come


async def typed(house: WholeHouse, *words: str) -> str:
    """What `continuo` said; it ended well."""
    command = [sys.executable, "-m", "services.local", *words, "--sentinels", house.redis.sentinels]
    running = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-2)
    said, _ = await running.communicate()
    assert running.returncode == 0, said.decode()
    return said.decode()


async def ended(device: Official, why: Disconnect) -> None:
    await eventually(lambda: device.noted.disconnected == [why.code], WELL_WITHIN_S)


async def test_a_users_old_tokens_end_on_every_server_and_a_new_one_is_taken(house: WholeHouse, come: Come):
    ann, bob, before = somebody("ann"), somebody("bob"), time.time() - 60
    olds = [await come(ann, server, iat=before) for server in (0, 1)]
    undated = await come(ann, iat=None)
    others = [await come(bob, server, iat=before) for server in (0, 1)]
    said = await typed(house, "revoke", "--user", ann, "--before", str(int(time.time()) - 30))
    assert said.startswith(f"revoked: tokens of {ann} issued before ")
    for device in (*olds, undated):
        await ended(device, Disconnect.INVALID_TOKEN)
    for server in (0, 1):
        assert (await come(ann, server, iat=before)).noted.disconnected == [Disconnect.INVALID_TOKEN.code]
        assert (await come(ann, server)).noted.connected
    for device in others:
        await device.rpc("conversation.list")
        assert not device.noted.disconnected


async def test_one_token_is_revoked_by_its_id_and_the_users_others_stay(house: WholeHouse, come: Come):
    ann = somebody("ann")
    lost, kept = uuid.uuid4().hex, uuid.uuid4().hex
    stolen = [await come(ann, server, jti=lost) for server in (0, 1)]
    own = await come(ann, jti=kept)
    assert await typed(house, "revoke", "--token", lost) == f"revoked: token {lost}\n"
    for device in stolen:
        await ended(device, Disconnect.INVALID_TOKEN)
    assert (await come(ann, 1, jti=lost)).noted.disconnected == [Disconnect.INVALID_TOKEN.code]
    await own.rpc("conversation.list")
    assert not own.noted.disconnected


async def test_a_refresh_with_a_revoked_token_ends_the_connection(house: WholeHouse, come: Come):
    ann, first, second = somebody("ann"), uuid.uuid4().hex, uuid.uuid4().hex
    tokens = [house.token(ann, ttl_s=3, jti=first), house.token(ann, jti=second)]
    await typed(house, "revoke", "--token", second)
    device = Official(house.address(), lambda: tokens[min(device.tokens - 1, 1)])
    await device.client.connect()  # on a busy machine the first one is over before it is shown
    try:
        await ended(device, Disconnect.INVALID_TOKEN)
        assert device.tokens == 2
    finally:
        await device.leave()


@pytest.mark.parametrize(
    ("words", "why"), [((), Disconnect.FORCED), (("--reconnect",), Disconnect.RECONNECT)]
)
async def test_a_user_is_disconnected_everywhere_and_nobody_else(
    house: WholeHouse, come: Come, words: tuple[str, ...], why: Disconnect
):
    ann, bob = somebody("ann"), somebody("bob")
    anns, other = [await come(ann, server) for server in (0, 1)], await come(bob)
    assert ann in await typed(house, "disconnect", ann, *words)
    for device in anns:
        if why.reconnects:
            await eventually(lambda device=device: len(device.noted.connected) == 2, WELL_WITHIN_S)
            assert why.code in device.noted.connecting
        else:
            await ended(device, why)
    assert (await come(ann)).noted.connected, "the token is as good as before"
    await other.rpc("conversation.list")
    assert not other.noted.disconnected


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["revoke", "--user", "no body"], "user: 'no body' is not a user id"),
        (["revoke", "--token", "two words"], "token: a token's id is 1 to 128 visible ASCII characters"),
        (["revoke", "--user", "ann", "--before", "9999999999"], "issued_before: a time that is over"),
        (["revoke", "--user", "ann", "--before", "soon"], "'soon' is no time"),
        (["revoke", "--token", "x", "--before", "1"], "--before goes with --user"),
        (["revoke"], "one of the arguments --token --user is required"),
        (["disconnect", "no body"], "user: 'no body' is not a user id"),
    ],
)
async def test_what_cannot_be_meant_is_named(house: WholeHouse, words: list[str], said: str):
    command = [sys.executable, "-m", "services.local", *words, "--sentinels", house.redis.sentinels]
    running = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-2)
    told, _ = await running.communicate()
    assert running.returncode in {1, 2}
    assert said in told.decode()
    assert "Traceback" not in told.decode()
