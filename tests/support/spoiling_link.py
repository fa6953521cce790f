"""A link to a server that spoils what the server sends, from a byte on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

Spoil = Callable[[int, bytes], bytes | None]
"""Given how much came before and what comes now: what is passed on instead; None: hang up."""


@asynccontextmanager
async def spoiling_link(to: tuple[str, int], spoil: Spoil) -> AsyncIterator[tuple[str, int]]:
    """Where to dial for a link to `to` that passes everything, spoiled, for as long as the block runs."""

    links: set[asyncio.Task[None]] = set()
    ends: list[asyncio.StreamWriter] = []

    async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter, spoil: Spoil) -> None:
        before = 0
        with suppress(OSError):
            while data := await source.read(4096):
                passed = spoil(before, data)
                before += len(data)
                if passed is None:
                    break
                sink.write(passed)
                await sink.drain()
        sink.close()

    async def link(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*to)
        ends.extend((writer, far_writer))
        async with asyncio.TaskGroup() as both:
            both.create_task(carry(reader, far_writer, lambda _, data: data))
            both.create_task(carry(far_reader, writer, spoil))

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        links.add(asyncio.create_task(link(reader, writer)))

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        server.close()
        for each in links:
            each.cancel()
        await asyncio.gather(*links, return_exceptions=True)
        for end in ends:
            end.close()
        await asyncio.gather(*(end.wait_closed() for end in ends), return_exceptions=True)
