"""DeltaChannel: a channel kept as what was written to it, made whole again from its ancestors' writes."""

from collections.abc import Sequence
from itertools import chain
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AnyMessage, HumanMessage, RemoveMessage
from langgraph.channels.delta import DeltaChannel
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Overwrite

from services.shared.bus.checkpoints import ANCESTORS
from services.shared.bus.house import Bus
from tests.support.saver_twins import AnySaver, Ours, SaverKind, assert_twins, id_of, listed, on
from tests.support.savers import fresh_thread

CHANNELS = ["messages", "facts", "count"]


def gathered(state: Sequence[AnyMessage], writes: Sequence[Any]) -> list[AnyMessage]:
    """Messages in order; one of a known id replaces that one, a RemoveMessage removes it."""
    found = {str(message.id): message for message in state}
    for write in writes:
        for message in write if isinstance(write, list) else [write]:
            if isinstance(message, RemoveMessage):
                found.pop(str(message.id), None)
            else:
                found[str(message.id)] = message
    return list(found.values())


def joined(state: dict[str, Any], writes: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {key: value for each in (state, *writes) for key, value in each.items()}


def graph_of(saver: AnySaver, often: int, rarely: int = 50) -> Any:
    """Two nodes that each say something; snapshots of messages every `often` updates, of facts `rarely`."""

    class State(TypedDict, total=False):
        messages: Annotated[list[AnyMessage], DeltaChannel(gathered, snapshot_frequency=often)]
        facts: Annotated[dict[str, Any], DeltaChannel(joined, snapshot_frequency=rarely)]
        count: int

    def say(state: State) -> Any:
        count = len(state["messages"])
        return {"messages": [HumanMessage(f"said {count}", id=f"s{count}")], "count": count}

    def learn(state: State) -> Any:
        last = state["messages"][-1].id
        return {"facts": {f"fact {state['count'] % 7}": last}, "messages": [RemoveMessage(id="m1")]}

    graph = StateGraph(State)
    graph.add_node("say", say)
    graph.add_node("learn", learn)
    graph.add_edge(START, "say")
    graph.add_edge("say", "learn")
    graph.add_edge("learn", END)
    return graph.compile(checkpointer=saver)


def message(number: int, text: str = "asked") -> Any:
    return {"messages": [HumanMessage(f"{text} {number}", id=f"m{number}")]}


async def told(kind: SaverKind, thread: str, turns: int, often: int, **how: Any) -> None:
    """As many turns, each by a new saver."""
    for turn in range(turns):
        await graph_of(await kind.open(), often).ainvoke(message(turn), on(thread), **how)


async def states(kind: SaverKind, thread: str, often: int) -> list[Any]:
    graph = graph_of(await kind.open(), often)
    return [state.values async for state in graph.aget_state_history(on(thread))]


async def pasts(kind: SaverKind, thread: str) -> list[Any]:
    """The delta histories at each checkpoint; as found by this kind's way, and by LangGraph's slow one."""
    saver = await kind.open()
    found = []
    for kept in reversed(await listed(saver, thread, space="")):
        at = on(thread, id_of(kept), "")
        past = await saver.aget_delta_channel_history(config=at, channels=CHANNELS)
        assert past == await BaseCheckpointSaver.aget_delta_channel_history(
            saver, config=at, channels=CHANNELS
        )
        found.append({channel: dict(one) for channel, one in past.items()})
    return found


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
@pytest.mark.parametrize("often", [1, 3, 1000])
async def test_values_are_made_of_what_was_written(
    twins: tuple[SaverKind, SaverKind], often: int, durability: str
) -> None:
    async def doings(kind: SaverKind, thread: str) -> Any:
        await told(kind, thread, 8, often, durability=durability)
        return await states(kind, thread, often), await pasts(kind, thread)

    values, found = await assert_twins(twins, doings)
    ids = [one.id for one in values[0]["messages"]]
    assert ids == [name for turn in range(8) for name in (f"m{turn}", f"s{values_at(turn)}") if name != "m1"]
    if often == 1000:  # otherwise a past may have nothing but its snapshot
        assert any(len(past["messages"]["writes"]) > 7 for past in found)


def values_at(turn: int) -> int:
    """How many messages the graph sees in a turn: m1 is removed in its own."""
    return 2 * turn + 1 - (turn > 1)


async def test_a_history_without_target_channel_or_past_is_empty(kind: SaverKind) -> None:
    saver, thread = await kind.open(), fresh_thread()
    nothing: Any = await saver.aget_delta_channel_history(config=on(thread), channels=["messages"])
    assert nothing == {"messages": {"writes": []}}
    await told(kind, thread, 2, 1000)
    assert await saver.aget_delta_channel_history(config=on(thread), channels=[]) == {}
    first = (await listed(saver, thread))[-1]
    found: Any = await saver.aget_delta_channel_history(
        config=on(thread, id_of(first), ""), channels=CHANNELS
    )
    assert found == {channel: {"writes": []} for channel in CHANNELS}
    unknown: Any = await saver.aget_delta_channel_history(config=on(thread), channels=["unknown"])
    assert unknown == {"unknown": {"writes": []}}


@pytest.mark.parametrize("often", [2, 1000])
async def test_branches_have_each_its_own_past(twins: tuple[SaverKind, SaverKind], often: int) -> None:
    async def doings(kind: SaverKind, thread: str) -> Any:
        await told(kind, thread, 4, often)
        graph = graph_of(await kind.open(), often)
        history = [state async for state in graph.aget_state_history(on(thread))]
        parting = next(
            state.config for state in history if len(state.values["messages"]) == 5 and not state.next
        )
        tips = []
        for word in ("left", "right"):
            graph = graph_of(await kind.open(), often)
            tip = await graph.aupdate_state(parting, message(90, word), as_node="learn")
            await graph.ainvoke(message(91, word), tip)
            await graph.ainvoke(message(92, word), on(thread))
            tips.append((await graph.aget_state(on(thread))).config)
        read = [graph_of(await kind.open(), often) for _ in range(2)]
        both = [(await one.aget_state(tip)).values for one, tip in zip(read, tips, strict=True)]
        return both, [state.values for state in history], await pasts(kind, thread)

    (left, right), trunk, _ = await assert_twins(twins, doings)
    for word, branch in (("left", left), ("right", right)):
        texts = [one.content for one in branch["messages"] if one.id.startswith("m9")]
        assert texts == [f"{word} {number}" for number in (90, 91, 92)]
    assert not [one for one in trunk[0]["messages"] if one.id.startswith("m9")]


async def test_updates_from_outside_and_overwrites_count(twins: tuple[SaverKind, SaverKind]) -> None:
    async def doings(kind: SaverKind, thread: str) -> Any:
        graph = graph_of(await kind.open(), 1000)
        await graph.aupdate_state(on(thread), message(50), as_node="learn")
        await told(kind, thread, 2, 1000)
        graph = graph_of(await kind.open(), 1000)
        await graph.aupdate_state(on(thread), message(51), as_node="learn")
        await graph.aupdate_state(on(thread), {"messages": Overwrite([HumanMessage("only", id="m60")])})
        await told(kind, thread, 2, 1000)
        return await states(kind, thread, 1000), await pasts(kind, thread)

    values, _ = await assert_twins(twins, doings)
    assert [one.id for one in values[0]["messages"]] == ["m60", "m0", "s2", "s4"]


async def test_a_node_that_fails_leaves_its_past_whole(twins: tuple[SaverKind, SaverKind]) -> None:
    """A write of what stood beside the failed node is in the past once, after the step was made again."""

    class State(TypedDict):
        words: Annotated[list[str], DeltaChannel(lambda state, writes: [*state, *chain(*writes)])]

    def made(saver: AnySaver, broken: list[bool]) -> Any:
        async def good(_: State) -> Any:
            return {"words": ["good"]}

        async def bad(_: State) -> Any:  # in the same tick: both are done, or which is done is chance
            if broken.pop():
                raise RuntimeError
            return {"words": ["bad"]}

        graph = StateGraph(State)
        graph.add_node("good", good)
        graph.add_node("bad", bad)
        graph.add_node("end", lambda state: {"words": [f"end of {len(state['words'])}"]})
        graph.add_edge(START, "good")
        graph.add_edge(START, "bad")
        graph.add_edge(["good", "bad"], "end")
        return graph.compile(checkpointer=saver)

    async def doings(kind: SaverKind, thread: str) -> Any:
        broken = [False, True]
        with pytest.raises(RuntimeError):
            await made(await kind.open(), broken).ainvoke({"words": ["in"]}, on(thread))
        result = await made(await kind.open(), broken).ainvoke(None, on(thread))
        return result, (await made(await kind.open(), broken).aget_state(on(thread))).values

    result, state = await assert_twins(twins, doings)
    assert result == state == {"words": ["in", "bad", "good", "end of 3"]}


async def test_the_past_is_read_in_batches_of_ancestors(bus: Bus) -> None:
    """As many round trips for a few as for a batch, and one more for each batch."""
    ours, trips = Ours(bus), []
    for turns in (2, 15, 40):
        thread = fresh_thread()
        await told(ours, thread, turns, 1000)
        saver = await ours.open()
        before = sent(bus)
        past = await saver.aget_delta_channel_history(config=on(thread), channels=CHANNELS)
        trips.append(sent(bus) - before)
        assert len(past["messages"]["writes"]) == 3 * turns
    few, batch, many = trips
    assert few == batch <= 2
    assert many <= few + 40 * 4 // ANCESTORS


def sent(bus: Bus) -> int:
    """How many times the bus waited for Redis."""
    [family] = bus.floor.metrics.redis_seconds.collect()
    return int(sum(sample.value for sample in family.samples if sample.name.endswith("_count")))
