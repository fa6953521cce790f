"""What becomes of the threads of a run that was stopped: real nodes, models and tools."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import tool

from services.conversation.graph.callbacks import RunCallbacks, StoppedError
from services.conversation.graph.models import open_model
from services.conversation.graph.state import ThreadState
from services.conversation.graph.watch import UNWATCHED
from tests.support.workers import graph_of


@dataclass
class Right:
    """A right to write that an execution has, or has no more."""

    lease: Any = None
    closed: bool = False

    async def passage(self) -> None: ...

    async def through(self, write: Any) -> Any:
        return await write(self.lease)


class Node:
    """A plain node that waits in its thread, then does something; what it came to."""

    def __init__(self, what: str) -> None:
        self._what = what
        self.began, self.go, self.left = threading.Event(), threading.Event(), threading.Event()
        self.raised: BaseException | None = None
        self.called = 0

    def __call__(self, state: ThreadState) -> ThreadState:
        self.began.set()
        self.go.wait(30)
        try:
            self._do()
        except BaseException as error:
            self.raised = error
            raise
        finally:
            self.left.set()
        return {"messages": [AIMessage("done")]}

    def _do(self) -> None:
        @tool
        def count() -> str:
            """Count."""
            self.called += 1
            return ""

        match self._what:
            case "model":
                open_model("", token_s=0.0).invoke("hello")
            case "tool":
                count.invoke({})
            case "graph":
                graph_of(inner=lambda _: {"messages": []}).invoke({"messages": [HumanMessage("hello")]})


@pytest.fixture(params=["model", "tool", "graph"])
def node(request: pytest.FixtureRequest) -> Iterator[Node]:
    node = Node(request.param)
    yield node
    node.go.set()


async def stopped(node: Node, callbacks: RunCallbacks) -> None:
    """Begin a run, and cancel it amid its node."""
    running = graph_of(node=node).ainvoke({"messages": [HumanMessage("hi")]}, {"callbacks": [callbacks]})
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(running)
        await asyncio.to_thread(node.began.wait, 30)
        task.cancel()


async def test_a_thread_of_a_stopped_run_calls_no_model_no_tool_and_no_graph(node: Node) -> None:
    callbacks = RunCallbacks(UNWATCHED, None, right := Right())
    await stopped(node, callbacks)
    right.closed = True
    node.go.set()
    assert await asyncio.to_thread(node.left.wait, 30)
    assert isinstance(node.raised, StoppedError)
    assert node.called == 0


async def test_a_run_that_was_given_up_stops_its_threads_though_its_right_is_not_closed_yet(
    node: Node,
) -> None:
    callbacks = RunCallbacks(UNWATCHED, None, Right())
    await stopped(node, callbacks)
    callbacks.close()
    node.go.set()
    assert await asyncio.to_thread(node.left.wait, 30)
    assert isinstance(node.raised, StoppedError)


async def test_what_a_finished_run_left_at_work_goes_on(node: Node) -> None:
    callbacks = RunCallbacks(UNWATCHED, None, right := Right())
    await stopped(node, callbacks)
    callbacks.done()
    callbacks.close()
    right.closed = True
    node.go.set()
    assert await asyncio.to_thread(node.left.wait, 30)
    assert node.raised is None


async def test_words_of_a_model_that_come_behind_the_stop_end_the_call() -> None:
    callbacks = RunCallbacks(UNWATCHED, None, right := Right())
    heard = []

    def call() -> None:
        model = GenericFakeChatModel(messages=iter([AIMessage("one two three")]))
        for piece in model.stream("hello", {"callbacks": [callbacks]}):
            heard.append(piece)
            right.closed = True

    with pytest.raises(StoppedError):
        await asyncio.to_thread(call)
    assert len(heard) == 1


async def test_on_the_loop_nothing_is_raised_there_a_cancel_does() -> None:
    callbacks = RunCallbacks(UNWATCHED, None, Right(closed=True))
    answer = await open_model("", token_s=0.0).ainvoke("hello", {"callbacks": [callbacks]})
    assert answer.text
