"""The models: the built-in one, and a real client over real HTTP against a server on this machine."""

from collections.abc import AsyncIterator

import pytest
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage

from services.conversation.core.retry import FaultKind
from services.conversation.graph.faults import classify
from services.conversation.graph.models import UnusableModelError, open_model
from services.conversation.graph.nodes import prompt
from services.conversation.graph.notes import empty_notes, noted
from tests.support.model_server import Answer, ModelServer


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ModelServer]:
    async with ModelServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "not-a-key")
        yield server


async def chunks_of(model: BaseChatModel, text: LanguageModelInput) -> list[AIMessageChunk]:
    return [chunk async for chunk in model.astream(text)]


async def test_the_built_in_model_streams_word_by_word_and_reports_usage() -> None:
    chunks = await chunks_of(open_model("", token_s=0.0), "count to 5")
    texts = [str(chunk.text) for chunk in chunks if chunk.text]
    assert texts[:3] == ["Counting:", " 1,", " 2,"]
    usage = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
    assert [each["output_tokens"] for each in usage] == [len(texts)]


async def test_the_built_in_model_answers_the_same_with_and_without_streaming() -> None:
    model = open_model("", token_s=0.0)
    whole = await model.ainvoke("count to 5")
    streamed = "".join(str(chunk.text) for chunk in await chunks_of(model, "count to 5"))
    assert whole.text == streamed


async def test_the_built_in_model_reaches_back_beyond_what_it_is_shown() -> None:
    notes = noted(empty_notes(), [("m1", "u1", "My name is Ada")])
    shown = prompt(notes, [HumanMessage("What is my name?", name="u1")])
    assert "Ada" in (await open_model("", token_s=0.0).ainvoke(shown)).text


async def test_a_named_model_is_asked_over_its_own_client(server: ModelServer) -> None:
    server.will_say("The", " sky", " is", " blue.")
    chunks = await chunks_of(open_model("openai:gpt-4o-mini", token_s=0.0), "Why?")
    assert [str(chunk.text) for chunk in chunks if chunk.text] == ["The", " sky", " is", " blue."]
    usage = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
    assert [each["output_tokens"] for each in usage] == [4]
    [request] = server.requests
    assert request["model"] == "gpt-4o-mini"
    assert request["stream"] is True
    assert server.headers[0]["authorization"] == "bearer not-a-key"


async def test_a_named_model_is_shown_the_notes_and_who_spoke(server: ModelServer) -> None:
    notes = noted(empty_notes(), [("m1", "ada", "I like tea")])
    said = [HumanMessage("I like tea", name="ada"), AIMessage("Noted."), HumanMessage("And?", name="bob")]
    await chunks_of(open_model("openai:gpt-4o-mini", token_s=0.0), prompt(notes, said))
    system, *messages = server.requests[0]["messages"]
    assert "ada: 1 messages; told: I like tea" in system["content"]
    assert [message.get("name") for message in messages] == ["ada", None, "bob"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(status=429), FaultKind.BUSY),
        (Answer(status=503), FaultKind.UNREACHABLE),
        (Answer(status=401), FaultKind.REFUSED),
        (Answer(status=400), FaultKind.REFUSED),
        (Answer(tokens=["a", "b", "c"], cut_after=2), FaultKind.UNREACHABLE),
    ],
)
async def test_a_models_failures_are_told_apart(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch, answer: Answer, kind: FaultKind
) -> None:
    server.answers.extend([answer] * 5)  # the client tries some of these again by itself
    with pytest.raises(Exception) as raised:  # noqa: PT011 - its kind is what is tested
        await chunks_of(open_model("openai:gpt-4o-mini", token_s=0.0), "Hello")
    assert classify(raised.value).kind is kind


async def test_a_model_that_does_not_listen_is_unreachable(server: ModelServer) -> None:
    await server.__aexit__(None, None, None)
    with pytest.raises(Exception) as raised:  # noqa: PT011
        await chunks_of(open_model("openai:gpt-4o-mini", token_s=0.0), "Hello")
    assert classify(raised.value).kind is FaultKind.UNREACHABLE


def test_a_model_that_cannot_be_used_is_named_in_the_error() -> None:
    with pytest.raises(UnusableModelError, match="nobody:nothing"):
        open_model("nobody:nothing", token_s=0.0)


def test_a_fault_never_carries_the_exceptions_text() -> None:
    assert "secret" not in classify(ValueError("secret message text")).detail
