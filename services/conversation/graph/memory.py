"""Memory: LangGraph's Store for the graphs that run here, what they remember beyond one conversation.

`Memory.store` is handed to each graph beside its checkpointer; a node reaches it as `runtime.store`. It
behaves as LangGraph's in-memory store does, on bus/documents. The stock `AsyncRedisStore` is not under it:
the reasons stand in docs/memory.md.

Every call stands alone, so one graph's wrong use fails that graph only, and there is no task in the
background. Errors that leave here: BusUnavailable and NotReplicated, which are tried again; Broken; and for
a graph's own mistake NotStorableError or LangGraph's InvalidNamespaceError.
"""

import asyncio
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

from langgraph.store.base import (
    BaseStore,
    GetOp,
    Item,
    ListNamespacesOp,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    validate_op_namespace,
)

from services.conversation.core.recall import ANY, begins, ends, fits, misfit
from services.shared.bus.documents import Document, Documents

PAGE = 100
"""Documents fetched at once while searching."""

MOST_BYTES = 1 << 20
"""A document's size as JSON."""


class NotStorableError(TypeError):
    """A graph gave memory what it cannot keep or understand; the text says what and where, and quotes
    nothing.
    """


class Memory:
    """Long-term memory of this process's graphs. store: what a graph is given."""

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self.store: BaseStore = MemoryStore(documents)

    async def open(self) -> None:
        """Make the index where it is missing; if it goes later, a search makes it again. Raises
        BusUnavailable.
        """
        await self._documents.open()


class MemoryStore(BaseStore):
    """The Store. Made on the loop that serves it; `get`, `put` and the like are for nodes in threads."""

    supports_ttl = False

    def __init__(self, documents: Documents) -> None:
        self._documents = documents
        self._loop = asyncio.get_running_loop()

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do as `abatch`, from a thread. Raises RuntimeError on a loop, which it would block."""
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run_coroutine_threadsafe(self.abatch(ops), self._loop).result()
        raise RuntimeError("an async node awaits the store: use aget, aput, asearch, adelete")

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Carry out operations: all are looked at first, then all reads, then of each document the last
        write.
        """
        asked = list(ops)
        for op in asked:
            _check(op)
        writes = {(op.namespace, op.key): _text(op) for op in asked if isinstance(op, PutOp)}
        results = [await self._read(op) for op in asked]
        for (namespace, key), text in writes.items():
            await self._write(namespace, key, text)
        return results

    async def _read(self, op: Op) -> Result:
        match op:
            case GetOp():
                found = await self._documents.get(op.namespace, op.key)
                return Item(**_item(found)) if found else None
            case SearchOp():
                return [SearchItem(**_item(each)) for each in await self._search(op)]
            case ListNamespacesOp():
                return await self._namespaces(op)
            case _:
                return None

    async def _write(self, namespace: tuple[str, ...], key: str, text: str | None) -> None:
        if text is None:
            await self._documents.forget(namespace, key)
        else:
            await self._documents.put(namespace, key, text)

    async def _search(self, op: SearchOp) -> list[Document]:
        """Page through the namespace until enough fit; `query` is for semantic search, which is not
        offered.
        """
        if not op.filter:
            return await self._documents.page(op.namespace_prefix, op.offset, op.limit) if op.limit else []
        fitting: list[Document] = []
        at = 0
        while len(fitting) < op.offset + op.limit:
            page = await self._documents.page(op.namespace_prefix, at, PAGE)
            fitting += [each for each in page if fits(json.loads(each.value), op.filter)]
            at += PAGE
            if len(page) < PAGE:
                break
        return fitting[op.offset : op.offset + op.limit]

    async def _namespaces(self, op: ListNamespacesOp) -> list[tuple[str, ...]]:
        conditions = op.match_conditions or ()
        prefixes = [condition.path for condition in conditions if condition.match_type == "prefix"]
        known = [tuple(takewhile(lambda label: label != ANY, path)) for path in prefixes]
        found = await self._documents.namespaces(max(known, key=len, default=()))
        for condition in conditions:
            stands = begins if condition.match_type == "prefix" else ends
            found = [each for each in found if stands(each, condition.path)]
        cut = sorted({each[: op.max_depth] for each in found})
        return cut[op.offset : op.offset + op.limit]


def label(text: str) -> str:
    """Return a namespace's label for any text but "": LangGraph forbids points, which users' names may have.
    Different texts, different labels.
    """
    return text.replace("%", "%25").replace(".", "%2E").replace("\0", "%00")


def _check(op: Op) -> None:
    """Refuse what memory cannot do. Raises InvalidNamespaceError, NotStorableError."""
    validate_op_namespace(op)
    if isinstance(op, GetOp | PutOp) and not isinstance(op.key, str):
        raise NotStorableError(f"a key of memory is a str, not a {type(op.key).__name__}")
    if isinstance(op, SearchOp | ListNamespacesOp) and (op.limit < 0 or op.offset < 0):
        raise NotStorableError("limit and offset are not negative")
    if isinstance(op, PutOp) and not op.namespace:
        raise NotStorableError("a document of memory has a namespace")
    if isinstance(op, PutOp) and op.ttl is not None:
        raise NotStorableError("memory has no TTL")


def _text(op: PutOp) -> str | None:
    """What is written; None: the document is forgotten. Raises NotStorableError."""
    if op.value is None:
        return None
    fault = misfit(op.value) if isinstance(op.value, dict) else f"value is a {type(op.value).__name__}"
    if fault:
        raise NotStorableError(f"memory keeps JSON documents: {fault}")
    text = json.dumps(op.value, allow_nan=False, separators=(",", ":"))
    if len(text) > MOST_BYTES:
        raise NotStorableError(f"a document of memory has at most {MOST_BYTES} bytes")
    return text


def _item(document: Document) -> dict[str, Any]:
    return {
        "namespace": document.namespace,
        "key": document.key,
        "value": json.loads(document.value),
        "created_at": datetime.fromtimestamp(document.created_ms / 1000, UTC),
        "updated_at": datetime.fromtimestamp(document.updated_ms / 1000, UTC),
    }
