"""What a saver reads back: lists, pages, single checkpoints and their parents."""

from operator import add
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.graph import END, START, StateGraph

from tests.support.saver_twins import AnySaver, SaverKind, assert_twins, id_of, listed, masked, on
from tests.support.savers import fresh_thread


class Count(TypedDict):
    """What the counting graph knows."""

    log: Annotated[list[str], add]
    left: int


def counting(saver: AnySaver) -> Any:
    graph = StateGraph(Count)
    graph.add_node("tick", lambda state: {"log": [f"tick {state['left']}"], "left": state["left"] - 1})
    graph.add_edge(START, "tick")
    graph.add_conditional_edges("tick", lambda state: "tick" if state["left"] else END, ["tick", END])
    return graph.compile(checkpointer=saver)


async def counted(saver: AnySaver, thread: str, *lefts: int, **more: Any) -> None:
    """One run for each number: each makes an input, that many steps and the one before them."""
    for left in lefts:
        await counting(saver).ainvoke({"log": [f"from {left}"], "left": left}, on(thread, **more))


async def ids(saver: AnySaver, thread: str, **how: Any) -> list[str]:
    return [id_of(kept) for kept in await listed(saver, thread, **how)]


async def test_a_list_is_whole_and_begins_with_the_newest(kind: SaverKind) -> None:
    saver, thread = await kind.open(), fresh_thread()
    await counted(saver, thread, 3, 2)
    found = await ids(await kind.open(), thread)
    assert len(found) == 5 + 4
    assert found == sorted(found, reverse=True)


@pytest.mark.parametrize("limit", [0, 1, 4, 9, 50])
async def test_a_limit_gives_the_newest(kind: SaverKind, limit: int) -> None:
    saver, thread = await kind.open(), fresh_thread()
    await counted(saver, thread, 3, 2)
    every = await ids(saver, thread)
    assert await ids(saver, thread, limit=limit) == every[:limit]


@pytest.mark.parametrize("size", [1, 2, 7])
async def test_pages_of_any_size_make_up_the_whole_history(kind: SaverKind, size: int) -> None:
    saver, thread = await kind.open(), fresh_thread()
    await counted(saver, thread, 4, 20, 20)
    reader, read, before = await kind.open(), list[str](), None
    while page := await ids(reader, thread, limit=size, before=before):
        assert len(page) <= size
        assert len(read) < 50
        read += page
        before = on(thread, page[-1])
    assert read == await ids(saver, thread)
    assert len(read) == 6 + 22 + 22


async def test_before_excludes_the_checkpoint_it_names_and_needs_none_of_that_name(kind: SaverKind) -> None:
    saver, thread = await kind.open(), fresh_thread()
    await counted(saver, thread, 3)
    every = await ids(saver, thread)
    assert await ids(saver, thread, before=on(thread, every[0])) == every[1:]
    assert await ids(saver, thread, before=on(thread, every[-1])) == []
    between = every[2][:-1] + ("0" if every[2][-1] > "0" else "")
    assert await ids(saver, thread, before=on(thread, between)) == every[3:]
    assert await ids(saver, thread, before=on(thread, "f" * 36)) == every
    assert await ids(saver, thread, before=on(thread)) == every


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({}, 9),
        ({"source": "input"}, 2),
        ({"source": "loop", "step": 1}, 1),
        ({"step": 1}, 1),
        ({"tenant": "a"}, 5),
        ({"tenant": "b", "source": "loop"}, 3),
        ({"tier": 2}, 4),
        ({"tier": True}, 0),
        ({"run_id": "run-a"}, 5),
        ({"run_id": "run-a", "step": 2}, 1),
        ({"tenant": "nobody"}, 0),
        ({"no such key": None}, 9),
        ({"parents": {}}, 9),
    ],
)
async def test_a_filter_asks_for_any_metadata_and_all_of_it(
    kind: SaverKind, wanted: dict[str, Any], count: int
) -> None:
    saver, thread = await kind.open(), fresh_thread()
    await counted(saver, thread, 3, metadata={"run_id": "run-a", "tenant": "a"})
    await counted(saver, thread, 2, metadata={"run_id": "run-b", "tenant": "b", "tier": 2})
    found = await listed(await kind.open(), thread, filter=wanted)
    assert len(found) == count
    for kept in found:
        assert all(kept.metadata.get(key) == value for key, value in wanted.items())


async def test_filter_limit_and_before_hold_together(kind: SaverKind) -> None:
    saver, thread = await kind.open(), fresh_thread()
    await counted(saver, thread, 40, metadata={"tenant": "a"})
    await counted(saver, thread, 3, metadata={"tenant": "b"})
    loops = await ids(saver, thread, filter={"tenant": "a", "source": "loop"})
    assert len(loops) == 41
    how: dict[str, Any] = {"filter": {"tenant": "a", "source": "loop"}, "before": on(thread, loops[5])}
    assert await ids(saver, thread, limit=3, **how) == loops[6:9]
    assert await ids(saver, thread, limit=3, filter={"tenant": "b", "step": -1}) == []
    first = await ids(saver, thread, limit=2, filter={"source": "input"}, before=on(thread, loops[5]))
    assert first == (await ids(saver, thread))[-1:]


async def test_a_config_with_a_checkpoint_lists_that_one(kind: SaverKind) -> None:
    saver, thread = await kind.open(), fresh_thread()
    await counted(saver, thread, 3)
    every = await ids(saver, thread)
    for wanted in every:
        assert [id_of(kept) async for kept in saver.alist(on(thread, wanted))] == [wanted]
    assert [kept async for kept in saver.alist(on(thread, "f" * 36))] == []
    assert [kept async for kept in saver.alist(on(thread, every[2]), before=on(thread, every[2]))] == []


async def test_threads_of_one_conversation_do_not_mix(kind: SaverKind) -> None:
    saver, thread = await kind.open(), fresh_thread("a")
    other = thread.removesuffix(".a") + ".b"
    await counted(saver, thread, 3)
    await counted(saver, other, 1)
    assert len(await ids(saver, thread)) == 5
    assert len(await ids(saver, other)) == 3
    state = await counting(await kind.open()).aget_state(on(other))
    assert state.values["log"] == ["from 1", "tick 1"]


async def test_what_is_not_there_is_none(kind: SaverKind) -> None:
    saver, thread = await kind.open(), fresh_thread()
    assert await saver.aget_tuple(on(thread)) is None
    assert await listed(saver, thread) == []
    await counted(saver, thread, 1)
    assert await saver.aget_tuple(on(thread, "1f0c0000-0000-6000-8000-000000000000")) is None
    assert await saver.aget_tuple(on(thread, space="nowhere")) is None
    assert await listed(saver, thread, space="nowhere") == []
    assert await saver.aget_tuple(on(fresh_thread())) is None


async def test_latest_and_by_id_give_what_was_put_and_name_their_place(kind: SaverKind) -> None:
    saver, thread = await kind.open(), fresh_thread()
    await counted(saver, thread, 3)
    reader = await kind.open()
    latest = await reader.aget_tuple(on(thread))
    assert latest is not None
    [newest, *_] = every = await listed(reader, thread)
    assert latest.config == newest.config == on(thread, id_of(newest), "")
    assert latest.checkpoint["id"] == id_of(latest)
    assert latest.checkpoint["channel_values"]["log"] == ["from 3", "tick 3", "tick 2", "tick 1"]
    for older in every:
        got = await reader.aget_tuple(on(thread, id_of(older), ""))
        assert got is not None
        assert got.checkpoint == older.checkpoint
        assert got.config["configurable"] == older.config["configurable"]


async def test_each_checkpoint_keeps_the_values_of_its_time(kind: SaverKind) -> None:
    saver, thread = await kind.open(), fresh_thread()
    await counted(saver, thread, 3)
    states = [state async for state in counting(await kind.open()).aget_state_history(on(thread))]
    assert [state.values.get("log") for state in states] == [
        ["from 3", "tick 3", "tick 2", "tick 1"],
        ["from 3", "tick 3", "tick 2"],
        ["from 3", "tick 3"],
        ["from 3"],
        [],
    ]


async def test_parents_lead_from_the_newest_to_the_first(kind: SaverKind) -> None:
    saver, thread = await kind.open(), fresh_thread()
    await counted(saver, thread, 3, 1)
    chain, config = list[str](), on(thread)
    while config is not None:
        kept = await saver.aget_tuple(config)
        assert kept is not None
        chain.append(id_of(kept))
        config = kept.parent_config
    assert chain == await ids(saver, thread)


async def test_savers_write_on_one_after_the_other(twins: tuple[SaverKind, SaverKind]) -> None:
    async def doings(kind: SaverKind, thread: str) -> None:
        await counted(await kind.open(), thread, 2)
        await counted(await kind.open(), thread, 3, 1, metadata={"run_id": "r", "odd": 1.5, "on": True})

    await assert_twins(twins, doings)


def test_masking_hides_ids_and_nothing_else() -> None:
    one, two = "1f0c0000-0000-6000-8000-00000000000", "node:"
    assert masked([two + one + "1", one + "2", one + "1", "#"]) == ["node:#0", "#1", "#0", "#"]
