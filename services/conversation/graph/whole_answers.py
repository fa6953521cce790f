"""Sees that what a model streamed came to its end, and that its calls of tools are as it wrote them.

A stream may end without an error and yet amid the answer: the client then returns what came, and LangChain
completes what is no whole JSON, so that a tool would run with half a card's number. Such a call of the model
fails here, with an error like any other of a model, which the graph's own policies see first. Only what is
certain is judged (docs/turns.md).
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.exceptions import ModelConnectionError, ModelError
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.outputs import ChatGenerationChunk, LLMResult

from services.shared.runtime.logging import get_logger

ENDS = ("finish_reason", "stop_reason", "status")
"""Where clients tell why an answer ended; the last is that of OpenAI's newer interface."""
SURE = "openai"
"""Clients whose `model_provider` this is always tell why."""
TOO_LONG = ("length", "max_tokens", "MAX_TOKENS", "incomplete")

log = get_logger(__name__)


class BrokenOffError(ModelConnectionError):
    """An answer's stream ended before the answer did."""

    def __init__(self) -> None:
        super().__init__("its answer broke off")


class IncompleteCallError(ModelError):
    """An answer ended amid the arguments of a tool's call."""

    def __init__(self, reason: str) -> None:
        why = f": {reason}" if reason in TOO_LONG else ""
        super().__init__(f"it ended amid the arguments of a tool{why}")


class WholeAnswers(BaseCallbackHandler):
    """Of one run; stands first among its callbacks. others: hear that a call of a model failed, where they
    would have heard that it ended.
    """

    run_inline = True
    raise_error = True

    def __init__(self, *others: BaseCallbackHandler) -> None:
        self._others = others
        self._calling: dict[UUID, list[AIMessageChunk]] = {}
        """Pieces of tools' calls, of answers that are being streamed."""

    def on_llm_new_token(  # type: ignore[override]
        self,
        token: str,  # noqa: ARG002 - the base class's form
        *,
        chunk: ChatGenerationChunk | None = None,
        run_id: UUID,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """A piece of the answer came."""
        calling = self._calling.setdefault(run_id, [])
        if pieces := getattr(getattr(chunk, "message", None), "tool_call_chunks", None):
            calling.append(AIMessageChunk(content="", tool_call_chunks=pieces))

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """It has answered. Raises BrokenOffError, IncompleteCallError."""
        fault: ModelError | None = None
        try:
            if (calling := self._calling.pop(run_id, None)) is not None:
                fault = _fault(response, calling)
        except Exception as error:  # noqa: BLE001 - what can't be judged is taken as it is
            log.warning("answer not judged", error=type(error).__name__)
        if fault is None:
            return
        for other in self._others:
            other.on_llm_error(fault, run_id=run_id)
        raise fault

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """It has failed by itself."""
        self._calling.pop(run_id, None)


def _fault(response: LLMResult, calling: Sequence[AIMessageChunk]) -> ModelError | None:
    made = [each for several in response.generations for each in several][:1]
    message = getattr(made[0], "message", None) if made else None
    if not isinstance(message, AIMessage):
        return None
    about = {**(made[0].generation_info or {}), **message.response_metadata}
    reason = next((str(about[key]) for key in ENDS if about.get(key)), "")
    if not reason and about.get("model_provider") == SURE:
        return BrokenOffError()
    return IncompleteCallError(reason) if calling and _half_written(message, calling, reason) else None


def _half_written(message: AIMessage, calling: Sequence[AIMessageChunk], reason: str) -> bool:
    """Whether a tool would be called with what LangChain made of a beginning. A call that it could make
    nothing of is not called, and is the graph's to deal with.
    """
    written = defaultdict(list)
    for piece in add_ai_message_chunks(*calling).tool_call_chunks:
        written[piece["id"]].append(piece["args"] or "")
    called = {call["id"] for call in message.tool_calls}
    texts = [text for call, all_of_it in written.items() if call in called for text in all_of_it]
    return any(not (_is_whole(text) if text else reason not in TOO_LONG) for text in texts)


def _is_whole(text: str) -> bool:
    try:
        return isinstance(json.loads(text, strict=False), Mapping)
    except ValueError:
        return False
