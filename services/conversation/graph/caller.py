"""For whom a graph runs: what LangGraph's server tells its graphs of that, in the same words.

Called by `agent` for a turn's config, and by `factory` for what a factory is given.
"""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.store.base import BaseStore

from services.conversation.graph.memory import label
from services.shared.model.turn import Turn

Access = Literal["threads.create_run", "threads.read", "threads.update", "assistants.read"]
"""Why a graph is opened: to run, to look at a thread, to change one, or to see what it is."""

SDK_RUNTIME = "langgraph_sdk.runtime"
"""Where LangGraph's runtime argument is found: a project that asks for it imports it, and so do we then."""

TOLD = ("conversation", "user_id", "langgraph_user_id", "langgraph_auth_user_id", "graph_id", "assistant_id")
"""Keys of `configurable` beside the thread's id, which a graph may read."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who wrote the last message of a turn, as LangGraph's server shows a user: also by its keys."""

    identity: str
    is_authenticated: bool = True

    @property
    def display_name(self) -> str:
        return self.identity

    @property
    def permissions(self) -> list[str]:
        return []

    def __getitem__(self, key: str) -> Any:
        return dict(self._items())[key]

    def __contains__(self, key: object) -> bool:
        return key in dict(self._items())

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self._items()))

    def _items(self) -> Iterator[tuple[str, Any]]:
        for name in ("identity", "display_name", "is_authenticated", "permissions"):
            yield name, getattr(self, name)


def configurable_of(turn: Turn, thread: str) -> dict[str, Any]:
    """Return what a turn's graph finds in its config."""
    user = str(turn.messages[-1].user) if turn.messages else ""
    return _told(thread, str(turn.conversation), user, str(turn.agent))


def configurable_at_start(agent: str) -> dict[str, Any]:
    """Return the same for a factory that is called when nobody has said anything yet."""
    return _told(f"start.{agent}", "", "", agent)


def _told(thread: str, conversation: str, user: str, agent: str) -> dict[str, Any]:
    return {
        "thread_id": thread,
        "conversation": conversation,
        "user_id": user,
        "langgraph_user_id": label(user),
        "langgraph_auth_user_id": user,
        "langgraph_auth_user": Person(user),
        "graph_id": agent,
        "assistant_id": agent,
    }


def untold(config: RunnableConfig) -> RunnableConfig:
    """Return a config without what a graph was told of its turn: LangGraph would keep it with each
    checkpoint.
    """
    bare: RunnableConfig = {**config, "configurable": _without(config.get("configurable", {}))}
    if "metadata" in config:
        bare["metadata"] = _without(config["metadata"])
    return bare


def _without(known: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in known.items() if key not in TOLD}


def server_runtime(config: RunnableConfig, access: Access, store: BaseStore | None) -> Any:
    """Return LangGraph's own runtime argument for a factory."""
    kinds = importlib.import_module(SDK_RUNTIME)
    user = config.get("configurable", {}).get("langgraph_auth_user")
    kind = kinds._ExecutionRuntime if access == "threads.create_run" else kinds._ReadRuntime  # noqa: SLF001
    return kind(access_context=access, user=user, store=store)
