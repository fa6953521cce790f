"""Every way to make a graph for a run: with nothing, its config, the server's runtime, both; also tidily."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from desk import note, slip
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.graph import START, MessagesState, StateGraph

if TYPE_CHECKING:
    from langgraph_sdk.runtime import ServerRuntime


def workflow(name: str, user: str):
    async def greet(state: MessagesState):
        note(f"{name} greet")
        return {"messages": [AIMessage(f"Hello {user}.")]}

    async def fetch(state: MessagesState):
        note(f"{name} fetch")
        return {"messages": [AIMessage(f"{user} has {await slip(name)}.")]}

    return StateGraph(MessagesState).add_sequence([greet, fetch]).add_edge(START, "greet")


def plain():
    return workflow("plain", "stranger")


def configured(config: RunnableConfig):
    return workflow("configured", config["configurable"]["user_id"]).compile()


def served(runtime: ServerRuntime):
    return workflow("served", runtime.ensure_user().identity)


def both(config: RunnableConfig, runtime: ServerRuntime):
    assert runtime.store is not None
    return workflow("both", config["configurable"]["langgraph_auth_user_id"])


async def later(config: dict):
    return workflow("later", config["configurable"]["user_id"])


@contextmanager
def held(config: RunnableConfig):
    note("held opened")
    try:
        yield workflow("held", config["configurable"]["user_id"])
    finally:
        note("held closed")


@asynccontextmanager
async def held_later(runtime: ServerRuntime):
    running = runtime.execution_runtime is not None
    if running:
        note("held_later opened")
    try:
        yield workflow("held_later", runtime.ensure_user().identity if running else "")
    finally:
        if running:
            note("held_later closed")
