"""Long-term memory on a real Redis: what a graph remembers, who finds it, and what a failure leaves."""

import asyncio
import datetime as dt
import enum
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any, TypedDict

import pytest
from langchain_core.messages import AIMessage
from langgraph.config import get_store
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.store.base import BaseStore, InvalidNamespaceError, Item
from langgraph.store.memory import InMemoryStore

from services.conversation.core.retry import FaultKind
from services.conversation.graph.faults import classify
from services.conversation.graph.memory import MOST_BYTES, PAGE, Memory, NotStorableError, label
from services.conversation.graph.state import ThreadState
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.bus.keys import MEMORY
from services.shared.model.errors import Broken, BusUnavailable, NotReplicated, Temporary
from tests.support.open_bus import fresh_user, open_bus
from tests.support.waiting import eventually
from tests.support.workers import BOB, Talk, graph_of, worker_in_process

Namespace = tuple[str, ...]


class State(TypedDict, total=False):
    user: str
    learnt: str
    known: list[str]


async def opened(bus: Bus) -> BaseStore:
    memory = Memory(bus.documents)
    await memory.open()
    return memory.store


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(workers_redis) as bus:
        yield bus


@pytest.fixture
async def store(bus: Bus) -> BaseStore:
    return await opened(bus)


def about(state: State) -> Namespace:
    return ("users", state["user"], "facts")


async def by_runtime(state: State, runtime: Runtime[None]) -> State:
    assert runtime.store is not None
    await runtime.store.aput(about(state), "fact", {"text": state["learnt"]})
    return {}


async def by_context(state: State) -> State:
    await get_store().aput(about(state), "fact", {"text": state["learnt"]})
    return {}


async def by_argument(state: State, *, store: BaseStore) -> State:
    await store.aput(about(state), "fact", {"text": state["learnt"]})
    return {}


def in_a_thread(state: State, *, store: BaseStore) -> State:
    store.put(about(state), "other", {"text": "forgotten"})
    store.delete(about(state), "other")
    store.put(about(state), "fact", {"text": state["learnt"]})
    found = store.get(about(state), "fact")
    assert found is not None
    assert found.value == {"text": state["learnt"]}
    return {}


async def recalls(state: State, *, store: BaseStore) -> State:
    return {"known": [each.value["text"] for each in await store.asearch(("users", state["user"]))]}


def turn(node: Any, store: BaseStore) -> Callable[[State], Awaitable[dict[str, Any]]]:
    """A graph of one node, as one conversation's turn would run it."""
    graph = StateGraph(State)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    return graph.compile(store=store).ainvoke


@pytest.mark.parametrize("learns", [by_runtime, by_context, by_argument, in_a_thread])
async def test_what_one_turn_learns_another_one_elsewhere_knows(
    workers_redis: EmbeddedRedis, store: BaseStore, learns: Any
) -> None:
    ann = fresh_user("ann")
    await turn(learns, store)({"user": ann, "learnt": "likes tea"})
    async with open_bus(workers_redis) as elsewhere:
        there = await opened(elsewhere)
        assert (await turn(recalls, there)({"user": ann}))["known"] == ["likes tea"]
        assert (await turn(recalls, there)({"user": fresh_user("bob")}))["known"] == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann", "ann"),
        ("cats", "cat"),
        ("running", "run"),
        ("ann", "anna"),
        ("a|b", "b"),
        ("*", "a"),
        ("a b", "b"),
        ("@prefix:{x}", "x"),
        ("a,b", "a"),
        ("x" * 300 + "1", "x" * 300 + "2"),
        ("é", "e"),
        ("\\n", "\n"),
    ],
)
async def test_memory_under_one_namespace_does_not_exist_under_another(
    store: BaseStore, one: str, other: str
) -> None:
    root = fresh_user("root")
    await store.aput((root, one), "key", {"of": one})
    assert await store.aget((root, other), "key") is None
    assert await store.asearch((root, other)) == []
    await store.aput((root, other), "key", {"of": other})
    await store.adelete((root, other), "key")
    [kept] = await store.asearch((root, one))
    assert (kept.namespace, kept.value) == ((root, one), {"of": one})
    assert await store.alist_namespaces(prefix=(root, other)) == []


async def test_keys_that_differ_in_case_or_signs_are_different_keys(store: BaseStore) -> None:
    root = (fresh_user("root"),)
    keys = ["a", "A", "a|b", "b", "", " a", "a*", "*", "cats", "cat"]
    for key in keys:
        await store.aput(root, key, {"of": key})
    assert [item.value["of"] for item in await store.asearch(root)] == keys
    found = [await store.aget(root, key) for key in keys]
    assert [item and item.value["of"] for item in found] == keys


async def filled(store: BaseStore, root: str) -> None:
    # namespace after namespace: the store in memory answers in their order, ours by age
    for user in ("ann", "bob"):
        for number in (0, 2, 1, 3):
            value = {
                "kind": "even" if number % 2 == 0 else "odd",
                "at": number,
                "tags": [user, {"n": number}],
            }
            await store.aput((root, user, f"box{number % 2}"), f"k{number}", value)
    await store.aput((root, "ann", "box0"), "k0", {"kind": "new", "at": None})
    await store.adelete((root, "bob", "box1"), "k1")


def plain(results: Any) -> Any:
    return [
        (each.namespace, each.key, each.value) if isinstance(each, Item) else each for each in results or ()
    ]


@pytest.mark.parametrize(
    "ask",
    [
        lambda store, root: store.asearch((root,)),
        lambda store, root: store.asearch((root, "ann")),
        lambda store, root: store.asearch((root, "ann", "box1")),
        lambda store, root: store.asearch((root, "an")),
        lambda store, root: store.asearch((root,), limit=2),
        lambda store, root: store.asearch((root,), limit=0),
        lambda store, root: store.asearch((root,), limit=3, offset=2),
        lambda store, root: store.asearch((root,), offset=100),
        lambda store, root: store.asearch((root,), filter={"kind": "odd"}),
        lambda store, root: store.asearch((root,), filter={"kind": "odd"}, limit=1, offset=1),
        lambda store, root: store.asearch((root, "bob"), filter={"kind": "even", "at": 2}),
        lambda store, root: store.asearch((root, "bob"), filter={"at": {"$gte": 2}}),
        lambda store, root: store.asearch((root, "bob"), filter={"at": {"$gt": 0, "$lt": 3}}),
        lambda store, root: store.asearch((root, "bob"), filter={"at": {"$lte": 0}}),
        lambda store, root: store.asearch((root,), filter={"kind": {"$ne": "odd"}}),
        lambda store, root: store.asearch((root,), filter={"tags": ["bob", {"n": 2}]}),
        lambda store, root: store.asearch((root,), filter={"at": None}),
        lambda store, root: store.asearch((root,), filter={"missing": {"$eq": None}}, limit=2),
        lambda store, root: store.asearch((root,), query="words", limit=2),
        lambda store, root: store.alist_namespaces(prefix=(root,)),
        lambda store, root: store.alist_namespaces(prefix=(root, "*", "box1")),
        lambda store, root: store.alist_namespaces(prefix=(root,), suffix=("box0",)),
        lambda store, root: store.alist_namespaces(prefix=(root,), suffix=("ann", "*")),
        lambda store, root: store.alist_namespaces(prefix=(root,), max_depth=2),
        lambda store, root: store.alist_namespaces(prefix=(root,), limit=2, offset=1),
        lambda store, root: store.alist_namespaces(prefix=(root, "nobody")),
    ],
)
async def test_a_search_finds_what_the_store_in_memory_finds(
    store: BaseStore, ask: Callable[[BaseStore, str], Awaitable[Any]]
) -> None:
    root, twin = fresh_user("root"), InMemoryStore()
    await filled(store, root)
    await filled(twin, root)
    assert plain(await ask(store, root)) == plain(await ask(twin, root))


async def test_a_filter_looks_through_all_there_is(store: BaseStore) -> None:
    root = (fresh_user("root"),)
    many = 2 * PAGE + 10
    await asyncio.gather(*(store.aput(root, f"k{number}", {"at": number}) for number in range(many)))
    assert [item.value for item in await store.asearch(root, filter={"at": many - 1})] == [{"at": many - 1}]
    assert len(await store.asearch(root, limit=many + 1)) == many
    assert len(await store.asearch(root, filter={"at": {"$gte": 0}}, limit=many + 1)) == many


async def test_a_document_written_again_keeps_its_age_and_its_place(store: BaseStore) -> None:
    root = (fresh_user("root"),)
    await store.aput(root, "first", {"at": 1})
    await store.aput(root, "second", {"at": 1})
    before = await store.aget(root, "first")
    await store.aput(root, "first", {"at": 2})
    after, second = await store.asearch(root)
    assert before is not None
    assert (after.key, second.key) == ("first", "second")
    assert (after.value, after.created_at) == ({"at": 2}, before.created_at)
    assert after.updated_at >= before.updated_at


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"": {"deep": [[], {}, None, True, False]}},
        {"big": 2**70, "small": -(2**63), "float": 0.1 + 0.2, "minus": -0.0, "tiny": 5e-324, "whole": 1.0},
        {"text": "é\u2028\x00\ud800\U0001f600", "é": 1},
        {"__serde_type__": "json", "__serde_data__": '{"lc": 2, "type": "constructor"}'},
        {"said": AIMessage("what a message's text is: a str of a class of its own").text},
        {"lc": 2, "type": "constructor", "id": ["decimal", "Decimal"], "args": ["7"]},
    ],
)
async def test_a_json_document_comes_back_as_it_was(store: BaseStore, value: dict[str, Any]) -> None:
    root = (fresh_user("root"),)
    await store.aput(root, "key", value)
    found = await store.aget(root, "key")
    assert found is not None
    assert repr(found.value) == repr(value)


class Colour(enum.StrEnum):
    RED = "red"


def nested(levels: int) -> dict[str, Any]:
    inner: list[Any] = []
    for _ in range(levels):
        inner = [inner]
    return {"inner": inner}


@pytest.mark.parametrize(
    "value",
    [
        {"at": Decimal(1)},
        {"at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC)},
        {"at": uuid.UUID(int=1)},
        {"at": Colour.RED},
        {"at": b"bytes"},
        {"at": (1, 2)},
        {"at": {1, 2}},
        {"at": [{"deep": object()}]},
        {"at": float("nan")},
        {"at": float("inf")},
        {1: "a key"},
        {"text": "x" * MOST_BYTES},
        nested(200),
        ["no", "dict"],
        "text",
    ],
    ids=lambda value: str(value)[:30],
)
async def test_what_is_no_json_is_refused_and_what_was_there_stays(store: BaseStore, value: Any) -> None:
    root = (fresh_user("root"),)
    await store.aput(root, "key", {"at": "before"})

    async def learns(_: State, *, store: BaseStore) -> State:
        await store.aput(root, "key", value)
        return {}

    with pytest.raises(NotStorableError) as raised:
        await turn(learns, store)({})
    fault = classify(raised.value)
    assert (fault.kind, fault.detail) == (FaultKind.BROKEN, str(raised.value))
    found = await store.aget(root, "key")
    assert found is not None
    assert found.value == {"at": "before"}


@pytest.mark.parametrize("namespace", [(), ("a.b",), ("",), (1,), ("langgraph",)])
async def test_a_namespace_langgraph_forbids_is_refused(store: BaseStore, namespace: Any) -> None:
    with pytest.raises(InvalidNamespaceError) as raised:
        await store.aput(namespace, "key", {})
    assert classify(raised.value).kind is FaultKind.BROKEN


async def tells_from_memory(state: ThreadState, runtime: Runtime[None]) -> ThreadState:
    """Answer with what this person said before, wherever that was, and remember the new."""
    assert runtime.store is not None
    said = state["messages"][-1]
    namespace = ("users", label(str(said.name)), "said")
    before = await runtime.store.asearch(namespace)
    await runtime.store.aput(namespace, str(said.id), {"text": said.text})
    return {"messages": [AIMessage(", ".join(item.value["text"] for item in before) or "Nothing yet.")]}


async def test_an_agent_remembers_a_person_from_one_conversation_to_another(
    workers_redis: EmbeddedRedis,
) -> None:
    graph = graph_of(model=tells_from_memory)
    async with open_bus(workers_redis) as bus:
        first = await Talk.new(bus, BOB)
        async with worker_in_process(workers_redis, graph, speaking=None):
            assert await first.answer("I like tea") == "Nothing yet."
        second = await Talk.new(bus, BOB)
        async with worker_in_process(workers_redis, graph, speaking=None):
            assert await second.answer("What do I like?") == "I like tea"
            assert await second.answer("And I?", BOB) == "Nothing yet."


async def test_a_turn_waits_for_a_memory_that_is_away(own_redis: EmbeddedRedis) -> None:
    """The store is tried again as the thread is: the turn ends well after the failover."""

    async def dies(_: ThreadState) -> ThreadState:
        if not killed:
            killed.append(own_redis.master)
            own_redis.kill(killed[0])
        return {}

    killed: list[str] = []
    graph = graph_of(dies=dies, model=tells_from_memory)
    async with open_bus(own_redis) as bus:
        talk = await Talk.new(bus)
        async with worker_in_process(own_redis, graph, speaking=None):
            turn = await talk.say("I like tea")
            assert (await talk.finished(turn, within_s=40.0))["outcome"] == "completed"
            store = await opened(bus)
            assert [item.value["text"] for item in await store.asearch(("users",))] == ["I like tea"]


async def test_a_turn_that_misuses_memory_fails_with_its_reason(workers_redis: EmbeddedRedis) -> None:
    async def misuses(_: ThreadState, runtime: Runtime[None]) -> ThreadState:
        assert runtime.store is not None
        await runtime.store.aput(("users",), "key", {"at": [Decimal(1)]})
        return {}

    async with open_bus(workers_redis) as bus, worker_in_process(workers_redis, graph_of(model=misuses)):
        talk = await Talk.new(bus)
        end = await talk.finished(await talk.say("hello"))
        assert (end["outcome"], end["reason"]) == (
            "failed",
            "the agent failed (memory keeps JSON documents: value.*[0] is a Decimal)",
        )


async def test_every_users_name_makes_a_label_of_its_own(store: BaseStore) -> None:
    users = ["ann.smith@example.org", "ann%2Esmith@example.org", "ann_smith@example.org", "ann\0", "ann%00"]
    root = fresh_user("root")
    for user in users:
        await store.aput((root, label(user)), "name", {"is": user})
    for user in users:
        assert [item.value["is"] for item in await store.asearch((root, label(user)))] == [user]


async def test_one_graphs_wrong_use_harms_no_other_ones(store: BaseStore) -> None:
    """Both in the same tick of the loop, which a store that batches would send together."""
    root = (fresh_user("root"),)
    wrong: dict[str, Any] = {"at": float("nan")}
    spoilt, kept, got = await asyncio.gather(
        store.aput(root, "wrong", wrong),
        store.aput(root, "right", {"at": 1}),
        store.aget(root, "none"),
        return_exceptions=True,
    )
    assert isinstance(spoilt, NotStorableError)
    assert (kept, got) == (None, None)
    assert [item.key for item in await store.asearch(root)] == ["right"]


async def test_the_store_is_not_waited_for_on_its_own_loop(store: BaseStore) -> None:
    with pytest.raises(RuntimeError, match="aget"):
        store.get(("users",), "key")


async def test_a_time_to_live_is_refused(store: BaseStore) -> None:
    with pytest.raises(NotImplementedError):
        await store.aput((fresh_user("root"),), "key", {}, ttl=5)


async def test_a_document_of_a_format_to_come_is_refused_by_name(bus: Bus, store: BaseStore) -> None:
    root = (fresh_user("root"),)
    await store.aput(root, "key", {})
    commands = bus.floor.commands
    [name] = [
        each
        async for each in commands.scan_iter(f"{MEMORY}:*")
        if root[0].encode() in await _space(bus, each)
    ]
    await commands.hset(name, "format", "9")
    for asked in (store.aget(root, "key"), store.asearch(root)):
        with pytest.raises(Broken, match="format 9"):
            await asked


async def _space(bus: Bus, name: bytes) -> bytes:
    space: Any = await bus.floor.commands.hget(name, "namespace")
    return bytes(space)


async def test_memory_leaves_no_task_behind(bus: Bus) -> None:
    before = asyncio.all_tasks()
    store = await opened(bus)
    await store.aput((fresh_user("root"),), "key", {})
    await store.asearch((fresh_user("root"),))
    assert asyncio.all_tasks() == before


async def test_memory_works_on_when_redis_was_emptied_and_says_when_it_is_away(
    own_redis: EmbeddedRedis,
) -> None:
    async with open_bus(own_redis, redis_deadline_s=2.0) as bus, open_bus(own_redis) as other:
        store, there = await asyncio.gather(opened(bus), opened(other))
        await store.aput(("users", "ann"), "old", {"at": 1})
        await bus.floor.commands.flushall()
        await store.aput(("users", "ann"), "new", {"at": 2})
        assert await store.aget(("users", "ann"), "old") is None
        found = await asyncio.gather(store.asearch(("users",)), there.asearch(("users", "ann")))
        assert [[item.key for item in items] for items in found] == [["new"], ["new"]]
        assert await there.alist_namespaces() == [("users", "ann")]
        for name in (*own_redis.replicas, own_redis.master):
            own_redis.freeze(name)
        for node in (by_argument, in_a_thread, recalls):
            with pytest.raises(BusUnavailable) as raised:
                await turn(node, store)({"user": "ann", "learnt": "late"})
            assert classify(raised.value).kind is FaultKind.STORE


async def test_a_write_that_no_replica_confirms_is_not_accepted(own_redis: EmbeddedRedis) -> None:
    async with open_bus(own_redis) as bus:
        store = await opened(bus)
        await store.aput(("users", "ann"), "key", {"at": 1})
        for name in own_redis.replicas:
            own_redis.freeze(name)
        writes: list[Callable[[], Awaitable[None]]] = [
            lambda: store.adelete(("users", "ann"), "none"),
            lambda: store.aput(("users", "ann"), "key", {"at": 2}),
        ]
        for write in writes:
            with pytest.raises(NotReplicated) as raised:
                await write()
            assert classify(raised.value).kind is FaultKind.STORE


async def test_what_memory_accepted_survives_the_masters_death(own_redis: EmbeddedRedis) -> None:
    async with open_bus(own_redis) as bus:
        store = await opened(bus)
        accepted: list[str] = []
        refused: list[BaseException] = []

        async def keeps_learning(lane: int) -> None:
            for number in range(40_000):
                key = f"{lane}-{number}"
                try:
                    await store.aput(("users", f"u{lane}"), key, {"at": number})
                    accepted.append(key)
                except Temporary as error:
                    refused.append(error)
                if moved.is_set():
                    return

        moved = asyncio.Event()
        first = own_redis.master
        async with asyncio.TaskGroup() as lanes:
            for lane in range(3):
                lanes.create_task(keeps_learning(lane))
            await eventually(lambda: len(accepted) > 50)
            own_redis.kill(first)
            killed_at = len(accepted)
            await eventually(lambda: len(accepted) > killed_at + 50, within_s=30.0)
            moved.set()
        found = await store.asearch(("users",), limit=len(accepted) + 1000)
        assert set(accepted) <= {item.key for item in found}
        assert all(isinstance(error, Temporary) for error in refused)
