"""Links do to bytes what they are told, at once and on what is under way too."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from services.local.servers import LOOPBACK
from tests.chaos.links import Links
from tests.support.waiting import eventually

_DIALLER = """
import socket, sys
dialled = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
dialled.sendall(b"hello\\n")
sys.stdin.read()
"""


@dataclass
class Echo:
    """A server behind a link: notes what reached it, and sends it back."""

    port: int = 0
    reached: list[bytes] = field(default_factory=list)
    accepted: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        with suppress(OSError):
            while data := await reader.read(65536):
                self.reached.append(data)
                writer.write(data)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def echo_behind(links: Links, name: str = "redis-1") -> AsyncIterator[Echo]:
    echo = Echo()
    async with await asyncio.start_server(echo.serve, LOOPBACK, 0) as server:
        echo.port = await links.stand(name, server.sockets[0].getsockname()[1])
        yield echo


@pytest.fixture
async def links() -> AsyncIterator[Links]:
    async with Links() as links:
        await links.know("us", os.getpid())
        yield links


async def _dial(echo: Echo) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(LOOPBACK, echo.port)


async def _says(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes) -> float:
    """Send a line and wait until it is back; the seconds it took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    writer.write(line)
    assert await asyncio.wait_for(reader.readexactly(len(line)), 10) == line
    return loop.time() - began


async def test_unharmed_links_carry_everything_both_ways_and_end_with_either_side(links: Links) -> None:
    async with echo_behind(links) as echo:
        reader, writer = await _dial(echo)
        much = os.urandom(8 * 1024 * 1024)
        await asyncio.gather(_says(reader, writer, much))
        assert b"".join(echo.reached) == much
        writer.write_eof()
        assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()
        await eventually(lambda: _no_link(links))


async def test_delays_apply_each_way_to_what_is_open_and_end_when_healed(links: Links) -> None:
    async with echo_behind(links) as echo:
        reader, writer = await _dial(echo)
        await _says(reader, writer, b"quick")
        delay = await links.delay("us", "redis-?", 150)
        assert await _says(reader, writer, b"late") >= 0.3
        await links.delay("somebody else", "redis-1", 5000)
        await links.delay("us", "redis-1", 50)
        assert await _says(reader, writer, b"later") >= 0.4
        await links.heal(delay)
        assert 0.1 <= await _says(reader, writer, b"less late") < 0.3
        writer.close()


async def test_a_rule_that_ends_lets_go_of_what_it_held(links: Links) -> None:
    async with echo_behind(links) as echo:
        reader, writer = await _dial(echo)
        await links.delay("us", "redis-1", 60_000)
        saying = asyncio.create_task(_says(reader, writer, b"held"))
        await eventually(lambda: _held(links, 4))
        await links.heal()
        assert await saying < 30
        writer.close()


@pytest.mark.parametrize("resets", [False, True])
async def test_a_cut_is_silent_and_heals_as_it_was_told_to(links: Links, resets: bool) -> None:
    async with echo_behind(links) as echo:
        reader, writer = await _dial(echo)
        await _says(reader, writer, b"before")
        await links.cut("us", "redis-1", resets=resets)
        writer.write(b"during")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.2)
        assert echo.reached == [b"before"]
        await links.heal()
        if resets:
            with pytest.raises(ConnectionError):
                await asyncio.wait_for(reader.readexactly(6), 5)
            assert echo.reached == [b"before"]
        else:
            assert await asyncio.wait_for(reader.readexactly(6), 5) == b"during"
        writer.close()


async def test_who_dials_into_a_cut_gets_through_when_it_heals_unless_it_gave_up(links: Links) -> None:
    async with echo_behind(links) as echo:
        await links.cut("*", "redis-1")
        patient, hasty = await _dial(echo), await _dial(echo)
        for _, writer in (patient, hasty):
            writer.write(b"dialled")
        hasty[1].close()
        await hasty[1].wait_closed()
        await eventually(lambda: _links(links, 2))
        assert echo.accepted == 0
        await links.heal()
        assert await asyncio.wait_for(patient[0].readexactly(7), 5) == b"dialled"
        await eventually(lambda: _links(links, 1))
        assert (echo.accepted, echo.reached) == (1, [b"dialled"])
        patient[1].close()


async def test_a_reset_ends_what_is_open_and_whoever_dials_again(links: Links) -> None:
    async with echo_behind(links) as echo:
        reader, writer = await _dial(echo)
        await _says(reader, writer, b"before")
        await links.reset("us", "redis-1")
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(reader.readexactly(1), 5)
        again, _ = await _dial(echo)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await asyncio.wait_for(again.readexactly(1), 5)
        await links.heal()
        reader, writer = await _dial(echo)
        await _says(reader, writer, b"after")
        writer.close()


async def test_a_slow_link_passes_so_many_bytes_a_second(links: Links) -> None:
    async with echo_behind(links) as echo:
        reader, writer = await _dial(echo)
        await links.slow("us", "redis-1", 100_000)
        assert await _says(reader, writer, os.urandom(40_000)) >= 0.3
        writer.close()


async def test_who_sends_more_than_a_cut_link_holds_is_held_back(links: Links) -> None:
    async with echo_behind(links) as echo:
        reader, writer = await _dial(echo)
        await _says(reader, writer, b"before")
        await links.cut("us", "redis-1")
        much = bytes(64 * 1024 * 1024)
        writer.write(much)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 0.3)
        await links.heal()
        reading = asyncio.create_task(reader.readexactly(len(much)))
        await asyncio.wait_for(writer.drain(), 20)
        assert await asyncio.wait_for(reading, 20) == much
        writer.close()


async def test_a_server_that_is_gone_ends_its_dialler(links: Links) -> None:
    async with echo_behind(links) as echo:
        gone = echo.port
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await _first_byte(gone)


async def _first_byte(port: int) -> bytes:
    reader, _ = await asyncio.open_connection(LOOPBACK, port)
    return await asyncio.wait_for(reader.readexactly(1), 5)


async def test_a_dialler_has_a_name_once_it_is_introduced_and_its_rules_hold_from_then_on(
    links: Links,
) -> None:
    async with echo_behind(links) as echo, _dialler(echo.port) as pid:
        await eventually(lambda: _sources(links, ["?"]))
        await links.reset("redis-2", "redis-1")
        await links.know("redis-3", 1)
        assert await _sources(links, ["?"])
        await links.know("redis-2", pid)
        await eventually(lambda: _no_link(links))


@asynccontextmanager
async def _dialler(port: int) -> AsyncIterator[int]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _DIALLER, str(port), stdin=asyncio.subprocess.PIPE
    )
    yield process.pid
    process.kill()
    await process.wait()


async def _held(links: Links, count: int) -> bool:
    return [each["held"] for each in await links.table()] == [count]


async def _links(links: Links, count: int) -> bool:
    return len(await links.table()) == count


async def _no_link(links: Links) -> bool:
    return await links.table() == []


async def _sources(links: Links, expected: list[str]) -> bool:
    return [each["source"] for each in await links.table()] == expected


async def test_a_mistaken_order_is_an_error_and_the_proxy_goes_on(links: Links) -> None:
    with pytest.raises(RuntimeError, match="unheard"):
        await links._ask("unheard")
    assert await links.table() == []
