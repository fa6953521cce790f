"""Checkpoints between LangGraph's form and a thread's: what goes into header, body and values, and back.

Called by the saver. A checkpoint's channel values are kept by channel and version, so that a checkpoint
refers to what earlier ones brought; the versions stand in the header, for the store has to follow them; the
rest is the body.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    PendingWrite,
    get_checkpoint_id,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

from services.conversation.core.sharing import Known, leaping, nothing_known
from services.conversation.graph.serde import UnreadableValue
from services.conversation.graph.standing import Standing
from services.conversation.graph.values import Values
from services.conversation.graph.versions import token_of, version_of
from services.shared.model.errors import UnreadableCheckpoint
from services.shared.model.thread import (
    Header,
    KeptCheckpoint,
    NewCheckpoint,
    Outline,
    Place,
    Shared,
    Typed,
    Write,
)

TURN = "turn"
"""Key of a checkpoint's metadata, and of its header: the turn that made it."""

COUNTERS = "counters_since_delta_snapshot"
"""LangGraph's key for channels whose value stands in the writes of ancestors."""


def place_of(config: RunnableConfig) -> Place:
    """Return where a config points; without an id: to the latest."""
    named = config["configurable"]
    return Place(named["thread_id"], named.get("checkpoint_ns", ""), get_checkpoint_id(config) or "")


def config_of(place: Place) -> RunnableConfig:
    """Return the config that points to a place."""
    named = {"thread_id": place.thread, "checkpoint_ns": place.space, "checkpoint_id": place.id}
    return {"configurable": named}


@contextmanager
def readable(place: Place) -> Iterator[None]:
    """Give whatever can't be made of a record the name of its thread and checkpoint."""
    try:
        yield
    except UnreadableValue as error:
        raise UnreadableCheckpoint(place.thread, place.id, str(error)) from error
    except Exception as error:  # bytes of another shape may fail anywhere
        reason = f"a record is of another shape ({type(error).__name__})"
        raise UnreadableCheckpoint(place.thread, place.id, reason) from error


@dataclass(frozen=True, slots=True)
class Making:
    """A checkpoint that is to be kept; `made` may be asked for it more than once, with more or less known."""

    place: Place
    parent: str
    checkpoint: Checkpoint
    metadata: CheckpointMetadata
    serde: SerializerProtocol

    def made(
        self, new_versions: ChannelVersions | None, known: "Elements", standing: Standing
    ) -> tuple[NewCheckpoint, dict[str, Known]]:
        """Serialise it, with the values of `new_versions`; None: of all channels, referring to nothing
        earlier. standing: what is known of the parent's pending writes.

        Returns it with what is known of its channels' elements once it is kept. Raises UnfitValue.
        """
        present, values = self.checkpoint["channel_values"], Values(self.serde)
        made: dict[str, Typed | Shared | None] = {}
        elements: dict[str, Mapping[int, Typed]] = {}
        learnt: dict[str, Known] = {}
        for channel in present if new_versions is None else new_versions:
            if channel not in self.checkpoint["channel_versions"]:
                continue  # nothing could ever refer to it
            made[channel] = None
            if channel in present:
                made[channel], fresh, after = values.encoded(present[channel], known.of(channel))
                if fresh:
                    elements[channel] = fresh
                if after is not None:
                    learnt[channel] = after
        header, whole = self._header(), new_versions is None
        stands_on = standing.on(replace(self.place, id=self.parent), header.needs)
        return NewCheckpoint(self.place, header, self._body(), made, elements, whole, stands_on), learnt

    def _header(self) -> Header:
        versions, present = self.checkpoint["channel_versions"], self.checkpoint["channel_values"]
        counted = cast("Mapping[str, Any]", self.metadata.get(COUNTERS) or {})
        return Header(
            parent=self.parent,
            versions={channel: token_of(version) for channel, version in versions.items()},
            needs=tuple(channel for channel in counted if channel in versions and channel not in present),
            source=str(self.metadata.get("source", "")),
            above=dict(self.metadata.get("parents") or {}),
            turn=str(self.metadata.get(TURN, "")),
        )

    def _body(self) -> Typed:
        apart = ("channel_values", "channel_versions")
        rest = {name: value for name, value in self.checkpoint.items() if name not in apart}
        return self.serde.dumps_typed([rest, self.metadata])


def size_of(new: NewCheckpoint) -> int:
    """Return how many bytes a checkpoint brings, its header aside."""
    whole = [new.body, *(value for value in new.values.values() if value and not isinstance(value, Shared))]
    parts = (element for numbered in new.elements.values() for element in numbered.values())
    return sum(len(content) for _, content in (*whole, *parts))


@dataclass(frozen=True, slots=True)
class Elements:
    """What is known of elements at one checkpoint. start: where numbers begin for other channels."""

    known: Mapping[str, Known]
    start: int

    def of(self, channel: str) -> Known:
        """What is known of a channel's."""
        return self.known.get(channel) or nothing_known(self.start)

    def beyond(self, leap: int) -> "Elements":
        """The same elements, with new ones numbered so much further on."""
        known = {name: leaping(one, one.next + leap) for name, one in self.known.items()}
        return Elements(known, self.start + leap)


class Reviving:
    """Makes LangGraph's tuples of what was read. Raises UnreadableCheckpoint."""

    def __init__(self, serde: SerializerProtocol) -> None:
        self._serde = serde
        self._values = Values(serde)

    def tuple(self, kept: KeptCheckpoint, config: RunnableConfig) -> CheckpointTuple:
        """Return a checkpoint as LangGraph knows it."""
        place, header = kept.place, kept.header
        with readable(place):
            rest, metadata = self._serde.loads_typed(kept.body)
            values = {channel: self._values.decoded(value) for channel, value in kept.values.items()}
            writes = [self.write(write) for write in kept.writes]
            versions = {channel: version_of(token) for channel, token in header.versions.items()}
            checkpoint = {**rest, "channel_versions": versions, "channel_values": values}
        parent = Place(place.thread, place.space, header.parent)
        return CheckpointTuple(
            config=config,
            checkpoint=cast(Checkpoint, checkpoint),
            metadata=metadata,
            parent_config=config_of(parent) if header.parent else None,
            pending_writes=writes,
        )

    def metadata(self, outline: Outline) -> dict[str, Any]:
        """Return a checkpoint's metadata alone."""
        with readable(outline.place):
            _, metadata = self._serde.loads_typed(outline.body)
            return dict(metadata)

    def value(self, value: Typed | Shared) -> Any:
        """Return a channel's value; the caller names the place of what can't be read."""
        return self._values.decoded(value)

    def write(self, write: Write) -> PendingWrite:
        """Return a pending write; the caller names the place of what can't be read."""
        return write.task, write.channel, self._serde.loads_typed(write.value)
