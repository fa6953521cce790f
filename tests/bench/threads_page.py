"""The section "Threads" of docs/benchmarks.md. Called by run."""

from tests.bench import threads_child, threads_turns
from tests.bench.threads_figures import (
    LENGTHS,
    MEMORY,
    MESSAGES,
    NODES,
    OURS,
    STOCK,
    Kept,
    StockThread,
    Threads,
    Turn,
)
from tests.bench.threads_targets import verdict

KIB = 1024


def section(seen: Threads) -> list[str]:
    """Its lines."""
    return [
        "## Threads",
        "",
        "What it costs that a graph's thread is kept: with LangGraph's `InMemorySaver`, with",
        "`langgraph-checkpoint-redis` as shipped (`AsyncRedisSaver` on a plain client, acknowledged by the",
        "master alone), and with Continuo's saver as a worker uses it: fenced by the lease, and a checkpoint",
        "with new messages acknowledged by a replica before the graph goes on. All three serve in one",
        "process on one core, in turns; Redis has the other. Messages are about 300 characters, every second",
        "one a model's with its metadata and usage.",
        "",
        f"Where the process never waits (in-memory, many at a time) it had {seen.core_share:.0%} of its",
        "core; much less than all of it means that others ran there, and the clock's figures are worse than",
        "they would be.",
        "",
        *_targets(seen),
        *_one_turn(seen),
        *_growth(seen),
        *_crowds(seen),
        *_kept(seen.kept, seen.stock),
    ]


def row(*cells: object) -> str:
    """A line of a table; fractions with one decimal."""
    return f"| {' | '.join(f'{cell:,.1f}' if isinstance(cell, float) else str(cell) for cell in cells)} |"


def head(*names: str) -> list[str]:
    """A table's first two lines."""
    return [row(*names), row(*["---"] * len(names))]


def _targets(seen: Threads) -> list[str]:
    lines = [row(target, "met" if met else "**missed**") for target, met in verdict(seen)]
    return [*head("measured (target)", ""), *lines, ""]


def _one_turn(seen: Threads) -> list[str]:
    def line(turn: Turn) -> str:
        over = seen.over(turn.saver, turn.nodes, turn.messages)
        wire = (f"{turn.sends:.0f}", turn.sent / KIB, turn.received / KIB, turn.kept / KIB)
        what = (f"{turn.nodes}-node, {turn.messages}", turn.saver, turn.wall.p50, turn.wall.p95)
        return row(*what, over, turn.cpu_ms, *(wire if turn.saver != MEMORY else ("0", "", "", "")))

    kinds = [(nodes, messages) for nodes in NODES for messages in MESSAGES]
    columns = (
        "p50 ms",
        "p95 ms",
        "over in-memory ms",
        "CPU ms",
        "round trips",
        "KiB sent",
        "KiB read",
        "KiB kept",
    )
    return [
        "### One turn",
        "",
        "`ainvoke` of one message on a fresh thread that held so many before; every node adds a message;",
        f'`durability="async"`; {threads_child.TURNS} turns of each kind. Round trips are what the clients',
        "of the process sent, counted in redis-py where it writes to a socket (a pipeline is one). KiB sent",
        "and read are Redis's own counters without replication. KiB kept is by how much `MEMORY USAGE` of",
        "the thread's keys grew, before older checkpoints are dropped; the JSON module counts about twice",
        "what Redis's data set grows by (see the end). Medians.",
        "",
        *head("graph, messages", "saver", *columns),
        *(line(seen.turn(saver, *kind)) for kind in kinds for saver in (MEMORY, STOCK, OURS)),
        "",
    ]


def _growth(seen: Threads) -> list[str]:
    by_length = {(turn.saver, turn.messages): turn for turn in seen.lengths}

    def line(messages: int) -> str:
        ours, floor = by_length[OURS, messages], by_length[MEMORY, messages]
        wire = (f"{ours.sends:.0f}", ours.sent / KIB, ours.received / KIB)
        beside = next((one.look_ms, one.trim_ms) for one in seen.around if one.messages == messages)
        return row(messages, *wire, ours.cpu_ms, floor.cpu_ms, ours.cpu_ms - floor.cpu_ms, *beside)

    columns = (
        "round trips",
        "KiB sent",
        "KiB read",
        "CPU ms",
        "in-memory CPU ms",
        "beyond it",
        "look",
        "trim",
    )
    return [
        "### What grows with the conversation",
        "",
        "The same turn of the 3-node graph with Continuo's saver. What a turn sends does not grow. What it",
        "reads does: the thread is read once when a turn begins. And so does processor time: all messages",
        "are revived once, and serialised again at each put to see which are new. The in-memory saver does",
        "both too. Beside the turn, and in no other figure here but what stays in Redis, a worker looks at",
        "the thread before it, which is one more read, and drops old checkpoints after it: the last columns.",
        "",
        *head("messages", *columns),
        *map(line, LENGTHS),
        "",
    ]


def _crowds(seen: Threads) -> list[str]:
    lines = [
        row(crowd.messages, crowd.saver, crowd.turns_s, crowd.cpu_ms, crowd.stall.p99, crowd.stall_max_ms)
        for crowd in seen.crowds
    ]
    many, rounds = threads_child.CROWD_TURNS, threads_child.ROUNDS
    return [
        "### Many turns at a time",
        "",
        f"3-node graph, {threads_turns.AT_ONCE} turns under way at any time until {many} are done; the",
        f"median of {rounds} rounds. The stall is how late a task comes that sleeps a millisecond at a time,",
        "in all rounds.",
        "",
        *head("messages", "saver", "turns/s", "CPU ms a turn", "stall p99 ms", "stall max ms"),
        *lines,
        "",
    ]


def _kept(kept: Kept, stock: StockThread) -> list[str]:
    lines = [row(kind, kept.keys[kind], kept.bytes[kind] / KIB) for kind in sorted(kept.keys)]
    documents, grown = (f"{size / KIB**2:.1f} MiB" for size in (stock.documents, stock.grown))
    total = row("together", sum(kept.keys.values()), kept.mib * KIB)
    return [
        "### What a conversation leaves in Redis",
        "",
        f"{kept.messages} messages ({kept.text / KIB:.0f} KiB of text): every second one the default",
        "assistant's, in a real worker, one after the other. `MEMORY USAGE ... SAMPLES 0` of every key of",
        "the conversation.",
        "",
        *head("what", "keys", "KiB"),
        *lines,
        total,
        "",
        f"The stock saver kept {documents} by `MEMORY USAGE` of {stock.turns} such turns of a 3-node graph,",
        f"its thread alone: {stock.keys} keys; the data set grew by {grown}.",
        "",
    ]
