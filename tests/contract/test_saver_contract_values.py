"""Values from step to step: what nodes add, take away and change in place, in values small and large.

Every edit is made in one run, where the saver knows what it wrote, and in a run each with a new saver, which
learns it by reading. The one run waits for each checkpoint (durability "sync"): otherwise LangGraph hands a
checkpoint over only when the one before is kept, while the next step already runs; then what that step
changes in place gets into the older checkpoint with any saver that takes time, as the in-memory one does not.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage, ToolMessage
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import REMOVE_ALL_MESSAGES, add_messages

from services.shared.bus.house import Bus
from tests.support.saver_twins import AnySaver, Ours, SaverKind, assert_twins, on
from tests.support.savers import fresh_thread
from tests.support.thread_types import BEYOND_STOCK, SAMPLES, assert_same

ROOM = "some text that takes room, as much as it needs to be worth an element of its own, and more"
"""A list of such texts is kept element by element; of shorter ones it would be kept whole."""

Edit = Callable[[dict[str, Any]], Any]


class Desk(TypedDict, total=False):
    """What edits are made on."""

    turn: int
    go: int
    messages: Annotated[list[AnyMessage], add_messages]
    value: Any
    other: Any


def editing(saver: AnySaver, edits: Sequence[Edit], at_once: bool) -> Any:
    """A graph that makes one edit after the other, or one a run."""

    def edit(state: Desk) -> Any:
        return {**(edits[state["turn"]](dict(state)) or {}), "turn": state["turn"] + 1}

    graph = StateGraph(Desk)
    graph.add_node("edit", edit)
    graph.add_edge(START, "edit")
    more = lambda state: "edit" if at_once and state["turn"] < len(edits) else END  # noqa: E731
    graph.add_conditional_edges("edit", more, ["edit", END])
    return graph.compile(checkpointer=saver)


async def edited(kind: SaverKind, thread: str, edits: Sequence[Edit], at_once: bool) -> Any:
    """The values after each edit."""
    config, given = on(thread, recursion_limit=1000), {"turn": 0}
    if at_once:
        await editing(await kind.open(), edits, at_once).ainvoke(given, config, durability="sync")
    else:
        for _ in edits:
            await editing(await kind.open(), edits, at_once).ainvoke(given, config)
            given = {"go": 1}
    states = editing(await kind.open(), edits, at_once).aget_state_history(on(thread))
    return [state.values async for state in states][::-1]


def words(count: int, text: str = ROOM) -> list[dict[str, Any]]:
    return [{"n": number, "text": f"{text} {number}"} for number in range(count)]


def said(first: int, count: int) -> list[AnyMessage]:
    """Messages with ids of their own."""
    numbers = range(first, first + count)
    call = {"name": "look", "args": {"x": [1]}, "id": "c", "type": "tool_call"}
    kinds: list[Callable[[int], AnyMessage]] = [
        lambda n: HumanMessage(f"question {n} " + "x" * 200, id=f"m{n}"),
        lambda n: AIMessage(f"answer {n} " + "y" * 200, id=f"m{n}", tool_calls=[call]),
        lambda n: ToolMessage(f"result {n}", id=f"m{n}", tool_call_id="c"),
    ]
    return [kinds[number % 3](number) for number in numbers]


def changed_in_place(key: str, change: Callable[[Any], Any], *, told: bool = True) -> Edit:
    """Changes what stands in the state itself; told: and returns it."""

    def edit(state: dict[str, Any]) -> Any:
        change(state[key])
        return {key: state[key]} if told else {}

    return edit


def put(value: Any) -> Edit:
    return lambda _: {"value": deepcopy(value)}


def made(make: Callable[[Any], Any]) -> Edit:
    return lambda state: {"value": make(state["value"])}


def first_content(text: str) -> Callable[[Any], Any]:
    return lambda messages: setattr(messages[0], "content", text)


EDITS: dict[str, list[Edit]] = {
    "messages are added, replaced, removed and trimmed": [
        lambda _: {"messages": said(0, 40)},
        lambda _: {"messages": said(40, 2)},
        lambda _: {"messages": [HumanMessage("another", id="m20")]},
        lambda _: {"messages": [RemoveMessage(id="m3"), RemoveMessage(id="m41"), *said(42, 1)]},
        lambda s: {"messages": [RemoveMessage(id=m.id) for m in s["messages"][:-10]]},
        lambda s: {"messages": [RemoveMessage(id=REMOVE_ALL_MESSAGES), *s["messages"][-6:]]},
        lambda _: {"messages": said(3, 1)},
        lambda _: {"messages": [RemoveMessage(id=REMOVE_ALL_MESSAGES)]},
        lambda _: {"messages": said(0, 40)},
    ],
    "messages are changed in place": [
        lambda _: {"messages": said(0, 20)},
        changed_in_place("messages", first_content("changed")),
        changed_in_place("messages", lambda m: m[5].additional_kwargs.update(seen=True)),
        lambda s: {"messages": [first_content("again")(s["messages"]) or s["messages"][0]]},
        changed_in_place("messages", first_content("untold"), told=False),
        lambda _: {"messages": said(20, 1)},
    ],
    "lists are changed in place": [
        put(words(60)),
        changed_in_place("value", lambda v: v[30].update(text="changed")),
        changed_in_place("value", lambda v: v.append({"n": "new"})),
        changed_in_place("value", lambda v: v.reverse()),
        changed_in_place("value", lambda v: v[3].update(deep=[v[4], {"x": 1}])),
        changed_in_place("value", lambda v: v[9].update(text="untold"), told=False),
        lambda _: {"other": 1},
        changed_in_place("value", lambda v: v.clear()),
    ],
    "lists grow and shrink at any place": [
        put(words(50)),
        made(lambda v: [{"n": "front"}, *v]),
        made(lambda v: [*v[:20], {"n": "middle"}, *v[20:]]),
        made(lambda v: v[:10] + v[30:]),
        made(lambda v: [*v, *v]),
        made(lambda v: v[::2]),
        made(lambda v: [v[0]] * 100),
        made(lambda v: [*v[:50], 1, True, 1.0, *v[50:]]),
        made(lambda v: v[:2]),
        put([]),
        put(words(50)),
        put(words(51)[1:]),
    ],
    "dicts keep their keys' types and order": [
        put({number: {"text": "t" * 90, "n": number} for number in range(100)}),
        made(lambda v: {**v, 100: "new", "100": "text", 1.5: "half", (1, "a"): "pair", None: 0}),
        made(lambda v: {key: one for key, one in v.items() if key != 50}),
        made(lambda v: dict(reversed(v.items()))),
        changed_in_place("value", lambda v: v[3].update(text="changed")),
        changed_in_place("value", lambda v: v.pop(7)),
        made(lambda v: {str(key): one for key, one in v.items()}),
        made(lambda v: {**v, "5": {}}),
        put({}),
        put({f"key {number}": "v" * 90 for number in range(100)}),
        made(lambda v: {**v, "key 5": "w", b"key": bytearray(b"x" * 2000)}),
    ],
    "a channel's value changes its kind": [
        put(words(50)),
        put(dict(enumerate(words(50)))),
        put("text" * 1000),
        put(tuple(words(50))),
        put(words(50)),
        put(None),
        put(b"\0" * 5000),
        put({*range(500)}),
        put([words(50)]),
        put({"a": words(50), "b": words(50)}),
        put(words(50)),
    ],
    "what is not messages shares channels of the same words": [
        lambda _: {"value": words(50), "other": words(50)},
        lambda s: {"value": s["other"], "other": s["value"]},
        lambda s: {"value": s["value"][:-1]},
        lambda s: {"value": s["value"][:-1], "other": [*s["other"], 1]},
        lambda s: {"other": s["value"]},
    ],
}


@pytest.mark.parametrize("at_once", [True, False], ids=["in one run", "a run each"])
@pytest.mark.parametrize("name", EDITS)
async def test_edits_leave_the_same_values_at_every_step(
    twins: tuple[SaverKind, SaverKind], name: str, at_once: bool
) -> None:
    async def doings(kind: SaverKind, thread: str) -> Any:
        values = await edited(kind, thread, EDITS[name], at_once)
        return values, [list(each["value"]) for each in values if isinstance(each.get("value"), dict)]

    values, _ = await assert_twins(twins, doings)
    assert values[-1]["turn"] == len(EDITS[name])


async def test_what_is_edited_here_is_kept_by_element(bus: Bus) -> None:
    """Without it the other tests would not show what becomes of shared elements."""
    ours = Ours(bus)
    for name, edits in EDITS.items():
        thread = fresh_thread()
        await edited(ours, thread, edits, at_once=True)
        kept = (await bus.checkpoints.survey(thread)).values
        assert sum(bool(runs) for (_, channel, _), runs in kept.items() if channel != "turn") >= 4, name


@pytest.mark.parametrize("name", EDITS)
async def test_after_a_run_that_waits_for_nothing_the_last_values_are_right(
    twins: tuple[SaverKind, SaverKind], name: str
) -> None:
    seen = []
    for kind in twins:
        thread, edits = fresh_thread(), EDITS[name]
        graph = editing(await kind.open(), edits, at_once=True)
        await graph.ainvoke({"turn": 0}, on(thread, recursion_limit=1000), durability="async")
        seen.append((await editing(await kind.open(), edits, at_once=True).aget_state(on(thread))).values)
    assert_same(seen[1], seen[0])


async def test_a_change_in_place_is_stored_without_a_new_object(kind: SaverKind) -> None:
    edits = [put(words(60)), changed_in_place("value", lambda v: v[30].update(text="changed"))]
    values = await edited(kind, fresh_thread(), edits, at_once=True)
    before, after = values[-2]["value"], values[-1]["value"]
    assert after[30]["text"] == "changed"
    assert before[30]["text"] == f"{ROOM} 30"
    assert before[:30] + before[31:] == after[:30] + after[31:]


async def test_values_of_every_size_about_one_kibibyte(twins: tuple[SaverKind, SaverKind]) -> None:
    """Where lists and dicts begin to be kept by element."""
    edits: list[Edit] = [
        *(put([b"x" * 100] * 9 + [b"y" * room]) for room in (80, 90, *range(95, 125, 3), 100, 130)),
        *(put({1: "a" * 900, "1": "b" * room}) for room in (90, 100, *range(105, 125, 3), 110, 140)),
        *(put(["z" * size]) for size in (1000, 1019, 1020, 1021, 1024, 1025, 1030)),
        *(put([f"{n:02}" + "e" * size for n in range(20)]) for size in range(56, 64)),
        *(put([None] * size) for size in (1020, 1021, 1022, 1023, 1024, 1025, 1026)),
    ]

    async def doings(kind: SaverKind, thread: str) -> Any:
        return await edited(kind, thread, edits, at_once=True)

    await assert_twins(twins, doings)


async def test_three_hundred_messages_of_a_conversation(twins: tuple[SaverKind, SaverKind]) -> None:
    """Each turn in a run of its own; the last turns are compared as wholes, for a list of all takes long."""

    async def doings(kind: SaverKind, thread: str) -> Any:
        saver, edits = await kind.open(), [lambda s: {"messages": said(len(s["messages"]), 5)}] * 60
        for turn in range(60):
            given = {"turn": 0, "messages": []} if turn == 0 else {"go": turn}
            await editing(saver, edits, at_once=False).ainvoke(given, on(thread))
            saver = await kind.open() if turn % 10 == 0 else saver
        reader = editing(await kind.open(), edits, at_once=False)
        states = [state.values async for state in reader.aget_state_history(on(thread), limit=6)]
        await (await kind.open()).adelete_thread(thread)
        return states

    states = await assert_twins(twins, doings)
    assert [message.id for message in states[0]["messages"]] == [f"m{number}" for number in range(300)]


async def test_samples_of_every_kind_come_back_as_values(twins: tuple[SaverKind, SaverKind]) -> None:
    samples = {name: value for name, value in SAMPLES.items() if name not in BEYOND_STOCK}
    edits: list[Edit] = [
        put(samples),
        made(lambda v: list(v.values())),
        made(lambda v: [*v, *v]),
        *(put(value) for value in samples.values()),
    ]

    async def doings(kind: SaverKind, thread: str) -> Any:
        return await edited(kind, thread, edits, at_once=False)

    await assert_twins(twins, doings)
