"""Documents: long-term memory, what a graph remembers beyond one conversation.

Called by the conversation service's graph room. A document lies under a namespace (labels from the general
to the particular) and a key, each written by one script and confirmed by a replica; there is no lease, for
memory belongs to no conversation, so the last writer wins. It is read by its key, and found by an index over
the digests of its namespace and of every namespace above it: exact, whatever characters a label has. The
index is made where it is missing, so that a Redis that started empty needs nobody's care.

Key names hold digests, never a user's name. Must never: look into a value.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec
from redis.commands.search.aggregation import AggregateRequest
from redis.commands.search.query import Query
from redis.exceptions import ResponseError

from services.shared.bus.floor import Floor
from services.shared.bus.keys import MEMORY, MEMORY_MADE
from services.shared.bus.scripts import Arg
from services.shared.bus.sentinel import mapped
from services.shared.model import formats
from services.shared.model.errors import Broken

SEARCH_MS = 1500
"""How long the index may look for one page; a command is lost after 2 s."""
MOST_NAMESPACES = 10_000
"""Namespaces listed at once; what is beyond is left out."""
LOOK_S = 0.05
"""Between two looks at an index that is being filled."""

_SCHEMA = ("above", "TAG", "SEPARATOR", ",", "order", "NUMERIC", "SORTABLE")
_FIELDS = ("format", "namespace", "key", "value", "created_ms", "updated_ms")
_labels = msgspec.json.Decoder(tuple[str, ...])


@dataclass(frozen=True, slots=True)
class Document:
    """What is remembered under a namespace and a key: value is JSON; created_ms and updated_ms are wall
    times.
    """

    namespace: tuple[str, ...]
    key: str
    value: str
    created_ms: int
    updated_ms: int


class Documents:
    """Long-term memory in Redis."""

    def __init__(self, floor: Floor) -> None:
        self._commands = floor.commands
        self._scripts = floor.scripts
        self._clock = floor.clock
        self._deadline_s = floor.settings.redis_deadline_s

    async def open(self) -> None:
        """Make the index where it is missing, and return once it has all documents. Raises BusUnavailable."""
        async with mapped("memory", within_s=self._deadline_s):
            await self._make()

    async def put(self, namespace: tuple[str, ...], key: str, value: str) -> None:
        """Remember a value; a replica holds it then. Raises BusUnavailable, NotReplicated."""
        args: list[Arg] = [_json(namespace), key, value, ",".join(_line(namespace)), self._clock.now_ms()]
        await self._scripts.acknowledged("remember", [_name(namespace, key), MEMORY_MADE], args)

    async def forget(self, namespace: tuple[str, ...], key: str) -> None:
        """Forget a document, if there is one. Raises BusUnavailable, NotReplicated."""
        await self._scripts.acknowledged("forget", [_name(namespace, key)])

    async def get(self, namespace: tuple[str, ...], key: str) -> Document | None:
        """Return a document, or None. Raises BusUnavailable, and Broken for one that cannot be read."""
        async with mapped("memory", within_s=self._deadline_s):
            found: Any = await self._commands.hmget(_name(namespace, key), list(_FIELDS))
        return None if found[0] is None else _document(found)

    async def page(self, above: tuple[str, ...], offset: int, limit: int) -> list[Document]:
        """Return documents of a namespace and of all below it, the oldest first. Raises as `get`."""
        query = Query(_below(above)).sort_by("order").paging(offset, limit).timeout(SEARCH_MS)
        for field in _FIELDS:
            query.return_field(field)
        found = await self._asked(lambda: self._commands.ft(MEMORY).search(query))
        return [_document([getattr(each, field, None) for field in _FIELDS]) for each in found.docs]

    async def namespaces(self, above: tuple[str, ...]) -> list[tuple[str, ...]]:
        """Return the namespaces that hold documents, of this one and those below it. Raises as `get`."""
        request: Any = AggregateRequest(_below(above)).load("@namespace").group_by("@namespace")
        request.limit(0, MOST_NAMESPACES)
        found = await self._asked(lambda: self._commands.ft(MEMORY).aggregate(request))
        return [_labels.decode(row[1]) for row in found.rows]

    async def _asked(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """Ask the index; where it is gone, make it and ask again."""
        async with mapped("memory", within_s=self._deadline_s):
            try:
                return await ask()
            except ResponseError as error:
                if not _index_gone(error):
                    raise
            await self._make()
            return await ask()

    async def _make(self) -> None:
        schema: Any = ("ON", "HASH", "PREFIX", 1, f"{MEMORY}:", "SCHEMA", *_SCHEMA)
        try:
            await self._commands.execute_command("FT.CREATE", MEMORY, *schema)  # type: ignore[no-untyped-call]
        except ResponseError as error:
            if "already exists" not in str(error).lower():
                raise
        index: Any = self._commands.ft(MEMORY)
        while True:
            if not int((await index.info())["indexing"]):
                return
            await asyncio.sleep(LOOK_S)


def _index_gone(error: ResponseError) -> bool:
    said = str(error).lower()
    return "no such index" in said or "unknown index name" in said or "index not found" in said


def _document(fields: Sequence[str | bytes | None]) -> Document:
    said, *rest = (field.decode() if isinstance(field, bytes) else field for field in fields)
    if not formats.known(said) or None in rest:
        raise Broken(f"memory: a document is of format {said}, which this release cannot read")
    namespace, key, value, created_ms, updated_ms = (field or "" for field in rest)
    return Document(_labels.decode(namespace), key, value, int(created_ms), int(updated_ms))


def _name(namespace: tuple[str, ...], key: str) -> str:
    return f"{MEMORY}:{_digest(namespace)}:{_digest((key,))}"


def _below(above: tuple[str, ...]) -> str:
    return f"@above:{{{_digest(above)}}}" if above else "*"


def _line(namespace: tuple[str, ...]) -> list[str]:
    """The digests of a namespace and of all above it."""
    return [_digest(namespace[:depth]) for depth in range(1, len(namespace) + 1)]


def _digest(labels: tuple[str, ...]) -> str:
    return blake2b(_json(labels), digest_size=16).hexdigest()


def _json(labels: tuple[str, ...]) -> bytes:
    return msgspec.json.encode(labels)
