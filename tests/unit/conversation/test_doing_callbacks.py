"""What a run does beside speaking, as LangChain tells it: real graphs, models and tools, in order, whatever
thread they work in.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.tools import InjectedToolArg, tool
from langchain_core.tracers._streaming import _StreamingCallbackHandler
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.func import entrypoint, task
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode
from langgraph.types import Command, interrupt

from services.conversation.graph.doings import DoingCallbacks
from services.shared.model.doing import Doing
from tests.support.doing_graph import agent


class Notes:
    """A doer that keeps all it hears, by the call."""

    def __init__(self) -> None:
        self.calls: dict[str, list[Any]] = {}
        self.usage: list[Mapping[str, int]] = []

    def begins(self, source: str, doing: Doing) -> None:
        assert source not in self.calls
        self.calls[source] = [doing]

    def argues(self, source: str, text: str) -> None:
        self.calls[source].append(text)

    def runs(self, source: str, arguments: str) -> None:
        self.calls[source].append(json.loads(arguments))

    def ends(self, source: str, outcome: str, result: str | None) -> None:
        self.calls[source].append((outcome, result))

    def used(self, usage: Mapping[str, int]) -> None:
        self.usage.append(usage)


@tool
def shout(text: str) -> str:
    """Shout, in a thread."""
    return text.upper()


@tool
async def secretly(text: str, secret: Annotated[str, InjectedToolArg]) -> str:
    """Given something that is not the model's."""
    return text


@tool
async def breaks(text: str) -> str:
    """Break."""
    raise RuntimeError(f"secret words about {text}")


@tool
async def asks(text: str) -> str:
    """Ask a person."""
    return str(interrupt(text))


@tool
async def steers(text: str) -> Command[str]:
    """Change the state."""
    answer = ToolMessage(f"steered {text}", tool_call_id="same")
    return Command(update={"messages": [answer]})


def calling(*calls: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    made = [{"name": name, "args": args, "id": "same", "type": "tool_call"} for name, args in calls]
    return {"messages": [HumanMessage("go"), AIMessage("", tool_calls=made)]}


async def told(node: Any, given: Any, *, fails: bool = False) -> Notes:
    notes = Notes()
    graph = StateGraph(MessagesState).add_node("node", node).add_edge(START, "node").compile()
    run = graph.ainvoke(given, {"callbacks": [DoingCallbacks(notes, None)]})
    if fails:
        with pytest.raises(RuntimeError):
            await run
    else:
        await run
    return notes


async def test_a_tool_of_a_tool_node_is_told_with_what_it_was_given_and_says() -> None:
    notes = await told(ToolNode([shout]), calling(("shout", {"text": "hey"})))
    assert list(notes.calls.values()) == [[Doing("shout"), {"text": "hey"}, ("completed", "HEY")]]


async def test_a_tool_that_a_node_calls_by_itself_is_told_too() -> None:
    async def node(state: MessagesState) -> dict[str, Any]:
        return {"messages": [AIMessage(await shout.ainvoke({"text": "a"}) + shout.invoke({"text": "b"}))]}

    notes = await told(node, {"messages": [HumanMessage("go")]})
    assert [each[-1] for each in notes.calls.values()] == [("completed", "A"), ("completed", "B")]


async def test_a_node_that_works_in_a_thread_is_told_in_order() -> None:
    def node(state: MessagesState) -> dict[str, Any]:
        for text in "abc":
            shout.invoke({"text": text})
        return {"messages": []}

    notes = await told(node, {"messages": [HumanMessage("go")]})
    assert [each[1:] for each in notes.calls.values()] == [
        [{"text": text}, ("completed", text.upper())] for text in "abc"
    ]


async def test_what_a_graph_puts_in_is_not_told() -> None:
    async def node(state: MessagesState) -> dict[str, Any]:
        await secretly.ainvoke({"text": "open", "secret": "hidden"})
        return {"messages": []}

    notes = await told(node, {"messages": [HumanMessage("go")]})
    assert [each[1] for each in notes.calls.values()] == [{"text": "open"}]


async def test_of_what_a_tool_raised_its_type_is_told_and_not_its_words() -> None:
    notes = await told(ToolNode([breaks]), calling(("breaks", {"text": "x"})), fails=True)
    assert [each[-1] for each in notes.calls.values()] == [("failed", "RuntimeError")]


async def test_an_error_that_a_tool_answers_is_told_as_it_says_it() -> None:
    node = ToolNode([shout])
    notes = await told(node, calling(("shout", {"wrong": 1})))
    [[*_, (outcome, _)]] = notes.calls.values()
    assert outcome == "failed"


async def test_a_call_made_anew_under_the_same_id_is_a_call_of_its_own() -> None:
    async def node(state: MessagesState) -> dict[str, Any]:
        call = {"name": "shout", "args": {"text": "a"}, "id": "same", "type": "tool_call"}
        return {"messages": [await shout.ainvoke(call), await shout.ainvoke(call)][:0]}

    notes = await told(node, {"messages": [HumanMessage("go")]})
    assert [each[-1] for each in notes.calls.values()] == [("completed", "A"), ("completed", "A")]


async def test_a_call_is_told_as_the_model_writes_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOING", str(tmp_path))
    (tmp_path / "lamp").write_text("bright")
    notes = Notes()
    config: Any = {"callbacks": [DoingCallbacks(notes, None)]}
    async for _ in agent.astream({"messages": [HumanMessage("lamp")]}, config, stream_mode=["messages"]):
        pass
    [[doing, *pieces, given, ended]] = notes.calls.values()
    assert (doing, "".join(pieces), given) == (Doing("fetch"), '{"thing": "lamp"}', {"thing": "lamp"})
    assert (len(pieces), ended) == (4, ("completed", "bright"))


async def test_a_tool_that_asks_a_person_is_stopped_and_its_call_not_over() -> None:
    notes = Notes()
    graph = StateGraph(MessagesState).add_node("node", ToolNode([asks])).add_edge(START, "node")
    config: Any = {"callbacks": [DoingCallbacks(notes, None)], "configurable": {"thread_id": "t"}}
    await graph.compile(InMemorySaver()).ainvoke(calling(("asks", {"text": "leave?"})), config)  # type: ignore[arg-type]
    assert [each[-1] for each in notes.calls.values()] == [("cancelled", None)]


async def test_a_tool_that_changes_the_state_is_told_with_what_it_answers() -> None:
    notes = await told(ToolNode([steers]), calling(("steers", {"text": "left"})))
    assert [each[-1] for each in notes.calls.values()] == [("completed", "steered left")]


async def test_a_call_within_a_subgraph_says_within_which_nodes() -> None:
    inner = StateGraph(MessagesState).add_node("tools", ToolNode([shout])).add_edge(START, "tools").compile()
    notes = await told(inner, calling(("shout", {"text": "hey"})))
    subagent, call = notes.calls.values()
    assert subagent == [Doing("", ("node",), "subagent"), ("completed", None)]
    assert call[0] == Doing("shout", ("node",))


async def test_a_graph_that_a_node_calls_is_an_agent_of_its_own_each_time() -> None:
    inner = StateGraph(MessagesState).add_node("tools", ToolNode([breaks])).add_edge(START, "tools").compile()

    async def node(state: MessagesState) -> dict[str, Any]:
        for _ in range(2):
            with pytest.raises(RuntimeError):
                await inner.ainvoke(calling(("breaks", {"text": "x"})))  # type: ignore[arg-type]
        return {"messages": []}

    notes = await told(node, {"messages": [HumanMessage("go")]})
    runs = [each for each in notes.calls.values() if each[0].kind == "subagent"]
    assert runs == [[Doing("", ("node",), "subagent"), ("failed", None)]] * 2


async def test_a_task_is_no_agent_of_its_own() -> None:
    @task
    async def step(text: str) -> str:
        return str(await shout.ainvoke({"text": text}))

    @entrypoint()
    async def flow(text: str) -> str:
        return str(await step(text))

    notes = Notes()
    assert await flow.ainvoke("hey", {"callbacks": [DoingCallbacks(notes, None)]}) == "HEY"
    assert [each[0] for each in notes.calls.values()] == [Doing("shout")]


async def test_who_is_told_may_stumble_without_harm() -> None:
    class Broken(Notes):
        def begins(self, source: str, doing: Doing) -> None:
            raise ValueError

    graph = StateGraph(MessagesState).add_node("node", ToolNode([shout])).add_edge(START, "node").compile()
    done = await graph.ainvoke(
        calling(("shout", {"text": "hey"})),  # type: ignore[arg-type]
        {"callbacks": [DoingCallbacks(Broken(), None)]},
    )
    assert done["messages"][-1].content == "HEY"


CHUNKS: list[list[AIMessageChunk]] = [
    [
        AIMessageChunk("", additional_kwargs={"reasoning_content": "First"}),
        AIMessageChunk("", additional_kwargs={"reasoning_content": " this"}),
        AIMessageChunk("Said."),
    ],
    [
        AIMessageChunk([{"type": "reasoning", "reasoning": "First"}]),
        AIMessageChunk([{"type": "reasoning", "reasoning": " this"}]),
        AIMessageChunk([{"type": "text", "text": "Said."}]),
    ],
    [
        AIMessageChunk(
            [{"type": "thinking", "thinking": each, "index": 0}],
            response_metadata={"model_provider": "anthropic"},
        )
        for each in ("First", " this")
    ],
]


class Says(BaseChatModel):
    """Streams what it is made with, or says it at once."""

    chunks: list[AIMessageChunk]

    @property
    def _llm_type(self) -> str:
        return "says"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.chunks[0].content))])

    async def _astream(self, *_: Any, **__: Any) -> AsyncIterator[ChatGenerationChunk]:
        for each in self.chunks:
            yield ChatGenerationChunk(message=each)


async def asked(chunks: list[AIMessageChunk], *, streaming: bool = True, **config: Any) -> Notes:
    async def node(state: MessagesState) -> dict[str, Any]:
        model = Says(chunks=chunks, disable_streaming=not streaming)
        return {"messages": [await model.ainvoke(state["messages"], config)]}  # type: ignore[arg-type]

    notes = Notes()
    graph = StateGraph(MessagesState).add_node("node", node).add_edge(START, "node").compile()
    given: Any = {"callbacks": [DoingCallbacks(notes, None)]}
    async for _ in graph.astream({"messages": [HumanMessage("go")]}, given, stream_mode=["messages"]):
        pass
    return notes


@pytest.mark.parametrize("chunks", CHUNKS)
async def test_a_thought_is_told_however_a_provider_writes_it(chunks: list[AIMessageChunk]) -> None:
    notes = await asked(chunks)
    [[doing, *pieces, ended]] = notes.calls.values()
    assert (doing, pieces, ended) == (Doing("", (), "reasoning"), ["First", " this"], ("completed", None))


async def test_a_thought_that_was_not_streamed_is_told_whole() -> None:
    notes = await asked([AIMessageChunk([{"type": "reasoning", "reasoning": "At once"}])], streaming=False)
    assert [each[1:] for each in notes.calls.values()] == [["At once", ("completed", None)]]


async def test_who_thinks_again_behind_its_words_has_another_thought() -> None:
    parts = [{"type": "reasoning", "reasoning": "One"}, {"type": "text", "text": "Said."}]
    notes = await asked([AIMessageChunk([each]) for each in (*parts, *parts)])
    assert [each[1] for each in notes.calls.values()] == ["One", "One"]


async def test_a_model_that_nobody_is_to_hear_is_not_told_of() -> None:
    assert (await asked(CHUNKS[0], tags=["nostream"])).calls == {}


class Words(BaseChatModel):
    """Says these words, piece by piece where it streams."""

    words: str

    @property
    def _llm_type(self) -> str:
        return "words"

    def _generate(self, *_: Any, **__: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(self.words))])

    async def _astream(
        self, *_: Any, run_manager: Any = None, **__: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        for piece in self.words.split("|"):
            await asyncio.sleep(0)  # others speak meanwhile
            chunk = ChatGenerationChunk(message=AIMessageChunk(piece))
            if run_manager:
                await run_manager.on_llm_new_token(piece, chunk=chunk)
            yield chunk


def saying(*models: Any) -> Any:
    """A graph whose only node has these speak at once."""

    async def speak(state: MessagesState) -> dict[str, Any]:
        await asyncio.gather(*(each.ainvoke("go") for each in models))
        return {"messages": []}

    return StateGraph(MessagesState).add_node("speak", speak).add_edge(START, "speak").compile()


async def words_of(graph: Any) -> dict[tuple[str, ...], str]:
    """What was heard of each agent within, by its path."""
    notes = Notes()
    callbacks = DoingCallbacks(notes, None)
    handlers = [callbacks, Streams()]
    await graph.ainvoke({"messages": [HumanMessage("go")]}, {"callbacks": handlers})
    runs = [each for each in notes.calls.values() if each[0].kind == "subagent"]
    return {each[0].path: "".join(text for text in each if isinstance(text, str)) for each in runs}


class Streams(AsyncCallbackHandler, _StreamingCallbackHandler):
    """Has models stream, as LangGraph does."""

    def tap_output_aiter(self, run_id: Any, output: Any) -> Any:
        return output

    def tap_output_iter(self, run_id: Any, output: Any) -> Any:
        return output


def around(inner: Any, name: str) -> Any:
    return StateGraph(MessagesState).add_node(name, inner).add_edge(START, name).compile()


async def test_who_speaks_at_once_is_heard_one_after_the_other() -> None:
    heard = await words_of(around(saying(Words(words="a|b|c"), Words(words="x|y|z")), "team"))
    assert heard == {("team",): "abc\n\nxyz"}


async def test_the_innermost_agent_is_told_to_say_it() -> None:
    inner = around(saying(Words(words="a|b")), "deep")
    assert await words_of(around(inner, "team")) == {("team",): "", ("team", "deep"): "ab"}


async def test_what_was_not_streamed_or_said_by_a_tool_of_it_is_heard_too() -> None:
    @tool
    async def asks_a_model(text: str) -> str:
        """Ask a model."""
        return str((await Words(words=text).ainvoke("go")).text)

    quiet = Words(words="whole", disable_streaming=True)
    assert await words_of(around(saying(quiet), "team")) == {("team",): "whole"}
    calls = calling(("asks_a_model", {"text": "said|in|there"}))["messages"]

    def call(_: MessagesState) -> dict[str, Any]:
        return {"messages": calls}

    inner: Any = StateGraph(MessagesState).add_sequence([("call", call), ("tools", ToolNode([asks_a_model]))])
    assert await words_of(around(inner.add_edge(START, "call").compile(), "team")) == {
        ("team",): "saidinthere"
    }


async def test_what_nobody_is_to_hear_and_what_is_said_at_the_top_is_of_no_agent_within() -> None:
    silent = Words(words="a|b").with_config(tags=["nostream"])
    assert await words_of(around(saying(silent), "team")) == {("team",): ""}
    assert await words_of(saying(Words(words="a|b"))) == {}
