"""Hears from LangChain what a run's nodes, models and tools do, and tells the run's watcher.

Given to each run in its config, by `agent`. It is called in the middle of other people's code, on the loop
and in threads: whatever goes wrong in here is logged and hurts no run. It hands on names, counts and ids;
never what was said, asked, or given to a tool.

No cancel reaches plain functions, which run in threads. So where they come by here, about to call a model or
a tool or given a model's next words, those of a run that was stopped are stopped as a cancelled task is.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import wraps
from typing import Any, TypeVar, cast
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import BaseMessage
from langchain_core.outputs import LLMResult
from langgraph.errors import GraphBubbleUp, GraphInterrupt

from services.conversation.graph.faults import classify
from services.conversation.graph.threads import Guard
from services.conversation.graph.watch import Call, Courtesy, Doing, Fact, Watcher
from services.shared.runtime.logging import get_logger

NODE = "langgraph_node"
STEP = "langgraph_step"
"""Keys that LangGraph puts into the metadata of all that runs in a node."""
SWALLOWED_S = 0.1
"""What who catches what stops it waits before the next try fails: the processor is everybody's."""
LONGEST = 64
"""Characters of a provider's own words that are handed on: reasons and names are shorter."""
REMEMBERED = 100
"""Errors of models that are told from the graph's own, of one run: the one that ends it is of the last."""

Hear = TypeVar("Hear", bound=Callable[..., None])
log = get_logger(__name__)


def _harmless(hear: Hear) -> Hear:
    @wraps(hear)
    def heard(self: "RunCallbacks", *args: Any, **kwargs: Any) -> None:
        try:
            hear(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - a run is worth more than what is told of it
            self.stumbled(error)

    return cast(Hear, heard)


class StoppedError(asyncio.CancelledError):
    """The run was stopped: raised in its threads."""


class RunCallbacks(BaseCallbackHandler):
    """Of one run. `close` when the run has ended."""

    run_inline = True  # else LangChain would hand each call to a thread, and wait for it

    def __init__(
        self, watcher: Watcher, courtesy: Courtesy | None = None, guard: Guard | None = None
    ) -> None:
        """`courtesy`: shown between two tokens, once the first was heard. `guard`: tells that the run was
        stopped.
        """
        self._watcher = watcher
        self._courtesy = courtesy
        self._guard = guard
        self._loop = _loop_here()
        self._closed = self._raised = False
        self._spoke = False
        self._open: dict[UUID, Doing] = {}
        """What is under way, by LangChain's ids of runs."""
        self._within: dict[UUID, Doing] = {}
        """Of other runs: what they are a part of."""
        self._calls: dict[UUID, Call] = {}
        self._of_models: deque[BaseException] = deque(maxlen=REMEMBERED)
        self._stumbled = False

    def done(self) -> None:
        """Hear that the run came to its end: what it left at work was meant to be, and goes on."""
        self._guard = None

    def close(self) -> None:
        """End what the run left open: it was stopped, and some of it does not listen."""
        self._closed = True
        for run in list(self._open):
            self._leave(run)
        self._within.clear()
        self._calls.clear()

    def of_model(self, error: BaseException) -> bool:
        """Whether a call of a model failed with this very error."""
        return any(each is error for each in self._of_models)

    def stumbled(self, error: Exception) -> None:
        """Log a fault of our own, once for each run."""
        if not self._stumbled:
            self._stumbled = True
            log.warning("run not watched", error=type(error).__name__)

    # -- nodes

    @_harmless
    def on_chain_start(
        self,
        serialized: dict[str, Any],  # noqa: ARG002 - the base class's form
        inputs: dict[str, Any],  # noqa: ARG002
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,  # noqa: ARG002
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A node begins, or something within one."""
        self._heed()
        known, above = metadata or {}, self._above(parent_run_id)
        if (name := known.get(NODE)) and kwargs.get("name") == name:
            self._open[run_id] = self._watcher.node(str(name), int(known.get(STEP, 0)), above)
        elif above is not None:
            self._within[run_id] = above

    @_harmless
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """It has ended."""
        self._within.pop(run_id, None)
        self._end(run_id, outcome="completed")

    @_harmless
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """It has raised."""
        self._within.pop(run_id, None)
        self._fail(run_id, error)

    # -- models

    @_harmless
    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],  # noqa: ARG002 - nobody's business
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,  # noqa: ARG002
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """A model is called."""
        self._called(serialized, run_id, parent_run_id, metadata or {})

    @_harmless
    def on_llm_start(
        self,
        serialized: dict[str, Any],
        prompts: list[str],  # noqa: ARG002
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,  # noqa: ARG002
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """A model of the older kind is called, which takes text."""
        self._called(serialized, run_id, parent_run_id, metadata or {})

    @property
    def on_llm_new_token(self) -> Callable[..., Awaitable[None] | None]:
        """Hears that a piece of its answer came. LangChain waits for it only where it is asynchronous, and
        pays for each: it is only when there is something to wait for.
        """
        waits = self._spoke and self._courtesy is not None and self._courtesy.waits
        return self._token_later if waits and _loop_here() else self._token  # in a thread models do not wait

    async def _token_later(self, token: str, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        assert self._courtesy is not None
        await self._courtesy.give_way()
        self._token(token, run_id=run_id)

    @_harmless
    def _token(self, token: str, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        self._heed()
        if call := self._calls.get(run_id):
            call.chunk()
        if token and not self._spoke and self._courtesy:
            self._spoke = True
            self._courtesy.leave()

    @_harmless
    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """It has answered."""
        if self._calls.pop(run_id, None):
            self._end(run_id, **_answer_facts(response))

    @_harmless
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """It has failed."""
        self._calls.pop(run_id, None)
        self._of_models.append(error)
        self._fail(run_id, error)

    # -- tools

    @_harmless
    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,  # noqa: ARG002 - nobody's business
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,  # noqa: ARG002
        metadata: dict[str, Any] | None = None,  # noqa: ARG002
        inputs: dict[str, Any] | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> None:
        """A tool is called."""
        self._heed()
        name, call = str((serialized or {}).get("name") or "tool"), str(kwargs.get("tool_call_id") or "")
        self._open[run_id] = self._watcher.tool(name, call, self._above(parent_run_id))

    @_harmless
    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """It has answered, be it with an error."""
        if getattr(output, "status", "") == "error" and (doing := self._open.get(run_id)):
            doing.failed("ToolError", "broken")
            self._end(run_id, outcome="failed")
        self._end(run_id, outcome="completed")

    @_harmless
    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """It has raised."""
        self._fail(run_id, error)

    # -- inside

    def _heed(self) -> None:
        """Raise StoppedError in a thread of a run that was stopped. On the loop the cancel does that, and
        who does not listen to it might never let the loop go on.
        """
        if self._guard is None or not (self._closed or self._guard.closed) or _loop_here() is self._loop:
            return
        if self._raised:
            time.sleep(SWALLOWED_S)
        self._raised = True
        raise StoppedError

    @_harmless
    def _leave(self, run: UUID) -> None:
        self._end(run, outcome="left")

    def _above(self, run: UUID | None) -> Doing | None:
        return (self._open.get(run) or self._within.get(run)) if run else None

    def _called(
        self, serialized: Mapping[str, Any] | None, run: UUID, above: UUID | None, said: Mapping[str, Any]
    ) -> None:
        name = said.get("ls_model_name") or (serialized or {}).get("name") or "model"
        provider = str(said.get("ls_provider") or "")
        self._heed()
        call = self._watcher.model(str(name)[:LONGEST], provider[:LONGEST], self._above(above))
        self._open[run] = self._calls[run] = call

    def _end(self, run: UUID, **facts: Fact) -> None:
        if doing := self._open.pop(run, None):
            doing.set(**facts)
            doing.over()

    def _fail(self, run: UUID, error: BaseException) -> None:
        """How what raised ended; what LangGraph raises to stop a node is no failure."""
        doing = self._open.get(run)
        if isinstance(error, GraphBubbleUp):
            self._end(run, outcome="interrupted" if isinstance(error, GraphInterrupt) else "completed")
        elif isinstance(error, asyncio.CancelledError):
            self._end(run, outcome="cancelled")
        elif doing:
            of_model = self.of_model(error)
            kind = classify(error, of_model).kind if isinstance(error, Exception) else "broken"
            doing.failed(type(error).__name__, kind)
            self._end(run, outcome="failed")


def _loop_here() -> asyncio.AbstractEventLoop | None:
    """The loop that calls; None: a thread."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _answer_facts(response: LLMResult) -> dict[str, Fact]:
    """What a model's answer says of itself."""
    made = [each for several in response.generations for each in several]
    messages = [message for each in made if (message := getattr(each, "message", None)) is not None]
    said = [getattr(each, "response_metadata", None) or {} for each in messages]
    about = [*said, *((each.generation_info or {}) for each in made), response.llm_output or {}]
    usage: Mapping[str, Any] = next(
        (used for each in messages if (used := getattr(each, "usage_metadata", None))), {}
    )
    return {
        "answered_by": _first(about, "model_name", "model"),
        "finish": _reasons(about),
        "input_tokens": usage.get("input_tokens"),
        "output_tokens": usage.get("output_tokens"),
    }


def _first(about: Sequence[Mapping[str, Any]], *keys: str) -> str | None:
    found = (each[key] for each in about for key in keys if isinstance(each.get(key), str))
    return next((value[:LONGEST] for value in found if value), None)


def _reasons(about: Sequence[Mapping[str, Any]]) -> Sequence[str] | None:
    reason = _first(about, "finish_reason", "stop_reason")
    return [reason] if reason else None
