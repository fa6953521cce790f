"""Conversations and agents: turns from the queue to their end, and what models give."""

from __future__ import annotations

from observability.panels import Board, Bounds, Query, Row, lines, number
from observability.queries import most, quantile, rate, risen, total

BOARD = Board(
    "conversations",
    "Continuo: conversations and agents",
    "The conversation service: do turns begin, do they end well, how fast is speech?",
    (
        Row(
            "Do turns begin?",
            (
                number(
                    "Workers there",
                    "Processes of the conversation service that Prometheus sees. 0 pages somebody.",
                    "none",
                    total("process", where='service="conversation"'),
                    bounds=Bounds(2, 1),
                ),
                number(
                    "Turns that run now",
                    "On all workers. At their limit, CONTINUO_CONVERSATIONS each, others wait.",
                    "none",
                    total("turns_running"),
                ),
                number(
                    "Turns that wait or run",
                    "In all conversations, as the connection service counted last. Above "
                    "CONTINUO_QUEUE_LENGTH messages to agents are refused.",
                    "none",
                    most("turns_queued"),
                    bounds=Bounds(1000, 8000),
                ),
                number(
                    "Turns that failed for good",
                    "Dead letters that nobody replayed or discarded: `continuo dead-letters list`.",
                    "none",
                    most("dead_letters"),
                    bounds=Bounds(1, 10),
                ),
                number(
                    "Age of the oldest that waits",
                    "Conversations that wait for a worker. Above 60 s for two minutes pages somebody.",
                    "s",
                    most("turn_queue_oldest_seconds"),
                    bounds=Bounds(10, 60),
                ),
                number(
                    "Leases held",
                    "Conversations that workers have in hand. A lease of a dead worker runs out by itself.",
                    "none",
                    total("leases_held"),
                ),
                lines(
                    "How long do turns wait?",
                    "Age of a turn when a worker begins it. It grows when workers are too few.",
                    "s",
                    Query(quantile(0.5, "turn_wait_seconds"), "half"),
                    Query(quantile(0.95, "turn_wait_seconds"), "95 %"),
                    bounds=Bounds(5, 30),
                ),
                lines(
                    "How busy are workers?",
                    "Conversations in hand as a share of what all workers take at a time "
                    "(CONTINUO_CONVERSATIONS each). At 100 % the next ones wait.",
                    "percentunit",
                    Query(f"{total('leases_held')} / {total('leases_limit')}", "all workers"),
                    bounds=Bounds(0.8, 0.95),
                ),
                lines(
                    "Are leases asked for in vain?",
                    "Leases asked for, by outcome. Refused: another worker holds it, or nothing waits any "
                    "more. Many refusals with few taken: workers run after the same conversations.",
                    "cps",
                    Query(rate("claims", "outcome"), "{{outcome}}"),
                ),
                lines(
                    "Are messages refused?",
                    "Because too many turns wait: in their conversation, or in all together.",
                    "cps",
                    Query(rate("sends_refused", "where"), "{{where}}"),
                    bounds=Bounds(0.1, 1),
                ),
                lines(
                    "How often does work change hands?",
                    "Conversations taken over from a silent worker, leases lost at work, turns handed over "
                    "by a worker that ends. Rollouts hand over; the others are faults.",
                    "none",
                    Query(risen("takeovers"), "taken over"),
                    Query(risen("leases_lost"), "leases lost"),
                    Query(risen("turns_handed_over", "where"), "handed over: {{where}}"),
                    bounds=Bounds(1, 10),
                ),
            ),
        ),
        Row(
            "Do turns end well?",
            (
                lines(
                    "How do turns end?",
                    "By outcome. Interrupted: it waits for a person. Failed: people read why, and it is a "
                    "dead letter.",
                    "cps",
                    Query(rate("turns", "outcome"), "{{outcome}}"),
                ),
                lines(
                    "What do agents ask people?",
                    "Interrupts asked, answered, withdrawn (something else was said, or all was cancelled), "
                    "and answers refused because somebody was first. Far more asked than answered: nobody "
                    "looks.",
                    "none",
                    Query(risen("inputs", "what"), "{{what}}"),
                ),
                lines(
                    "How long do people take to answer?",
                    "From what an agent asks to the answer, of those that were answered.",
                    "s",
                    Query(quantile(0.5, "input_seconds"), "half"),
                    Query(quantile(0.95, "input_seconds"), "95 %"),
                ),
                lines(
                    "How do each agent's turns end?",
                    "By agent and outcome. Agents that CONTINUO_METRIC_NAMES does not list are `other`.",
                    "cps",
                    Query(rate("agent_turns", "agent", "outcome"), "{{agent}}: {{outcome}}"),
                ),
                lines(
                    "Do people write while agents are at work?",
                    "Messages rejected, and turns that made way for one (superseded: it waited; stopped: it "
                    "ran), as docs/turns.md has it.",
                    "cps",
                    Query(rate("double_texts", "became"), "{{became}}"),
                ),
                lines(
                    "Why do turns fail?",
                    "By kind, as in docs/dead-letters.md. busy, unreachable, refused: the model's provider. "
                    "broken, absent: the agent. poisoned: it kills workers.",
                    "none",
                    Query(risen("turns_failed", "kind"), "{{kind}}"),
                    bounds=Bounds(1, 10),
                ),
                lines(
                    "What goes wrong on the way?",
                    "Failed executions by kind; most are tried again, and people notice only a delay.",
                    "none",
                    Query(risen("model_errors", "kind"), "{{kind}}"),
                    bounds=Bounds(5, 50),
                ),
                lines(
                    "How long do turns take?",
                    "From begin to end of an attempt, 95 % of them, by how it ended.",
                    "s",
                    Query(quantile(0.95, "turn_seconds", "outcome"), "{{outcome}}"),
                    bounds=Bounds(30, 120),
                ),
                lines(
                    "How many are tried again?",
                    "Attempts, first and further. Further ones are retries, takeovers and handed-over turns.",
                    "cps",
                    Query(rate("turn_attempts", "attempt"), "{{attempt}}"),
                ),
                lines(
                    "Is speech taken back?",
                    "Unfinished messages retracted, by reason (retry: the execution failed; lost: the "
                    "worker died). People see the words vanish.",
                    "none",
                    Query(risen("retractions", "reason"), "{{reason}}"),
                    bounds=Bounds(1, 10),
                ),
            ),
        ),
        Row(
            "How fast is speech?",
            (
                lines(
                    "How long until the first words?",
                    "From a message's acceptance to the first delta of its answer, or to the whole of one "
                    "that comes at once.",
                    "s",
                    Query(quantile(0.5, "first_delta_seconds"), "half"),
                    Query(quantile(0.95, "first_delta_seconds"), "95 %"),
                    bounds=Bounds(5, 20),
                ),
                lines(
                    "How many tokens go through models?",
                    "As the models reported them with complete messages.",
                    "cps",
                    Query(rate("tokens", "kind"), "{{kind}}"),
                ),
                lines(
                    "How much is streamed?",
                    "Deltas appended, and UTF-16 units of text in them.",
                    "cps",
                    Query(rate("deltas"), "deltas"),
                    Query(rate("delta_units"), "units of text"),
                ),
            ),
        ),
        Row(
            "What do models and tools cost?",
            (
                lines(
                    "How long do models take?",
                    "One call, 95 %, by model. Names that CONTINUO_METRIC_NAMES does not list are `other`.",
                    "s",
                    Query(quantile(0.95, "model_call_seconds", "model"), "{{model}}"),
                    bounds=Bounds(20, 60),
                ),
                lines(
                    "How long until a model begins?",
                    "From the call to the first piece of its answer, 95 %, by model. High, and calls not: "
                    "it thinks before it speaks.",
                    "s",
                    Query(quantile(0.95, "model_first_chunk_seconds", "model"), "{{model}}"),
                    bounds=Bounds(5, 20),
                ),
                lines(
                    "How fast do models write?",
                    "Tokens a second from the first piece to the last, half of the calls. A person reads 5 "
                    "to 10.",
                    "none",
                    Query(quantile(0.5, "model_tokens_per_second", "model"), "{{model}}"),
                    bounds=Bounds(10, 5),
                ),
                lines(
                    "How long do tools take?",
                    "One call, 95 %, by tool.",
                    "s",
                    Query(quantile(0.95, "tool_call_seconds", "tool"), "{{tool}}"),
                    bounds=Bounds(10, 60),
                ),
                lines(
                    "Which calls fail?",
                    "Calls of models and tools that failed, by kind. Most are tried again.",
                    "none",
                    Query(risen("model_call_errors", "model", "kind"), "{{model}}: {{kind}}"),
                    Query(risen("tool_call_errors", "tool", "kind"), "{{tool}}: {{kind}}"),
                    bounds=Bounds(5, 50),
                ),
                lines(
                    "How large is what threads keep?",
                    "One write into a thread, 99 %, by kind. A thread that grows with every turn makes "
                    "every turn slower.",
                    "bytes",
                    Query(quantile(0.99, "checkpoint_bytes", "kind"), "{{kind}}"),
                    bounds=Bounds(1_048_576, 8_388_608),
                ),
            ),
        ),
    ),
)
