"""Continuo's saver: LangGraph's checkpoints over the bus, one fenced script a put, and only what a put adds.

LangGraph calls it between the steps of a graph; `threads` binds it to one execution. What it reads equals
what LangGraph's in-memory saver would give (reader). What is remembered of a space's latest checkpoints
only saves writing. Must never let an exception of Redis or of a serialiser out: they are those of
model/errors.
"""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    WRITES_IDX_MAP,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    get_checkpoint_metadata,
)

from services.conversation.core.retention import behind, pruned, without
from services.conversation.graph.reader import Reader
from services.conversation.graph.records import TURN, Elements, Making, Reviving, config_of, place_of, size_of
from services.conversation.graph.serde import ThreadSerializer, UnfitValue
from services.conversation.graph.turnstile import Turnstile
from services.conversation.graph.versions import next_version
from services.shared.bus.checkpoints import Checkpoints
from services.shared.model.errors import Temporary, UnreadableCheckpoint
from services.shared.model.thread import Garbage, Keeping, NewCheckpoint, Place, Survey, Write
from services.shared.model.turn import Lease

KEEP = 16
"""Checkpoints a space keeps where nothing else is said."""

LIMIT = "CONTINUO_THREAD_STEP_BYTES"
STEP_BYTES = 16 * 1024 * 1024
"""What a step may add to its thread where nothing else is said. A put many times as large takes Redis so
long that its Sentinels think it dead."""

LEAP_BITS = 36
"""How far a branch's elements are numbered from its siblings', at random. Lua's numbers hold many leaps."""

Done = TypeVar("Done")


@dataclass(frozen=True, slots=True)
class Addition:
    """What adds to a thread. A repeat changes nothing.

    place: where. carry: out, under a lease, acknowledged by a replica or not. size: bytes. writes: how many
    pending writes it is; 0: a checkpoint.
    """

    place: Place
    carry: Callable[[Lease, bool], Awaitable[Keeping]]
    size: int
    writes: int = 0


class Rights(Protocol):
    """Who may write."""

    async def lease(self, thread: str) -> Lease:
        """The lease to write a thread under. Raises LeaseLost. The script has the last word."""
        ...


class RolledBack(Temporary):
    """A failover took back checkpoints that this run stands on and cannot do without: begin an attempt
    anew.
    """


class Saver(Reader):
    """A LangGraph checkpointer. ttl_s: 0 keeps threads for good. keep: checkpoints of a space `trim`
    leaves; turns: before how many it leaves the thread's state, too. step_bytes: what one put may bring.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        rights: Rights,
        *,
        serde: ThreadSerializer | None = None,
        ttl_s: int = 0,
        keep: int = KEEP,
        turns: int = 0,
        step_bytes: int = STEP_BYTES,
        turnstile: Turnstile | None = None,
    ) -> None:
        super().__init__(checkpoints, serde or ThreadSerializer(), turnstile)
        self._rights = rights
        self._ttl_s = ttl_s
        self._keep = keep
        self._turns = turns
        self._step_bytes = step_bytes

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Keep a checkpoint and the values that are new in it. Raises LeaseLost, UnfitValue, RolledBack."""
        parent = place_of(config)
        place = Place(parent.thread, parent.space, checkpoint["id"])
        told = get_checkpoint_metadata(config, self.marked(metadata))
        await self._keep_made(Making(place, parent.id, checkpoint, told, self.serde), new_versions)
        self.kept(place, checkpoint, new_versions)
        return config_of(place)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Keep what a task wrote: it need not run again. Raises LeaseLost, UnfitValue."""
        place = place_of(config)
        made = [
            Write(task_id, WRITES_IDX_MAP.get(name, index), task_path, name, self.serde.dumps_typed(value))
            for index, (name, value) in enumerate(writes)
        ]

        async def put(lease: Lease, acknowledged: bool) -> Keeping:
            port, ttl_s = self._checkpoints, self._ttl_s
            await port.put_writes(lease, place, made, ttl_s=ttl_s, acknowledged=acknowledged)
            return Keeping.KEPT

        if made:
            size = sum(len(write.value[1]) for write in made)
            self._allow(place, size)
            await self.added(Addition(place, put, size, len(made)), acknowledged=False)
            self._standing.note(place, made)

    def get_next_version(self, current: str | None, channel: None) -> str:  # noqa: ARG002 - the base class's form
        """Return a channel's next version."""
        return next_version(current)

    # -- what a binding to an execution changes

    def marked(self, metadata: CheckpointMetadata) -> CheckpointMetadata:
        """Return the metadata a checkpoint is kept with."""
        return metadata

    def telling(self, place: Place, new_versions: Collection[str]) -> bool:  # noqa: ARG002 - for bindings
        """Whether a checkpoint must be replicated before anybody goes on."""
        return False

    def kept(self, place: Place, checkpoint: Checkpoint, new_versions: Collection[str]) -> None:
        """Hear that a checkpoint is kept."""

    async def written(self, thread: str, write: Callable[[Lease], Awaitable[Done]]) -> Done:
        """Carry out a write under the lease."""
        return await write(await self._rights.lease(thread))

    async def added(self, addition: Addition, *, acknowledged: bool) -> Keeping:
        """Carry out what adds to a thread, under the lease."""
        return await self.written(addition.place.thread, lambda lease: addition.carry(lease, acknowledged))

    # -- keeping house

    async def adelete_thread(self, thread_id: str) -> None:
        """Forget a thread. Raises LeaseLost, BusUnavailable."""
        await self.written(thread_id, lambda lease: self._checkpoints.delete(lease, thread_id))

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy all of a thread into one that has nothing yet. Raises Refused where it has, LeaseLost."""
        await self.written(
            target_thread_id,
            lambda lease: self._checkpoints.copy(lease, source_thread_id, target_thread_id),
        )

    async def aprune(
        self, thread_ids: Sequence[str], *, strategy: str = "keep_latest", keep_last: int | None = None
    ) -> None:
        """Forget old checkpoints: all but the latest of each space, or the last `keep_last`; or with
        "delete" all.

        What a kept checkpoint needs stays (core/retention). Raises LeaseLost, BusUnavailable, ValueError.
        """
        if strategy not in {"keep_latest", "delete"}:
            raise ValueError(f"a prune's strategy is keep_latest or delete, not {strategy!r}")
        for thread in thread_ids:
            if strategy == "delete":
                await self.adelete_thread(thread)
            else:
                await self.trim(thread, keep_last or 1)

    async def trim(self, thread: str, keep: int | None = None) -> None:
        """Forget what the policy does not keep. Raises LeaseLost, BusUnavailable."""
        await self._drop(thread, partial(pruned, keep=keep or self._keep, turns=self._turns))

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Forget the checkpoints of runs, but those that others stand on. Looks at every thread there is.

        Raises UnreadableCheckpoint where one cannot be told apart, when all other threads are done.
        """
        damaged: UnreadableCheckpoint | None = None
        if runs := frozenset(run_ids):
            async for thread in self._checkpoints.threads():
                try:
                    await self._forget_runs(thread, runs)
                except UnreadableCheckpoint as error:
                    damaged = damaged or error
        if damaged:
            raise damaged

    async def _forget_runs(self, thread: str, runs: Collection[str]) -> None:
        reviving = Reviving(self.serde)
        outlines = self._outlines({"configurable": {"thread_id": thread}}, "")
        places = [one.place async for one in outlines if reviving.metadata(one).get("run_id") in runs]
        if places:
            await self._drop(thread, partial(without, places=places))

    async def forget_turns(self, thread: str, turns: Collection[str]) -> None:
        """Forget all checkpoints that turns made, in every space, with what their tasks wrote, and all of the
        root behind the first of them; a replica has forgotten them on return. A repeat is harmless. Raises
        LeaseLost, BusUnavailable, UnreadableCheckpoint.
        """
        done = False
        while not done:
            survey = await self._checkpoints.survey(thread)
            places = behind(survey, [place async for place in self._made_by(thread, survey, turns)])
            drop = partial(
                self._checkpoints.drop,
                thread=thread,
                garbage=without(survey, places),
                surveyed=survey.digest,
                acknowledged=True,
            )
            done = await self.written(thread, drop)

    # -- inside

    async def _made_by(self, thread: str, survey: Survey, turns: Collection[str]) -> AsyncIterator[Place]:
        """Of checkpoints of an earlier release only the body says whose they are."""
        for place, header in survey.headers.items():
            if header.turn in turns:
                yield place
        if any(header.turn is None for header in survey.headers.values()):
            reviving = Reviving(self.serde)
            async for one in self._outlines({"configurable": {"thread_id": thread}}, ""):
                if one.header.turn is None and reviving.metadata(one).get(TURN) in turns:
                    yield one.place

    async def _drop(self, thread: str, judged: Callable[[Survey], Garbage]) -> None:
        """Drop what is garbage by a survey that still holds then: a fork may have come meanwhile."""
        dropped = False
        while not dropped:
            survey = await self._checkpoints.survey(thread)
            if (garbage := judged(survey)) == Garbage():
                return
            drop = partial(self._checkpoints.drop, thread=thread, garbage=garbage, surveyed=survey.digest)
            dropped = await self.written(thread, drop)

    async def _keep_made(self, making: Making, new_versions: ChannelVersions) -> None:
        elements, versions = self._elements(making.place, making.parent), new_versions
        needed: ChannelVersions | None = versions
        while True:
            async with self._turnstile:
                new, learned = making.made(needed, elements, self._standing)
            if not new.whole:
                self._allow(making.place, size_of(new))
            elif size_of(new) > self._step_bytes:
                raise RolledBack(f"{making.place}: its parent is gone, and all of it is too much for one put")
            match await self._put(new, new_versions):
                case Keeping.KEPT:
                    break
                case Keeping.NO_PARENT if new.header.needs:
                    raise RolledBack(f"{making.place}: its parent {making.parent}, or a write there, is gone")
                case Keeping.NO_PARENT:
                    needed, elements = None, Elements({}, _leap())
                case Keeping.CLASH:
                    elements = elements.beyond(_leap())
        unchanged = {name: one for name, one in elements.known.items() if name not in new.values}
        self._remember(making.place, unchanged | learned)

    def _allow(self, place: Place, size: int) -> None:
        if size > self._step_bytes:
            raise UnfitValue(
                f"thread {place.thread}: a step adds {size} bytes, and {LIMIT} allows {self._step_bytes}"
            )

    async def _put(self, new: NewCheckpoint, new_versions: ChannelVersions) -> Keeping:
        async def put(lease: Lease, acknowledged: bool) -> Keeping:
            return await self._checkpoints.put(lease, new, ttl_s=self._ttl_s, acknowledged=acknowledged)

        telling = self.telling(new.place, new_versions)
        return await self.added(Addition(new.place, put, size_of(new)), acknowledged=telling)

    def _elements(self, place: Place, parent: str) -> Elements:
        """What is known of the elements a child of `parent` may share: those of that very checkpoint."""
        known = self._last.get((place.thread, place.space), {}).get(parent)
        if known is not None or not parent:
            return Elements(known or {}, 0)
        return Elements({}, _leap())


def _leap() -> int:
    return secrets.randbits(LEAP_BITS)
