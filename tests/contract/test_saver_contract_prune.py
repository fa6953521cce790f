"""Pruning: what stays reads as before, and goes on as if nothing had gone.

The in-memory saver cannot prune, so a thread is compared with what it was itself.
"""

from operator import add
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.channels.delta import DeltaChannel
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from services.shared.bus.house import Bus
from tests.support.saver_twins import IDS, AnySaver, Ours, history, id_of, listed, on
from tests.support.savers import fresh_thread
from tests.support.thread_types import assert_same


class Log(TypedDict, total=False):
    log: Annotated[list[str], add]
    asks: bool


class Notes(TypedDict, total=False):
    notes: Annotated[list[str], add]


def line(number: int) -> str:
    return f"{number} " + "." * 90


def talking(saver: AnySaver) -> Any:
    """A graph that notes something in a graph below that remembers, asks in another if told to, and says
    something.
    """
    memory = StateGraph(Notes)
    memory.add_node("note", lambda state: {"notes": [f"note {len(state['notes'])}"]})
    memory.add_edge(START, "note")
    asking = StateGraph(Log)
    asking.add_node("quiet", lambda _: {})
    asking.add_node("ask", lambda state: {"log": [interrupt("who?")] if state.get("asks") else []})
    asking.add_edge(START, "quiet")
    asking.add_edge("quiet", "ask")
    graph = StateGraph(Log)
    graph.add_node("memory", memory.compile(checkpointer=True))
    below = asking.compile()

    async def asked(state: Log) -> Any:
        found = await below.ainvoke({"asks": state.get("asks", False), "log": []})
        return {"log": found["log"]}

    graph.add_node("below", asked)
    graph.add_node("say", lambda state: {"log": [line(len(state["log"]))]})
    graph.add_edge(START, "memory")
    graph.add_edge("memory", "below")
    graph.add_edge("below", "say")
    graph.add_edge("say", END)
    return graph.compile(checkpointer=saver)


async def talked(ours: Ours, thread: str, turns: int, **how: Any) -> None:
    for _ in range(turns):
        await talking(await ours.open()).ainvoke({"log": [line(-1)]}, on(thread, **how))


async def ids(ours: Ours, thread: str, space: str | None = "") -> list[str]:
    return [id_of(kept) for kept in await listed(await ours.open(), thread, space)]


async def assert_reads_as_before(ours: Ours, thread: str, before: list[dict[str, Any]]) -> None:
    """What is there now was there before, and is the same."""
    were = {(each["space"], each["id"]): each for each in before}
    for each in await history(await ours.open(), thread):
        assert_same(each, were[each["space"], each["id"]])


async def records(ours: Ours, thread: str) -> int:
    redis: Any = ours.bus.floor.commands
    return int(await redis.hlen(ours.bus.floor.keys.thread(thread).records))


@pytest.mark.parametrize("keep", [1, 3, 7, 1000])
async def test_the_last_stay_as_they_were_and_the_rest_goes(bus: Bus, keep: int) -> None:
    ours, thread = Ours(bus), fresh_thread()
    await talked(ours, thread, 6)
    every, before, full = (
        await ids(ours, thread),
        await history(await ours.open(), thread),
        await records(ours, thread),
    )
    saver: Any = await ours.open()
    await saver.aprune([thread], keep_last=keep)
    assert await ids(ours, thread) == every[:keep]
    await assert_reads_as_before(ours, thread, before)
    if keep < len(every):
        assert await saver.aget_tuple(on(thread, every[keep], "")) is None
        assert await records(ours, thread) < full
    state = await talking(await ours.open()).aget_state(on(thread))
    assert len(state.values["log"]) == 12


async def test_after_a_prune_runs_go_on_with_old_and_new_savers(bus: Bus) -> None:
    ours, thread, never = Ours(bus), fresh_thread(), fresh_thread()
    saver: Any = await ours.open()
    for turn in range(12):
        for each in (thread, never):
            graph = talking(saver if turn % 2 else await ours.open())
            await graph.ainvoke({"log": [line(-1)]}, on(each))
        if turn % 3 == 0:
            await saver.aprune([thread])
    values = [(await talking(await ours.open()).aget_state(on(each))).values for each in (thread, never)]
    assert values[0] == values[1]
    notes = [await (await ours.open()).aget_tuple(on(each, space="memory")) for each in (thread, never)]
    assert [kept and len(kept.checkpoint["channel_values"]["notes"]) for kept in notes] == [12, 12]


async def test_an_interrupt_below_is_resumed_after_a_prune(bus: Bus) -> None:
    ours, thread = Ours(bus), fresh_thread()
    await talked(ours, thread, 3)
    await talking(await ours.open()).ainvoke({"log": [], "asks": True}, on(thread))
    before = await history(await ours.open(), thread)
    saver: Any = await ours.open()
    await saver.aprune([thread])
    await assert_reads_as_before(ours, thread, before)
    state = await talking(await ours.open()).aget_state(on(thread))
    assert (state.next, [each.value for each in state.interrupts]) == (("below",), ["who?"])
    spaces = {IDS.sub("", each["space"]) for each in await history(await ours.open(), thread)}
    assert spaces == {"", "memory", "below:"}
    result = await talking(await ours.open()).ainvoke(Command(resume="Ann"), on(thread))
    assert [word[:3] for word in result["log"][-2:]] == ["Ann", "7 ."]


async def test_a_forks_parent_stays_with_its_values(bus: Bus) -> None:
    ours, thread = Ours(bus), fresh_thread()
    await talked(ours, thread, 4)
    trunk = await ids(ours, thread)
    graph = talking(await ours.open())
    await graph.aupdate_state(on(thread, trunk[5], ""), {"log": ["fork"]}, as_node="say")
    await graph.ainvoke({"log": ["more"]}, on(thread))
    before, every = await history(await ours.open(), thread), await ids(ours, thread)
    saver: Any = await ours.open()
    await saver.aprune([thread], keep_last=6)
    left = await ids(ours, thread)
    assert left[:6] == every[:6]
    assert trunk[5] in left
    await assert_reads_as_before(ours, thread, before)


async def test_branches_read_right_after_a_prune_between_them(bus: Bus) -> None:
    ours, thread = Ours(bus), fresh_thread()
    await talked(ours, thread, 20)
    parting = (await talking(await ours.open()).aget_state(on(thread))).config
    tips = {}
    for word in ("left", "right"):
        graph = talking(await ours.open())
        tip = await graph.aupdate_state(parting, {"log": [f"{word} update"]}, as_node="say")
        await graph.ainvoke({"log": [word]}, tip)
        tips[word] = (await graph.aget_state(on(thread))).config
    saver: Any = await ours.open()
    await saver.aprune([thread], keep_last=14)
    for word, tip in tips.items():
        state = await talking(await ours.open()).aget_state(tip)
        assert state.values["log"][40:] == [f"{word} update", word, line(42)]
        assert state.values["log"][:40] == [each for n in range(20) for each in (line(-1), line(2 * n + 1))]


def long_remembering(saver: AnySaver) -> Any:
    """A graph over one that remembers, and takes more steps than itself."""
    memory = StateGraph(Notes)
    memory.add_node("note", lambda state: {"notes": [f"note {len(state['notes'])}"]})
    memory.add_sequence([(name, lambda _: {}) for name in "abcdef"])
    memory.add_edge(START, "note")
    memory.add_edge("note", "a")
    graph = StateGraph(Log)
    graph.add_node("memory", memory.compile(checkpointer=True))
    graph.add_node("say", lambda state: {"log": [line(len(state["log"]))]})
    graph.add_edge(START, "memory")
    graph.add_edge("memory", "say")
    return graph.compile(checkpointer=saver)


async def test_a_run_from_an_older_checkpoint_finds_the_memory_of_its_time(bus: Bus) -> None:
    ours, pruned, never = Ours(bus), fresh_thread(), fresh_thread()
    noted = []
    for thread in (pruned, never):
        for _ in range(6):
            await long_remembering(await ours.open()).ainvoke({"log": ["in"]}, on(thread))
        saver: Any = await ours.open()
        if thread == pruned:
            await saver.aprune([thread], keep_last=8)
        states = [state async for state in long_remembering(saver).aget_state_history(on(thread))]
        older = [state.config for state in states if state.next == ("memory",)][1]
        await long_remembering(await ours.open()).ainvoke(None, older)
        kept = await saver.aget_tuple(on(thread, space="memory"))
        noted.append(kept.checkpoint["channel_values"]["notes"])
    assert noted[0] == noted[1] == [f"note {number}" for number in range(5)]


def adding(state: list[str], writes: list[list[str]]) -> list[str]:
    return [*state, *(each for write in writes for each in write)]


def delta(saver: AnySaver, often: int) -> Any:
    class State(TypedDict, total=False):
        log: Annotated[list[str], DeltaChannel(adding, snapshot_frequency=often)]
        other: Annotated[list[str], DeltaChannel(adding, snapshot_frequency=3)]

    graph = StateGraph(State)
    graph.add_node("say", lambda state: {"log": [f"said {len(state['log'])}"]})
    graph.add_node("two", lambda state: {"other": [f"other {len(state['log'])}"]})
    graph.add_edge(START, "say")
    graph.add_edge("say", "two")
    return graph.compile(checkpointer=saver)


@pytest.mark.parametrize("keep", [1, 4])
@pytest.mark.parametrize("often", [1, 3, 6, 1000])
async def test_delta_channels_are_whole_after_a_prune(bus: Bus, often: int, keep: int) -> None:
    ours, thread = Ours(bus), fresh_thread()
    for turn in range(9):
        await delta(await ours.open(), often).ainvoke({"log": [f"in {turn}"]}, on(thread))
    before = {
        state.config["configurable"]["checkpoint_id"]: state.values
        async for state in _states(ours, thread, often)
    }
    saver: Any = await ours.open()
    await saver.aprune([thread], keep_last=keep)
    after = {
        state.config["configurable"]["checkpoint_id"]: state.values
        async for state in _states(ours, thread, often)
    }
    assert list(after)[:keep] == list(before)[:keep]
    assert after == {checkpoint: before[checkpoint] for checkpoint in after}
    assert len(after) < len(before) or often == 1000  # whose snapshots never meet those of the other
    result = await delta(await ours.open(), often).ainvoke({"log": ["more"]}, on(thread))
    assert result["log"] == [
        *(w for n in range(9) for w in (f"in {n}", f"said {2 * n + 1}")),
        "more",
        "said 19",
    ]
    assert len(result["other"]) == 10


def _states(ours: Ours, thread: str, often: int) -> Any:
    async def found() -> Any:
        async for state in delta(await ours.open(), often).aget_state_history(on(thread)):
            yield state

    return found()


async def test_a_prune_knows_two_strategies_and_passes_over_what_is_not_there(bus: Bus) -> None:
    ours, thread = Ours(bus), fresh_thread()
    saver: Any = await ours.open()
    await talked(ours, thread, 1)
    with pytest.raises(ValueError, match="strategy"):
        await saver.aprune([thread], strategy="keep_most")
    assert len(await ids(ours, thread)) == 5
    await saver.aprune([fresh_thread(), thread], strategy="delete")
    assert await ids(ours, thread, None) == []
