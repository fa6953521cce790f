"""Hears from LangChain what a run's models and tools do that devices are told of: calls of tools with their
arguments and results, what models think, and what they count.

Given to each run in its config, by `agent`, beside the callbacks of traces and metrics, which never see a
text. It is called in the middle of other people's code, on the loop and in threads, in the order in which
things happen; whatever goes wrong in here is logged and hurts no run.
"""

import asyncio
import itertools
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from functools import wraps
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, ToolMessage
from langchain_core.outputs import ChatGenerationChunk, LLMResult
from langgraph.errors import GraphBubbleUp
from langgraph.types import Command

from services.conversation.graph.voices import Voices
from services.conversation.graph.within import Within
from services.shared.model.doing import MOST_NAME, Doing
from services.shared.model.events import ToolOutcome
from services.shared.runtime.logging import get_logger

NODE = "langgraph_node"
PLACE = "langgraph_checkpoint_ns"
CALLED = "langgraph_path"
"""Keys that LangGraph puts into the metadata of all that runs in a node."""
NOBODY = "nostream"
"""Tag of a model's calls that nobody is to hear."""
COUNTED = ("input_tokens", "output_tokens", "total_tokens")

Hear = TypeVar("Hear", bound=Callable[..., None])
log = get_logger(__name__)


class Doer(Protocol):
    """Who tells what a run does; no call waits. `source`: a word for one call, never used before."""

    def begins(self, source: str, doing: Doing) -> None:
        """A tool is about to be called, a model thinks, or an agent within the agent is at work."""

    def argues(self, source: str, text: str) -> None:
        """More of the JSON text of its arguments, of what is thought, or of what is said in there."""

    def runs(self, source: str, arguments: str) -> None:
        """It runs: these are its arguments."""

    def ends(self, source: str, outcome: ToolOutcome, result: str | None) -> None:
        """It is over."""

    def used(self, usage: Mapping[str, int]) -> None:
        """What one call of a model counted."""


def _harmless(hear: Hear) -> Hear:
    @wraps(hear)
    def heard(self: "DoingCallbacks", *args: Any, **kwargs: Any) -> None:
        try:
            hear(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - a run is worth more than what is told of it
            log.warning("run not told", error=type(error).__name__)

    return cast(Hear, heard)


class DoingCallbacks(BaseCallbackHandler):
    """Of one run, made on its loop. speaking: as of `narrate`, of whose models' words is told; None: all."""

    run_inline = True  # else LangChain would hand each call to a thread, and wait for it

    def __init__(self, doer: Doer, speaking: Collection[str] | None) -> None:
        self._doer = doer
        self._speaking = speaking
        self._loop = asyncio.get_running_loop()
        self._models: dict[UUID, tuple[str, ...]] = {}
        """Models that are heard, and the nodes they are called within."""
        self._written: dict[tuple[UUID, Any], tuple[str, str]] = {}
        """Calls that a model has begun to write, by the place they have in its answer."""
        self._called: dict[str, str] = {}
        """Those that are not over, by the id that the model gave them."""
        self._running: dict[UUID, tuple[str, str]] = {}
        self._within = Within()
        self._speak: dict[UUID, str] = {}
        """Models that are heard within agents within the agent, by what is told of these."""
        self._heard: set[UUID] = set()
        """Those that have said something."""
        self._voices: defaultdict[str, Voices] = defaultdict(Voices)
        """What they say, in order; looked into on the loop only."""
        self._thinking: dict[UUID, str] = {}
        """Models that think, and those that have thought (empty), by what is told of it."""
        self._numbers = itertools.count()

    # -- models

    @_harmless
    def on_chat_model_start(
        self,
        serialized: dict[str, Any],  # noqa: ARG002 - the base class's form
        messages: list[list[BaseMessage]],  # noqa: ARG002
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """A model is called."""
        known, source = metadata or {}, self._within.starts(run_id, parent_run_id)
        if NOBODY not in (tags or ()) and (self._speaking is None or known.get(NODE) in self._speaking):
            self._models[run_id] = path_of(known)
            if source:
                self._speak[run_id] = source

    @_harmless
    def on_llm_new_token(  # type: ignore[override]
        self,
        token: str,  # noqa: ARG002
        *,
        chunk: ChatGenerationChunk | None = None,
        run_id: UUID,
        **kwargs: Any,  # noqa: ARG002
    ) -> None:
        """A piece of its answer came: it may be one of a call."""
        message = getattr(chunk, "message", None)
        if not isinstance(message, AIMessageChunk) or run_id not in self._models:
            return
        self._think(run_id, message)
        if run_id in self._speak:
            self._say(run_id, str(message.text))
        for piece in message.tool_call_chunks:
            self._write(run_id, piece)

    @_harmless
    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """It has answered."""
        made = [getattr(each, "message", None) for several in response.generations for each in several]
        if run_id in self._models and run_id not in self._thinking:  # it was not streamed
            for message in [each for each in made if isinstance(each, AIMessage)][:1]:
                self._think(run_id, message)
        if run_id in self._speak and run_id not in self._heard:
            for message in [each for each in made if isinstance(each, AIMessage)][:1]:
                self._say(run_id, str(message.text))
        self._forget(run_id)
        for usage in [used for each in made if (used := getattr(each, "usage_metadata", None))]:
            self._tell(self._doer.used, {name: int(usage.get(name) or 0) for name in COUNTED})

    @_harmless
    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """It has failed: what it thought so far is taken back when the attempt ends."""
        self._thinking.pop(run_id, None)
        self._forget(run_id)

    # -- agents within the agent

    @_harmless
    def on_chain_start(
        self,
        serialized: dict[str, Any],  # noqa: ARG002
        inputs: dict[str, Any],  # noqa: ARG002
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A node begins, or a part of one. A node's graph runs within a node, where the place of its own has
        more than one part.
        """
        known = metadata or {}
        is_node = kwargs.get("name") == known.get(NODE)
        if is_node and parent_run_id and (path := path_of(known)) and not self._within.knows(parent_run_id):
            source = f"\0subagent {next(self._numbers)}"
            self._within.runs(parent_run_id, source)
            self._tell(self._doer.begins, source, Doing("", path, "subagent"))
        self._within.starts(run_id, parent_run_id)

    @_harmless
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """It has ended, or its graph."""
        self._leave(run_id, "completed")

    @_harmless
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """It has raised."""
        stopped = isinstance(error, GraphBubbleUp | asyncio.CancelledError)
        self._leave(run_id, "cancelled" if stopped else "failed")

    def _leave(self, run: UUID, outcome: ToolOutcome) -> None:
        if source := self._within.ends(run):
            self._tell(self._close, source)
            self._tell(self._doer.ends, source, outcome, None)

    # -- tools

    @_harmless
    def on_tool_start(
        self,
        serialized: dict[str, Any],
        input_str: str,
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        inputs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """A tool is called, with what it was given but for what the graph put in."""
        self._within.starts(run_id, parent_run_id)
        name, call = str((serialized or {}).get("name") or "tool"), str(kwargs.get("tool_call_id") or run_id)
        source = self._called.get(call) or self._begin(call, name, path_of(metadata or {}))
        self._running[run_id] = call, source
        self._tell(self._doer.runs, source, _json(inputs if inputs is not None else input_str))

    @_harmless
    def on_tool_end(self, output: Any, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """It has answered, be it with an error."""
        failed = getattr(output, "status", "") == "error"
        self._end(run_id, "failed" if failed else "completed", _result(output))

    @_harmless
    def on_tool_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:  # noqa: ARG002
        """It has raised: what that says is for its author. One that LangGraph stopped is called again."""
        stopped = isinstance(error, GraphBubbleUp | asyncio.CancelledError)
        self._end(run_id, "cancelled" if stopped else "failed", None if stopped else type(error).__name__)

    # -- inside

    def _write(self, run: UUID, piece: Mapping[str, Any]) -> None:
        place = run, piece.get("index")
        call, source = self._written.get(place, ("", ""))
        if (new := piece.get("id")) and new != call:  # some say the id with every piece
            source = self._begin(new, str(piece.get("name") or "tool"), self._models[run])
            self._written[place] = new, source
        if source and (text := piece.get("args")):
            self._tell(self._doer.argues, source, text)

    def _think(self, run: UUID, message: AIMessage) -> None:
        if thought := reasoning_in(message):
            if not (source := self._thinking.get(run)):
                source = self._thinking[run] = f"\0thought {next(self._numbers)}"
                self._tell(self._doer.begins, source, Doing("", self._models[run], "reasoning"))
            self._tell(self._doer.argues, source, thought)
        if message.text or getattr(message, "tool_call_chunks", None):
            self._conclude(run)

    def _conclude(self, run: UUID) -> None:
        if source := self._thinking.get(run):
            self._thinking[run] = ""
            self._tell(self._doer.ends, source, "completed", None)

    def _begin(self, call: str, name: str, path: tuple[str, ...]) -> str:
        source = self._called[call] = f"\0call {next(self._numbers)}"
        self._tell(self._doer.begins, source, Doing(name[:MOST_NAME], path))
        return source

    def _say(self, run: UUID, text: str) -> None:
        """What a model within an agent within the agent says."""
        if text:
            self._heard.add(run)
            self._tell(self._voiced, self._speak[run], run, text)

    def _voiced(self, source: str, run: UUID, text: str) -> None:
        self._speak_on(source, self._voices[source].say(run, text))

    def _fall_silent(self, source: str, run: UUID) -> None:
        self._speak_on(source, self._voices[source].end(run))

    def _close(self, source: str) -> None:
        if voices := self._voices.pop(source, None):
            self._speak_on(source, voices.close())

    def _speak_on(self, source: str, text: str) -> None:
        if text:
            self._doer.argues(source, text)

    def _end(self, run: UUID, outcome: ToolOutcome, result: str | None) -> None:
        self._within.ends(run)
        call, source = self._running.pop(run, ("", ""))
        if source:
            self._called.pop(call, None)
            self._tell(self._doer.ends, source, outcome, result)

    def _forget(self, run: UUID) -> None:
        self._conclude(run)
        self._thinking.pop(run, None)
        self._models.pop(run, None)
        self._within.ends(run)
        self._heard.discard(run)
        if source := self._speak.pop(run, ""):
            self._tell(self._fall_silent, source, run)
        for place in [each for each in self._written if each[0] == run]:
            del self._written[place]

    def _tell(self, tell: Callable[..., None], *what: Any) -> None:
        """Tell it on the run's loop, in order."""
        try:
            here: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            here = None
        if here is self._loop:
            tell(*what)
        else:
            self._loop.call_soon_threadsafe(tell, *what)


def reasoning_in(message: AIMessage) -> str:
    """What a model says of its thoughts in a message or a piece of one, as any provider writes it."""
    if isinstance(message.content, str) and not message.additional_kwargs:
        return ""
    blocks = [each for each in message.content_blocks if each["type"] == "reasoning"]
    return "".join(str(each.get("reasoning") or "") for each in blocks)


def path_of(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """The nodes that something runs within, but for its own: none at the top. A task runs in the graph of who
    calls it, though its place is within the caller's.
    """
    parts = [each.partition(":")[0] for each in str(metadata.get(PLACE) or "").split("|")]
    own = 1
    called: Any = metadata.get(CALLED) or ()
    while len(called) == 4 and called[-1] is True:
        own, called = own + 1, called[1]
    return tuple(each for each in parts[:-own] if not each.isdigit())


def _result(output: Any) -> str:
    if isinstance(output, Command):
        output = _answer_in(output.update)
    if isinstance(output, ToolMessage):
        output = output.content
    return "" if output is None else output if isinstance(output, str) else _json(output)


def _answer_in(update: Any) -> Any:
    """What a tool that changes the state itself answers the model."""
    messages = update.get("messages") if isinstance(update, Mapping) else None
    answers = [each for each in messages or () if isinstance(each, ToolMessage)]
    return answers[-1] if answers else None


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
