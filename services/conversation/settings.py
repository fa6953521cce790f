"""What a worker can be told from outside; read once at start and passed on as an argument."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from services.conversation.core.retry import Patience
from services.shared.bus.settings import RedisSettings
from services.shared.bus.turns import MOST_BACK, MOST_TURNS_BACK
from services.shared.runtime.log_settings import LogSettings
from services.shared.runtime.tracing import TracingSettings

TEN_YEARS_S = 3650 * 86_400


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a conversation worker claims, answers and ends."""

    redis: RedisSettings = RedisSettings()
    tracing: TracingSettings = TracingSettings()
    logs: LogSettings = LogSettings()
    host: Annotated[str, Meta(description="Where health and metrics are served.")] = "0.0.0.0"
    port: Annotated[int, Meta(ge=0, le=65535, description="Their port; 0 takes a free one.")] = 8002
    model: Annotated[
        str, Meta(description="The language model, as init_chat_model names it; empty: the built-in one.")
    ] = ""
    graphs: Annotated[
        tuple[str, ...],
        Meta(
            description="Agents of your own: paths of langgraph.json files, and name=module:attribute: a "
            "graph, an entrypoint or a factory; empty: the built-in agent answers under any name (agents.md)."
        ),
    ] = ()
    token_ms: Annotated[
        float, Meta(ge=0, description="The built-in model's pause between tokens; 25 ms reads like speech.")
    ] = 25.0
    conversations: Annotated[int, Meta(ge=1, description="Conversations one worker answers at a time.")] = 32
    lease_s: Annotated[
        float,
        Meta(gt=0.2, description="After so long a silence, a worker's conversations are another's."),
    ] = 6.0
    delta_ms: Annotated[
        float, Meta(ge=0, le=1000, description="Pause between two deltas of one message.")
    ] = 50.0
    attempts: Annotated[int, Meta(ge=1, description="Executions of a turn before it is given up.")] = 5
    turn_s: Annotated[
        float,
        Meta(ge=0, description="What one execution of a turn may last; longer fails it. 0: no limit."),
    ] = 0.0
    turn_idle_s: Annotated[
        float,
        Meta(
            ge=0,
            description="For how long nothing may come of it, no token, step or call, while no tool is at "
            "work; longer fails it. 0: no limit.",
        ),
    ] = 1800.0
    drain_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="How long the steps under way may go on after SIGTERM: a turn is handed over behind "
            "its step, and at this deadline as it stands.",
        ),
    ] = 20.0
    checkpointer: Annotated[
        Literal["continuo", "redis"],
        Meta(description='Who keeps threads: "continuo"; "redis": langgraph-checkpoint-redis (memory.md).'),
    ] = "continuo"
    thread_checkpoints: Annotated[
        int, Meta(ge=1, description="Checkpoints a thread keeps of its past, beside what these need.")
    ] = 16
    thread_turns: Annotated[
        int,
        Meta(
            ge=1,
            le=MOST_TURNS_BACK,
            description="Turns of an agent that a conversation can go back to before: for each of them its "
            'thread keeps a checkpoint. With CONTINUO_CHECKPOINTER "redis" it is the latest one.',
        ),
    ] = MOST_BACK
    thread_ttl_s: Annotated[
        int,
        Meta(
            ge=0,
            le=TEN_YEARS_S,
            description="A thread nobody wrote to for so long is dropped; 0: never.",
        ),
    ] = 0
    thread_step_bytes: Annotated[
        int, Meta(ge=1024, description="What one step of a graph may add to its thread; more fails the turn.")
    ] = 16 * 1024 * 1024
    thread_types: Annotated[
        tuple[str, ...],
        Meta(description="Further types a thread may hold, module:Name each; those of the graph are known."),
    ] = ()

    metric_names: Annotated[
        tuple[str, ...],
        Meta(
            description="Models, tools and agents that metrics name; all others are `other`. Few: each makes "
            "some 50 series."
        ),
    ] = ()

    def turns_back(self) -> int:
        """Before how many turns an agent's thread can be brought back. The stock saver keeps whole states,
        and no place that is sure to be there further back.
        """
        return 1 if self.checkpointer == "redis" else self.thread_turns

    def patience(self) -> Patience:
        """How long to go on with a turn."""
        return Patience(attempts=self.attempts)
