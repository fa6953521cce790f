"""The forms of a saver for code that runs in another thread: nodes that are plain functions, and what they
call.

LangGraph runs such nodes in threads; a subgraph one of them invokes asks its saver without a loop of its
own. Each call here is carried out on the saver's loop and waited for. Called on that loop it would wait for
itself: refused.
"""

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)
from langgraph.checkpoint.serde.base import SerializerProtocol

Done = TypeVar("Done")

CHUNK = 32
"""Checkpoints a listing brings over at a time."""


class SyncForms(BaseCheckpointSaver[str]):
    """A saver whose every method has a form for other threads. Made on the loop that it will live on."""

    def __init__(self, serde: SerializerProtocol) -> None:
        super().__init__(serde=serde)
        self._loop = asyncio.get_running_loop()

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return self._waited(self.aget_tuple(config))

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002 - the base class's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        source = self.alist(config, filter=filter, before=before, limit=limit)

        async def some() -> tuple[CheckpointTuple, ...]:
            found = []
            async for each in source:
                found.append(each)
                if len(found) == CHUNK:
                    break
            return tuple(found)

        while chunk := self._waited(some()):
            yield from chunk

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return self._waited(self.aput(config, checkpoint, metadata, new_versions))

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        self._waited(self.aput_writes(config, writes, task_id, task_path))

    def get_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        return self._waited(self.aget_delta_channel_history(config=config, channels=channels))

    def delete_thread(self, thread_id: str) -> None:
        self._waited(self.adelete_thread(thread_id))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        self._waited(self.adelete_for_runs(run_ids))

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        self._waited(self.acopy_thread(source_thread_id, target_thread_id))

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        self._waited(self.aprune(thread_ids, strategy=strategy))

    def _waited(self, work: Coroutine[Any, Any, Done]) -> Done:
        try:
            here = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self._loop:
            work.close()
            raise asyncio.InvalidStateError(
                "a saver's plain forms wait for this loop: use the async ones on it"
            )
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
