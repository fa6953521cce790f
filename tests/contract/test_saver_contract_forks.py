"""Branches: what is changed from outside, and histories that part at an older checkpoint and both live on."""

from operator import add
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt

from services.shared.bus.house import Bus
from tests.support.saver_twins import AnySaver, Ours, SaverKind, assert_twins, id_of, listed, on
from tests.support.savers import fresh_thread


class Log(TypedDict, total=False):
    log: Annotated[list[str], add]
    word: str


def line(word: str, number: int) -> str:
    """Long enough that a list of forty is kept by element."""
    return f"{word} {number} " + "." * 90


def telling(saver: AnySaver) -> Any:
    """A graph that adds two lines of the state's word, one a step."""
    graph = StateGraph(Log)
    graph.add_node("one", lambda state: {"log": [line(state["word"], len(state["log"]))]})
    graph.add_node("two", lambda state: {"log": [line(state["word"], len(state["log"]))]})
    graph.add_edge(START, "one")
    graph.add_edge("one", "two")
    graph.add_edge("two", END)
    return graph.compile(checkpointer=saver)


def start(word: str, count: int = 40) -> Any:
    return {"word": word, "log": [line(word, number) for number in range(count)]}


async def at(kind: SaverKind, config: Any) -> list[str]:
    """The log's lines as (word, number) where a config points to, read by a new saver."""
    state = await telling(await kind.open()).aget_state(config)
    return [" ".join(one.split()[:2]) for one in state.values.get("log", [])]


async def test_what_branches_share_here_is_kept_by_element(bus: Bus) -> None:
    """Without it the other tests would not show what becomes of shared elements."""
    ours, thread = Ours(bus), fresh_thread()
    await telling(await ours.open()).ainvoke(start("trunk"), on(thread))
    kept = (await bus.checkpoints.survey(thread)).values
    longest = max(
        sum(count for _, count in runs) for (_, channel, _), runs in kept.items() if channel == "log"
    )
    assert longest == 42


@pytest.mark.parametrize("anew", [True, False], ids=["new savers", "one saver"])
async def test_branches_that_part_at_one_checkpoint_both_live_on(
    twins: tuple[SaverKind, SaverKind], anew: bool
) -> None:
    """Both append to a list they share, in turns, so that each uses numbers the other might take."""

    async def doings(kind: SaverKind, thread: str) -> Any:
        saver = await kind.open()
        await telling(saver).ainvoke(start("trunk"), on(thread))
        parting = await telling(saver).aget_state(on(thread))
        tips = {"left": parting.config, "right": parting.config}
        for _ in range(4):
            for word in ("left", "right"):
                saver = await kind.open() if anew else saver
                graph = telling(saver)
                tips[word] = await graph.aupdate_state(tips[word], {"word": word}, as_node="two")
                await graph.ainvoke({"log": [line(word, -1)]}, tips[word])
                tips[word] = (await graph.aget_state(on(thread))).config
        return [await at(kind, config) for config in (parting.config, tips["left"], tips["right"])]

    trunk, left, right = await assert_twins(twins, doings)
    assert len(trunk) == 42
    for word, branch in (("left", left), ("right", right)):
        numbers = [number for turn in range(4) for number in (-1, 43 + 3 * turn, 44 + 3 * turn)]
        assert branch == [*trunk, *(f"{word} {number}" for number in numbers)]


async def test_a_run_from_an_older_checkpoint_makes_a_branch(twins: tuple[SaverKind, SaverKind]) -> None:
    async def doings(kind: SaverKind, thread: str) -> Any:
        graph = telling(await kind.open())
        await graph.ainvoke(start("first"), on(thread))
        await graph.ainvoke({"word": "second"}, on(thread))
        tip = (await graph.aget_state(on(thread))).config
        states = [state async for state in graph.aget_state_history(on(thread))]
        middle = next(state for state in reversed(states) if state.next == ("two",))
        again = await telling(await kind.open()).ainvoke(None, middle.config)
        latest = await telling(await kind.open()).aget_state(on(thread))
        return [len(again["log"]), latest.values["word"], await at(kind, tip), await at(kind, middle.config)]

    length, word, tip, middle = await assert_twins(twins, doings)
    assert (length, word, len(tip), len(middle)) == (42, "first", 44, 41)


async def test_branches_change_and_drop_what_they_share(twins: tuple[SaverKind, SaverKind]) -> None:
    class Kept(TypedDict):
        value: Any

    def plain(saver: AnySaver) -> Any:
        graph = StateGraph(Kept)
        graph.add_node("keep", lambda _: {})
        graph.add_edge(START, "keep")
        return graph.compile(checkpointer=saver)

    async def doings(kind: SaverKind, thread: str) -> Any:
        base = {number: line("base", number) for number in range(40)}
        await plain(await kind.open()).ainvoke({"value": base}, on(thread))
        trunk = (await plain(await kind.open()).aget_state(on(thread))).config
        changes = [{5: "left"}, {5: "right", 50: "right"}, {6: "third", 50: "third"}]
        tips = []
        for change in changes:
            graph = plain(await kind.open())
            tips.append(await graph.aupdate_state(trunk, {"value": {**base, **change}}, as_node="keep"))
        for place, tip in enumerate(tips):
            value = (await plain(await kind.open()).aget_state(tip)).values["value"]
            few = {key: one for key, one in value.items() if key % 2 or key > 49}
            graph = plain(await kind.open())
            tips[place] = await graph.aupdate_state(tip, {"value": {**few, 60: str(place)}}, as_node="keep")
        return [(await plain(await kind.open()).aget_state(each)).values for each in (trunk, *tips)]

    trunk, *branches = await assert_twins(twins, doings)
    assert len(trunk["value"]) == 40
    assert [(each["value"].get(5), each["value"].get(50), each["value"][60]) for each in branches] == [
        ("left", None, "0"),
        ("right", "right", "1"),
        (line("base", 5), "third", "2"),
    ]


async def test_an_update_from_outside_is_a_checkpoint_of_its_own(twins: tuple[SaverKind, SaverKind]) -> None:
    async def doings(kind: SaverKind, thread: str) -> Any:
        graph = telling(await kind.open())
        await graph.aupdate_state(on(thread), {"word": "out of nothing"}, as_node="two")
        await graph.ainvoke(start("inside", 2), on(thread))
        await telling(await kind.open()).aupdate_state(on(thread), {"log": ["from outside"]}, as_node="one")
        state = await telling(await kind.open()).aget_state(on(thread))
        await telling(await kind.open()).ainvoke(None, on(thread))
        return state.next, state.metadata["source"], await at(kind, on(thread))

    following, source, log = await assert_twins(twins, doings)
    assert (following, source) == (("two",), "update")
    assert log == ["inside 0", "inside 1", "inside 2", "inside 3", "from outside", "inside 5"]


async def test_a_checkpoint_made_a_copy_of_goes_on_from_there(twins: tuple[SaverKind, SaverKind]) -> None:
    async def doings(kind: SaverKind, thread: str) -> Any:
        graph = telling(await kind.open())
        await graph.ainvoke(start("base"), on(thread))
        states = [state async for state in graph.aget_state_history(on(thread))]
        await telling(await kind.open()).aupdate_state(states[1].config, None, as_node="__copy__")
        copied = await telling(await kind.open()).aget_state(on(thread))
        await telling(await kind.open()).ainvoke(None, on(thread))
        return copied.next, copied.metadata["source"], await at(kind, on(thread))

    following, source, log = await assert_twins(twins, doings)
    assert (following, source, len(log)) == (("two",), "fork", 42)


async def test_a_branch_from_before_an_interrupt_asks_again(twins: tuple[SaverKind, SaverKind]) -> None:
    def asking(saver: AnySaver) -> Any:
        graph = StateGraph(Log)
        graph.add_node("before", lambda _: {"log": ["before"]})
        graph.add_node("ask", lambda state: {"log": [interrupt(len(state["log"]))]})
        graph.add_edge(START, "before")
        graph.add_edge("before", "ask")
        return graph.compile(checkpointer=saver)

    async def doings(kind: SaverKind, thread: str) -> Any:
        await asking(await kind.open()).ainvoke({"log": ["a"]}, on(thread))
        asked = (await asking(await kind.open()).aget_state(on(thread))).config
        first = await asking(await kind.open()).ainvoke(Command(resume="yes"), on(thread))
        changed = await asking(await kind.open()).aupdate_state(asked, {"log": ["changed"]}, as_node="before")
        again = await asking(await kind.open()).ainvoke(None, changed)
        second = await asking(await kind.open()).ainvoke(Command(resume="no"), on(thread))
        return first["log"], [each.value for each in again["__interrupt__"]], second["log"]

    first, questions, second = await assert_twins(twins, doings)
    assert first == ["a", "before", "yes"]
    assert questions == [3]
    assert second == ["a", "before", "changed", "no"]


async def test_the_older_branch_is_listed_and_its_parents_lead_to_the_trunk(kind: SaverKind) -> None:
    thread, graph = fresh_thread(), telling(await kind.open())
    await graph.ainvoke(start("trunk", 3), on(thread))
    trunk = await listed(await kind.open(), thread)
    await graph.aupdate_state(on(thread, id_of(trunk[2]), ""), {"word": "fork"})
    [fork, *rest] = await listed(await kind.open(), thread)
    assert [id_of(one) for one in rest] == [id_of(one) for one in trunk]
    assert fork.parent_config == on(thread, id_of(trunk[2]), "")
