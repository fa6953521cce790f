"""Savers side by side: the same doings on LangGraph's in-memory saver and on ours, and what both then hold.

Ids, timestamps and the random part of versions differ from run to run; they are replaced by the order in
which they first appear, so that two histories can be compared as wholes.
"""

import dataclasses
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.types import Interrupt, Send

from services.shared.bus.house import Bus
from tests.support.savers import GrantedRights, fresh_thread, open_saver
from tests.support.thread_types import ALLOWED, assert_same, same

AnySaver = BaseCheckpointSaver[Any]

IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{32}\b")


SHOWN = 400
"""Characters of a value that differs."""


class SaverKind(Protocol):
    """One kind of saver and where it keeps things."""

    name: str

    async def open(self) -> AnySaver:
        """A saver that has nothing in memory of what others of its kind wrote, and may write on."""
        ...


def _in_memory() -> AnySaver:
    return InMemorySaver(serde=JsonPlusSerializer(allowed_msgpack_modules=ALLOWED))


Doings = Callable[[SaverKind, str], Awaitable[Any]]
"""What is done with savers of a kind on a thread; returns what was seen on the way."""


@dataclass
class InMemory:
    """LangGraph's own. It keeps all things in itself, so a new one would be empty."""

    name: str = "in memory"
    saver: AnySaver = field(default_factory=_in_memory)

    async def open(self) -> AnySaver:
        return self.saver


class Ours:
    """Continuo's, on a real Redis."""

    name = "ours"

    def __init__(self, bus: Bus, **options: Any) -> None:
        self.bus = bus
        self._options = options
        self._rights = GrantedRights(bus)

    async def open(self) -> AnySaver:
        return await open_saver(self.bus, allowed=ALLOWED, rights=self._rights, **self._options)


def on(thread: str, checkpoint: str | None = None, space: str | None = None, **more: Any) -> Any:
    """The config that names a thread, a checkpoint in it or a space of it."""
    named = {"thread_id": thread, "checkpoint_id": checkpoint, "checkpoint_ns": space}
    return {"configurable": {key: value for key, value in named.items() if value is not None}, **more}


def id_of(kept: CheckpointTuple) -> str:
    """A checkpoint's id."""
    return str(kept.config["configurable"]["checkpoint_id"])


async def listed(saver: AnySaver, thread: str, space: str | None = None, **how: Any) -> list[CheckpointTuple]:
    """What a saver lists of a thread: of one space, or of all."""
    return [kept async for kept in saver.alist(on(thread, space=space), **how)]


async def history(saver: AnySaver, thread: str) -> list[dict[str, Any]]:
    """All a saver holds of a thread, oldest first, as plain values."""
    kept = sorted(await listed(saver, thread), key=lambda one: (IDS.sub("", _space(one)), id_of(one)))
    for one in kept:  # a list must not tell other things than a look at the checkpoint
        got = await saver.aget_tuple(on(thread, id_of(one), _space(one)))
        assert got is not None
        assert_same(_plain(got), _plain(one))
    return [_plain(one) for one in kept]


def _space(kept: CheckpointTuple) -> str:
    return str(kept.config["configurable"].get("checkpoint_ns", ""))


def _plain(kept: CheckpointTuple) -> dict[str, Any]:
    checkpoint = dict(kept.checkpoint)
    seen = checkpoint["versions_seen"]
    checkpoint["channel_versions"] = _counters(checkpoint["channel_versions"])
    checkpoint["versions_seen"] = {node: _counters(versions) for node, versions in seen.items()}
    return {
        "space": _space(kept),
        "id": id_of(kept),
        "parent": _parent(kept),
        "checkpoint": {key: value for key, value in checkpoint.items() if key != "ts"},
        "metadata": dict(kept.metadata),
        "writes": list(kept.pending_writes or ()),
    }


def _parent(kept: CheckpointTuple) -> str | None:
    """The parent's id; it is named in full, in the same thread and space."""
    if kept.parent_config is None:
        return None
    named = kept.parent_config["configurable"]
    assert kept.parent_config == on(
        kept.config["configurable"]["thread_id"], named["checkpoint_id"], _space(kept)
    )
    return str(named["checkpoint_id"])


def _counters(versions: Mapping[str, Any]) -> dict[str, int]:
    return {channel: _counter(version) for channel, version in versions.items()}


def _counter(version: Any) -> int:
    """How often a channel was written: LangGraph's versions count in 32 decimal digits, ours in 8 hex."""
    count = str(version).partition(".")[0]
    return int(count, 16 if len(count) == 8 else 10)


def masked(value: Any, seen: dict[str, str] | None = None) -> Any:
    """A value without what differs from run to run."""
    seen = {} if seen is None else seen
    match value:
        case str():
            return IDS.sub(lambda found: seen.setdefault(found.group(), f"#{len(seen)}"), value)
        case dict():
            return {masked(key, seen): masked(one, seen) for key, one in value.items()}
        case tuple() | list() if type(value) in {tuple, list}:
            return type(value)(masked(one, seen) for one in value)
        case Interrupt():
            fields = [each.name for each in dataclasses.fields(value)]
            return "Interrupt", {name: masked(getattr(value, name), seen) for name in fields}
        case Send():
            return "Send", value.node, masked(value.arg, seen)
    return value


async def assert_twins(kinds: tuple[SaverKind, SaverKind], doings: Doings) -> Any:
    """Do the same with both kinds; what was seen and all that is kept, read by new savers, must be the same.

    Returns what was seen.
    """
    results: list[Any] = []
    for kind in kinds:
        thread = fresh_thread()
        said = await doings(kind, thread)
        kept = await history(await kind.open(), thread)
        results.append(masked({"kept": kept, "said": said}))
    assert same(results[1], results[0]), "\n".join(differences(results[1], results[0]))
    return results[0]["said"]


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two values differ, for a person to read."""
    if same(one, other):
        return []
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return [line for key in one for line in differences(one[key], other[key], f"{path}[{key!r}]")]
    if type(one) is type(other) and isinstance(one, (list, tuple)) and len(one) == len(other):
        pairs = enumerate(zip(one, other, strict=True))
        return [line for place, pair in pairs for line in differences(*pair, f"{path}[{place}]")]
    return [f"{path}: {repr(one)[:SHOWN]} instead of {repr(other)[:SHOWN]}"]
