"""A turn on real Redis as a real collector sees it: a worker's every span in one tree, and no word of what
was said.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator

import pytest
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.graph import END, START, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import interrupt
from opentelemetry import trace as otel

from services.conversation.graph.build import Graph
from services.conversation.graph.models import open_model
from services.conversation.graph.state import ThreadState
from services.local.embedded import EmbeddedRedis
from services.shared.bus.house import Bus
from services.shared.model.ids import TurnId
from services.shared.runtime.metrics import Metrics
from services.shared.runtime.tracing import Tracing, TracingSettings, of_attempt, spans, trace_id
from services.shared.runtime.tracing.names import ATTRIBUTES, table
from tests.support.model_server import Answer, ModelServer
from tests.support.open_bus import fresh_id, open_bus
from tests.support.otlp_receiver import OtlpReceiver
from tests.support.told_spans import Node, Spans, Told
from tests.support.waiting import eventually
from tests.support.workers import ASSISTANT, Talk, graph_of, worker_in_process

MARK = "marked4711"
"""In what is asked, given to tools and found by them; the model says it again."""
CONVERSATION_SIDE = {row.name for row in table() if row.service == "conversation"}


@pytest.fixture
async def bus(workers_redis: EmbeddedRedis) -> AsyncIterator[Bus]:
    async with open_bus(workers_redis) as bus:
        yield bus


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as opened:
        yield opened


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ModelServer]:
    async with ModelServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", f"key-{MARK}")
        yield server


@contextlib.asynccontextmanager
async def tracing(receiver: OtlpReceiver, *, ratio: float = 1.0) -> AsyncIterator[Tracing]:
    settings = TracingSettings(
        traces="otlp",
        otlp_endpoint=receiver.endpoint("grpc"),
        otlp_protocol="grpc",
        traces_ratio=ratio,
    )
    opened = await Tracing.open(settings, service="conversation", node="w1", metrics=Metrics())
    try:
        yield opened
    finally:
        await opened.close()


async def say(talk: Talk, tracing: Tracing, text: str) -> tuple[TurnId, str]:
    """Send a message as a connection does; its turn, and the traceparent that the turn carries."""
    with tracing.span(spans.SEND), tracing.span(spans.ACCEPT) as accept:
        return await talk.say(text, trace=accept.traceparent), accept.traceparent


async def whole(told: Spans, trace: str) -> list[Told]:
    """The trace, once its attempt has arrived."""
    await eventually(lambda: told.named("turn.attempt", trace), within_s=20.0)
    assert told.orphans(trace) == []
    assert told.twice(trace) == []
    return told.of(trace)


def table_name(span: Told) -> str:
    """The row's name: a model's or a tool's span is called by its conventional one."""
    operation = span.attributes.get("gen_ai.operation.name", "")
    return {"chat": "gen_ai.chat", "execute_tool": "gen_ai.tool"}.get(operation, span.name)


def looking_up() -> Graph:
    """Two steps of a real client's model around a tool; the second one speaks."""
    model = open_model("openai:gpt-4o-mini", token_s=0.0)

    async def think(state: ThreadState) -> ThreadState:
        thought = await model.ainvoke(state["messages"])
        call = {"name": "look_up", "args": {"what": f"{MARK} {thought.text}"}, "id": "call-1"}
        return {"messages": [AIMessage("", tool_calls=[call])]}

    @tool
    async def look_up(what: str) -> str:
        """Look something up."""
        with otel.get_tracer("theirs").start_as_current_span("theirs.search"):
            return f"found {what}"

    async def answer(state: ThreadState) -> ThreadState:
        assert isinstance(state["messages"][-1], ToolMessage)
        return {"messages": [await model.ainvoke(state["messages"])]}

    graph = StateGraph(ThreadState)
    graph.add_node("think", think)
    graph.add_node("tools", ToolNode([look_up]))
    graph.add_node("answer", answer)
    for one, following in ((START, "think"), ("think", "tools"), ("tools", "answer"), ("answer", END)):
        graph.add_edge(one, following)
    return graph.compile()


async def test_a_turns_tree_has_every_span_of_the_workers_side_and_no_word_of_what_was_said(
    workers_redis: EmbeddedRedis, bus: Bus, receiver: OtlpReceiver, server: ModelServer
) -> None:
    server.answers += [Answer(("hm ", MARK)), Answer(("It ", "is ", MARK, "."))]
    metrics = Metrics(names=["gpt-4o-mini"])
    async with (
        tracing(receiver) as traced,
        worker_in_process(
            workers_redis, looking_up(), speaking={"answer"}, tracing=traced, metrics=metrics, delta_ms=0.0
        ),
    ):
        talk = await Talk.new(bus)
        turn, accepted = await say(talk, traced, f"What is {MARK}?")
        assert (await talk.finished(turn))["outcome"] == "completed"
        told = await whole(receiver, trace_id(accepted))
    assert {table_name(one) for one in told} >= CONVERSATION_SIDE
    judge_tree(receiver.tree(trace_id(accepted)))
    judge_facts(told, str(turn))
    assert MARK not in repr(receiver.all)
    counted = metrics.registry.get_sample_value
    assert counted("continuo_model_call_seconds_count", {"model": "gpt-4o-mini"}) == 2
    assert counted("continuo_tool_call_seconds_count", {"tool": "other"}) == 1
    assert (counted("continuo_checkpoint_bytes_count", {"kind": "checkpoint"}) or 0) > 2
    judge_exemplars(metrics, trace_id(accepted))


def judge_exemplars(metrics: Metrics, trace: str) -> None:
    """The numbers of a sampled turn name its trace."""
    named: dict[str, set[str]] = {}
    for family in metrics.registry.collect():
        found = {one.exemplar.labels["trace_id"] for one in family.samples if one.exemplar}
        named |= {family.name.removeprefix("continuo_"): found} if found else {}
    assert set(named) == {
        "turn_wait_seconds",
        "turn_seconds",
        "first_delta_seconds",
        "model_call_seconds",
        "model_first_chunk_seconds",
        "model_tokens_per_second",
        "tool_call_seconds",
        "checkpoint_bytes",
    }
    assert set.union(*named.values()) == {trace}


def judge_tree(roots: list[Node]) -> None:
    """Who is whose child, by the table's names."""
    below: dict[str, set[str]] = {}

    def look(node: Node) -> None:
        below.setdefault(node.span.name, set()).update(child.span.name for child in node.children)
        for child in node.children:
            look(child)

    [send] = roots
    look(send)
    assert below["message.send"] == {"message.accept"}
    assert below["message.accept"] == {"message.wait", "turn.claim", "turn.attempt"}
    assert below["turn.attempt"] == {
        "thread.read",
        "graph.node",
        "thread.write",
        "message.publish",
        "turn.finish",
        "theirs.search",
    }
    assert below["graph.node"] == {"chat gpt-4o-mini", "execute_tool look_up"}


def judge_facts(told: list[Told], turn: str) -> None:
    """What the spans say of themselves."""
    of = {one.name: one.attributes for one in told}
    ours = [
        one for one in told if one.service == "continuo-conversation" and "continuo.turn" in one.attributes
    ]
    assert {one.attributes["continuo.turn"] for one in ours} == {turn}
    unsaid = {
        (row.name, fact)
        for row in table()
        if row.service == "conversation"
        for fact in row.attributes
        if not any(ATTRIBUTES[fact].key in one.attributes for one in told if table_name(one) == row.name)
    }
    assert unsaid == {("turn.attempt", "kept"), ("turn.finish", "kept"), ("thread.read", "checkpoint")}
    attempt = next(one for one in told if one.name == "turn.attempt")
    said = {name: attempt.attributes[name] for name in ("continuo.outcome", "continuo.attempt.number")}
    assert said == {"continuo.outcome": "completed", "continuo.attempt.number": 1}
    assert (attempt.attributes["gen_ai.agent.name"], attempt.kind) == (ASSISTANT, "CONSUMER")
    assert attempt.attributes["gen_ai.operation.name"] == "invoke_agent"
    nodes = [one.attributes["continuo.node"] for one in told if one.name == "graph.node"]
    assert nodes == ["think", "tools", "answer"]
    chat = of["chat gpt-4o-mini"]
    assert (chat["gen_ai.provider.name"], chat["gen_ai.request.model"]) == ("openai", "gpt-4o-mini")
    assert (chat["gen_ai.usage.input_tokens"], chat["gen_ai.usage.output_tokens"]) == (7, 4)
    assert chat["gen_ai.response.time_to_first_chunk"] > 0
    assert chat["gen_ai.response.finish_reasons"] == ["stop"]
    assert of["execute_tool look_up"]["gen_ai.tool.call.id"] == "call-1"
    assert of["message.publish"]["continuo.outcome"] == "completed"
    assert of["message.publish"]["continuo.deltas"] >= 0, "all of it may come in time for the whole"
    writes = [one.attributes["continuo.bytes"] for one in told if one.name == "thread.write"]
    assert all(size > 0 for size in writes)
    assert [(one.name, one.error) for one in told if one.failed] == []


async def test_an_unsampled_turn_that_failed_arrives_late_and_a_good_one_never(
    workers_redis: EmbeddedRedis, bus: Bus, receiver: OtlpReceiver
) -> None:
    def answer(state: ThreadState) -> ThreadState:
        if MARK in str(state["messages"][-1].text):
            raise ZeroDivisionError(MARK)
        return {"messages": [AIMessage("Fine.")]}

    async with (
        tracing(receiver, ratio=0.0) as traced,
        worker_in_process(workers_redis, graph_of(answer=answer), tracing=traced),
    ):
        talk = await Talk.new(bus)
        good, _ = await say(talk, traced, "go on")
        assert "keep" not in await talk.finished(good)
        bad, accepted = await say(talk, traced, f"break {MARK}")
        assert (await talk.finished(bad))["keep"] == "failed"
        told = await whole(receiver, trace_id(accepted))
    assert receiver.traces() == {trace_id(accepted)}
    assert all(one.late for one in told)
    [attempt] = [one for one in told if one.name == "turn.attempt"]
    assert (attempt.error, attempt.attributes["continuo.keep"]) == ("broken", "failed")
    [node] = [one for one in told if one.name == "graph.node"]
    assert (node.failed, node.error) == (True, "ZeroDivisionError")
    assert MARK not in repr(receiver.all)


async def test_a_turn_that_is_tried_again_is_kept_as_a_fault_with_both_attempts(
    workers_redis: EmbeddedRedis, bus: Bus, receiver: OtlpReceiver, server: ModelServer
) -> None:
    server.answers += [Answer(status=503)] * 3  # the client itself asks three times
    model = open_model("openai:gpt-4o-mini", token_s=0.0)

    async def answer(state: ThreadState) -> ThreadState:
        return {"messages": [await model.ainvoke(state["messages"])]}

    metrics = Metrics()
    async with (
        tracing(receiver, ratio=0.0) as traced,
        worker_in_process(workers_redis, graph_of(answer=answer), tracing=traced, metrics=metrics),
    ):
        talk = await Talk.new(bus)
        turn, accepted = await say(talk, traced, "hello")
        assert (await talk.finished(turn))["keep"] == "fault"
        trace = trace_id(accepted)
        await receiver.until(lambda told: len(told.named("turn.attempt", trace)) == 2)
    assert receiver.orphans(trace) == receiver.twice(trace) == []
    first, second = (one for one in receiver.of(trace) if one.name == "turn.attempt")
    assert (first.error, first.attributes["continuo.outcome"]) == ("unreachable", "tryagain")
    assert second.links == ((trace, first.id),)
    assert len(receiver.named("message.wait", trace)) == 1
    errors = {"model": "other", "kind": "unreachable"}
    assert metrics.registry.get_sample_value("continuo_model_call_errors_total", errors) == 1


async def test_a_turn_that_waits_for_a_person_leaves_its_context_in_the_thread_and_the_next_links_to_it(
    workers_redis: EmbeddedRedis, bus: Bus, receiver: OtlpReceiver
) -> None:
    def answer(_: ThreadState) -> ThreadState:
        return {"messages": [AIMessage(str(interrupt("Sure?")))]}

    async with (
        tracing(receiver) as traced,
        worker_in_process(workers_redis, graph_of(answer=answer), tracing=traced),
    ):
        talk = await Talk.new(bus)
        asks, first = await say(talk, traced, "do it")
        assert (await talk.finished(asks))["outcome"] == "interrupted"
        [asking] = [one for one in await whole(receiver, trace_id(first)) if one.name == "turn.attempt"]
        saved = await talk.threads.reader().aget_tuple(
            {"configurable": {"thread_id": talk.threads.thread_of(talk.id, ASSISTANT)}}
        )
        assert saved
        assert saved.metadata["trace"] == of_attempt(first, asking.attributes["continuo.attempt"])  # type: ignore[typeddict-item]
        turn, second = await say(talk, traced, "yes")
        await talk.finished(turn)
        [answering] = [one for one in await whole(receiver, trace_id(second)) if one.name == "turn.attempt"]
    assert trace_id(second) != trace_id(first)
    assert (trace_id(first), asking.id) in answering.links
    [node] = [one for one in receiver.of(trace_id(first)) if one.name == "graph.node"]
    assert (node.failed, node.attributes["continuo.outcome"]) == (False, "interrupted")


async def test_the_turn_that_brings_an_answer_begins_a_trace_that_links_to_the_one_that_waits(
    workers_redis: EmbeddedRedis, bus: Bus, receiver: OtlpReceiver
) -> None:
    def answer(_: ThreadState) -> ThreadState:
        return {"messages": [AIMessage(str(interrupt("Sure?")))]}

    async with (
        tracing(receiver) as traced,
        worker_in_process(workers_redis, graph_of(answer=answer), tracing=traced),
    ):
        talk = await Talk.new(bus)
        asks, first = await say(talk, traced, "do it")
        await talk.finished(asks)
        [asking] = [one for one in await whole(receiver, trace_id(first)) if one.name == "turn.attempt"]
        [question] = (await bus.messages.history(talk.id, "ann")).asked
        with traced.span(spans.ANSWER), traced.span(spans.ACCEPT) as accept:
            second, name = accept.traceparent, fresh_id()
            said = f'"{MARK}"'.encode()
            taken = await bus.answers.answer(talk.id, "ann", name, question.interrupt, said, trace=second)
        await talk.finished(taken.turn)
        told = await whole(receiver, trace_id(second))
    assert taken.waiting == first
    [answering] = [one for one in told if one.name == "turn.attempt"]
    assert (trace_id(first), asking.id) in answering.links
    assert trace_id(second) != trace_id(first)
    assert MARK not in str(told)


async def test_a_cancelled_turns_message_and_node_are_told_to_their_end(
    workers_redis: EmbeddedRedis, bus: Bus, receiver: OtlpReceiver
) -> None:
    model, go_on = open_model("", token_s=0.01), asyncio.Event()

    async def answer(state: ThreadState) -> ThreadState:
        await model.ainvoke(state["messages"])
        await go_on.wait()
        return {}

    async with (
        tracing(receiver) as traced,
        worker_in_process(workers_redis, graph_of(answer=answer), tracing=traced, delta_ms=0.0),
    ):
        talk = await Talk.new(bus)
        turn, accepted = await say(talk, traced, "count to 1000")
        await talk.streaming(turn)
        await bus.turns.cancel(talk.id, "ann", turn)  # type: ignore[arg-type]
        assert (await talk.finished(turn))["outcome"] == "cancelled"
        told = await whole(receiver, trace_id(accepted))
    ended = {table_name(one): one for one in told}
    assert ended["turn.attempt"].attributes["continuo.outcome"] == "cancelled"
    assert ended["graph.node"].attributes["continuo.outcome"] == "cancelled"
    assert ended["message.publish"].attributes["continuo.outcome"] == "retracted"
    assert ended["message.publish"].attributes["continuo.deltas"] > 0
    assert [(one.name, one.error) for one in told if one.failed] == []


async def test_writes_of_threads_kept_by_the_stock_saver_are_told_too(
    workers_redis: EmbeddedRedis, bus: Bus, receiver: OtlpReceiver
) -> None:
    def answer(_: ThreadState) -> ThreadState:
        return {"messages": [AIMessage(MARK)]}

    async with (
        tracing(receiver) as traced,
        worker_in_process(workers_redis, graph_of(answer=answer), tracing=traced, checkpointer="redis"),
    ):
        talk = await Talk.new(bus, checkpointer="redis")
        turn, accepted = await say(talk, traced, "hello")
        await talk.finished(turn)
        told = await whole(receiver, trace_id(accepted))
    writes = [one.attributes for one in told if one.name == "thread.write"]
    assert {bool(one["continuo.writes"]) for one in writes} == {True, False}
    assert all(one["continuo.bytes"] > 0 for one in writes)
    assert {one["gen_ai.conversation.id"] for one in writes} == {talk.threads.thread_of(talk.id, ASSISTANT)}
