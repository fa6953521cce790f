"""Threads as wholes: forgotten, copied, and gone by themselves."""

from operator import add
from typing import Annotated, Any, TypedDict

import pytest
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.graph import START, StateGraph
from langgraph.types import Command, interrupt

from services.shared.bus.house import Bus
from services.shared.model.errors import Refused
from tests.support.saver_twins import AnySaver, Ours, SaverKind, differences, history, listed, masked, on
from tests.support.savers import fresh_thread
from tests.support.thread_types import assert_same


class Log(TypedDict, total=False):
    log: Annotated[list[str], add]


class Notes(TypedDict, total=False):
    notes: Annotated[list[str], add]


def line(word: str, number: int) -> str:
    return f"{word} {number} " + "." * 90


def asking(saver: AnySaver) -> Any:
    """A graph that notes in one below that remembers, asks in another, and fails beside it if told to."""
    memory = StateGraph(Notes)
    memory.add_node("note", lambda state: {"notes": [f"note {len(state['notes'])}"]})
    memory.add_edge(START, "note")
    below = StateGraph(Log)
    below.add_node("ask", lambda _: {"log": [interrupt("who?")]})
    below.add_edge(START, "ask")
    inner = below.compile()

    async def ask(_: Log) -> Any:
        return {"log": (await inner.ainvoke({"log": []}))["log"]}

    graph = StateGraph(Log)
    graph.add_node("memory", memory.compile(checkpointer=True))
    graph.add_node("ask", ask)
    graph.add_node("beside", lambda state: {"log": [line("beside", len(state["log"]))]})
    graph.add_node("last", lambda state: {"log": [line("last", len(state["log"]))]})
    graph.add_edge(START, "memory")
    graph.add_edge("memory", "ask")
    graph.add_edge("memory", "beside")
    graph.add_edge(["ask", "beside"], "last")
    return graph.compile(checkpointer=saver)


async def asked(kind: SaverKind, thread: str, *answers: str) -> Any:
    """A run for each answer, and one more that waits for its answer."""
    for answer in answers:
        await asking(await kind.open()).ainvoke({"log": [line("in", n) for n in range(20)]}, on(thread))
        await asking(await kind.open()).ainvoke(Command(resume=answer), on(thread))
    return await asking(await kind.open()).ainvoke({"log": [line("in", 0)]}, on(thread))


async def test_a_deleted_thread_is_gone_with_all_its_spaces_and_writes(kind: SaverKind) -> None:
    thread, other = fresh_thread("a"), fresh_thread("b")
    await asked(kind, thread, "Ann")
    await asked(kind, other)
    left = await history(await kind.open(), other)
    checkpoint = (await listed(await kind.open(), thread, ""))[0].config
    await (await kind.open()).adelete_thread(thread)
    assert await listed(await kind.open(), thread) == []
    assert await (await kind.open()).aget_tuple(checkpoint) is None
    assert_same(await history(await kind.open(), other), left)
    await (await kind.open()).adelete_thread(thread)
    await (await kind.open()).adelete_thread(fresh_thread())


async def test_a_thread_begins_anew_after_it_was_deleted(kind: SaverKind) -> None:
    """Also by the saver that wrote it and knows its elements."""
    saver, thread = await kind.open(), fresh_thread()
    for _ in range(2):
        waiting = await asking(saver).ainvoke({"log": [line("in", n) for n in range(50)]}, on(thread))
        assert [each.value for each in waiting["__interrupt__"]] == ["who?"]
        result = await asking(saver).ainvoke(Command(resume="Ann"), on(thread))
        assert result["log"][50:] == ["Ann", line("beside", 50), line("last", 52)]
        notes = await (await kind.open()).aget_tuple(on(thread, space="memory"))
        assert notes is not None
        assert notes.checkpoint["channel_values"]["notes"] == ["note 0"]
        await saver.adelete_thread(thread)


async def test_a_saver_forgets_what_another_deleted(kind: SaverKind) -> None:
    """It wrote a list whose elements are gone now, and puts the list again, without having looked."""
    saver, thread = await kind.open(), fresh_thread()
    values = {"log": [line("in", number) for number in range(40)]}
    for number in (1, 2):
        checkpoint: Any = {
            **empty_checkpoint(),
            "channel_values": values,
            "channel_versions": {"log": number},
        }
        await saver.aput(on(thread, space=""), checkpoint, {"source": "input"}, {"log": number})
        kept = await (await kind.open()).aget_tuple(on(thread))
        assert kept is not None
        assert kept.checkpoint["channel_values"] == values
        await (await kind.open()).adelete_thread(thread)


async def test_a_deleted_thread_leaves_no_key(bus: Bus) -> None:
    ours, thread = Ours(bus), fresh_thread()
    await asked(ours, thread, "Ann")
    keys = bus.floor.keys.thread(thread).reading
    assert await bus.floor.commands.exists(*keys) == 2
    await (await ours.open()).adelete_thread(thread)
    assert await bus.floor.commands.exists(*keys) == 0


@pytest.mark.parametrize("near", [True, False], ids=["in one conversation", "to another"])
async def test_a_copy_holds_all_and_lives_on_by_itself(bus: Bus, near: bool) -> None:
    """The in-memory saver cannot copy; the copy is compared with its source."""
    ours, source = Ours(bus), fresh_thread("a")
    target = source.removesuffix(".a") + ".b" if near else fresh_thread("b")
    await asked(ours, source, "Ann", "Bob")
    saver: Any = await ours.open()
    await saver.acopy_thread(source, target)
    before = await history(await ours.open(), source)
    assert differences(masked(await history(await ours.open(), target)), masked(before)) == []
    result = await asking(await ours.open()).ainvoke(Command(resume="of the copy"), on(target))
    assert result["log"][-3:] == ["of the copy", line("beside", 47), line("last", 49)]
    await asked(ours, target, "Cat")
    assert_same(await history(await ours.open(), source), before)
    result = await asking(await ours.open()).ainvoke(Command(resume="of the source"), on(source))
    assert result["log"][-3:] == ["of the source", line("beside", 47), line("last", 49)]
    notes = [await saver.aget_tuple(on(thread, space="memory")) for thread in (source, target)]
    assert [len(each.checkpoint["channel_values"]["notes"]) for each in notes] == [3, 5]


async def test_a_copy_never_overwrites_and_of_nothing_is_nothing(bus: Bus) -> None:
    ours, source, target = Ours(bus), fresh_thread(), fresh_thread()
    await asked(ours, source)
    await asked(ours, target, "Ann")
    before = await history(await ours.open(), target)
    saver: Any = await ours.open()
    with pytest.raises(Refused):
        await saver.acopy_thread(source, target)
    assert_same(await history(await ours.open(), target), before)
    await saver.acopy_thread(fresh_thread(), empty := fresh_thread())
    assert await listed(saver, empty) == []


@pytest.fixture
def lasting(bus: Bus) -> Ours:
    """Ours, whose threads end an hour after they were last written."""
    return Ours(bus, ttl_s=3600)


async def ttls(bus: Bus, thread: str) -> list[int]:
    """Seconds left to the thread's two keys; -1: no end."""
    return [await bus.floor.commands.ttl(key) for key in bus.floor.keys.thread(thread).reading]


async def test_threads_have_no_end_where_none_is_asked_for(bus: Bus) -> None:
    ours, thread = Ours(bus), fresh_thread()
    await asked(ours, thread)
    assert await ttls(bus, thread) == [-1, -1]


async def test_each_put_and_each_write_puts_the_end_off(bus: Bus, lasting: Ours) -> None:
    thread = fresh_thread()
    await asked(lasting, thread)
    latest = await (await lasting.open()).aget_tuple(on(thread))
    assert latest is not None

    async def write() -> None:
        await (await lasting.open()).aput_writes(latest.config, [("a", 1)], "task")

    async def put() -> None:
        checkpoint = {**latest.checkpoint, "id": "f" * 36}
        await (await lasting.open()).aput(latest.config, checkpoint, latest.metadata, {})  # type: ignore[arg-type]

    for renew in (write, put):
        for key in bus.floor.keys.thread(thread).reading:
            await bus.floor.commands.expire(key, 60)
        await renew()
        assert all(3000 < left <= 3600 for left in await ttls(bus, thread))


async def test_both_keys_of_a_thread_end_together(bus: Bus, lasting: Ours) -> None:
    thread = fresh_thread()
    await asked(lasting, thread)
    keys = bus.floor.keys.thread(thread).reading
    ends = [await bus.floor.commands.pexpiretime(key) for key in keys]
    assert ends[0] == ends[1] > 0


async def test_a_copy_ends_when_its_source_would_have(bus: Bus, lasting: Ours) -> None:
    source, target = fresh_thread(), fresh_thread()
    await asked(lasting, source)
    for key in bus.floor.keys.thread(source).reading:
        await bus.floor.commands.expire(key, 600)
    saver: Any = await lasting.open()
    await saver.acopy_thread(source, target)
    assert all(500 < left <= 600 for left in await ttls(bus, target))
