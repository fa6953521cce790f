"""A turn writes what it added, however long the conversation, and no step more than Redis takes at once."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.graph.state import CompiledStateGraph

from services.conversation.graph.reader import REMEMBERED
from services.conversation.graph.records import size_of
from services.conversation.graph.saver import Saver
from services.conversation.graph.serde import UnfitValue
from services.shared.bus.house import Bus
from services.shared.model.thread import Keeping, NewCheckpoint, Place
from services.shared.model.turn import Lease
from tests.support.open_bus import fresh_id
from tests.support.savers import GrantedRights, fresh_thread, open_saver

LONG = "a sentence of some length, as people and agents write them " * 5
LENGTHS = (20, 400)


class Talk(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


class Weighed:
    """The port, and what each put brought."""

    def __init__(self, bus: Bus) -> None:
        self._port = bus.checkpoints
        self.brought: list[NewCheckpoint] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    async def put(self, lease: Lease, new: NewCheckpoint, **options: Any) -> Keeping:
        self.brought.append(new)
        return await self._port.put(lease, new, **options)

    def elements(self) -> int:
        return sum(len(numbered) for new in self.brought for numbered in new.elements.values())

    def bytes(self) -> int:
        return sum(map(size_of, self.brought))


def graph(saver: BaseCheckpointSaver[str]) -> CompiledStateGraph[Any, Any, Any, Any]:
    made = StateGraph(Talk)
    for name, following in (("one", "two"), ("two", "three"), ("three", END)):
        made.add_node(name, lambda _: {"messages": [AIMessage(LONG, id=fresh_id())]})
        made.add_edge(name, following)
    made.add_edge(START, "one")
    return made.compile(checkpointer=saver)


def said(count: int) -> dict[str, Sequence[AnyMessage]]:
    return {"messages": [HumanMessage(LONG, id=fresh_id()) for _ in range(count)]}


async def of_length(bus: Bus, rights: GrantedRights, length: int) -> Any:
    config = {"configurable": {"thread_id": fresh_thread()}}
    await graph(await open_saver(bus, rights=rights)).aupdate_state(config, said(length))
    return config


async def test_a_turn_of_a_new_process_brings_its_own_messages_and_none_of_the_earlier(bus: Bus) -> None:
    rights, weights = GrantedRights(bus), []
    for length in LENGTHS:
        config, port = await of_length(bus, rights, length), Weighed(bus)
        state = await graph(Saver(port, rights)).ainvoke(said(1), config)  # type: ignore[arg-type]
        assert len(state["messages"]) == length + 4
        assert port.elements() == 4
        weights.append(port.bytes())
    assert max(weights) < 1.1 * min(weights)


async def test_a_second_turn_and_a_branch_bring_no_more(bus: Bus) -> None:
    rights, port = GrantedRights(bus), Weighed(bus)
    config = await of_length(bus, rights, 200)
    talk = graph(Saver(port, rights))  # type: ignore[arg-type]
    await talk.ainvoke(said(1), config)
    earlier = [each.config async for each in talk.aget_state_history(config)][2]
    port.brought.clear()
    await talk.ainvoke(said(1), config)
    assert port.elements() == 4
    port.brought.clear()
    branch = await talk.aupdate_state(earlier, said(1))
    assert len((await talk.aget_state(branch)).values["messages"]) == 203
    # Its number is its sibling's: told so, it is put once more under another.
    assert port.elements() == 2


async def test_a_step_that_adds_more_than_is_allowed_fails_and_leaves_the_thread_as_it_was(bus: Bus) -> None:
    rights = GrantedRights(bus)
    config = await of_length(bus, rights, 20)
    narrow = graph(Saver(bus.checkpoints, rights, step_bytes=4096))
    before = await narrow.aget_state(config)
    with pytest.raises(UnfitValue, match=r"adds \d+ bytes, and CONTINUO_THREAD_STEP_BYTES allows 4096"):
        await narrow.ainvoke({"messages": [HumanMessage("x" * 5000, id=fresh_id())]}, config)
    assert await narrow.aget_state(config) == before
    assert len((await narrow.ainvoke(said(1), config))["messages"]) == 24


async def test_a_state_larger_than_a_step_may_add_goes_on_growing(bus: Bus) -> None:
    rights = GrantedRights(bus)
    config = await of_length(bus, rights, 200)
    state = await graph(Saver(bus.checkpoints, rights, step_bytes=4096)).ainvoke(said(1), config)
    assert len(state["messages"]) == 204


class Meanwhile:
    """The port, with something that happens between a prune's look and its drop, once."""

    def __init__(self, bus: Bus, happens: Callable[[], Awaitable[None]]) -> None:
        self._port = bus.checkpoints
        self._happens = [happens]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._port, name)

    async def drop(self, *args: Any, **options: Any) -> bool:
        if self._happens:
            await self._happens.pop()()
        return await self._port.drop(*args, **options)


async def test_a_fork_that_is_made_between_a_prunes_look_and_its_drop_loses_nothing(bus: Bus) -> None:
    rights = GrantedRights(bus)
    config = await of_length(bus, rights, 5)
    talk = graph(await open_saver(bus, rights=rights))
    for _ in range(2):
        await talk.ainvoke(said(1), config)
    oldest = [each.config async for each in talk.aget_state_history(config)][-1]
    forks = []

    async def fork() -> None:
        forks.append(await talk.aupdate_state(oldest, said(1)))

    port: Any = Meanwhile(bus, fork)
    await Saver(port, rights).trim(config["configurable"]["thread_id"], 1)
    assert len((await talk.aget_state(forks[0])).values["messages"]) == 6
    assert len((await talk.aget_state(oldest)).values["messages"]) == 5


async def test_what_a_saver_remembers_of_threads_is_bounded(bus: Bus) -> None:
    saver = await open_saver(bus)
    for number in range(REMEMBERED + 10):
        saver._remember(Place("thread", f"space-{number}", "1"), {})
    assert len(saver._last) == REMEMBERED
