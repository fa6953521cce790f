"""Any values, in any order of edits, on both savers: equal at every step, read by savers that wrote none."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any, TypedDict

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from langgraph.graph import START, StateGraph

from tests.support.saver_twins import AnySaver, SaverKind, assert_twins, on
from tests.support.thread_types import values

Update = dict[str, Any]

SEVERAL = st.lists(values(), max_size=4)
LONG = st.builds(lambda some, times: some * times, SEVERAL, st.integers(1, 20))
"""Lists of up to 80, above and below the size at which they are kept by element."""
KEYED = st.dictionaries(st.text(max_size=6) | st.integers(-9, 99) | st.booleans(), values(), max_size=6)
ROOMY = st.builds(
    lambda kept, room: {**kept, "room": "r" * room}, KEYED, st.sampled_from([0, 900, 1000, 5000])
)

UPDATES = st.fixed_dictionaries({}, optional={"value": values() | LONG | ROOMY, "other": values() | LONG})


class Desk(TypedDict, total=False):
    value: Any
    other: Any


def two_nodes(saver: AnySaver, first: Update, second: Update) -> Any:
    graph = StateGraph(Desk)
    graph.add_node("first", lambda _: deepcopy(first))
    graph.add_node("second", lambda _: deepcopy(second))
    graph.add_edge(START, "first")
    graph.add_edge("first", "second")
    return graph.compile(checkpointer=saver)


@settings(suppress_health_check=list(HealthCheck), max_examples=settings.default.max_examples // 2)
@given(turns=st.lists(st.tuples(UPDATES, UPDATES, UPDATES), min_size=1, max_size=2))
async def test_any_values_of_two_nodes_are_equal_on_both_savers(
    twins: tuple[SaverKind, SaverKind], turns: list[tuple[Update, Update, Update]]
) -> None:
    async def doings(kind: SaverKind, thread: str) -> Any:
        for given_, first, second in turns:
            graph = two_nodes(await kind.open(), first, second)
            await graph.ainvoke({"value": None, **given_}, on(thread))
        return (await two_nodes(await kind.open(), {}, {}).aget_state(on(thread))).values

    await assert_twins(twins, doings)


Edit = tuple[str, int, Any]
ITEMS = st.integers(0, 3).map(lambda n: {"n": n, "text": "x" * 200}) | values()
EDITS = st.tuples(
    st.sampled_from(["append", "insert", "replace", "remove", "cut", "turn", "double"]),
    st.integers(0, 50),
    ITEMS,
)


def edited(items: list[Any], edit: Edit) -> list[Any]:
    """A new list, changed in one way."""
    how, at, item = edit
    at = at % (len(items) + 1)
    front, back = items[:at], items[at:]
    made = {
        "append": [*items, item],
        "insert": [*front, item, *back],
        "replace": [*front, item, *back[1:]],
        "remove": [*front, *back[1:]],
        "cut": back,
        "turn": items[::-1],
        "double": (items * 2)[:300],
    }
    return made[how]


class Items(TypedDict):
    items: Any


def editing(saver: AnySaver) -> Any:
    """A graph whose input is the new list."""
    graph = StateGraph(Items)
    graph.add_node("keep", lambda _: {})
    graph.add_edge(START, "keep")
    return graph.compile(checkpointer=saver)


@settings(suppress_health_check=list(HealthCheck))
@given(
    size=st.sampled_from([0, 3, 30]),
    plan=st.lists(st.tuples(EDITS, st.integers(0, 9), st.booleans()), min_size=1, max_size=6),
)
async def test_any_edits_of_lists_on_any_branches_are_equal_on_both_savers(
    twins: tuple[SaverKind, SaverKind], size: int, plan: Sequence[tuple[Edit, int, bool]]
) -> None:
    """Each edit is made on one of the checkpoints before, by the saver that made the last or by a new one."""

    async def doings(kind: SaverKind, thread: str) -> Any:
        graph = editing(await kind.open())
        tips = [
            await graph.aupdate_state(
                on(thread), {"items": [{"n": n, "text": "y" * 100} for n in range(size)]}, as_node="keep"
            )
        ]
        for edit, back, anew in plan:
            graph = editing(await kind.open()) if anew else graph
            parent = tips[-1 - min(back // 3, len(tips) - 1)]
            items = (await graph.aget_state(parent)).values["items"]
            tips.append(await graph.aupdate_state(parent, {"items": edited(items, edit)}, as_node="keep"))
        return [(await editing(await kind.open()).aget_state(tip)).values for tip in tips]

    await assert_twins(twins, doings)
