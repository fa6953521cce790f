"""A copy of all data of one server, as a new replica gets it: the replication protocol's SYNC.

Called by `continuo backup`. The server forks and sends its data as of that moment, by its length or, straight
from memory, up to a mark that it names first. Must never be given the master while a replica could be: the
fork and the sending are work. The server's user needs `+sync +replconf` beside what services need.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from services.shared.bus.examine import OPEN, Access, Address, UnansweredError

SILENCE_S = 60.0
"""A server that prepares its data says so every second; one that says nothing for so long is gone."""
CHUNK = 1 << 20
_MARKED = b"$EOF:"
_MARK_BYTES = 40
_ASKS = (("REPLCONF", "rdb-only", "1"), ("REPLCONF", "capa", "eof"))

Take = Callable[[bytes], object]


async def copied(server: Address, access: Access = OPEN, *, take: Take) -> int:
    """Hand the server's data to `take`, piece by piece; how many bytes. Raises UnansweredError, also when it
    broke off: then what was taken is no copy.
    """
    async with _connected(server) as (reader, writer):
        for command in (*_known_as(access), *_ASKS):
            await _asked(reader, writer, *command)
        writer.write(_packed("SYNC"))
        header = await _line(reader)
        while not header:  # an empty line now and then means that it is still at work
            header = await _line(reader)
        if header.startswith(_MARKED):
            return await _until_mark(reader, header.removeprefix(_MARKED), take)
        if header[:1] == b"$" and header[1:].isdigit():
            return await _so_many(reader, int(header[1:]), take)
        raise UnansweredError(f"SYNC was answered with {header.decode(errors='replace')}")


@asynccontextmanager
async def _connected(server: Address) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    where = f"{server[0]}:{server[1]}"
    try:
        async with asyncio.timeout(SILENCE_S):
            reader, writer = await asyncio.open_connection(*server, limit=CHUNK)
        try:
            yield reader, writer
        finally:
            writer.close()
    except TimeoutError as silent:
        raise UnansweredError(f"{where}: said nothing for {SILENCE_S:.0f} s") from silent
    except (OSError, asyncio.IncompleteReadError, ValueError) as error:
        raise UnansweredError(f"{where}: broke off: {error}") from error
    except UnansweredError as error:
        raise UnansweredError(f"{where}: {error}") from error


def _known_as(access: Access) -> list[tuple[str, ...]]:
    if access.password is None:
        return []
    return [("AUTH", access.username, access.password) if access.username else ("AUTH", access.password)]


async def _asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *command: str) -> None:
    writer.write(_packed(*command))
    answer = await _line(reader)
    if not answer.startswith(b"+"):
        raise UnansweredError(f"{command[0]} was answered with {answer.decode(errors='replace')}")


def _packed(*command: str) -> bytes:
    parts = [part.encode() for part in command]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


async def _line(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(SILENCE_S):
        line = await reader.readline()
    if not line.endswith(b"\n"):
        raise UnansweredError("it hung up")
    return line.rstrip(b"\r\n")


async def _some(reader: asyncio.StreamReader, most: int) -> bytes:
    async with asyncio.timeout(SILENCE_S):
        piece = await reader.read(most)
    if not piece:
        raise UnansweredError("it hung up in the middle of its data")
    return piece


async def _so_many(reader: asyncio.StreamReader, size: int, take: Take) -> int:
    left = size
    while left:
        piece = await _some(reader, min(left, CHUNK))
        take(piece)
        left -= len(piece)
    return size


async def _until_mark(reader: asyncio.StreamReader, mark: bytes, take: Take) -> int:
    """The data end with the mark: a server that was asked for its data only sends nothing behind it."""
    if len(mark) != _MARK_BYTES:
        raise UnansweredError(f"its mark is {len(mark)} bytes long")
    size, held = 0, b""
    while held[-_MARK_BYTES:] != mark:
        held += await _some(reader, CHUNK)
        if len(held) > _MARK_BYTES and held[-_MARK_BYTES:] != mark:
            take(held[:-_MARK_BYTES])
            size += len(held) - _MARK_BYTES
            held = held[-_MARK_BYTES:]
    take(held[:-_MARK_BYTES])
    return size + len(held) - _MARK_BYTES
