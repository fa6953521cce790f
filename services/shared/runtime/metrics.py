"""Every metric of the system in one table: the body of `Metrics`. docs/metrics.md is made from it.

A line is a name (`continuo_` and, for counters, `_total` are added), its labels, its meaning, its buckets.
Shells take a `Metrics` and write `metrics.commands.labels(method="rpc", code="0").inc()`. Labels hold
codes and kinds, never ids: a label's values must be few. Names that users make (models, tools, agents) pass
through `named` on their way into a label. A process registers all of them; what it does not do stays at zero
or absent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

PREFIX = "continuo_"

FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""Seconds, for one Redis round trip up to the client's own time limit."""
SLOW = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
"""Seconds, for what a person or a model waits for."""
PATIENT = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0, 86400.0, 604800.0)
"""Seconds, for what a person comes back to: up to a week."""
SIZES = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
"""Counts of things handled together."""
BYTES = (256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0, 16777216.0)
"""Bytes, from a word up to the largest step of a thread."""
PER_SECOND = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0)
"""Tokens a second: a person reads 5 to 10."""

OTHER = "other"
"""The label of every name that is not configured."""

FAULTS = ("busy", "unreachable", "store", "unsaid", "refused", "incomplete", "broken", "absent")
"""Why an execution failed."""

FENCED = (
    *("begin", "start_message", "delta", "complete", "retract", "finish", "keep", "release"),
    *("tell", "spend", "thread_put", "thread_writes", "thread_drop", "thread_delete", "thread_restore"),
)
"""The scripts that refuse whoever owns the conversation no more."""

Kind = TypeVar("Kind", Counter, Gauge, Histogram)


@dataclass(frozen=True, slots=True)
class Row(Generic[Kind]):
    """One metric: a line of the table. Read on a `Metrics`, it is the metric itself."""

    kind: type[Kind]
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    known: tuple[str, ...] = ()
    """Values of its one label that are there from the start, at 0: a rate misses what begins at 1."""
    name: str = field(default="", init=False)

    def __set_name__(self, owner: type, name: str) -> None:
        object.__setattr__(self, "name", name)

    def __get__(self, metrics: Metrics, owner: type[Metrics]) -> Kind:
        return cast(Kind, metrics.made[self.name])

    def make(self, registry: CollectorRegistry) -> Kind:
        if self.kind is Histogram:
            name, spread = PREFIX + self.name, self.buckets
            return self.kind(name, self.meaning, self.labels, registry=registry, buckets=spread)
        made = self.kind(PREFIX + self.name, self.meaning, self.labels, registry=registry)
        for value in self.known:
            made.labels(value)
        return made


def _count(meaning: str, *labels: str, known: tuple[str, ...] = ()) -> Row[Counter]:
    return Row(Counter, meaning, labels, known=known)


def _gauge(meaning: str, *labels: str) -> Row[Gauge]:
    return Row(Gauge, meaning, labels)


def _spread(meaning: str, *labels: str, buckets: tuple[float, ...] = FAST) -> Row[Histogram]:
    return Row(Histogram, meaning, labels, buckets)


class Metrics:
    """The table, and one process's copy of it on a registry."""

    process = _gauge("1, by the service that this process is", "service")

    # The door: connections and commands
    connections = _gauge("Open client connections of this process")
    connections_limit = _gauge("Most connections this process takes; 0: no bound")
    connections_opened = _count("Client connections that got through `connect`")
    connections_refused = _count("Connections ended before `connect` succeeded, by close code", "code")
    disconnects = _count("Connections this process closed, by close code", "code")
    commands = _count("Commands answered, by method and error code (0: no error)", "method", "code")
    command_seconds = _spread("From a command's arrival to its reply, by method", "method")
    accept_seconds = _spread("From `conversation.send` to its replicated acknowledgement")
    sends = _count(
        "Messages sent, by what became of them (accepted; busy: too many turns wait; refused: the client's "
        "own fault; failed: ours)",
        "outcome",
        known=("accepted", "busy", "refused", "failed"),
    )
    sends_refused = _count(
        "Messages refused because too many turns wait, by where (conversation, all)",
        "where",
        known=("conversation", "all"),
    )
    slow_closes = _count("Devices closed because their outbox was full")
    outboxes = _gauge("Devices that read too slowly just now: what they are to get waits in their outbox")
    unsubscribes = _count("Subscriptions this process ended, by code", "code")
    draining = _gauge("1 while this process closes its connections, to stop or because it was told to")
    drain_state = _gauge(
        "1 for the state this process is in (serving, lame_duck, draining, emptied, gone)", "state"
    )
    drain_closes = _count(
        "Connections told to go elsewhere, by what paced them (budget: the fleet's, least: the deadline's, "
        "alone: the deadline's, as Redis was not there, pod: this process's own)",
        "pace",
        known=("budget", "least", "alone", "pod"),
    )
    drain_forced = _count("Connections cut at a drain's deadline, with a command under way or unanswered")
    drain_waits = _count("Looks at which the fleet's budget granted fewer closes than this process wanted")
    drain_alone = _count("Times Redis did not answer for the fleet's budget: closed at the least rate alone")
    audit_waiting = _gauge("Entries of the audit log, connects and denials, that wait for Redis to take them")
    audit_lost = _count("Entries of the audit log, connects and denials, that Redis did not take in time")
    handshakes_refused = _count(
        "Handshakes answered with 503, by why (full, cordoned, ending)",
        "why",
        known=("full", "cordoned", "ending"),
    )

    # The back ends' door
    api_requests = _count(
        "Requests of back ends answered, by route (other: none there is) and status (499: who asked went "
        "away before its request was whole)",
        "route",
        "status",
    )
    api_seconds = _spread("From a request of a back end to its answer, by route", "route")
    api_under_way = _gauge("Requests of back ends that are done just now, their bodies being whole")

    # What devices are shown
    subscriptions = _gauge("Subscriptions of connected devices, by kind of channel", "kind")
    channels_followed = _gauge("Channels this process follows in Redis")
    recoveries = _count(
        "Subscribes with a position, by outcome (recovered, reset)",
        "outcome",
        known=("recovered", "reset"),
    )
    events_heard = _count("Publishes heard from Redis, by kind (event, delta, transient)", "kind")
    events_shown = _count("Journal events handed to the hub, by kind (event, delta)", "kind")
    delivery_seconds = _spread(
        "From an event's time in the journal, by Redis's clock, to the hub's write to its followers, by this "
        "machine's clock, by kind (event, delta)",
        "kind",
        buckets=SLOW,
    )
    frames_sent = _count("Frames handed to clients' transports by the fan-out")
    events_held = _gauge("Events heard and not yet confirmed as replicated")
    held_seconds = _spread("From hearing an event to showing it: the wait for replication")
    gaps_repaired = _count("Holes between live events filled from the journal")
    repairs = _count("Channels read again because their top had moved unheard")
    feed_deaf = _gauge("1 while the live feed of this process hears nothing, not even its own probes")
    feeds_deaf = _count("Times the live feed heard nothing of its own probes and was opened anew")
    epoch_moves = _count("Live channels moved to a new epoch after a failover")
    tick_seconds = _spread("One replication tick: a tiny write and its WAIT")
    ticks_failed = _count("Replication ticks that were not confirmed in time")

    # Turns and answers
    turns = _count(
        "Turns finished, by outcome", "outcome", known=("completed", "failed", "cancelled", "interrupted")
    )
    agent_turns = _count("Turns finished, by agent and outcome", "agent", "outcome")
    double_texts = _count(
        "Second messages to agents at work, by what became of them or of the work (rejected: the message; "
        "superseded: a turn that waited; stopped: one that ran)",
        "became",
        known=("rejected", "superseded", "stopped"),
    )
    inputs = _count(
        "What agents ask people, by what became of it (asked; answered; refused: answers that came too late "
        "or to nothing; withdrawn)",
        "what",
        known=("asked", "answered", "refused", "withdrawn"),
    )
    input_seconds = _spread("From what an agent asks to the answer of a person", buckets=PATIENT)
    turns_failed = _count(
        "Turns finished as failed, by kind: those of model_errors, poisoned (each worker that took it died), "
        "unreadable, unasked (it brought an answer to what is not asked)",
        "kind",
        known=(*FAULTS, "poisoned", "unreadable", "unasked"),
    )
    dead_letters = _gauge(
        "Failed turns that nobody has replayed or discarded, as the presence service sees it"
    )
    turns_running = _gauge("Turns this worker runs now")
    turn_attempts = _count(
        "Turns begun, by whether it is the first attempt (first, again)", "attempt", known=("first", "again")
    )
    turn_wait_seconds = _spread("Age of a turn when a worker begins it", buckets=SLOW)
    turn_queue_oldest_seconds = _gauge(
        "Age of the oldest word that a conversation's turn waits for a worker; 0 when none waits"
    )
    turns_queued = _gauge("Turns that wait or run in all conversations, as this process counted them last")
    turns_handed_over = _count(
        "Turns a worker that ends left to another, by where (step: behind one; within: before or in one)",
        "where",
        known=("step", "within"),
    )
    turn_seconds = _spread("From begin to finish of an attempt, by outcome", "outcome", buckets=SLOW)
    first_delta_seconds = _spread(
        "From a message's acceptance to the first delta of its answer, or to the whole of one that came at "
        "once",
        buckets=SLOW,
    )
    deltas = _count("Delta events appended")
    delta_units = _count("UTF-16 units of text in the appended deltas")
    tokens = _count("Tokens models reported for completed messages, by kind (input, output)", "kind")
    model_call_seconds = _spread("One call of a model, by model", "model", buckets=SLOW)
    model_first_chunk_seconds = _spread(
        "From a model's call to the first piece of its answer, by model", "model", buckets=SLOW
    )
    model_tokens_per_second = _spread(
        "Tokens a model wrote a second, from the first piece of its answer to the last, by model",
        "model",
        buckets=PER_SECOND,
    )
    model_call_errors = _count(
        "Calls of models that failed, by model and kind (those of model_errors)", "model", "kind"
    )
    tool_call_seconds = _spread("One call of a tool, by tool", "tool", buckets=SLOW)
    tool_call_errors = _count(
        "Calls of tools that failed, by tool and kind (as model_errors)", "tool", "kind"
    )
    checkpoint_bytes = _spread(
        "Bytes of one write into a thread, by kind (checkpoint; writes: what tasks of a step wrote)",
        "kind",
        buckets=BYTES,
    )
    retractions = _count(
        "Messages a worker took back in mid-turn, by reason (retry, lost)", "reason", known=("retry", "lost")
    )
    leases_held = _gauge("Leases this worker holds")
    leases_limit = _gauge("Conversations this worker takes at a time: most leases it holds")
    claims = _count(
        "Leases this worker asked for, by outcome (taken; refused: another holds it, or nothing waits)",
        "outcome",
        known=("taken", "refused"),
    )
    leases_lost = _count("Leases this worker lost while it worked")
    fenced = _count(
        "Writes that Redis refused because the lease or the attempt behind them is over, by script",
        "operation",
        known=FENCED,
    )
    takeovers = _count("Conversations taken over from a worker that fell silent")
    model_errors = _count(f"Failed executions, by kind ({', '.join(FAULTS)})", "kind", known=FAULTS)

    # Redis
    redis_seconds = _spread("One round trip to Redis, by script or command", "operation")
    redis_errors = _count("Failed operations on Redis, by kind", "kind")
    redis_reconnects = _count("Connections to Redis opened again after a break, by pool", "pool")
    redis_failovers = _count("Times the Sentinels named another master")
    redis_masters = _gauge(
        "Data servers that answer and call themselves master, by the Sentinels' name for the group, as the "
        "presence service sees them: 1 when all is well",
        "name",
    )
    redis_replicas = _gauge(
        "Replicas that follow with the whole data set, as the masters that the presence service sees say",
        "name",
    )
    redis_emptied = _count("Times Redis was found to have lost everything it held")
    waits_failed = _count("Writes whose replication was not confirmed in time")
    relay_entries = _count("Outbox entries carried to other partitions, by kind", "kind")
    relay_seconds = _spread("Age of an outbox entry when it has been carried", buckets=SLOW)
    control_entries = _count("Control entries acted on, by kind", "kind")

    # Housekeeping
    deletions = _count("Deleted conversations of which nothing is left any more")
    conversations_retired = _count("Conversations deleted because nobody wrote in them for long")
    deletions_due = _gauge("Deleted conversations of which something is left")

    # Presence
    presence_transitions = _count("Joins and leaves announced", "kind", known=("join", "leave"))
    presence_sweep_seconds = _spread("One sweep of the presence service that came to its end", buckets=SLOW)
    presence_beats = _count("Beats this process sent")
    nodes_alive = _gauge("Nodes whose beat is fresh, as the presence service sees them")
    census = _gauge(
        "What the connection processes that are heard hold together: connections, draining, users (of each"
        " process), channels, connects (a second)",
        "number",
    )
    census_stale = _gauge("Connection processes that are shown with what was known of them last")
    nodes_reaped = _count("Nodes declared dead and cleared away")
    seats_reaped = _count("Connections cleared away with a dead node")
    presence_shards = _gauge("Shards of the partitions this replica of the presence service works for")
    departures_due = _gauge("Leaves waiting for their grace to end")

    # Traces
    traces_spans = _count(
        "Spans, by fate (sampled: sent with their trace; late: kept afterwards; early: sampled, sent before "
        "their root ended for want of room; expired: nobody kept them; overflow: no room)",
        "fate",
        known=("sampled", "late", "early", "expired", "overflow"),
    )
    traces_dropped = _count(
        "Spans on their way that did not arrive, by why (full: the queue was, failed: the collector did not "
        "take them, ended: the process did)",
        "why",
        known=("full", "failed", "ended"),
    )
    traces_held = _gauge(
        "Spans that wait for their root's end or to be kept; one of a graph's own counts once more for each "
        "kilobyte that it says"
    )
    traces_queued = _gauge("Spans on their way to the collector")

    # The operator
    operator_leads = _gauge("1 while this operator holds the Lease and acts")
    operator_loop_seconds = _spread("One look at a fleet: gather, decide, apply")
    operator_effects = _count("What the operator did, by effect and outcome", "effect", "outcome")
    operator_conditions = _gauge(
        "1 while a condition of a fleet is true, by the fleet's name and the condition's type; of the "
        "operator that leads",
        "fleet",
        "condition",
    )
    operator_pods = _gauge(
        "Pods of a fleet as its status says, by where they stand (desired, ready, draining)", "fleet", "state"
    )
    operator_faults = _count(
        "Looks at a fleet that ended early: the API server did not answer, or its spec is wrong"
    )

    def __init__(self, registry: CollectorRegistry | None = None, *, names: Collection[str] = ()) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        self.made = {row.name: row.make(self.registry) for row in self.table()}
        self._names = frozenset(names)
        # Processor, memory and open files, as every exporter names them.
        ProcessCollector(registry=self.registry)

    def named(self, name: str) -> str:
        """The label for a name that users make: the name if it is one of `names`, else `other`. So nobody
        can make series without end by making names.
        """
        return name if name in self._names else OTHER

    @classmethod
    def table(cls) -> Iterator[Row[Counter] | Row[Gauge] | Row[Histogram]]:
        """All rows in their order."""
        for value in vars(cls).values():
            if isinstance(value, Row):
                yield value
