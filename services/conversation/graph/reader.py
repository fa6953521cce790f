"""The reading half of the saver: checkpoints, histories and lists, from the bus to LangGraph's forms.

Base of `saver`. Nothing is answered from memory, but to a run what the look right before it has read. Must
never let an exception of Redis or of a serialiser out: they are those of model/errors.
"""

from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple, DeltaChannelHistory, get_checkpoint_id

from services.conversation.core.sharing import Known
from services.conversation.graph.records import Reviving, config_of, place_of, readable
from services.conversation.graph.saver_sync import SyncForms
from services.conversation.graph.serde import ThreadSerializer
from services.conversation.graph.standing import Standing
from services.conversation.graph.turnstile import Turnstile
from services.conversation.graph.values import learnt
from services.shared.bus.checkpoints import Checkpoints
from services.shared.model.thread import KeptCheckpoint, Outline, Place

PAGE = 32
"""Checkpoints read at a time while listing."""

REMEMBERED = 256
"""Spaces of threads whose checkpoints' elements are remembered."""

LATEST = 3
"""Checkpoints of a space of which they are: a fork's parent, and what LangGraph reads beside it."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A thread's latest checkpoint; None: it has none."""

    at: Place
    kept: KeptCheckpoint | None


class Reader(SyncForms):
    """A checkpointer that reads."""

    def __init__(
        self, checkpoints: Checkpoints, serde: ThreadSerializer, turnstile: Turnstile | None = None
    ) -> None:
        super().__init__(serde=serde)
        self._checkpoints = checkpoints
        self._turnstile = turnstile or Turnstile()
        self._standing = Standing()
        self._last: OrderedDict[tuple[str, str], dict[str, Mapping[str, Known]]] = OrderedDict()
        self.seen: Seen | None = None
        """What was read last of where a thread stands."""
        self.foreseen: Seen | None = None
        """The same of who read right before, while nobody else can write: it is not read once more."""

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the checkpoint a config names, or the latest. Raises BusUnavailable,
        UnreadableCheckpoint.
        """
        place = place_of(config)
        kept = await self._kept_at(place)
        if kept is None:
            return None
        async with self._turnstile:
            known = {channel: learnt(value) for channel, value in kept.values.items()}
            self._remember(kept.place, {channel: one for channel, one in known.items() if one is not None})
            self._standing.note(kept.place, kept.writes)
            return Reviving(self.serde).tuple(kept, config if place.id else config_of(kept.place))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - the base class's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Yield checkpoints, a space's newest first; filter: metadata they must have. Raises as
        `aget_tuple`.
        """
        reviving, left = Reviving(self.serde), limit
        async for outline in self._outlines(config, (before and get_checkpoint_id(before)) or ""):
            if left is not None and left <= 0:
                return
            if filter and not _fits(reviving.metadata(outline), filter):
                continue
            # One that was pruned since its page was read is passed over.
            if (kept := await self._checkpoints.read(outline.place)) is not None:
                left = None if left is None else left - 1
                yield reviving.tuple(kept, config_of(outline.place))

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """Return what ancestors wrote to channels since their nearest values. A few round trips, however
        many.
        """
        place = await self._resolved(place_of(config))
        past = await self._checkpoints.past(place, channels) if place and channels else {}
        reviving, histories = Reviving(self.serde), dict[str, DeltaChannelHistory]()
        for channel in channels:
            histories[channel] = {"writes": []}
            if place and (found := past.get(channel)):
                with readable(place):
                    histories[channel]["writes"] = [reviving.write(write) for write in found.writes]
                    if found.seed is not None:
                        histories[channel]["seed"] = reviving.value(found.seed)
        return histories

    async def _kept_at(self, place: Place) -> KeptCheckpoint | None:
        foreseen, self.foreseen = self.foreseen, None
        if foreseen and foreseen.at == place:
            return foreseen.kept
        kept = await self._checkpoints.read(place)
        if place == Place(place.thread, "", ""):
            self.seen = Seen(place, kept)
        return kept

    def _remember(self, place: Place, known: Mapping[str, Known]) -> None:
        """Note what is known of a checkpoint's elements, so that its children can share them."""
        of_space = self._last.setdefault((place.thread, place.space), {})
        of_space.pop(place.id, None)
        of_space[place.id] = known
        while len(of_space) > LATEST:
            del of_space[next(iter(of_space))]
        self._last.move_to_end((place.thread, place.space))
        while len(self._last) > REMEMBERED:
            self._last.popitem(last=False)

    async def _outlines(self, config: RunnableConfig | None, before: str) -> AsyncIterator[Outline]:
        """All checkpoints a config stands for, newest first in each space."""
        wanted = get_checkpoint_id(config) if config else None
        async for thread, space in self._spaces(config):
            bound = before
            while page := await self._checkpoints.page(thread, space, before=bound, count=PAGE):
                for outline in page:
                    if not wanted or outline.place.id == wanted:
                        yield outline
                bound = page[-1].place.id

    async def _spaces(self, config: RunnableConfig | None) -> AsyncIterator[tuple[str, str]]:
        if config is None:
            async for thread in self._checkpoints.threads():
                for space in await self._checkpoints.spaces(thread):
                    yield thread, space
            return
        named = config["configurable"]
        if named.get("checkpoint_ns") is not None:
            yield named["thread_id"], named["checkpoint_ns"]
            return
        for space in await self._checkpoints.spaces(named["thread_id"]):
            yield named["thread_id"], space

    async def _resolved(self, place: Place) -> Place | None:
        if place.id:
            return place
        latest = await self._checkpoints.page(place.thread, place.space, before="", count=1)
        return latest[0].place if latest else None


def _fits(metadata: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return all(metadata.get(name) == value for name, value in wanted.items())
