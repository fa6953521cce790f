"""A connection process that ends while its peers or its own drain do not do their part: real processes and
sockets.
"""

import asyncio
import contextlib
import signal
import socket
from pathlib import Path

import pytest

from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.events import MessageCreated
from services.shared.model.ids import UserId
from tests.support.door import Device, narrow_socket
from tests.support.draining import LONG, all_sent_away, arrived, pod
from tests.support.odd_door import OddPod
from tests.support.waiting import eventually

COUNT, SIZE = 110, 80_000
"""Publications for a reader that does not read: more than a kernel keeps for one socket."""
ROOMY = {"CONTINUO_OUTBOX_BYTES": str(1 << 26), "CONTINUO_DRAIN_S": LONG, "CONTINUO_PING_S": "600"}

PAGE = b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n"
UPGRADE = (
    b"GET /connection/websocket HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
    b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


async def asked(port: int, request: bytes) -> socket.socket:
    """A socket on which this request was answered, and that says nothing more."""
    made = socket.create_connection(("127.0.0.1", port))
    made.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(made, request)
    assert await loop.sock_recv(made, 4096)
    return made


async def all_of(peer: socket.socket) -> bytes:
    """What comes until its end, however that comes."""
    got, loop = b"", asyncio.get_running_loop()
    with contextlib.suppress(ConnectionResetError):
        while piece := await loop.sock_recv(peer, 4096):
            got += piece
    return got


async def poured(bus: Bus, user: str) -> None:
    """Have so much come for a user, in some order."""

    async def one(number: int) -> None:
        event = MessageCreated(conversation="c", message=f"{user}-{number}", user="u", text="x" * SIZE)
        await bus.journal.append_user(UserId(user), event, once=f"{user}-{number}")

    await asyncio.gather(*(one(number) for number in range(COUNT)))


def heard(device: Device) -> list[str]:
    return [push["pub"]["data"]["message"] for push in device.pushes if "pub" in push]


def kernel_bytes() -> int:
    """The most that a kernel keeps of what one socket has to send."""
    return int(Path("/proc/sys/net/ipv4/tcp_wmem").read_text().split()[2])


async def stopped_reading(device: Device, reader: Device, bus: Bus, user: str) -> None:
    """Much has come for both, which are one user's: the reader has all of it, the device nothing."""
    device.connection.transport.pause_reading()
    pouring = asyncio.create_task(poured(bus, user))
    await reader.events(f"#{user}", COUNT)
    await pouring


@pytest.mark.slow
async def test_what_waits_for_a_slow_reader_is_sent_before_it_is_told_to_go(
    redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    """Far more than the kernel holds waits for it in the process, and comes in order, before the 3001."""
    assert 2 * kernel_bytes() < COUNT * SIZE
    async with pod(redis, tmp_path, **ROOMY) as door:
        reader, narrow = await door.arrive("slow", max_size=None), narrow_socket(door.port)
        slow = await door.arrive("slow", sock=narrow, max_queue=1)
        await stopped_reading(slow, reader, bus, "slow")
        door.child.signal(signal.SIGTERM)
        await all_sent_away([reader])
        await eventually(lambda: "drain moved" in door.log() and '"gone"' in door.log())
        narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
        slow.connection.transport.resume_reading()
        await all_sent_away([slow])
        assert heard(slow) == heard(reader)
        assert len(set(heard(slow))) == COUNT
        assert await door.exits_well()


@pytest.mark.slow
async def test_who_never_reads_and_who_never_says_goodbye_hold_nobody(
    redis: EmbeddedRedis, bus: Bus, tmp_path: Path
) -> None:
    """One whose transport is full to the end, one that leaves the close frame unanswered, one that asks for a
    page and stays: the process is gone long before its drain's time, and the polite device at once.
    """
    async with pod(redis, tmp_path, **ROOMY) as door:
        reader = await door.arrive("stuck", max_size=None)
        stuck = await door.arrive("stuck", sock=narrow_socket(door.port), max_queue=1)
        (polite,) = await arrived(door, 1)
        with await asked(door.port, PAGE), await asked(door.port, UPGRADE) as deaf:
            await stopped_reading(stuck, reader, bus, "stuck")
            door.child.signal(signal.SIGTERM)
            await all_sent_away([polite, reader])
            assert (await all_of(deaf)).endswith(b"\x88\x0a\x0b\xb9shutdown"), (
                "3001, and the end without an answer"
            )
            assert await door.exits_well()
        stuck.connection.transport.resume_reading()
        with pytest.raises(AssertionError, match="cut without a close frame"):
            await stuck.closed()


async def test_where_the_drain_itself_breaks_everybody_is_told_all_the_same_and_the_process_ends(
    redis: EmbeddedRedis, tmp_path: Path
) -> None:
    """It is a crash, and nobody can pace any more: whoever is left is told at once."""
    async with OddPod(redis, tmp_path, CONTINUO_PROPAGATION_S="1", CONTINUO_DRAIN_S=LONG) as door:
        devices = await arrived(door, 10)
        door.child.signal(signal.SIGTERM)
        await all_sent_away(devices)
        assert await door.child.ended(20)
        assert door.child.exit_code == 1
        assert '"task": "drain"' in door.log() or '"task":"drain"' in door.log()


async def test_where_the_drain_breaks_under_the_operators_word_the_process_ends_by_itself(
    redis: EmbeddedRedis, tmp_path: Path
) -> None:
    """No signal comes: a process that cannot be emptied does not live on cordoned."""
    async with OddPod(redis, tmp_path, CONTINUO_DRAIN_S=LONG) as door:
        devices = await arrived(door, 10)
        await door.ask("/drain", plan="p1", within_s=60)
        await all_sent_away(devices)
        assert await door.child.ended(20)
        assert door.child.exit_code == 1


async def test_two_signals_at_once_are_two(redis: EmbeddedRedis, tmp_path: Path) -> None:
    """The second comes before the drain was told; no lame duck, and half of the time."""
    settings = {"CONTINUO_PROPAGATION_S": "200", "CONTINUO_POD_RATE": "0.1", "CONTINUO_DRAIN_S": "6"}
    async with pod(redis, tmp_path, **settings) as door:
        devices = await arrived(door, 10)
        door.child.freeze()
        for number in (signal.SIGTERM, signal.SIGINT):
            door.child.signal(number)
        door.child.thaw()
        await all_sent_away(devices)
        assert "told to stop twice" in door.log()
        assert await door.exits_well()
