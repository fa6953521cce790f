"""Which language model answers: the built-in one, or any that `init_chat_model` knows by name.

The built-in model needs no network and no key. It is a chat model like any other to the graph, streams
token by token at a person's pace, and reports usage, so every road behind it is the one a real model takes.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

from langchain.chat_models import init_chat_model
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LangSmithParams
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, SystemMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from services.conversation.graph.notes import Notes, empty_notes
from services.conversation.graph.reply import Utterance, reply_to
from services.shared.model.errors import ContinuoError

NOTES = "notes"
"""Where a SystemMessage carries the notes as data, in `additional_kwargs`; real models read its text
instead.
"""

_TOKEN = re.compile(r"\s*\S+|\s+$")


class UnusableModelError(ContinuoError):
    """CONTINUO_MODEL names a model that cannot be used here; the sentence says why."""


def open_model(name: str, *, token_s: float) -> BaseChatModel:
    """Return the model of this name (`provider:model`), or the built-in one for an empty name.

    token_s: the built-in model's pause between two tokens. Raises UnusableModelError.
    """
    if not name:
        return ResidentModel(token_s=token_s)
    # Only OpenAI's client leaves usage out of a stream unless asked, and only it knows the option.
    options: dict[str, Any] = {"stream_usage": True} if name.startswith("openai:") else {}
    try:
        model = init_chat_model(name, **options)
    except Exception as fault:  # providers raise what they like; all of it means the same
        raise UnusableModelError(f"the model {name!r} of CONTINUO_MODEL cannot be used: {fault}") from fault
    assert isinstance(model, BaseChatModel)
    return model


class ResidentModel(BaseChatModel):
    """The model that lives in the house: answers from the conversation alone."""

    token_s: float = 0.025
    """Seconds between two tokens."""

    @property
    def _llm_type(self) -> str:
        return "continuo-resident"

    def _get_ls_params(
        self,
        stop: list[str] | None = None,  # noqa: ARG002 - the base class's signature
        **_: Any,
    ) -> LangSmithParams:
        """What it is called in traces and metrics."""
        return LangSmithParams(ls_provider="continuo", ls_model_name="resident", ls_model_type="chat")

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002 - the base class's signature
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **_: Any,
    ) -> ChatResult:
        text = _answer(messages)
        message = AIMessage(content=text, usage_metadata=_usage(messages, len(_tokens(text))))
        return ChatResult(generations=[ChatGeneration(message=message)])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **_: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        tokens = _tokens(_answer(messages))
        for chunk in _chunks(messages, tokens):
            await asyncio.sleep(self.token_s)
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk


def _chunks(messages: list[BaseMessage], tokens: list[str]) -> Iterator[ChatGenerationChunk]:
    for token in tokens:
        yield ChatGenerationChunk(message=AIMessageChunk(content=token))
    usage = _usage(messages, len(tokens))
    yield ChatGenerationChunk(message=AIMessageChunk(content="", usage_metadata=usage))


def _answer(messages: list[BaseMessage]) -> str:
    heard = [_utterance(message) for message in messages if isinstance(message, HumanMessage | AIMessage)]
    return reply_to(_notes(messages), heard)


def _utterance(message: BaseMessage) -> Utterance:
    user = (message.name or "somebody") if isinstance(message, HumanMessage) else ""
    return Utterance(user, str(message.text))


def _notes(messages: list[BaseMessage]) -> Notes:
    for message in messages:
        if isinstance(message, SystemMessage) and NOTES in message.additional_kwargs:
            notes: Notes = message.additional_kwargs[NOTES]
            return notes
    return empty_notes()


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text)


def _usage(messages: list[BaseMessage], output: int) -> UsageMetadata:
    read = sum(len(_tokens(str(message.text))) for message in messages)
    return {"input_tokens": read, "output_tokens": output, "total_tokens": read + output}
